//! The run model: what a push asks for, what each stage found, what was decided and deployed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    environments::Tier,
    fallback::Fallback,
    finding::Finding,
    ids::{EnvironmentName, ReleaseId, RepositoryName, RunId, StateName},
    ledger::OnPurpose,
    policy::RunPolicy,
    schema::SchemaVersion,
};

/// What the name of an execution ends with that takes back what a run began whose own execution
/// ended from outside: the rest is that one's name.
pub const TAKE_BACK: &str = "-back";

/// A repository as the git host names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Full name, for example `acme/web-shop`.
    pub name: RepositoryName,
    /// Address to fetch from: `https://…`, `http://…` or, where allowed, `file:///…`.
    pub url: String,
    /// Name of the default branch.
    pub default_branch: String,
}

/// What starts a run, and the input of the pipeline's execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRequest {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Identity of the run and name of its execution.
    pub run_id: RunId,
    /// The repository that was pushed to.
    pub repository: Repository,
    /// Full name of the ref, for example `refs/heads/main`.
    pub reference: String,
    /// Branch, or tag name for tags.
    pub branch: String,
    /// Commit to build, as full hexadecimal id.
    pub commit: String,
    /// Commit the push started from; none when everything is new.
    pub base: Option<String>,
    /// First line of the commit's message.
    pub message: Option<String>,
    /// Author of the commit.
    pub author: Option<String>,
    /// What started the run.
    pub trigger: Trigger,
    /// Template asked for; otherwise the repository's own or `default`.
    pub template: Option<String>,
    /// Last environment to deploy to; otherwise as the plan says.
    pub environment: Option<EnvironmentName>,
    /// The run's page on the dashboard.
    pub url: String,
    /// When the push was accepted.
    pub started_at: Timestamp,
    /// By whose rules the commit is judged.
    #[serde(default)]
    pub policy: RunPolicy,
    /// Place of the push in its branch: a later push has a larger one. None in what was accepted
    /// before pushes had places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// Set when a person wants the commit deployed whatever the order and the verdicts say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_purpose: Option<OnPurpose>,
    /// Why nothing is deployed, whatever the repository configures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_only: Option<String>,
    /// The pull request whose head the commit is; none for a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullRequest>,
}

impl RunRequest {
    /// Version in which it is written: the second has runs that are queued or superseded.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();
}

/// [`Trigger::kind`] of a run for a push that a git host told of.
pub const PUSH: &str = "push";

/// [`Trigger::kind`] of a run for a push that nobody told of: its host showed it when it was asked.
pub const FOUND: &str = "found";

/// [`Trigger::kind`] of a run for a pull request.
pub const PULL_REQUEST: &str = "pull_request";

/// A pull request, as its host tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Branch that it is to be merged into.
    pub target: String,
    /// Full name of the ref that points to the result of merging it, where its host makes one: that
    /// is what is verified, while it is the merge of this very commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<String>,
    /// Whether its commits come from another repository.
    #[serde(default)]
    pub fork: bool,
    /// Its labels, as the host told of them with this head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

/// [`Trigger::kind`] of a run that returns an environment to an earlier release.
pub const ROLLBACK: &str = "rollback";

/// What started a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// `push`, `pull_request`, `api` or `rollback`.
    pub kind: String,
    /// Who: the pusher's login or the caller of the API.
    pub actor: Option<String>,
    /// The git host's id of the delivery.
    pub delivery: Option<String>,
}

/// State of a run. Everything but [`RunStatus::Queued`] and [`RunStatus::Running`] is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Accepted; it begins when there is room.
    Queued,
    /// Not yet decided.
    Running,
    /// Everything that was planned was done, and is well.
    Succeeded,
    /// A fault, or a deployment that could not be carried out.
    Failed,
    /// The gate, or a person, said no.
    Rejected,
    /// A person has to decide: a needed check was skipped, or nobody answered in time.
    Held,
    /// A release was taken back and the one before it answers again.
    RolledBack,
    /// A release could not be taken back; a person is needed.
    RollbackFailed,
    /// Stopped on request.
    Cancelled,
    /// Took longer than the state machine allows.
    TimedOut,
    /// A newer push of the branch took its place.
    Superseded,
}

