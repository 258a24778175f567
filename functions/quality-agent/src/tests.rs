use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pact_agent::{adapter, incidents::MemoryIncidents, ports::Artifacts, testing::Memory};
use pact_contract::{
    ChangeKind, ChangeSet, Decision, EnvironmentName, FileChange, Finding, FindingCode,
    NamedEnvironment, Repository, RunId, RunRequest, SchemaVersion, Severity, StageRecord,
    StageStatus, Tier, Verdict,
    actions::{
        DetectAnomaliesOutput, JudgeRelease, JudgeReleaseOutput, Metrics, Plan, PlanTarget,
        ReleaseVerdict, Then,
    },
    codes,
    run::{CheckResult, Checks, RuleOutcome, Trigger},
    settings::{
        Approval, CheckMode, Environment, Inconclusive, Instance, Settings, Template, Watch,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

mod budgets;
mod conditions;
mod gate;
mod judgement;
mod laws;
mod plan;
mod policy;
mod trial;
mod waves;

pub(crate) fn changes(paths: &[&str]) -> ChangeSet {
    let files = paths.iter().map(|path| FileChange {
        path: (*path).to_owned(),
        old_path: None,
        kind: ChangeKind::Modified,
        added: 1,
        deleted: 1,
        binary: false,
        language: None,
        added_lines: Vec::new(),
    });
    ChangeSet {
        head: "0123456789abcdef".to_owned(),
        files: files.collect(),
        ..ChangeSet::default()
    }
}

fn run() -> RunRequest {
    RunRequest {
        schema: SchemaVersion::FIRST,
        run_id: RunId::parse("shop-1").expect("a run id"),
        repository: Repository {
            name: "acme/shop".parse().expect("a name"),
            url: "https://example.org/acme/shop".to_owned(),
            default_branch: "main".to_owned(),
        },
        reference: "refs/heads/main".to_owned(),
        branch: "main".to_owned(),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        base: None,
        message: None,
        author: None,
        trigger: Trigger { kind: "push".to_owned(), actor: None, delivery: None },
        template: None,
        environment: None,
        url: String::new(),
        started_at: "2026-11-23T10:20:30Z".parse().expect("an instant"),
        policy: Default::default(),
        place: None,
        on_purpose: None,
        verify_only: None,
        pull: None,
    }
}

fn environment() -> Environment {
    Environment {
        target: Instance::new("directory"),
        health: Vec::new(),
        approval: None,
        watch: Some(Watch::default()),
        shift: Default::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    }
}

fn settings(environments: &[&str]) -> Settings {
    let environments = environments.iter().map(|name| NamedEnvironment {
        name: name.parse().expect("a name"),
        tier: match *name {
            "staging" | "dev" => Tier::Staging,
            _ => Tier::Production,
        },
        settings: environment(),
        frozen: Vec::new(),
        one_way: Vec::new(),
    });
    Settings { environments: environments.collect(), ..Settings::default() }
}

const BOTH: &[&str] = &["staging", "production"];

fn planned(run: &RunRequest, settings: &Settings) -> Plan {
    plan(run, Some(&changes(&["src/main.rs"])), settings).expect("a plan")
}

fn check(status: StageStatus, summary: &str, output: Value) -> CheckResult {
    CheckResult {
        status,
        summary: summary.to_owned(),
        output,
        findings: Vec::new(),
        not_applicable: false,
        fault: None,
    }
}

fn severities(high: u64, medium: u64) -> Value {
    json!({ "checked": 3, "critical": 0, "high": high, "medium": medium, "low": 0, "info": 0 })
}

fn coverage(covered: u64, changed_covered: u64) -> Value {
    json!({
        "lines": 200, "covered": covered, "percent": 0.0,
        "changed_lines": 10, "changed_covered": changed_covered, "changed_percent": 0.0,
    })
}

/// The evidence of a run in which all is well.
fn well() -> Checks {
    use StageStatus::{Passed, Skipped};
    let tests = json!({
        "runner": "cargo", "command": "cargo test", "evidence": "output", "total": 14, "failed": 0,
        "skipped": 0, "exit_code": 0, "log_key": null, "coverage_keys": [],
    });
    let quality =
        json!({ "functions": 4, "above_threshold": 1, "max_cyclomatic": 20, "max_cognitive": 3 });
    [
        (
            "syntax",
            check(
                Passed,
                "3 files are valid",
                json!({ "checked": 3, "invalid": 0, "unsupported": 0 }),
            ),
        ),
        ("quality", check(Passed, "1 function is complex", quality)),
        ("unit", check(Passed, "14 unit tests passed", tests)),
        ("integration", check(Skipped, "no integration tests are configured", Value::Null)),
        ("coverage", check(Passed, "80 %", coverage(160, 9))),
        ("vulnerabilities", check(Passed, "nothing found", severities(0, 0))),
        ("dependencies", check(Passed, "12 dependencies are safe", severities(0, 0))),
        ("secrets", check(Passed, "no secret", severities(0, 0))),
    ]
    .into_iter()
    .map(|(name, check)| (name.to_owned(), check))
    .collect()
}

fn production_plan() -> Plan {
    planned(&run(), &settings(BOTH))
}

fn outcome(decision: &Decision, rule: &str) -> (RuleOutcome, bool) {
    let rule = decision.reasons.iter().find(|r| r.rule == rule).expect("the rule");
    (rule.outcome, rule.required)
}

fn metrics(requests: u64, errors: u64, ms: f64) -> Metrics {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (rate, latencies_ms) = (
        errors as f64 * 100.0 / requests.max(1) as f64,
        (0..requests - errors).map(|i| ms + (i * 7 % 11) as f64 * ms / 40.0).collect(),
    );
    Metrics { requests, errors, error_rate: rate, p95_ms: ms, latencies_ms, ..Metrics::default() }
}

/// How bad a verdict is, plans being equal.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Promote | Verdict::StageOnly | Verdict::VerifyOnly => 0,
        Verdict::Hold => 1,
        Verdict::Reject => 2,
    }
}

