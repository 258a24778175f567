//! The PACT contract: wire types, ids, error names, findings and the run model.
//!
//! Serde only, no I/O. Everything that crosses a boundary (between agents, into DynamoDB, to a
//! client) is defined here once, so that the gateway, the state machines, the agents and the
//! command line tool cannot disagree about it.

pub mod access;
pub mod actions;
pub mod agents;
pub mod capability;
pub mod catalogue;
pub mod cause;
pub mod changes;
pub mod codes;
pub mod correlation;
pub mod cost;
pub mod delivery;
pub mod durations;
pub mod envelope;
pub mod environments;
pub mod error;
pub mod explain;
pub mod fallback;
pub mod finding;
pub mod freeze;
pub mod heads;
pub mod ids;
pub mod incident;
pub mod instance;
pub mod judgement;
pub mod ledger;
pub mod log;
pub mod loosened;
pub mod nesting;
pub mod objectives;
pub mod policy;
pub mod problems;
pub mod pushes;
pub mod registry;
pub mod room;
pub mod run;
pub mod schema;
pub mod settings;
pub mod shell;
pub mod shift;
pub mod states;
pub mod statuses;
pub mod tested;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod waiver;

pub use capability::Capability;
pub use changes::{ChangeKind, ChangeSet, FileChange, LineRange, PushIndex};
pub use codes::FindingCode;
pub use envelope::{IntentEnvelope, PROTOCOL_VERSION, ResponseEnvelope};
pub use environments::{EnvironmentList, NamedEnvironment, Tier};
pub use error::ErrorName;
pub use fallback::{Fallback, FallbackLevel};
pub use finding::{Finding, Severity, Waived};
pub use ids::{EnvironmentKey, EnvironmentName, ReleaseId, RepositoryName, RunId, StateName};
pub use run::{
    Decision, Deployment, Repository, RunRecord, RunRequest, RunStatus, StageRecord, StageStatus,
    Verdict,
};
pub use schema::SchemaVersion;
pub use waiver::{Grant, Waiver};
