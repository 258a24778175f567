//! The store against a real DynamoDB implementation on SQLite, through the real SDK.
//!
//! How to embed it (the local stack does the same on a data folder):
//!
//! 1. Open the database: `dynoxide::Database::new("<data>/dynamodb.sqlite")`, one SQLite file that
//!    survives a kill, or `Database::memory()`. A `Database` is cheap to clone and thread-safe.
//! 2. Make the table unless it is there: `Database::create_table` takes a `CreateTableRequest`,
//!    which deserialises from the JSON of the `CreateTable` API. The properties
//!    `AttributeDefinitions`, `KeySchema`, `GlobalSecondaryIndexes` and `BillingMode` of an
//!    `AWS::DynamoDB::Table` have the same form; only `TableName` has to be added. A table that
//!    exists is told by `describe_table`. The time to live is a call of its own,
//!    `update_time_to_live`; expired items go when `sweep_ttl` is called.
//! 3. Serve it: `dynoxide::server::serve_with_shutdown(listener, database, shutdown)` on a
//!    `tokio::net::TcpListener` of one's own. Its router is private, so that it needs a port of
//!    its own; signatures are not checked, but have to be there.

mod access;
mod arrivals;
mod damage;
mod incidents;
mod lists;
mod open;
mod room;
mod samples;
mod statuses;
mod verify;
mod waiting;
mod writes;

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use dynoxide::{Database, actions::create_table::CreateTableRequest};
use jiff::Timestamp;
use pact_contract::{
    EnvironmentKey, Repository, RunId,
    run::{RunRequest, Trigger},
};
use serde_json::json;

use super::DynamoStore;

const TABLE: &str = "pact";

/// A client of the database at `database`, served on a free port.
async fn client(database: Database) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(10)))
        .build();
    Client::from_conf(config)
}

fn create_table(database: &Database) {
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let index = |name: &str| {
        json!({
            "IndexName": name,
            "KeySchema": [key(&format!("{name}pk"), "HASH"), key(&format!("{name}sk"), "RANGE")],
            "Projection": { "ProjectionType": "ALL" },
        })
    };
    let attributes = ["pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi2sk", "openpk", "opensk"]
        .map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
    let table = json!({
        "TableName": TABLE,
        "AttributeDefinitions": attributes,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "GlobalSecondaryIndexes": [index("gsi1"), index("gsi2"), index("open")],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let request: CreateTableRequest = serde_json::from_value(table).unwrap();
    database.create_table(request).unwrap();
}

/// An empty store in memory.
/// The environment with this key.
fn environment(key: &str) -> EnvironmentKey {
    key.parse().unwrap()
}

/// The run of this name.
fn id(text: &str) -> RunId {
    text.parse().unwrap()
}

async fn store() -> DynamoStore {
    let database = Database::memory().unwrap();
    create_table(&database);
    stored(client(database).await)
}

/// The store behind a client. The samples' runs began at times that do not move on.
fn stored(client: Client) -> DynamoStore {
    DynamoStore::new(client, TABLE).keeping(Duration::from_hours(24 * 36_500))
}

fn request(repository: &str, branch: &str, number: i64) -> RunRequest {
    let reference = format!("refs/heads/{branch}");
    let commit = format!("{number:040x}");
    RunRequest {
        schema: RunRequest::VERSION,
        run_id: RunId::for_push(&repository.parse().unwrap(), &reference, &commit, 0),
        repository: Repository {
            name: repository.parse().unwrap(),
            url: format!("https://example.com/{repository}.git"),
            default_branch: "main".to_owned(),
        },
        reference,
        branch: branch.to_owned(),
        commit,
        base: None,
        message: Some("a change".to_owned()),
        author: None,
        trigger: Trigger { kind: "push".to_owned(), actor: None, delivery: None },
        template: None,
        environment: None,
        url: "http://localhost/runs/x".to_owned(),
        started_at: Timestamp::from_millisecond(1_790_000_000_000 + number * 250).unwrap(),
        policy: Default::default(),
        place: None,
        on_purpose: None,
        verify_only: None,
        pull: None,
    }
}

#[tokio::test]
async fn a_database_in_a_folder_survives_its_server() {
    use pact_agent::ports::Runs as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dynamodb.sqlite");
    let run = request("acme/web", "main", 1);
    {
        let database = Database::new(file.to_str().unwrap()).unwrap();
        create_table(&database);
        let store = stored(client(database).await);
        store.create_run(&run, "arn", pact_contract::RunStatus::Running, None).await.unwrap();
    }
    let store = stored(client(Database::new(file.to_str().unwrap()).unwrap()).await);
    let found = store.run(&run.run_id).await.unwrap().unwrap();
    assert_eq!(found.request, run);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_says_what_failed_and_why() {
    use pact_agent::ports::Recorder as _;
    use pact_contract::log::{LogKind, NewEntry};

    let store = DynamoStore::new(client(Database::memory().unwrap()).await, "absent");
    let error = store.run(&id("some-run")).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot read the run: ResourceNotFoundException"), "{error}");

    let entry = NewEntry {
        timestamp: Timestamp::now(),
        actor: "pact.test".to_owned(),
        kind: LogKind::Event,
        action: "test".to_owned(),
        body: json!({ "secret": "hunter2" }),
    };
    let error = format!("{:?}", store.append_log(&id("some-run"), entry).await.unwrap_err());
    assert!(!error.contains("hunter2"), "{error}");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .build();
    let store = DynamoStore::new(Client::from_conf(config), TABLE);
    let error = store.run(&id("some-run")).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot read the run: ") && error.contains("refused"), "{error}");
}
