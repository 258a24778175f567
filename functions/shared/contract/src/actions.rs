//! Parameters and outputs of every action, typed once for the agent that answers, the state
//! machine that passes them on and the agent that reads them next.
//!
//! An output is small: it travels through the state machine, whose state is limited to 256 KiB.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    StageStatus,
    changes::ChangeSummary,
    environments::EnvironmentList,
    finding::Finding,
    ids::{EnvironmentName, ReleaseId, RunId},
    ledger::{Ledger, Origin},
    policy::RunPolicy,
    run::{
        Checks, Decision, Deployment, DeploymentStatus, NotificationRecord, Outcome, Repository,
        RunRequest,
    },
    schema::SchemaVersion,
    settings::{
        CodeSettings, Environment, NotifySettings, Probe, SecuritySettings, Settings, Template,
        TestSettings,
    },
    shift::PendingShift,
    waiver::Waiver,
};

pub use crate::judgement::*;

/// The source of one commit as a bundle (`tar.gz`) in the artifact store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRef {
    /// Key in the artifact store.
    pub key: String,
    /// The commit.
    pub commit: String,
}

/// `code.analyze_changes`: fetches the commit and says what changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzeChanges {
    /// The repository.
    pub repository: Repository,
    /// Full name of the ref.
    pub reference: String,
    /// Commit to fetch.
    pub commit: String,
    /// Commit before the push, or the target of a pull request; none, or all zeros, for a new
    /// branch. What is compared with is the merge base with it, or with the default branch.
    #[serde(default)]
    pub base: Option<String>,
    /// By whose rules it is judged; none: by those of the commit before.
    #[serde(default)]
    pub policy: Option<RunPolicy>,
    /// Place of the push in its branch; none for a run of before pushes had one.
    #[serde(default)]
    pub place: Option<u64>,
}

/// Output of `code.analyze_changes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnalyzeChangesOutput {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the [`crate::ChangeSet`] in the artifact store, as JSON.
    pub changes_key: String,
    /// The change set in a few numbers.
    pub changes: ChangeSummary,
    /// The settings by which the commit is judged.
    pub settings: Settings,
    /// Path of the settings file, where there is one.
    pub settings_path: Option<String>,
    /// What the commit is that the changes are relative to, or why there is none.
    #[serde(default)]
    pub base_reason: String,
    /// Whose settings they are, and what of the commit's own does not count.
    #[serde(default)]
    pub policy: PolicyNote,
}

/// By whose rules a commit is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyNote {
    /// One sentence for people.
    pub note: String,
    /// The commit whose settings count beside its own; none where only its own do.
    pub commit: Option<String>,
    /// What the commit loosens, or may, one sentence each: it counts from the next commit, once
    /// somebody who may agreed.
    pub loosened: Vec<String>,
}

/// `code.validate_syntax`: parses the changed files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateSyntax {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// Paths to leave out.
    #[serde(default)]
    pub settings: CodeSettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of `code.validate_syntax`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateSyntaxOutput {
    /// Files about which there is an answer: they parse, or they do not.
    pub checked: usize,
    /// Files that do not parse.
    pub invalid: usize,
    /// Files that do not parse, but may be meant to be so: templates, dialects, fixtures.
    #[serde(default)]
    pub unsure: usize,
    /// Files in a language that is not known, or that cannot be read.
    pub unsupported: usize,
    /// Files that a rule of the repository leaves out.
    #[serde(default)]
    pub ignored: usize,
    /// Key of the list of all changed files in the artifact store: a JSON list of [`SyntaxFile`].
    #[serde(default)]
    pub files_key: Option<String>,
}

/// What is known about the syntax of one changed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntaxFile {
    /// Path in the repository.
    pub path: String,
    /// The answer.
    pub result: SyntaxResult,
    /// Language by name; none when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Why it is unsure, not known or ignored, and by whose rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a changed file parses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyntaxResult {
    /// It parses.
    Parsed,
    /// It does not parse.
    Broken,
    /// It does not parse, but may be meant to be so.
    Unsure,
    /// Its language is not known, or it cannot be read.
    NotKnown,
    /// A rule of the repository leaves it out.
    Ignored,
    /// It was deleted.
    Deleted,
}

