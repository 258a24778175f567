//! Incidents: one item each, those of one cause in one partition. An environment's item has the name
//! of the incident that it is affected by.
//!
//! An item has `openpk` and `opensk` until its end was told, as runs have that are open: the same
//! index, in a partition of its own. Every one is in the list of all.

use async_trait::async_trait;
use aws_sdk_dynamodb::{error::ProvideErrorMetadata as _, types::ReturnValue};
use pact_agent::{
    incidents::{IncidentPage, IncidentReader, Incidents},
    ports::StoreError,
};
use pact_contract::{
    EnvironmentKey,
    actions::WatchResult,
    incident::{Incident, IncidentId},
    objectives::Budget,
};

use super::{
    DynamoStore,
    conditional::held,
    item::{Item, has_expired, json, n, number, optional_text, s, sortable},
    kind::{BUDGET, INCIDENT, WATCH},
};
use crate::error::failed;

/// What a watch writes into the item of an environment, …
const SEEN: &str = "SET watch_health = :health, watch_summary = :summary, watched_at = :at, \
    #schema = :schema";
/// … and where it has a budget.
const BUDGETED: &str = "SET watch_health = :health, watch_summary = :summary, watched_at = :at, \
    #schema = :schema, budget = :budget, #budgets = :budgets";
/// Partition of those that are open, in the index of what is open.
const OPEN: &str = "INCIDENTS";
/// Partition of all of them.
const ALL: &str = "INCIDENTS";

fn partition(id: &IncidentId) -> String {
    format!("INCIDENT#{}", id.cause())
}

/// Sorts by number.
fn place(id: &IncidentId) -> String {
    format!("INCIDENT#{:06}", id.number())
}

fn environment(key: &EnvironmentKey) -> String {
    format!("ENV#{key}")
}

fn versioned(item: &Item) -> Result<(Incident, u64), StoreError> {
    Ok((INCIDENT.document(item, "record")?, number(item, "version")?))
}

#[async_trait]
impl Incidents for DynamoStore {
    async fn keep_watch(
        &self,
        key: &EnvironmentKey,
        seen: &WatchResult,
        budget: Option<&Budget>,
    ) -> Result<Option<IncidentId>, StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(environment(key)))
            .key("sk", s("ENV"))
            .update_expression(match budget {
                Some(_) => BUDGETED,
                None => SEEN,
            })
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#schema", WATCH.attribute)
            .expression_attribute_values(":health", s(&seen.health))
            .expression_attribute_values(":summary", s(&seen.summary))
            .expression_attribute_values(":at", s(seen.at.to_string()))
            .expression_attribute_values(":schema", WATCH.written())
            .return_values(ReturnValue::AllNew);
        if let Some(budget) = budget {
            update = update
                .expression_attribute_names("#budgets", BUDGET.attribute)
                .expression_attribute_values(":budgets", BUDGET.written())
                .expression_attribute_values(":budget", json("the budget", budget)?);
        }
        let item = match update.send().await {
            Ok(updated) => updated.attributes.unwrap_or_default(),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                return Ok(None);
            }
            Err(error) => return Err(failed("write what the watch saw", error)),
        };
        // What is no name is none: the environment gets another.
        Ok(optional_text(&item, "incident").and_then(|text| text.parse().ok()))
    }

    async fn budget(&self, key: &EnvironmentKey) -> Result<Option<Budget>, StoreError> {
        let item = self.get("read the environment's budget", environment(key), "ENV").await?;
        let item = item.filter(|item| item.contains_key("budget"));
        Ok(item.map(|item| BUDGET.document(&item, "budget")).transpose()?)
    }

    async fn set_incident_of(
        &self,
        key: &EnvironmentKey,
        id: Option<&IncidentId>,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(environment(key)))
            .key("sk", s("ENV"))
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#incident", "incident");
        let update = match id {
            Some(id) => update
                .update_expression("SET #incident = :incident")
                .expression_attribute_values(":incident", s(id.to_string())),
            None => update.update_expression("REMOVE #incident"),
        };
        held("write the environment's incident", update.send().await).map(drop)
    }

    async fn incident(&self, id: &IncidentId) -> Result<Option<(Incident, u64)>, StoreError> {
        let item = self.get_expired("read the incident", partition(id), &place(id)).await?;
        item.map(|item| versioned(&item)).transpose()
    }

    async fn latest_incident(
        &self,
        any: &IncidentId,
    ) -> Result<Option<(Incident, u64)>, StoreError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#sk", "sk")
            .expression_attribute_values(":pk", s(partition(any)))
            .expression_attribute_values(":sk", s("INCIDENT#"))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(|error| failed("read the incidents of a cause", error))?;
        found.items.unwrap_or_default().first().map(versioned).transpose()
    }

    async fn store_incident(&self, incident: &Incident, version: u64) -> Result<bool, StoreError> {
        let since = format!("{}#{}", sortable(incident.opened_at), incident.id);
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(partition(&incident.id)))
            .item("sk", s(place(&incident.id)))
            .item("schema", INCIDENT.written())
            .item("record", json("the incident", incident)?)
            .item("version", n(version.saturating_add(1)))
            .item("gsi1pk", s(ALL))
            .item("gsi1sk", s(&since))
            .item("expires", self.expiry())
            .expression_attribute_names("#version", "version");
        if !incident.end_told {
            put = put.item("openpk", s(OPEN)).item("opensk", s(since));
        }
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", n(version))
        };
        held("write the incident", put.send().await)
    }

    async fn open_incidents(&self, limit: usize) -> Result<Vec<IncidentId>, StoreError> {
        let found = self.due("list the open incidents", OPEN, None, limit).await?;
        let named = |item: &Item| optional_text(item, "opensk")?.split_once('#')?.1.parse().ok();
        Ok(found.iter().filter_map(named).collect())
    }
}

#[async_trait]
impl IncidentReader for DynamoStore {
    async fn incidents(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<IncidentPage, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression(match cursor {
                Some(_) => "#hash = :hash AND #range < :before",
                None => "#hash = :hash",
            })
            .expression_attribute_names("#hash", "gsi1pk")
            .expression_attribute_values(":hash", s(ALL))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        if let Some(before) = cursor {
            query = query
                .expression_attribute_names("#range", "gsi1sk")
                .expression_attribute_values(":before", s(before));
        }
        let found = query.send().await.map_err(|error| failed("list the incidents", error))?;
        let mut page = IncidentPage::default();
        let items = found.items.unwrap_or_default();
        if found.last_evaluated_key.is_some() {
            let last = items.last().and_then(|item| optional_text(item, "gsi1sk"));
            page.cursor = last.map(str::to_owned);
        }
        for item in items.iter().filter(|item| !has_expired(item)) {
            match INCIDENT.document(item, "record") {
                Ok(incident) => page.incidents.push(incident),
                Err(unreadable) => page.unreadable.push(unreadable),
            }
        }
        Ok(page)
    }
}
