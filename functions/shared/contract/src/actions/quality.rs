//! The actions of the quality agent before a deployment; [`crate::judgement`] has that after it.

use serde::{Deserialize, Serialize};

use crate::{
    environments::EnvironmentList,
    ids::{EnvironmentName, ReleaseId},
    objectives::Sli,
    run::{Checks, Decision, RunRequest},
    settings::{Settings, Template},
};

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
    /// By which rule of `[on]` nothing that changed counts, so that as little is done as for
    /// documentation; none where something counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untouched: Option<String>,
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
    /// How much may go wrong; none where it is not known what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The repository's conditions that hold, or of which that cannot be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<AppliedCondition>,
    /// What is left of the budgets of errors, where the gate asks for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetLeft>,
    /// Whether the run was asked for as a fix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fix: bool,
}

/// What is left of the budget of errors of a promise that the release in effect makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetLeft {
    /// Where.
    pub environment: EnvironmentName,
    /// What is promised; none: nothing is, or nobody knows.
    #[serde(default)]
    pub promise: Option<Sli>,
    /// Within how many days.
    #[serde(default)]
    pub days: u32,
    /// The share that is left: 1 is all of it, less than 0 more than there was. None: nothing was
    /// counted, or nobody knows.
    #[serde(default)]
    pub left: Option<f64>,
    /// Why nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// How much may go wrong with a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// From 0 to 100.
    pub score: u32,
    /// What it is the sum of.
    pub terms: Vec<RiskTerm>,
}

/// One term of a risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskTerm {
    /// What it is about.
    pub name: String,
    /// What it adds.
    pub points: u32,
    /// Why, as a fragment.
    pub why: String,
}

/// A condition of the repository that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedCondition {
    /// Its name.
    pub name: String,
    /// The expression.
    pub when: String,
    /// Whether the gate holds the release.
    #[serde(default)]
    pub hold: bool,
    /// Why nobody can say whether it holds: then what it asks for is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
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
