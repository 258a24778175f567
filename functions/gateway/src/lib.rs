//! The PACT Gateway: where pushes, people and the end of executions come in.
//!
//! Two functions. The gateway answers HTTP: webhooks, the trigger API, runs, approvals. The run
//! keeper is called by the pipeline, to open an approval, and by the events that an execution
//! began or ended: it counts them, and closes what ended from outside, so that no run stays
//! `running` for ever.
//!
//! Everything fails closed: what is not signed, not allowed or not configured starts nothing.
//! Everything may be sent again: whatever step the function died at, the same request sent once
//! more completes the work and never does it twice.

mod accept;
mod api;
mod auth;
mod callback;
mod cancel;
mod check;
mod config;
mod error;
mod fields;
mod github;
mod http;
mod keeper;
mod measure;
mod push;
mod registry;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use pact_agent::{
    metrics::Metrics,
    ports::{Callbacks, Environments, Executions, Recorder, Runs, TransactionLog},
    secrets::Secrets,
    telemetry,
};
use pact_aws::Services;
use serde_json::Value;
use tracing::Instrument as _;

pub use config::Config;
pub use http::router;
pub use keeper::keep;
pub use registry::advertisements as registry;

/// What the gateway works with.
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

/// The gateway: its ports, its configuration, and the agents that it announces.
#[derive(Clone)]
pub struct Gateway {
    /// What it works with.
    pub ports: Ports,
    /// What the environment says.
    pub config: Config,
    /// What `GET /v1/agents` answers.
    pub agents: Value,
}

/// Runs the gateway as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not valid, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let services = Services::from_env()?;
    let gateway =
        Gateway { ports: Ports::from(&services), config: Config::from_env()?, agents: registry() };
    lambda_http::run(router(gateway)).await
}

/// Runs the run keeper as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not valid, or the Lambda Runtime API cannot be reached.
pub async fn serve_run_keeper() -> Result<(), lambda_runtime::Error> {
    telemetry::init();
    let ports = Ports::from(&Services::from_env()?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let ports = ports.clone();
        let span = telemetry::invocation("run-keeper", &event.context);
        async move {
            keep(&ports, event.payload).await.map_err(|error| {
                tracing::error!(error = error.name.as_str(), cause = error.chain(), "fault");
                Diagnostic::from(error)
            })
        }
        .instrument(span)
    }))
    .await
}
