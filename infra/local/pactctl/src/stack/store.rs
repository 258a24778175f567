//! DynamoDB of the local stack: `dynoxide` on one SQLite file.
//!
//! Its server answers whoever asks, pages in a browser too. So it listens where nobody looks, and
//! is reached through the stack's AWS endpoint, which is guarded.

use std::time::Duration;

use dynoxide::Database;
use local_lambda_host::loopback;
use local_template::Table;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    client::http_client,
    data::DataFolder,
    failure::{Context, Failure},
};

/// How often expired items are taken away; AWS may take days.
const SWEEP: Duration = Duration::from_secs(600);

/// DynamoDB, served to this process.
pub(crate) struct Store {
    /// Its address, which is not told.
    pub endpoint: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Store {
    /// Opens the data folder's database, serves it and makes the tables that are not there.
    pub(crate) async fn open(data: &DataFolder, tables: &[Table]) -> Result<Self, Failure> {
        let path = data.join("dynamodb.sqlite");
        let database =
            Database::new(&path.to_string_lossy()).doing(&format!("open {}", path.display()))?;
        // Has SQLite wait for the disk where its log of writes goes into the file, and not after each
        // write: all of them follow one another, and a disk takes milliseconds. What was written is
        // there after a kill all the same; after a loss of power the file is whole, and the last moments
        // may be missing.
        database.disable_bulk_loading().doing(&format!("set up {}", path.display()))?;
        let listener =
            loopback::listen().and_then(TcpListener::from_std).doing("listen for DynamoDB")?;
        let endpoint = format!("http://{}", listener.local_addr().doing("read a port")?);
        let (stop, stopped) = oneshot::channel::<()>();
        let expiring = database.clone();
        let server = tokio::spawn(async move {
            let until = async move {
                if stopped.await.is_err() {
                    tracing::debug!("the store was dropped");
                }
            };
            let served = dynoxide::server::serve_with_shutdown(listener, database, until);
            tokio::select! {
                served = served => if let Err(error) = served {
                    tracing::error!(error, "DynamoDB ended");
                },
                () = expire(expiring) => {}
            }
        });
        let store = Self { endpoint, stop, server };
        for table in tables {
            store.ensure(table).await?;
        }
        Ok(store)
    }

    async fn ensure(&self, table: &Table) -> Result<(), Failure> {
        let http = http_client()?;
        match call(&http, &self.endpoint, "CreateTable", &table.create).await? {
            Answer::Done(_) => {}
            Answer::Refused(error) if error.name() == "ResourceInUseException" => {
                return self.ensure_indexes(&http, table).await;
            }
            Answer::Refused(error) => return Err(error.into_failure(&table.name)),
        }
        if let Some(attribute) = &table.ttl_attribute {
            let request = json!({
                "TableName": table.name,
                "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": true },
            });
            let answer = call(&http, &self.endpoint, "UpdateTimeToLive", &request).await?;
            if let Answer::Refused(error) = answer {
                return Err(error.into_failure(&table.name));
            }
        }
        Ok(())
    }

    /// Makes the indexes that the template has, and a table of before has not.
    async fn ensure_indexes(&self, http: &reqwest::Client, table: &Table) -> Result<(), Failure> {
        let name = json!({ "TableName": table.name });
        let known = match call(http, &self.endpoint, "DescribeTable", &name).await? {
            Answer::Done(known) => known,
            Answer::Refused(error) => return Err(error.into_failure(&table.name)),
        };
        for index in missing_indexes(&table.create, &known) {
            let request = json!({
                "TableName": table.name,
                "AttributeDefinitions": table.create.get("AttributeDefinitions"),
                "GlobalSecondaryIndexUpdates": [{ "Create": index }],
            });
            let answer = call(http, &self.endpoint, "UpdateTable", &request).await?;
            if let Answer::Refused(error) = answer {
                return Err(error.into_failure(&table.name));
            }
        }
        Ok(())
    }

    /// Stops serving; what was written stays.
    pub(crate) async fn close(self) {
        if self.stop.send(()).is_err() {
            tracing::debug!("DynamoDB ended before");
        }
        let abort = self.server.abort_handle();
        if tokio::time::timeout(Duration::from_secs(2), self.server).await.is_err() {
            abort.abort();
        }
    }
}

