//! A file system that fills up while executions run: in a child process, in a mount of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

use super::{ACCOUNT, REGION, arn, describe, history, idle, start, until};

const FOLDER: &str = "SFN_FULL_DISK_FOLDER";

/// A process in a file system of 400 KiB does the test; nothing unless the test below started it.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(fills_up(Path::new(&folder)));
    std::fs::write(Path::new(&folder).join("passed"), "").unwrap();
}

#[test]
fn goes_on_when_there_is_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let shell =
        "mount -t tmpfs -o size=400k tmpfs \"$0\" || exit 77; \"$@\" && test -e \"$0/passed\"";
    let made = Command::new("unshare")
        .args(["-rm", "sh", "-c", shell])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full_disk::child", "--nocapture"])
        .env(FOLDER, folder.path())
        .status();
    match made {
        Ok(status) if status.code() == Some(77) => {
            eprintln!("skipped: a file system cannot be mounted here");
        }
        Ok(status) => assert!(status.success(), "{status}"),
        Err(error) => eprintln!("skipped: there is no unshare: {error}"),
    }
}

/// Answers slowly, so that tasks are under way when the disk is full.
struct Slow;

#[async_trait]
impl TaskExecutor for Slow {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(task.arguments)
    }
}

async fn fills_up(folder: &Path) {
    let data = folder.join("data");
    let ballast = folder.join("ballast");
    let options = EngineOptions::new(&data, REGION, ACCOUNT);
    let engine = Engine::open(options.clone(), Arc::new(Slow)).await.unwrap();
    let call =
        json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:111111111111:function:f" });
    let mut states = serde_json::Map::new();
    for n in 0..200 {
        let mut state = call.clone();
        state["Arguments"] = json!({ "n": n });
        state["Next"] = json!(format!("S{}", n + 1));
        states.insert(format!("S{n}"), state);
    }
    states.insert("S200".into(), json!({ "Type": "Succeed" }));
    let long = json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": states });
    let long = engine.put_state_machine("long", &long.to_string()).await.unwrap();
    let ask = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Wait", "Seconds": 3600, "End": true } } });
    let ask = engine.put_state_machine("ask", &ask.to_string()).await.unwrap();
    start(&engine, &ask, "waits").await.unwrap();
    start(&engine, &long, "runs").await.unwrap();
    assert_eq!(engine.health().refusing, None);

    // Nothing is left.
    let full = vec![1; 400 * 1024];
    drop(std::fs::write(&ballast, &full));
    until("the journal refuses", async || engine.health().refusing.is_some()).await;
    let reason = engine.health().refusing.unwrap();
    assert!(reason.contains("No space left on device"), "{reason}");
    let refused = start(&engine, &long, "refused").await.unwrap_err();
    assert!(
        refused.starts_with("ServiceUnavailable") && refused.contains("No space left on device"),
        "{refused}"
    );
    // What was refused is not there.
    let execution = json!({ "executionArn": arn("execution", "long:refused") });
    assert!(engine.call("DescribeExecution", execution).await.is_err());
    let waits = arn("execution", "ask:waits");
    let stop = engine.call("StopExecution", json!({ "executionArn": waits })).await.unwrap_err();
    assert!(stop.message.contains("No space left on device"), "{stop}");
    // What needs no room works.
    assert_eq!(describe(&engine, &waits).await["status"], "RUNNING");
    history(&engine, &waits).await.unwrap();

    // There is room again: everything goes on by itself.
    std::fs::remove_file(&ballast).unwrap();
    until("a new one starts", async || start(&engine, &long, "refused").await.is_ok()).await;
    assert_eq!(engine.health().refusing, None);
    assert_eq!(describe(&engine, &waits).await["status"], "RUNNING", "a stop was refused");
    engine.call("StopExecution", json!({ "executionArn": waits })).await.unwrap();
    idle(&engine).await;
    for name in ["long:runs", "long:refused"] {
        let execution = arn("execution", name);
        assert_eq!(describe(&engine, &execution).await["status"], "SUCCEEDED");
        let events = history(&engine, &execution).await.unwrap();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event["id"], index + 1);
        }
        let scheduled =
            events.iter().filter(|event| event["type"] == "LambdaFunctionScheduled").count();
        assert_eq!(scheduled, 200, "no task was performed twice");
    }
    engine.shutdown().await;
    // All of it is on disk, and none of it is damaged.
    let again = Engine::open(options, Arc::new(Slow)).await.unwrap();
    assert!(again.health().losses.is_empty(), "{:?}", again.health());
    assert_eq!(describe(&again, &arn("execution", "long:runs")).await["status"], "SUCCEEDED");
    again.shutdown().await;
}
