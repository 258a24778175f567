//! From what ends a run to the run with its stages, as the pipeline records them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    Deployment, Finding, Repository, RunRecord, RunRequest, RunStatus, StageRecord, StageStatus,
    Verdict,
    run::{Decision, DeploymentStatus, Fault, Outcome, RuleOutcome, RuleResult, Trigger},
};

/// A run with its stages.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its kind: the end of its id.
    pub name: &'static str,
    /// The run.
    pub run: RunRecord,
    /// Its stages in the order in which they began.
    pub stages: Vec<StageRecord>,
}

const RELEASE: &str = "20261123-102030-3f9c2ab17d";

/// What ends a run.
pub(super) struct Case<'a> {
    pub(super) name: &'static str,
    pub(super) message: &'static str,
    pub(super) status: RunStatus,
    pub(super) reason: &'a str,
    /// Stage that is not as in a good run: state, status, summary, findings, output.
    pub(super) stage: (&'static str, StageStatus, &'a str, Vec<Finding>, Value),
    /// Rules that are not as in a good run.
    pub(super) rules: Vec<RuleResult>,
    pub(super) fault: Option<(&'static str, &'static str)>,
}

/// The stages of a run that goes all the way: state, agent, action, milliseconds, summary.
const GOOD: &[(&str, &str, &str, i64, &str)] = &[
    (
        "AnalyzeChanges",
        "code-agent",
        "code.analyze_changes",
        900,
        "6 files changed, 142 lines added, 38 removed",
    ),
    (
        "PlanPipeline",
        "quality-agent",
        "quality.plan_pipeline",
        60,
        "template production, to staging, then production",
    ),
    ("ValidateSyntax", "code-agent", "code.validate_syntax", 410, "6 files are valid"),
    (
        "CheckQuality",
        "code-agent",
        "code.check_quality",
        620,
        "9 changed functions are within their thresholds",
    ),
    ("RunUnitTests", "test-agent", "tests.run_unit", 14_300, "14 passed in 14.1 s (cargo)"),
    (
        "CheckCoverage",
        "test-agent",
        "tests.check_coverage",
        240,
        "81.3 % of 2140 lines, 90.0 % of 120 changed lines covered",
    ),
    (
        "ScanVulnerabilities",
        "security-agent",
        "security.scan_vulnerabilities",
        700,
        "6 changed files checked for dangerous code: nothing found",
    ),
    (
        "CheckDependencies",
        "security-agent",
        "security.check_dependencies",
        1_900,
        "212 packages checked for advisories: nothing found",
    ),
    (
        "ValidateSecrets",
        "security-agent",
        "security.validate_secrets",
        120,
        "6 changed files checked for secrets: nothing found",
    ),
    (
        "EvaluateGate",
        "quality-agent",
        "quality.evaluate_gate",
        40,
        "Promoted: all 4 rules that the gate needs are met",
    ),
    (
        "Deploy.staging",
        "deploy-agent",
        "deploy.to_staging",
        3_200,
        "release 20261123-102030-3f9c2ab17d is live in staging",
    ),
    (
        "CheckStatus.staging",
        "deploy-agent",
        "deploy.check_status",
        80,
        "20261123-102030-3f9c2ab17d is current in staging",
    ),
    (
        "CheckHealth.staging",
        "monitor-agent",
        "monitor.check_health",
        700,
        "2 of 2 probes are healthy",
    ),
    ("RunEndToEnd.staging", "test-agent", "tests.run_e2e", 5_100, "5 passed in 4.9 s"),
    (
        "InspectEnvironment.production",
        "deploy-agent",
        "deploy.check_status",
        70,
        "20261122-161500-77aa01c2d3 is current in production",
    ),
    (
        "TrackBaseline.production",
        "monitor-agent",
        "monitor.track_metrics",
        5_000,
        "50 requests, none failed, 95th percentile 9 ms",
    ),
    (
        "Deploy.production",
        "deploy-agent",
        "deploy.to_production",
        3_000,
        "release 20261123-102030-3f9c2ab17d is live in production",
    ),
    (
        "CheckStatus.production",
        "deploy-agent",
        "deploy.check_status",
        60,
        "20261123-102030-3f9c2ab17d is current in production",
    ),
    (
        "CheckHealth.production",
        "monitor-agent",
        "monitor.check_health",
        650,
        "2 of 2 probes are healthy",
    ),
    (
        "TrackMetrics.production",
        "monitor-agent",
        "monitor.track_metrics",
        10_000,
        "100 requests, 38 failed, 95th percentile 11 ms",
    ),
    (
        "DetectAnomalies.production",
        "monitor-agent",
        "monitor.detect_anomalies",
        20,
        "1 measurement is worse than before the release",
    ),
    ("JudgeRelease.production", "quality-agent", "quality.judge_release", 20, "The release stays"),
];

