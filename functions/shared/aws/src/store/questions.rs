//! Whether the questions of a run, and what people said, are those that its log tells of.

use pact_agent::ports::{ApprovalAnswer, ApprovalRecord};
use pact_contract::{
    RunId,
    log::{LogEntry, Tampered},
};
use serde_json::Value;

use super::{
    item::{Item, optional_text, text},
    kind::CALLBACK,
};

/// What the log has of one question.
struct Told<'a> {
    opened: Option<&'a LogEntry>,
    agreed: Vec<&'a LogEntry>,
    answered: Option<&'a LogEntry>,
}

impl<'a> Told<'a> {
    fn of(entries: &'a [LogEntry], state: &str) -> Self {
        let of = |action: &str| {
            let action = action.to_owned();
            entries.iter().filter(move |entry| {
                entry.action == action
                    && entry.body.get("state").and_then(Value::as_str) == Some(state)
            })
        };
        Self {
            opened: of("gateway.open_approval").next_back(),
            agreed: of("gateway.agree_approval").collect(),
            answered: of("gateway.answer_approval").next_back(),
        }
    }
}

fn same(entry: &LogEntry, given: &ApprovalAnswer) -> bool {
    let reason = entry.body.get("reason").and_then(Value::as_str);
    let approved = entry.body.get("approved").and_then(Value::as_bool).unwrap_or(true);
    entry.actor == given.by
        && entry.timestamp == given.at
        && reason == given.reason.as_deref()
        && approved == given.approved
}

/// Checks the questions: `pointers` are the items of the run that lead to them, `questions` what they lead
/// to. Of a run that `goes_on` an answer may still be on its way to the log.
pub(super) fn check<'a>(
    run_id: &RunId,
    pointers: impl Iterator<Item = &'a Item>,
    questions: &[&Item],
    entries: &[LogEntry],
    goes_on: bool,
) -> Result<(), Tampered> {
    let mut known = Vec::new();
    for pointer in pointers {
        let state =
            optional_text(pointer, "sk").unwrap_or_default().trim_start_matches("APPROVAL#");
        let wrong = |what: &str| wrong(state, what);
        let key = optional_text(pointer, "callback").map(|callback| format!("CALLBACK#{callback}"));
        let question = questions.iter().find(|item| optional_text(item, "pk") == key.as_deref());
        let question = question.ok_or_else(|| wrong("it is gone"))?;
        let record: ApprovalRecord =
            CALLBACK.document(question, "record").map_err(|e| wrong(&e.to_string()))?;
        let written = text(question, "record").map_err(|e| wrong(&e.to_string()))?;
        if serde_json::to_string(&record).ok().as_deref() != Some(written) {
            return Err(wrong("it has more, or other, than a question has"));
        }
        if record.state.as_str() != state || record.run_id != *run_id {
            return Err(wrong("it is that of another state or run"));
        }
        one(&record, &Told::of(entries, state), goes_on).map_err(wrong)?;
        known.push(state);
    }
    let told = |entry: &&LogEntry| entry.action == "gateway.open_approval";
    for entry in entries.iter().filter(told) {
        let state = entry.body.get("state").and_then(Value::as_str).unwrap_or_default();
        if !known.contains(&state) {
            return Err(wrong(state, "it is gone"));
        }
    }
    Ok(())
}

fn wrong(state: &str, what: &str) -> Tampered {
    Tampered { place: format!("the question of {state}"), what: what.to_owned() }
}

fn one(record: &ApprovalRecord, told: &Told<'_>, goes_on: bool) -> Result<(), &'static str> {
    if let Some(opened) = told.opened {
        let said = |field: &str| opened.body.get(field).and_then(Value::as_str);
        let until = said("expires_at").and_then(|at| at.parse().ok());
        if said("question") != Some(&record.question) || until != Some(record.expires_at) {
            return Err("it is not the one that the log tells of");
        }
    }
    if !told.agreed.iter().all(|entry| record.agreed.iter().any(|given| same(entry, given))) {
        return Err("somebody agreed by the log, and it has them not, or otherwise");
    }
    match (&record.answer, told.answered) {
        (Some(given), Some(entry)) if !same(entry, given) => {
            Err("its answer is not the one that the log tells of")
        }
        (None, Some(_)) => Err("its answer is gone"),
        (Some(_), None) if !goes_on => Err("the log tells of no answer"),
        _ => Ok(()),
    }
}
