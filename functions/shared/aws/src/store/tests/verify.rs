//! Whatever is changed in the table of what is recorded of a run is found.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pact_agent::{
    ports::{ApprovalAnswer, ApprovalRecord, Callbacks as _, Recorder as _, Runs as _},
    testing::Memory,
};
use pact_contract::{
    RunId, RunStatus, StageRecord, StageStatus,
    log::{LogEntry, LogKind, NewEntry, RECORD_FIELD, Tampered, Verified, record_digest},
    run::Outcome,
};
use serde_json::{Value, json};

use super::{
    super::{
        item::Item,
        seal::{SEAL, SealKey},
        verify::check,
    },
    id, request,
    samples::items,
    store,
};
use crate::DynamoStore;

fn key() -> SealKey {
    SealKey::new("a key of thirty-two characters..")
}

/// Two stages of a run, each begun and ended, and an event before them.
async fn recorded() -> (DynamoStore, RunId, Vec<Item>) {
    let store = store().await.sealing(Some(key()));
    let run_id = request("acme/web", "main", 1).run_id;
    let log = async |kind, body: Value| {
        let entry = NewEntry {
            timestamp: Timestamp::UNIX_EPOCH,
            actor: "code-agent".to_owned(),
            kind,
            action: "code.validate_syntax".to_owned(),
            body,
        };
        store.append_log(&run_id, entry).await.unwrap();
    };
    let run = request("acme/web", "main", 1);
    store.create_run(&run, "arn", RunStatus::Running, None).await.unwrap();
    log(LogKind::Event, json!({ "delivery": "d-1" })).await;
    for state in ["ValidateSyntax", "EvaluateGate"] {
        for (status, kind) in
            [(StageStatus::Running, LogKind::Intent), (StageStatus::Passed, LogKind::Response)]
        {
            let record = StageRecord {
                schema: StageRecord::VERSION,
                run_id: run_id.clone(),
                state: state.parse().unwrap(),
                agent: "code-agent".to_owned(),
                action: "code.validate_syntax".to_owned(),
                status,
                summary: "1 file".to_owned(),
                attempt: 1,
                started_at: Timestamp::UNIX_EPOCH,
                finished_at: None,
                duration_ms: 1,
                findings: Vec::new(),
                findings_total: 0,
                output: json!({ "verdict": "promote" }),
                details_key: None,
                error: None,
                fallback: None,
            };
            store.record_stage(&record).await.unwrap();
            let digest = record_digest(&serde_json::to_string(&record).unwrap());
            log(kind, json!({ "state": state, RECORD_FIELD: digest })).await;
        }
    }
    let outcome = Outcome {
        status: RunStatus::Cancelled,
        reason: "on request".to_owned(),
        template: None,
        decision: None,
        deployments: Vec::new(),
        fault: None,
    };
    assert!(store.finish_run(&run_id, &outcome, Timestamp::UNIX_EPOCH).await.unwrap());
    let key = format!("RUN#{run_id}");
    let all = items(&store).await.into_values();
    let all = all.filter(|item| item["pk"].as_s().is_ok_and(|pk| *pk == key)).collect();
    (store, run_id, all)
}

fn sk(item: &Item) -> &str {
    item["sk"].as_s().unwrap()
}

fn found(run_id: &RunId, items: &[Item], what: &str) -> Tampered {
    check(run_id, items, Some(&key())).expect_err(what)
}

fn entry(number: u64) -> String {
    format!("LOG#{number:010}")
}

#[tokio::test]
async fn what_nobody_touched_is_as_it_was_written() {
    let (store, run_id, _) = recorded().await;
    let Verified::Proven(proof) = store.verify(&run_id).await.unwrap() else {
        panic!("it was not touched");
    };
    assert_eq!((proof.entries, proof.stages, proof.is_keyed), (5, 2, true));
    let Verified::Tampered(gone) = store.verify(&id("another")).await.unwrap() else {
        panic!("there is nothing");
    };
    assert_eq!(gone.what, "the log is gone");
}

