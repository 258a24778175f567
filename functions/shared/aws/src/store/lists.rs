//! What the dashboard and the command line read.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use pact_agent::ports::{
    ApprovalRecord, EnvironmentView, Listed, OutboxEntry, RunPage, RunQuery, RunReader, StoreError,
    TransactionLog, Unreadable, WatchResult,
};
use pact_contract::{
    EnvironmentKey, RunId, RunRecord, RunStatus, StageRecord, actions::EnvironmentRecord,
    log::LogEntry, room::COUNTED,
};

use super::{
    DynamoStore,
    environments::environment_record,
    item::{Item, has_expired, identifier, instant, key_of, run_key, s, text, unreadable},
    kind::{APPROVAL, CALLBACK, LOG, NOTIFICATION, STAGE, WATCH},
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

/// Longest place in a list: two sort keys and a partition key.
const MAX_PLACE: usize = 2 * 1_024 + 2_048 + 2;

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

    /// The key after which to go on, from a place in the list. That of a run is its position; an
    /// item that cannot be read may stand where no run does, and is named by its key as well.
    fn start(&self, place: &str) -> Result<Item, StoreError> {
        let run_key = |position: &str| {
            let run_id = RunId::parse(position.split_once('#')?.1).ok()?;
            Some(run_key(&run_id))
        };
        let parts: Vec<&str> = place.split('\n').collect();
        let (position, pk, sk) = match parts[..] {
            [position] => (position, run_key(position).ok_or_else(invalid_cursor)?, "RUN"),
            [position, pk, sk] if !(position.is_empty() || pk.is_empty() || sk.is_empty()) => {
                (position, pk.to_owned(), sk)
            }
            _ => return Err(invalid_cursor()),
        };
        Ok([
            (self.hash.to_owned(), s(&self.key)),
            (self.range.to_owned(), s(position)),
            ("pk".to_owned(), s(pk)),
            ("sk".to_owned(), s(sk)),
        ]
        .into())
    }

    /// The place of an item in the list, for a cursor.
    fn place(&self, item: &Item) -> Result<String, Unreadable> {
        let (position, pk, sk) = (text(item, self.range)?, text(item, "pk")?, text(item, "sk")?);
        let of_a_run = self.start(position).is_ok_and(|start| {
            start.iter().all(|(name, value)| item.get(name).is_none_or(|own| own == value))
        });
        Ok(hex::encode(if of_a_run { position.to_owned() } else { [position, pk, sk].join("\n") }))
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
        .filter(|text| text.len() <= MAX_PLACE)
        .ok_or_else(invalid_cursor)
}

#[async_trait]
impl TransactionLog for DynamoStore {
    async fn entries(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        let items = self.items_of_run("read the transaction log", run_id, "LOG#").await?;
        Ok(items.iter().map(|item| LOG.document(item, "entry")).collect())
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
        let mut page = RunPage::default();
        let mut last = None;
        for _ in 0..MAX_READS {
            let found = self.read_runs(&list, query, read, start.take()).await?;
            for item in found.items.unwrap_or_default() {
                if page.runs.len() + page.unreadable.len() == wanted {
                    return Ok(RunPage { cursor: last, ..page });
                }
                last = Some(list.place(&item)?);
                if has_expired(&item) {
                    continue;
                }
                match run_record(&item) {
                    Ok(run) => page.runs.push(run),
                    Err(unreadable) => page.unreadable.push(unreadable),
                }
            }
            match found.last_evaluated_key {
                Some(key) if !key.is_empty() => {
                    last = Some(list.place(&key)?);
                    start = Some(key);
                }
                _ => return Ok(page),
            }
            if page.runs.len() + page.unreadable.len() == wanted {
                break;
            }
        }
        Ok(RunPage { cursor: last, ..page })
    }

    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.run(run_id).await
    }

    async fn waits_behind(&self, run: &RunRecord) -> Result<Option<usize>, StoreError> {
        if run.status != RunStatus::Queued {
            return Ok(None);
        }
        self.waits_before(&run.into(), COUNTED).await
    }

    async fn stages(&self, run_id: &RunId) -> Result<Listed<StageRecord>, StoreError> {
        let items = self.items_of_run("read the stages", run_id, "STAGE#").await?;
        let mut stages: Listed<StageRecord> =
            items.iter().map(|item| STAGE.document(item, "record")).collect();
        stages.items.sort_by(|a, b| (a.started_at, &a.state).cmp(&(b.started_at, &b.state)));
        Ok(stages)
    }

    async fn log(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        self.entries(run_id).await
    }

    async fn notifications(&self, run_id: &RunId) -> Result<Listed<OutboxEntry>, StoreError> {
        let items = self.items_of_run("read the notifications", run_id, "OUTBOX#").await?;
        Ok(items.iter().map(|item| NOTIFICATION.document(item, "entry")).collect())
    }

    async fn approvals(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        let pointers = self.items_of_run("read the approvals", run_id, "APPROVAL#").await?;
        let mut approvals = Listed::default();
        for pointer in &pointers {
            let callback = APPROVAL.known(pointer).and_then(|_| text(pointer, "callback"));
            let callback = match callback {
                Ok(callback) => callback,
                Err(unreadable) => {
                    approvals.unreadable.push(unreadable);
                    continue;
                }
            };
            let record = match self.callback(callback).await? {
                Some(item) => CALLBACK.document(&item, "record"),
                None => Err(unreadable(pointer, "there is no such callback")),
            };
            match record {
                Ok(record) => approvals.items.push(record),
                // The callback's own key is not told: the approval that points to it is.
                Err(Unreadable { reason, .. }) => {
                    approvals.unreadable.push(Unreadable { key: key_of(pointer), reason });
                }
            }
        }
        Ok(approvals)
    }

    async fn environments(&self) -> Result<Listed<EnvironmentView>, StoreError> {
        let mut environments = Listed::default();
        for item in self.items_of_list("read the environments", "ENVIRONMENTS").await? {
            // What the watch saw cannot hide what is deployed.
            let watch = watch_result(&item).unwrap_or_else(|unreadable| {
                environments.unreadable.push(unreadable);
                None
            });
            match environment(&item) {
                Ok((key, record)) => {
                    environments.items.push(EnvironmentView { key, record, watch });
                }
                Err(unreadable) => environments.unreadable.push(unreadable),
            }
        }
        Ok(environments)
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

fn environment(item: &Item) -> Result<(EnvironmentKey, EnvironmentRecord), Unreadable> {
    Ok((identifier(item, "gsi1sk")?, environment_record(item)?))
}

/// What the watch wrote; none before its first look.
fn watch_result(item: &Item) -> Result<Option<WatchResult>, Unreadable> {
    WATCH.known(item)?;
    if !item.contains_key("watch_health") {
        return Ok(None);
    }
    Ok(Some(WatchResult {
        health: text(item, "watch_health")?.to_owned(),
        summary: text(item, "watch_summary")?.to_owned(),
        at: instant(item, "watched_at")?,
    }))
}
