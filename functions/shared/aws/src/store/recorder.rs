//! Stage records and the transaction log.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, Put, builders::PutBuilder};
use pact_agent::ports::{Recorder, Standing, StoreError};
use pact_contract::{
    RunId, StageRecord,
    log::{GENESIS, LogEntry, NewEntry},
};

use super::{
    DynamoStore,
    item::{Item, json, n, number, run_key, s, text},
    kind::{LOG, LOG_HEAD, STAGE},
};
use crate::error::failed;

/// Attempts to append an entry before the append is given up.
const APPEND_ATTEMPTS: u32 = 40;
/// Longest wait before another attempt.
const MAX_WAIT_MS: u64 = 200;

#[async_trait]
impl Recorder for DynamoStore {
    async fn record_stage(&self, record: &StageRecord) -> Result<(), StoreError> {
        let item = item([
            ("pk", s(run_key(&record.run_id))),
            ("sk", s(format!("STAGE#{}", record.state))),
            ("schema", STAGE.written()),
            ("record", json("the stage record", record)?),
            ("expires", self.expiry()),
        ]);
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(self.sealed(item).await?))
            .send()
            .await
            .map_err(|error| failed("write the stage record", error))?;
        Ok(())
    }

    async fn standing(&self, run_id: &RunId) -> Result<Standing, StoreError> {
        let Some(run) = self.run(run_id).await? else { return Ok(Standing::Unknown) };
        let execution = run.execution_arn;
        Ok(if run.status.is_final() {
            Standing::Ended { execution }
        } else {
            Standing::Open { execution }
        })
    }

    async fn append_log(&self, run_id: &RunId, entry: NewEntry) -> Result<LogEntry, StoreError> {
        for attempt in 0..APPEND_ATTEMPTS {
            // Of a log that has begun to expire the end is still where it is.
            let what = "read the end of the log";
            let head = self.get_expired(what, run_key(run_id), "LOGHEAD").await?;
            let (sequence, hash) = match &head {
                Some(head) => {
                    LOG_HEAD.known(head)?;
                    (number::<u64>(head, "sequence")?, text(head, "hash")?)
                }
                None => (0, GENESIS),
            };
            let next = entry.clone().chain(sequence.saturating_add(1), hash);
            if self.append(run_id, &next).await? {
                return Ok(next);
            }
            tokio::time::sleep(wait(attempt)).await;
        }
        Err(StoreError::Conflict(format!(
            "the log of {run_id} was written to by others {APPEND_ATTEMPTS} times in a row"
        )))
    }
}

impl DynamoStore {
    /// Writes the entry and moves the head in one transaction. False when another was faster.
    async fn append(&self, run_id: &RunId, entry: &LogEntry) -> Result<bool, StoreError> {
        let what = "append to the transaction log";
        let incomplete =
            |error| StoreError::unavailable(format!("cannot {what}: request: {error}"), error);
        let [logged, head] = self.puts_of_entry(run_id, entry).await?;
        let puts = [logged.build().map_err(incomplete)?, head.build().map_err(incomplete)?];
        self.put_both(what, puts).await
    }

    /// The two writes: the entry, and the head that it moves.
    pub(super) async fn puts_of_entry(
        &self,
        run_id: &RunId,
        entry: &LogEntry,
    ) -> Result<[PutBuilder; 2], StoreError> {
        let logged = item([
            ("pk", s(run_key(run_id))),
            ("sk", s(format!("LOG#{:010}", entry.sequence))),
            ("schema", LOG.written()),
            ("entry", json("the log entry", entry)?),
            ("expires", self.expiry()),
        ]);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(self.sealed(logged).await?))
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", "pk");
        let head = item([
            ("pk", s(run_key(run_id))),
            ("sk", s("LOGHEAD")),
            (LOG_HEAD.attribute, LOG_HEAD.written()),
            ("sequence", n(entry.sequence)),
            ("hash", s(&entry.hash)),
            ("expires", self.expiry()),
        ]);
        let head = self.sealed(head).await?;
        let head = Put::builder().table_name(&self.table).set_item(Some(head));
        let head = if entry.sequence == 1 {
            head.condition_expression("attribute_not_exists(#sequence)")
                .expression_attribute_names("#sequence", "sequence")
        } else {
            head.condition_expression("#hash = :previous")
                .expression_attribute_names("#hash", "hash")
                .expression_attribute_values(":previous", s(&entry.previous))
        };
        Ok([put, head])
    }
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A random wait that grows with the attempts.
pub(super) fn wait(attempt: u32) -> Duration {
    let most = 10u64.saturating_mul(1 << attempt.min(5)).min(MAX_WAIT_MS);
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    Duration::from_millis(random % (most + 1))
}
