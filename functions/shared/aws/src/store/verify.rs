//! Whether what is recorded of a run is what was recorded: nothing changed, added, removed,
//! reordered, hashed anew or cut, in the log, in the stage records and at the log's end.

use std::collections::BTreeMap;

use pact_agent::ports::StoreError;
use pact_contract::{
    RunId, StageRecord,
    log::{GENESIS, LogEntry, LogKind, Proof, RECORD_FIELD, Tampered, Verified, record_digest},
};

use serde::Deserialize;
use serde_json::Value;

use super::{
    DynamoStore, all_pages,
    callbacks::key as callback_key,
    item::{Item, number, optional_text, run_key, s, text},
    kind::{LOG, LOG_HEAD, RUN, STAGE},
    questions,
    seal::{SEAL, SealKey},
};

/// How the key begins of what leads to a question.
const QUESTION: &str = "APPROVAL#";

fn tampered(place: impl Into<String>, what: impl Into<String>) -> Tampered {
    Tampered { place: place.into(), what: what.into() }
}

impl DynamoStore {
    /// Checks everything that is recorded of the run.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn verify(&self, run_id: &RunId) -> Result<Verified, StoreError> {
        let items = self.everything_of_run(run_id).await?;
        Ok(match check(run_id, &items, self.seal.key().await?.as_ref()) {
            Ok(proof) => Verified::Proven(proof),
            Err(tampered) => Verified::Tampered(tampered),
        })
    }

    /// Every item below the run's key, whether it has expired or not, and the questions that they lead to.
    pub(super) async fn everything_of_run(&self, run_id: &RunId) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", s(run_key(run_id)))
            .consistent_read(true);
        let mut items = all_pages("read what is recorded of the run", query).await?;
        let asked: Vec<String> = of_kind(&items, QUESTION)
            .filter_map(|item| optional_text(item, "callback"))
            .map(str::to_owned)
            .collect();
        for callback in asked {
            let what = "read the question";
            items.extend(self.get_expired(what, callback_key(&callback), "CALLBACK").await?);
        }
        Ok(items)
    }
}

fn of_kind<'a>(items: &'a [Item], prefix: &'static str) -> impl Iterator<Item = &'a Item> {
    let is_of =
        move |item: &&Item| optional_text(item, "sk").is_some_and(|sk| sk.starts_with(prefix));
    items.iter().filter(is_of)
}

/// Checks the items of a run.
pub(super) fn check(
    run_id: &RunId,
    items: &[Item],
    key: Option<&SealKey>,
) -> Result<Proof, Tampered> {
    let kind = |prefix: &'static str| of_kind(items, prefix);
    let mut log: Vec<&Item> = kind("LOG#").collect();
    log.sort_by_key(|item| optional_text(item, "sk"));
    let head = kind("LOGHEAD").next();
    let entries = entries(&log, key)?;
    end(&entries, head, key)?;
    let stages = stages(run_id, kind("STAGE#"), &entries, key)?;
    let run = items.iter().find(|item| optional_text(item, "sk") == Some("RUN"));
    ended(run, &entries, key)?;
    let goes_on = run.is_none_or(|run| !run.contains_key("outcome"));
    let asked: Vec<&Item> = kind("CALLBACK").collect();
    questions::check(run_id, kind(QUESTION), &asked, &entries, goes_on)?;
    Ok(Proof { entries: entries.len() as u64, stages, is_keyed: key.is_some() })
}

/// What is told people of a run's end.
#[derive(PartialEq, Eq, Deserialize)]
struct End {
    status: String,
    reason: String,
    #[serde(default)]
    deployments: Vec<Value>,
}

/// The end of the run is the one that people were told of, and where it was sealed the one that was
/// sealed. The state machine, which writes most of them, has no key.
fn ended(run: Option<&Item>, entries: &[LogEntry], key: Option<&SealKey>) -> Result<(), Tampered> {
    const PLACE: &str = "the run's own record";
    let run = run.ok_or_else(|| tampered(PLACE, "it is gone"))?;
    RUN.known(run).map_err(|e| tampered(PLACE, e.to_string()))?;
    if key.is_some_and(|key| run.contains_key(SEAL) && !key.holds_end(run)) {
        let what =
            "its end is not what was sealed: what was asked for, or what came of it, was changed";
        return Err(tampered(PLACE, what));
    }
    let told = entries.iter().rev().find_map(|entry| {
        let told = entry.action.starts_with("notify.") && entry.kind == LogKind::Intent;
        let outcome = entry.body.pointer("/parameters/outcome").filter(|_| told)?;
        End::deserialize(outcome).ok()
    });
    let Some(told) = told else { return Ok(()) };
    let written: Option<End> =
        optional_text(run, "outcome").and_then(|text| serde_json::from_str(text).ok());
    let same = optional_text(run, "status") == Some(told.status.as_str());
    if !same || written.as_ref() != Some(&told) {
        return Err(tampered(PLACE, "its end is not the one that people were told of"));
    }
    Ok(())
}

