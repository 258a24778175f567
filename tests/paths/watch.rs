//! The scheduled watch where records cannot be read: of each that is said, and all others are
//! watched.

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

fn environment(name: &str) -> Value {
    let record = json!({
        "url": "http://127.0.0.1:4000",
        "current": {
            "release": "shop-1", "run_id": "run-1", "commit": "1".repeat(40),
            "settings": { "health": [{ "path": "/" }], "watch": {} },
        },
    });
    json!({ "gsi1sk": { "S": format!("acme/shop#{name}") }, "record": { "S": record.to_string() } })
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_cannot_be_read_does_not_end_the_watch_of_others() {
    let mut newer = environment("newer");
    newer["schema"] = json!({ "N": "7" });
    let mut cut = environment("cut");
    cut["record"] = json!({ "S": "{\"current\":" });
    let mut other = environment("other");
    other["record"] = json!({ "BOOL": true });
    let odd = json!({ "gsi1sk": { "S": "no key" }, "record": { "S": "[]" } });
    let items = [newer, cut, other, odd, environment("production")];
    // On two pages.
    let from = json!({ "pk": { "S": "ENV#acme/shop#other" }, "sk": { "S": "ENV" } });
    let (first, second) = items.split_at(3);
    let listed = json!({ "result": { "Count": 3, "Items": first, "LastEvaluatedKey": from } });
    let more = json!({ "result": { "Count": 2, "Items": second } });
    let lambda = |status: &str| {
        let response = json!({ "status": status, "summary": "said", "output": {} });
        json!({ "result": { "StatusCode": 200, "Payload": { "response": response } } })
    };
    let done = json!({ "result": { "SdkHttpMetadata": { "HttpStatusCode": 200 } } });
    let told_of = json!({
        "incident": {
            "schema": 1, "id": "0123456789ab-1", "opened_at": "2026-11-27T10:00:00Z", "affected": [],
        },
        "level": 1,
        "repository": { "name": "acme/shop", "url": "", "default_branch": "main" },
        "url": "",
        "settings": { "slack": {} },
    });
    let told: BTreeMap<String, Vec<Value>> = [
        ("ListEnvironments", vec![listed]),
        ("ListMoreEnvironments", vec![more]),
        ("CheckHealth", vec![lambda("failed")]),
        ("RecordHealth", vec![done.clone(); 5]),
        ("KeepIncident", vec![done; 5]),
        (
            "DueIncidents",
            vec![json!({ "result": { "StatusCode": 200, "Payload": { "tell": [told_of] } } })],
        ),
        ("TellIncident", vec![lambda("passed")]),
    ]
    .map(|(state, answers)| (state.to_owned(), answers))
    .into();
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
    assert_eq!(change.status, "SUCCEEDED", "{:?} {:?}", change.error, change.output);

    let asked = asked.asked.lock().unwrap();
    let of = |state: &str| -> Vec<&Value> {
        asked.iter().filter(|(asked, _)| asked == state).map(|(_, arguments)| arguments).collect()
    };
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    const ORDER: [&str; 5] = ["newer", "cut", "other", "no key", "production"];
    let mut recorded: Vec<_> = of("RecordHealth")
        .into_iter()
        .map(|update| {
            let value = |name: &str| text(update, &format!("/ExpressionAttributeValues/:{name}/S"));
            (text(update, "/Key/pk/S"), value("health"), value("summary"))
        })
        .collect();
    assert_eq!(of("ListMoreEnvironments")[0]["ExclusiveStartKey"], from);
    // Several are looked at at a time.
    recorded.sort_by_key(|(pk, ..)| ORDER.iter().position(|name| pk.ends_with(name)));
    let said: Vec<_> = recorded.iter().map(|(pk, health, _)| (&**pk, &**health)).collect();
    assert_eq!(
        said,
        [
            ("ENV#acme/shop#newer", "unknown"),
            ("ENV#acme/shop#cut", "unknown"),
            ("ENV#acme/shop#other", "unknown"),
            ("ENV#no key", "unknown"),
            ("ENV#acme/shop#production", "unhealthy"),
        ]
    );
    for (index, summary) in [
        (
            0,
            "its record cannot be read: the item ENV#acme/shop#newer is of version 7, unknown here",
        ),
        (1, "its record cannot be read: the item ENV#acme/shop#cut is damaged"),
        (3, "its record cannot be read: the item ENV#no key is damaged"),
        (4, "said"),
    ] {
        assert_eq!(recorded[index].2, summary);
    }
    assert_eq!(of("CheckHealth").len(), 1);
    let kept = of("KeepIncident");
    assert_eq!(kept.len(), 5, "each becomes an incident, or part of one");
    assert!(kept.iter().all(|kept| kept.pointer("/Payload/watched/environment").is_some()));
    let told = of("TellIncident");
    assert_eq!(told.len(), 1, "people are told of each incident once");
    let parameters = told[0].pointer("/Payload/intent/parameters").expect("parameters");
    serde_json::from_value::<pact_contract::incident::TellIncident>(parameters.clone())
        .unwrap_or_else(|error| panic!("{error}: {parameters}"));
}
