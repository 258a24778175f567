//! What `kill -9` leaves behind: an engine in a process of its own is killed at random moments
//! while a hundred executions run in it, and opened again each time.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};
use tokio::sync::mpsc;

const FOLDER: &str = "SFN_CRASH_FOLDER";
const EXECUTIONS: usize = 100;
const KILLS: usize = 20;

/// Performs tasks and writes down which it was asked for, in order.
struct Hands {
    log: Mutex<File>,
    tokens: mpsc::UnboundedSender<(String, Value)>,
}

/// One line of the log: an execution, a state, the item of a Map, a token.
fn entry(task: &TaskRequest) -> Value {
    let name = task.execution_arn.rsplit(':').next().unwrap();
    let arguments = &task.arguments;
    json!([name, task.state, arguments["item"], arguments["token"], arguments["n"]])
}

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let entry = entry(&task);
        // In one write, so that a kill leaves whole lines.
        let line = format!("{entry}\n");
        self.log.lock().unwrap().write_all(line.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(3)).await;
        let n = task.arguments["n"].as_u64().unwrap();
        match task.state.as_str() {
            "Prepare" if n.is_multiple_of(4) && task.arguments["retries"] == 0 => {
                Err(TaskFailure { error: "Flaky".into(), cause: Some("once".into()) })
            }
            "Finish" if n.is_multiple_of(5) => Err(TaskFailure { error: "No".into(), cause: None }),
            "Ask" => {
                let token = task.arguments["token"].as_str().unwrap().to_owned();
                drop(self.tokens.send((token, json!(n * 10))));
                Ok(Value::Null)
            }
            "Item" => Ok(json!(n * 100 + task.arguments["item"].as_u64().unwrap())),
            _ => Ok(json!(n)),
        }
    }
}

fn machines() -> [(&'static str, Value); 2] {
    let task = |arguments: Value, more: Value| {
        let mut state = json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments });
        state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        state
    };
    let n = "{% $n %}";
    let inner = json!({ "QueryLanguage": "JSONata", "StartAt": "Inner", "States": {
        "Inner": task(json!({ "FunctionName": "f", "n": "{% $states.input.n %}" }), json!({ "End": true })) } });
    let outer = json!({ "QueryLanguage": "JSONata", "StartAt": "Prepare", "States": {
        "Prepare": task(json!({ "FunctionName": "f", "n": "{% $states.input.n %}", "retries": "{% $states.context.State.RetryCount %}" }), json!({
            "Retry": [{ "ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "JitterStrategy": "FULL" }],
            "Assign": { "n": "{% $states.result %}" }, "Next": "Split" })),
        "Split": { "Type": "Parallel", "Next": "Finish", "Branches": [
            { "StartAt": "Ask", "States": { "Ask": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "HeartbeatSeconds": 60, "Arguments": { "FunctionName": "f", "n": n, "token": "{% $states.context.Task.Token %}" }, "End": true } } },
            { "StartAt": "Pause", "States": { "Pause": { "Type": "Wait", "Seconds": 1, "Next": "After" },
                "After": task(json!({ "FunctionName": "f", "n": n }), json!({ "End": true })) } },
            { "StartAt": "Each", "States": { "Each": { "Type": "Map", "Items": [1, 2, 3], "MaxConcurrency": 2, "End": true,
                "ItemProcessor": { "StartAt": "Item", "States": {
                    "Item": task(json!({ "FunctionName": "f", "n": n, "item": "{% $states.input %}" }), json!({ "End": true })) } } } } },
            { "StartAt": "Nested", "States": { "Nested": { "Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2",
                "Arguments": { "StateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:inner", "Input": { "n": n } },
                "Output": "{% $states.result.Output %}", "End": true } } } ] },
        "Finish": task(json!({ "FunctionName": "f", "n": n }), json!({
            "Catch": [{ "ErrorEquals": ["No"], "Next": "Over", "Output": { "all": "{% $states.input %}", "error": "{% $states.errorOutput.Error %}" } }],
            "Output": { "all": "{% $states.input %}" }, "Next": "Over" })),
        "Over": { "Type": "Succeed" } } });
    [("inner", inner), ("outer", outer)]
}

fn expected(n: u64) -> Value {
    let all = json!([n * 10, n, [n * 100 + 1, n * 100 + 2, n * 100 + 3], n]);
    if n.is_multiple_of(5) { json!({ "all": all, "error": "No" }) } else { json!({ "all": all }) }
}