/// The rules of a good run: rule, whether the gate needs it, message.
const RULES: &[(&str, bool, &str)] = &[
    ("syntax-valid", true, "6 files are valid"),
    ("no-secrets", true, "6 changed files checked for secrets: nothing found"),
    ("tests-pass", true, "14 passed in 14.1 s (cargo)"),
    ("integration-tests-pass", false, "no integration tests are configured"),
    ("coverage", false, "81.3 % of 2140 lines; no threshold is set"),
    ("changed-coverage", false, "90.0 % of 120 changed lines; no threshold is set"),
    ("dependencies-safe", true, "212 packages checked for advisories: nothing found"),
    ("no-vulnerabilities", false, "6 changed files checked for dangerous code: nothing found"),
    ("quality", false, "9 changed functions are within their thresholds"),
];

pub(super) fn not_met(rule: &str, message: &str, would_pass: &str) -> RuleResult {
    RuleResult {
        rule: rule.to_owned(),
        outcome: RuleOutcome::NotMet,
        required: true,
        value: json!(1),
        threshold: json!(0),
        message: message.to_owned(),
        would_pass: Some(would_pass.to_owned()),
    }
}

fn decision(broken: &[RuleResult], reason: &str) -> Decision {
    let mut reasons = broken.to_vec();
    reasons.extend(RULES.iter().filter(|(rule, ..)| !broken.iter().any(|b| b.rule == *rule)).map(
        |(rule, required, message)| RuleResult {
            rule: (*rule).to_owned(),
            outcome: RuleOutcome::Met,
            required: *required,
            value: json!(0),
            threshold: Value::Null,
            message: (*message).to_owned(),
            would_pass: None,
        },
    ));
    let rejected = broken.iter().any(|b| b.outcome == RuleOutcome::NotMet);
    let (verdict, summary) = match (rejected, broken.is_empty()) {
        (true, _) => (Verdict::Reject, reason),
        (false, false) => (Verdict::Hold, reason),
        (false, true) => (Verdict::Promote, "Promoted: all 4 rules that the gate needs are met"),
    };
    let would_pass = broken.iter().filter_map(|rule| rule.would_pass.clone()).collect();
    Decision { verdict, summary: summary.to_owned(), reasons, would_pass }
}

pub(super) fn deployment(environment: &str, status: DeploymentStatus) -> Deployment {
    Deployment {
        previous: "20261122-161500-77aa01c2d3".parse().ok(),
        url: Some("http://127.0.0.1:8081".to_owned()),
        ..Deployment::new(
            &environment.parse().expect("a name"),
            &RELEASE.parse().expect("a name"),
            status,
        )
    }
}