#[tokio::test]
async fn a_question_has_the_answers_that_the_log_tells_of() {
    let (store, run_id, _) = recorded().await;
    let at = Timestamp::UNIX_EPOCH;
    let record = ApprovalRecord {
        schema: ApprovalRecord::VERSION,
        callback: "c0ffee".to_owned(),
        run_id: run_id.clone(),
        state: "AwaitApproval".parse().unwrap(),
        question: "Deploy?".to_owned(),
        expires_at: Timestamp::from_second(4_000_000_000).unwrap(),
        people: 2,
        agreed: Vec::new(),
        answer: None,
    };
    let log = async |actor: &str, action: &str, mut body: Value| {
        body["state"] = json!("AwaitApproval");
        body["question"] = json!("Deploy?");
        let (actor, action) = (actor.to_owned(), format!("gateway.{action}_approval"));
        let entry = NewEntry { timestamp: at, actor, kind: LogKind::Event, action, body };
        store.append_log(&run_id, entry).await.unwrap();
    };
    let says = |by: &str| ApprovalAnswer {
        approved: true,
        by: by.to_owned(),
        owner: String::new(),
        reason: Some(format!("as {by} says")),
        at,
    };
    store.open_approval(&record, "token").await.unwrap();
    log("pact.gateway", "open", json!({ "expires_at": record.expires_at })).await;
    store.answer_approval("c0ffee", &says("ada")).await.unwrap();
    log("ada", "agree", json!({ "reason": "as ada says" })).await;
    store.answer_approval("c0ffee", &says("grace")).await.unwrap();
    // Cut off before the log has it, a run that has ended has an answer of which nothing is told.
    let place = "the question of AwaitApproval";
    let Verified::Tampered(untold) = store.verify(&run_id).await.unwrap() else { panic!("untold") };
    assert_eq!(
        (untold.place.as_str(), untold.what.as_str()),
        (place, "the log tells of no answer")
    );
    let reason = "as ada says; as grace says";
    log("ada, grace", "answer", json!({ "reason": reason, "approved": true })).await;
    assert!(matches!(store.verify(&run_id).await.unwrap(), Verified::Proven(_)));

    let whole = store.everything_of_run(&run_id).await.unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut items = whole.clone();
        let item = items.iter_mut().find(|item| sk(item) == "CALLBACK").unwrap();
        let mut record: Value = serde_json::from_str(item["record"].as_s().unwrap()).unwrap();
        change(&mut record);
        // In the order of its fields, as whoever would not be found writes it.
        let record = serde_json::from_value::<ApprovalRecord>(record)
            .map_or_else(|_| "{}".to_owned(), |record| serde_json::to_string(&record).unwrap());
        item.insert("record".to_owned(), AttributeValue::S(record));
        check(&run_id, &items, Some(&key()))
    };
    assert!(changed(&|_| {}).is_ok());
    let forged: [&dyn Fn(&mut Value); 9] = [
        &|record| record["answer"]["by"] = json!("eve"),
        &|record| record["answer"]["approved"] = json!(false),
        &|record| record["answer"]["reason"] = json!("why not"),
        &|record| record["answer"]["at"] = json!("2026-11-28T00:00:00Z"),
        &|record| record["answer"] = Value::Null,
        &|record| record["agreed"][0]["by"] = json!("eve"),
        &|record| record["question"] = json!("Deploy to staging?"),
        &|record| record["expires_at"] = json!("2026-11-28T00:00:00Z"),
        &|record| record["state"] = json!("Another"),
    ];
    for (nth, forge) in forged.iter().enumerate() {
        assert_eq!(changed(forge).expect_err("a forgery").place, place, "{nth}");
    }
    for gone in ["CALLBACK", "APPROVAL#AwaitApproval"] {
        let rest: Vec<Item> = whole.iter().filter(|item| sk(item) != gone).cloned().collect();
        assert_eq!(found(&run_id, &rest, gone).place, place);
    }
}

