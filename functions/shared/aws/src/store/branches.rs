//! The pushes of a branch, in one item: who changes it does so on the version that was read.

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, builders::PutBuilder};
use pact_agent::ports::{Branches, StoreError};
use pact_contract::{RepositoryName, pushes::BranchRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{Item, json, n, named_key, number, s},
    kind::BRANCH,
};

pub(super) fn key(repository: &RepositoryName, reference: &str) -> String {
    named_key("BRANCH", &format!("{repository}#{reference}"))
}

#[async_trait]
impl Branches for DynamoStore {
    async fn branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Result<(BranchRecord, u64), StoreError> {
        let found =
            self.get_expired("read the branch", key(repository, reference), "BRANCH").await?;
        branch_of(found.as_ref())
    }

    async fn store_branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
        record: &BranchRecord,
        version: u64,
    ) -> Result<bool, StoreError> {
        let (condition, values) = on_version(version);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.branch_item((repository, reference), record, version)?))
            .condition_expression(condition)
            .expression_attribute_names("#version", "version")
            .set_expression_attribute_values(values);
        held("write the branch", put.send().await)
    }
}

/// The condition that nobody wrote since this version was read.
fn on_version(version: u64) -> (&'static str, Option<Item>) {
    match version {
        0 => ("attribute_not_exists(#version)", None),
        _ => ("#version = :version", Some([(":version".to_owned(), n(version))].into())),
    }
}

impl DynamoStore {
    fn branch_item(
        &self,
        (repository, reference): (&RepositoryName, &str),
        record: &BranchRecord,
        version: u64,
    ) -> Result<Item, StoreError> {
        let attributes = [
            ("pk", s(key(repository, reference))),
            ("sk", s("BRANCH")),
            ("schema", BRANCH.written()),
            ("record", json("the branch", record)?),
            ("version", n(version.saturating_add(1))),
            ("expires", self.expiry()),
        ];
        Ok(attributes.map(|(name, value)| (name.to_owned(), value)).into())
    }

    /// The same write as a part of a transaction.
    pub(super) fn put_of_branch(
        &self,
        branch: (&RepositoryName, &str),
        record: &BranchRecord,
        version: u64,
    ) -> Result<PutBuilder, StoreError> {
        let (condition, values) = on_version(version);
        Ok(Put::builder()
            .table_name(&self.table)
            .set_item(Some(self.branch_item(branch, record, version)?))
            .condition_expression(condition)
            .expression_attribute_names("#version", "version")
            .set_expression_attribute_values(values))
    }
}

/// The branch in an item, where there is one. Expired or not: it is replaced by the version that it has.
pub(super) fn branch_of(item: Option<&Item>) -> Result<(BranchRecord, u64), StoreError> {
    let Some(item) = item else { return Ok(<_>::default()) };
    Ok((BRANCH.document(item, "record")?, number(item, "version")?))
}
