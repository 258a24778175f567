//! Pull requests of forks, one item each below their repository.

use async_trait::async_trait;
use pact_agent::{
    ports::{Listed, StoreError},
    pulls::Pulls,
};
use pact_contract::{RepositoryName, registry::PullRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{has_expired, json, s, text},
    kind::PULL,
};
use crate::error::failed;

/// Most of one repository that are listed.
const MOST: i32 = 200;

fn key(repository: &RepositoryName) -> String {
    format!("PULLS#{repository}")
}

fn sort_key(number: u64) -> String {
    format!("PULL#{number:020}")
}

#[async_trait]
impl Pulls for DynamoStore {
    async fn pull(
        &self,
        repository: &RepositoryName,
        number: u64,
    ) -> Result<Option<PullRecord>, StoreError> {
        let item = self.get("read the pull request", key(repository), &sort_key(number)).await?;
        Ok(item.map(|item| PULL.document(&item, "record")).transpose()?)
    }

    async fn put_pull(
        &self,
        record: &PullRecord,
        number: u64,
        old: Option<&PullRecord>,
    ) -> Result<bool, StoreError> {
        let (pk, sk) = (key(&record.request.repository.name), sort_key(number));
        let there = self.get_expired("read the pull request", pk.clone(), &sk).await?;
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(pk))
            .item("sk", s(sk))
            .item("schema", PULL.written())
            .item("record", json("the pull request", record)?)
            .item("expires", self.expiry())
            .expression_attribute_names("#record", "record");
        let put = match &there {
            None if old.is_some() => return Ok(false),
            None => put.condition_expression("attribute_not_exists(#record)"),
            Some(item) => {
                // What has expired is nobody's.
                let known: Option<PullRecord> = match has_expired(item) {
                    true => None,
                    false => Some(PULL.document(item, "record")?),
                };
                if known.as_ref() != old {
                    return Ok(false);
                }
                put.condition_expression("#record = :old")
                    .expression_attribute_values(":old", s(text(item, "record")?))
            }
        };
        held("write the pull request", put.send().await)
    }

    async fn pulls(&self, repository: &RepositoryName) -> Result<Listed<PullRecord>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", s(key(repository)))
            .scan_index_forward(false)
            .limit(MOST)
            .send()
            .await
            .map_err(|error| failed("list the pull requests", error))?;
        let items = found.items.unwrap_or_default();
        let live = items.iter().filter(|item| !has_expired(item));
        Ok(live.map(|item| PULL.document(item, "record")).collect())
    }
}
