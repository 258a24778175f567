//! What a suite of tests is, for whoever finds and whoever runs one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// In a command: the folder for the suite's reports.
pub(crate) const REPORTS: &str = "@reports@";
/// In a command: the folder for what the suite has installed for itself.
pub(crate) const TOOLS: &str = "@tools@";
/// Most suites of one commit.
pub(crate) const MOST: usize = 50;

/// A suite of tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suite {
    /// By which it is known: in `pact.toml`, and to people.
    pub(crate) name: String,
    /// `configured`, or the name of the tool that runs it.
    pub(crate) tool: String,
    /// Where, relative to the root of the repository; empty: there.
    pub(crate) directory: String,
    /// What has to be done before, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) setup: Vec<Setup>,
    pub(crate) command: Vec<String>,
    /// Where the tool may be missing: what else can be run; none: nothing.
    #[serde(default, alias = "without_pytest", skip_serializing_if = "Option::is_none")]
    pub(crate) otherwise: Option<Vec<String>>,
    /// The package of npm that brings the program that runs it, where the image has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) brought_by: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environment: BTreeMap<String, String>,
    /// Time-out in seconds; none: that of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<u64>,
    /// Patterns of the JUnit reports that it writes; none: the usual ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reports: Vec<String>,
}

/// A command that has to succeed before a suite is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Where, relative to the root of the repository.
    pub(crate) directory: String,
    pub(crate) command: Vec<String>,
}

impl Suite {
    pub(super) fn new(tool: &str, directory: &str, command: &[&str]) -> Self {
        Self {
            tool: tool.to_owned(),
            directory: directory.to_owned(),
            command: words(command),
            ..Self::default()
        }
    }

    pub(super) fn after(mut self, directory: &str, command: &[&str]) -> Self {
        self.setup.push(Setup { directory: directory.to_owned(), command: words(command) });
        self
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Whether pytest has to be looked for.
    pub(crate) fn needs_pytest(&self) -> bool {
        self.tool == "pytest" && self.setup.is_empty()
    }

    /// The tool that the other command is of.
    pub(crate) fn other_tool(&self) -> Option<&'static str> {
        match self.tool.as_str() {
            "pytest" => Some("unittest"),
            "nextest" => Some("cargo"),
            _ => None,
        }
    }

    /// The command as a person would give it.
    pub(crate) fn shown(&self) -> Vec<String> {
        let shown = |word: &&String| !word.contains(REPORTS);
        let words = self.command.iter().filter(shown);
        words.map(|word| word.replace(&format!("{TOOLS}/bin/"), "")).collect()
    }

    /// Whether this program is what is run.
    pub(crate) fn is_run_by(&self, program: &str) -> bool {
        self.command.first().is_some_and(|p| p.rsplit('/').next() == Some(program))
    }
}

/// A suite that may be one.
pub(super) struct Candidate {
    pub(super) suite: Suite,
    /// Whether there is a test, as far as this can be seen.
    pub(super) tests: bool,
}

pub(super) fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|w| (*w).to_owned()).collect()
}
