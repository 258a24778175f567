//! The deploy agent: puts releases into effect, takes them back and says where they stand.
//!
//! Every effect is recorded before it is begun and can be repeated: the same call after a kill
//! completes or repeats harmlessly, and a rollback finds what a dead deployment began.

mod agent;
mod config;
mod deploy;
mod lease;
mod names;
mod restore;
mod rollback;
mod status;
mod steps;
pub mod targets;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Environments};
use pact_contract::{Capability, Tier, error::ErrorName};

pub use agent::DeployAgent;
pub use config::Config;
pub use targets::{Aws, Builder};

/// What the agent can do.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::DEPLOY;

#[async_trait]
impl Agent for DeployAgent {
    fn id(&self) -> &'static str {
        "deploy-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "deploy.to_staging" => deploy::deploy(self, call, Tier::Staging).await,
            "deploy.to_production" => deploy::deploy(self, call, Tier::Production).await,
            "deploy.rollback" => rollback::rollback(self, call).await,
            "deploy.check_status" => status::check(self, call).await,
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("the deploy agent does not offer {other:?}"),
            )),
        }
    }
}

/// Runs the agent as a Lambda function until the environment ends it.
///
/// # Errors
/// Wrong configuration, or a Lambda Runtime API that cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let config = Config::read(|name| std::env::var(name).ok())?;
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let recording = services.recording(&artifacts);
    let aws = Aws::new(services.sdk().clone(), config.roles.clone());
    let builds = services.builds();
    let urls = services.signed_urls();
    let store: Arc<dyn Environments> = services.store;
    let agent = DeployAgent::new(config, store, artifacts).with_aws(aws);
    let agent = match urls {
        Ok(urls) => agent.with_builds(Builder { builds, urls }),
        // A deployment by commands says so.
        Err(error) => {
            tracing::info!(%error, "no commands can run");
            agent
        }
    };
    pact_agent::serve(agent, recording).await
}
