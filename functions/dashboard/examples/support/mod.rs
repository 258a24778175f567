//! Runs in memory, for the preview and the tests.

mod deployed;
pub(crate) mod doors;
pub(crate) mod logs;
mod runs;
mod sources;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use pact_agent::ports::{
    ApprovalAnswer, ApprovalRecord, EnvironmentView, Listed, OutboxEntry, RunPage, RunQuery,
    RunReader, StoreError, WatchResult,
};
use pact_contract::{
    Decision, Deployment, Finding, Repository, RunId, RunRecord, RunRequest, RunStatus,
    SchemaVersion, Severity, StageRecord, StageStatus, Verdict,
    actions::{EnvironmentRecord, ReleaseRecord},
    codes,
    log::{GENESIS, LogEntry, LogKind, NewEntry},
    run::{DeploymentStatus, NotificationRecord, Outcome, RuleOutcome, RuleResult, Trigger},
    settings::{Environment, Instance, Watch},
};
use serde_json::{Value, json};

pub(crate) use deployed::samples;
pub(crate) use runs::{failed, hostile, rejected, rolled_back, running, succeeded, waiting};
pub(crate) use sources::sources;

/// One run with all its parts.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) run: RunRecord,
    pub(crate) stages: Vec<StageRecord>,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) notifications: Vec<OutboxEntry>,
    pub(crate) approvals: Vec<ApprovalRecord>,
}

/// A reader over samples.
pub(crate) struct Samples {
    pub(crate) runs: Vec<Sample>,
    pub(crate) environments: Vec<EnvironmentView>,
    /// Whether stages that begin later are hidden: the runs then move on as time does.
    pub(crate) moving: bool,
    pub(crate) broken: bool,
}

impl Samples {
    fn answers(&self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Unavailable(
                "the table is gone: secret-host:8000".to_owned(),
                None,
            ));
        }
        Ok(())
    }

    fn find(&self, id: &RunId) -> Result<Option<&Sample>, StoreError> {
        self.answers()?;
        Ok(self.runs.iter().find(|s| s.run.request.run_id == *id))
    }

    fn at(&self, stage: &StageRecord) -> Option<StageRecord> {
        let mut stage = stage.clone();
        if self.moving {
            let now = Timestamp::now();
            if stage.started_at > now {
                return None;
            }
            if stage.finished_at.is_some_and(|at| at > now) {
                stage.status = StageStatus::Running;
                stage.finished_at = None;
                stage.summary.clear();
                stage.findings.clear();
                stage.output = Value::Null;
            }
        }
        Some(stage)
    }
}

#[async_trait]
impl RunReader for Samples {
    async fn latest_runs(&self, query: &RunQuery) -> Result<RunPage, StoreError> {
        self.answers()?;
        let from = match query.cursor.as_deref().map(str::parse::<usize>) {
            None => 0,
            Some(Ok(from)) => from,
            Some(Err(_)) => return Err(StoreError::Invalid("no such cursor".to_owned())),
        };
        let mut matching: Vec<_> = self
            .runs
            .iter()
            .map(|s| s.run.clone())
            .filter(|r| query.repository.as_ref().is_none_or(|n| *n == r.request.repository.name))
            .filter(|r| query.branch.as_ref().is_none_or(|b| *b == r.request.branch))
            .filter(|r| query.status.is_none_or(|s| s == r.status))
            .filter(|r| query.author.is_none() || query.author == r.request.author)
            .filter(|r| {
                let deployed = r.outcome.iter().flat_map(|outcome| &outcome.deployments);
                let mut to = deployed.map(|d| &d.environment);
                query.environment.as_ref().is_none_or(|wanted| to.any(|name| name == wanted))
            })
            .filter(|r| {
                let message = r.request.message.as_deref().unwrap_or_default();
                query.text.as_ref().is_none_or(|text| message.contains(text.as_str()))
            })
            .skip(from)
            .collect();
        let cursor = (matching.len() > query.limit).then(|| (from + query.limit).to_string());
        matching.truncate(query.limit);
        Ok(RunPage { runs: matching, cursor, ..RunPage::default() })
    }
    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.find(run_id)?.map(|s| s.run.clone()))
    }
    async fn stages(&self, run_id: &RunId) -> Result<Listed<StageRecord>, StoreError> {
        let stages = self.find(run_id)?.map(|s| s.stages.as_slice()).unwrap_or_default();
        Ok(stages.iter().filter_map(|s| self.at(s)).collect::<Vec<_>>().into())
    }
    async fn log(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        Ok(self.find(run_id)?.map(|s| s.log.clone()).unwrap_or_default().into())
    }
    async fn notifications(&self, run_id: &RunId) -> Result<Listed<OutboxEntry>, StoreError> {
        Ok(self.find(run_id)?.map(|s| s.notifications.clone()).unwrap_or_default().into())
    }
    async fn approvals(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        Ok(self.find(run_id)?.map(|s| s.approvals.clone()).unwrap_or_default().into())
    }
    async fn environments(&self) -> Result<Listed<EnvironmentView>, StoreError> {
        self.answers()?;
        Ok(self.environments.clone().into())
    }
}

