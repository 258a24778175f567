//! The scheduled watch: every environment is in one call, what fails ends no other, and no watch
//! overlaps another.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use local_step_functions::{Engine, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

use crate::{machine, second_opinion::Told};

/// Tells every task what comes next, and keeps what it was asked.
struct Asked {
    told: Told,
    asked: Mutex<Vec<(String, Value)>>,
}

#[async_trait::async_trait]
impl TaskExecutor for Asked {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        self.asked.lock().unwrap().push((task.state.clone(), task.arguments.clone()));
        self.told.execute(task).await
    }
}

fn keys(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(|number| json!({ "gsi1sk": { "S": format!("acme/shop#e{number}") } })).collect()
}

/// Runs one watch that is told this, and returns its status, its error and what was asked.
async fn watch(told: Vec<(&str, Vec<Value>)>) -> (String, Option<String>, Vec<(String, Value)>) {
    let told: BTreeMap<String, Vec<Value>> =
        told.into_iter().map(|(state, answers)| (state.to_owned(), answers)).collect();
    let asked = Arc::new(Asked {
        told: Told(Mutex::new(HashMap::from([("watch".to_owned(), told)]))),
        asked: Mutex::default(),
    });
    let folder = crate::explore::scratch();
    let tasks = Arc::clone(&asked) as Arc<dyn TaskExecutor>;
    let engine = Engine::open(crate::explore::options(folder.path()), tasks).await.unwrap();
    let text = machine::load("monitor").text;
    let arn = engine.put_state_machine("monitor", &text).await.unwrap();
    let mut changes = engine.status_changes();
    let start = json!({ "stateMachineArn": arn, "name": "watch", "input": "{}" });
    engine.call("StartExecution", start).await.unwrap();
    let end = async {
        loop {
            let change = changes.recv().await.expect("the engine goes on");
            if change.status != "RUNNING" {
                return change;
            }
        }
    };
    let change = tokio::time::timeout(Duration::from_secs(60), end).await.expect("it ends");
    engine.shutdown().await;
    let asked = asked.asked.lock().unwrap().clone();
    (change.status.to_string(), change.error.map(|error| error.to_string()), asked)
}

fn of<'a>(asked: &'a [(String, Value)], state: &str) -> Vec<&'a Value> {
    asked.iter().filter(|(asked, _)| asked == state).map(|(_, arguments)| arguments).collect()
}

fn written() -> Value {
    json!({ "result": { "SdkHttpMetadata": { "HttpStatusCode": 200 } } })
}

fn looked(health: &str) -> Value {
    let seen = json!([{ "environment": "acme/shop#e0", "health": health, "summary": "said" }]);
    let response = json!({ "status": "passed", "summary": "said", "output": { "seen": seen, "not_watched": 0 } });
    json!({ "result": { "StatusCode": 200, "Payload": { "response": response } } })
}

fn due(told: Vec<Value>) -> Value {
    json!({ "result": { "StatusCode": 200, "Payload": { "tell": told } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_looked_at_in_calls_and_one_that_fails_ends_no_other() {
    // On two pages.
    let from = json!({ "pk": { "S": "ENV#acme/shop#e39" }, "sk": { "S": "ENV" } });
    let first = json!({ "result": { "Items": keys(0..40), "LastEvaluatedKey": from } });
    let second = json!({ "result": { "Items": keys(40..41) } });
    let fault = json!({ "error": "Lambda.Unknown", "cause": "{\"errorMessage\":\"it broke\"}" });
    let kept = json!({ "result": { "StatusCode": 200, "Payload": { "kept": 1 } } });
    let told_of = json!({
        "incident": {
            "schema": 1, "id": "0123456789ab-1", "opened_at": "2026-11-27T10:00:00Z", "affected": [],
        },
        "level": 1,
        "repository": { "name": "acme/shop", "url": "", "default_branch": "main" },
        "url": "",
        "settings": { "slack": {} },
    });
    let told = json!({ "result": { "StatusCode": 200, "Payload": { "response": {
        "status": "passed", "summary": "told", "output": {} } } } });
    let (status, error, asked) = watch(vec![
        ("TakeTurn", vec![written()]),
        ("ListEnvironments", vec![first]),
        ("ListMoreEnvironments", vec![second]),
        // The last page has one call, which breaks for good.
        ("LookAt", vec![looked("healthy"), looked("unhealthy"), fault.clone(), fault]),
        ("KeepWatched", vec![kept; 3]),
        ("DueIncidents", vec![due(vec![told_of])]),
        ("TellIncident", vec![told]),
        ("GiveTurn", vec![written()]),
    ])
    .await;
    assert_eq!((&*status, error), ("SUCCEEDED", None));
    assert_eq!(of(&asked, "ListMoreEnvironments")[0]["ExclusiveStartKey"], from);
    let mut sizes: Vec<_> = of(&asked, "LookAt")
        .into_iter()
        .map(|call| call.pointer("/Payload/intent/parameters/environments"))
        .map(|keys| keys.and_then(Value::as_array).map_or(0, Vec::len))
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 15, 25], "each is in one call, and one call was tried again");
    let kept = of(&asked, "KeepWatched");
    let unknown = json!([{
        "environment": "acme/shop#e40", "health": "unknown", "summary": "Lambda.Unknown: it broke",
    }]);
    assert!(kept.iter().any(|kept| kept["Payload"]["watched"] == unknown), "{kept:#?}");
    for kept in kept {
        let watched = kept["Payload"]["watched"].clone();
        serde_json::from_value::<Vec<pact_contract::actions::Looked>>(watched).expect("is read");
    }
    let told = of(&asked, "TellIncident");
    let parameters = told[0].pointer("/Payload/intent/parameters").expect("parameters");
    serde_json::from_value::<pact_contract::incident::TellIncident>(parameters.clone())
        .unwrap_or_else(|error| panic!("{error}: {parameters}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_fails_the_watch_at_its_end_and_the_turn_is_given_back() {
    let (status, error, asked) = watch(vec![
        ("TakeTurn", vec![written()]),
        ("ListEnvironments", vec![json!({ "result": { "Items": keys(0..1) } })]),
        ("LookAt", vec![looked("healthy")]),
        ("KeepWatched", vec![json!({ "error": "Runtime.ExitError", "cause": "{}" })]),
        ("DueIncidents", vec![due(vec![])]),
        ("GiveTurn", vec![written()]),
    ])
    .await;
    assert_eq!((&*status, error.as_deref()), ("FAILED", Some("WatchIncomplete")));
    assert_eq!(of(&asked, "GiveTurn").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_watch_overlaps_another() {
    let taken = json!({ "error": "DynamoDB.ConditionalCheckFailedException", "cause": "taken" });
    let (status, _, asked) = watch(vec![("TakeTurn", vec![taken])]).await;
    assert_eq!((&*status, asked.len()), ("SUCCEEDED", 1));
}
