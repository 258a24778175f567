//! Runs, from the gateway's side.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::{Put, ReturnValuesOnConditionCheckFailure, builders::PutBuilder},
};
use jiff::Timestamp;
use pact_agent::ports::{Claim, Listed, Runs, StoreError, Unreadable};
use pact_contract::{
    RunId, RunRecord, RunStatus, StageRecord, StateName,
    run::{Outcome, RunRequest},
};
use serde_json::Value;

use super::{
    DynamoStore,
    conditional::held,
    entries::{Of, entries, listed, of_all, of_repository, position, shard},
    item::{
        Item, after, after_instant, has_expired, identifier, instant, json, n, named_key, now,
        optional_text, run_key, s, sortable, text, unreadable,
    },
    kind::{CLAIM, OUTCOME, RUN, STAGE},
    open::partition,
    seal::SEAL,
};
use crate::error::failed;

/// Attempts to claim a key that expires at this very moment.
const CLAIM_ATTEMPTS: usize = 3;

impl DynamoStore {
    /// One run.
    ///
    /// # Errors
    /// When the store does not answer, or the record cannot be read.
    pub async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        let item = self.get("read the run", run_key(run_id), "RUN").await?;
        Ok(item.as_ref().map(run_record).transpose()?)
    }
}

/// The run in an item.
pub(super) fn run_record(item: &Item) -> Result<RunRecord, Unreadable> {
    RUN.known(item)?;
    let status = text(item, "status")?;
    let status = RunStatus::parse(status)
        .ok_or_else(|| unreadable(item, "its \"status\" is none that a run can have"))?;
    let request: RunRequest = RUN.document(item, "request")?;
    let has = |name: &str| item.contains_key(name);
    // The status stands by itself: an outcome that cannot be read does not hide the run.
    let outcome = has("outcome").then(|| OUTCOME.document(item, "outcome")).map(|outcome| {
        outcome.unwrap_or_else(|unreadable| Outcome::unknown(status, unreadable.to_string()))
    });
    Ok(RunRecord {
        request,
        status,
        execution_arn: text(item, "execution_arn")?.to_owned(),
        deploying: has("deploying").then(|| identifier(item, "deploying")).transpose()?,
        finished_at: has("finished_at").then(|| instant(item, "finished_at")).transpose()?,
        outcome,
    })
}

pub(super) fn claim_key(key: &str) -> String {
    named_key("CLAIM", key)
}