impl RunStatus {
    /// Every status.
    pub const ALL: &'static [Self] = &[
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Rejected,
        Self::Held,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::Cancelled,
        Self::TimedOut,
        Self::Superseded,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Held => "held",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed => "rollback_failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Superseded => "superseded",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text)
    }

    /// Error with which the state machine ends the execution; none where it ends well, or is
    /// ended from outside.
    #[must_use]
    pub const fn error(self) -> Option<&'static str> {
        match self {
            Self::Failed => Some("Pact.Failed"),
            Self::Rejected => Some("Pact.Rejected"),
            Self::RolledBack => Some("Pact.RolledBack"),
            Self::RollbackFailed => Some("Pact.RollbackFailed"),
            Self::Queued
            | Self::Running
            | Self::Succeeded
            | Self::Held
            | Self::Cancelled
            | Self::TimedOut
            | Self::Superseded => None,
        }
    }

    /// Whether nothing more will happen to the run.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A run as the run store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was asked for.
    pub request: RunRequest,
    /// Where it stands.
    pub status: RunStatus,
    /// ARN of the execution.
    pub execution_arn: String,
    /// The last environment that it began to deploy to: from then on it is not simply ended, what it
    /// began is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deploying: Option<EnvironmentName>,
    /// When the final status was written.
    pub finished_at: Option<Timestamp>,
    /// How it ended, written by the state machine with the final status.
    pub outcome: Option<Outcome>,
}

impl RunRecord {
    /// Address of the execution in the console of AWS; none for an execution that is not there.
    #[must_use]
    pub fn console_url(&self) -> Option<String> {
        let arn = self.execution_arn.as_str();
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "states", region, account, "execution", machine, name] = parts[..]
        else {
            return None;
        };
        let host = match partition {
            "aws" => "console.aws.amazon.com",
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => return None,
        };
        // No account of AWS has only zeros: that is what a local stack has.
        let account = account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && account.bytes().any(|b| b != b'0');
        let plain = |text: &str, more: &[u8]| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
        };
        let known = account && plain(region, b"-") && plain(machine, b"-_") && plain(name, b"-_.");
        known.then(|| {
            format!(
                "https://{region}.{host}/states/home?region={region}#/v2/executions/details/{arn}"
            )
        })
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The final status.
    pub status: RunStatus,
    /// One sentence: why.
    pub reason: String,
    /// Template that the plan chose; absent when the run ended before the plan.
    #[serde(default)]
    pub template: Option<String>,
    /// The gate's decision; absent when the run ended before the gate.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// What was deployed, taken back included.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// The fault that ended the run, if it was one.
    #[serde(default)]
    pub fault: Option<Fault>,
}

impl Outcome {
    /// Version in which it is written: the second has runs that were superseded.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();

    /// An outcome of which only the status is known, and the reason why.
    #[must_use]
    pub fn unknown(status: RunStatus, reason: String) -> Self {
        let (template, decision, deployments, fault) = (None, None, Vec::new(), None);
        Self { status, reason, template, decision, deployments, fault }
    }
}

/// A fault as the state machine caught it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// State that failed.
    pub state: StateName,
    /// Error name.
    #[serde(default = "nameless", deserialize_with = "or_nameless")]
    pub error: String,
    /// Cause, as text.
    #[serde(default)]
    pub cause: Option<String>,
}

fn nameless() -> String {
    "an error without a name".to_owned()
}

/// A task that somebody fails by its token need not say why.
fn or_nameless<'de, D: serde::Deserializer<'de>>(name: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(name)?.unwrap_or_else(nameless))
}

impl Fault {
    /// What was raised, in a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let cause = self.cause.as_deref().map_or("no cause was given".to_owned(), message);
        format!("{}: {cause}", self.error)
    }
}

/// The message of a cause. Lambda's is a JSON document, here perhaps cut off; anything else is
/// its own message.
fn message(cause: &str) -> String {
    let document: Option<Value> = serde_json::from_str(cause).ok();
    if let Some(message) = document.as_ref().and_then(|d| d.get("errorMessage")?.as_str()) {
        return message.replace(['\n', '\r', '\t'], " ");
    }
    let cut = cause.split_once("\"errorMessage\":").map(|(_, rest)| rest.trim_start());
    match cut.and_then(|rest| rest.strip_prefix('"')).filter(|_| document.is_none()) {
        Some(rest) => rest.replace("\\n", " ").replace("\\\"", "\""),
        None => cause.to_owned(),
    }
}

/// State of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageStatus {
    /// At work; never in an answer.
    Running,
    /// Checked or done, and well.
    Passed,
    /// Checked or tried, and not well: a verdict.
    Failed,
    /// Not checked, for the reason in the summary. Never counts as passed.
    Skipped,
    /// Could not be checked: a fault.
    Error,
}

