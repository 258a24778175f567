//! What AWS says of definitions it refuses, of states that fail and of requests that are wrong.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

/// Fails a task with the error that its arguments name; otherwise answers the arguments.
struct Hands;

#[async_trait]
impl TaskExecutor for Hands {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        match task.arguments.get("fail").and_then(Value::as_str) {
            Some(error) => Err(TaskFailure { error: error.to_owned(), cause: Some("why".into()) }),
            None => Ok(task.arguments),
        }
    }
}

async fn open(folder: &tempfile::TempDir) -> Engine {
    let options = EngineOptions::new(folder.path(), "us-east-1", "111111111111");
    Engine::open(options, Arc::new(Hands)).await.unwrap()
}

fn machine(states: Value) -> Value {
    json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": states })
}

fn inner() -> Value {
    json!({ "StartAt": "I", "States": { "I": { "Type": "Pass", "End": true } } })
}

fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    object
}

fn task(more: Value) -> Value {
    let task = json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": "f" }, "End": true });
    with(task, more)
}

fn map(more: Value) -> Value {
    with(json!({ "Type": "Map", "Items": [1], "ItemProcessor": inner(), "End": true }), more)
}

async fn faults(engine: &Engine, definition: &Value) -> Vec<String> {
    let input = json!({ "definition": definition.to_string() });
    let answer = engine.call("ValidateStateMachineDefinition", input).await.unwrap();
    let diagnostics = answer["diagnostics"].as_array().unwrap();
    assert_eq!(answer["result"], if diagnostics.is_empty() { "OK" } else { "FAIL" });
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    diagnostics
        .iter()
        .map(|fault| {
            assert_eq!(fault["severity"], "ERROR");
            [&fault["code"], &fault["message"], &fault["location"]].map(text).join(" | ")
        })
        .collect()
}