const STATUSES: [StageStatus; 4] =
    [StageStatus::Passed, StageStatus::Skipped, StageStatus::Error, StageStatus::Failed];

fn any_plan() -> impl Strategy<Value = Plan> {
    any_settings().prop_map(|settings| planned(&run(), &settings))
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let modes = proptest::collection::vec(0usize..3, 9);
    let limits = (
        proptest::option::of(0.0f64..100.0),
        proptest::option::of(0.0f64..100.0),
        proptest::option::of(0u64..3),
        0usize..6,
    );
    (modes, limits, 0usize..4).prop_map(|(modes, limits, environments)| {
        let names = [&[][..], &["staging"], &["production"], BOTH];
        let mut settings = settings(names[environments]);
        for (name, mode) in pact_contract::settings::CHECKS.iter().zip(modes) {
            let mode = [CheckMode::Auto, CheckMode::Skip, CheckMode::Require][mode];
            settings.checks.insert((*name).to_owned(), mode);
        }
        settings.gate.min_coverage = limits.0;
        settings.gate.min_changed_coverage = limits.1;
        settings.gate.max_quality_findings = limits.2;
        settings.gate.max_severity = [
            None,
            Some(Severity::Info),
            Some(Severity::Low),
            Some(Severity::Medium),
            Some(Severity::High),
            Some(Severity::Critical),
        ][limits.3];
        settings
    })
}

async fn call(memory: &Arc<Memory>, action: &str, parameters: Value) -> Result<Value, AgentError> {
    let incidents = Arc::new(MemoryIncidents::default());
    call_with(memory, incidents, action, parameters).await
}

async fn call_with(
    memory: &Arc<Memory>,
    incidents: Arc<MemoryIncidents>,
    action: &str,
    parameters: Value,
) -> Result<Value, AgentError> {
    let artifacts = Arc::clone(memory) as Arc<dyn Artifacts>;
    let agent = QualityAgent::new(artifacts, Arc::clone(memory) as _, incidents);
    let intent = json!({
        "version": "0.1.0",
        "intent": {
            "action": action, "parameters": parameters,
            "context": { "run_id": "shop-1", "state": "State" },
        },
        "metadata": { "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() } },
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    adapter::handle(&agent, &memory.recording(), intent, deadline).await
}

#[tokio::test]
async fn every_action_answers_as_the_state_machine_asks() {
    let memory = Memory::new();
    let set = json!(changes(&["README.md"])).to_string();
    memory.put("changes", Bytes::from(set)).await.expect("is kept");
    let settings = json!(settings(BOTH));
    // The gate asks the clock whether the run is within its time.
    let run = || RunRequest { started_at: jiff::Timestamp::now(), ..run() };
    let answer = call(
        &memory,
        "quality.plan_pipeline",
        json!({ "run": run(), "changes_key": "changes", "settings": settings }),
    )
    .await
    .expect("a plan");
    assert_eq!(answer["response"]["status"], "passed");
    let plan = &answer["response"]["output"];
    assert_eq!(plan["documentation_only"], true);
    assert_eq!(plan["target"], "nothing");
    insta::assert_snapshot!(answer["response"]["summary"].as_str().expect("a text"));

    // A change set that is not there leaves nothing out.
    let answer = call(
        &memory,
        "quality.plan_pipeline",
        json!({ "run": run(), "changes_key": "gone", "settings": settings }),
    )
    .await
    .expect("a plan");
    let plan = &answer["response"]["output"];
    assert_eq!(plan["target"], "production");

    let answer = call(&memory, "quality.evaluate_gate", json!({ "plan": plan, "checks": well() }))
        .await
        .expect("a decision");
    assert_eq!(answer["response"]["status"], "passed");
    assert_eq!(answer["response"]["output"]["verdict"], "promote");
    let answer = call(&memory, "quality.evaluate_gate", json!({ "plan": plan, "checks": {} }))
        .await
        .expect("a decision");
    assert_eq!(answer["response"]["status"], "failed");
    assert_eq!(answer["response"]["output"]["verdict"], "hold");

    let asked = json!({ "metrics": metrics(100, 0, 10.0), "baseline": null, "anomalies": null, "watch": null });
    let answer = call(&memory, "quality.judge_release", asked).await.expect("a judgement");
    assert_eq!(answer["response"]["output"]["verdict"], "keep");
    let answer = call(&memory, "quality.judge_release", json!({ "metrics": Metrics::default() }))
        .await
        .expect("a judgement");
    assert_eq!(answer["response"]["status"], "skipped");

    let error = call(&memory, "quality.evaluate_gate", json!({ "plan": plan }))
        .await
        .expect_err("is refused");
    assert_eq!(error.name, ErrorName::MissingParameters);
    let error = call(&memory, "quality.evaluate_gate", json!({ "plan": 1, "checks": {} }))
        .await
        .expect_err("is refused");
    assert_eq!(error.name, ErrorName::InvalidIntent);
}
