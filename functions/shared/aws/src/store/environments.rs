//! Environments and their locks.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use pact_agent::ports::{Environments, Lock, RunReader as _, StoreError, Unreadable};
use pact_contract::{
    EnvironmentKey, EnvironmentName, RepositoryName, RunId, SchemaVersion,
    actions::EnvironmentRecord,
};

use super::{
    DynamoStore,
    entries::{Of, entry},
    item::{Item, after, identifier, instant, json, n, now, number, optional_text, run_key, s},
    kind::ENVIRONMENT,
};
use crate::error::failed;

/// Attempts to take a lock that changes hands at this very moment.
const LOCK_ATTEMPTS: usize = 5;

fn key(environment: &EnvironmentKey) -> String {
    format!("ENV#{environment}")
}

/// The record in an item; the default when nothing was ever deployed.
pub(super) fn environment_record(item: &Item) -> Result<EnvironmentRecord, Unreadable> {
    ENVIRONMENT.known(item)?;
    if !item.contains_key("record") {
        return Ok(<_>::default());
    }
    let mut record: EnvironmentRecord = ENVIRONMENT.document(item, "record")?;
    // What a state machine judged is beside the record: it cannot write into it.
    if item.contains_key("good_run") {
        record.judged_good(&identifier(item, "good_run")?, instant(item, "good_at")?);
    }
    Ok(record)
}

/// The fence of a lock that was written just now.
fn fence(item: Option<&Item>) -> Result<u64, StoreError> {
    Ok(number(item.unwrap_or(&Item::new()), "fence")?)
}

impl DynamoStore {
    /// Puts a run that begins to deploy into the lists of runs of the environment, where it stands
    /// by when it began. A run that is not there, or is of before such lists, is in none.
    async fn list_deployment(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
    ) -> Result<(), StoreError> {
        const WHAT: &str = "list the deployment";
        let Some(run) = self.get(WHAT, run_key(run_id), "RUN").await? else { return Ok(()) };
        let (Some(position), Some(expires)) = (optional_text(&run, "gsi1sk"), run.get("expires"))
        else {
            return Ok(());
        };
        let of = Of::Environment(environment.environment.clone());
        let entry = entry(&of, run_id, &environment.repository, position, expires.clone());
        let put = self.client.put_item().table_name(&self.table).set_item(Some(entry));
        put.send().await.map_err(|error| failed(WHAT, error)).map(drop)
    }
}

