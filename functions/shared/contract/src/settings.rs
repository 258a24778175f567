//! A repository's settings after validation: what `pact.toml` means, every default filled in.
//!
//! The file's own form, its errors and their places are in the `pact-config` crate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{environments::EnvironmentList, finding::Severity, waiver::Waiver};

pub use crate::{
    environments::{
        Approval, Environment, Inconclusive, Probe, QUICK_MS, QUICK_SECONDS, USUAL_MS, Watch,
        probed,
    },
    instance::Instance,
};

/// All settings of a repository.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Template the repository asks for.
    pub template: Option<Template>,
    /// Which pushes are run, and which of them deploy nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub on: OnSettings,
    /// Paths (globs) whose change alone deploys nothing; none means the built-in list.
    pub documentation: Option<Vec<String>>,
    /// Checks that are switched off or demanded, by check name (see [`CHECKS`]).
    pub checks: BTreeMap<String, CheckMode>,
    /// Thresholds of the gate.
    pub gate: GateSettings,
    /// Thresholds of the code agent.
    pub code: CodeSettings,
    /// How to run the tests.
    pub tests: TestSettings,
    /// What the security agent looks at.
    pub security: SecuritySettings,
    /// Environments in the order of promotion. Empty: verified only, nothing is deployed.
    pub environments: EnvironmentList,
    /// Whom to tell.
    pub notify: NotifySettings,
    /// Findings that somebody answers for.
    pub waivers: Vec<Waiver>,
    /// What of a commit cannot simply be taken back.
    #[serde(skip_serializing_if = "is_default")]
    pub migrations: Migrations,
    /// What is asked for where something holds of a push.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// What is asked for where something holds of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// Its name, for people.
    pub name: String,
    /// An expression of CEL.
    pub when: String,
    /// Checks that are demanded then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<String>,
    /// Checks that are left out then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<String>,
    /// What else follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Consequence>,
}

impl Condition {
    /// The same without what it lets off; none where nothing is left.
    #[must_use]
    pub fn without_skip(&self) -> Option<Self> {
        let asks = !self.require.is_empty() || self.then.is_some();
        asks.then(|| Self { skip: Vec::new(), ..self.clone() })
    }
}

/// What follows where a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consequence {
    /// A person is asked before users get the release.
    Ask,
    /// The gate holds the release for a person.
    Hold,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which pushes are run, and which of them deploy nothing. Patterns are globs: `*` stops at a `/`,
/// `**` does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OnSettings {
    /// Branches whose pushes start a run; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// Tags whose pushes start a run; empty: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Paths that a push has to change for anything to be built, tested or deployed; empty: any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Paths that do not count among these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths_ignore: Vec<String>,
    /// Branches that are verified, and of which nothing is deployed; none: [`MACHINES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_only: Option<Vec<String>>,
}

/// Branches that machines push to: of merge queues and of bots. They are verified only where the
/// repository does not say otherwise.
pub const MACHINES: &[&str] = &["gh-readonly-queue/**", "dependabot/**", "renovate/**"];

/// Which files of a commit change what outlives a release, such as a database's schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Migrations {
    /// Paths (globs) of migrations; none: there are none.
    pub paths: Vec<String>,
    /// How the name of a migration ends that has a down step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub up: Option<String>,
    /// How the name of the down step ends instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
}

/// The checks of the pipeline by name.
pub const CHECKS: &[&str] = &[
    "syntax",
    "quality",
    "unit",
    "integration",
    "coverage",
    "vulnerabilities",
    "dependencies",
    "secrets",
    "e2e",
];

/// Paths that are documentation where the repository says nothing about it.
pub const DOCUMENTATION: &[&str] = &[
    "**/*.{md,markdown,rst,adoc}",
    "{docs,doc}/**",
    "{LICENSE,LICENCE,COPYING,NOTICE,CHANGELOG,AUTHORS,CONTRIBUTORS,README}{,.txt}",
    "{LICENSE,LICENCE}-[A-Z]*",
    "{,docs/,.github/}CODEOWNERS",
    ".github/{ISSUE_TEMPLATE,PULL_REQUEST_TEMPLATE}/**",
];