pub(super) fn claim_item(key: &str, run_id: &RunId, keep: Duration) -> Item {
    let attributes = [
        ("pk", s(claim_key(key))),
        ("sk", s("CLAIM")),
        ("schema", CLAIM.written()),
        ("run_id", s(run_id)),
        ("expires", n(after(keep))),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The run that a claim is of.
pub(super) fn claimed_for(item: &Item) -> Result<RunId, StoreError> {
    CLAIM.known(item)?;
    Ok(identifier(item, "run_id")?)
}

#[async_trait]
impl Runs for DynamoStore {
    async fn claim(&self, key: &str, run_id: &RunId, keep: Duration) -> Result<Claim, StoreError> {
        for _ in 0..CLAIM_ATTEMPTS {
            let put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(claim_item(key, run_id, keep)))
                .condition_expression("attribute_not_exists(#pk) OR #expires <= :now")
                .expression_attribute_names("#pk", "pk")
                .expression_attribute_names("#expires", "expires")
                .expression_attribute_values(":now", n(now()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
                .await;
            let error = match put {
                Ok(_) => return Ok(Claim::New),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                    if let Some(held) = refused.item() {
                        return Ok(Claim::Seen { run_id: claimed_for(held)? });
                    }
                }
                _ => return Err(failed("claim the delivery", error)),
            }
        }
        Err(StoreError::Conflict("the claim comes and goes".to_owned()))
    }

    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        let item = self.get("read a claim", claim_key(key), "CLAIM").await?;
        item.as_ref().map(claimed_for).transpose()
    }

    async fn unclaim(&self, key: &str) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(claim_key(key)))
            .key("sk", s("CLAIM"))
            .send()
            .await
            .map_err(|error| failed("take the claim back", error))?;
        Ok(())
    }

    async fn create_run(
        &self,
        request: &RunRequest,
        execution_arn: &str,
        status: RunStatus,
        input: Option<&Value>,
    ) -> Result<(), StoreError> {
        let (run, entries) = self.puts_of_run(request, execution_arn, status, input)?;
        self.put_new("write the run", run, entries).await.map(drop)
    }

    async fn begin_run(&self, run_id: &RunId) -> Result<bool, StoreError> {
        let item = self.get("read the run", run_key(run_id), "RUN").await?.unwrap_or_default();
        let lists = lists_of_status(&item, run_id, RunStatus::Running);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(run_key(run_id)))
            .key("sk", s("RUN"))
            .condition_expression("#status = :queued")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":running", s(RunStatus::Running.as_str()))
            .expression_attribute_values(":queued", s(RunStatus::Queued.as_str()))
            .expression_attribute_values(":partition", s(partition(RunStatus::Running, run_id)));
        let update = lists.set(update, "SET #status = :running, openpk = :partition");
        held("write that a run begins", update.send().await)
    }

    async fn input(&self, run_id: &RunId) -> Result<Option<Value>, StoreError> {
        let item = self.get("read the input of a run", run_key(run_id), "RUN").await?;
        let item = item.filter(|item| item.contains_key("input"));
        Ok(item.map(|item| RUN.document(&item, "input")).transpose()?)
    }

    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.run(run_id).await
    }

    async fn runs(&self, run_ids: &[RunId]) -> Result<Listed<RunRecord>, StoreError> {
        let keys: Vec<_> = run_ids.iter().map(|id| (run_key(id), "RUN")).collect();
        let found = self.get_all("read runs", &keys).await?;
        let there = found.values().filter(|item| !has_expired(item));
        Ok(there.map(run_record).collect())
    }

    async fn finish_run(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.finish(run_id, outcome, at, "#status IN (:running, :queued)").await
    }

    async fn close_run(&self, run_id: &RunId) -> Result<(), StoreError> {
        let closed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(run_key(run_id)))
            .key("sk", s("RUN"))
            .update_expression("REMOVE openpk, opensk")
            // Never one that still goes on, and nothing that is not there.
            .condition_expression("attribute_exists(openpk) AND attribute_exists(finished_at)")
            .send()
            .await;
        held("take the run off the list of open ones", closed).map(drop)
    }

    async fn finish_before_deploying(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let condition = "#status IN (:running, :queued) AND attribute_not_exists(deploying)";
        self.finish(run_id, outcome, at, condition).await
    }

    async fn stage(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<StageRecord>, StoreError> {
        let sk = format!("STAGE#{state}");
        let item = self.get("read the stage", run_key(run_id), &sk).await?;
        Ok(item.map(|item| STAGE.document(&item, "record")).transpose()?)
    }
}

