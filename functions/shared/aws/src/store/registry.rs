//! The registry of repositories.

use async_trait::async_trait;
use pact_agent::ports::{Listed, Registry, StoreError};
use pact_contract::{RepositoryName, registry::RepositoryEntry};

use super::{
    DynamoStore,
    conditional::held,
    item::{json, s, text},
    kind::REPOSITORY,
};
use crate::error::failed;

fn key(name: &RepositoryName) -> String {
    format!("REPOSITORY#{name}")
}

#[async_trait]
impl Registry for DynamoStore {
    async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryEntry>, StoreError> {
        let item = self.get("read the repository", key(name), "REPOSITORY").await?;
        Ok(item.map(|item| REPOSITORY.document(&item, "record")).transpose()?)
    }

    async fn put_repository(
        &self,
        entry: &RepositoryEntry,
        old: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(key(&entry.name)))
            .item("sk", s("REPOSITORY"))
            .item("gsi1pk", s("REPOSITORIES"))
            .item("gsi1sk", s(&entry.name))
            .item("schema", REPOSITORY.written())
            .item("record", json("the repository", entry)?);
        let put = match old {
            None => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", "pk"),
            Some(old) => {
                // The text as it is in the table: a field that a newer version added counts too.
                let item = self.get("read the repository", key(&old.name), "REPOSITORY").await?;
                let Some(item) = item else { return Ok(false) };
                let known: RepositoryEntry = REPOSITORY.document(&item, "record")?;
                if known != *old {
                    return Ok(false);
                }
                put.condition_expression("#record = :old")
                    .expression_attribute_names("#record", "record")
                    .expression_attribute_values(":old", s(text(&item, "record")?))
            }
        };
        held("write the repository", put.send().await)
    }

    async fn remove_repository(&self, name: &RepositoryName) -> Result<(), StoreError> {
        // The rules last: what is registered has its own, or none yet.
        for sort_key in ["REPOSITORY", "POLICY"] {
            self.client
                .delete_item()
                .table_name(&self.table)
                .key("pk", s(key(name)))
                .key("sk", s(sort_key))
                .send()
                .await
                .map_err(|error| failed("remove the repository", error))?;
        }
        Ok(())
    }

    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError> {
        let items = self.items_of_list("read the repositories", "REPOSITORIES", "").await?;
        Ok(items.iter().map(|item| REPOSITORY.document(item, "record")).collect())
    }
}