/// How strict the pipeline is, and how long it may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// Syntax, secrets and, where there are any, tests must pass.
    #[default]
    Default,
    /// As `default`, and dependencies must be checked.
    Production,
    /// A small service: as `default`, with less time.
    Microservice,
    /// A web front end: as `default`, with less time.
    Frontend,
    /// A model: as `default`, with more time.
    MlModel,
    /// An urgent fix: straight to production, without staging.
    Hotfix,
}

impl Template {
    /// Every template with its name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Default, "default"),
        (Self::Production, "production"),
        (Self::Microservice, "microservice"),
        (Self::Frontend, "frontend"),
        (Self::MlModel, "ml_model"),
        (Self::Hotfix, "hotfix"),
    ];

    /// What the template asks for.
    #[must_use]
    pub const fn policy(self) -> TemplatePolicy {
        use ScanLevel::{Basic, Comprehensive, Standard};
        let (timeout_minutes, min_coverage, min_quality_score, scan) = match self {
            Self::Default => (30, 80.0, 7.0, Standard),
            Self::Production => (45, 85.0, 8.0, Comprehensive),
            Self::Microservice => (20, 80.0, 7.0, Standard),
            Self::Frontend => (25, 70.0, 7.0, Standard),
            Self::MlModel => (60, 70.0, 6.0, Basic),
            Self::Hotfix => (10, 70.0, 6.0, Basic),
        };
        let strict: &[&str] = match self {
            Self::Production => &["unit", "coverage", "vulnerabilities", "dependencies"],
            _ => &[],
        };
        let skips: &[&str] = match self {
            Self::Hotfix => &["integration", "e2e"],
            _ => &[],
        };
        TemplatePolicy { timeout_minutes, min_coverage, min_quality_score, scan, strict, skips }
    }

    /// How strict it is: a template asks for all that those below it ask for.
    #[must_use]
    pub const fn strictness(self) -> u8 {
        match self {
            Self::Hotfix => 0,
            Self::MlModel => 1,
            Self::Frontend => 2,
            Self::Default | Self::Microservice => 3,
            Self::Production => 4,
        }
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(t, _)| *t == self).map_or("default", |(_, name)| name)
    }

    /// The template with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| *name == text).map(|(t, _)| *t)
    }
}

/// What a template asks for where the repository says nothing else. Coverage and quality count
/// wherever they were measured; what is strict has to be measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplatePolicy {
    /// Minutes from the push to the decision of the gate.
    pub timeout_minutes: u32,
    /// Least line coverage in percent.
    pub min_coverage: f64,
    /// Least quality score, from 0 to 10: ten times the share of changed functions that are
    /// within every threshold.
    pub min_quality_score: f64,
    /// How much the security checks decide.
    pub scan: ScanLevel,
    /// Checks that must be carried out and find something to check.
    pub strict: &'static [&'static str],
    /// Checks that are left out unless the repository demands them.
    pub skips: &'static [&'static str],
}

/// How much the security checks decide. With each of them a new finding that is critical or high
/// rejects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScanLevel {
    /// Nothing more.
    Basic,
    /// A medium one is worth a look.
    #[default]
    Standard,
    /// Both checks have to be carried out, and a medium one rejects.
    Comprehensive,
}

/// Whether a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckMode {
    /// As the plan decides.
    Auto,
    /// Never.
    Skip,
    /// Always, and the gate needs it to pass.
    Require,
}

/// Thresholds of the gate. None: no threshold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateSettings {
    /// Least line coverage in all, in percent.
    pub min_coverage: Option<f64>,
    /// Least line coverage of the changed lines, in percent.
    pub min_changed_coverage: Option<f64>,
    /// Gravest vulnerability or dependency advisory that still passes.
    pub max_severity: Option<Severity>,
    /// Most findings of the quality check.
    pub max_quality_findings: Option<u64>,
    /// Whether the template's quality score counts beside the number of findings; no file says so,
    /// but the policy before may.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub quality_score: bool,
    /// Whether nothing but a fix is released while an environment of the tier `production` has used up
    /// the budget of errors that its objectives leave.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fixes_only_when_spent: bool,
}

