//! What the dashboard and the command line read.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use pact_agent::ports::{
    ApprovalRecord, EnvironmentPage, EnvironmentView, Listed, OutboxEntry, RunPage, RunQuery,
    RunReader, StoreError, TransactionLog, Unreadable, WatchResult,
};
use pact_contract::{
    EnvironmentKey, RepositoryName, RunId, RunRecord, RunStatus, StageRecord,
    actions::EnvironmentRecord, log::LogEntry, objectives::Budget, room::COUNTED,
};

use super::{
    DynamoStore,
    environments::environment_record,
    item::{Item, identifier, instant, key_of, optional_text, s, text, unreadable},
    kind::{APPROVAL, BUDGET, CALLBACK, LOG, NOTIFICATION, STAGE, WATCH},
    pages,
};
use crate::error::failed;

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
        Ok(self.page_of_runs(query).await?.0)
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
        Ok(stages(&self.items_of_run("read the stages", run_id, "STAGE#").await?))
    }

    async fn stages_at_rest(&self, run_id: &RunId) -> Result<Listed<StageRecord>, StoreError> {
        Ok(stages(&self.items_of_run_as("read the stages", run_id, "STAGE#", false).await?))
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
        let items = self.items_of_list("read the environments", "ENVIRONMENTS", "").await?;
        Ok(environments(&items))
    }

    async fn environments_page(&self, after: Option<&str>) -> Result<EnvironmentPage, StoreError> {
        self.page_of_environments(after).await.map(|(page, _)| page)
    }

    async fn environments_of(
        &self,
        repository: &RepositoryName,
    ) -> Result<Listed<EnvironmentView>, StoreError> {
        let begin = format!("{repository}#");
        let items = self.items_of_list("read the environments", "ENVIRONMENTS", &begin).await?;
        Ok(environments(&items))
    }
}

/// Environments that are read first: their records grow with what served there.
const FIRST_READ: usize = 8;
/// Most environments on a page.
const MOST: usize = 100;
/// The stages that items have, in the order in which they began.
fn stages(items: &[Item]) -> Listed<StageRecord> {
    let mut stages: Listed<StageRecord> =
        items.iter().map(|item| STAGE.document(item, "record")).collect();
    stages.items.sort_by(|a, b| (a.started_at, &a.state).cmp(&(b.started_at, &b.state)));
    stages
}

/// Read units that a page may take.
const UNITS: f64 = 28.0;

impl DynamoStore {
    /// A page of environments, and the read units that it took: as many as are to be had for that.
    pub(super) async fn page_of_environments(
        &self,
        after: Option<&str>,
    ) -> Result<(EnvironmentPage, f64), StoreError> {
        const WHAT: &str = "read the environments";
        let mut bound = after.map(pages::before).transpose()?;
        let (mut items, mut units, mut room) = (Vec::new(), 0.0, FIRST_READ);
        let cursor = loop {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("gsi1")
                .key_condition_expression(match bound {
                    Some(_) => "#hash = :hash AND #range > :bound",
                    None => "#hash = :hash",
                })
                .expression_attribute_names("#hash", "gsi1pk")
                .expression_attribute_values(":hash", s("ENVIRONMENTS"))
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .limit(i32::try_from(room).unwrap_or(1));
            let query = match &bound {
                Some(bound) => query
                    .expression_attribute_names("#range", "gsi1sk")
                    .expression_attribute_values(":bound", s(bound)),
                None => query,
            };
            let part = query.send().await.map_err(|error| failed(WHAT, error))?;
            units += part.consumed_capacity.and_then(|c| c.capacity_units).unwrap_or_default();
            items.extend(part.items.unwrap_or_default());
            let Some(last) = part.last_evaluated_key.filter(|key| !key.is_empty()) else {
                break None;
            };
            let last = text(&last, "gsi1sk")?.to_owned();
            room = room_for_more(items.len(), units);
            if room == 0 {
                break Some(pages::cursor(&last));
            }
            bound = Some(last);
        };
        Ok((EnvironmentPage { listed: environments(&items), cursor }, units))
    }
}

/// How many more there is room for, when so many took so much.
fn room_for_more(read: usize, units: f64) -> usize {
    // Half a unit is the least that a read takes.
    let each = (units / read.max(1) as f64).max(0.05);
    let more = ((UNITS - units) / each).floor().max(0.0);
    (more as usize).min(MOST.saturating_sub(read))
}

fn environments(items: &[Item]) -> Listed<EnvironmentView> {
    let mut environments = Listed::default();
    for item in items {
        // What the watch saw cannot hide what is deployed.
        let watch = watch_result(item).unwrap_or_else(|unreadable| {
            environments.unreadable.push(unreadable);
            None
        });
        let budget = budget_of(item).unwrap_or_else(|unreadable| {
            environments.unreadable.push(unreadable);
            None
        });
        let incident = optional_text(item, "incident").and_then(|text| text.parse().ok());
        match environment(item) {
            Ok((key, record)) => {
                environments.items.push(EnvironmentView { key, record, watch, incident, budget });
            }
            Err(unreadable) => environments.unreadable.push(unreadable),
        }
    }
    environments
}

fn environment(item: &Item) -> Result<(EnvironmentKey, EnvironmentRecord), Unreadable> {
    Ok((identifier(item, "gsi1sk")?, environment_record(item)?))
}

/// What was used of the budget; none where nothing is promised.
fn budget_of(item: &Item) -> Result<Option<Budget>, Unreadable> {
    item.contains_key("budget").then(|| BUDGET.document(item, "budget")).transpose()
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