pub(super) fn build(case: Case<'_>, started: Timestamp) -> Sample {
    let id = format!("web-shop-3f9c2ab17d-{}", case.name);
    let run_id: crate::RunId = id.parse().expect("a run id");
    let (state, status, summary, findings, output) = case.stage;
    let mut at = started;
    let mut stages = Vec::new();
    let mut add = |(name, agent, action, ms, said): (&str, &str, &str, i64, &str)| {
        let began = at;
        at = at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(at);
        stages.push(StageRecord {
            schema: crate::SchemaVersion::FIRST,
            run_id: run_id.clone(),
            state: name.parse().expect("a name"),
            agent: agent.to_owned(),
            action: action.to_owned(),
            status: StageStatus::Passed,
            summary: said.to_owned(),
            attempt: 1,
            started_at: began,
            finished_at: Some(at),
            duration_ms: u64::try_from(ms).unwrap_or_default(),
            findings: Vec::new(),
            findings_total: 0,
            output: Value::Null,
            details_key: None,
            error: None,
            fallback: None,
        });
    };
    let decided = case.status == RunStatus::Rejected && !case.rules.is_empty();
    for good in GOOD {
        add(*good);
        // Checks go on beside each other until the gate; after it the first that fails ends it.
        let gate = good.0 == "EvaluateGate" && decided;
        let early = good.0 == state && (case.fault.is_some() || !decided);
        if gate || early {
            break;
        }
    }
    let environment = if state.ends_with(".staging") { "staging" } else { "production" };
    if case.status == RunStatus::RolledBack {
        // What the run changed goes back newest first.
        let both = [
            ("production", "Rollback.production", "CheckRestored.production"),
            ("staging", "Rollback.staging", "CheckRestored.staging"),
        ];
        for (_, rollback, restored) in
            both.into_iter().filter(|(name, ..)| environment == "production" || *name == "staging")
        {
            let said = "20261122-161500-77aa01c2d3 is current again";
            add((rollback, "deploy-agent", "deploy.rollback", 900, said));
            let said = "2 of 2 probes are healthy";
            add((restored, "monitor-agent", "monitor.check_health", 650, said));
        }
    }
    add(("NotifySlack", "notify-agent", "notify.slack_team", 300, "posted to #releases"));
    for stage in &mut stages {
        if stage.state == "EvaluateGate" && decided {
            stage.status = StageStatus::Failed;
            stage.summary = case.reason.to_owned();
        }
        if stage.state == state {
            stage.status = status;
            stage.summary = summary.to_owned();
            stage.findings_total = findings.len();
            stage.findings = findings.clone();
            stage.output = output.clone();
            stage.error = case.fault.map(|(error, _)| error.to_owned());
        }
    }
    let reached = |name: &str| stages.iter().any(|s| s.state == name);
    let mut deployments = Vec::new();
    if reached("Deploy.staging") {
        let status = match (state, case.status) {
            ("Deploy.staging", _) => DeploymentStatus::Failed,
            (_, RunStatus::RolledBack) => DeploymentStatus::RolledBack,
            _ => DeploymentStatus::Live,
        };
        deployments.push(deployment("staging", status));
    }
    if reached("Deploy.production") {
        deployments.push(deployment("production", DeploymentStatus::RolledBack));
    }
    let decision = reached("EvaluateGate").then(|| decision(&case.rules, case.reason));
    let run = RunRecord {
        request: RunRequest {
            schema: crate::SchemaVersion::FIRST,
            run_id,
            repository: Repository {
                name: "acme/web-shop".parse().expect("a name"),
                url: "https://example.org/acme/web-shop".to_owned(),
                default_branch: "main".to_owned(),
            },
            reference: "refs/heads/main".to_owned(),
            branch: "main".to_owned(),
            commit: "3f9c2ab17d5e4f60819a2b3c4d5e6f7081920a1b".to_owned(),
            base: Some("77aa01c2d3e4f5061728394a5b6c7d8e9f001122".to_owned()),
            message: Some(case.message.to_owned()),
            author: Some("Ada Lovelace".to_owned()),
            trigger: Trigger {
                kind: "push".to_owned(),
                actor: Some("ada".to_owned()),
                delivery: None,
            },
            template: None,
            environment: None,
            url: format!("https://pact.example.org/runs/{id}"),
            started_at: started,
            policy: crate::policy::RunPolicy::default(),
            place: None,
            on_purpose: None,
            verify_only: None,
            pull: None,
        },
        status: case.status,
        deploying: None,
        execution_arn: format!(
            "arn:aws:states:us-east-1:000000000000:execution:pact-pipeline:{id}"
        ),
        finished_at: Some(at),
        outcome: Some(Outcome {
            status: case.status,
            reason: case.reason.to_owned(),
            template: Some("production".to_owned()),
            decision,
            deployments,
            fault: case.fault.map(|(error, cause)| Fault {
                state: state.parse().expect("a name"),
                error: error.to_owned(),
                cause: Some(cause.to_owned()),
            }),
        }),
    };
    Sample { name: case.name, run, stages }
}