impl DynamoStore {
    /// The writes of a new run: its own item, which is not there yet, and its entries in lists.
    pub(super) fn puts_of_run(
        &self,
        request: &RunRequest,
        execution_arn: &str,
        status: RunStatus,
        input: Option<&Value>,
    ) -> Result<(PutBuilder, impl Iterator<Item = PutBuilder>), StoreError> {
        let input = input.map(|input| json("the input", input)).transpose()?;
        let run_id = &request.run_id;
        let started_at = sortable(request.started_at);
        let position = position(request.started_at, run_id);
        let expires = n(after_instant(request.started_at, self.retention));
        let lists = listed(&Of::Status(status), run_id, &request.repository.name, &position);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(lists.map(|(name, value)| (name.to_owned(), value)).into()))
            .item("pk", s(run_key(run_id)))
            .item("sk", s("RUN"))
            .item("schema", RUN.written())
            .item("expires", expires.clone())
            .item("openpk", s(partition(status, run_id)))
            .item("opensk", s(&position))
            .item("status", s(status.as_str()))
            .item("request", json("the request", request)?)
            .item("execution_arn", s(execution_arn))
            .item("repository", s(&request.repository.name))
            .item("branch", s(&request.branch))
            .item("started_at", s(started_at))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", "pk");
        let put = match input {
            Some(input) => put.item("input", input),
            None => put,
        };
        let entries = entries(request, &expires)
            .into_iter()
            .map(|entry| Put::builder().table_name(&self.table).set_item(Some(entry)));
        Ok((put, entries))
    }

    async fn finish(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
        condition: &str,
    ) -> Result<bool, StoreError> {
        const WHAT: &str = "write the outcome of the run";
        const SET: &str = "SET #status = :final, #finished = :at, #outcome = :outcome, \
            #outcome_schema = :outcome_schema, #expires = if_not_exists(#expires, :expires)";
        const SEALED: &str = "SET #status = :final, #finished = :at, #outcome = :outcome, \
            #outcome_schema = :outcome_schema, #expires = if_not_exists(#expires, :expires), \
            #seal = :seal";
        let item = self.get(WHAT, run_key(run_id), "RUN").await?.unwrap_or_default();
        let lists = lists_of_status(&item, run_id, outcome.status);
        let outcome_json = json("the outcome", outcome)?;
        let seal = self.seal.key().await?.and_then(|key| {
            let ended = [
                ("status", s(outcome.status.as_str())),
                ("finished_at", s(at.to_string())),
                ("outcome", outcome_json.clone()),
            ];
            key.seal_of_end(&item, ended)
        });
        let set = if seal.is_some() { SEALED } else { SET };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(run_key(run_id)))
            .key("sk", s("RUN"))
            .condition_expression(condition)
            .expression_attribute_names("#status", "status")
            .expression_attribute_names("#finished", "finished_at")
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_names("#outcome_schema", OUTCOME.attribute)
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":final", s(outcome.status.as_str()))
            .expression_attribute_values(":at", s(at.to_string()))
            .expression_attribute_values(":outcome", outcome_json)
            .expression_attribute_values(":outcome_schema", OUTCOME.written())
            // A run of before runs expired has no time for it yet.
            .expression_attribute_values(":expires", self.expiry())
            .expression_attribute_values(":running", s(RunStatus::Running.as_str()))
            .expression_attribute_values(":queued", s(RunStatus::Queued.as_str()));
        let update = match seal {
            Some(seal) => update
                .expression_attribute_names("#seal", SEAL)
                .expression_attribute_values(":seal", s(seal)),
            None => update,
        };
        held(WHAT, lists.set(update, set).send().await)
    }
}

/// The lists by status that the run of an item comes into with this one.
fn lists_of_status(item: &Item, run_id: &RunId, status: RunStatus) -> StatusLists {
    // One that cannot be read, and one of before there were such lists, stays where it is.
    let moves = optional_text(item, "gsi1pk").is_some_and(|key| key != "RUNS");
    let repository = identifier(item, "repository").ok().filter(|_| moves);
    let of = Of::Status(status);
    StatusLists(repository.map(|name| [of_all(&of, shard(run_id)), of_repository(&of, &name)]))
}

/// Keys of the lists by status that a run comes into; none where it stays in those it is in.
struct StatusLists(Option<[String; 2]>);

impl StatusLists {
    /// The update with `set` and these lists.
    fn set(self, update: UpdateItemFluentBuilder, set: &str) -> UpdateItemFluentBuilder {
        match self.0 {
            None => update.update_expression(set),
            Some([all, own]) => update
                .update_expression(format!("{set}, gsi1pk = :all, gsi2pk = :own"))
                .expression_attribute_values(":all", s(all))
                .expression_attribute_values(":own", s(own)),
        }
    }
}
