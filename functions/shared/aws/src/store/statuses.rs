//! What commits are to show on their hosts.
//!
//! An item has `openpk` and `opensk` while something is left to do, as runs have that are open: the
//! same index, in partitions of its own, sorted by when each is due.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_agent::{ports::StoreError, statuses::Statuses};
use pact_contract::statuses::{StatusKey, StatusRecord};
use sha2::{Digest as _, Sha256};

use super::{
    DynamoStore,
    conditional::held,
    item::{json, n, number, optional_text, s, sortable},
    kind::STATUS,
};

/// Partitions of the index of what is due.
const SHARDS: u8 = 4;

fn key(key: &StatusKey) -> String {
    format!("STATUS#{}#{}#{}", key.repository, key.commit, key.context)
}

/// The status in a key of the index.
fn parse(pk: &str) -> Option<StatusKey> {
    let mut parts = pk.strip_prefix("STATUS#")?.splitn(3, '#');
    let repository = parts.next()?.parse().ok()?;
    let (commit, context) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(StatusKey { repository, commit, context })
}

fn of_shard(shard: u8) -> String {
    format!("STATUSES#{shard}")
}

fn partition(pk: &str) -> String {
    of_shard(Sha256::digest(pk).first().copied().unwrap_or_default() % SHARDS)
}

#[async_trait]
impl Statuses for DynamoStore {
    async fn status(&self, wanted: &StatusKey) -> Result<(Option<StatusRecord>, u64), StoreError> {
        // Expired or not: it is replaced by the version that it has.
        let found = self.get_expired("read the status", key(wanted), "STATUS").await?;
        let Some(item) = found else { return Ok((None, 0)) };
        Ok((Some(STATUS.document(&item, "record")?), number(&item, "version")?))
    }

    async fn store_status(&self, record: &StatusRecord, version: u64) -> Result<bool, StoreError> {
        let pk = key(&record.key);
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(&pk))
            .item("sk", s("STATUS"))
            .item("schema", STATUS.written())
            .item("record", json("the status", record)?)
            .item("version", n(version.saturating_add(1)))
            .item("expires", self.expiry())
            .expression_attribute_names("#version", "version");
        if let Some(due) = record.due() {
            put = put.item("openpk", s(partition(&pk))).item("opensk", s(sortable(due)));
        }
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", n(version))
        };
        held("write the status", put.send().await)
    }

    async fn due_statuses(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<StatusKey>, StoreError> {
        let mut due = Vec::new();
        for shard in 0..SHARDS {
            let left = limit.saturating_sub(due.len());
            if left == 0 {
                break;
            }
            let what = "list the statuses that are due";
            let keys = self.due(what, &of_shard(shard), Some(now), left).await?;
            due.extend(keys.iter().filter_map(|item| parse(optional_text(item, "pk")?)));
        }
        Ok(due)
    }
}
