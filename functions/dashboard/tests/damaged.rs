//! The dashboard over a real store in which an item cannot be read: every page and every document
//! answers, and says so of that item alone.
#![expect(clippy::expect_used, reason = "everything here is a test")]

#[path = "../examples/support/doors.rs"]
mod doors;
#[path = "../examples/support/logs.rs"]
mod logs;
#[path = "../examples/support/sources.rs"]
mod sources;
#[path = "../examples/support/table.rs"]
mod table;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use dynoxide::Database;
use pact_agent::ports::{Environments as _, Runs as _};
use pact_aws::DynamoStore;
use pact_contract::{RunRequest, actions::EnvironmentRecord};
use serde_json::{Value, json};
use table::{TABLE, served};
use tower::ServiceExt as _;

/// An empty table on a DynamoDB in memory.
async fn empty() -> Client {
    Client::from_conf(served(Database::memory().expect("a database")).await.build())
}

fn request(id: &str) -> RunRequest {
    let request = json!({
        "schema": 1, "run_id": id, "reference": "refs/heads/main", "branch": "main",
        "repository": { "name": "acme/shop", "url": "https://x/y", "default_branch": "main" },
        "commit": "1".repeat(40), "message": format!("change {id}"),
        "trigger": { "kind": "api" }, "url": "https://x",
        "started_at": jiff::Timestamp::now().to_string(),
    });
    serde_json::from_value(request).expect("a request")
}

async fn set(client: &Client, pk: &str, sk: &str, attribute: &str, value: AttributeValue) {
    client
        .update_item()
        .table_name(TABLE)
        .key("pk", AttributeValue::S(pk.to_owned()))
        .key("sk", AttributeValue::S(sk.to_owned()))
        .update_expression("SET #a = :v")
        .expression_attribute_names("#a", attribute)
        .expression_attribute_values(":v", value)
        .send()
        .await
        .expect("is written");
}

async fn get(store: &DynamoStore, path: &str) -> (StatusCode, String) {
    let router =
        doors::signed_in(pact_dashboard::router(sources::sources(store.clone()), doors::doors()));
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 10_000_000).await.expect("a body");
    (status, String::from_utf8(body.to_vec()).expect("UTF-8"))
}

async fn json(store: &DynamoStore, path: &str) -> Value {
    let (status, body) = get(store, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

/// A page that answers, and says what cannot be read and why.
async fn says(store: &DynamoStore, path: &str, texts: &[&str]) {
    let (status, page) = get(store, path).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    for text in texts {
        assert!(page.contains(text), "{path} does not say {text}: {page}");
    }
}

#[tokio::test]
async fn one_odd_environment_hides_no_other() {
    let client = empty().await;
    let store = DynamoStore::new(client.clone(), TABLE);
    for key in ["acme/shop#staging", "acme/shop#production", "acme/api#staging"] {
        let key = key.parse().expect("a key");
        store.store(&key, &EnvironmentRecord::default(), 0).await.expect("is written");
    }
    let odd = AttributeValue::S("acme/sh op#staging".to_owned());
    set(&client, "ENV#acme/shop#staging", "ENV", "gsi1sk", odd).await;
    let newer = AttributeValue::N("7".to_owned());
    set(&client, "ENV#acme/api#staging", "ENV", "schema", newer).await;
    let document = json(&store, "/api/environments").await;
    assert_eq!(document["environments"].as_array().map(Vec::len), Some(1));
    assert_eq!(document["environments"][0]["environment"], "production");
    let unreadable = document["unreadable"].as_array().expect("a list");
    let said: Vec<_> = unreadable.iter().map(|one| one["key"].as_str().expect("a key")).collect();
    assert_eq!(said.len(), 2, "{unreadable:?}");
    assert!(said.contains(&"ENV#acme/shop#staging / ENV"), "{said:?}");
    says(
        &store,
        "/environments",
        &[
            "production",
            "cannot be read",
            "ENV#acme/shop#staging / ENV",
            "ENV#acme/api#staging / ENV",
            "it is of version 7, and this program knows version 2 at most",
        ],
    )
    .await;
}

#[tokio::test]
async fn one_odd_run_hides_no_other_and_has_a_page() {
    let client = empty().await;
    let store = DynamoStore::new(client.clone(), TABLE);
    for id in ["shop-1", "shop-2", "shop-3"] {
        store
            .create_run(&request(id), "arn", pact_contract::RunStatus::Running, None)
            .await
            .expect("is written");
    }
    let text = |text: &str| AttributeValue::S(text.to_owned());
    set(&client, "RUN#shop-2", "RUN", "request", text("{}")).await;
    set(&client, "RUN#shop-3", "STAGE#RunUnitTests", "record", text("{\"state\":\"a/b\"}")).await;
    set(&client, "RUN#shop-3", "LOG#0000000001", "entry", text("no document")).await;
    set(&client, "RUN#shop-3", "OUTBOX#slack", "entry", AttributeValue::Bool(true)).await;
    set(&client, "RUN#shop-3", "APPROVAL#A", "callback", text("gone")).await;

    let list = json(&store, "/api/runs").await;
    assert_eq!(list["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(list["unreadable"][0]["key"], "RUN#shop-2 / RUN");
    says(&store, "/", &["change shop-1", "change shop-3", "RUN#shop-2 / RUN", "lacks"]).await;

    let run = json(&store, "/api/runs/shop-2").await;
    assert_eq!(
        (&run["run"], &run["unreadable"][0]["key"]),
        (&Value::Null, &json!("RUN#shop-2 / RUN"))
    );
    says(&store, "/runs/shop-2", &["RUN#shop-2 / RUN", "cannot be read", "Stages"]).await;
    assert_eq!(json(&store, "/api/runs/shop-2/version").await["settled"], true);

    let run = json(&store, "/api/runs/shop-3").await;
    assert_eq!(run["run"]["request"]["run_id"], "shop-3");
    assert_eq!(run["unreadable"].as_array().map(Vec::len), Some(4));
    assert_eq!(run["log"]["verified"], false);
    says(
        &store,
        "/runs/shop-3",
        &[
            "change shop-3",
            "RUN#shop-3 / STAGE#RunUnitTests",
            "RUN#shop-3 / LOG#0000000001",
            "RUN#shop-3 / OUTBOX#slack",
            "RUN#shop-3 / APPROVAL#A",
            "there is no such callback",
            "chain broken",
        ],
    )
    .await;
}
