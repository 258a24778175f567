//! Approvals and the task tokens behind them.

use async_trait::async_trait;
use aws_sdk_dynamodb::{operation::update_item::UpdateItemError, types::Put};
use pact_agent::ports::{ApprovalAnswer, ApprovalRecord, Callbacks, Listed, RunReader, StoreError};
use pact_contract::{RunId, StateName};

use super::{
    DynamoStore,
    item::{Item, json, run_key, s, text},
    kind::{APPROVAL, CALLBACK},
    recorder::wait,
};
use crate::error::failed;

/// Attempts against others who do the same.
const ATTEMPTS: u32 = 5;

pub(super) fn key(callback: &str) -> String {
    format!("CALLBACK#{callback}")
}

fn pointer(state: &StateName) -> String {
    format!("APPROVAL#{state}")
}

#[async_trait]
impl Callbacks for DynamoStore {
    async fn questions(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        RunReader::approvals(self, run_id).await
    }

    async fn question(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let known = self.get("read the approval", run_key(run_id), &pointer(state)).await?;
        let Some(known) = known else { return Ok(None) };
        APPROVAL.known(&known)?;
        let found = self.callback(text(&known, "callback")?).await?;
        Ok(found.map(|item| CALLBACK.document(&item, "record")).transpose()?)
    }

    async fn open_approval(
        &self,
        approval: &ApprovalRecord,
        task_token: &str,
    ) -> Result<ApprovalRecord, StoreError> {
        for attempt in 0..ATTEMPTS {
            let known = self
                .get("read the approval", run_key(&approval.run_id), &pointer(&approval.state))
                .await?;
            if let Some(known) = known {
                APPROVAL.known(&known)?;
                return self.replace_token(text(&known, "callback")?, task_token).await;
            }
            if self.put_approval(approval, task_token).await? {
                return Ok(approval.clone());
            }
            tokio::time::sleep(wait(attempt)).await;
        }
        Err(StoreError::Conflict("the approval is opened by others".to_owned()))
    }

    async fn approval(
        &self,
        callback: &str,
    ) -> Result<Option<(ApprovalRecord, String)>, StoreError> {
        let Some(item) = self.callback(callback).await? else { return Ok(None) };
        let record = CALLBACK.document(&item, "record")?;
        Ok(Some((record, text(&item, "task_token")?.to_owned())))
    }

    async fn answer_approval(
        &self,
        callback: &str,
        answer: &ApprovalAnswer,
    ) -> Result<bool, StoreError> {
        for attempt in 0..ATTEMPTS {
            let Some(item) = self.callback(callback).await? else { return Ok(false) };
            let mut record: ApprovalRecord = CALLBACK.document(&item, "record")?;
            if !record.take(answer) {
                return Ok(false);
            }
            let update = self
                .client
                .update_item()
                .table_name(&self.table)
                .key("pk", s(key(callback)))
                .key("sk", s("CALLBACK"))
                .update_expression("SET #record = :new")
                .condition_expression("#record = :old")
                .expression_attribute_names("#record", "record")
                .expression_attribute_values(":new", json("the approval", &record)?)
                .expression_attribute_values(":old", s(text(&item, "record")?))
                .send()
                .await;
            match update {
                Ok(_) => return Ok(true),
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
                {
                    tokio::time::sleep(wait(attempt)).await;
                }
                Err(error) => return Err(failed("write the answer of the approval", error)),
            }
        }
        Err(StoreError::Conflict("the approval is answered by others".to_owned()))
    }
}

impl DynamoStore {
    pub(super) async fn callback(&self, callback: &str) -> Result<Option<Item>, StoreError> {
        // A callback comes from outside; none is this long.
        if callback.len() > 256 {
            return Ok(None);
        }
        self.get("read the callback", key(callback), "CALLBACK").await
    }

    async fn replace_token(
        &self,
        callback: &str,
        task_token: &str,
    ) -> Result<ApprovalRecord, StoreError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(key(callback)))
            .key("sk", s("CALLBACK"))
            .update_expression("SET #token = :token")
            .condition_expression("attribute_exists(#pk)")
            .expression_attribute_names("#token", "task_token")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":token", s(task_token))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| failed("replace the task token of the approval", error))?;
        Ok(CALLBACK.document(&updated.attributes.unwrap_or_default(), "record")?)
    }

    /// Writes the approval and the pointer to it. False when there is one already.
    async fn put_approval(
        &self,
        approval: &ApprovalRecord,
        task_token: &str,
    ) -> Result<bool, StoreError> {
        let what = "open the approval";
        let absent = |put: aws_sdk_dynamodb::types::builders::PutBuilder| {
            put.table_name(&self.table)
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", "pk")
                .build()
                .map_err(|error| {
                    StoreError::unavailable(format!("cannot {what}: request: {error}"), error)
                })
        };
        let expires = self.expiry();
        let callback = absent(
            Put::builder()
                .item("pk", s(key(&approval.callback)))
                .item("sk", s("CALLBACK"))
                .item("schema", CALLBACK.written())
                .item("record", json("the approval", approval)?)
                .item("task_token", s(task_token))
                .item("expires", expires.clone()),
        )?;
        let pointer = absent(
            Put::builder()
                .item("pk", s(run_key(&approval.run_id)))
                .item("sk", s(pointer(&approval.state)))
                .item("schema", APPROVAL.written())
                .item("callback", s(&approval.callback))
                .item("expires", expires),
        )?;
        self.put_both(what, [pointer, callback]).await
    }
}
