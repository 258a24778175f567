//! Damaged journals: what can be read is there, what cannot is told, nothing is thrown away.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use local_step_functions::{Engine, Health};
use serde_json::{Value, json};

use super::{Echo, arn, describe, history, idle, open, options, start, until};

const EXECUTIONS: usize = 60;

fn passes() -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" }, "Next": "B" },
        "B": { "Type": "Pass", "Output": "{% $states.input.n %}", "End": true } } })
}

fn waiting() -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": "V", "States": {
        "V": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:111111111111:function:f", "Next": "W" },
        "W": { "Type": "Wait", "Seconds": 3600, "End": true } } })
}

fn name(n: usize) -> String {
    arn("execution", &format!("m:{n}"))
}

/// A folder with ended executions, and one that waits.
async fn filled(file_bytes: Option<u32>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    if let Some(bytes) = file_bytes {
        options.journal_file_bytes = bytes;
    }
    let engine = Engine::open(options, Arc::new(Echo)).await.unwrap();
    let machine = engine.put_state_machine("m", &passes().to_string()).await.unwrap();
    let slow = engine.put_state_machine("slow", &waiting().to_string()).await.unwrap();
    start(&engine, &slow, "waits").await.unwrap();
    let waits = arn("execution", "slow:waits");
    until("it waits", async || history(&engine, &waits).await.unwrap().len() == 7).await;
    for n in 0..EXECUTIONS {
        start(&engine, &machine, &n.to_string()).await.unwrap();
        until("it ended", async || describe(&engine, &name(n)).await["status"] != "RUNNING").await;
    }
    engine.shutdown().await;
    folder
}

fn log(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("journal-{segment:08}.log"))
}

fn change(path: &Path, at: u64, change: impl Fn(u8) -> u8, count: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut bytes = vec![0; count];
    file.read_exact_at(&mut bytes, at).unwrap();
    let bytes: Vec<u8> = bytes.into_iter().map(change).collect();
    file.write_all_at(&bytes, at).unwrap();
}

/// What is there after opening a damaged folder.
struct After {
    /// Kept as long as the engine has it open.
    folder: Option<tempfile::TempDir>,
    engine: Engine,
    health: Health,
    /// How many executions are there and say how they ended.
    ended: usize,
}

async fn after(folder: &Path) -> After {
    let engine = open(folder).await;
    let health = engine.health();
    let mut ended = 0;
    for n in 0..EXECUTIONS {
        let described = engine.call("DescribeExecution", json!({ "executionArn": name(n) })).await;
        ended += usize::from(described.is_ok_and(|answer| answer["status"] == "SUCCEEDED"));
    }
    After { folder: None, engine, health, ended }
}

/// Damages the journal of a filled folder, and checks what has to hold whatever the damage is.
async fn damaged(damage: impl FnOnce(&Path)) -> After {
    let folder = filled(None).await;
    let path = log(folder.path(), 0);
    damage(&path);
    let kept = std::fs::read(&path).unwrap();
    let after = after(folder.path()).await;
    assert!(!after.health.losses.is_empty(), "the damage is told");
    let told = &after.health.losses.damage[0];
    assert_eq!(told.file, path);
    assert!(told.to_string().contains("journal-00000000.log is damaged from byte"), "{told}");
    assert_eq!(std::fs::read(&path).unwrap(), kept, "the damaged file stays as it is");
    // It goes on, and the next opening finds all of that again.
    let machine = after.engine.put_state_machine("m", &passes().to_string()).await.unwrap();
    start(&after.engine, &machine, "new").await.unwrap();
    until("a new one ends", async || {
        describe(&after.engine, &arn("execution", "m:new")).await["status"] == "SUCCEEDED"
    })
    .await;
    let (ended, damage) = (after.ended, after.health.losses.damage.clone());
    after.engine.shutdown().await;
    let mut again = super::damage::after(folder.path()).await;
    assert_eq!(again.ended, ended);
    assert_eq!(again.health.losses.damage, damage, "old damage is told again");
    assert_eq!(describe(&again.engine, &arn("execution", "m:new")).await["status"], "SUCCEEDED");
    assert_eq!(std::fs::read(&path).unwrap(), kept, "the damaged file stays as it is");
    again.folder = Some(folder);
    again
}