/// An instant `seconds` before `now`.
fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

fn after(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_millis(ms)).unwrap_or(at)
}

/// A run that began at `started` and has no stages yet.
pub(crate) fn sample(id: &str, status: RunStatus, message: &str, started: Timestamp) -> Sample {
    let run = RunRecord {
        request: RunRequest {
            schema: SchemaVersion::FIRST,
            run_id: RunId::parse(id).expect("a run id"),
            repository: Repository {
                name: "acme/web-shop".parse().expect("a name"),
                url: "https://example.org/acme/web-shop".to_owned(),
                default_branch: "main".to_owned(),
            },
            reference: "refs/heads/main".to_owned(),
            branch: "main".to_owned(),
            commit: "3f9c2ab17d5e4f60819a2b3c4d5e6f7081920a1b".to_owned(),
            base: None,
            message: Some(message.to_owned()),
            author: Some("Ada Lovelace".to_owned()),
            trigger: Trigger {
                kind: "push".to_owned(),
                actor: Some("ada".to_owned()),
                delivery: None,
            },
            template: None,
            environment: None,
            url: String::new(),
            started_at: started,
            policy: Default::default(),
            place: None,
            on_purpose: None,
            verify_only: None,
            pull: None,
        },
        status,
        execution_arn: format!("arn:aws:states:local:000000000000:execution:pipeline:{id}"),
        deploying: None,
        finished_at: status.is_final().then(|| after(started, 92_000)),
        outcome: None,
    };
    of(&run)
}

/// A run with nothing about it.
pub(crate) fn of(run: &RunRecord) -> Sample {
    Sample {
        run: run.clone(),
        stages: Vec::new(),
        log: Vec::new(),
        notifications: Vec::new(),
        approvals: Vec::new(),
    }
}

impl Sample {
    /// Adds a stage that begins when the one before ended, and its two log entries.
    pub(crate) fn stage(
        mut self,
        state: &str,
        agent: &str,
        action: &str,
        status: StageStatus,
        ms: i64,
        summary: &str,
        output: Value,
    ) -> Self {
        let begin =
            self.stages.last().and_then(|s| s.finished_at).unwrap_or(self.run.request.started_at);
        self.stages.push(StageRecord {
            schema: SchemaVersion::FIRST,
            run_id: self.run.request.run_id.clone(),
            state: state.parse().expect("a name"),
            agent: agent.to_owned(),
            action: action.to_owned(),
            status,
            summary: summary.to_owned(),
            attempt: 1,
            started_at: begin,
            finished_at: (status != StageStatus::Running).then(|| after(begin, ms)),
            duration_ms: u64::try_from(ms).unwrap_or(0),
            findings: Vec::new(),
            findings_total: 0,
            output,
            details_key: None,
            error: None,
            fallback: None,
        });
        self = self.entry(begin, "pact.pipeline", LogKind::Intent, action);
        if status != StageStatus::Running {
            self = self.entry(after(begin, ms), agent, LogKind::Response, action);
        }
        self
    }

    /// Adds findings to the last stage.
    pub(crate) fn findings(mut self, findings: Vec<Finding>) -> Self {
        if let Some(stage) = self.stages.last_mut() {
            stage.findings_total = findings.len();
            stage.findings = findings;
        }
        self
    }

