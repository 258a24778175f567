//! What the dashboard and the command line read.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use pact_agent::ports::{
    ApprovalRecord, EnvironmentView, OutboxEntry, RunPage, RunQuery, RunReader, StoreError,
    TransactionLog, WatchResult,
};
use pact_contract::{RunId, RunRecord, StageRecord, log::LogEntry};

use super::{
    DynamoStore, MAX_PAGES,
    environments::environment_record,
    item::{Item, from_json, identifier, run_key, s, text},
    runs::run_record,
};
use crate::error::failed;

/// Runs on a page that does not ask for a number.
const DEFAULT_LIMIT: usize = 50;
/// Most runs on a page.
const MAX_LIMIT: usize = 200;
/// Runs looked at in one read when most of them may be left out.
const FILTERED_READ: usize = 200;
/// Reads for one page.
const MAX_READS: usize = 8;

/// One of the two lists of runs.
struct List {
    index: &'static str,
    hash: &'static str,
    range: &'static str,
    key: String,
}

impl List {
    fn of(query: &RunQuery) -> Self {
        match &query.repository {
            Some(repository) => Self {
                index: "gsi2",
                hash: "gsi2pk",
                range: "gsi2sk",
                key: format!("REPO#{repository}"),
            },
            None => Self { index: "gsi1", hash: "gsi1pk", range: "gsi1sk", key: "RUNS".to_owned() },
        }
    }

    /// The key after which to go on, from a run's position in the list.
    fn start(&self, position: &str) -> Result<Item, StoreError> {
        let run_id = position
            .split_once('#')
            .and_then(|(_, id)| RunId::parse(id).ok())
            .ok_or_else(invalid_cursor)?;
        Ok([
            (self.hash.to_owned(), s(&self.key)),
            (self.range.to_owned(), s(position)),
            ("pk".to_owned(), s(run_key(&run_id))),
            ("sk".to_owned(), s("RUN")),
        ]
        .into())
    }
}

fn invalid_cursor() -> StoreError {
    StoreError::Invalid("the cursor is not one that a page ended with".to_owned())
}

/// A cursor is a position in hexadecimal, so that it can be put into an address.
fn decode_cursor(cursor: &str) -> Result<String, StoreError> {
    hex::decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|text| text.len() <= 256)
        .ok_or_else(invalid_cursor)
}

#[async_trait]
impl TransactionLog for DynamoStore {
    async fn entries(&self, run_id: &RunId) -> Result<Vec<LogEntry>, StoreError> {
        let items = self.items_of_run("read the transaction log", run_id, "LOG#").await?;
        items.iter().map(|item| from_json(item, "entry")).collect()
    }
}

#[async_trait]
impl RunReader for DynamoStore {
    async fn latest_runs(&self, query: &RunQuery) -> Result<RunPage, StoreError> {
        let list = List::of(query);
        let wanted = match query.limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        };
        let filtered = query.status.is_some() || query.branch.is_some();
        // One more than wanted says whether there is another page.
        let read = if filtered { FILTERED_READ } else { wanted + 1 };
        let mut start = match &query.cursor {
            Some(cursor) => Some(list.start(&decode_cursor(cursor)?)?),
            None => None,
        };
        let mut runs = Vec::new();
        let mut last = None;
        for _ in 0..MAX_READS {
            let page = self.read_runs(&list, query, read, start.take()).await?;
            for item in page.items.unwrap_or_default() {
                if runs.len() == wanted {
                    return Ok(RunPage { runs, cursor: last });
                }
                last = Some(hex::encode(text(&item, list.range)?));
                match run_record(&item) {
                    Ok(run) => runs.push(run),
                    // One bad record does not hide all the others.
                    Err(error) => tracing::error!(%error, "a run is left out of the list"),
                }
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => {
                    last = Some(hex::encode(text(&key, list.range)?));
                    start = Some(key);
                }
                _ => return Ok(RunPage { runs, cursor: None }),
            }
            if runs.len() == wanted {
                break;
            }
        }
        Ok(RunPage { runs, cursor: last })
    }

    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.run(run_id).await
    }

    async fn stages(&self, run_id: &RunId) -> Result<Vec<StageRecord>, StoreError> {
        let items = self.items_of_run("read the stages", run_id, "STAGE#").await?;
        let mut stages: Vec<StageRecord> =
            items.iter().map(|item| from_json(item, "record")).collect::<Result<_, _>>()?;
        stages.sort_by(|a, b| (a.started_at, &a.state).cmp(&(b.started_at, &b.state)));
        Ok(stages)
    }

    async fn log(&self, run_id: &RunId) -> Result<Vec<LogEntry>, StoreError> {
        self.entries(run_id).await
    }

    async fn notifications(&self, run_id: &RunId) -> Result<Vec<OutboxEntry>, StoreError> {
        let items = self.items_of_run("read the notifications", run_id, "OUTBOX#").await?;
        items.iter().map(|item| from_json(item, "entry")).collect()
    }

    async fn approvals(&self, run_id: &RunId) -> Result<Vec<ApprovalRecord>, StoreError> {
        let pointers = self.items_of_run("read the approvals", run_id, "APPROVAL#").await?;
        let mut approvals = Vec::with_capacity(pointers.len());
        for pointer in &pointers {
            if let Some(item) = self.callback(text(pointer, "callback")?).await? {
                approvals.push(from_json(&item, "record")?);
            }
        }
        Ok(approvals)
    }

    async fn environments(&self) -> Result<Vec<EnvironmentView>, StoreError> {
        let what = "read the environments";
        let mut environments = Vec::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("gsi1")
                .key_condition_expression("#hash = :hash")
                .expression_attribute_names("#hash", "gsi1pk")
                .expression_attribute_values(":hash", s("ENVIRONMENTS"))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed(what, error))?;
            for item in page.items.unwrap_or_default() {
                environments.push(EnvironmentView {
                    key: identifier(&item, "gsi1sk")?,
                    record: environment_record(&item)?,
                    watch: watch_result(&item),
                });
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(environments),
            }
        }
        Err(crate::error::unavailable(format!("cannot {what}: more than {MAX_PAGES} pages")))
    }
}

impl DynamoStore {
    async fn read_runs(
        &self,
        list: &List,
        query: &RunQuery,
        read: usize,
        start: Option<Item>,
    ) -> Result<aws_sdk_dynamodb::operation::query::QueryOutput, StoreError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(list.index)
            .key_condition_expression("#hash = :hash")
            .expression_attribute_names("#hash", list.hash)
            .expression_attribute_values(":hash", s(&list.key))
            .scan_index_forward(false)
            .limit(i32::try_from(read).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let status = query.status.map(|status| ("status", status.as_str().to_owned()));
        let branch = query.branch.clone().map(|branch| ("branch", branch));
        let mut conditions = Vec::new();
        for (name, value) in status.into_iter().chain(branch) {
            request = request
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), AttributeValue::S(value));
            conditions.push(format!("#{name} = :{name}"));
        }
        if !conditions.is_empty() {
            request = request.filter_expression(conditions.join(" AND "));
        }
        request.send().await.map_err(|error| failed("list the runs", error))
    }
}

/// What the watch wrote; none before its first look.
fn watch_result(item: &Item) -> Option<WatchResult> {
    Some(WatchResult {
        health: text(item, "watch_health").ok()?.to_owned(),
        summary: text(item, "watch_summary").ok()?.to_owned(),
        at: text(item, "watched_at").ok()?.parse().ok()?,
    })
}
