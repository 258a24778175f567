//! Whatever is put in, nothing panics, and what was accepted runs to an end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{
    Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest, validate,
};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Echo;

#[async_trait]
impl TaskExecutor for Echo {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        match task.arguments.get("fail") {
            Some(Value::String(error)) => Err(TaskFailure { error: error.clone(), cause: None }),
            _ => Ok(task.arguments),
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "\\{% [$a-z.\\[\\]()0-9+ '=]{0,16} %\\}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            "[A-Z][a-z]{1,6}",
            Just("Type".to_owned()),
            Just("States".to_owned()),
            Just("StartAt".to_owned()),
            Just("Choices".to_owned()),
            Just("Retry".to_owned()),
            Just("ItemProcessor".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A state of a machine of `count` states that only leads onwards.
fn state(index: usize, count: usize) -> impl Strategy<Value = Value> {
    let expression = prop_oneof![
        Just("{% $states.input %}"),
        Just("{% $states.input.a[0].b %}"),
        Just("{% $x + 1 %}"),
        Just("{% $states.context.State.Name & '!' %}"),
        Just("{% $nothing %}"),
        Just("{% function($v){$v} %}"),
        Just("{% $error('no') %}"),
        Just("{% [1..3] %}"),
        Just("literal"),
    ];
    (0..8_usize, expression, index + 1..count + 1).prop_map(move |(kind, expression, next)| {
        let target = format!("S{next}");
        let catch = json!([{ "ErrorEquals": ["States.ALL"], "Next": target, "Assign": { "x": 1 } }]);
        // No two states of a machine have one name.
        let inner = |branch: &str| {
            let name = format!("I{index}{branch}");
            json!({ "StartAt": name, "States": { name: { "Type": "Pass", "Output": expression, "End": true } } })
        };
        match kind {
            0 => json!({ "Type": "Pass", "Output": expression, "Next": target }),
            1 => json!({ "Type": "Pass", "Assign": { "x": expression }, "Next": target }),
            2 => json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "f", "v": expression }, "Catch": catch, "Next": target }),
            3 => json!({ "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:111111111111:function:f", "Arguments": { "fail": "E" }, "Catch": catch, "Next": target }),
            4 => json!({ "Type": "Choice", "Choices": [{ "Condition": expression_condition(expression), "Next": target }], "Default": target }),
            5 => json!({ "Type": "Parallel", "Branches": [inner("a"), inner("b")], "Catch": catch, "Next": target }),
            6 => json!({ "Type": "Map", "Items": expression_items(expression), "ItemProcessor": inner(""), "Catch": catch, "Next": target }),
            _ => json!({ "Type": "Wait", "Seconds": 0, "Output": expression, "Next": target }),
        }
    })
}

fn expression_condition(expression: &str) -> Value {
    if expression.starts_with("{%") { json!(expression) } else { json!(true) }
}

fn expression_items(expression: &str) -> Value {
    if expression.starts_with("{%") { json!(expression) } else { json!([1, 2]) }
}

fn machine() -> impl Strategy<Value = Value> {
    let count = 4;
    let states: Vec<_> = (0..count).map(|index| state(index, count).boxed()).collect();
    states.prop_map(move |states| {
        let mut object = serde_json::Map::new();
        // Every state is reached: each is also the default of a choice before it.
        for (index, state) in states.into_iter().enumerate() {
            object.insert(format!("S{index}"), state);
            let way = json!({ "Type": "Choice", "Choices": [{ "Condition": "{% $states.input = 'never' %}", "Next": format!("S{}", index + 1) }], "Default": format!("S{index}") });
            object.insert(format!("C{index}"), way);
        }
        object.insert(format!("S{count}"), json!({ "Type": "Succeed" }));
        let all: Vec<Value> = (0..count)
            .map(|index| json!({ "Condition": "{% $states.input = 'never' %}", "Next": format!("C{index}") }))
            .collect();
        object.insert("Start".into(), json!({ "Type": "Choice", "Choices": all, "Default": "S0" }));
        json!({ "QueryLanguage": "JSONata", "StartAt": "Start", "States": object })
    })
}