/// `code.check_quality`: what the change made worse of the functions that it touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckQuality {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// Thresholds.
    #[serde(default)]
    pub settings: CodeSettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of `code.check_quality`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckQualityOutput {
    /// Functions that are new or changed; what only moved is none of them.
    pub functions: usize,
    /// Findings: what is new and above a threshold, or above one and worse than it was.
    pub above_threshold: usize,
    /// Functions with a finding.
    #[serde(default)]
    pub complex: usize,
    /// Highest cyclomatic complexity among them.
    pub max_cyclomatic: u32,
    /// Highest cognitive complexity among them.
    pub max_cognitive: u32,
    /// Functions that were not there before.
    #[serde(default)]
    pub new: usize,
    /// Functions that changed and are neither better nor worse.
    #[serde(default)]
    pub changed: usize,
    /// Functions that are as they were, elsewhere.
    #[serde(default)]
    pub moved: usize,
    /// Functions that became better.
    #[serde(default)]
    pub better: usize,
    /// Functions that became worse and are above a threshold.
    #[serde(default)]
    pub worse: usize,
    /// Pieces of code that the change repeats.
    #[serde(default)]
    pub duplicates: usize,
    /// Generated and vendored files, which have no thresholds.
    #[serde(default)]
    pub not_judged: usize,
    /// Key of the list of the functions in the artifact store: a JSON list of [`FunctionRecord`].
    #[serde(default)]
    pub functions_key: Option<String>,
}

/// What was measured of a function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionMetrics {
    /// Cyclomatic complexity (McCabe 1976): branches, and one.
    pub cyclomatic: u32,
    /// Cognitive complexity (Campbell 2018).
    pub cognitive: u32,
    /// Lines that hold code.
    pub lines: u32,
    /// Most control statements around a line.
    pub nesting: u32,
    /// Parameters.
    pub parameters: u32,
}

/// What became of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FunctionState {
    /// It was not there before.
    New,
    /// Changed, and neither worse above a threshold nor better in all.
    Changed,
    /// As it was, elsewhere.
    Moved,
    /// Lower in some measure and higher in none.
    Better,
    /// Above a threshold, and higher than it was.
    Worse,
}

/// A function that the change touched. The list is kept as JSON in the artifact store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// Path of its file.
    pub path: String,
    /// Its name behind those of what it is in.
    pub name: String,
    /// Its first line.
    pub line: u32,
    /// What became of it.
    pub state: FunctionState,
    /// Where it was before, where that is elsewhere or under another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it measures.
    pub now: FunctionMetrics,
    /// What it measured; none for a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FunctionMetrics>,
}

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
    /// Exit code of the command; none when it was ended by a signal.
    pub exit_code: Option<i32>,
    /// Key of the captured output in the artifact store.
    pub log_key: Option<String>,
    /// Keys of the LCOV reports in the artifact store.
    pub coverage_keys: Vec<String>,
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

/// `security.scan_vulnerabilities`, `security.check_dependencies`, `security.validate_secrets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityCheck {
    /// The source bundle.
    pub source: SourceRef,
    /// Key of the change set.
    pub changes_key: String,
    /// What to look at.
    #[serde(default)]
    pub settings: SecuritySettings,
    /// Findings that somebody answers for.
    #[serde(default)]
    pub waivers: Vec<Waiver>,
}

/// Output of a security check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityCheckOutput {
    /// Files, or packages for dependencies, that were looked at.
    pub checked: usize,
    /// Findings by severity.
    pub critical: usize,
    /// See [`Self::critical`].
    pub high: usize,
    /// See [`Self::critical`].
    pub medium: usize,
    /// See [`Self::critical`].
    pub low: usize,
    /// See [`Self::critical`].
    pub info: usize,
    /// What was there before the change, whatever its severity; it is in none of the other counts.
    #[serde(default)]
    pub preexisting: usize,
    /// What was read, and what was not.
    #[serde(default)]
    pub scope: Scope,
    /// Key of the software bill of materials (CycloneDX 1.5), of the check that reads lock files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom_key: Option<String>,
}

/// What a check looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scope {
    /// Files that were read.
    pub read: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What should have been read and was not, each with the reason; the first of them.
    pub not_read: Vec<String>,
    /// How many there are of these.
    pub not_read_total: usize,
    /// Files that were left out, by the rule that says so.
    pub ignored: BTreeMap<String, usize>,
}

impl SecurityCheckOutput {
    /// Counts `findings`.
    #[must_use]
    pub fn count(checked: usize, findings: &[Finding]) -> Self {
        use crate::finding::Severity;
        let mut out = Self { checked, ..Self::default() };
        for finding in findings {
            *match finding.severity {
                Severity::Critical => &mut out.critical,
                Severity::High => &mut out.high,
                Severity::Medium => &mut out.medium,
                Severity::Low => &mut out.low,
                Severity::Info => &mut out.info,
            } += 1;
        }
        out
    }
}