#[tokio::test]
async fn refused_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).await;
    let pass =
        |more: Value| machine(json!({ "A": with(json!({ "Type": "Pass", "End": true }), more) }));
    let wait =
        |more: Value| machine(json!({ "A": with(json!({ "Type": "Wait", "End": true }), more) }));
    let only = |state: Value| machine(json!({ "A": state }));
    for (definition, wanted) in [
        (
            pass(json!({ "QueryLanguage": "JSONPath" })),
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine | /States/A",
        ),
        (
            pass(json!({ "QueryLanguage": "Jsonata" })),
            "Value is not one of the accepted values: [JSONPath, JSONata] | /States/A/QueryLanguage",
        ),
        (
            pass(json!({ "ResultPath": "$.x" })),
            "The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only supported for the 'JSONPath' QueryLanguage | /States/A",
        ),
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Output": 1, "End": true } } }),
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage | /States/A",
        ),
        (pass(json!({ "Catch": [] })), "Field 'Catch' is not supported | /States/A"),
        (
            wait(json!({ "ResultPath": "$.x", "Seconds": 1 })),
            "Field 'ResultPath' is not supported | /States/A",
        ),
        (
            only(map(json!({ "TimeoutSeconds": 1 }))),
            "Field 'TimeoutSeconds' is not supported | /States/A",
        ),
        (
            only(map(
                json!({ "ItemProcessor": with(inner(), json!({ "QueryLanguage": "JSONata" })) }),
            )),
            "Field 'QueryLanguage' is not supported | /States/A/ItemProcessor",
        ),
        (
            only(map(json!({ "MaxConcurrency": -1 }))),
            "Minimum value is 0 | /States/A/MaxConcurrency",
        ),
        (
            only(map(json!({ "MaxConcurrency": "1" }))),
            "Expected value of type Integer | /States/A/MaxConcurrency",
        ),
        (
            only(map(json!({ "ToleratedFailureCount": -1 }))),
            "Minimum value is 0 | /States/A/ToleratedFailureCount",
        ),
        (
            only(map(json!({ "ToleratedFailurePercentage": -1 }))),
            "Minimum value is 0.0 | /States/A/ToleratedFailurePercentage",
        ),
        (
            only(map(json!({ "ToleratedFailurePercentage": 101 }))),
            "Maximum value is 100.0 | /States/A/ToleratedFailurePercentage",
        ),
        (wait(json!({ "Seconds": 100_000_000 })), "Maximum value is 99999999 | /States/A/Seconds"),
        (wait(json!({ "Seconds": 1.5 })), "Expected value of type Integer | /States/A/Seconds"),
        (
            wait(json!({ "Seconds": 1, "Timestamp": "2016-03-14T01:59:00Z" })),
            "There should only be one of the following fields: [Seconds, Timestamp] | /States/A",
        ),
        (
            wait(json!({ "Timestamp": "2016-03-14 01:59:00Z" })),
            "String does not match RFC3339 timestamp | /States/A/Timestamp",
        ),
        (
            wait(json!({ "Timestamp": "2016-03-14T01:59:00" })),
            "String does not match RFC3339 timestamp | /States/A/Timestamp",
        ),
        (
            only(task(json!({ "TimeoutSeconds": 0 }))),
            "Minimum value is 1 | /States/A/TimeoutSeconds",
        ),
        (
            only(task(json!({ "Retry": [{ "ErrorEquals": ["E"], "BackoffRate": 0.5 }] }))),
            "Minimum value is 1.0 | /States/A/Retry[0]/BackoffRate",
        ),
        (
            only(task(json!({ "Retry": [{ "ErrorEquals": ["E"], "MaxAttempts": -1 }] }))),
            "Minimum value is 0 | /States/A/Retry[0]/MaxAttempts",
        ),
        (
            only(json!({ "Type": "Choice", "Default": "A" })),
            "These fields are required: [Choices] | /States/A",
        ),
        (
            only(json!({ "Type": "Choice", "Choices": [{ "Condition": true }], "Default": "A" })),
            "These fields are required: [Next] | /States/A/Choices[0]",
        ),
        (
            only(task(json!({ "Resource": "no arn" }))),
            "Value is not a valid resource ARN | /States/A/Resource",
        ),
    ] {
        let found = faults(&engine, &definition).await;
        assert_eq!(found[0], format!("SCHEMA_VALIDATION_FAILED | {wanted}"), "{definition}");
    }
    for (definition, wanted) in [
        (
            pass(json!({ "End": false, "Next": "NOPE" })),
            vec![
                "MISSING_TRANSITION_TARGET | Missing 'Next' target: NOPE | /States/A/Next",
                "MISSING_END_STATE | Workflow has no terminal state | -",
            ],
        ),
        (
            pass(json!({ "Output": "{% {'a':} %}" })),
            vec![
                "INVALID_JSONATA_EXPRESSION | The symbol \"}\" cannot be used as a unary operator | /States/A/Output",
            ],
        ),
        (
            pass(json!({ "Output": ["{% a & $states.errorOutput %}"] })),
            vec![
                "UNSUPPORTED_JSONATA_EXPRESSION | Reference to 'a' at the top level is not supported. | /States/A/Output[0]",
                "UNSUPPORTED_JSONATA_EXPRESSION | Reference to '$states.errorOutput' is only supported in a Catch field. | /States/A/Output[0]",
            ],
        ),
        (
            only(map(
                json!({ "ItemProcessor": { "StartAt": "A", "States": { "A": { "Type": "Succeed" } } } }),
            )),
            vec![
                "DUPLICATE_STATE_NAME | Duplicate State name: A | /States/A/ItemProcessor/States/A",
            ],
        ),
        // The older name of an item processor, without a query language.
        (
            json!({ "StartAt": "A", "States": { "A": { "Type": "Map", "Iterator": inner(), "End": true } } }),
            vec![],
        ),
    ] {
        assert_eq!(faults(&engine, &definition).await, wanted, "{definition}");
    }
    let create = async |definition: Value, more: Value| {
        let input = json!({ "name": "m", "roleArn": "arn:aws:iam::111111111111:role/r", "definition": definition.to_string() });
        engine.call("CreateStateMachine", with(input, more)).await.unwrap_err().to_string()
    };
    assert_eq!(
        create(pass(json!({ "End": false, "Next": "A" })), json!({})).await,
        "InvalidDefinition: Invalid State Machine Definition: 'MISSING_END_STATE: Workflow has no terminal state at null'"
    );
    let waiting =
        only(task(json!({ "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" })));
    assert_eq!(
        create(waiting, json!({ "type": "EXPRESS" })).await,
        "InvalidDefinition: Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Express state machine does not support '.waitForTaskToken' service integration at /States/A/Resource'"
    );
    engine.shutdown().await;
}

