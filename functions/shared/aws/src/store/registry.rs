//! The registry of repositories.

use async_trait::async_trait;
use pact_agent::ports::{Listed, Registry, StoreError};
use pact_contract::{RepositoryName, registry::RepositoryEntry};

use super::{
    DynamoStore, MAX_PAGES,
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
        let what = "read the repositories";
        let mut listed = Listed::default();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("gsi1")
                .key_condition_expression("#hash = :hash")
                .expression_attribute_names("#hash", "gsi1pk")
                .expression_attribute_values(":hash", s("REPOSITORIES"))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| failed(what, error))?;
            for item in page.items.unwrap_or_default() {
                match REPOSITORY.document(&item, "record") {
                    Ok(entry) => listed.items.push(entry),
                    Err(unreadable) => listed.unreadable.push(unreadable),
                }
            }
            match page.last_evaluated_key {
                Some(key) if !key.is_empty() => start = Some(key),
                _ => return Ok(listed),
            }
        }
        Err(crate::error::unavailable(format!("cannot {what}: more than {MAX_PAGES} pages")))
    }
}