#[tokio::test]
async fn one_bit_costs_one_record() {
    let after = damaged(|path| {
        let length = std::fs::metadata(path).unwrap().len();
        change(path, length * 2 / 5, |byte| byte ^ 0x10, 1);
    })
    .await;
    assert!(after.ended >= EXECUTIONS - 1, "{} of {EXECUTIONS} are there", after.ended);
    let told = &after.health.losses.damage;
    assert!(told.len() == 1 && told[0].to - told[0].from < 4_096, "{told:?}");
    assert_eq!(describe(&after.engine, &arn("execution", "slow:waits")).await["status"], "RUNNING");
    after.engine.shutdown().await;
}

#[tokio::test]
async fn zeros_in_the_middle_cost_what_they_hit() {
    let after = damaged(|path| {
        let length = std::fs::metadata(path).unwrap().len();
        change(path, length / 2, |_| 0, 512);
    })
    .await;
    assert!(after.ended >= EXECUTIONS - 3, "{} of {EXECUTIONS} are there", after.ended);
    after.engine.shutdown().await;
}

#[tokio::test]
async fn first_bytes_that_were_changed_cost_the_first_record_at_most() {
    // The mark of a journal, and the header of the first record.
    let after = damaged(|path| change(path, 0, |byte| !byte, 12)).await;
    // The definition is lost with the first record; how executions ended is not.
    assert_eq!(after.ended, EXECUTIONS);
    let definition = after
        .engine
        .call("DescribeStateMachineForExecution", json!({ "executionArn": name(0) }))
        .await
        .unwrap();
    assert_eq!(definition["definition"], "");
    after.engine.shutdown().await;
    let after = damaged(|path| change(path, 0, |byte| byte ^ 1, 1)).await;
    assert_eq!(after.ended, EXECUTIONS);
    after.engine.shutdown().await;
}

#[tokio::test]
async fn an_emptied_file_is_no_new_one() {
    let after = damaged(|path| std::fs::write(path, "").unwrap()).await;
    assert_eq!(after.ended, 0);
    let told = &after.health.losses.damage[0];
    assert!(told.from == 0 && told.to > 10_000 && told.reason == "the file is empty", "{told}");
    after.engine.shutdown().await;
}

#[tokio::test]
async fn acknowledged_records_at_the_end_are_no_torn_tail() {
    let after = damaged(|path| {
        let length = std::fs::metadata(path).unwrap().len();
        change(path, length - 5, |byte| byte ^ 4, 1);
    })
    .await;
    assert_eq!(after.ended, EXECUTIONS - 1);
    // The one whose end was lost does not run once more: it failed, and says why.
    let last = describe(&after.engine, &name(EXECUTIONS - 1)).await;
    assert_eq!((&last["status"], &last["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert_eq!(after.health.losses.damage[0].executions, [name(EXECUTIONS - 1)]);
    after.engine.shutdown().await;
    let after = damaged(|path| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 700).unwrap();
    })
    .await;
    assert!(after.ended >= EXECUTIONS - 3);
    assert_eq!(after.health.losses.damage[0].reason, "the file is shorter than it was");
    after.engine.shutdown().await;
}

/// The records of a file, each with where it begins and ends.
fn records(path: &Path) -> Vec<(usize, usize, String)> {
    let bytes = std::fs::read(path).unwrap();
    let mut at = 8;
    let mut records = Vec::new();
    while at + 8 < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let text = String::from_utf8(bytes[at + 8..at + 8 + length].to_vec()).unwrap();
        records.push((at, at + 8 + length, text));
        at += 8 + length;
    }
    records
}

