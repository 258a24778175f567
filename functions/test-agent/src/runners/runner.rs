//! What a runner has to be able to do.
//!
//! A runner has a suite carried out somewhere else and hands over what was written; it does not
//! judge. What it has run was written by others, and so was everything that comes back.

use std::time::Duration;

use async_trait::async_trait;
use pact_agent::{AgentError, Call, ports::Artifacts};
use pact_config::form::Form;
use pact_contract::{
    Finding, RepositoryName,
    actions::{BuiltRelease, SourceRef},
    settings::{Instance, NamedSuite},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    capture::Captured, collector::Collector, locations::Checkout, reports::Counts,
    services::Services,
};

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
    pub(crate) open: fn(Option<&Instance>, &Services) -> Opened,
}

/// A runner, or why its settings are refused.
pub(crate) type Opened = Result<Box<dyn Runner>, String>;

/// Where a suite of tests is run.
#[async_trait]
pub(crate) trait Runner: Send + Sync {
    /// Finds out what is to be run. Starts nothing.
    ///
    /// # Errors
    /// It cannot be found out now.
    async fn plan(&self, task: &Task<'_>) -> Result<Planned, AgentError>;

    /// Looks how the work stands, and takes its next step. The same work again is the same step,
    /// taken once: what was started is not started again.
    ///
    /// # Errors
    /// The runner could not do its part: a fault, and no word about the tests.
    async fn look(
        &self,
        task: &Task<'_>,
        work: &Value,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError>;

    /// Ends the work; nothing happens when it has ended.
    ///
    /// # Errors
    /// It may go on.
    async fn stop(&self, work: &Value) -> Result<(), AgentError>;
}

/// What came of planning.
pub(crate) enum Planned {
    /// There is this to do; small, as it is kept.
    Work(Value),
    /// There is nothing to do, and this is why.
    Nothing(Execution),
}

/// How work stands.
pub(crate) enum Progress {
    /// It goes on, as far as this says.
    Goes(Value),
    /// It has ended.
    Ended(Ended),
}

/// A suite that is to be run.
pub(crate) struct Task<'a> {
    /// The table of `pact.toml` in which it is configured, for messages.
    pub(crate) table: &'static str,
    /// By which it is known where it is alone.
    pub(crate) name: &'a str,
    pub(crate) call: &'a Call,
    pub(crate) artifacts: &'a dyn Artifacts,
    pub(crate) source: &'a SourceRef,
    pub(crate) repository: &'a RepositoryName,
    /// What was pushed to, as in `refs/heads/main`.
    pub(crate) reference: Option<&'a str>,
    /// Address of the environment under test.
    pub(crate) url: Option<&'a str>,
    /// How long the tests may take.
    pub(crate) timeout: Duration,
    /// Patterns of the JUnit reports that they write.
    pub(crate) reports: &'a [String],
    /// Patterns of the LCOV reports that they write.
    pub(crate) coverage: &'a [String],
    /// Whether there is a suite of the table, or those are looked for that the repository has.
    pub(crate) own: bool,
    /// Further suites, and what is to be left out of those that are found.
    pub(crate) suites: &'a [NamedSuite],
    /// Suites that others run, in place of those that are found under their name or in their folder.
    pub(crate) elsewhere: &'a [NamedSuite],
    pub(crate) leave_out: &'a [String],
    /// What is to be built beside them, once for each list of commands.
    pub(crate) releases: &'a [Release],
    /// Files that services are started from and that may have to be built, where nobody says how.
    pub(crate) served: &'a [String],
    /// Why no tests are run.
    pub(crate) skip: Option<&'a str>,
    /// Where this is one of two suites of a run that share a build, one after another: which.
    pub(crate) shared: Option<Shared<'a>>,
}

/// Which of two suites that share a build a suite is.
pub(crate) enum Shared<'a> {
    /// The one that comes first; the other is run once it has succeeded.
    First {
        /// How the other one is run.
        instance: &'a Instance,
        /// The other one.
        next: Box<Task<'a>>,
    },
    /// The one that comes after, if there is such a build.
    Second,
}

/// What a target wants built of the commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Release {
    /// Digest of the commands.
    pub(crate) id: String,
    pub(crate) commands: Vec<Vec<String>>,
    /// Time-out of each command in seconds.
    pub(crate) seconds: u64,
    /// What builds it; none: what is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) runner: Option<Instance>,
    /// The file that it is built for, where nobody said how to build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serves: Option<String>,
}

/// How a build of a release ended.
pub(crate) enum Built {
    /// It is kept.
    Well(Box<BuiltRelease>),
    /// A command did not succeed.
    Failed(Box<Finding>),
    /// It could not be tried, for this reason.
    Not(String),
}

/// What came of the work.
#[derive(Default)]
pub(crate) struct Ended {
    /// Suite by suite.
    pub(crate) parts: Vec<Part>,
    /// Tests that are there and cannot be run, for people.
    pub(crate) unknown: Vec<String>,
    /// Suites that were left out, for people.
    pub(crate) left_out: Vec<String>,
    /// What was built beside them.
    pub(crate) built: Vec<Built>,
    /// Why no tests were run.
    pub(crate) skipped: Option<String>,
    /// Whether there are none.
    pub(crate) none: bool,
}

impl Ended {
    /// Takes in what came of further work. That something else had no tests means nothing then.
    pub(crate) fn add(&mut self, more: Self) {
        let Self { parts, unknown, left_out, built, skipped, none } = more;
        let empty = |ended: &Self| ended.parts.is_empty() && ended.built.is_empty();
        let nothing = empty(self) && self.skipped.is_none();
        self.parts.extend(parts);
        self.unknown.extend(unknown);
        self.left_out.extend(left_out);
        self.built.extend(built);
        if !self.parts.is_empty() {
            (self.skipped, self.none) = (None, false);
        } else if nothing || (self.none && !none) {
            (self.skipped, self.none) = (skipped, none);
        }
    }
}

/// What came of one suite.
pub(crate) struct Part {
    /// The suite's name.
    pub(crate) name: String,
    pub(crate) execution: Execution,
    /// Time-out of its command.
    pub(crate) timeout: Duration,
    /// Patterns of the reports that it was to write.
    pub(crate) reports: Vec<String>,
    /// Over its reports; none when there was no readable one.
    pub(crate) counts: Option<Counts>,
    /// What is odd about its reports, for people.
    pub(crate) notes: Vec<String>,
    /// Reports that should have been read and were not, and why: what is in them is not known.
    pub(crate) unread: Vec<String>,
    /// The tools that ran it, with their versions.
    pub(crate) tools: Vec<String>,
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
        /// What it wrote, its end at least.
        output: String,
    },
    /// The tests were run.
    Ran(Box<Run>),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with its exit code; none when a signal ended it.
    Exited(Option<i32>),
    /// It was stopped when its time was over.
    TimedOut,
    /// It was stopped for taking more than it may, in these words.
    Exceeded(String),
}
