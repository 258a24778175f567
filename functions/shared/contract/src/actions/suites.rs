//! The actions of the test agent.

use serde::{Deserialize, Serialize};

use crate::{
    StageStatus,
    actions::code::SourceRef,
    run::Repository,
    settings::{Environment, TestSettings},
};

/// `tests.run_unit`, `tests.run_integration`, `tests.run_e2e`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTests {
    /// The source bundle.
    pub source: SourceRef,
    /// How to run the tests.
    #[serde(default)]
    pub settings: TestSettings,
    /// The repository.
    pub repository: Repository,
    /// What was pushed to, as in `refs/heads/main`: names, with the repository, the build cache.
    #[serde(default)]
    pub reference: Option<String>,
    /// Address of the environment under test, for end-to-end tests; `PACT_URL` of the command.
    #[serde(default)]
    pub url: Option<String>,
    /// Key of the changes: tests that they delete are not taken for none.
    #[serde(default)]
    pub changes_key: Option<String>,
    /// Where the commit may be deployed to: what their targets build is built beside the tests.
    #[serde(default)]
    pub environments: Vec<Option<Environment>>,
    /// Why the tests themselves are not run.
    #[serde(default)]
    pub skip: Option<String>,
    /// Whether the integration tests will be asked for when these have passed: they may follow in
    /// the same build.
    #[serde(default)]
    pub then_integration: bool,
}

/// What was built of a commit, once: every environment gets these bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltRelease {
    /// By which commands, as a digest.
    pub commands: String,
    /// Key in the artifact store: a bundle.
    pub key: String,
    /// SHA-256 of the bundle, in hexadecimal: whoever reads it checks it.
    pub digest: String,
    /// Size of the bundle.
    pub bytes: u64,
    /// How many files it has.
    pub files: u64,
    /// Key of the list of the files.
    pub list_key: String,
    /// Where nobody said how to build: the file that a service is started from, which the commit
    /// lacks and this has. It is the release of such environments alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serves: Option<String>,
}

/// The files that a command names: its words that are paths below the folder it is started in.
#[must_use]
pub fn files_of(command: &[String]) -> Vec<&str> {
    let words = command.iter().map(|word| word.strip_prefix("./").unwrap_or(word));
    let is_path = |word: &&str| {
        let parts = word.split('/');
        word.contains('/')
            && word.len() < 300
            && parts.into_iter().all(|p| !matches!(p, "" | "." | ".."))
    };
    words.filter(is_path).collect()
}

/// Output of a test run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTestsOutput {
    /// How the tests were run: `configured` or the name of the detected tool, for example `cargo`.
    pub runner: String,
    /// The command as text.
    pub command: String,
    /// Where the numbers come from: `junit` (a report in any known form), `output` or
    /// `exit_code`.
    pub evidence: String,
    /// All tests, skipped ones among them; none when only the exit code is known.
    pub total: Option<u64>,
    /// Tests that failed; none when only the exit code is known.
    pub failed: Option<u64>,
    /// Tests that were skipped; none when only the exit code is known.
    pub skipped: Option<u64>,
    /// Tests that passed after they had failed; none when nothing tells of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaky: Option<u64>,
    /// Tests that failed as it was expected of them; none when nothing tells of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// Exit code of the command; none when it was ended by a signal.
    pub exit_code: Option<i32>,
    /// Key of the captured output in the artifact store.
    pub log_key: Option<String>,
    /// Keys of the LCOV reports in the artifact store.
    pub coverage_keys: Vec<String>,
    /// Key of the list of its single tests in the artifact store; none when none was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests_key: Option<String>,
    /// The image that they ran in; none where the build service names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The tools that ran them, each with its version as it says that itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Suite by suite.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<SuiteOutput>,
    /// What was built for the targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub built: Vec<BuiltRelease>,
}

/// What came of one suite of tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteOutput {
    /// By which it is known: its folder, or its tool, or both.
    pub name: String,
    /// `passed`, `failed`, or `skipped`: it was not checked.
    pub status: StageStatus,
    /// One sentence for people.
    pub summary: String,
    /// `configured`, or the name of the detected tool.
    pub runner: String,
    /// All tests, skipped ones among them; none when only the exit code is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Tests that failed; none when only the exit code is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Tests that were skipped; none when only the exit code is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u64>,
}

/// `tests.check_coverage`: coverage in all and of the changed lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckCoverage {
    /// Keys of the LCOV reports.
    pub coverage_keys: Vec<String>,
    /// Key of the change set.
    pub changes_key: String,
    /// The source bundle: its paths anchor those of the reports.
    pub source: SourceRef,
    /// Least line coverage in percent.
    #[serde(default)]
    pub min_coverage: Option<f64>,
    /// Least line coverage of the changed lines in percent.
    #[serde(default)]
    pub min_changed_coverage: Option<f64>,
}

/// Output of `tests.check_coverage`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckCoverageOutput {
    /// Lines that can be covered.
    pub lines: u64,
    /// Lines that are covered.
    pub covered: u64,
    /// Share in percent; none when there is no line.
    pub percent: Option<f64>,
    /// Changed lines that can be covered.
    pub changed_lines: u64,
    /// Changed lines that are covered.
    pub changed_covered: u64,
    /// Share of the changed lines in percent; none when there is no such line.
    pub changed_percent: Option<f64>,
}
