//! Runs the vectors in the folder that `ASL_VECTORS` names: state machines with the answers that
//! AWS gave. Each difference is printed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

mod compare;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Map, Value, json};

/// Answers tasks as the vector's recording says.
#[derive(Default)]
struct Script {
    queues: Mutex<HashMap<String, Vec<Value>>>,
    faults: Mutex<Vec<String>>,
}

impl Script {
    fn load(&self, vector: &Value) {
        let mut queues: HashMap<String, Vec<Value>> = HashMap::new();
        // Where the recording does not tie an outcome to a task, the history has it.
        let history = vector["expect"]["history"].as_array();
        let mut ends = history
            .into_iter()
            .flatten()
            .filter(|event| event["type"] == "TaskFailed")
            .map(|event| &event["details"]);
        for result in vector["task_results"].as_array().into_iter().flatten() {
            let state = result["state"].as_str().unwrap_or_default().to_owned();
            let mut result = result.clone();
            if result["outcome"].is_null()
                && let Some(details) = ends.next()
            {
                result["outcome"] = json!("failed");
                result["error"] = details["error"].clone();
                result["cause"] = details["cause"].clone();
            }
            queues.entry(state).or_default().push(result);
        }
        *self.queues.lock().unwrap() = queues;
        self.faults.lock().unwrap().clear();
    }
}

#[async_trait]
impl TaskExecutor for Script {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let next = {
            let mut queues = self.queues.lock().unwrap();
            // Inside a Parallel the recording does not say which state a task belongs to.
            let known = queues.get(&task.state).is_some_and(|queue| !queue.is_empty());
            let key = if known { task.state.as_str() } else { "" };
            let queue = queues.get_mut(key).filter(|queue| !queue.is_empty());
            queue.map(|queue| {
                let same = queue.iter().position(|entry| {
                    compare::compare(&entry["parameters"], &task.arguments, &[]).is_empty()
                });
                queue.remove(same.unwrap_or(0))
            })
        };
        let Some(entry) = next else {
            self.faults.lock().unwrap().push(format!("{} was not expected to run", task.state));
            return Err(TaskFailure { error: "Unexpected".into(), cause: None });
        };
        let differences = compare::compare(&entry["parameters"], &task.arguments, &[]);
        for difference in differences {
            self.faults.lock().unwrap().push(format!("parameters of {}: {difference}", task.state));
        }
        if entry["outcome"] == "succeeded" {
            return Ok(entry["result"].clone());
        }
        let cause = match &entry["cause"] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        Err(TaskFailure { error: entry["error"].as_str().unwrap_or_default().to_owned(), cause })
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for group in std::fs::read_dir(folder.join("vectors")).unwrap() {
        for file in std::fs::read_dir(group.unwrap().path()).unwrap() {
            files.push(file.unwrap().path());
        }
    }
    files.sort();
    files
}

fn definition_text(vector: &Value) -> String {
    match vector["definition_text"].as_str() {
        Some(text) => text.to_owned(),
        None => vector["definition"].to_string(),
    }
}

/// JSON text parsed, for members that the API gives as text.
fn parsed(value: &Value) -> Value {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}

/// An event in the form in which the vectors hold it.
fn reduced(event: &Value) -> Value {
    let mut reduced =
        json!({ "id": event["id"], "prev": event["previousEventId"], "type": event["type"] });
    for (key, details) in event.as_object().unwrap() {
        if !key.ends_with("EventDetails") {
            continue;
        }
        let mut kept = Map::new();
        for (name, value) in details.as_object().unwrap() {
            match name.as_str() {
                "name" if event["type"] != "MapRunStarted" => {
                    reduced["name"] = value.clone();
                }
                "inputDetails" | "outputDetails" | "assignedVariablesDetails" | "roleArn" => {}
                "input" | "output" | "parameters" => {
                    kept.insert(name.clone(), parsed(value));
                }
                "assignedVariables" => {
                    let variables = value.as_object().unwrap();
                    let variables = variables.iter().map(|(k, v)| (k.clone(), parsed(v))).collect();
                    kept.insert(name.clone(), Value::Object(variables));
                }
                _ => {
                    kept.insert(name.clone(), value.clone());
                }
            }
        }
        if !(kept.is_empty() && details.as_object().is_some_and(|d| d.contains_key("name"))) {
            reduced["details"] = Value::Object(kept);
        }
    }
    reduced
}

