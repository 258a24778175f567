//! The lease on an environment: this run has it for itself, with its record.
//!
//! The run keeps it to its end, so that no other run replaces a release that is still being
//! judged: the state machine gives the lock back. Without a run, by hand, the action does.

use std::time::Duration;

use pact_agent::{
    AgentError, Call,
    ports::{Environments, Lock, StoreError},
};
use pact_contract::{EnvironmentKey, RunId, actions::EnvironmentRecord, error::ErrorName};

/// How long the environment is the run's when nothing more is heard of it.
const DURATION: Duration = Duration::from_secs(30 * 60);

/// An environment with its record, locked.
pub(crate) struct Lease<'a> {
    store: &'a dyn Environments,
    key: EnvironmentKey,
    run_id: RunId,
    by_hand: bool,
    fence: u64,
    /// The record, as it was read or written last.
    pub(crate) record: EnvironmentRecord,
}

impl<'a> Lease<'a> {
    /// Locks the environment and reads its record.
    ///
    /// # Errors
    /// `ERR_ENVIRONMENT_BUSY` with the run that has it, and the store's errors.
    pub(crate) async fn take(
        store: &'a dyn Environments,
        call: &Call,
        key: EnvironmentKey,
    ) -> Result<Self, AgentError> {
        let run_id = call.scope();
        match store.lock(&key, &run_id, DURATION).await? {
            Lock::Busy { run_id } => Err(AgentError::new(
                ErrorName::EnvironmentBusy,
                format!("{} of {} is held by run {run_id}", key.environment, key.repository),
            )),
            Lock::Held { fence } => Ok(Self {
                record: store.load(&key).await?,
                store,
                key,
                run_id,
                by_hand: call.run_id.is_none(),
                fence,
            }),
        }
    }

    /// Reads the record again.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn reload(&mut self) -> Result<(), AgentError> {
        self.record = self.store.load(&self.key).await?;
        Ok(())
    }

    /// Number of this run's turn.
    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }

    /// Holds the environment for another lease.
    ///
    /// # Errors
    /// `ERR_DEPLOY_FAILED` when another run has, or had it in the meantime.
    pub(crate) async fn renew(&self) -> Result<(), AgentError> {
        match self.store.lock(&self.key, &self.run_id, DURATION).await? {
            Lock::Held { fence } if fence == self.fence => Ok(()),
            Lock::Held { .. } => Err(self.lost("another run had it")),
            Lock::Busy { run_id } => Err(self.lost(&format!("run {run_id} has it"))),
        }
    }

    /// Writes the record.
    ///
    /// # Errors
    /// `ERR_DEPLOY_FAILED` when another run has taken the environment, and the store's errors.
    pub(crate) async fn write(&self) -> Result<(), AgentError> {
        match self.store.store(&self.key, &self.record, self.fence).await {
            Err(StoreError::Conflict(reason)) => Err(self.lost(&reason)),
            other => Ok(other?),
        }
    }

    /// Gives the environment back when it was taken by hand. What cannot be given back becomes
    /// free when the lease is over.
    pub(crate) async fn end(&self) {
        if self.by_hand
            && let Err(error) = self.store.unlock(&self.key, &self.run_id).await
        {
            tracing::warn!(%error, "cannot give the environment back");
        }
    }

    fn lost(&self, reason: &str) -> AgentError {
        AgentError::new(
            ErrorName::DeployFailed,
            format!("the run no longer holds {}: {reason}", self.key.environment),
        )
    }
}