impl StageStatus {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Error => "error",
        }
    }
}

/// What one state of the pipeline found, as the run store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// The run.
    pub run_id: RunId,
    /// State of the state machine; the key within the run.
    pub state: StateName,
    /// The agent, for example `test-agent`.
    pub agent: String,
    /// The action.
    pub action: String,
    /// The verdict.
    pub status: StageStatus,
    /// One sentence for people.
    pub summary: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How long it took; 0 while it runs.
    pub duration_ms: u64,
    /// Findings, the gravest first; bounded, `findings_total` says how many there are.
    pub findings: Vec<Finding>,
    /// Number of findings in all.
    pub findings_total: usize,
    /// What the action returned to the state machine.
    pub output: Value,
    /// Where the whole result is, when it was too large for the store.
    pub details_key: Option<String>,
    /// Error name, for a fault.
    pub error: Option<String>,
    /// Set when the answer was reached by a fallback.
    pub fallback: Option<Fallback>,
}

impl StageRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Name for people: `Run unit tests` for the state `RunUnitTests`.
    #[must_use]
    pub fn title(&self) -> String {
        self.state.title()
    }
}

/// What the gate lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As far as it is planned: to environments of the tier `production`.
    Promote,
    /// To environments of the tier `staging` only.
    StageOnly,
    /// Well, but there is nothing to deploy: no environment, or only documentation changed.
    VerifyOnly,
    /// A person has to decide.
    Hold,
    /// Not to be released.
    Reject,
}

impl Verdict {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::StageOnly => "stage_only",
            Self::VerifyOnly => "verify_only",
            Self::Hold => "hold",
            Self::Reject => "reject",
        }
    }
}

/// The gate's decision with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What was decided.
    pub verdict: Verdict,
    /// One sentence: the decisive reason.
    pub summary: String,
    /// Every rule that was looked at, the decisive ones first.
    pub reasons: Vec<RuleResult>,
    /// The smallest set of changes with which the release would pass, one sentence each; empty
    /// where it passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_pass: Vec<String>,
}

/// One rule of a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Stable name of the rule, for example `tests-pass`.
    pub rule: String,
    /// Whether the rule is met.
    pub outcome: RuleOutcome,
    /// Whether the decision depends on it.
    pub required: bool,
    /// What was measured.
    pub value: Value,
    /// What is asked for.
    pub threshold: Value,
    /// One sentence for people.
    pub message: String,
    /// What would pass, when it is not met: a counterfactual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_pass: Option<String>,
}

/// Result of one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleOutcome {
    /// Met.
    Met,
    /// Not met.
    NotMet,
    /// Not known, because the check was skipped or could not be carried out.
    NotChecked,
}

/// One deployment of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The environment.
    pub environment: EnvironmentName,
    /// What it is for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The whole of which the environment is one wave; none: it is the whole, or that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave_of: Option<EnvironmentName>,
    /// The release that was deployed; none when it is about an environment that has none.
    #[serde(with = "crate::ids::or_empty")]
    pub release: Option<ReleaseId>,
    /// The release that it replaced.
    #[serde(default)]
    pub previous: Option<ReleaseId>,
    /// Where the deployment stands.
    pub status: DeploymentStatus,
    /// Address of the service, where it has one.
    #[serde(default)]
    pub url: Option<String>,
    /// The part of the requests that the release has, or had last, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// All the parts that it had, one after the other, where it came step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weights: Vec<u32>,
    /// Addresses of this release and of the one before it, where both take requests and each has one of
    /// its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
}

/// Two releases that stand beside each other, each by an address that leads to it alone, whatever part of
/// the requests it has; a version of a function of Lambda, which has none, by [`VERSION_OF_FUNCTION`], its
/// function's name, `:` and its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// The new one.
    pub new: String,
    /// The one before it.
    pub old: String,
}

/// How a version of a function begins in [`Apart`].
pub const VERSION_OF_FUNCTION: &str = "lambda:";

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Recorded, but not yet in effect.
    Pending,
    /// In effect.
    Live,
    /// Could not be put into effect; nothing was replaced.
    Failed,
    /// Taken back.
    RolledBack,
    /// Could not be taken back.
    RollbackFailed,
}

/// What became of one notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// `slack`, `email` or `jira`.
    pub channel: String,
    /// Whether it was delivered.
    pub sent: bool,
    /// Where to, or why not.
    pub detail: String,
}

impl NotificationRecord {
    /// What the channel's name ends with where it reminds of a question.
    pub const REMINDER: &str = "/reminder";