#[async_trait]
impl Environments for DynamoStore {
    async fn lock(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Lock, StoreError> {
        for _ in 0..LOCK_ATTEMPTS {
            // A new holder takes what is free, or whose lease is over.
            let taken = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("pk", s(key(environment)))
                .key("sk", s("ENV"))
                .update_expression(
                    "SET #run = :run, #until = :until, #gsi1pk = :gsi1pk, #gsi1sk = :gsi1sk, \
                     #schema = if_not_exists(#schema, :first) ADD #fence :one",
                )
                .condition_expression(
                    "(attribute_not_exists(#schema) OR #schema <= :known) AND \
                     (attribute_not_exists(#run) OR (#run <> :run AND #until <= :now))",
                )
                .expression_attribute_names("#schema", ENVIRONMENT.attribute)
                // The record stays as it is, of the first version if it has none.
                .expression_attribute_values(":first", n(SchemaVersion::FIRST))
                .expression_attribute_values(":known", ENVIRONMENT.written())
                .expression_attribute_names("#run", "lock_run")
                .expression_attribute_names("#until", "lock_expires")
                .expression_attribute_names("#fence", "fence")
                .expression_attribute_names("#gsi1pk", "gsi1pk")
                .expression_attribute_names("#gsi1sk", "gsi1sk")
                .expression_attribute_values(":run", s(run_id))
                .expression_attribute_values(":until", n(after(lease)))
                .expression_attribute_values(":now", n(now()))
                .expression_attribute_values(":one", n(1))
                .expression_attribute_values(":gsi1pk", s("ENVIRONMENTS"))
                .expression_attribute_values(":gsi1sk", s(environment.to_string()))
                .return_values(ReturnValue::UpdatedNew)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .send()
                .await;
            let error = match taken {
                Ok(taken) => {
                    self.list_deployment(environment, run_id).await?;
                    return Ok(Lock::Held { fence: fence(taken.attributes())? });
                }
                Err(error) => error,
            };
            let holder = match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    refused.item().map(holder).transpose()?.flatten()
                }
                _ => return Err(failed("lock the environment", error)),
            };
            match holder {
                Some(holder) if holder != *run_id => {
                    return Ok(Lock::Busy { run_id: holder });
                }
                Some(_) => {
                    if let Some(fence) = self.renew(environment, run_id, lease).await? {
                        return Ok(Lock::Held { fence });
                    }
                }
                None => {}
            }
        }
        Err(StoreError::Conflict(format!("the lock of {environment} changes hands")))
    }

    async fn unlock(&self, environment: &EnvironmentKey, run_id: &RunId) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(key(environment)))
            .key("sk", s("ENV"))
            .update_expression("REMOVE #run, #until")
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", "lock_run")
            .expression_attribute_names("#until", "lock_expires")
            .expression_attribute_values(":run", s(run_id))
            .send()
            .await;
        match update {
            Ok(_) => Ok(()),
            Err(error) if is_condition(error.as_service_error()) => Ok(()),
            Err(error) => Err(failed("unlock the environment", error)),
        }
    }

    async fn load(&self, environment: &EnvironmentKey) -> Result<EnvironmentRecord, StoreError> {
        let item = self.get("read the environment", key(environment), "ENV").await?;
        Ok(item.as_ref().map(environment_record).transpose()?.unwrap_or_default())
    }

    async fn waves(
        &self,
        repository: &RepositoryName,
        whole: &EnvironmentName,
    ) -> Result<Vec<(EnvironmentKey, EnvironmentRecord)>, StoreError> {
        let listed = self.environments_of(repository).await?;
        if let Some(unreadable) = listed.unreadable.into_iter().next() {
            return Err(unreadable.into());
        }
        let waves = listed.items.iter().filter(|view| view.record.wave_of() == Some(whole));
        let mut all = Vec::new();
        for view in waves {
            // The list may be a moment behind.
            all.push((view.key.clone(), self.load(&view.key).await?));
        }
        Ok(all)
    }

    async fn store(
        &self,
        environment: &EnvironmentKey,
        record: &EnvironmentRecord,
        fence: u64,
    ) -> Result<(), StoreError> {
        // Nobody ever locked what has no fence: that counts as fence 0.
        let condition = match fence {
            0 => "attribute_not_exists(#fence) OR #fence = :fence",
            _ => "#fence = :fence",
        };
        let condition =
            format!("(attribute_not_exists(#schema) OR #schema <= :schema) AND ({condition})");
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(key(environment)))
            .key("sk", s("ENV"))
            .update_expression(
                "SET #record = :record, #schema = :schema, #gsi1pk = :gsi1pk, #gsi1sk = :gsi1sk",
            )
            .expression_attribute_names("#schema", ENVIRONMENT.attribute)
            .expression_attribute_values(":schema", ENVIRONMENT.written())
            .condition_expression(condition)
            .expression_attribute_names("#record", "record")
            .expression_attribute_names("#fence", "fence")
            .expression_attribute_names("#gsi1pk", "gsi1pk")
            .expression_attribute_names("#gsi1sk", "gsi1sk")
            .expression_attribute_values(":record", json("the environment", record)?)
            .expression_attribute_values(":fence", n(fence))
            .expression_attribute_values(":gsi1pk", s("ENVIRONMENTS"))
            .expression_attribute_values(":gsi1sk", s(environment.to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match update {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    if let Some(item) = refused.item() {
                        ENVIRONMENT.known(item)?;
                    }
                    Err(StoreError::Conflict(format!(
                        "the lock of {environment} no longer has fence {fence}"
                    )))
                }
                _ => Err(failed("write the environment", error)),
            },
        }
    }
}

impl DynamoStore {
    /// Renews the lock that `run_id` holds; none when it does not hold it any more.
    async fn renew(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Option<u64>, StoreError> {
        let renewed = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(key(environment)))
            .key("sk", s("ENV"))
            .update_expression("SET #until = :until")
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", "lock_run")
            .expression_attribute_names("#until", "lock_expires")
            .expression_attribute_values(":run", s(run_id))
            .expression_attribute_values(":until", n(after(lease)))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match renewed {
            Ok(renewed) => fence(renewed.attributes()).map(Some),
            Err(error) if is_condition(error.as_service_error()) => Ok(None),
            Err(error) => Err(failed("renew the lock of the environment", error)),
        }
    }
}

/// Who holds the lock of an environment that this program knows.
fn holder(item: &Item) -> Result<Option<RunId>, Unreadable> {
    ENVIRONMENT.known(item)?;
    item.contains_key("lock_run").then(|| identifier(item, "lock_run")).transpose()
}

fn is_condition(error: Option<&UpdateItemError>) -> bool {
    error.is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}
