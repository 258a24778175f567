//! Runs that have not ended, for whoever looks after them now and again.

use std::time::Duration;

use async_trait::async_trait;
use pact_contract::{RunId, RunStatus};

use crate::error::{StoreError, Unreadable};

/// The list of runs that have not ended, and the lease of the pass over it.
#[async_trait]
pub trait OpenRuns: Send + Sync {
    /// At most `limit` of the runs that are queued, or that are running, from a place on; none: from the
    /// beginning. The list follows a write after a moment: each has to be read before something is done.
    async fn open_runs(
        &self,
        status: RunStatus,
        from: Option<&OpenPlace>,
        limit: usize,
    ) -> Result<OpenPage, StoreError>;
    /// Takes the pass for as long as the lease lasts. None while somebody else has it.
    async fn begin_pass(&self, lease: Duration) -> Result<Option<Pass>, StoreError>;
    /// Gives the pass back, with the place where the next one goes on. False, and nothing is written, when
    /// it was taken over since.
    async fn end_pass(&self, pass: &Pass, from: Option<&OpenPlace>) -> Result<bool, StoreError>;
}

/// A place in one of the two lists of open runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPlace {
    /// Which list.
    pub status: RunStatus,
    /// Where in it: only the store knows what this says.
    pub at: String,
}

/// A part of the list of open runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPage {
    /// The runs.
    pub runs: Vec<RunId>,
    /// What stands between them and cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Where the list goes on; none at its end.
    pub next: Option<OpenPlace>,
}

/// A pass that the caller has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Grows with each one that is taken.
    pub fence: u64,
    /// Where the one before did not come to.
    pub from: Option<OpenPlace>,
}