fn sealed(place: &str, item: &Item, key: Option<&SealKey>) -> Result<(), Tampered> {
    match key {
        Some(_) if !item.contains_key(SEAL) => Err(tampered(
            place,
            "it is not sealed: its seal was taken away, or it was written without the key",
        )),
        Some(key) if !key.holds(item) => {
            Err(tampered(place, "it is not what was sealed: it was changed, or put there"))
        }
        Some(_) | None => Ok(()),
    }
}

fn entries(log: &[&Item], key: Option<&SealKey>) -> Result<Vec<LogEntry>, Tampered> {
    let mut entries = Vec::new();
    let mut previous = GENESIS.to_owned();
    for (expected, item) in (1_u64..).zip(log) {
        let place = format!("entry {expected}");
        let wrong = |what: String| tampered(place.clone(), what);
        let sk = optional_text(item, "sk").unwrap_or_default();
        if sk != format!("LOG#{expected:010}") {
            return Err(wrong(format!("it is missing; {sk} follows the entry before it")));
        }
        sealed(&place, item, key)?;
        let entry: LogEntry = LOG.document(item, "entry").map_err(|e| wrong(e.to_string()))?;
        let written = serde_json::to_string(&entry).map_err(|e| wrong(e.to_string()))?;
        if text(item, "entry").ok() != Some(&written) {
            return Err(wrong("it has more, or other, than an entry has".to_owned()));
        }
        if entry.sequence != expected {
            return Err(wrong(format!("entry {} stands in its place", entry.sequence)));
        }
        if entry.hash != entry.digest() {
            return Err(wrong("it was altered after it was written".to_owned()));
        }
        if entry.previous != previous {
            return Err(wrong("it does not follow the entry before it".to_owned()));
        }
        previous.clone_from(&entry.hash);
        entries.push(entry);
    }
    Ok(entries)
}

fn end(entries: &[LogEntry], head: Option<&Item>, key: Option<&SealKey>) -> Result<(), Tampered> {
    const PLACE: &str = "the end of the log";
    let count = entries.len() as u64;
    let Some(head) = head else {
        let what = if count == 0 { "the log is gone" } else { "what says where it is, is gone" };
        return Err(tampered(PLACE, what));
    };
    sealed(PLACE, head, key)?;
    LOG_HEAD.known(head).map_err(|e| tampered(PLACE, e.to_string()))?;
    let wrong = |e: pact_agent::ports::Unreadable| tampered(PLACE, e.to_string());
    let sequence = number::<u64>(head, "sequence").map_err(wrong)?;
    let hash = text(head, "hash").map_err(wrong)?;
    if sequence > count {
        let first = count + 1;
        return Err(tampered(
            format!("entry {first}"),
            format!("it is cut off: {sequence} were written"),
        ));
    }
    if sequence < count {
        let first = sequence + 1;
        return Err(tampered(
            format!("entry {first}"),
            format!("it was added: {sequence} were written"),
        ));
    }
    if entries.last().is_none_or(|last| last.hash != hash) {
        return Err(tampered(PLACE, "it is not that of the last entry"));
    }
    Ok(())
}

/// Every record is the one that the log's last word about its state names, and none is missing.
fn stages<'a>(
    run_id: &RunId,
    items: impl Iterator<Item = &'a Item>,
    entries: &[LogEntry],
    key: Option<&SealKey>,
) -> Result<usize, Tampered> {
    // The log's entries about each state: whether it is the beginning, and the record's digest.
    let mut told: BTreeMap<&str, Vec<(LogKind, Option<&str>)>> = BTreeMap::new();
    for entry in entries {
        if let Some(state) = entry.body.get("state").and_then(|state| state.as_str())
            && entry.kind != LogKind::Event
        {
            let digest = entry.body.get(RECORD_FIELD).and_then(|digest| digest.as_str());
            told.entry(state).or_default().push((entry.kind, digest));
        }
    }
    let mut number = 0;
    for item in items {
        let sk = optional_text(item, "sk").unwrap_or_default();
        let state = sk.trim_start_matches("STAGE#");
        let place = format!("the record of {state}");
        sealed(&place, item, key)?;
        let wrong = |what: String| tampered(place.clone(), what);
        let record: StageRecord =
            STAGE.document(item, "record").map_err(|e| wrong(e.to_string()))?;
        let written = text(item, "record").map_err(|e| wrong(e.to_string()))?;
        if serde_json::to_string(&record).ok().as_deref() != Some(written) {
            return Err(wrong("it has more, or other, than a record has".to_owned()));
        }
        if record.state.as_str() != state || record.run_id != *run_id {
            return Err(wrong("it is that of another state or run".to_owned()));
        }
        let digest = record_digest(written);
        let Some(told) = told.remove(state) else {
            return Err(wrong("the log has nothing about it".to_owned()));
        };
        let last = told.last().map(|(_, digest)| *digest);
        // Who was ended between record and log told of it no more; its beginning is told.
        let ended_between =
            told.last().is_some_and(|(kind, _)| *kind == LogKind::Intent) && key.is_some();
        if last != Some(Some(&*digest)) && !ended_between {
            return Err(wrong("it is not the one that the log tells of".to_owned()));
        }
        number += 1;
    }
    match told.into_iter().find(|(_, told)| told.iter().any(|(_, digest)| digest.is_some())) {
        Some((state, _)) => Err(tampered(format!("the record of {state}"), "it is gone")),
        None => Ok(number),
    }
}
