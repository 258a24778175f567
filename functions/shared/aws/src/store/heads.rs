//! Heads of branches at their hosts, in the same index as what else is left to do.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_agent::{heads::Heads, ports::StoreError};
use pact_contract::{RepositoryName, heads::HeadsRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{json, n, number, optional_text, s, sortable},
    kind::HEADS,
};
use crate::error::failed;

/// Partition of the index of what is due: a repository is written to every few minutes.
const PARTITION: &str = "HEADS";

fn key(repository: &RepositoryName) -> String {
    format!("HEADS#{repository}")
}

#[async_trait]
impl Heads for DynamoStore {
    async fn heads(
        &self,
        repository: &RepositoryName,
    ) -> Result<(Option<HeadsRecord>, u64), StoreError> {
        // Expired or not: it is replaced by the version that it has.
        let found = self.get_expired("read the heads", key(repository), "HEADS").await?;
        let Some(item) = found else { return Ok((None, 0)) };
        Ok((Some(HEADS.document(&item, "record")?), number(&item, "version")?))
    }

    async fn store_heads(&self, record: &HeadsRecord, version: u64) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(key(&record.repository)))
            .item("sk", s("HEADS"))
            .item("schema", HEADS.written())
            .item("record", json("the heads", record)?)
            .item("version", n(version.saturating_add(1)))
            .item("openpk", s(PARTITION))
            .item("opensk", s(sortable(record.due)))
            .expression_attribute_names("#version", "version");
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", n(version))
        };
        held("write the heads", put.send().await)
    }

    async fn forget_heads(&self, repository: &RepositoryName) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key("pk", s(key(repository))).key("sk", s("HEADS"));
        delete.send().await.map_err(|error| failed("take the heads away", error))?;
        Ok(())
    }

    async fn due_heads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let what = "list the hosts that are to be asked";
        let keys = self.due(what, PARTITION, Some(now), limit).await?;
        let name = |pk: &str| pk.strip_prefix("HEADS#")?.parse().ok();
        Ok(keys.iter().filter_map(|item| name(optional_text(item, "pk")?)).collect())
    }
}
