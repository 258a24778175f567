//! What the gateway works with: the ports that `pact-aws` implements.

use std::sync::Arc;

use pact_agent::{
    metrics::Metrics,
    ports::{Callbacks, Environments, Executions, Recorder, Runs, TransactionLog},
    secrets::Secrets,
};
use pact_aws::Services;

/// Everything outside that the gateway reaches.
#[derive(Clone)]
pub struct Ports {
    /// Runs and claims.
    pub runs: Arc<dyn Runs>,
    /// The transaction log.
    pub recorder: Arc<dyn Recorder>,
    /// The same, to read it.
    pub log: Arc<dyn TransactionLog>,
    /// Environments and their locks.
    pub environments: Arc<dyn Environments>,
    /// Open approvals.
    pub callbacks: Arc<dyn Callbacks>,
    /// The pipeline's executions.
    pub executions: Arc<dyn Executions>,
    /// What is counted and timed.
    pub metrics: Arc<dyn Metrics>,
    /// Who may call.
    pub secrets: Arc<dyn Secrets>,
}

impl From<&Services> for Ports {
    fn from(services: &Services) -> Self {
        Self {
            runs: Arc::clone(&services.store) as _,
            recorder: Arc::clone(&services.store) as _,
            log: Arc::clone(&services.store) as _,
            environments: Arc::clone(&services.store) as _,
            callbacks: Arc::clone(&services.store) as _,
            executions: services.executions(),
            metrics: Arc::clone(&services.metrics),
            secrets: services.secrets(),
        }
    }
}
