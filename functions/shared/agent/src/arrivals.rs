//! Pushes at the door: all that is known where one arrives, asked for at once, and all that accepting
//! it writes, written at once; whatever else it brings along is done after the answer.

use async_trait::async_trait;
use pact_contract::{
    RepositoryName, RunId, heads::HeadsRecord, log::NewEntry, policy::PolicyRecord,
    pushes::BranchRecord, registry::RepositoryEntry, run::RunRequest,
};

use crate::error::StoreError;

/// What a push is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrivalKeys<'a> {
    /// The repository that it says it is of.
    pub repository: &'a RepositoryName,
    /// Full name of the ref.
    pub reference: &'a str,
    /// Key of the push.
    pub push: &'a str,
    /// Key of the delivery, where a host told of it.
    pub delivery: Option<&'a str>,
}

/// What is known where a push arrives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrival {
    /// What is registered under the repository's name.
    pub entry: Option<RepositoryEntry>,
    /// The rules that count for the repository.
    pub policy: Option<PolicyRecord>,
    /// Heads of its branches at its host.
    pub heads: Option<HeadsRecord>,
    /// The pushes of its branch, and the version to change them by.
    pub branch: (BranchRecord, u64),
    /// The run that the push was claimed for.
    pub push: Option<RunId>,
    /// The run that the delivery was claimed for.
    pub delivery: Option<RunId>,
}

/// A push that is taken up, with its first run.
#[derive(Clone, Debug)]
pub struct NewPush<'a> {
    /// What both are claimed by.
    pub keys: ArrivalKeys<'a>,
    /// The run, which is queued.
    pub request: &'a RunRequest,
    /// ARN of its execution.
    pub execution_arn: &'a str,
    /// The branch with the push in its place.
    pub branch: &'a BranchRecord,
    /// The version of the branch that this was made from.
    pub version: u64,
    /// The first entry of the run's log.
    pub entry: NewEntry,
}

/// What became of taking a push up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenUp {
    /// All of it is written.
    Written,
    /// Nothing: somebody else changed the branch, or what is known of the push.
    Changed,
    /// Nothing: its run is there, which nothing else says.
    RunIsThere,
}

/// Where pushes are taken up.
#[async_trait]
pub trait Arrivals: Send + Sync {
    /// All that is known where a push arrives, by one question, read consistently.
    async fn arrival(&self, keys: &ArrivalKeys<'_>) -> Result<Arrival, StoreError>;
    /// Writes the place of a push, its run with the first entry of its log, and what it is known by: all
    /// of it or nothing. What it is known by is kept for `keep`.
    async fn take_up(
        &self,
        push: &NewPush<'_>,
        keep: std::time::Duration,
    ) -> Result<TakenUp, StoreError>;
}

/// Has done what was accepted, after the answer. What is not taken to it the scheduled pass finds.
#[async_trait]
pub trait Motor: Send + Sync {
    /// Tells of it, and does not wait until it is done.
    async fn tell(&self, event: &serde_json::Value) -> Result<(), StoreError>;
}
