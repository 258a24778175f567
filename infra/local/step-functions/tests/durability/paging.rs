//! Pages of histories.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local_step_functions::Engine;
use serde_json::{Value, json};

use super::{arn, idle, open, start};

/// Counts to `count`, with three events for each number.
fn counting(count: usize, pause: bool) -> String {
    let mut states = json!({
        "More": { "Type": "Choice", "Default": "Enough",
            "Choices": [{ "Condition": format!("{{% $states.input.n < {count} %}}"), "Next": "Add" }] },
        "Add": { "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" }, "Next": "More" },
        "Enough": { "Type": "Succeed" } });
    if pause {
        states["Enough"] = json!({ "Type": "Wait", "Seconds": 3600, "End": true });
    }
    json!({ "QueryLanguage": "JSONata", "StartAt": "More", "States": states }).to_string()
}

async fn page(engine: &Engine, name: &str, more: Value) -> Value {
    let mut input = json!({ "executionArn": arn("execution", name) });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    engine.call("GetExecutionHistory", input).await.unwrap()
}

fn ids(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn reverse_pages_of_a_growing_history_meet() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let ask = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": { "FunctionName": "f", "Payload": "{% $states.context.Task.Token %}" }, "Next": "B" },
        "B": { "Type": "Pass", "Next": "C" }, "C": { "Type": "Pass", "Next": "D" },
        "D": { "Type": "Wait", "Seconds": 3600, "End": true } } });
    let machine = engine.put_state_machine("ask", &ask.to_string()).await.unwrap();
    start(&engine, &machine, "x").await.unwrap();
    super::until("it asked", async || ids(&page(&engine, "ask:x", json!({})).await).len() == 5)
        .await;
    let first = page(&engine, "ask:x", json!({ "reverseOrder": true, "maxResults": 2 })).await;
    assert_eq!(ids(&first), [5, 4]);
    // Events are written between the pages.
    let events = page(&engine, "ask:x", json!({})).await;
    let parameters = &events["events"][2]["taskScheduledEventDetails"]["parameters"];
    let parameters: Value = serde_json::from_str(parameters.as_str().unwrap()).unwrap();
    let done = json!({ "taskToken": parameters["Payload"], "output": "{}" });
    engine.call("SendTaskSuccess", done).await.unwrap();
    super::until("it went on", async || ids(&page(&engine, "ask:x", json!({})).await).len() > 9)
        .await;
    let next = json!({ "reverseOrder": true, "maxResults": 2, "nextToken": first["nextToken"] });
    let second = page(&engine, "ask:x", next).await;
    assert_eq!(ids(&second), [3, 2]);
    let next = json!({ "reverseOrder": true, "maxResults": 2, "nextToken": second["nextToken"] });
    let third = page(&engine, "ask:x", next).await;
    assert_eq!(ids(&third), [1]);
    assert!(third.get("nextToken").is_none());
    // A token of one order is none of the other.
    let mixed =
        json!({ "executionArn": arn("execution", "ask:x"), "nextToken": first["nextToken"] });
    assert_eq!(engine.call("GetExecutionHistory", mixed).await.unwrap_err().code, "InvalidToken");
    engine.shutdown().await;
}

#[tokio::test]
async fn pages_show_what_the_whole_shows() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    // Iterations and tasks say in later events what earlier ones named.
    let each = json!({ "QueryLanguage": "JSONata", "StartAt": "M", "States": {
        "M": { "Type": "Map", "Items": "{% [1..400] %}", "MaxConcurrency": 3, "End": true,
            "ItemProcessor": { "StartAt": "T", "States": { "T": { "Type": "Task",
                "Resource": "arn:aws:lambda:us-east-1:111111111111:function:f", "End": true } } } } } });
    let machine = engine.put_state_machine("each", &each.to_string()).await.unwrap();
    start(&engine, &machine, "x").await.unwrap();
    idle(&engine).await;
    let pages = async |size: usize, reverse: bool| {
        let mut all = Vec::new();
        let mut token = Value::Null;
        loop {
            let more = json!({ "maxResults": size, "reverseOrder": reverse, "nextToken": token });
            let page = page(&engine, "each:x", more).await;
            all.extend(page["events"].as_array().unwrap().clone());
            token = page["nextToken"].clone();
            if token.is_null() {
                return all;
            }
        }
    };
    let mut backwards = pages(7, true).await;
    backwards.reverse();
    let whole = pages(1_000, false).await;
    assert!(whole.len() > 2_800, "{}", whole.len());
    assert_eq!(backwards, whole);
    assert_eq!(pages(137, false).await, whole);
    let named =
        whole.iter().filter(|event| event["mapIterationSucceededEventDetails"]["name"] == "M");
    assert_eq!(named.count(), 400);
    engine.shutdown().await;
}

#[tokio::test]
async fn a_page_ends_early_when_it_is_large() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let text = "x".repeat(200_000);
    let mut states = serde_json::Map::new();
    for n in 0..30 {
        states.insert(
            format!("S{n}"),
            json!({ "Type": "Pass", "Output": text, "Next": format!("S{}", n + 1) }),
        );
    }
    states.insert("S30".into(), json!({ "Type": "Succeed" }));
    let large = json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": states });
    // A definition has a megabyte at most.
    let large = large.to_string().replace(&text, "{% $states.input %}");
    let machine = engine.put_state_machine("large", &large).await.unwrap();
    let input =
        json!({ "stateMachineArn": machine, "name": "x", "input": json!(text).to_string() });
    engine.call("StartExecution", input).await.unwrap();
    idle(&engine).await;
    for reverse in [false, true] {
        let mut seen = Vec::new();
        let mut token = Value::Null;
        let mut count = 0;
        loop {
            let more = json!({ "maxResults": 1_000, "reverseOrder": reverse, "nextToken": token });
            let page = page(&engine, "large:x", more).await;
            assert!(page.to_string().len() < 5_000_000);
            seen.extend(ids(&page));
            count += 1;
            token = page["nextToken"].clone();
            if token.is_null() {
                break;
            }
        }
        assert!(count > 2, "{count} pages");
        if reverse {
            seen.reverse();
        }
        assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
        assert_eq!(seen.len(), 64);
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_histories_are_paged() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let machine = engine.put_state_machine("count", &counting(5_900, true)).await.unwrap();
    start(&engine, &machine, "x").await.unwrap();
    let full = json!({ "reverseOrder": true, "maxResults": 1 });
    super::until("it counted", async || {
        ids(&page(&engine, "count:x", full.clone()).await)[0] > 23_500
    })
    .await;
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                let mut token = Value::Null;
                loop {
                    let page =
                        page(&engine, "count:x", json!({ "maxResults": 500, "nextToken": token }))
                            .await;
                    seen.extend(ids(&page));
                    token = page["nextToken"].clone();
                    if token.is_null() {
                        return seen.len();
                    }
                }
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    let mut calls = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        let began = Instant::now();
        engine.call("DescribeStateMachine", json!({ "stateMachineArn": machine })).await.unwrap();
        longest = longest.max(began.elapsed());
        calls += 1;
        tokio::task::yield_now().await;
    }
    eprintln!("{calls} calls meanwhile, the longest took {longest:?}");
    // Each of them would wait for the pages, were those read where calls are served.
    assert!(calls > 100, "{calls} calls while four clients paged");
    for client in clients {
        assert!(client.await.unwrap() > 23_500);
    }
    engine.shutdown().await;
}