    /// Appends to the log.
    pub(crate) fn entry(mut self, at: Timestamp, actor: &str, kind: LogKind, action: &str) -> Self {
        let previous = self.log.last().map_or(GENESIS, |e| e.hash.as_str()).to_owned();
        let entry = NewEntry {
            timestamp: at,
            actor: actor.to_owned(),
            kind,
            action: action.to_owned(),
            body: json!({ "state": "x", "callback": "sample-callback-id" }),
        };
        self.log.push(entry.chain(self.log.len() as u64 + 1, &previous));
        self
    }

    /// Ends the run.
    pub(crate) fn ended(
        mut self,
        reason: &str,
        decision: Option<Decision>,
        deployments: Vec<Deployment>,
    ) -> Self {
        self.run.outcome = Some(Outcome {
            status: self.run.status,
            reason: reason.to_owned(),
            template: Some("production".to_owned()),
            decision,
            deployments,
            fault: None,
        });
        self
    }

    fn verified(self, unit: StageStatus, summary: &str) -> Self {
        use StageStatus::{Passed, Skipped};
        let failed = if unit == StageStatus::Failed { 2 } else { 0 };
        self.stage("AnalyzeChanges", "code-agent", "code.analyze_changes", Passed, 900, "6 files changed, 142 lines added, 38 removed", json!({ "changes": { "files": 6, "added": 142, "deleted": 38 } }))
            .stage("PlanPipeline", "quality-agent", "quality.plan_pipeline", Passed, 60, "6 files changed; template production, to staging, then production (the default branch main may reach production); the gate needs syntax, unit, dependencies, secrets", json!({ "template": "production", "target": "production" }))
            .stage("ValidateSyntax", "code-agent", "code.validate_syntax", Passed, 410, "6 files are valid", json!({ "checked": 6, "invalid": 0, "unsupported": 1 }))
            .stage("CheckQuality", "code-agent", "code.check_quality", StageStatus::Failed, 620, "1 of 9 changed functions is above its threshold", json!({ "functions": 9, "above_threshold": 1, "max_cyclomatic": 21, "max_cognitive": 34 }))
            .findings(vec![
                Finding::new(codes::COMPLEXITY_COGNITIVE, Severity::Low, "the cognitive complexity of total_with_discounts is 34; at most 20")
                    .at("src/cart/price.rs", Some(118), Some(1))
                    .remedy("split the function where the discounts are chosen"),
            ])
            .stage("RunUnitTests", "test-agent", "tests.run_unit", unit, 14_300, summary, json!({ "runner": "cargo", "command": "cargo test", "evidence": "output", "total": 14, "failed": failed, "skipped": 0, "exit_code": if failed > 0 { 101 } else { 0 }, "tests_key": "runs/x/tests/RunUnitTests.jsonl.gz" }))
            .findings(if failed > 0 {
                vec![
                    Finding::new(codes::TEST_FAILED, Severity::High, "test_cart failed: assertion `left == right` failed").at("tests/cart.rs", Some(41), Some(5)).evidence("left: 1299\nright: 1300"),
                    Finding::new(codes::TEST_FAILED, Severity::High, "test_total failed: called `Option::unwrap()` on a `None` value").at("tests/total.rs", Some(12), None).remedy("handle the empty cart"),
                ]
            } else {
                Vec::new()
            })
            .stage("RunIntegrationTests", "test-agent", "tests.run_integration", Skipped, 3, "no integration tests are configured", Value::Null)
            .stage("CheckCoverage", "test-agent", "tests.check_coverage", Passed, 240, "81.3 % of the lines are covered, 90.0 % of the changed lines", json!({ "lines": 2140, "covered": 1740, "percent": 81.3 }))
            .stage("ScanVulnerabilities", "security-agent", "security.scan_vulnerabilities", Passed, 700, "nothing found in 6 files", json!({ "checked": 6, "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 }))
            .stage("CheckDependencies", "security-agent", "security.check_dependencies", Passed, 1_900, "212 dependencies, 1 advisory of medium severity", json!({ "checked": 212, "critical": 0, "high": 0, "medium": 1, "low": 0, "info": 0 }))
            .findings(vec![Finding::new(codes::VULNERABLE_DEPENDENCY, Severity::Medium, "example-parser 1.2.3 reads beyond its buffer").at("Cargo.lock", Some(318), None).remedy("update to 1.2.4")])
            .stage("ValidateSecrets", "security-agent", "security.validate_secrets", Passed, 120, "no secret in 142 added lines", json!({ "checked": 6, "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 }))
    }

    fn staged(self) -> Self {
        use StageStatus::Passed;
        let release = "20261123-102030-3f9c2ab17d";
        self.stage(
            "EvaluateGate",
            "quality-agent",
            "quality.evaluate_gate",
            Passed,
            40,
            "Promoted: all 4 rules that the gate needs are met",
            json!(decision(Verdict::Promote)),
        )
        .stage(
            "Deploy.staging",
            "deploy-agent",
            "deploy.to_staging",
            Passed,
            3_200,
            "20261123-102030-3f9c2ab17d is live in staging",
            json!(deployment("staging", release, DeploymentStatus::Live)),
        )
        .stage(
            "CheckStatus.staging",
            "deploy-agent",
            "deploy.check_status",
            Passed,
            80,
            "20261123-102030-3f9c2ab17d is current",
            Value::Null,
        )
        .stage(
            "CheckHealth.staging",
            "monitor-agent",
            "monitor.check_health",
            Passed,
            700,
            "2 of 2 probes are healthy",
            json!({ "healthy": 2, "probes": 2, "requests": 6 }),
        )
        .stage(
            "RunEndToEnd.staging",
            "test-agent",
            "tests.run_e2e",
            Passed,
            5_100,
            "5 end-to-end tests passed",
            Value::Null,
        )
    }
}

/// A deployment.
pub(crate) fn deployment(environment: &str, release: &str, status: DeploymentStatus) -> Deployment {
    Deployment {
        previous: "20261122-161500-77aa01c2d3".parse().ok(),
        url: Some("http://127.0.0.1:8081".to_owned()),
        ..Deployment::new(
            &environment.parse().expect("a name"),
            &release.parse().expect("a name"),
            status,
        )
    }
}

/// A decision with every kind of rule.
pub(crate) fn decision(verdict: Verdict) -> Decision {
    let rule = |rule: &str,
                outcome,
                required,
                value: Value,
                threshold: Value,
                message: &str,
                would: Option<&str>| RuleResult {
        rule: rule.to_owned(),
        outcome,
        required,
        value,
        threshold,
        message: message.to_owned(),
        would_pass: would.map(str::to_owned),
    };
    use RuleOutcome::{Met, NotChecked, NotMet};
    let mut reasons = vec![
        rule(
            "quality",
            NotMet,
            false,
            json!(1),
            json!(null),
            "1 of 9 changed functions is above its threshold",
            Some("1 function fewer above its threshold: src/cart/price.rs:118:1"),
        ),
        rule(
            "integration-tests-pass",
            NotChecked,
            false,
            json!(null),
            json!({ "failed": 0 }),
            "integration tests not checked: no integration tests are configured",
            None,
        ),
        rule("syntax-valid", Met, true, json!(0), json!(0), "6 files are valid", None),
        rule("no-secrets", Met, true, json!(0), json!(0), "no secret in 142 added lines", None),
        rule(
            "coverage",
            Met,
            true,
            json!(81.3),
            json!(80.0),
            "81.3 % of the lines are covered (1740 of 2140); at least 80 %",
            None,
        ),
    ];
    let (failed, outcome, message) = if verdict == Verdict::Reject {
        (2, NotMet, "2 of 14 unit tests failed (test_cart, test_total)")
    } else {
        (0, Met, "14 unit tests passed")
    };
    let would = (failed > 0).then_some("2 more passing unit tests");
    reasons.insert(
        0,
        rule(
            "tests-pass",
            outcome,
            true,
            json!({ "failed": failed, "total": 14 }),
            json!({ "failed": 0 }),
            message,
            would,
        ),
    );
    let summary = match verdict {
        Verdict::Reject => "Rejected: 2 of 14 unit tests failed (test_cart, test_total)",
        _ => "Promoted: all 4 rules that the gate needs are met",
    };
    Decision { verdict, summary: summary.to_owned(), reasons, would_pass: Vec::new() }
}

fn told(channel: &str, sent: bool, detail: &str, at: Timestamp) -> OutboxEntry {
    OutboxEntry {
        record: NotificationRecord { channel: channel.to_owned(), sent, detail: detail.to_owned() },
        body: format!("acme/web-shop main: {detail}"),
        reference: None,
        at,
        later: None,
    }
}
