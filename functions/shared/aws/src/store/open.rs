//! Runs that have not ended: a sparse index, and the lease of the pass over it.
//!
//! An item of a run has `openpk` and `opensk` until nothing is left to be done for it. The state machine
//! removes both with the final status; whoever else writes that does so when the rest is done too. The
//! index is spread over a few partitions by the run's id.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{error::ProvideErrorMetadata as _, types::ReturnValue};
use pact_agent::{
    open::{OpenPage, OpenPlace, OpenRuns, Pass},
    ports::{StoreError, Unreadable},
};
use pact_contract::{RunId, RunStatus};
use sha2::{Digest as _, Sha256};

use super::{
    DynamoStore,
    conditional::held,
    item::{Item, after, n, now, number, optional_text, run_key, s, text, unreadable},
    kind::PASS,
};
use crate::error::failed;

/// The index.
const INDEX: &str = "open";
/// Its partitions for each status.
const SHARDS: u8 = 4;
/// Key of the lease.
const KEY: &str = "PASS";

/// The partition of the open runs with this status that this one is in.
pub(super) fn partition(status: RunStatus, run_id: &RunId) -> String {
    let digest = Sha256::digest(run_id.as_str());
    of_shard(status, digest.first().copied().unwrap_or_default() % SHARDS)
}

fn of_shard(status: RunStatus, shard: u8) -> String {
    format!("OPEN#{}#{shard}", status.as_str())
}

/// A place: the partition, and the last sort key that was read of it.
fn parse(place: &OpenPlace) -> Option<(u8, Option<&str>)> {
    let (shard, after) = place.at.split_once('#')?;
    let shard = shard.parse().ok().filter(|shard| *shard < SHARDS)?;
    Some((shard, (!after.is_empty()).then_some(after)))
}

/// The run in an item of the index.
fn run_of(item: &Item) -> Result<RunId, Unreadable> {
    let id = text(item, "pk")?.strip_prefix("RUN#").and_then(|id| RunId::parse(id).ok());
    id.ok_or_else(|| unreadable(item, "it is no run"))
}

#[async_trait]
impl OpenRuns for DynamoStore {
    async fn open_runs(
        &self,
        status: RunStatus,
        from: Option<&OpenPlace>,
        limit: usize,
    ) -> Result<OpenPage, StoreError> {
        // A place that cannot be read is the beginning: everything is looked at again.
        let (shard, after) = from.and_then(parse).unwrap_or_default();
        let hash = of_shard(status, shard);
        let start = after.and_then(|position| {
            let run_id = RunId::parse(position.split_once('#')?.1).ok()?;
            let key = [
                ("openpk", s(&hash)),
                ("opensk", s(position)),
                ("pk", s(run_key(&run_id))),
                ("sk", s("RUN")),
            ];
            Some(Item::from(key.map(|(name, value)| (name.to_owned(), value))))
        });
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .key_condition_expression("#hash = :hash")
            .expression_attribute_names("#hash", "openpk")
            .expression_attribute_values(":hash", s(hash))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed("list the open runs", error))?;
        let mut page = OpenPage::default();
        for item in found.items.unwrap_or_default() {
            match run_of(&item) {
                Ok(run_id) => page.runs.push(run_id),
                Err(unreadable) => page.unreadable.push(unreadable),
            }
        }
        let last = found.last_evaluated_key.filter(|key| !key.is_empty());
        page.next = match last.as_ref().and_then(|key| optional_text(key, "opensk")) {
            Some(position) => Some(OpenPlace { status, at: format!("{shard}#{position}") }),
            None if shard + 1 < SHARDS => Some(OpenPlace { status, at: format!("{}#", shard + 1) }),
            None => None,
        };
        Ok(page)
    }

    async fn begin_pass(&self, lease: Duration) -> Result<Option<Pass>, StoreError> {
        let taken = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(KEY))
            .key("sk", s(KEY))
            .update_expression("SET #until = :until, #schema = :schema ADD #fence :one")
            .condition_expression("attribute_not_exists(#until) OR #until <= :now")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#schema", PASS.attribute)
            .expression_attribute_names("#fence", "fence")
            .expression_attribute_values(":until", n(after(lease)))
            .expression_attribute_values(":schema", PASS.written())
            .expression_attribute_values(":now", n(now()))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        let item = match taken {
            Ok(taken) => taken.attributes.unwrap_or_default(),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                return Ok(None);
            }
            Err(error) => return Err(failed("begin a pass", error)),
        };
        let from = optional_text(&item, "place").and_then(|place| {
            let (status, at) = place.split_once(' ')?;
            Some(OpenPlace { status: RunStatus::parse(status)?, at: at.to_owned() })
        });
        Ok(Some(Pass { fence: number(&item, "fence")?, from }))
    }

    async fn end_pass(&self, pass: &Pass, from: Option<&OpenPlace>) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(KEY))
            .key("sk", s(KEY))
            .condition_expression("#fence = :fence")
            .expression_attribute_names("#fence", "fence")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#place", "place")
            .expression_attribute_values(":fence", n(pass.fence));
        let update = match from {
            Some(OpenPlace { status, at }) => update
                .update_expression("SET #place = :place REMOVE #until")
                .expression_attribute_values(":place", s(format!("{} {at}", status.as_str()))),
            None => update.update_expression("REMOVE #until, #place"),
        };
        held("end a pass", update.send().await)
    }
}
