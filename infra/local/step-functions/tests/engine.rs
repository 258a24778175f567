//! The engine through `aws-sdk-sfn`, and what a crash leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// Answers tasks by what their arguments say.
#[derive(Default)]
struct Hands {
    calls: Mutex<Vec<TaskRequest>>,
    begun: Notify,
    failures: AtomicUsize,
    hang: bool,
}

impl Hands {
    fn calls_of(&self, state: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.state == state).count()
    }
}

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let arguments = task.arguments.clone();
        self.calls.lock().unwrap().push(task);
        self.begun.notify_one();
        match arguments["do"].as_str() {
            Some("hang") if self.hang => std::future::pending().await,
            Some("fail twice") if self.failures.fetch_add(1, Ordering::SeqCst) < 2 => {
                Err(TaskFailure { error: "Flaky".into(), cause: Some("again".into()) })
            }
            _ => Ok(json!({ "done": arguments })),
        }
    }
}

async fn open(folder: &Path, hands: &Arc<Hands>) -> Engine {
    let options = EngineOptions::new(folder, "us-east-1", "111111111111");
    Engine::open(options, Arc::clone(hands) as Arc<dyn TaskExecutor>).await.unwrap()
}

async fn client(engine: &Engine) -> aws_sdk_sfn::Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = engine.router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("a", "b", None, None, "test"))
        .endpoint_url(format!("http://{address}"))
        .build();
    aws_sdk_sfn::Client::from_conf(config)
}

/// Waits for the end of an execution and answers how it is described.
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

async fn run(engine: &Engine, name: &str, definition: &Value, input: &Value) -> Value {
    let machine = engine.put_state_machine(name, &definition.to_string()).await.unwrap();
    let started = engine
        .call("StartExecution", json!({ "stateMachineArn": machine, "input": input.to_string() }))
        .await
        .unwrap();
    end(engine, started["executionArn"].as_str().unwrap()).await
}

fn output(state: &Value) -> Value {
    assert_eq!(state["status"], "SUCCEEDED", "{state}");
    serde_json::from_str(state["output"].as_str().unwrap()).unwrap()
}

async fn types(engine: &Engine, arn: &Value) -> Vec<String> {
    let history = engine.call("GetExecutionHistory", json!({ "executionArn": arn })).await.unwrap();
    let events = history["events"].as_array().unwrap();
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

fn task(name: &str, what: &str) -> Value {
    json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "f", "do": what, "name": name, "retries": "{% $states.context.State.RetryCount %}" },
        "Next": "End",
    })
}

