//! What can go wrong with a run, how it is called, and who can do something about it.

use serde::{Deserialize, Serialize};

use crate::{
    codes::{self, FindingCode},
    error::ErrorName,
    ids::StateName,
};

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CauseKind {
    /// The repository's settings are not valid.
    Settings,
    /// A file does not parse.
    Syntax,
    /// Code is above a threshold.
    Quality,
    /// Tests failed.
    Test,
    /// Too few lines are covered.
    Coverage,
    /// The static analysis found something.
    Vulnerability,
    /// A dependency is affected by an advisory.
    Dependency,
    /// A secret stands in the source.
    Secret,
    /// What is tested or deployed could not be built or set up.
    Build,
    /// The release could not be put into effect.
    Deploy,
    /// The release does not answer as it should.
    Health,
    /// The release is worse than is allowed, or than the one before.
    Watch,
    /// A person said no, or nobody answered.
    Approval,
    /// The release could not be taken back.
    Rollback,
    /// An agent could not do its work.
    Fault,
    /// The run was ended from outside.
    Stopped,
    /// None of these.
    Other,
}

impl CauseKind {
    /// What it is called in a list of what fails.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Syntax => "syntax",
            Self::Quality => "code quality",
            Self::Test => "tests",
            Self::Coverage => "coverage",
            Self::Vulnerability => "static analysis",
            Self::Dependency => "dependencies",
            Self::Secret => "secrets",
            Self::Build => "build",
            Self::Deploy => "deployment",
            Self::Health => "health",
            Self::Watch => "watch",
            Self::Approval => "approval",
            Self::Rollback => "rollback",
            Self::Fault => "faults",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

/// The kind of what a stage found: by its action, and by the code of what it found.
pub(super) fn of(action: &str, code: Option<&FindingCode>) -> CauseKind {
    if code.is_some_and(|code| [codes::TEST_SETUP_FAILED, codes::BUILD_FAILED].contains(code)) {
        return CauseKind::Build;
    }
    match action {
        "code.analyze_changes" | "quality.plan_pipeline" => CauseKind::Settings,
        "code.validate_syntax" => CauseKind::Syntax,
        "code.check_quality" => CauseKind::Quality,
        "tests.run_unit" | "tests.run_integration" | "tests.run_e2e" => CauseKind::Test,
        "tests.check_coverage" => CauseKind::Coverage,
        "security.scan_vulnerabilities" => CauseKind::Vulnerability,
        "security.check_dependencies" => CauseKind::Dependency,
        "security.validate_secrets" => CauseKind::Secret,
        "deploy.to_staging" | "deploy.to_production" | "deploy.check_status" => CauseKind::Deploy,
        "deploy.rollback" => CauseKind::Rollback,
        "monitor.check_health" => CauseKind::Health,
        "monitor.track_metrics" | "monitor.detect_anomalies" | "quality.judge_release" => {
            CauseKind::Watch
        }
        _ => CauseKind::Other,
    }
}

/// The thing that something found by a stage is about.
pub(super) fn found(state: &StateName, action: &str, code: Option<&FindingCode>) -> String {
    // Releases are built beside the unit tests, which they are no part of.
    if code == Some(&codes::BUILD_FAILED) && action.starts_with("tests.") {
        return "Build of the release".to_owned();
    }
    subject(Some(state), action, of(action, code))
}

/// The thing that a stage is about, as a sentence begins with it.
pub(super) fn subject(state: Option<&StateName>, action: &str, kind: CauseKind) -> String {
    let environment = state.and_then(StateName::environment);
    let of = |what: &str, place: &str| match &environment {
        Some(environment) => format!("{what} {place} {environment}"),
        None => what.to_owned(),
    };
    match kind {
        CauseKind::Settings => "Settings".to_owned(),
        CauseKind::Syntax => "Syntax".to_owned(),
        CauseKind::Quality => "Code quality".to_owned(),
        CauseKind::Test => tests(action).to_owned(),
        CauseKind::Coverage => "Coverage".to_owned(),
        CauseKind::Vulnerability => "Static analysis".to_owned(),
        CauseKind::Dependency => "Dependencies".to_owned(),
        CauseKind::Secret => "Secrets".to_owned(),
        CauseKind::Build if action.starts_with("tests.") => {
            format!("Setup of the {}", tests(action).to_lowercase())
        }
        CauseKind::Build => of("Build", "for"),
        CauseKind::Deploy => of("Deployment", "to"),
        CauseKind::Health => of("Health", "of"),
        CauseKind::Watch => of("Watch", "of"),
        CauseKind::Rollback => of("Rollback", "of"),
        CauseKind::Approval => "Approval".to_owned(),
        CauseKind::Fault | CauseKind::Stopped | CauseKind::Other => {
            state.map_or_else(|| "The run".to_owned(), StateName::title)
        }
    }
}

fn tests(action: &str) -> &'static str {
    match action {
        "tests.run_integration" => "Integration tests",
        "tests.run_e2e" => "End-to-end tests",
        _ => "Unit tests",
    }
}

