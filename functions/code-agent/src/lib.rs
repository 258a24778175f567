//! The code agent: what changed, whether it parses, and how complex it became.
//!
//! It is the only agent that speaks git. It fetches a commit once, keeps its files as a bundle in
//! the artifact store for the others, and says what changed against the base. The repository is
//! not trusted: addresses, sizes, counts and paths are checked before anything is done with them.

mod analyze_changes;
mod attributes;
mod base;
mod changes;
mod check_quality;
pub mod config;
mod contents;
mod fault;
mod history;
mod languages;
mod limits;
pub mod measured;
mod objects;
mod pack;
mod policy;
mod quality;
mod remote;
mod rules;
mod services;
mod settings;
mod source;
mod submodules;
mod syntax;
mod validate_syntax;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{
    Agent, AgentError, Call, Outcome,
    ports::{Artifacts, Policies},
    secrets::Secrets,
};
use pact_contract::{Capability, ErrorName};
use pact_hosts::HostTokens;

pub use config::Config;
use services::Services;

/// Actions of this agent.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::CODE;

/// The code agent over an artifact store.
pub struct CodeAgent(Services);

impl CodeAgent {
    /// An agent that keeps what it finds in `artifacts`, fetches with what `secrets` say, and judges
    /// by what `policies` have.
    #[must_use]
    pub fn new(
        config: Config,
        artifacts: Arc<dyn Artifacts>,
        secrets: Arc<dyn Secrets>,
        policies: Arc<dyn Policies>,
    ) -> Self {
        let tokens = HostTokens::new(secrets, config.app.clone());
        Self(Services { config, artifacts, tokens, policies })
    }
}

#[async_trait]
impl Agent for CodeAgent {
    fn id(&self) -> &'static str {
        "code-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "code.analyze_changes" => analyze_changes::run(&self.0, call).await,
            "code.validate_syntax" => validate_syntax::run(&*self.0.artifacts, call).await,
            "code.check_quality" => check_quality::run(&*self.0.artifacts, call).await,
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("the code agent does not offer {other:?}"),
            )),
        }
    }
}

/// Runs the agent as a Lambda function until the environment ends it.
///
/// # Errors
/// When the configuration is not valid, a service cannot be set up, or the Lambda Runtime API
/// cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let config = Config::from_env()?;
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let policies = Arc::clone(&services.store) as _;
    let agent = CodeAgent::new(config, Arc::clone(&artifacts), services.secrets(), policies);
    pact_agent::serve(agent, services.recording(&artifacts)).await
}
