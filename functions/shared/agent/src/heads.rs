//! Heads of branches at their hosts.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_contract::{RepositoryName, heads::HeadsRecord};

use crate::error::StoreError;

/// What is known of the branches of repositories at their hosts, and which host is to be asked when.
#[async_trait]
pub trait Heads: Send + Sync {
    /// That of a repository, and the version to change it by; none, and 0, before the first.
    async fn heads(
        &self,
        repository: &RepositoryName,
    ) -> Result<(Option<HeadsRecord>, u64), StoreError>;
    /// Writes it. False when somebody else wrote since that version was read.
    async fn store_heads(&self, record: &HeadsRecord, version: u64) -> Result<bool, StoreError>;
    /// Takes it away, so that the host is not asked any more. Nothing happens where there is none.
    async fn forget_heads(&self, repository: &RepositoryName) -> Result<(), StoreError>;
    /// At most `limit` repositories whose host is to be asked, those due longest first. The list
    /// follows a write after a moment: each has to be read before something is done.
    async fn due_heads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError>;
}

/// The same in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Default)]
pub struct MemoryHeads(
    std::sync::Mutex<std::collections::BTreeMap<RepositoryName, (HeadsRecord, u64)>>,
);

#[cfg(feature = "testing")]
impl MemoryHeads {
    /// Has every repository's host due at once, and what is missing seen long ago.
    pub fn hurry(&self) {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (record, _) in kept.values_mut() {
            record.due = Timestamp::UNIX_EPOCH;
            for missing in record.missing.values_mut() {
                missing.since = Timestamp::UNIX_EPOCH;
            }
        }
    }
}

#[cfg(feature = "testing")]
#[async_trait]
impl Heads for MemoryHeads {
    async fn heads(
        &self,
        repository: &RepositoryName,
    ) -> Result<(Option<HeadsRecord>, u64), StoreError> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = kept.get(repository).cloned();
        Ok(found.map_or((None, 0), |(record, version)| (Some(record), version)))
    }
    async fn store_heads(&self, record: &HeadsRecord, version: u64) -> Result<bool, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if kept.get(&record.repository).map_or(0, |(_, version)| *version) != version {
            return Ok(false);
        }
        kept.insert(record.repository.clone(), (record.clone(), version + 1));
        Ok(true)
    }
    async fn forget_heads(&self, repository: &RepositoryName) -> Result<(), StoreError> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(repository);
        Ok(())
    }
    async fn due_heads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = kept.values().filter(|(record, _)| record.due <= now);
        Ok(due.map(|(record, _)| record.repository.clone()).take(limit).collect())
    }
}