/// Runs a machine and answers how it ended and its history.
async fn run(engine: &Engine, name: &str, definition: &Value) -> (Value, Vec<Value>) {
    let mut changes = engine.status_changes();
    let machine = engine.put_state_machine(name, &definition.to_string()).await.unwrap();
    let input = json!({ "stateMachineArn": machine, "input": "{\"n\":1}" });
    let arn = engine.call("StartExecution", input).await.unwrap()["executionArn"].clone();
    let wait = async {
        loop {
            let input = json!({ "executionArn": arn });
            let state = engine.call("DescribeExecution", input).await.unwrap();
            if state["status"] != "RUNNING" {
                return state;
            }
            changes.recv().await.unwrap();
        }
    };
    let state = tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
    let history = engine.call("GetExecutionHistory", json!({ "executionArn": arn })).await.unwrap();
    (state, history["events"].as_array().unwrap().clone())
}

#[tokio::test]
async fn failing_fields() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).await;
    let unexpected = |source: &str, field: &str, expected: &str, was: &str, value: &str| {
        format!(
            "The JSONata expression '{source}' specified for the field '{field}' returned an unexpected result type. Expected '{expected}', but was '{was}' for value: {value}"
        )
    };
    let wait = |more: Value| with(json!({ "Type": "Wait", "End": true }), more);
    let fail = |more: Value| with(json!({ "Type": "Fail" }), more);
    let choice = |condition: &str| json!({ "Type": "Choice", "Choices": [{ "Condition": condition, "Next": "B" }], "Default": "B" });
    let undefined = |source: &str, field: &str| {
        format!(
            "The JSONata expression '{source}' specified for the field '{field}' returned nothing (undefined)."
        )
    };
    let cases = [
        (wait(json!({ "Seconds": "{% -1 %}" })), "Seconds", unexpected("-1", "Seconds", "integer", "number", "-1")),
        (wait(json!({ "Seconds": "{% 1.5 %}" })), "Seconds", unexpected("1.5", "Seconds", "integer", "number", "1.5")),
        (wait(json!({ "Seconds": "{% null %}" })), "Seconds", unexpected("null", "Seconds", "integer", "null", "null")),
        (wait(json!({ "Seconds": "{% $no %}" })), "Seconds", undefined("$no", "Seconds")),
        (wait(json!({ "Timestamp": "{% [] %}" })), "Timestamp", unexpected("[]", "Timestamp", "string", "array", "[]")),
        (
            wait(json!({ "Timestamp": "{% '2016-12-05 21:29:29Z' %}" })),
            "Timestamp",
            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: 2016-12-05 21:29:29Z".to_owned(),
        ),
        (fail(json!({ "Error": "{% 1 %}" })), "Error", unexpected("1", "Error", "string", "number", "1")),
        (fail(json!({ "Error": "E", "Cause": "{% {'a': 1} %}" })), "Cause", unexpected("{'a': 1}", "Cause", "string", "object", "{\"a\":1}")),
        (choice("{% 'true' %}"), "Choices[0]/Condition", unexpected("'true'", "Choices[0]/Condition", "boolean", "string", "\"true\"")),
        (choice("{% $states.input.no %}"), "Choices[0]/Condition", undefined("$states.input.no", "Choices[0]/Condition")),
        (task(json!({ "TimeoutSeconds": "{% 'x' %}" })), "TimeoutSeconds", unexpected("'x'", "TimeoutSeconds", "positive integer", "string", "\"x\"")),
        (task(json!({ "Arguments": { "FunctionName": "f", "a": ["{% $no %}"] } })), "Arguments/a[0]", undefined("$no", "Arguments/a[0]")),
        (
            task(json!({ "Credentials": { "RoleArn": "{% $no %}" } })),
            "Credentials/RoleArn",
            undefined("$no", "Credentials/RoleArn"),
        ),
        (map(json!({ "Items": "{% $states.input %}" })), "Items", unexpected("$states.input", "Items", "array", "object", "{\"n\":1}")),
        (map(json!({ "MaxConcurrency": "{% true %}" })), "MaxConcurrency", unexpected("true", "MaxConcurrency", "integer", "boolean", "true")),
        (
            map(json!({ "ToleratedFailureCount": "{% -1 %}" })),
            "ToleratedFailureCount",
            "ToleratedFailureCount cannot be negative.".to_owned(),
        ),
        (
            map(json!({ "ToleratedFailurePercentage": "{% 101 %}" })),
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentage must be between 0 and 100.".to_owned(),
        ),
        (
            json!({ "Type": "Pass", "Output": "{% $sum(['a']) %}", "End": true }),
            "Output",
            "The JSONata expression '$sum(['a'])' specified for the field 'Output' threw an error during evaluation. T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"".to_owned(),
        ),
        (
            json!({ "Type": "Pass", "Assign": { "x": "{% $sum([1..900000]) %}" }, "End": true }),
            "Assign/x",
            "The JSONata expression '$sum([1..900000])' specified for the field 'Assign/x' threw an error during evaluation: Expression evaluation memory limit exceeded: Check for excessive memory usage".to_owned(),
        ),
    ];
    for (index, (state, field, sentence)) in cases.iter().enumerate() {
        let kind = state["Type"].as_str().unwrap();
        let mut states = json!({ "A": state });
        if kind == "Choice" {
            states["B"] = json!({ "Type": "Succeed" });
        }
        let (ended, events) = run(&engine, &format!("f{index}"), &machine(states)).await;
        let cause = format!(
            "An error occurred while executing the state 'A' (entered at the event id #2). {sentence}"
        );
        assert_eq!(ended["error"], "States.QueryEvaluationError", "{state}");
        assert_eq!(ended["cause"], cause, "{state}");
        assert_eq!(
            events[2]["evaluationFailedEventDetails"],
            json!({ "error": "States.QueryEvaluationError", "cause": cause, "location": field, "state": "A" })
        );
        let entered = format!("{kind}StateEntered");
        let mut wanted = vec!["ExecutionStarted", &entered, "EvaluationFailed", "ExecutionFailed"];
        if kind == "Map" {
            wanted.insert(3, "MapStateFailed");
        }
        let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, wanted);
    }
    engine.shutdown().await;
}