/// The indexes of a table's description that the table has not.
fn missing_indexes<'a>(create: &'a Value, known: &Value) -> Vec<&'a Value> {
    let list = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
    let has = |index: &Value| {
        let there = known.pointer("/Table/GlobalSecondaryIndexes").and_then(Value::as_array);
        there.is_some_and(|all| all.iter().any(|i| i.get("IndexName") == index.get("IndexName")))
    };
    let wanted = create.get("GlobalSecondaryIndexes").map(list).unwrap_or_default();
    wanted.iter().filter(|index| !has(index)).collect()
}

/// Takes away what has expired, now and again, without end.
async fn expire(database: Database) {
    let mut times = tokio::time::interval(SWEEP);
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(0)) => {}
            Ok(Ok(items)) => tracing::info!(items, "expired items were taken away"),
            Ok(Err(error)) => tracing::error!(%error, "expired items stay for now"),
            Err(error) => tracing::error!(%error, "expired items stay for now"),
        }
    }
}

/// An error as DynamoDB answers it.
#[derive(Debug)]
pub(crate) struct DynamoError {
    /// HTTP status.
    pub status: u16,
    /// Type, with its namespace.
    pub kind: String,
    /// Message.
    pub message: String,
}

impl DynamoError {
    /// Type without its namespace.
    pub(crate) fn name(&self) -> &str {
        self.kind.rsplit(['#', '.']).next().unwrap_or_default()
    }

    fn into_failure(self, table: &str) -> Failure {
        Failure::internal(format!("failed to make the table {table}: {}", self.message))
    }
}

/// What DynamoDB said to a call.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It did what it was asked.
    Done(Value),
    /// It did nothing, and says why.
    Refused(DynamoError),
}

/// One call of the DynamoDB API, by its wire protocol.
///
/// # Errors
/// When there is no answer.
pub(crate) async fn call(
    http: &reqwest::Client,
    endpoint: &str,
    operation: &str,
    request: &Value,
) -> Result<Answer, Failure> {
    let answer = http
        .post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-target, Signature=0",
        )
        .body(request.to_string())
        .send()
        .await
        .doing("reach DynamoDB")?;
    let status = answer.status();
    let body: Value = answer.json().await.doing("read DynamoDB's answer")?;
    if status.is_success() {
        return Ok(Answer::Done(body));
    }
    let text = |keys: &[&str]| {
        keys.iter().find_map(|k| body.get(k).and_then(Value::as_str)).unwrap_or_default().to_owned()
    };
    Ok(Answer::Refused(DynamoError {
        status: status.as_u16(),
        kind: text(&["__type"]),
        message: text(&["message", "Message"]),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Opened;

    #[tokio::test]
    async fn a_table_of_before_gets_the_indexes_that_it_has_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let Opened::Owned(data) = DataFolder::open(folder.path()).expect("a data folder") else {
            panic!("somebody else has it");
        };
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let index = |name: &str| {
            json!({
                "IndexName": name,
                "KeySchema": [key(&format!("{name}pk"), "HASH")],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            })
        };
        let table = |indexes: &[&str]| Table {
            logical_id: "RunTable".to_owned(),
            name: "runs".to_owned(),
            arn: String::new(),
            create: json!({
                "TableName": "runs",
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": indexes.iter().map(|i| attribute(&format!("{i}pk")))
                    .chain([attribute("pk")]).collect::<Vec<_>>(),
                "KeySchema": [key("pk", "HASH")],
                "GlobalSecondaryIndexes": indexes.iter().map(|i| index(i)).collect::<Vec<_>>(),
            }),
            ttl_attribute: None,
        };
        let http = http_client().expect("a client");
        let store = Store::open(&data, &[table(&["one"])]).await.expect("a table");
        let item =
            json!({ "TableName": "runs", "Item": { "pk": { "S": "a" }, "twopk": { "S": "b" } } });
        call(&http, &store.endpoint, "PutItem", &item).await.expect("an item");
        store.close().await;
        // Twice: what is there is left alone.
        for _ in 0..2 {
            let store = Store::open(&data, &[table(&["one", "two"])]).await.expect("a table");
            let query = json!({
                "TableName": "runs", "IndexName": "two",
                "KeyConditionExpression": "twopk = :b",
                "ExpressionAttributeValues": { ":b": { "S": "b" } },
            });
            let Answer::Done(found) =
                call(&http, &store.endpoint, "Query", &query).await.expect("x")
            else {
                panic!("the index is not there");
            };
            assert_eq!(found["Count"], 1, "{found}");
            store.close().await;
        }
    }
}
