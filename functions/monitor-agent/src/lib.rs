//! The monitor agent: asks what was deployed whether it is well, measures it for a while, and
//! compares it with how it was before; and looks at everything that is deployed, on a schedule.

mod anomalies;
mod config;
mod health;
mod http;
mod look;
mod metrics;
pub mod sources;
#[cfg(test)]
mod tests;
mod watcher;

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Environments};
use pact_contract::{Capability, ErrorName};

pub use config::Config;

/// What the agent offers.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::MONITOR;

/// The agent.
pub struct MonitorAgent {
    http: Arc<http::Client>,
    environments: Arc<dyn Environments>,
}

impl MonitorAgent {
    /// An agent with this configuration, which reads there what is deployed.
    #[must_use]
    pub fn new(config: Config, environments: Arc<dyn Environments>) -> Self {
        Self { http: Arc::new(http::Client::new(config)), environments }
    }
}

#[async_trait]
impl Agent for MonitorAgent {
    fn id(&self) -> &'static str {
        "monitor-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "monitor.check_health" => health::check(&self.http, call).await,
            "monitor.look_at" => look::at(&self.http, &*self.environments, call).await,
            "monitor.track_metrics" => metrics::track(&self.http, call).await,
            "monitor.detect_anomalies" => anomalies::detect(call),
            other => Err(AgentError::new(ErrorName::UnknownAction, format!("no action {other:?}"))),
        }
    }
}

/// Runs the agent as a Lambda function.
///
/// # Errors
/// When the environment is not set up, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let agent = MonitorAgent::new(Config::from_env(), services.store.clone());
    pact_agent::serve(agent, services.recording(&artifacts)).await
}
