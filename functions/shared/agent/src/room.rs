//! Room for runs, and the queues of those that wait for it.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_contract::{RepositoryName, RunId, RunRecord, room::RoomRecord};

use crate::error::StoreError;

/// Which runs have room, and which wait: one queue for each repository, in the order of their pushes.
#[async_trait]
pub trait Room: Send + Sync {
    /// Who has room, and the version to change that by; nobody, and 0, before the first.
    async fn room(&self) -> Result<(RoomRecord, u64), StoreError>;
    /// Writes it. False when somebody else wrote since that version was read.
    async fn store_room(&self, record: &RoomRecord, version: u64) -> Result<bool, StoreError>;
    /// Puts a run into the queue of its repository; the same again is in it once.
    async fn enqueue(&self, run: &QueuedRun) -> Result<(), StoreError>;
    /// Whether it is in the queue.
    async fn is_queued(&self, run: &QueuedRun) -> Result<bool, StoreError>;
    /// Takes it out of the queue; nothing happens when it is not in it.
    async fn dequeue(&self, run: &QueuedRun) -> Result<(), StoreError>;
    /// The first ones in the queue of a repository, in their order.
    async fn queue(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<Vec<QueuedRun>, StoreError>;
    /// Whether there is any queue.
    async fn somebody_waits(&self) -> Result<bool, StoreError>;
    /// The queues whose turn was longest ago, the longest first.
    async fn queues(&self, limit: usize) -> Result<Vec<Queue>, StoreError>;
    /// Writes that the repository had its turn.
    async fn had_its_turn(
        &self,
        repository: &RepositoryName,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Takes an empty queue away. False when something was put into it since it was read.
    async fn remove_queue(&self, queue: &Queue) -> Result<bool, StoreError>;
}

/// A run in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedRun {
    /// Its repository.
    pub repository: RepositoryName,
    /// The run.
    pub run_id: RunId,
    /// When its push was accepted: its place.
    pub since: Timestamp,
}

impl From<&RunRecord> for QueuedRun {
    fn from(run: &RunRecord) -> Self {
        let request = &run.request;
        Self {
            repository: request.repository.name.clone(),
            run_id: request.run_id.clone(),
            since: request.started_at,
        }
    }
}

/// The queue of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The repository.
    pub repository: RepositoryName,
    /// Grows with each run that is put into it.
    pub told: u64,
    /// When it had its turn; when it began to wait, before the first.
    pub turn: Timestamp,
}