/// Thresholds of the code agent. Only what is new or became worse is held to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeSettings {
    /// Highest cyclomatic complexity of a function.
    pub max_cyclomatic: u32,
    /// Highest cognitive complexity of a function.
    pub max_cognitive: u32,
    /// Most lines of code of a function.
    pub max_function_lines: u32,
    /// Most control statements around a line.
    pub max_nesting: u32,
    /// Most parameters of a function.
    pub max_parameters: u32,
    /// Most tokens in a row that a function may have in common with another place; tests may
    /// repeat themselves.
    pub max_duplicate_tokens: u32,
    /// Thresholds of tests.
    pub tests: CodeThresholds,
    /// Paths (globs) that are not looked at: generated or vendored code, broken fixtures.
    pub ignore: Vec<String>,
}

/// Thresholds of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CodeThresholds {
    /// Highest cyclomatic complexity of a function.
    pub max_cyclomatic: u32,
    /// Highest cognitive complexity of a function.
    pub max_cognitive: u32,
    /// Most lines of code of a function.
    pub max_function_lines: u32,
    /// Most control statements around a line.
    pub max_nesting: u32,
    /// Most parameters of a function.
    pub max_parameters: u32,
}

impl Default for CodeSettings {
    fn default() -> Self {
        Self {
            max_cyclomatic: 15,
            max_cognitive: 20,
            max_function_lines: 120,
            max_nesting: 5,
            max_parameters: 8,
            max_duplicate_tokens: 100,
            tests: CodeThresholds::default(),
            ignore: Vec::new(),
        }
    }
}

impl CodeSettings {
    /// The thresholds of what is no test.
    #[must_use]
    pub const fn thresholds(&self) -> CodeThresholds {
        CodeThresholds {
            max_cyclomatic: self.max_cyclomatic,
            max_cognitive: self.max_cognitive,
            max_function_lines: self.max_function_lines,
            max_nesting: self.max_nesting,
            max_parameters: self.max_parameters,
        }
    }
}

/// Those of tests: they may be longer, and are given what they need.
impl Default for CodeThresholds {
    fn default() -> Self {
        Self {
            max_cyclomatic: 20,
            max_cognitive: 25,
            max_function_lines: 240,
            max_nesting: 5,
            max_parameters: 12,
        }
    }
}

/// How to run the tests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TestSettings {
    /// Unit tests; none: detected from the repository.
    pub unit: Option<Suite>,
    /// Integration tests; none: there are none.
    pub integration: Option<Suite>,
    /// End-to-end tests against staging, whose address is in `PACT_URL`; none: there are none.
    pub e2e: Option<Suite>,
    /// Coverage reports (globs, LCOV) that the tests write.
    pub coverage: Vec<String>,
    /// Further suites of unit tests, or other ways to run those that are detected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suites: Vec<NamedSuite>,
    /// Names or folders (globs) of detected suites that are not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// Names of suites that are meant to be gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
}

/// A suite that the settings name: it is run beside those that are detected, in place of the one of
/// the same name or in the same folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedSuite {
    /// By which it is known.
    pub name: String,
    /// What runs it, by its kind; none: what is meant where the settings name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// The workflow that is the suite, for a runner that has workflows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Names (globs) of the artifacts that have its reports, for a runner that has artifacts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
    /// Program with arguments.
    pub command: Vec<String>,
    /// What has to be done before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup: Option<Vec<String>>,
    /// Directory to run in, below the repository's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Further environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// JUnit reports (globs) that it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
    /// Time-out in seconds; none: that of the unit tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Whether it has a build of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
}

impl NamedSuite {
    /// The runner that it names, with what of the suite is for that runner; none: it names none.
    #[must_use]
    pub fn instance(&self) -> Option<Instance> {
        let Value::Object(mut settings) = serde_json::to_value(self).ok()? else { return None };
        for key in ["name", "runner", "reports", "timeout_seconds", "isolated"] {
            settings.remove(key);
        }
        Some(Instance { kind: self.runner.clone()?, settings })
    }
}

/// One suite of tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suite {
    /// What runs it.
    pub runner: Instance,
    /// Time-out in seconds.
    pub timeout_seconds: u64,
    /// JUnit reports (globs) that the tests write.
    #[serde(default)]
    pub reports: Vec<String>,
    /// Whether they have a build of their own, where unit and integration tests share one otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
}

/// Time-out of a suite without one, in seconds.
pub const DEFAULT_TEST_TIMEOUT: u64 = 600;