/// `quality.plan_pipeline`: which checks run, what is deployed, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanPipeline {
    /// What was pushed.
    pub run: RunRequest,
    /// Key of the change set.
    pub changes_key: String,
    /// The settings by which the commit is judged.
    pub settings: Settings,
    /// What the commit loosens: see [`PolicyNote::loosened`].
    #[serde(default)]
    pub loosened: Vec<String>,
}

/// The plan: output of `quality.plan_pipeline`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Template that was chosen.
    pub template: Template,
    /// Why that template.
    pub template_reason: String,
    /// The checks, each with the reason when it is left out.
    pub checks: PlannedChecks,
    /// Checks that the gate needs.
    pub required: Vec<String>,
    /// Those among them that the repository or its template demands: having nothing to check is not
    /// enough.
    #[serde(default)]
    pub demanded: Vec<String>,
    /// Whether the documentation alone changed.
    pub documentation_only: bool,
    /// How far the release may go if the gate agrees.
    pub target: PlanTarget,
    /// Why not further.
    pub target_reason: String,
    /// Name of the release.
    pub release: ReleaseId,
    /// Where the release goes, one after another, with all that is asked there.
    #[serde(default)]
    pub environments: EnvironmentList,
    /// What the commit loosens: whoever agrees to production is told, as it counts once they do.
    #[serde(default)]
    pub loosened: Vec<String>,
    /// Thresholds of the gate: the repository's, or else the template's.
    pub gate: crate::settings::GateSettings,
    /// Least quality score, from 0 to 10, where functions were measured; none: no threshold.
    #[serde(default)]
    pub min_quality_score: Option<f64>,
    /// How much the security checks decide.
    #[serde(default)]
    pub scan: crate::settings::ScanLevel,
    /// Minutes from the push to the decision of the gate; 0: without a limit.
    #[serde(default)]
    pub timeout_minutes: u32,
    /// When the run began, from which the time is counted.
    #[serde(default)]
    pub started_at: Option<jiff::Timestamp>,
}

/// For each check the reason why it is left out; none: it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "one field for each check, by its name")]
pub struct PlannedChecks {
    pub syntax: PlannedCheck,
    pub quality: PlannedCheck,
    pub unit: PlannedCheck,
    pub integration: PlannedCheck,
    pub coverage: PlannedCheck,
    pub vulnerabilities: PlannedCheck,
    pub dependencies: PlannedCheck,
    pub secrets: PlannedCheck,
    pub e2e: PlannedCheck,
}

/// Whether one check runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCheck {
    /// Why it is left out; none: it runs.
    pub skip: Option<String>,
}

/// How far a release may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanTarget {
    /// Nowhere: verified only.
    Nothing,
    /// To environments of the tier `staging`.
    Staging,
    /// To environments of the tier `production`.
    Production,
}

/// `quality.evaluate_gate`: whether the release may go where the plan wants it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluateGate {
    /// The plan.
    pub plan: Plan,
    /// What the checks found.
    pub checks: Checks,
}

/// Output of `quality.evaluate_gate`.
pub type EvaluateGateOutput = Decision;

/// `deploy.to_staging`, `deploy.to_production`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// The repository.
    pub repository: Repository,
    /// Name of the release.
    pub release: ReleaseId,
    /// The source bundle.
    pub source: SourceRef,
    /// The environment; none: the one that has the name of the action's tier.
    #[serde(default)]
    pub environment: Option<EnvironmentName>,
    /// How it is set up.
    pub settings: Environment,
    /// Where the release comes from: what it may replace. Without it no order is kept.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// What was built of the commit, for targets that build.
    #[serde(default)]
    pub built: Vec<BuiltRelease>,
    /// The part of the requests that it is to have after this, in percent; none: all of them.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// `deploy.rollback`: takes back what this run deployed, or began to deploy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollback {
    /// The repository.
    pub repository: Repository,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that is taken back.
    pub release: ReleaseId,
    /// How the environment is set up.
    pub settings: Environment,
    /// Why it is taken back.
    #[serde(default)]
    pub why: Option<WhyTakenBack>,
    /// The release to return to; none: the last good one before it.
    #[serde(default)]
    pub to: Option<ReleaseId>,
}

