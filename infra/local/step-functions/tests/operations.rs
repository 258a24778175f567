//! Nested machines, redriving, trying single states, and journals of many files.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

/// Fails tasks named `Broken` until it is mended.
#[derive(Default)]
struct Hands {
    mended: AtomicBool,
    calls: AtomicUsize,
}

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if task.arguments["do"] == "hang" {
            return std::future::pending().await;
        }
        if task.state == "Broken" && !self.mended.load(Ordering::SeqCst) {
            return Err(TaskFailure { error: "Down".into(), cause: Some("not yet".into()) });
        }
        Ok(task.arguments)
    }
}

async fn open(folder: &Path, hands: &Arc<Hands>) -> Engine {
    let mut options = EngineOptions::new(folder, "us-east-1", "111111111111");
    options.journal_file_bytes = 2_000;
    let hands = Arc::clone(hands) as Arc<dyn TaskExecutor>;
    Engine::open(options, hands).await.unwrap()
}

async fn end(engine: &Engine, arn: &str) -> Value {
    let mut changes = engine.status_changes();
    let wait = async {
        loop {
            let state =
                engine.call("DescribeExecution", json!({ "executionArn": arn })).await.unwrap();
            if state["status"] != "RUNNING" {
                return state;
            }
            changes.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
}

async fn start(engine: &Engine, name: &str, definition: &Value, input: &Value) -> String {
    let machine = engine.put_state_machine(name, &definition.to_string()).await.unwrap();
    let input = json!({ "stateMachineArn": machine, "input": input.to_string() });
    let started = engine.call("StartExecution", input).await.unwrap();
    started["executionArn"].as_str().unwrap().to_owned()
}

async fn history(engine: &Engine, arn: &str) -> Vec<Value> {
    let input = json!({ "executionArn": arn, "maxResults": 1000 });
    let history = engine.call("GetExecutionHistory", input).await.unwrap();
    history["events"].as_array().unwrap().clone()
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn parsed(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

fn task(name: &str, next: Value) -> Value {
    let mut state = json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "f", "name": name } });
    state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
    state
}

#[tokio::test]
async fn nested_machines() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let child = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Condition": "{% $states.input.fail %}", "Next": "No" }], "Default": "Yes" },
        "Yes": { "Type": "Succeed", "Output": { "got": "{% $states.input %}" } },
        "No": { "Type": "Fail", "Error": "Oh", "Cause": "asked to" } } });
    let child = engine.put_state_machine("child", &child.to_string()).await.unwrap();
    let parent = |form: &str| {
        json!({ "QueryLanguage": "JSONata", "StartAt": "Call", "States": {
            "Call": { "Type": "Task", "Resource": format!("arn:aws:states:::states:startExecution{form}"),
                "Arguments": { "StateMachineArn": child, "Name": "{% $states.input.name %}", "Input": "{% $states.input %}" }, "End": true } } })
    };
    let arn =
        start(&engine, "json", &parent(".sync:2"), &json!({ "name": "x", "fail": false })).await;
    let output = parsed(&end(&engine, &arn).await["output"]);
    assert_eq!(output["Output"], json!({ "got": { "name": "x", "fail": false } }));
    assert_eq!(output["Status"], "SUCCEEDED");
    assert_eq!(
        types(&history(&engine, &arn).await),
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    let arn =
        start(&engine, "text", &parent(".sync"), &json!({ "name": "y", "fail": false })).await;
    let output = parsed(&end(&engine, &arn).await["output"]);
    assert_eq!(parsed(&output["Output"]), json!({ "got": { "name": "y", "fail": false } }));

    let arn =
        start(&engine, "json", &parent(".sync:2"), &json!({ "name": "z", "fail": true })).await;
    let state = end(&engine, &arn).await;
    assert_eq!(state["error"], "States.TaskFailed");
    let cause = parsed(&state["cause"]);
    assert_eq!((&cause["Error"], &cause["Cause"]), (&json!("Oh"), &json!("asked to")));
    assert_eq!((&cause["Status"], &cause["Name"]), (&json!("FAILED"), &json!("z")));

    // A name that is taken, and a machine that is not there.
    let arn = start(&engine, "json", &parent(""), &json!({ "name": "z", "fail": true })).await;
    assert_eq!(end(&engine, &arn).await["error"], "StepFunctions.ExecutionAlreadyExistsException");
    let arn = start(&engine, "plain", &parent(""), &json!({ "name": "w", "fail": true })).await;
    let output = parsed(&end(&engine, &arn).await["output"]);
    end(&engine, output["ExecutionArn"].as_str().unwrap()).await;
    let mut lost = parent("");
    lost["States"]["Call"]["Arguments"]["StateMachineArn"] =
        json!("arn:aws:states:us-east-1:111111111111:stateMachine:none");
    let arn = start(&engine, "lost", &lost, &json!({ "name": "v" })).await;
    assert_eq!(
        end(&engine, &arn).await["error"],
        "StepFunctions.StateMachineDoesNotExistException"
    );

    // Stopping the parent stops the child.
    let slow = json!({ "QueryLanguage": "JSONata", "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 1000, "End": true } } });
    let slow = engine.put_state_machine("slow", &slow.to_string()).await.unwrap();
    let mut waiting = parent(".sync:2");
    waiting["States"]["Call"]["Arguments"] = json!({ "StateMachineArn": slow, "Name": "s" });
    let mut changes = engine.status_changes();
    let arn = start(&engine, "waiting", &waiting, &json!({})).await;
    while changes.recv().await.unwrap().name != "s" {}
    while !types(&history(&engine, &arn).await).contains(&"TaskSubmitted") {
        tokio::task::yield_now().await;
    }
    engine.call("StopExecution", json!({ "executionArn": arn })).await.unwrap();
    let child = arn.replace(":waiting:", ":slow:");
    let child = format!("{}:s", child.rsplit_once(':').unwrap().0);
    assert_eq!(end(&engine, &child).await["status"], "ABORTED");
    engine.shutdown().await;
}

#[tokio::test]
async fn redriving() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "First", "States": {
        "First": task("first", json!({ "Assign": { "id": "{% $uuid() %}" }, "Next": "Both" })),
        "Both": { "Type": "Parallel", "Next": "Last", "Branches": [
            { "StartAt": "Fine", "States": { "Fine": task("fine", json!({ "Output": "fine", "End": true })) } },
            { "StartAt": "Each", "States": { "Each": { "Type": "Map", "Items": [1, 2], "MaxConcurrency": 1, "End": true,
                "ItemProcessor": { "StartAt": "Way", "States": {
                    "Way": { "Type": "Choice", "Choices": [{ "Condition": "{% $states.input = 2 %}", "Next": "Broken" }], "Default": "Good" },
                    "Good": task("good", json!({ "Output": "good", "End": true })),
                    "Broken": task("broken", json!({ "Output": "{% [$id, $states.context.Execution.RedriveCount] %}", "End": true })) } } } } } ] },
        "Last": { "Type": "Succeed", "Output": { "id": "{% $id %}", "all": "{% $states.input %}" } } } });
    let arn = start(&engine, "redrive", &definition, &json!({})).await;
    let state = end(&engine, &arn).await;
    assert_eq!((&state["error"], &state["redriveStatus"]), (&json!("Down"), &json!("REDRIVABLE")));
    let before = history(&engine, &arn).await;
    let calls = hands.calls.load(Ordering::SeqCst);

    // Still down: it fails once more.
    engine.call("RedriveExecution", json!({ "executionArn": arn })).await.unwrap();
    let state = end(&engine, &arn).await;
    assert_eq!((&state["status"], &state["redriveCount"]), (&json!("FAILED"), &json!(1)));
    let events = history(&engine, &arn).await;
    assert_eq!(events[..before.len()], before[..]);
    let redriven = &events[before.len()];
    assert_eq!(redriven["type"], "ExecutionRedriven");
    assert_eq!(redriven["executionRedrivenEventDetails"], json!({ "redriveCount": 1 }));
    assert_eq!(
        types(&events)[before.len() + 1..before.len() + 4],
        ["TaskScheduled", "TaskStarted", "TaskFailed"]
    );

    // Opened again in between, with the fault mended.
    engine.shutdown().await;
    let engine = open(folder.path(), &hands).await;
    hands.mended.store(true, Ordering::SeqCst);
    engine.call("RedriveExecution", json!({ "executionArn": arn })).await.unwrap();
    let state = end(&engine, &arn).await;
    assert_eq!(state["status"], "SUCCEEDED", "{state}");
    let output = parsed(&state["output"]);
    assert_eq!(output["all"], json!(["fine", ["good", [output["id"], 2]]]));
    // Only what had failed was performed again.
    assert_eq!(hands.calls.load(Ordering::SeqCst), calls + 2);
    let again = engine.call("RedriveExecution", json!({ "executionArn": arn })).await.unwrap_err();
    assert_eq!(again.code, "ExecutionNotRedrivable");
    let ids: Vec<u64> =
        history(&engine, &arn).await.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());

    // Aborted while one task hangs; redriven and killed with the engine; still going on.
    let mut hang = task("hang", json!({ "End": true }));
    hang["Arguments"]["do"] = json!("hang");
    let definition =
        json!({ "QueryLanguage": "JSONata", "StartAt": "Hang", "States": { "Hang": hang } });
    let arn = start(&engine, "hang", &definition, &json!({})).await;
    engine.call("StopExecution", json!({ "executionArn": arn })).await.unwrap();
    engine.call("RedriveExecution", json!({ "executionArn": arn })).await.unwrap();
    assert_eq!(engine.running(), 1);
    let listed = engine
        .call("ListExecutions", json!({ "stateMachineArn": "arn:aws:states:us-east-1:111111111111:stateMachine:hang", "redriveFilter": "REDRIVEN" }))
        .await
        .unwrap();
    assert_eq!(listed["executions"][0]["status"], "RUNNING");
    engine.shutdown().await;
    let engine = open(folder.path(), &hands).await;
    assert_eq!(engine.running(), 1);
    engine.call("StopExecution", json!({ "executionArn": arn })).await.unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn single_states() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let test = async |state: Value, more: Value| {
        let mut input =
            json!({ "definition": state.to_string(), "roleArn": "arn:aws:iam::1:role/r" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        engine.call("TestState", input).await
    };
    let pass = json!({ "QueryLanguage": "JSONata", "Type": "Pass", "Output": "{% $states.input.a + $b %}", "Assign": { "c": 3 }, "Next": "Elsewhere" });
    let answer = test(
        pass,
        json!({ "input": "{\"a\": 1}", "variables": "{\"b\": 2}", "inspectionLevel": "DEBUG" }),
    )
    .await
    .unwrap();
    assert_eq!(answer["output"], "3");
    assert_eq!(
        (&answer["status"], &answer["nextState"]),
        (&json!("SUCCEEDED"), &json!("Elsewhere"))
    );
    assert_eq!(answer["inspectionData"]["variables"], "{\"c\":3}");

    let bad = json!({ "QueryLanguage": "JSONata", "Type": "Pass", "Output": { "r": "{% $no %}" }, "End": true });
    let answer = test(bad, json!({})).await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["error"], &answer["cause"]),
        (
            &json!("FAILED"),
            &json!("States.QueryEvaluationError"),
            &json!(
                "The JSONata expression '$no' specified for the field 'Output/r' returned nothing (undefined)."
            )
        )
    );

    let told = json!({ "QueryLanguage": "JSONata", "Type": "Succeed", "Output": "{% $states.context.Execution.Name %}" });
    let answer =
        test(told, json!({ "context": "{\"Execution\": {\"Name\": \"mine\"}}" })).await.unwrap();
    assert_eq!(answer["output"], "\"mine\"");

    let mut failing = task(
        "x",
        json!({ "QueryLanguage": "JSONata", "End": true,
        "Retry": [{ "ErrorEquals": ["Flaky"] }], "Catch": [{ "ErrorEquals": ["Down"], "Next": "Repair" }] }),
    );
    let mock = |error: &str| json!({ "mock": { "errorOutput": { "error": error, "cause": "c" } } });
    let answer = test(failing.clone(), mock("Flaky")).await.unwrap();
    assert_eq!((&answer["status"], &answer["error"]), (&json!("RETRIABLE"), &json!("Flaky")));
    let answer = test(failing.clone(), mock("Down")).await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["nextState"]),
        (&json!("CAUGHT_ERROR"), &json!("Repair"))
    );
    // As if it had been tried as often as it may be.
    let mut tried = mock("Flaky");
    tried["stateConfiguration"] = json!({ "retrierRetryCount": 3 });
    let answer = test(failing.clone(), tried).await.unwrap();
    assert_eq!((&answer["status"], &answer["error"]), (&json!("FAILED"), &json!("Flaky")));
    let mut inspected = mock("Down");
    inspected["inspectionLevel"] = json!("DEBUG");
    let answer = test(failing.clone(), inspected).await.unwrap();
    assert_eq!(answer["inspectionData"]["errorDetails"], json!({ "catchIndex": 0 }));
    let answer = test(failing.clone(), mock("Other")).await.unwrap();
    assert_eq!((&answer["status"], &answer["cause"]), (&json!("FAILED"), &json!("c")));
    // Without a mock the task is performed.
    let answer = test(failing.clone(), json!({})).await.unwrap();
    assert_eq!(answer["output"], "{\"FunctionName\":\"f\",\"name\":\"x\"}");
    failing["Resource"] = json!("arn:aws:states:::lambda:invoke.waitForTaskToken");
    assert_eq!(test(failing, json!({})).await.unwrap_err().code, "ValidationException");

    let map = json!({ "QueryLanguage": "JSONata", "Type": "Map", "Items": [1], "End": true, "Output": "{% $sum($states.result) %}",
        "ItemProcessor": { "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } } });
    let answer = test(map, json!({ "mock": { "result": "[1, 2]" } })).await.unwrap();
    assert_eq!(answer["output"], "3");
    let bad = test(json!({ "Type": "Nothing" }), json!({})).await.unwrap_err();
    assert_eq!(bad.code, "InvalidDefinition");
    engine.shutdown().await;
}

#[tokio::test]
async fn large_data_and_many_files_survive() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": { "twice": "{% [$states.input, $states.input] %}" }, "End": true } } });
    let text = "x".repeat(1_000);
    let mut before = Vec::new();
    for index in 0..20 {
        let arn = start(&engine, "large", &definition, &json!({ "i": index, "text": text })).await;
        before.push((arn.clone(), end(&engine, &arn).await, history(&engine, &arn).await));
    }
    let waiting = json!({ "QueryLanguage": "JSONata", "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 1000, "End": true } } });
    let open_one = start(&engine, "waiting", &waiting, &json!({})).await;
    while history(&engine, &open_one).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    before.push((open_one.clone(), Value::Null, history(&engine, &open_one).await));
    engine.shutdown().await;
    for round in 0..3 {
        if round == 1 {
            // Summaries can be made again.
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|end| end == "summary") {
                    std::fs::write(path, "torn").unwrap();
                }
            }
        }
        let engine = open(folder.path(), &Arc::default()).await;
        assert_eq!(engine.running(), 1);
        for (arn, state, events) in &before {
            if !state.is_null() {
                assert_eq!(&end(&engine, arn).await, state);
            }
            assert_eq!(&history(&engine, arn).await, events);
        }
        engine.shutdown().await;
    }
    let files = std::fs::read_dir(folder.path()).unwrap();
    let summaries = files
        .filter(|file| {
            file.as_ref().unwrap().path().extension().is_some_and(|end| end == "summary")
        })
        .count();
    assert!(summaries >= 10, "{summaries}");
}

#[tokio::test]
async fn tags_and_configuration_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let definition =
        json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }).to_string();
    let logging = json!({ "level": "ALL", "includeExecutionData": true, "destinations": [
        { "cloudWatchLogsLogGroup": { "logGroupArn": "arn:aws:logs:us-east-1:111111111111:log-group:/x:*" } }] });
    let create = json!({ "name": "m", "definition": definition, "roleArn": "arn:aws:iam::1:role/r",
        "loggingConfiguration": logging, "tracingConfiguration": { "enabled": true },
        "tags": [{ "key": "team", "value": "a" }, { "key": "stage", "value": "test" }] });
    let created = engine.call("CreateStateMachine", create.clone()).await.unwrap();
    let arn = created["stateMachineArn"].clone();
    // Once more with other tags is the same machine; with another configuration it is not.
    let mut again = create.clone();
    again["tags"] = json!([]);
    assert_eq!(engine.call("CreateStateMachine", again).await.unwrap(), created);
    let mut other = create.clone();
    other["tracingConfiguration"] = json!({ "enabled": false });
    let refused = engine.call("CreateStateMachine", other).await.unwrap_err();
    assert_eq!(refused.code, "StateMachineAlreadyExists");

    let tag = json!({ "resourceArn": arn, "tags": [{ "key": "team", "value": "b" }, { "key": "cost", "value": "1" }] });
    engine.call("TagResource", tag).await.unwrap();
    engine
        .call("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["stage", "none"] }))
        .await
        .unwrap();
    let tags = json!([{ "key": "team", "value": "b" }, { "key": "cost", "value": "1" }]);
    engine
        .call(
            "UpdateStateMachine",
            json!({ "stateMachineArn": arn, "tracingConfiguration": { "enabled": false } }),
        )
        .await
        .unwrap();
    engine.shutdown().await;

    let engine = open(folder.path(), &Arc::default()).await;
    let listed = engine.call("ListTagsForResource", json!({ "resourceArn": arn })).await.unwrap();
    assert_eq!(listed["tags"], tags);
    let described =
        engine.call("DescribeStateMachine", json!({ "stateMachineArn": arn })).await.unwrap();
    assert_eq!(described["loggingConfiguration"], logging);
    assert_eq!(described["tracingConfiguration"], json!({ "enabled": false }));
    assert_eq!(described["encryptionConfiguration"], json!({ "type": "AWS_OWNED_KEY" }));

    // What AWS would refuse.
    let code =
        async |operation: &str, input: Value| engine.call(operation, input).await.unwrap_err().code;
    let none = "arn:aws:states:us-east-1:111111111111:stateMachine:none";
    for operation in ["ListTagsForResource", "TagResource", "UntagResource"] {
        let input = json!({ "resourceArn": none, "tags": [], "tagKeys": [] });
        assert_eq!(code(operation, input).await, "ResourceNotFound");
    }
    let many: Vec<Value> = (0..50).map(|n| json!({ "key": n.to_string(), "value": "" })).collect();
    assert_eq!(
        code("TagResource", json!({ "resourceArn": arn, "tags": many })).await,
        "TooManyTags"
    );
    let long = json!([{ "key": "k".repeat(129), "value": "" }]);
    assert_eq!(
        code("TagResource", json!({ "resourceArn": arn, "tags": long })).await,
        "ValidationException"
    );
    for (field, value, error) in [
        ("loggingConfiguration", json!({ "level": "ALL" }), "InvalidLoggingConfiguration"),
        ("loggingConfiguration", json!({ "level": "SOME" }), "ValidationException"),
        ("loggingConfiguration", json!("ALL"), "SerializationException"),
        ("tracingConfiguration", json!({ "enabled": "yes" }), "SerializationException"),
        (
            "encryptionConfiguration",
            json!({ "type": "CUSTOMER_MANAGED_KMS_KEY" }),
            "InvalidEncryptionConfiguration",
        ),
    ] {
        let mut input = create.clone();
        input["name"] = json!("refused");
        input[field] = value;
        assert_eq!(code("CreateStateMachine", input).await, error, "{field}");
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn a_catcher_assigns_what_a_branch_assigned() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::default()).await;
    let machine = json!({ "QueryLanguage": "JSONata", "StartAt": "P", "States": {
        "P": { "Type": "Parallel", "Next": "D",
            "Branches": [{ "StartAt": "W", "States": {
                "W": { "Type": "Pass", "Assign": { "seen": "inside" }, "Next": "X" },
                "X": { "Type": "Fail", "Error": "Oh", "Cause": "{% $seen %}" } } }],
            "Catch": [{ "ErrorEquals": ["States.ALL"], "Assign": { "seen": "{% $states.errorOutput.Cause %}" }, "Next": "F" }] },
        "F": { "Type": "Pass", "Output": { "seen": "{% $seen %}" }, "End": true },
        "D": { "Type": "Pass", "End": true } } });
    let arn = start(&engine, "scopes", &machine, &json!({})).await;
    assert_eq!(parsed(&end(&engine, &arn).await["output"]), json!({ "seen": "inside" }));
    engine.shutdown().await;
}
