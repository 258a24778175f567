//! The test agent: runs a repository's tests in a clean checkout and reads their coverage.
//!
//! What it runs was written by others. It therefore runs in a process group of its own, with an
//! environment that holds no secret, against a clock, and with bounded output; when the agent is
//! done, or is stopped, nothing of it is left running.

mod capture;
mod collector;
mod config;
mod coverage;
mod detect;
mod files;
mod junit;
mod lcov_report;
mod lines;
mod locations;
mod run;
pub mod runners;
#[cfg(test)]
mod tests;
mod tool_output;
mod verdict;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Artifacts};
use pact_contract::{Capability, ErrorName};

pub use config::Config;

/// What the agent offers.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::TEST;

/// The agent.
pub struct TestAgent {
    artifacts: Arc<dyn Artifacts>,
    config: Config,
}

impl TestAgent {
    /// An agent that reads sources from, and writes logs to, `artifacts`.
    #[must_use]
    pub fn new(artifacts: Arc<dyn Artifacts>, config: Config) -> Self {
        Self { artifacts, config }
    }
}

/// Tool and command by which the unit tests of the repository at `root` are run when its settings
/// say nothing; none where nothing is found that is known how to run.
#[must_use]
pub fn detected(root: &Path) -> Option<(String, Vec<String>)> {
    let found = detect::detect(root, Path::new("reports"))?;
    Some((found.runner.to_owned(), found.command))
}

#[async_trait]
impl Agent for TestAgent {
    fn id(&self) -> &'static str {
        "test-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        let artifacts = &*self.artifacts;
        match call.action.as_str() {
            "tests.run_unit" => run::run(artifacts, &self.config, call, run::Kind::Unit).await,
            "tests.run_integration" => {
                run::run(artifacts, &self.config, call, run::Kind::Integration).await
            }
            "tests.run_e2e" => run::run(artifacts, &self.config, call, run::Kind::EndToEnd).await,
            "tests.check_coverage" => coverage::check(artifacts, call).await,
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
    let config = Config::from_env()?;
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let agent = TestAgent::new(Arc::clone(&artifacts), config);
    pact_agent::serve(agent, services.recording(&artifacts)).await
}