#[tokio::test]
async fn a_run_has_the_end_that_people_were_told_of() {
    let (store, run_id, _) = recorded().await;
    let told = async |status: &str, reason: &str| {
        let outcome = json!({ "status": status, "reason": reason, "deployments": [] });
        let entry = NewEntry {
            timestamp: Timestamp::UNIX_EPOCH,
            actor: "pact.pipeline".to_owned(),
            kind: LogKind::Intent,
            action: "notify.slack_team".to_owned(),
            body: json!({ "parameters": { "outcome": outcome } }),
        };
        store.append_log(&run_id, entry).await.unwrap();
        store.verify(&run_id).await.unwrap()
    };
    assert!(matches!(told("cancelled", "on request").await, Verified::Proven(_)));
    for (status, reason) in [("succeeded", "on request"), ("cancelled", "approved by the board")] {
        let Verified::Tampered(found) = told(status, reason).await else { panic!("{status}") };
        assert_eq!(found.place, "the run's own record", "{}", found.what);
    }
}

#[tokio::test]
async fn every_byte_that_is_changed_and_every_cut_is_found() {
    let (_, run_id, whole) = recorded().await;
    let mut tried = 0;
    for (at, item) in whole.iter().enumerate() {
        // Of the run's own item its end is sealed: the rest are entries of lists.
        let end = ["request", "status", "finished_at", "outcome"];
        let is_sealed = |name: &str| match sk(item) {
            "RUN" => end.contains(&name),
            other => !other.starts_with("IN#"),
        };
        for (name, value) in item.iter().filter(|(name, _)| is_sealed(name)) {
            let (text, number) = match value {
                AttributeValue::S(text) => (text.clone(), false),
                AttributeValue::N(number) => (number.clone(), true),
                other => panic!("{other:?}"),
            };
            let mut with = |changed: Option<String>, what: &str| {
                let mut items = whole.clone();
                match changed {
                    // The keys are where the item is: one that is changed is another item.
                    Some(changed) if changed.is_empty() && (name == "pk" || name == "sk") => return,
                    Some(changed) => {
                        let value = if number {
                            AttributeValue::N(changed)
                        } else {
                            AttributeValue::S(changed)
                        };
                        items[at].insert(name.clone(), value);
                    }
                    None => {
                        items[at].remove(name);
                    }
                }
                found(&run_id, &items, &format!("{name} of {} {what}", sk(item)));
                tried += 1;
            };
            with(None, "is gone");
            for end in 0..text.len() {
                with(Some(text[..end].to_owned()), "is cut");
                let mut bytes = text.clone().into_bytes();
                bytes[end] = if bytes[end] == b'0' { b'1' } else { b'0' };
                with(Some(String::from_utf8(bytes).unwrap()), "is changed");
            }
        }
    }
    assert!(tried > 5_000, "only {tried} were tried");
}

#[tokio::test]
async fn the_first_entry_that_is_wrong_is_named() {
    let (_, run_id, whole) = recorded().await;
    let without = |gone: &[u64]| -> Vec<Item> {
        let gone: Vec<String> = gone.iter().map(|number| entry(*number)).collect();
        whole.iter().filter(|item| !gone.iter().any(|sk_| sk_ == sk(item))).cloned().collect()
    };
    for (what, items, place) in [
        ("the first is deleted", without(&[1]), "entry 1"),
        ("one in the middle is deleted", without(&[3]), "entry 3"),
        ("the last is deleted", without(&[5]), "entry 5"),
        ("the tail is cut off", without(&[3, 4, 5]), "entry 3"),
        ("all are deleted", without(&[1, 2, 3, 4, 5]), "entry 1"),
    ] {
        assert_eq!(found(&run_id, &items, what).place, place, "{what}");
    }
    let change = |key_: &str, change: &dyn Fn(&mut Item)| -> Vec<Item> {
        let mut items = whole.clone();
        change(items.iter_mut().find(|item| sk(item) == key_).unwrap());
        items
    };
    let put = |name: &'static str, value: &'static str| {
        move |item: &mut Item| {
            item.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
        }
    };
    let added = change(&entry(2), &put("note", "x"));
    assert_eq!(found(&run_id, &added, "an attribute is added").place, "entry 2");
    let record = change("STAGE#EvaluateGate", &put("note", "x"));
    assert_eq!(found(&run_id, &record, "a record is changed").place, "the record of EvaluateGate");
    let head = change("LOGHEAD", &put("note", "x"));
    assert_eq!(found(&run_id, &head, "the head is changed").place, "the end of the log");

    // Two entries in each other's place, each as it was sealed.
    let mut swapped = whole.clone();
    for item in &mut swapped {
        let other = match sk(item) {
            sk if sk == entry(2) => entry(3),
            sk if sk == entry(3) => entry(2),
            _ => continue,
        };
        item.insert("sk".to_owned(), AttributeValue::S(other));
    }
    assert_eq!(found(&run_id, &swapped, "two are swapped").place, "entry 2");

    // A stage record that was there earlier, sealed as it was, and one that is gone.
    let gone: Vec<Item> =
        whole.iter().filter(|item| sk(item) != "STAGE#EvaluateGate").cloned().collect();
    assert_eq!(found(&run_id, &gone, "a record is gone").place, "the record of EvaluateGate");
    let head_gone: Vec<Item> = whole.iter().filter(|item| sk(item) != "LOGHEAD").cloned().collect();
    assert_eq!(found(&run_id, &head_gone, "the head is gone").place, "the end of the log");
}

