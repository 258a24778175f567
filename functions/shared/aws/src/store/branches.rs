//! The pushes of a branch, in one item: who changes it does so on the version that was read.

use async_trait::async_trait;
use pact_agent::ports::{Branches, StoreError};
use pact_contract::{RepositoryName, pushes::BranchRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{json, n, named_key, number, s},
    kind::BRANCH,
};

fn key(repository: &RepositoryName, reference: &str) -> String {
    named_key("BRANCH", &format!("{repository}#{reference}"))
}

#[async_trait]
impl Branches for DynamoStore {
    async fn branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Result<(BranchRecord, u64), StoreError> {
        // Expired or not: it is replaced by the version that it has.
        let found =
            self.get_expired("read the branch", key(repository, reference), "BRANCH").await?;
        let Some(item) = found else { return Ok(<_>::default()) };
        Ok((BRANCH.document(&item, "record")?, number(&item, "version")?))
    }

    async fn store_branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
        record: &BranchRecord,
        version: u64,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(key(repository, reference)))
            .item("sk", s("BRANCH"))
            .item("schema", BRANCH.written())
            .item("record", json("the branch", record)?)
            .item("version", n(version.saturating_add(1)))
            .item("expires", self.expiry())
            .expression_attribute_names("#version", "version");
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", n(version))
        };
        held("write the branch", put.send().await)
    }
}