#[tokio::test]
async fn errors_and_who_catches_them() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).await;
    let all = json!([{ "ErrorEquals": ["States.ALL"], "Next": "B", "Output": "{% $states.errorOutput %}" }]);
    let caught = |state: Value, catch: &Value| {
        machine(json!({ "A": with(state, json!({ "Catch": catch })), "B": { "Type": "Succeed" } }))
    };
    // Nobody polls for activities here; States.Runtime is not caught.
    let activity = task(json!({ "Resource": "arn:aws:states:us-east-1:111111111111:activity:a" }));
    let (ended, events) = run(&engine, "activity", &caught(activity, &all)).await;
    assert_eq!(ended["error"], "States.Runtime");
    assert_eq!(
        ended["cause"],
        "An error occurred while executing the state 'A' (entered at the event id #2). The activity ARN does not exist."
    );
    assert_eq!((events.len(), &events[2]["previousEventId"]), (3, &json!(2)));

    // Without a query language there is no evaluation that could fail.
    let each = json!({ "StartAt": "A", "States": { "A": { "Type": "Map", "ItemProcessor": inner(), "End": true } } });
    let (ended, events) = run(&engine, "each", &each).await;
    assert_eq!(ended["error"], "States.Runtime");
    assert_eq!(
        ended["cause"],
        "An error occurred while executing the state 'A' (entered at the event id #2). Reference path \"$\" must point to array."
    );
    assert_eq!(events.len(), 3);

    // What is too large to assign can be caught.
    let large = task(json!({ "Assign": { "x": "{% $pad('', 262200, 'x') %}" } }));
    let (ended, _) = run(&engine, "large", &caught(large, &all)).await;
    let output: Value = serde_json::from_str(ended["output"].as_str().unwrap()).unwrap();
    assert_eq!(output["Error"], "States.DataLimitExceeded");

    // The first catcher that matches takes the error; none of an error's own names is a prefix.
    let catch = json!([
        { "ErrorEquals": ["Boo", "States.Timeout"], "Next": "B", "Output": 1 },
        { "ErrorEquals": ["States.TaskFailed"], "Next": "B", "Output": 2 },
        { "ErrorEquals": ["States.ALL"], "Next": "B", "Output": 3 },
    ]);
    for (error, output) in [("Boom", "2"), ("Boo", "1"), ("States.Timeout", "1")] {
        let state = task(json!({ "Arguments": { "FunctionName": "f", "fail": error } }));
        let (ended, _) = run(&engine, &format!("by-{error}"), &caught(state, &catch)).await;
        assert_eq!(ended["output"], output, "{error}");
    }

    // No attempt at all, and a role of the task's own.
    let state = task(json!({
        "Arguments": { "FunctionName": "f", "fail": "E" },
        "Credentials": { "RoleArn": "{% 'arn:aws:iam::2:role/' & $states.input.n %}" },
        "Retry": [{ "ErrorEquals": ["States.ALL"], "MaxAttempts": 0 }],
    }));
    let (ended, events) = run(&engine, "once", &machine(json!({ "A": state }))).await;
    assert_eq!((&ended["error"], events.len()), (&json!("E"), 6));
    assert_eq!(
        events[2]["taskScheduledEventDetails"]["taskCredentials"],
        json!({ "roleArn": "arn:aws:iam::2:role/1" })
    );
    engine.shutdown().await;
}

