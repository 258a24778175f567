//! Calls that are answered later, with the task tokens of who waits for them.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use pact_agent::{
    ports::{Listed, StoreError, Unreadable},
    waiting::{WaitingCall, WaitingCalls},
};
use pact_contract::{RunId, StateName};

use super::{
    DynamoStore,
    conditional::held,
    item::{Item, after, json, n, now, run_key, s, text},
    kind::CALL,
};
use crate::error::failed;

const PREFIX: &str = "CALL#";

fn sort_key(state: &StateName) -> String {
    format!("{PREFIX}{state}")
}

/// A call that waits, in an item.
fn waiting_call(item: &Item) -> Result<Option<(WaitingCall, String)>, Unreadable> {
    if item.contains_key("closed") {
        return Ok(None);
    }
    Ok(Some((CALL.document(item, "record")?, text(item, "task_token")?.to_owned())))
}

#[async_trait]
impl WaitingCalls for DynamoStore {
    async fn keep(&self, call: &WaitingCall, task_token: &str) -> Result<WaitingCall, StoreError> {
        let what = "keep a call";
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(run_key(&call.run_id)))
            .item("sk", s(sort_key(&call.state)))
            .item("schema", CALL.written())
            .item("expires", self.expiry())
            .item("key", s(&call.key))
            .item("record", json("the call", call)?)
            .item("task_token", s(task_token))
            .condition_expression("attribute_not_exists(#pk) OR #key <> :key")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":key", s(&call.key))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(call.clone()),
            Err(error) => error,
        };
        let known = match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => refused.item().cloned(),
            _ => None,
        };
        let Some(known) = known else { return Err(failed(what, error)) };
        let known: WaitingCall = CALL.document(&known, "record")?;
        let token = [(":token", s(task_token)), (":key", s(&call.key))];
        let same = "#key = :key";
        self.update(what, call, "SET #token = :token", same, token).await?;
        Ok(known)
    }

    async fn waiting(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<(WaitingCall, String)>, StoreError> {
        match self.get("read a call", run_key(run_id), &sort_key(state)).await? {
            Some(item) => Ok(waiting_call(&item)?),
            None => Ok(None),
        }
    }

    async fn of_run(&self, run_id: &RunId) -> Result<Listed<WaitingCall>, StoreError> {
        let items = self.items_of_run("list the calls of a run", run_id, PREFIX).await?;
        let calls = items.iter().filter_map(|item| waiting_call(item).transpose());
        Ok(calls.map(|call| call.map(|(call, _)| call)).collect())
    }

    async fn progress(&self, call: &WaitingCall) -> Result<(), StoreError> {
        let values = [(":record", json("the call", call)?), (":key", s(&call.key))];
        let open = "#key = :key AND attribute_not_exists(#closed)";
        let written =
            self.update("write how far a call is", call, "SET #record = :record", open, values);
        if written.await? {
            return Ok(());
        }
        Err(StoreError::Conflict("the call does not wait any more".to_owned()))
    }

    async fn claim(&self, call: &WaitingCall, lease: Duration) -> Result<bool, StoreError> {
        let what = "claim a call";
        let values = [(":until", n(after(lease))), (":now", n(now())), (":key", s(&call.key))];
        let free = "#key = :key AND (attribute_not_exists(#lease) OR #lease <= :now)";
        if self.update(what, call, "SET #lease = :until REMOVE #news", free, values).await? {
            return Ok(true);
        }
        // Whoever looks now may have looked before there was something to see.
        let values = [(":yes", AttributeValue::Bool(true)), (":key", s(&call.key))];
        self.update(what, call, "SET #news = :yes", "#key = :key", values).await?;
        Ok(false)
    }

    async fn unclaim(&self, call: &WaitingCall) -> Result<bool, StoreError> {
        let what = "give a call back";
        let quiet = "#key = :key AND attribute_not_exists(#news)";
        let key = || [(":key", s(&call.key))];
        if self.update(what, call, "REMOVE #lease", quiet, key()).await? {
            return Ok(true);
        }
        // False also for a call that is another's by now, which nobody has to look after.
        Ok(!self.update(what, call, "REMOVE #news", "#key = :key", key()).await?)
    }

    async fn close(&self, call: &WaitingCall) -> Result<(), StoreError> {
        let values = [(":yes", AttributeValue::Bool(true)), (":key", s(&call.key))];
        let set = "SET #closed = :yes REMOVE #token, #lease, #news";
        self.update("close a call", call, set, "#key = :key", values).await.map(drop)
    }
}

impl DynamoStore {
    /// The call that a state made last, and whether it still waits.
    pub(crate) async fn call(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<(WaitingCall, bool)>, StoreError> {
        let item = self.get("read a call", run_key(run_id), &sort_key(state)).await?;
        let Some(item) = item else { return Ok(None) };
        let open = !item.contains_key("closed");
        Ok(Some((CALL.document(&item, "record")?, open)))
    }

    /// The states of a run that made calls.
    pub(crate) async fn callers(&self, run_id: &RunId) -> Result<Vec<StateName>, StoreError> {
        let items = self.items_of_run("list the calls of a run", run_id, PREFIX).await?;
        let names = items.iter().filter_map(|item| text(item, "sk").ok()?.strip_prefix(PREFIX));
        Ok(names.filter_map(|name| StateName::parse(name).ok()).collect())
    }

    /// Changes the item of a call. False when the condition does not hold.
    async fn update<const N: usize>(
        &self,
        what: &str,
        call: &WaitingCall,
        update: &str,
        condition: &str,
        values: [(&str, AttributeValue); N],
    ) -> Result<bool, StoreError> {
        let names = [
            ("#key", "key"),
            ("#record", "record"),
            ("#token", "task_token"),
            ("#lease", "lease"),
            ("#news", "news"),
            ("#closed", "closed"),
        ];
        let mut request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(run_key(&call.run_id)))
            .key("sk", s(sort_key(&call.state)))
            .update_expression(update)
            .condition_expression(condition);
        for (placeholder, name) in names {
            // A name that is not used is refused.
            if update.contains(placeholder) || condition.contains(placeholder) {
                request = request.expression_attribute_names(placeholder, name);
            }
        }
        for (placeholder, value) in values {
            request = request.expression_attribute_values(placeholder, value);
        }
        held(what, request.send().await)
    }
}