/// Who can do something about it. `author` is of the commit.
pub(super) fn who(kind: CauseKind, code: Option<&FindingCode>, author: Option<&str>) -> String {
    let by = match author {
        Some(author) => format!("the author of the commit, {author}"),
        None => "the author of the commit".to_owned(),
    };
    // Of the machine that is deployed to, not of the commit.
    let installed = [
        codes::TARGET_REFUSED,
        codes::FOLDER_TAKEN,
        codes::PORT_IN_USE,
        codes::RELEASE_NAME_TAKEN,
        codes::FUNCTION_MISSING,
        codes::FUNCTION_STORAGE_FULL,
        codes::ROLE_REFUSED,
        codes::ALIAS_MOVED,
    ];
    match kind {
        _ if code.is_some_and(|code| installed.contains(code)) => INSTALLATION.to_owned(),
        CauseKind::Secret => format!("{by}, and whoever can revoke it"),
        CauseKind::Approval => "whoever may approve".to_owned(),
        CauseKind::Rollback => "whoever is on call for the environment".to_owned(),
        CauseKind::Fault => INSTALLATION.to_owned(),
        CauseKind::Stopped => "whoever started the run".to_owned(),
        _ => by,
    }
}

const INSTALLATION: &str = "whoever runs this installation";

/// What is to be done about a fault, and whether the author of the commit can do it.
pub(super) fn fault(error: &str, said: &str) -> (&'static str, bool) {
    // Whatever it was that found no room: nothing else helps.
    if ["No space left on device", "Disk quota exceeded"].iter().any(|full| said.contains(full)) {
        return ("Make room on the disk that it was written to, then start the run again", false);
    }
    match ErrorName::parse(error) {
        Some(name) => {
            let author = matches!(name, ErrorName::LimitExceeded | ErrorName::Timeout);
            (name.remedy(), author)
        }
        None if error.contains("Timeout") || error.contains("Timedout") => {
            (ErrorName::Timeout.remedy(), true)
        }
        None => (
            "Start the run again; when it ends so again, the log of the function has the reason.",
            false,
        ),
    }
}

/// The action whose stage a rule of the gate looks at.
pub(super) fn checked_by(rule: &str) -> Option<&'static str> {
    Some(match rule {
        "syntax-valid" => "code.validate_syntax",
        "no-secrets" => "security.validate_secrets",
        "tests-pass" => "tests.run_unit",
        "integration-tests-pass" => "tests.run_integration",
        "coverage" | "changed-coverage" => "tests.check_coverage",
        "dependencies-safe" => "security.check_dependencies",
        "no-vulnerabilities" => "security.scan_vulnerabilities",
        "quality" => "code.check_quality",
        "end-to-end-possible" => "tests.run_e2e",
        _ => return None,
    })
}