async fn check_execution(
    engine: &Engine,
    script: &Script,
    vector: &Value,
    name: &str,
) -> Vec<String> {
    script.load(vector);
    let express = vector["type"] == "EXPRESS";
    let created = engine
        .call("CreateStateMachine", json!({
            "name": name, "definition": definition_text(vector), "roleArn": "arn:aws:iam::111111111111:role/r",
            "type": if express { "EXPRESS" } else { "STANDARD" },
        }))
        .await;
    let machine = match created {
        Ok(created) => created["stateMachineArn"].clone(),
        Err(error) => return vec![error.to_string()],
    };
    let input = vector["input"].to_string();
    let expect = &vector["expect"];
    let whole: Vec<&str> = vector["whole_placeholders"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let state = if express {
        match engine
            .call("StartSyncExecution", json!({ "stateMachineArn": machine, "input": input }))
            .await
        {
            Ok(state) => state,
            Err(error) => return vec![error.to_string()],
        }
    } else {
        let mut changes = engine.status_changes();
        let started = engine
            .call("StartExecution", json!({ "stateMachineArn": machine, "input": input }))
            .await;
        let arn = match started {
            Ok(started) => started["executionArn"].clone(),
            Err(error) => return vec![error.to_string()],
        };
        loop {
            let state =
                engine.call("DescribeExecution", json!({ "executionArn": arn })).await.unwrap();
            if state["status"] != "RUNNING" {
                break state;
            }
            if tokio::time::timeout(Duration::from_secs(60), changes.recv()).await.is_err() {
                return vec!["did not end within a minute".into()];
            }
        }
    };
    let mut out = script.faults.lock().unwrap().clone();
    let mut actual = json!({ "status": state["status"] });
    let mut wanted = json!({ "status": expect["status"] });
    for field in ["output", "error", "cause", "cause_json"] {
        if let Some(value) = expect.get(field) {
            wanted[field] = value.clone();
            let source = if field == "cause_json" { "cause" } else { field };
            actual[field] = match field {
                "output" | "cause_json" => parsed(&state[source]),
                _ => state[source].clone(),
            };
        } else if field == "error" && state.get("error").is_some() {
            out.push(format!("unexpected error {}: {}", state["error"], state["cause"]));
        }
    }
    for (name, key) in [("sync_response", true), ("describe", false)] {
        if let Some(value) = expect.get(name) {
            let mut seen = state.clone();
            seen["input"] = parsed(&seen["input"]);
            if key == express {
                wanted[name] = value.clone();
                actual[name] = seen;
            }
        }
    }
    if let Some(history) = expect.get("history") {
        let events = engine
            .call(
                "GetExecutionHistory",
                json!({ "executionArn": state["executionArn"], "maxResults": 1000 }),
            )
            .await
            .unwrap();
        let mut events: Vec<Value> =
            events["events"].as_array().unwrap().iter().map(reduced).collect();
        let mut want = history.as_array().unwrap().clone();
        if vector["order"] == "unordered_region" {
            // Recorded without the ids of the events in branches, and without some of the events.
            for list in [&mut events, &mut want] {
                for event in list.iter_mut() {
                    event.as_object_mut().unwrap().remove("prev");
                    event.as_object_mut().unwrap().remove("id");
                }
            }
            for event in want {
                let found = events
                    .iter()
                    .position(|other| compare::compare(&event, other, &whole).is_empty());
                match found {
                    Some(index) => drop(events.remove(index)),
                    None => out.push(format!("missing event {event}")),
                }
            }
        } else {
            wanted["history"] = Value::Array(want);
            actual["history"] = Value::Array(events);
        }
    }
    out.extend(compare::compare(&wanted, &actual, &whole));
    out
}

async fn check(engine: &Engine, script: &Script, vector: &Value, name: &str) -> Vec<String> {
    match vector["kind"].as_str() {
        Some("execution") => check_execution(engine, script, vector, name).await,
        Some("invalid_definition") => {
            let answer = engine
                .call("CreateStateMachine", json!({
                    "name": name, "definition": definition_text(vector), "roleArn": "arn:aws:iam::111111111111:role/r",
                }))
                .await;
            match answer {
                Ok(_) => vec!["was accepted".into()],
                Err(error) => {
                    let mut seen = vector["expect"]["error"].clone();
                    seen["code"] = json!(error.code);
                    seen["message"] = json!(error.message);
                    compare::compare(&vector["expect"]["error"], &seen, &[])
                }
            }
        }
        Some("validate_state_machine_definition") => {
            let answer = engine
                .call(
                    "ValidateStateMachineDefinition",
                    json!({ "definition": definition_text(vector) }),
                )
                .await;
            match answer {
                Ok(answer) => compare::compare(&vector["expect"]["response"], &answer, &[]),
                Err(error) => vec![error.to_string()],
            }
        }
        other => vec![format!("unknown kind {other:?}")],
    }
}

#[tokio::test]
async fn vectors() {
    let Ok(folder) = std::env::var("ASL_VECTORS") else {
        eprintln!("skipped: ASL_VECTORS does not name the folder of vectors");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let script = Arc::new(Script::default());
    let options = EngineOptions::new(data.path(), "us-east-1", "111111111111");
    let engine = Engine::open(options, Arc::clone(&script) as Arc<dyn TaskExecutor>).await.unwrap();
    let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let files = files(Path::new(&folder));
    let only = std::env::var("ASL_VECTOR").ok();
    let mut ran = 0;
    for (index, file) in files.iter().enumerate() {
        let label = file.file_stem().unwrap().to_string_lossy().into_owned();
        if only.as_ref().is_some_and(|only| !label.contains(only)) {
            continue;
        }
        ran += 1;
        let vector: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let differences = check(&engine, &script, &vector, &format!("v{index}")).await;
        if !differences.is_empty() {
            failed.insert(label, differences);
        }
    }
    for (label, differences) in &failed {
        eprintln!("{label}");
        for difference in differences.iter().take(6) {
            let shown: String = difference.chars().take(600).collect();
            eprintln!("    {shown}");
        }
    }
    eprintln!("{} of {ran} vectors pass", ran - failed.len());
    assert!(failed.is_empty());
}
