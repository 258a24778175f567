//! Which integrations a definition may name, and what becomes of those that are not performed here.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

/// Performs functions only.
#[derive(Default)]
struct Hands {
    calls: AtomicUsize,
}

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(task.arguments)
    }

    fn performs(&self, resource: &str) -> bool {
        resource == "arn:aws:states:::lambda:invoke"
    }
}

async fn open(folder: &tempfile::TempDir, hands: &Arc<Hands>) -> Engine {
    let options = EngineOptions::new(folder.path(), "us-east-1", "111111111111");
    let hands = Arc::clone(hands) as Arc<dyn TaskExecutor>;
    Engine::open(options, hands).await.unwrap()
}

fn machine(resource: &str, arguments: Value) -> String {
    json!({ "QueryLanguage": "JSONata", "StartAt": "Call", "States": {
        "Call": { "Type": "Task", "Resource": resource, "Arguments": arguments,
                  "Catch": [{ "ErrorEquals": ["States.ALL"], "Next": "Caught" }], "End": true },
        "Caught": { "Type": "Succeed" } } })
    .to_string()
}

async fn end(engine: &Engine, definition: &str, name: &str, input: Value) -> Value {
    let machine = engine.put_state_machine("machine", definition).await.unwrap();
    let start = json!({ "stateMachineArn": machine, "name": name, "input": input.to_string() });
    let started = engine.call("StartExecution", start).await.unwrap();
    let input = json!({ "executionArn": started["executionArn"] });
    loop {
        let state = engine.call("DescribeExecution", input.clone()).await.unwrap();
        if state["status"] != "RUNNING" {
            return state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_aws_has_not_is_refused_wherever_a_definition_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder, &Arc::default()).await;
    let good = machine("arn:aws:states:::lambda:invoke", json!({ "FunctionName": "f" }));
    let arn = engine.put_state_machine("good", &good).await.unwrap();
    for (resource, arguments, message, location) in [
        (
            "dynamodb:qwery",
            json!({}),
            "The resource provided arn:aws:states:::dynamodb:qwery is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. The nearest valid one is arn:aws:states:::aws-sdk:dynamodb:query",
            "/States/Call/Resource",
        ),
        (
            "dynamodb:query",
            json!({ "TableName": "t" }),
            "The resource provided arn:aws:states:::dynamodb:query is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. The nearest valid one is arn:aws:states:::aws-sdk:dynamodb:query",
            "/States/Call/Resource",
        ),
        (
            "lambda:invoke",
            json!({ "Payload": "{% $states.input %}" }),
            "The field 'FunctionName' is required but was missing",
            "/States/Call/Arguments",
        ),
        (
            "dynamodb:putItem",
            json!({ "TableName": "{% $states.input.table %}" }),
            "The field 'Item' is required but was missing",
            "/States/Call/Arguments",
        ),
    ] {
        let definition = machine(&format!("arn:aws:states:::{resource}"), arguments);
        let role = "arn:aws:iam::111111111111:role/r";
        let wanted = format!("SCHEMA_VALIDATION_FAILED: {message} at {location}");
        for (operation, input) in [
            (
                "CreateStateMachine",
                json!({ "name": "bad", "roleArn": role, "definition": definition }),
            ),
            ("UpdateStateMachine", json!({ "stateMachineArn": arn, "definition": definition })),
        ] {
            let error = engine.call(operation, input).await.unwrap_err();
            assert_eq!(error.code, "InvalidDefinition");
            assert_eq!(error.message, format!("Invalid State Machine Definition: '{wanted}'"));
        }
        let input = json!({ "definition": definition });
        let answer = engine.call("ValidateStateMachineDefinition", input).await.unwrap();
        assert_eq!(answer["result"], "FAIL");
        let fault = json!({ "severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": message, "location": location });
        assert_eq!(answer["diagnostics"], json!([fault]));
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn what_is_not_performed_here_is_taken_with_a_warning_and_fails_loudly() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands::default());
    let engine = open(&folder, &hands).await;
    let resource = "arn:aws:states:::sqs:sendMessage";
    let definition = machine(
        &format!("{resource}.waitForTaskToken"),
        json!({ "QueueUrl": "q", "MessageBody": "m" }),
    );
    let message =
        format!("{resource} is an integration that AWS has and that is not performed locally.");
    let validate = async |severity: Value| {
        let input = json!({ "definition": definition, "severity": severity });
        let answer = engine.call("ValidateStateMachineDefinition", input).await.unwrap();
        assert_eq!(answer["result"], "OK");
        answer["diagnostics"].clone()
    };
    let warning = json!({
        "severity": "WARNING", "code": "INTEGRATION_NOT_PERFORMED_LOCALLY",
        "message": message, "location": "/States/Call/Resource",
    });
    assert_eq!(validate(json!("WARNING")).await, json!([warning]));
    // As on AWS, warnings are for who asks for them.
    assert_eq!(validate(Value::Null).await, json!([]));
    // Nothing catches it, so it is not taken for what the service answered.
    let ended = end(&engine, &definition, "a", json!({})).await;
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert_eq!(ended["cause"], message);
    assert_eq!(hands.calls.load(Ordering::SeqCst), 0);
    engine.shutdown().await;
}

#[tokio::test]
async fn arguments_that_are_computed_are_checked_when_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder, &Arc::default()).await;
    let computed = machine("arn:aws:states:::lambda:invoke", json!("{% $states.input %}"));
    let ended = end(&engine, &computed, "a", json!({ "FunctionName": "f" })).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let ended = end(&engine, &computed, "b", json!({ "Payload": 1 })).await;
    assert_eq!(ended["error"], "States.Runtime");
    assert_eq!(
        ended["cause"],
        "An error occurred while executing the state 'Call' (entered at the event id #2). The Parameters '{\"Payload\":1}' could not be used to start the Task: [The field 'FunctionName' is required but was missing]"
    );
    engine.shutdown().await;
}