proptest! {
    #[test]
    fn any_text_is_judged(text in "\\PC{0,64}") {
        prop_assert!(validate(&text).is_err());
    }

    #[test]
    fn any_json_is_judged(value in any_json()) {
        if let Err(faults) = validate(&value.to_string()) {
            prop_assert!(!faults.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_machine_ends(definitions in prop::collection::vec(machine(), 4), input in any_json()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let options = EngineOptions::new(folder.path(), "r", "1");
            let engine = Engine::open(options.clone(), Arc::new(Echo)).await.unwrap();
            let mut changes = engine.status_changes();
            let mut arns = Vec::new();
            for (index, definition) in definitions.iter().enumerate() {
                let machine = engine.put_state_machine(&format!("m{index}"), &definition.to_string()).await.unwrap();
                let started = engine.call("StartExecution", json!({ "stateMachineArn": machine, "input": input.to_string() })).await.unwrap();
                arns.push(started["executionArn"].clone());
            }
            while engine.running() > 0 {
                tokio::time::timeout(Duration::from_secs(20), changes.recv()).await.unwrap().unwrap();
            }
            let mut before = Vec::new();
            for arn in &arns {
                let history = engine.call("GetExecutionHistory", json!({ "executionArn": arn, "maxResults": 1000 })).await.unwrap();
                let events = history["events"].as_array().unwrap();
                for (index, event) in events.iter().enumerate() {
                    assert_eq!(event["id"], index + 1);
                    assert!(event["previousEventId"].as_u64().unwrap() <= index as u64, "{event}");
                }
                before.push(history);
            }
            engine.shutdown().await;
            let engine = Engine::open(options, Arc::new(Echo)).await.unwrap();
            for (arn, history) in arns.iter().zip(before) {
                let again = engine.call("GetExecutionHistory", json!({ "executionArn": arn, "maxResults": 1000 })).await.unwrap();
                assert_eq!(again, history);
            }
        });
    }
}

/// A machine with one of its parts replaced by something else.
fn damaged() -> impl Strategy<Value = Value> {
    (machine(), any_json(), any::<prop::sample::Index>()).prop_map(|(mut machine, part, place)| {
        fn places(value: &Value, at: &str, found: &mut Vec<String>) {
            let inner: Vec<(String, &Value)> = match value {
                Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
                Value::Array(items) => {
                    items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
                }
                _ => return,
            };
            for (name, value) in inner {
                let at = format!("{at}/{name}");
                places(value, &at, found);
                found.push(at);
            }
        }
        let mut found = Vec::new();
        places(&machine, "", &mut found);
        let at: &String = place.get(found.as_slice());
        if let Some(place) = machine.pointer_mut(at) {
            *place = part;
        }
        machine
    })
}

const OPERATIONS: [&str; 20] = [
    "CreateStateMachine",
    "UpdateStateMachine",
    "DescribeStateMachine",
    "DescribeStateMachineForExecution",
    "ListStateMachines",
    "DeleteStateMachine",
    "ValidateStateMachineDefinition",
    "StartExecution",
    "StartSyncExecution",
    "DescribeExecution",
    "ListExecutions",
    "StopExecution",
    "RedriveExecution",
    "TestState",
    "GetExecutionHistory",
    "SendTaskSuccess",
    "SendTaskFailure",
    "SendTaskHeartbeat",
    "ListTagsForResource",
    "Nothing",
];

/// An input with the members that operations read, of the right type or another.
fn any_input() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "name",
        "definition",
        "roleArn",
        "type",
        "stateMachineArn",
        "executionArn",
        "input",
        "nextToken",
        "maxResults",
        "statusFilter",
        "taskToken",
        "output",
        "error",
        "cause",
        "variables",
        "mock",
        "reverseOrder",
    ]);
    let arn = prop_oneof![
        Just("arn:aws:states:r:1:stateMachine:m0"),
        Just("arn:aws:states:r:1:execution:m0:x"),
        Just("arn:aws:states::"),
    ];
    let text = prop_oneof![
        arn.prop_map(Value::from),
        damaged().prop_map(|machine| Value::from(machine.to_string())),
        any_json().prop_map(|value| Value::from(value.to_string())),
        any_json(),
    ];
    prop::collection::vec((name, text), 0..8).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_damaged_machine_is_judged(machine in damaged()) {
        if let Err(faults) = validate(&machine.to_string()) {
            prop_assert!(!faults.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_request_is_answered(
        machine in machine(),
        requests in prop::collection::vec((prop::sample::select(OPERATIONS.to_vec()), any_input()), 40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let options = EngineOptions::new(folder.path(), "r", "1");
            let engine = Engine::open(options.clone(), Arc::new(Echo)).await.unwrap();
            let arn = engine.put_state_machine("m0", &machine.to_string()).await.unwrap();
            engine.call("StartExecution", json!({ "stateMachineArn": arn, "name": "x" })).await.unwrap();
            for (operation, input) in requests {
                // A state under test may wait for long.
                let call = engine.call(operation, input);
                if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(2), call).await {
                    assert_ne!(error.status, 500, "{operation}: {error}");
                }
            }
            engine.shutdown().await;
            // Whatever was done, it can be opened again.
            Engine::open(options, Arc::new(Echo)).await.unwrap().shutdown().await;
        });
    }
}