#[tokio::test]
async fn wrong_requests() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(&folder).await;
    let definition = machine(json!({ "A": { "Type": "Wait", "Seconds": 1_000, "End": true } }));
    let create = json!({ "name": "m", "roleArn": "arn:aws:iam::111111111111:role/r", "definition": definition.to_string() });
    let made = engine.call("CreateStateMachine", create.clone()).await.unwrap();
    // Asked for again, by another role: the same answer.
    let again = with(create.clone(), json!({ "roleArn": "arn:aws:iam::111111111111:role/other" }));
    assert_eq!(engine.call("CreateStateMachine", again).await.unwrap(), made);
    let arn = made["stateMachineArn"].as_str().unwrap();
    let describe = json!({ "stateMachineArn": arn });
    let first = engine.call("DescribeStateMachine", describe.clone()).await.unwrap();
    assert!(first.get("revisionId").is_none());
    let start =
        |name: &str, input: &str| json!({ "stateMachineArn": arn, "name": name, "input": input });
    engine.call("StartExecution", start("x", "{\"a\": 1}")).await.unwrap();
    engine.call("StartExecution", start("x", "{\"a\":1}")).await.unwrap();
    let execution = arn.replace(":stateMachine:", ":execution:") + ":x";
    let long = "x".repeat(81);
    let constraint = |value: &str, field: &str, what: &str| {
        format!(
            "ValidationException: 1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {what}"
        )
    };
    for (operation, input, wanted) in [
        (
            "CreateStateMachine",
            with(create.clone(), json!({ "type": "EXPRESS" })),
            format!("StateMachineAlreadyExists: State Machine Already Exists: '{arn}'"),
        ),
        (
            "CreateStateMachine",
            with(create.clone(), json!({ "name": "a b" })),
            "InvalidName: Invalid Name: 'a b'".to_owned(),
        ),
        (
            "CreateStateMachine",
            with(create.clone(), json!({ "name": long })),
            constraint(&long, "name", "Member must have length less than or equal to 80"),
        ),
        (
            "CreateStateMachine",
            with(create.clone(), json!({ "name": "n", "roleArn": "r" })),
            "InvalidArn: Invalid Arn: 'Invalid ARN prefix: r'".to_owned(),
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": execution }),
            "InvalidArn: Invalid Arn: 'Resource type not valid in this context: execution'".to_owned(),
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": format!("{arn}x") }),
            format!("StateMachineDoesNotExist: State Machine Does Not Exist: '{arn}x'"),
        ),
        (
            "DescribeExecution",
            json!({ "executionArn": format!("{execution}x") }),
            format!("ExecutionDoesNotExist: Execution Does Not Exist: '{execution}x'"),
        ),
        (
            "StartExecution",
            start("x", "{}"),
            format!("ExecutionAlreadyExists: Execution Already Exists: '{execution}'"),
        ),
        (
            "StopExecution",
            json!({ "executionArn": execution, "error": "e".repeat(257) }),
            constraint(&"e".repeat(257), "error", "Member must have length less than or equal to 256"),
        ),
        (
            "ListExecutions",
            json!({ "stateMachineArn": arn, "statusFilter": "DONE" }),
            constraint(
                "DONE",
                "statusFilter",
                "Member must satisfy enum value set: [RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE]",
            ),
        ),
        (
            "ListStateMachines",
            json!({ "maxResults": 1001 }),
            constraint("1001", "maxResults", "Member must have value less than or equal to 1000"),
        ),
        (
            "ListStateMachines",
            json!({ "nextToken": "no" }),
            "InvalidToken: Invalid Token: 'Invalid token'".to_owned(),
        ),
        (
            "SendTaskSuccess",
            json!({ "taskToken": "no token", "output": "{}" }),
            "InvalidToken: Invalid Token: 'Invalid token'".to_owned(),
        ),
        (
            "SendTaskFailure",
            json!({ "taskToken": "00ff" }),
            "TaskTimedOut: Task Timed Out: 'Provided task does not exist anymore'".to_owned(),
        ),
        (
            "UpdateStateMachine",
            json!({ "stateMachineArn": arn }),
            "MissingRequiredParameter: Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified".to_owned(),
        ),
        (
            "StartSyncExecution",
            json!({ "stateMachineArn": arn }),
            "StateMachineTypeNotSupported: This operation is not supported by this type of state machine".to_owned(),
        ),
        (
            "RedriveExecution",
            json!({ "executionArn": execution }),
            "ExecutionNotRedrivable: Execution is RUNNING and cannot be redriven".to_owned(),
        ),
        (
            "ListTagsForResource",
            json!({ "resourceArn": format!("{arn}x") }),
            format!("ResourceNotFound: Resource not found: '{arn}x'"),
        ),
    ] {
        let error = engine.call(operation, input).await.unwrap_err();
        assert_eq!(error.to_string(), wanted);
        assert_eq!(error.status, 400);
    }
    // An update has an id, also for the executions that began with it.
    let role = json!({ "stateMachineArn": arn, "roleArn": "arn:aws:iam::111111111111:role/new" });
    let mut updated = engine.call("UpdateStateMachine", role.clone()).await.unwrap();
    while updated["updateDate"] == made["creationDate"] {
        updated = engine.call("UpdateStateMachine", role.clone()).await.unwrap();
    }
    let described = engine.call("DescribeStateMachine", describe).await.unwrap();
    assert_eq!(described["revisionId"], updated["revisionId"]);
    let mut names = Vec::new();
    for name in ["b", "c"] {
        engine.call("StartExecution", start(name, "{}")).await.unwrap();
    }
    // Pages of one, the latest first.
    let mut token = Value::Null;
    loop {
        let page = json!({ "stateMachineArn": arn, "maxResults": 1, "nextToken": token });
        let page = engine.call("ListExecutions", page).await.unwrap();
        names.push(page["executions"][0]["name"].as_str().unwrap().to_owned());
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names, ["c", "b", "x"]);
    engine.shutdown().await;
}
