//! Pull requests of forks, which wait for an approver's word.

use async_trait::async_trait;
use pact_contract::{RepositoryName, registry::PullRecord};

use crate::{error::StoreError, ports::Listed};

/// What is known of the pull requests of forks.
#[async_trait]
pub trait Pulls: Send + Sync {
    /// One of a repository by its number, if it was told of.
    async fn pull(
        &self,
        repository: &RepositoryName,
        number: u64,
    ) -> Result<Option<PullRecord>, StoreError>;
    /// Writes one in the place of `old`. False when somebody else wrote meanwhile.
    async fn put_pull(
        &self,
        record: &PullRecord,
        number: u64,
        old: Option<&PullRecord>,
    ) -> Result<bool, StoreError>;
    /// Those of a repository, by their numbers.
    async fn pulls(&self, repository: &RepositoryName) -> Result<Listed<PullRecord>, StoreError>;
}

/// The same in memory, for tests.
#[cfg(feature = "testing")]
#[derive(Default)]
pub struct MemoryPulls(
    std::sync::Mutex<std::collections::BTreeMap<(RepositoryName, u64), PullRecord>>,
);

#[cfg(feature = "testing")]
#[async_trait]
impl Pulls for MemoryPulls {
    async fn pull(
        &self,
        repository: &RepositoryName,
        number: u64,
    ) -> Result<Option<PullRecord>, StoreError> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(kept.get(&(repository.clone(), number)).cloned())
    }
    async fn put_pull(
        &self,
        record: &PullRecord,
        number: u64,
        old: Option<&PullRecord>,
    ) -> Result<bool, StoreError> {
        let mut kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (record.request.repository.name.clone(), number);
        if kept.get(&key) != old {
            return Ok(false);
        }
        kept.insert(key, record.clone());
        Ok(true)
    }
    async fn pulls(&self, repository: &RepositoryName) -> Result<Listed<PullRecord>, StoreError> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let of = kept.iter().filter(|((name, _), _)| name == repository);
        Ok(of.map(|(_, record)| record.clone()).collect::<Vec<_>>().into())
    }
}
