//! A table on a real DynamoDB implementation, through the real SDK.
#![expect(clippy::expect_used, reason = "for tests and benchmarks")]

use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use dynoxide::{Database, actions::create_table::CreateTableRequest};
use serde_json::json;

pub(crate) const TABLE: &str = "pact";

/// An empty table in the database, and what a client of it is made of.
pub(crate) async fn served(database: Database) -> Builder {
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
    let create: CreateTableRequest = serde_json::from_value(json!({
        "TableName": TABLE,
        "AttributeDefinitions": attributes,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "GlobalSecondaryIndexes": [index("gsi1"), index("gsi2"), index("open")],
        "BillingMode": "PAY_PER_REQUEST",
    }))
    .expect("a request");
    database.create_table(create).expect("a table");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()));
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
}