#[tokio::test]
async fn a_chain_that_is_hashed_anew_is_found_by_whoever_has_the_key() {
    let (_, run_id, whole) = recorded().await;
    // What somebody can do who can write to the table, and has another key at most.
    for seal in [None, Some(SealKey::new("another key of thirty-two chars."))] {
        let mut items = whole.clone();
        let mut previous = pact_contract::log::GENESIS.to_owned();
        for number in 1..=5 {
            let item = items.iter_mut().find(|item| sk(item) == entry(number)).unwrap();
            let mut changed: LogEntry =
                serde_json::from_str(item["entry"].as_s().unwrap()).unwrap();
            if number == 1 {
                changed.body = json!({ "delivery": "d-2" });
            }
            changed.previous.clone_from(&previous);
            changed.hash = changed.digest();
            previous.clone_from(&changed.hash);
            let text = serde_json::to_string(&changed).unwrap();
            item.insert("entry".to_owned(), AttributeValue::S(text));
            if let Some(seal) = &seal {
                seal.seal(item);
            }
        }
        let head = items.iter_mut().find(|item| sk(item) == "LOGHEAD").unwrap();
        head.insert("hash".to_owned(), AttributeValue::S(previous));
        if let Some(seal) = &seal {
            seal.seal(head);
        }
        assert_eq!(found(&run_id, &items, "all is hashed anew").place, "entry 1");
        // Without the key nobody can tell; that it proves nothing is said.
        assert!(!check(&run_id, &items, None).unwrap().is_keyed);
        // Nor does taking the seals away help.
        for item in &mut items {
            item.remove(SEAL);
        }
        assert_eq!(found(&run_id, &items, "no seals").place, "entry 1");
    }
}

#[tokio::test]
async fn the_key_is_a_secret_of_the_installation() {
    let entry = NewEntry {
        timestamp: Timestamp::UNIX_EPOCH,
        actor: "pact.gateway".to_owned(),
        kind: LogKind::Event,
        action: "gateway.accept_push".to_owned(),
        body: Value::Null,
    };
    let run_id = request("acme/web", "main", 1).run_id;
    for (key, sealed) in [(None, false), (Some("a key of thirty-two characters.."), true)] {
        let memory = Memory::new();
        if let Some(key) = key {
            memory.set_secret("log-key", key);
        }
        let store = store().await.sealing_by(memory);
        store.append_log(&run_id, entry.clone()).await.unwrap();
        let all: Vec<Item> = items(&store).await.into_values().collect();
        assert!(all.iter().all(|item| item.contains_key(SEAL) == sealed), "{key:?}");
        let run = request("acme/web", "main", 1);
        store.create_run(&run, "arn", RunStatus::Running, None).await.unwrap();
        assert!(matches!(store.verify(&run_id).await.unwrap(), Verified::Proven(_)));
    }
    // One that anybody could guess is no key: nothing is recorded that only looks sealed.
    let memory = Memory::new();
    memory.set_secret("log-key", "short");
    let error = store().await.sealing_by(memory).append_log(&run_id, entry).await.unwrap_err();
    assert!(error.to_string().contains("/memory/log-key has fewer than 32"), "{error}");
}
