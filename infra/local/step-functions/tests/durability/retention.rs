//! Executions that ended 90 days ago.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use local_step_functions::{Clock, Engine};
use serde_json::{Value, json};

use super::{Echo, arn, describe, history, idle, options, start, until};

const DAY: i64 = 24 * 60 * 60;

async fn opened(folder: &Path, seconds: &Arc<AtomicI64>) -> Engine {
    let mut options = options(folder);
    let shown = Arc::clone(seconds);
    options.clock =
        Clock::new(move || Timestamp::from_second(shown.load(Ordering::SeqCst)).unwrap());
    options.journal_file_bytes = 2_000;
    Engine::open(options, Arc::new(Echo)).await.unwrap()
}

async fn listed(engine: &Engine, machine: &str) -> Vec<String> {
    let input = json!({ "stateMachineArn": machine, "maxResults": 1000 });
    let answer = engine.call("ListExecutions", input).await.unwrap();
    let executions = answer["executions"].as_array().unwrap();
    executions.iter().map(|execution| execution["name"].as_str().unwrap().to_owned()).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".log"))
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn are_forgotten_and_their_names_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let engine = opened(folder.path(), &seconds).await;
    let definition = |comment: &str| {
        json!({ "Comment": comment, "QueryLanguage": "JSONata", "StartAt": "A", "States": {
            "A": { "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" }, "End": true } } })
        .to_string()
    };
    let machine = engine.put_state_machine("m", &definition("first")).await.unwrap();
    engine.put_state_machine("gone", &definition("gone")).await.unwrap();
    let tags = json!({ "resourceArn": machine, "tags": [{ "key": "a", "value": "b" }] });
    engine.call("TagResource", tags).await.unwrap();
    for n in 0..20 {
        start(&engine, &machine, &n.to_string()).await.unwrap();
    }
    idle(&engine).await;
    engine
        .call("DeleteStateMachine", json!({ "stateMachineArn": arn("stateMachine", "gone") }))
        .await
        .unwrap();
    let before = files(folder.path());
    assert!(before.len() > 5, "{before:?}");

    seconds.fetch_add(89 * DAY, Ordering::SeqCst);
    start(&engine, &machine, "later").await.unwrap();
    idle(&engine).await;
    assert_eq!(listed(&engine, &machine).await.len(), 21);
    assert!(start(&engine, &machine, "3").await.unwrap_err().contains("ExecutionAlreadyExists"));

    // Without a restart.
    seconds.fetch_add(2 * DAY, Ordering::SeqCst);
    assert_eq!(listed(&engine, &machine).await, ["later"]);
    let gone = json!({ "executionArn": arn("execution", "m:3") });
    let refused = engine.call("DescribeExecution", gone).await.unwrap_err();
    assert_eq!(refused.code, "ExecutionDoesNotExist");
    start(&engine, &machine, "3").await.unwrap();
    idle(&engine).await;
    let again = describe(&engine, &arn("execution", "m:3")).await;
    let started = again["startDate"].as_f64().unwrap();
    assert!(started > 1_800_000_000.0 + 90.0 * 86_400.0, "{started}");
    assert_eq!(history(&engine, &arn("execution", "m:3")).await.unwrap().len(), 4);
    engine.shutdown().await;

    // With one: the files of those that are forgotten go too, the machine and its tags stay.
    let engine = opened(folder.path(), &seconds).await;
    assert!(engine.health().losses.is_empty(), "{:?}", engine.health());
    assert_eq!(listed(&engine, &machine).await, ["3", "later"]);
    until("files are removed", async || {
        let after = files(folder.path());
        after.len() < before.len() && after[0] > before[3]
    })
    .await;
    let described =
        engine.call("DescribeStateMachine", json!({ "stateMachineArn": machine })).await.unwrap();
    assert!(described["definition"].as_str().unwrap().contains("first"));
    engine.shutdown().await;

    // Nothing is missing after that, and nothing that was deleted is back.
    let engine = opened(folder.path(), &seconds).await;
    assert!(engine.health().losses.is_empty(), "{:?}", engine.health());
    assert_eq!(listed(&engine, &machine).await, ["3", "later"]);
    let tags = engine.call("ListTagsForResource", json!({ "resourceArn": machine })).await.unwrap();
    assert_eq!(tags["tags"], json!([{ "key": "a", "value": "b" }]));
    let machines = engine.call("ListStateMachines", json!({})).await.unwrap();
    let names: Vec<&Value> =
        machines["stateMachines"].as_array().unwrap().iter().map(|m| &m["name"]).collect();
    assert_eq!(names, ["m"]);
    let definition = engine
        .call(
            "DescribeStateMachineForExecution",
            json!({ "executionArn": arn("execution", "m:later") }),
        )
        .await
        .unwrap();
    assert!(definition["definition"].as_str().unwrap().contains("first"));
    start(&engine, &machine, "5").await.unwrap();
    idle(&engine).await;
    engine.shutdown().await;
}

#[tokio::test]
async fn what_still_runs_keeps_its_definition() {
    let folder = tempfile::tempdir().unwrap();
    let seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let engine = opened(folder.path(), &seconds).await;
    let definition = |comment: &str| {
        json!({ "Comment": comment, "QueryLanguage": "JSONata", "StartAt": "W", "States": {
            "W": { "Type": "Wait", "Seconds": "{% $states.input.wait %}", "Next": "A" },
            "A": { "Type": "Pass", "Output": "{% $states.context.StateMachine.Name %}", "End": true } } })
        .to_string()
    };
    let machine = engine.put_state_machine("m", &definition("first")).await.unwrap();
    let begin = async |engine: &Engine, name: &str, wait: i64| {
        let input = json!({ "wait": wait }).to_string();
        let input = json!({ "stateMachineArn": machine, "name": name, "input": input });
        engine.call("StartExecution", input).await.unwrap();
    };
    for n in 0..20 {
        begin(&engine, &format!("short{n}"), 0).await;
    }
    idle(&engine).await;
    begin(&engine, "long", 200 * DAY).await;
    engine.put_state_machine("m", &definition("second")).await.unwrap();
    engine.shutdown().await;
    for _ in 0..2 {
        seconds.fetch_add(95 * DAY, Ordering::SeqCst);
        let engine = opened(folder.path(), &seconds).await;
        assert_eq!(listed(&engine, &machine).await, ["long"]);
        until("files are removed", async || files(folder.path())[0].as_str() > "journal-00000002")
            .await;
        let long = json!({ "executionArn": arn("execution", "m:long") });
        let used = engine.call("DescribeStateMachineForExecution", long).await.unwrap();
        assert!(used["definition"].as_str().unwrap().contains("first"), "{used}");
        engine.shutdown().await;
    }
    seconds.fetch_add(20 * DAY, Ordering::SeqCst);
    let engine = opened(folder.path(), &seconds).await;
    idle(&engine).await;
    assert!(engine.health().losses.is_empty(), "{:?}", engine.health());
    let state = describe(&engine, &arn("execution", "m:long")).await;
    assert_eq!(state["output"], "\"m\"", "{state}");
    engine.shutdown().await;
}