#[tokio::test]
async fn an_execution_with_a_hole_does_not_go_on() {
    let folder = filled(None).await;
    let path = log(folder.path(), 0);
    let waits = arn("execution", "slow:waits");
    let hit = records(&path)
        .into_iter()
        .find(|(_, _, text)| text.starts_with("{\"Events\"") && text.contains(&waits))
        .unwrap();
    change(&path, hit.0 as u64 + 20, |byte| byte ^ 1, 1);
    let after = after(folder.path()).await;
    assert_eq!(after.ended, EXECUTIONS);
    let told = &after.health.losses;
    // Which execution it was, the record does not say any longer: the others do.
    assert!(told.damage[0].executions.is_empty());
    assert_eq!(told.executions, std::slice::from_ref(&waits));
    assert_eq!((told.damage[0].from, told.damage[0].to), (hit.0 as u64, hit.1 as u64));
    idle(&after.engine).await;
    let state = describe(&after.engine, &waits).await;
    assert_eq!((&state["status"], &state["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert!(state["cause"].as_str().unwrap().contains("lost by damage"), "{state}");
    let events = history(&after.engine, &waits).await.unwrap();
    assert_eq!(events.last().unwrap()["type"], "ExecutionFailed");
    after.engine.shutdown().await;
}

#[tokio::test]
async fn an_execution_without_its_start_is_still_there() {
    let folder = filled(None).await;
    let path = log(folder.path(), 0);
    let lost = name(7);
    let hit = records(&path)
        .into_iter()
        .find(|(_, _, text)| {
            text.starts_with("{\"Execution\"") && text.contains(&format!("{lost}\""))
        })
        .unwrap();
    change(&path, hit.0 as u64 + 20, |byte| byte ^ 1, 1);
    let after = after(folder.path()).await;
    assert_eq!(after.ended, EXECUTIONS);
    assert_eq!(after.health.losses.executions, std::slice::from_ref(&lost));
    let state = describe(&after.engine, &lost).await;
    assert_eq!((&state["output"], &state["name"]), (&json!("2"), &json!("7")));
    assert_eq!(state["stateMachineArn"], arn("stateMachine", "m"));
    assert!(state.get("input").is_none(), "{state}");
    assert_eq!(history(&after.engine, &lost).await.unwrap()[0]["id"], 2);
    after.engine.shutdown().await;
}

#[tokio::test]
async fn sealed_files_are_read_around_their_damage_too() {
    let folder = filled(Some(4_000)).await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "summary") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(log(folder.path(), 4).exists());
    change(&log(folder.path(), 1), 1_000, |byte| byte ^ 0x40, 1);
    std::fs::remove_file(log(folder.path(), 3)).unwrap();
    let after = after(folder.path()).await;
    let told: Vec<String> = after.health.losses.damage.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("journal-00000001.log is damaged from byte"), "{told:?}");
    assert!(told[1].contains("journal-00000003.log") && told[1].contains("gone"), "{told:?}");
    assert!(after.ended > EXECUTIONS / 2, "{}", after.ended);
    after.engine.shutdown().await;
}

/// Damage behind a summary is found where it is read.
#[tokio::test]
async fn a_record_that_was_damaged_later_is_not_shown() {
    let folder = filled(Some(4_000)).await;
    let path = log(folder.path(), 0);
    let hit = records(&path)
        .into_iter()
        .find(|(_, _, text)| text.starts_with("{\"Events\"") && text.contains(&name(0)))
        .unwrap();
    change(&path, hit.0 as u64 + 20, |byte| byte ^ 1, 1);
    let after = after(folder.path()).await;
    let error = history(&after.engine, &name(0)).await.unwrap_err();
    assert!(error.contains("journal-00000000.log at byte"), "{error}");
    assert!(history(&after.engine, &name(1)).await.is_ok());
    after.engine.shutdown().await;
}

/// What is no journal is not written over.
#[tokio::test]
async fn something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(log(folder.path(), 0), "something else of some length").unwrap();
    let error = Engine::open(options(folder.path()), Arc::new(Echo)).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("journal-00000000.log"), "{error}");
}
