//! Statuses of commits on their way to the hosts.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_contract::statuses::{StatusKey, StatusRecord};

use crate::error::StoreError;

/// What commits are to show, and how far that is.
#[async_trait]
pub trait Statuses: Send + Sync {
    /// A status, and the version to change it by; none, and 0, before the first.
    async fn status(&self, key: &StatusKey) -> Result<(Option<StatusRecord>, u64), StoreError>;
    /// Writes it. False when somebody else wrote since that version was read.
    async fn store_status(&self, record: &StatusRecord, version: u64) -> Result<bool, StoreError>;
    /// At most `limit` of those that are due. The list follows a write after a moment: each has to be
    /// read before something is done.
    async fn due_statuses(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<StatusKey>, StoreError>;
}

/// The same in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Default)]
pub struct MemoryStatuses(
    std::sync::Mutex<std::collections::BTreeMap<StatusKey, (StatusRecord, u64)>>,
);

#[cfg(feature = "testing")]
impl MemoryStatuses {
    /// Every status, in the order of their keys.
    pub fn all(&self) -> Vec<StatusRecord> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.values().map(|(record, _)| record.clone()).collect()
    }

    /// Has every status that is wanted due at once, as if the time for it had come.
    pub fn hurry(&self) {
        use pact_contract::statuses::Standing;
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (record, _) in kept.values_mut().filter(|(record, _)| record.due().is_some()) {
            record.standing = Standing::Due { at: Timestamp::UNIX_EPOCH };
        }
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl Statuses for MemoryStatuses {
    async fn status(&self, key: &StatusKey) -> Result<(Option<StatusRecord>, u64), StoreError> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = kept.get(key).cloned();
        Ok(found.map_or((None, 0), |(record, version)| (Some(record), version)))
    }
    async fn store_status(&self, record: &StatusRecord, version: u64) -> Result<bool, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.get(&record.key).map_or(0, |(_, version)| *version) != version {
            return Ok(false);
        }
        kept.insert(record.key.clone(), (record.clone(), version + 1));
        Ok(true)
    }
    async fn due_statuses(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<StatusKey>, StoreError> {
        let due = self.all().into_iter().filter(|record| record.due().is_some_and(|at| at <= now));
        Ok(due.map(|record| record.key).take(limit).collect())
    }
}