#[tokio::test]
async fn the_sdk_sees_aws() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(folder.path(), &hands).await;
    let sfn = client(&engine).await;
    let definition = json!({
        "QueryLanguage": "JSONata", "StartAt": "Ask",
        "States": {
            "Ask": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                     "HeartbeatSeconds": 60, "Arguments": { "FunctionName": "f", "token": "{% $states.context.Task.Token %}" },
                     "Assign": { "said": "{% $states.result.said %}" }, "Next": "Done" },
            "Done": { "Type": "Succeed", "Output": "{% $said %}" }
        }
    });
    let machine = sfn
        .create_state_machine()
        .name("asker")
        .definition(definition.to_string())
        .role_arn("arn:aws:iam::111111111111:role/r")
        .send()
        .await
        .unwrap();
    let arn = machine.state_machine_arn();
    assert_eq!(arn, "arn:aws:states:us-east-1:111111111111:stateMachine:asker");
    let start = || sfn.start_execution().state_machine_arn(arn).name("one").input("{}");
    let first = start().send().await.unwrap();
    let again = start().send().await.unwrap();
    assert_eq!(first.execution_arn(), again.execution_arn());
    let other = start().input("[]").send().await.unwrap_err().into_service_error();
    assert!(other.is_execution_already_exists(), "{other:?}");

    hands.begun.notified().await;
    let token = hands.calls.lock().unwrap()[0].arguments["token"].as_str().unwrap().to_owned();
    sfn.send_task_heartbeat().task_token(&token).send().await.unwrap();
    sfn.send_task_success().task_token(&token).output(r#"{"said":"yes"}"#).send().await.unwrap();
    let late = sfn.send_task_success().task_token(&token).output("1").send().await;
    assert!(late.unwrap_err().into_service_error().is_task_timed_out());
    let bad = sfn.send_task_failure().task_token("no token").send().await;
    assert!(bad.unwrap_err().into_service_error().is_invalid_token());

    let state = end(&engine, first.execution_arn()).await;
    assert_eq!(output(&state), json!("yes"));
    let described =
        sfn.describe_execution().execution_arn(first.execution_arn()).send().await.unwrap();
    assert_eq!(described.status(), &ExecutionStatus::Succeeded);
    assert!(described.stop_date().is_some());
    let closed = start().send().await.unwrap_err().into_service_error();
    assert!(closed.is_execution_already_exists());

    let history = sfn
        .get_execution_history()
        .execution_arn(first.execution_arn())
        .reverse_order(true)
        .max_results(2)
        .send()
        .await
        .unwrap();
    assert_eq!(history.events()[0].r#type(), &HistoryEventType::ExecutionSucceeded);
    assert!(history.next_token().is_some());
    let all: Vec<_> = sfn
        .get_execution_history()
        .execution_arn(first.execution_arn())
        .max_results(3)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<_, _>>()
        .await
        .unwrap();
    let kinds: Vec<&str> = all.iter().map(|event| event.r#type().as_str()).collect();
    assert!(
        kinds
            == [
                "ExecutionStarted",
                "TaskStateEntered",
                "TaskScheduled",
                "TaskStarted",
                "TaskSubmitted",
                "TaskSucceeded",
                "TaskStateExited",
                "SucceedStateEntered",
                "SucceedStateExited",
                "ExecutionSucceeded"
            ]
            || kinds
                == [
                    "ExecutionStarted",
                    "TaskStateEntered",
                    "TaskScheduled",
                    "TaskStarted",
                    "TaskSucceeded",
                    "TaskStateExited",
                    "SucceedStateEntered",
                    "SucceedStateExited",
                    "ExecutionSucceeded"
                ],
        "{kinds:?}"
    );
    assert_eq!(
        all[2].task_scheduled_event_details().unwrap().resource(),
        "invoke.waitForTaskToken"
    );

    let none = sfn
        .describe_execution()
        .execution_arn("arn:aws:states:us-east-1:111111111111:execution:asker:none")
        .send()
        .await;
    assert!(none.unwrap_err().into_service_error().is_execution_does_not_exist());
    let wrong = sfn.describe_execution().execution_arn("what").send().await;
    assert!(wrong.unwrap_err().into_service_error().is_invalid_arn());
    let refused = sfn
        .create_state_machine()
        .name("bad")
        .role_arn("arn:aws:iam::1:role/r")
        .definition(r#"{"StartAt":"A"}"#)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(refused.is_invalid_definition());

    // Stopping, filters and pages.
    for name in ["two", "three"] {
        sfn.start_execution().state_machine_arn(arn).name(name).send().await.unwrap();
    }
    let two = "arn:aws:states:us-east-1:111111111111:execution:asker:two";
    sfn.stop_execution().execution_arn(two).error("Stop").cause("enough").send().await.unwrap();
    let stopped = sfn.describe_execution().execution_arn(two).send().await.unwrap();
    assert_eq!((stopped.status(), stopped.error()), (&ExecutionStatus::Aborted, Some("Stop")));
    let page = sfn.list_executions().state_machine_arn(arn).max_results(2).send().await.unwrap();
    assert_eq!(page.executions().iter().map(|e| e.name()).collect::<Vec<_>>(), ["three", "two"]);
    let rest = sfn
        .list_executions()
        .state_machine_arn(arn)
        .set_next_token(page.next_token)
        .send()
        .await
        .unwrap();
    assert_eq!(rest.executions().iter().map(|e| e.name()).collect::<Vec<_>>(), ["one"]);
    let running = sfn
        .list_executions()
        .state_machine_arn(arn)
        .status_filter(ExecutionStatus::Running)
        .send()
        .await
        .unwrap();
    assert_eq!(running.executions().len(), 1);
    assert_eq!(engine.running(), 1);
    let updated = sfn
        .update_state_machine()
        .state_machine_arn(arn)
        .definition(r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#)
        .send()
        .await
        .unwrap();
    assert!(updated.revision_id().is_some());
    let old = sfn.describe_state_machine_for_execution().execution_arn(two).send().await.unwrap();
    assert_eq!(old.definition(), definition.to_string());
    assert_eq!(sfn.list_state_machines().send().await.unwrap().state_machines().len(), 1);
    sfn.delete_state_machine().state_machine_arn(arn).send().await.unwrap();
    assert!(sfn.describe_state_machine().state_machine_arn(arn).send().await.is_err());
    engine.shutdown().await;
}

#[tokio::test]
async fn retries_catches_timeouts_and_scopes() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands { hang: true, ..Hands::default() });
    let engine = open(folder.path(), &hands).await;

    let mut flaky = task("Flaky", "fail twice");
    flaky["Retry"] = json!([{ "ErrorEquals": ["Other"] },
        { "ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 2, "JitterStrategy": "FULL" }]);
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Flaky",
        "States": { "Flaky": flaky, "End": { "Type": "Succeed" } } });
    let state = run(&engine, "flaky", &definition, &json!({})).await;
    assert_eq!(output(&state)["done"]["retries"], 2);

    let mut slow = task("Slow", "hang");
    slow["TimeoutSeconds"] = json!("{% 1 %}");
    slow["Catch"] = json!([{ "ErrorEquals": ["States.TaskFailed"], "Next": "End" },
        { "ErrorEquals": ["States.Timeout"], "Next": "End", "Assign": { "why": "{% $states.errorOutput.Error %}" },
          "Output": { "caught": "{% $states.errorOutput %}", "why": "before" } }]);
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Slow", "States": { "Slow": slow,
        "End": { "Type": "Succeed", "Output": "{% [$why, $states.input.why] %}" } } });
    let state = run(&engine, "slow", &definition, &json!({})).await;
    assert_eq!(output(&state), json!(["States.Timeout", "before"]));
    assert!(types(&engine, &state["executionArn"]).await.contains(&"TaskTimedOut".to_owned()));

    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "TimeoutSeconds": 1, "States": {
        "A": { "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:111111111111:function:f",
               "Arguments": { "FunctionName": "f", "do": "hang" }, "End": true } } });
    let state = run(&engine, "bounded", &definition, &json!({})).await;
    assert_eq!(state["status"], "TIMED_OUT");
    assert!(state.get("error").is_none());

    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Assign": { "x": 1, "y": "{% $states.input.n %}" }, "Next": "Both" },
        "Both": { "Type": "Parallel", "Arguments": { "n": "{% $y %}" }, "Assign": { "sum": "{% $sum($states.result) %}" },
            "Branches": [
                { "StartAt": "B", "States": { "B": { "Type": "Pass", "Assign": { "z": "{% $x + 10 %}" }, "Next": "C" },
                    "C": { "Type": "Pass", "Output": "{% $z %}", "End": true } } },
                { "StartAt": "D", "States": { "D": { "Type": "Map", "Items": "{% [1..3] %}", "MaxConcurrency": 2,
                    "ItemSelector": { "v": "{% $states.context.Map.Item.Value * $states.input.n %}", "i": "{% $states.context.Map.Item.Index %}" },
                    "ItemProcessor": { "StartAt": "E", "States": { "E": { "Type": "Pass",
                        "Output": "{% $states.input.v + $x + $states.context.Map.Item.Index %}", "End": true } } },
                    "Output": "{% $sum($states.result) %}", "End": true } } }
            ], "Next": "F" },
        "F": { "Type": "Choice", "Choices": [{ "Condition": "{% $sum = 77 %}", "Next": "G", "Output": "{% $x %}" }], "Default": "H" },
        "G": { "Type": "Succeed" }, "H": { "Type": "Fail", "Error": "Wrong", "Cause": "{% 'sum was ' & $string($sum) %}" } } });
    let state = run(&engine, "scopes", &definition, &json!({ "n": 10 })).await;
    assert_eq!(output(&state), json!(1));

    // A failing branch gives up the others.
    let mut hang = task("Hang", "hang");
    hang.as_object_mut().unwrap().remove("Next");
    hang["End"] = json!(true);
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "P", "States": {
        "P": { "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "Hang", "States": { "Hang": hang } },
            { "StartAt": "No", "States": { "No": { "Type": "Fail", "Error": "No", "Cause": "because" } } } ] } } });
    let state = run(&engine, "branch", &definition, &json!({})).await;
    assert_eq!((&state["status"], &state["error"]), (&json!("FAILED"), &json!("No")));
    assert_eq!(
        types(&engine, &state["executionArn"]).await,
        [
            "ExecutionStarted",
            "ParallelStateEntered",
            "ParallelStateStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "FailStateEntered",
            "TaskStateAborted",
            "ParallelStateFailed",
            "ExecutionFailed"
        ]
    );

    // Too much data; too many events.
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": "{% $pad('', 262144, 'x') %}", "End": true } } });
    let state = run(&engine, "large", &definition, &json!({})).await;
    assert_eq!(state["error"], "States.DataLimitExceeded");
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Choice", "Choices": [{ "Condition": "{% false %}", "Next": "B" }], "Default": "A" }, "B": { "Type": "Succeed" } } });
    let state = run(&engine, "loop", &definition, &json!({})).await;
    assert_eq!(state["error"], "States.Runtime");
    let last = engine
        .call(
            "GetExecutionHistory",
            json!({ "executionArn": state["executionArn"], "reverseOrder": true, "maxResults": 1 }),
        )
        .await
        .unwrap();
    assert_eq!(last["events"][0]["id"], 25_000);
    engine.shutdown().await;
}

