//! What a runner has to be able to do.
//!
//! A runner carries a suite out and hands over what was written; it does not judge. What it runs
//! was written by others, and so was everything that it brings back.

use std::time::Duration;

use async_trait::async_trait;
use pact_agent::{AgentError, ports::Artifacts};
use pact_config::form::Form;
use pact_contract::{RepositoryName, actions::SourceRef, settings::Instance};
use tokio::time::Instant;

use crate::{capture::Captured, collector::Collector, config::Config, locations::Checkout};

/// A kind of runner: its settings, and how one is reached.
pub(crate) struct Kind {
    /// The word that chooses it.
    pub(crate) name: &'static str,
    /// Its settings in `pact.toml`.
    pub(crate) form: fn() -> Form,
    /// Reads and checks the settings; none: how the suite is run has to be found out. Runs nothing.
    ///
    /// # Errors
    /// Why the settings are refused.
    pub(crate) open: fn(Option<&Instance>, &Config) -> Opened,
}

/// A runner, or why its settings are refused.
pub(crate) type Opened = Result<Box<dyn Runner>, String>;

/// Where a suite of tests is run.
#[async_trait]
pub(crate) trait Runner: Send + Sync {
    /// Runs a suite to its end, or to the end of its time, and leaves nothing of it running.
    ///
    /// # Errors
    /// The runner could not do its part: a fault, and no word about the tests.
    async fn run(
        &self,
        task: &Task<'_>,
        collector: &mut Collector<'_>,
    ) -> Result<Execution, AgentError>;
}

/// A suite that is to be run.
pub(crate) struct Task<'a> {
    /// The table of `pact.toml` in which it is configured, for messages.
    pub(crate) table: &'static str,
    pub(crate) artifacts: &'a dyn Artifacts,
    pub(crate) source: &'a SourceRef,
    pub(crate) repository: &'a RepositoryName,
    /// Address of the environment under test.
    pub(crate) url: Option<&'a str>,
    /// How long the tests may take.
    pub(crate) timeout: Duration,
    /// Patterns of the JUnit reports that they write.
    pub(crate) reports: &'a [String],
    /// Patterns of the LCOV reports that they write.
    pub(crate) coverage: &'a [String],
    /// When the call ends; what is to be kept has to be handed over before.
    pub(crate) deadline: Instant,
}

/// What came of a suite.
pub(crate) enum Execution {
    /// The repository has no tests.
    NoTests(String),
    /// It has, but they cannot be run here.
    NotRun(String),
    /// What has to be done before did not succeed.
    SetupFailed {
        /// `configured`, or the name of the detected tool.
        tool: String,
        /// The command that was not come to, as text.
        command: String,
        /// The one that did not succeed, as text.
        setup: String,
        /// What it wrote last.
        output: String,
    },
    /// The call's own time was over, not that of the tests.
    OutOfTime,
    /// The tests were run.
    Ran(Run),
}

/// A suite that was run.
pub(crate) struct Run {
    /// `configured`, or the name of the detected tool.
    pub(crate) tool: String,
    /// The command as text.
    pub(crate) command: String,
    pub(crate) end: End,
    pub(crate) took: Duration,
    /// What it wrote.
    pub(crate) captured: Captured,
    /// Where it ran.
    pub(crate) checkout: Checkout,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with its exit code; none when a signal ended it.
    Exited(Option<i32>),
    /// It was stopped when its time was over.
    TimedOut,
}
