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
use aws_config::SdkConfig;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Environments};
use pact_contract::{Capability, ErrorName};

pub use config::Config;
use sources::Surroundings;

/// What the agent offers.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::MONITOR;

/// The agent.
pub struct MonitorAgent {
    surroundings: Surroundings,
    environments: Arc<dyn Environments>,
}

impl MonitorAgent {
    /// An agent with this configuration, which reads there what is deployed.
    #[must_use]
    pub fn new(config: Config, environments: Arc<dyn Environments>) -> Self {
        let http = Arc::new(http::Client::new(config));
        Self { surroundings: Surroundings { http, aws: None }, environments }
    }

    /// With the account's services, which know of requests.
    #[must_use]
    pub fn asking(mut self, aws: SdkConfig) -> Self {
        self.surroundings.aws = Some(aws);
        self
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
            "monitor.check_health" => health::check(&self.surroundings.http, call).await,
            "monitor.look_at" => look::at(&self.surroundings, &*self.environments, call).await,
            "monitor.track_metrics" => metrics::track(&self.surroundings, call).await,
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
    let agent = MonitorAgent::new(Config::from_env(), services.store.clone())
        .asking(services.sdk().clone());
    pact_agent::serve(agent, services.recording(&artifacts)).await
}
