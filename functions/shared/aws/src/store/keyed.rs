//! Answers by idempotency key, and notifications by channel.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use jiff::Timestamp;
use pact_agent::ports::{Idempotency, Outbox, OutboxEntry, StoreError};
use pact_contract::RunId;
use serde_json::Value;

use super::{
    DynamoStore,
    conditional::held,
    item::{
        Item, after, json, n, named_key, now, optional_number, optional_text, run_key, s, sortable,
        text,
    },
    kind::{ANSWER, NOTIFICATION},
};
use crate::error::failed;

/// How long an answer is kept.
const KEEP_ANSWER: Duration = Duration::from_hours(24);

#[async_trait]
impl Idempotency for DynamoStore {
    async fn completed(&self, key: &str) -> Result<Option<Value>, StoreError> {
        let what = "read the answer of a request";
        let item = self.get(what, named_key("IDEMPOTENCY", key), "IDEMPOTENCY").await?;
        match item {
            // DynamoDB removes expired items when it gets to it.
            Some(item) if optional_number::<i64>(&item, "expires").is_some_and(|e| e > now()) => {
                Ok(Some(ANSWER.document(&item, "answer")?))
            }
            _ => Ok(None),
        }
    }

    async fn complete(&self, key: &str, answer: &Value) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(named_key("IDEMPOTENCY", key)))
            .item("sk", s("IDEMPOTENCY"))
            .item("schema", ANSWER.written())
            .item("answer", json("the answer", answer)?)
            .item("expires", n(after(KEEP_ANSWER)))
            .condition_expression("attribute_not_exists(#pk) OR #expires <= :now")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#expires", "expires")
            .expression_attribute_values(":now", n(now()))
            .send()
            .await;
        held("keep the answer of a request", put).map(drop)
    }
}

/// Partition of the index `open` with the messages that are to be sent again.
const TO_SEND: &str = "OUTBOX";

impl DynamoStore {
    /// Writes an entry of the outbox, in the index as long as it is to be sent again.
    fn noted(
        &self,
        run_id: &RunId,
        entry: &OutboxEntry,
    ) -> Result<PutItemFluentBuilder, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(run_key(run_id)))
            .item("sk", s(format!("OUTBOX#{}", entry.record.channel)))
            .item("schema", NOTIFICATION.written())
            .item("entry", json("the notification", entry)?)
            .item("expires", self.expiry());
        Ok(match &entry.later {
            Some(later) => put.item("openpk", s(TO_SEND)).item("opensk", s(sortable(later.due))),
            None => put,
        })
    }
}

#[async_trait]
impl Outbox for DynamoStore {
    async fn notification(
        &self,
        run_id: &RunId,
        channel: &str,
    ) -> Result<Option<OutboxEntry>, StoreError> {
        let sk = format!("OUTBOX#{channel}");
        let item = self.get("read a notification", run_key(run_id), &sk).await?;
        Ok(item.map(|item| NOTIFICATION.document(&item, "entry")).transpose()?)
    }

    async fn put_notification(
        &self,
        run_id: &RunId,
        entry: &OutboxEntry,
    ) -> Result<(), StoreError> {
        let put = self.noted(run_id, entry)?;
        put.send().await.map_err(|error| failed("write a notification", error))?;
        Ok(())
    }

    async fn replace_notification(
        &self,
        run_id: &RunId,
        old: &OutboxEntry,
        entry: &OutboxEntry,
    ) -> Result<bool, StoreError> {
        let sk = format!("OUTBOX#{}", entry.record.channel);
        // The text as it is in the table: a field that a newer version added counts too.
        let item = self.get("read a notification", run_key(run_id), &sk).await?;
        let Some(item) = item else { return Ok(false) };
        let known: OutboxEntry = NOTIFICATION.document(&item, "entry")?;
        if known != *old {
            return Ok(false);
        }
        let put = self
            .noted(run_id, entry)?
            .condition_expression("#entry = :old")
            .expression_attribute_names("#entry", "entry")
            .expression_attribute_values(":old", s(text(&item, "entry")?));
        held("write a notification", put.send().await)
    }

    async fn due_notifications(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RunId, String)>, StoreError> {
        let what = "list the notifications that are due";
        let found = self.due(what, TO_SEND, Some(now), limit).await?;
        let parse = |item: &Item| {
            let run_id = optional_text(item, "pk")?.strip_prefix("RUN#")?;
            let channel = optional_text(item, "sk")?.strip_prefix("OUTBOX#")?;
            Some((RunId::parse(run_id).ok()?, channel.to_owned()))
        };
        Ok(found.iter().filter_map(parse).collect())
    }
}