#[test]
fn a_crash_loses_nothing_and_repeats_no_finished_state() {
    let folder = tempfile::tempdir().unwrap();
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "First", "States": {
        "First": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "f", "do": "it" },
                   "Assign": { "first": "{% $uuid() %}" }, "Next": "Split" },
        "Split": { "Type": "Parallel", "Next": "End", "Branches": [
            { "StartAt": "Ask", "States": { "Ask": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": { "FunctionName": "f", "token": "{% $states.context.Task.Token %}" }, "End": true } } },
            { "StartAt": "Hang", "States": { "Hang": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": { "FunctionName": "f", "do": "hang" }, "Output": "{% $states.result.done.do %}", "End": true } } },
            { "StartAt": "Pause", "States": { "Pause": { "Type": "Wait", "Seconds": 1, "Output": "{% $first %}", "End": true } } } ] },
        "End": { "Type": "Succeed", "Output": { "first": "{% $first %}", "all": "{% $states.input %}" } } } });
    let before = Arc::new(Hands { hang: true, ..Hands::default() });
    let (arn, token) = {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = open(folder.path(), &before).await;
            let machine = engine.put_state_machine("crash", &definition.to_string()).await.unwrap();
            let started = engine
                .call("StartExecution", json!({ "stateMachineArn": machine, "name": "x" }))
                .await
                .unwrap();
            while before.calls_of("Ask") == 0 || before.calls_of("Hang") == 0 {
                before.begun.notified().await;
            }
            // Until the history shows that the token was handed on.
            while !types(&engine, &started["executionArn"])
                .await
                .contains(&"TaskSubmitted".to_owned())
            {
                tokio::task::yield_now().await;
            }
            let calls = before.calls.lock().unwrap();
            let asked = calls.iter().find(|call| call.state == "Ask").unwrap();
            (started["executionArn"].clone(), asked.arguments["token"].clone())
        })
        // The runtime goes with all that runs in it, without a shutdown.
    };
    assert_eq!(before.calls_of("First"), 1);
    let after = Arc::new(Hands::default());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = open(folder.path(), &after).await;
        assert_eq!(engine.running(), 1);
        engine
            .call("SendTaskSuccess", json!({ "taskToken": token, "output": "\"answer\"" }))
            .await
            .unwrap();
        let state = end(&engine, arn.as_str().unwrap()).await;
        let output = output(&state);
        assert_eq!(output["all"], json!(["answer", "hang", output["first"]]));
        assert_eq!(
            (after.calls_of("First"), after.calls_of("Ask"), after.calls_of("Hang")),
            (0, 0, 1)
        );
        let history =
            engine.call("GetExecutionHistory", json!({ "executionArn": arn })).await.unwrap();
        let ids: Vec<u64> = history["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["id"].as_u64().unwrap())
            .collect();
        assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>());
        engine.shutdown().await;
        // Everything is still there, and nothing runs.
        let engine = open(folder.path(), &after).await;
        assert_eq!(engine.running(), 0);
        assert_eq!(end(&engine, arn.as_str().unwrap()).await, state);
    });
}

#[tokio::test]
async fn many_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Arc::new(Hands::default())).await;
    let mut states = serde_json::Map::new();
    for index in 0..20 {
        let next = if index == 19 {
            json!({ "End": true })
        } else {
            json!({ "Next": format!("S{}", index + 1) })
        };
        let mut state = json!({ "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" } });
        state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
        states.insert(format!("S{index}"), state);
    }
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": states });
    let machine = engine.put_state_machine("many", &definition.to_string()).await.unwrap();
    let began = std::time::Instant::now();
    let starts = (0..200).map(|_| {
        engine.call("StartExecution", json!({ "stateMachineArn": machine, "input": "{\"n\": 0}" }))
    });
    let started = futures::future::join_all(starts).await;
    for start in started {
        let state = end(&engine, start.unwrap()["executionArn"].as_str().unwrap()).await;
        assert_eq!(output(&state), json!({ "n": 20 }));
    }
    eprintln!("200 executions of 20 states took {:?}", began.elapsed());
}