/// Why a release is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyTakenBack {
    /// Whether it was judged bad. Where nobody could say, by a fault or a cancellation, it was not.
    pub judged: bool,
    /// One sentence for people.
    pub reason: String,
}

/// `deploy.check_status`: whether a release is in effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// The repository.
    pub repository: Repository,
    /// The environment.
    pub environment: EnvironmentName,
    /// The release that ought to be current; none: whichever is.
    #[serde(default)]
    pub release: Option<ReleaseId>,
    /// How the environment is set up.
    pub settings: Environment,
}

/// Output of every deploy action. For a rollback `release` is the one taken back and `previous`
/// the one that is current again.
pub type DeployOutput = Deployment;

/// The state of one environment of one repository, as the run store keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentRecord {
    /// Release in effect.
    pub current: Option<ReleaseRecord>,
    /// Release to return to: one that was in effect before and was judged good.
    pub previous: Option<ReleaseRecord>,
    /// What is about to be put into effect, with what it replaces: written before anything is done.
    pub pending: Option<PendingDeployment>,
    /// Address of the service, where it has one.
    pub url: Option<String>,
    /// Which releases served, and how each was judged.
    pub ledger: Ledger,
}

impl EnvironmentRecord {
    /// Version in which it is written: the second has the ledger.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();

    /// The run judged what it deployed as good, if that is still what is in effect.
    pub fn judged_good(&mut self, run_id: &RunId, at: jiff::Timestamp) -> bool {
        match &self.current {
            Some(current) if current.run_id == *run_id => {
                self.ledger.judged_good(&current.release, run_id, at)
            }
            _ => false,
        }
    }

    /// Whether what the run deployed is in effect and was not judged yet.
    #[must_use]
    pub fn has_candidate_of(&self, run_id: &RunId) -> bool {
        self.current.as_ref().is_some_and(|current| {
            current.run_id == *run_id && !self.ledger.is_good(&current.release)
        })
    }
}

/// What the scheduled watch saw of an environment, written by its state machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatchResult {
    /// `healthy`, `unhealthy` or `unknown`.
    pub health: String,
    /// One sentence for people.
    pub summary: String,
    /// When it looked.
    pub at: jiff::Timestamp,
}

impl WatchResult {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

/// One release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Name of the release.
    pub release: ReleaseId,
    /// The commit.
    pub commit: String,
    /// Run that deployed it.
    pub run_id: RunId,
    /// When it came into effect.
    pub deployed_at: jiff::Timestamp,
    /// How the environment was set up when it was deployed: what a later restart needs.
    pub settings: Environment,
}

/// A deployment that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PendingDeployment {
    /// The new release.
    pub release: ReleaseRecord,
    /// The release that it replaces.
    pub replaces: Option<ReleaseRecord>,
    /// Number that grows with each deployment: effects of an older one are refused.
    pub fence: u64,
    /// How far its requests are shifted, where that goes step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shift: Option<PendingShift>,
}

/// `monitor.check_health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckHealth {
    /// The environment.
    pub environment: EnvironmentName,
    /// Address of the environment; probes with a whole address need none.
    #[serde(default)]
    pub url: Option<String>,
    /// What must answer.
    #[serde(default)]
    pub probes: Vec<Probe>,
}

/// Output of `monitor.check_health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckHealthOutput {
    /// Probes that succeeded.
    pub healthy: usize,
    /// Probes in all.
    pub probes: usize,
    /// Requests that were sent.
    pub requests: u64,
}

/// `notify.slack_team`, `notify.email_stakeholders`, `notify.update_jira`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notify {
    /// What was pushed.
    pub run: RunRequest,
    /// How it ended.
    pub outcome: Outcome,
    /// Whom to tell.
    #[serde(default)]
    pub settings: NotifySettings,
}

/// Output of every notify action.
pub type NotifyOutput = NotificationRecord;

impl Deployment {
    /// A deployment in this state.
    #[must_use]
    pub fn new(
        environment: &EnvironmentName,
        release: &ReleaseId,
        status: DeploymentStatus,
    ) -> Self {
        Self { release: Some(release.clone()), ..Self::without_release(environment, status) }
    }

    /// What is said of an environment that no release is known of.
    #[must_use]
    pub fn without_release(environment: &EnvironmentName, status: DeploymentStatus) -> Self {
        let environment = environment.clone();
        Self {
            environment,
            tier: None,
            release: None,
            previous: None,
            status,
            url: None,
            weight: None,
        }
    }
}