/// What the security agent looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecuritySettings {
    /// Paths (globs) that are not looked at: fixtures with planted faults.
    pub ignore: Vec<String>,
    /// Advisory ids (`RUSTSEC-…`, `GHSA-…`, `CVE-…`) that were judged and accepted, with the reason.
    pub accept: BTreeMap<String, String>,
    /// Paths (globs) of what other scanners found, in SARIF 2.1.0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sarif: Vec<String>,
    /// Paths (globs) of the repository's own rules of static analysis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    /// Under which licences dependencies may be.
    #[serde(skip_serializing_if = "is_default")]
    pub licenses: LicenseSettings,
}

impl SecuritySettings {
    /// What both leave out or accept, and everything that either looks at or asks for.
    #[must_use]
    pub fn stricter(&self, own: &Self) -> Self {
        let either = |before: &[String], own: &[String]| -> Vec<String> {
            let missing = before.iter().filter(|entry| !own.contains(entry));
            own.iter().chain(missing).cloned().collect()
        };
        let accepted = own.accept.iter().filter(|(id, _)| self.accept.contains_key(*id));
        Self {
            ignore: own.ignore.iter().filter(|glob| self.ignore.contains(glob)).cloned().collect(),
            accept: accepted.map(|(id, reason)| (id.clone(), reason.clone())).collect(),
            sarif: either(&self.sarif, &own.sarif),
            rules: either(&self.rules, &own.rules),
            licenses: LicenseSettings {
                allow: match (&self.licenses.allow, &own.licenses.allow) {
                    (Some(before), Some(own)) => {
                        Some(own.iter().filter(|id| before.contains(id)).cloned().collect())
                    }
                    (one, other) => one.as_ref().or(other.as_ref()).cloned(),
                },
                deny: either(&self.licenses.deny, &own.licenses.deny),
                // Where one of them has no policy, nothing is unknown to it.
                unknown: match (self.licenses.is_set(), own.licenses.is_set()) {
                    (true, true) => self.licenses.unknown.min(own.licenses.unknown),
                    (true, false) => self.licenses.unknown,
                    (false, _) => own.licenses.unknown,
                },
            },
        }
    }
}

/// Under which licences dependencies may be, by their SPDX ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LicenseSettings {
    /// These alone are allowed; none: all that are not denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// These are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// What follows where nobody says under which licence a package is.
    #[serde(skip_serializing_if = "is_default")]
    pub unknown: UnknownLicense,
}

impl LicenseSettings {
    /// Whether there is anything to hold licences against.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.allow.is_some() || !self.deny.is_empty()
    }
}

/// What follows where nobody says under which licence a package is; the stricter one first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownLicense {
    /// The package was not checked, and so the check has not passed.
    #[default]
    Hold,
    /// It is listed, and holds nothing.
    List,
}

/// Whom to tell. Secrets are never in the repository: a channel names the parameter that holds
/// its address or token, and the installation supplies it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotifySettings {
    /// The settings of each channel that is wanted, by its kind, in the form of the file. What
    /// they mean is the channel's affair.
    #[serde(deserialize_with = "wanted")]
    pub channels: BTreeMap<String, Map<String, Value>>,
}

impl NotifySettings {
    /// The settings of a channel, where it is wanted.
    #[must_use]
    pub fn get(&self, channel: &str) -> Option<&Map<String, Value>> {
        self.channels.get(channel)
    }
}

/// A channel that is null is not wanted: so it was written before there were kinds.
fn wanted<'de, D>(deserializer: D) -> Result<BTreeMap<String, Map<String, Value>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let channels = BTreeMap::<String, Option<Map<String, Value>>>::deserialize(deserializer)?;
    Ok(channels.into_iter().filter_map(|(kind, settings)| Some((kind, settings?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn channels_from_before_there_were_kinds_are_read() {
        let stored = json!({ "slack": { "channel": null }, "email": null });
        let settings: NotifySettings = serde_json::from_value(stored).expect("settings");
        assert_eq!(settings.channels.len(), 1);
        assert!(settings.get("slack").is_some() && settings.get("email").is_none());
        let wire = serde_json::to_value(settings).expect("json");
        assert_eq!(wire, json!({ "slack": { "channel": null } }));
    }
}
