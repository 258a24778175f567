//! Single tests: what became of each, as it is kept for a stage.

use serde::{Deserialize, Serialize};

use crate::SchemaVersion;

/// What became of a test; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestStatus {
    /// It failed, in every attempt.
    Failed,
    /// It passed after it had failed.
    Flaky,
    /// It failed, and was to.
    Expected,
    /// It passed.
    Passed,
    /// It did not run.
    Skipped,
}

impl TestStatus {
    /// All of them, the gravest first.
    pub const ALL: &[Self] =
        &[Self::Failed, Self::Flaky, Self::Expected, Self::Passed, Self::Skipped];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Flaky => "flaky",
            Self::Expected => "expected",
            Self::Passed => "passed",
            Self::Skipped => "skipped",
        }
    }

    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expected => "failed as expected",
            other => other.as_str(),
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == text)
    }
}

/// One test. Every text in it comes from the repository's own programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The suite that it belongs to, as the stage names it.
    #[serde(default)]
    pub suite: String,
    /// Its name, as its tool writes it.
    pub name: String,
    /// What became of it.
    pub status: TestStatus,
    /// How often it was tried.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub attempts: u32,
    /// How long its last attempt took, in milliseconds; none where nothing says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// What its tool says of the failure, bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its file in the repository, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

const fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_once(attempts: &u32) -> bool {
    *attempts == 1
}

impl Tested {
    /// A test of which no more is known.
    #[must_use]
    pub fn new(name: String, status: TestStatus) -> Self {
        let (suite, attempts) = (String::new(), 1);
        Self { suite, name, status, attempts, ms: None, message: None, file: None, line: None }
    }
}

/// What stands before the tests of a stage where they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsHead {
    /// By which rules it was written.
    pub schema: SchemaVersion,
    /// Tests of the stage, as its verdict counts them; none where only the exit code is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Those that are kept one by one. Where there are fewer than all, the tool did not name the
    /// others, or there were too many.
    pub kept: u64,
    /// Those that were named and are too many to be kept.
    #[serde(default)]
    pub left_out: u64,
}
