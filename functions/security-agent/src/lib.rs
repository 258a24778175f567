//! The security agent: secrets, dependencies and static analysis.
//!
//! Three actions, each a verdict on one commit: [`CAPABILITIES`] lists them. What they look at
//! comes from a repository that is not trusted: sizes, counts and times are bounded, and what was
//! left out for that reason is reported as not checked.

mod check_dependencies;
mod config;
mod deps;
mod explain;
pub mod measured;
mod others;
mod permissions;
mod report;
mod sast;
mod scan_vulnerabilities;
mod scope;
mod secrets;
mod source;
mod validate_secrets;

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{Capability, ErrorName};

pub use config::Config;
pub use deps::compiled::{Made, compile as compile_advisories};
pub use deps::sbom::{Sbom, is_lock_file, sbom};
pub use explain::explanations;
pub use sast::own::{RuleFault, check as check_rules};
pub use secrets::{
    Corpus, Engine as SecretsEngine, Found, Label, Scan, Score, score as score_secrets,
};

use deps::Advisories;

/// What the agent offers.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::SECURITY;

/// The agent with what it needs from the world outside.
pub struct SecurityAgent {
    artifacts: Arc<dyn Artifacts>,
    advisories: Advisories,
}

impl SecurityAgent {
    /// The agent; nothing is read or asked before the first action.
    #[must_use]
    pub fn new(artifacts: Arc<dyn Artifacts>, config: Config) -> Self {
        Self { artifacts, advisories: Advisories::new(config) }
    }
}

#[async_trait]
impl Agent for SecurityAgent {
    fn id(&self) -> &'static str {
        "security-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "security.scan_vulnerabilities" => {
                scan_vulnerabilities::act(&*self.artifacts, call).await
            }
            "security.check_dependencies" => {
                check_dependencies::act(&*self.artifacts, &self.advisories, call).await
            }
            "security.validate_secrets" => validate_secrets::act(&*self.artifacts, call).await,
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("security-agent does not offer {other:?}"),
            )),
        }
    }
}

/// Runs the agent as a Lambda function until the environment ends it.
///
/// # Errors
/// When the configuration is not valid or the Lambda Runtime API cannot be reached.
#[cfg(feature = "serve")]
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let config = Config::from_env()?;
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let agent = SecurityAgent::new(Arc::clone(&artifacts), config);
    pact_agent::serve(agent, services.recording(&artifacts)).await
}

#[cfg(test)]
mod tests;