    /// Whether it was to tell somebody something, and did not. A reminder that was not needed is no
    /// such thing.
    #[must_use]
    pub fn is_missed(&self) -> bool {
        !self.sent && !self.channel.ends_with(Self::REMINDER)
    }
}

/// Checks by name (`syntax`, `unit`, …) with what each found: what the gate looks at.
pub type Checks = BTreeMap<String, CheckResult>;

/// What one check found, as far as the gate needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The verdict.
    pub status: StageStatus,
    /// One sentence for people; empty where a fault says it.
    #[serde(default)]
    pub summary: String,
    /// The action's output: the numbers that rules compare.
    #[serde(default)]
    pub output: Value,
    /// The gravest findings.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Skipped because there is nothing that could be checked.
    #[serde(default)]
    pub not_applicable: bool,
    /// What was raised, where the check could not be carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

impl CheckResult {
    /// Why the check ended as it did, in a sentence for people.
    #[must_use]
    pub fn reason(&self) -> String {
        self.fault.as_ref().map_or_else(|| self.summary.clone(), Fault::sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_parses_back_and_is_its_serde_name() {
        for status in RunStatus::ALL {
            assert_eq!(RunStatus::parse(status.as_str()), Some(*status));
            assert_eq!(serde_json::to_value(status).expect("an enum serialises"), status.as_str());
        }
        assert_eq!(RunStatus::parse("unknown"), None);
    }

    #[test]
    fn the_console_is_where_the_execution_is() {
        let url = |arn: &str| {
            let request = serde_json::json!({
                "schema": 1, "run_id": "shop-1", "reference": "refs/heads/main", "branch": "main",
                "repository": { "name": "acme/shop", "url": "https://x/y", "default_branch": "main" },
                "commit": "1".repeat(40), "base": null, "message": null, "author": null,
                "trigger": { "kind": "api", "actor": null, "delivery": null }, "template": null,
                "environment": null, "url": "https://x/runs/shop-1",
                "started_at": "2026-01-01T00:00:00Z",
            });
            let record = RunRecord {
                request: serde_json::from_value(request).expect("a request"),
                status: RunStatus::Running,
                execution_arn: arn.to_owned(),
                deploying: None,
                finished_at: None,
                outcome: None,
            };
            record.console_url()
        };
        let arn = "arn:aws:states:eu-central-1:123456789012:execution:pact-pipeline:shop-1";
        let expected = format!(
            "https://eu-central-1.console.aws.amazon.com/states/home?region=eu-central-1\
             #/v2/executions/details/{arn}"
        );
        assert_eq!(url(arn), Some(expected));
        let cn = "arn:aws-cn:states:cn-north-1:123456789012:execution:pact-pipeline:shop-1";
        assert!(url(cn).is_some_and(|u| u.starts_with("https://cn-north-1.console.amazonaws.cn/")));
        for elsewhere in [
            "",
            "arn:aws:states:us-east-1:000000000000:execution:pact-pipeline:shop-1",
            "arn:aws:states:us-east-1:123456789012:stateMachine:pact-pipeline",
            "arn:aws:states:evil.example/:123456789012:execution:pact-pipeline:shop-1",
            "arn:aws:states:us-east-1:123456789012:execution:pact-pipeline:\"x",
        ] {
            assert_eq!(url(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_fault_says_what_was_raised() {
        let say = |error: Value, cause: Option<&str>| {
            let fault = serde_json::json!({ "state": "A", "error": error, "cause": cause });
            serde_json::from_value::<Fault>(fault).expect("a fault").sentence()
        };
        let lambda = r#"{"errorType":"ERR_X","errorMessage":"said \"no\"\nand left \u00e9"}"#;
        assert_eq!(say("ERR_X".into(), Some(lambda)), "ERR_X: said \"no\" and left é");
        let cut = r#"{"errorType":"ERR_X","errorMessage":"said \"no\"\nand le"#;
        assert_eq!(say("ERR_X".into(), Some(cut)), "ERR_X: said \"no\" and le");
        let other = r#"{"errorType":"\"errorMessage\""}"#;
        assert_eq!(say("ERR_X".into(), Some(other)), format!("ERR_X: {other}"));
        assert_eq!(say("ERR_X".into(), Some("plain")), "ERR_X: plain");
        assert_eq!(say(Value::Null, None), "an error without a name: no cause was given");
        let bare: Fault = serde_json::from_str(r#"{"state":"A"}"#).expect("a fault");
        assert_eq!(bare.error, "an error without a name");
    }
}
