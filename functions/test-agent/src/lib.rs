//! The test agent: has a repository's tests run, and judges what comes back.
//!
//! What is tested was written by others. It therefore runs in a build environment that holds nothing
//! of the agent's, and everything that it hands over is read as hostile input: the agent plans,
//! starts, collects and judges, and runs nothing of the commit itself.

mod capture;
mod cases;
mod collector;
mod coverage;
mod files;
mod history;
mod lanes;
mod lcov_report;
mod lines;
mod locations;
mod news;
mod output;
mod reports;
mod run;
pub mod runners;
mod services;
mod setup;
mod suites;
mod sum;
#[cfg(test)]
mod tests;
mod verdict;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, News, Outcome, Stand};
use pact_contract::{Capability, ErrorName, RunId};
use pact_hosts::{AppSettings, HostTokens};
use serde_json::Value;

pub use services::{HostClient, Services};
pub use suites::DetectedBuild;

/// What the agent offers.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::TEST;

/// The agent.
pub struct TestAgent {
    services: Services,
}

impl TestAgent {
    /// An agent that reaches these services.
    #[must_use]
    pub fn new(services: Services) -> Self {
        Self { services }
    }

    fn tests<'a>(&'a self, call: &'a Call) -> Result<Option<run::Tests<'a>>, AgentError> {
        let kind = run::Kind::of(&call.action);
        kind.map(|kind| run::Tests::new(&self.services, call, kind)).transpose()
    }
}

/// A suite of tests that was found.
#[derive(Clone, Debug)]
pub struct Detected {
    /// By which it is known: its folder, or its tool, or both.
    pub name: String,
    /// The tool that runs it.
    pub tool: String,
    /// The command.
    pub command: Vec<String>,
}

/// The suites of unit tests of the repository at `root` when its settings say nothing, and the files
/// of tools whose tests nothing here knows how to run.
#[must_use]
pub fn detected(root: &Path) -> (Vec<Detected>, Vec<String>) {
    let found = suites::find(root);
    let detected = |suite: suites::Suite| Detected {
        command: suite.shown(),
        name: suite.name,
        tool: suite.tool,
    };
    (found.suites.into_iter().map(detected).collect(), found.unknown)
}

/// How the release of the repository at `root` would be built, for `[build]` of its settings.
#[must_use]
pub fn detected_build(root: &Path) -> Option<DetectedBuild> {
    suites::build(root)
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
        if let Some(tests) = self.tests(call)? {
            return tests.run().await;
        }
        match call.action.as_str() {
            "tests.check_coverage" => coverage::check(&*self.services.artifacts, call).await,
            other => Err(AgentError::new(ErrorName::UnknownAction, format!("no action {other:?}"))),
        }
    }

    async fn begin(&self, call: &Call) -> Result<Stand, AgentError> {
        match self.tests(call)? {
            Some(tests) => tests.begin().await,
            None => self.act(call).await.map(Stand::Done),
        }
    }

    async fn look(&self, call: &Call, progress: &Value) -> Result<Stand, AgentError> {
        match self.tests(call)? {
            Some(tests) => tests.look(progress).await,
            None => Err(AgentError::internal(format!("{} is never waited for", call.action))),
        }
    }

    async fn stop(&self, call: &Call, progress: &Value) -> Result<(), AgentError> {
        match self.tests(call)? {
            Some(tests) => tests.stop(progress).await,
            None => Ok(()),
        }
    }

    async fn run_ended(&self, run_id: &RunId) -> Result<(), AgentError> {
        runners::codebuild::end_shared(&self.services, run_id.as_str()).await
    }

    fn news(&self, event: &Value) -> Option<News> {
        news::read(event)
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
    let recording = services.recording(&artifacts);
    let recording = pact_agent::Recording { later: Some(services.later()), ..recording };
    let app = AppSettings::read(|name| std::env::var(name).ok())?;
    let agent = TestAgent::new(Services {
        artifacts,
        urls: services.signed_urls()?,
        builds: services.builds(),
        registry: Arc::clone(&services.store) as _,
        tokens: Arc::new(HostTokens::new(services.secrets(), app)),
        hosts: HostClient::default(),
    });
    pact_agent::serve(agent, recording).await
}
