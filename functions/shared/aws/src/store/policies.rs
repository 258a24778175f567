//! The rules of repositories, and those that a run's commit asks for.

use async_trait::async_trait;
use pact_agent::ports::{Policies, StoreError};
use pact_contract::{RepositoryName, RunId, policy::PolicyRecord};

use super::{
    DynamoStore,
    conditional::held,
    item::{json, n, run_key, s},
    kind::POLICY,
};
use crate::error::failed;

fn key(name: &RepositoryName) -> String {
    format!("REPOSITORY#{name}")
}

impl DynamoStore {
    async fn policy_at(&self, pk: String) -> Result<Option<PolicyRecord>, StoreError> {
        let item = self.get("read the rules", pk, "POLICY").await?;
        Ok(item.map(|item| POLICY.document(&item, "record")).transpose()?)
    }
}

#[async_trait]
impl Policies for DynamoStore {
    async fn policy(&self, name: &RepositoryName) -> Result<Option<PolicyRecord>, StoreError> {
        self.policy_at(key(name)).await
    }

    async fn put_policy(
        &self,
        name: &RepositoryName,
        record: &PolicyRecord,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(key(name)))
            .item("sk", s("POLICY"))
            .item("schema", POLICY.written())
            .item("branch", s(&record.branch))
            .item("place", n(record.place))
            .item("record", json("the rules", record)?)
            // As `PolicyRecord::replaces` has it.
            .condition_expression(
                "attribute_not_exists(#branch) OR #branch <> :branch OR #place <= :place",
            )
            .expression_attribute_names("#branch", "branch")
            .expression_attribute_names("#place", "place")
            .expression_attribute_values(":branch", s(&record.branch))
            .expression_attribute_values(":place", n(record.place));
        held("write the rules", put.send().await)
    }

    async fn proposal(&self, run_id: &RunId) -> Result<Option<PolicyRecord>, StoreError> {
        self.policy_at(run_key(run_id)).await
    }

    async fn propose(&self, record: &PolicyRecord) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(run_key(&record.run_id)))
            .item("sk", s("POLICY"))
            .item("schema", POLICY.written())
            .item("record", json("the rules", record)?)
            .item("expires", self.expiry())
            .send()
            .await
            .map_err(|error| failed("keep the rules that are asked for", error))?;
        Ok(())
    }
}