fn options(folder: &Path) -> EngineOptions {
    let mut options = EngineOptions::new(folder.join("data"), "us-east-1", "111111111111");
    // Small files, so that kills also meet their sealing and their summaries.
    options.journal_file_bytes = 50_000;
    options
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

fn log(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log_path(folder)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn arn(machine: &str, name: usize) -> String {
    format!("arn:aws:states:us-east-1:111111111111:execution:{machine}:{name}")
}

/// The process that is killed; nothing unless the test below started it.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (tokens, mut asked) = mpsc::unbounded_channel();
        // Tokens that were handed on before a kill are still good.
        for entry in log(&folder) {
            if let Some(token) = entry[3].as_str() {
                tokens.send((token.to_owned(), json!(entry[4].as_u64().unwrap() * 10))).unwrap();
            }
        }
        let log = OpenOptions::new().create(true).append(true).open(log_path(&folder)).unwrap();
        let hands = Arc::new(Hands { log: Mutex::new(log), tokens });
        let engine = Engine::open(options(&folder), hands).await.unwrap();
        let answering = engine.clone();
        tokio::spawn(async move {
            while let Some((token, answer)) = asked.recv().await {
                let input = json!({ "taskToken": token, "output": answer.to_string() });
                match answering.call("SendTaskSuccess", input).await {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code, "TaskTimedOut"),
                }
            }
        });
        for (name, definition) in machines() {
            engine.put_state_machine(name, &definition.to_string()).await.unwrap();
        }
        let mut changes = engine.status_changes();
        for n in 0..EXECUTIONS {
            let input = json!({
                "stateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:outer",
                "name": n.to_string(), "input": json!({ "n": n }).to_string(),
            });
            match engine.call("StartExecution", input).await {
                Ok(_) => {}
                Err(error) => assert_eq!(error.code, "ExecutionAlreadyExists"),
            }
        }
        while engine.running() > 0 {
            drop(changes.recv().await);
        }
        engine.shutdown().await;
    });
}

/// Numbers that look random and are the same in every run (the generator of Marsaglia).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn kills_at_any_moment_lose_and_repeat_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let spawn = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut child = spawn();
        std::thread::sleep(Duration::from_millis(10 + dice.roll(250)));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "the engine's process failed: {status}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(spawn().wait().unwrap().success());
    eprintln!("{kills} kills in {:?}", began.elapsed());
    assert!(kills >= KILLS / 2, "the executions ended before the kills");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(ended_as_without_kills(folder.path()));
    invoked_in_order(&log(folder.path()));
}

/// A task that others follow had succeeded, on disk, when they were invoked: it never is again.
fn invoked_in_order(log: &[Value]) {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut tokens = HashSet::new();
    for entry in log {
        let execution = entry[0].as_str().unwrap().to_owned();
        let state = entry[1].as_str().unwrap();
        let before = seen.entry(execution).or_default();
        let later: &[&str] = match state {
            "Prepare" => &["Ask", "After", "Item", "Finish"],
            "Ask" | "After" | "Item" => &["Finish"],
            _ => &[],
        };
        assert!(later.iter().all(|later| !before.contains(*later)), "{entry} after {before:?}");
        before.insert(state.to_owned());
        if let Some(token) = entry[3].as_str() {
            tokens.insert(token.to_owned());
        }
    }
    // A task invoked again has the token that it had.
    assert_eq!(tokens.len(), EXECUTIONS);
}

async fn ended_as_without_kills(folder: &Path) {
    let (tokens, _asked) = mpsc::unbounded_channel();
    let log = File::create(folder.join("unused")).unwrap();
    let hands = Arc::new(Hands { log: Mutex::new(log), tokens });
    let engine = Engine::open(options(folder), hands).await.unwrap();
    assert_eq!(engine.running(), 0);
    for n in 0..EXECUTIONS {
        let arn = arn("outer", n);
        let state = engine.call("DescribeExecution", json!({ "executionArn": arn })).await.unwrap();
        assert_eq!(state["status"], "SUCCEEDED", "{state}");
        let output: Value = serde_json::from_str(state["output"].as_str().unwrap()).unwrap();
        assert_eq!(output, expected(n as u64));
        let history = engine
            .call("GetExecutionHistory", json!({ "executionArn": arn, "maxResults": 1000 }))
            .await
            .unwrap();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (index, event) in history["events"].as_array().unwrap().iter().enumerate() {
            assert_eq!(event["id"], index + 1);
            *counts.entry(event["type"].as_str().unwrap()).or_default() += 1;
        }
        let finished = usize::from(!n.is_multiple_of(5));
        assert_eq!(counts["TaskSucceeded"], 7 + finished, "{counts:?}");
        let failed = usize::from(n.is_multiple_of(4)) + 1 - finished;
        assert_eq!(counts.get("TaskFailed").copied().unwrap_or(0), failed);
        assert_eq!(counts["TaskScheduled"], counts["TaskSucceeded"] + failed);
    }
    // One nested execution for each, whatever was repeated.
    let nested = engine
        .call("ListExecutions", json!({
            "stateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:inner", "maxResults": 1000 }))
        .await
        .unwrap();
    assert_eq!(nested["executions"].as_array().unwrap().len(), EXECUTIONS);
    engine.shutdown().await;
}
