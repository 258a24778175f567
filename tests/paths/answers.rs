//! What agents answer, from the contract's own types.

use jiff::Timestamp;
use pact_contract::{
    Decision, Deployment, EnvironmentList, IntentEnvelope, NamedEnvironment, PROTOCOL_VERSION,
    Repository, ResponseEnvelope, RunId, RunRequest, StageStatus, Tier, Verdict,
    actions::{
        AnalyzeChangesOutput, AskApproversOutput, CheckCoverageOutput, CheckHealthOutput,
        CheckQualityOutput, DetectAnomaliesOutput, EvaluateGate, JudgeReleaseOutput, Metrics, Plan,
        PlanTarget, PlannedChecks, ReleaseVerdict, RunTestsOutput, SecurityCheckOutput, SourceRef,
        Then, ValidateSyntaxOutput,
    },
    changes::ChangeSummary,
    envelope::{Response, ResponseMetadata, Sender},
    freeze::Frozen,
    run::{NotificationRecord, Trigger},
    settings::{Approval, Environment, GateSettings, Instance, Probe, Settings, Template, Watch},
    shift::{Shift, Step, Strategy},
};
use serde::Serialize;
use serde_json::Value;

use crate::script::{Answer, Variant};

/// The release of every run.
pub(crate) const RELEASE: &str = "shop-0123456789-r1";
/// The release that was there before.
pub(crate) const OLD: &str = "shop-9876543210-r0";
/// The repository of every run.
pub(crate) const REPOSITORY: &str = "acme/shop";

pub(crate) fn repository() -> Repository {
    Repository {
        name: REPOSITORY.parse().expect("a name"),
        url: "https://git.example/acme/shop.git".into(),
        default_branch: "main".into(),
    }
}

pub(crate) fn request(run_id: &str) -> RunRequest {
    RunRequest {
        schema: RunRequest::VERSION,
        run_id: RunId::parse(run_id).expect("a valid id"),
        repository: repository(),
        reference: "refs/heads/main".into(),
        branch: "main".into(),
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        base: None,
        message: Some("SHOP-1 a change".into()),
        author: Some("Ada".into()),
        trigger: Trigger { kind: "push".into(), actor: Some("ada".into()), delivery: None },
        template: None,
        environment: None,
        url: format!("http://localhost/runs/{run_id}"),
        started_at: Timestamp::UNIX_EPOCH,
        policy: Default::default(),
        // As large as places are: it passes through the expressions as it is.
        place: Some(1_876_543_210_123_456),
        on_purpose: None,
        verify_only: None,
        pull: None,
    }
}

/// What an environment of this name is for.
pub(crate) fn tier(name: &str) -> Tier {
    if matches!(name, "dev" | "qa" | "staging") { Tier::Staging } else { Tier::Production }
}

/// Whether a release is watched there.
pub(crate) fn watched(name: &str) -> bool {
    name == "qa" || tier(name) == Tier::Production
}

/// The whole of which an environment of this name is a wave.
pub(crate) fn wave_of(name: &str) -> Option<&str> {
    name.strip_suffix("-eu").or_else(|| name.strip_suffix("-us"))
}

/// Whether a person may be asked there: before users get a release, once for all their waves.
pub(crate) fn asks(name: &str) -> bool {
    tier(name) == Tier::Production && !name.ends_with("-us")
}

/// Those of the tier `production` ask a person, where one is asked at all.
pub(crate) fn environment(variant: &Variant, name: &str) -> NamedEnvironment {
    let tier = tier(name);
    let asked = variant.approval.filter(|_| asks(name));
    // The machine counts them as seconds here.
    let timeout_minutes = if asked == Some(Answer::Nothing) { 1 } else { 3_600 };
    let settings = Environment {
        target: Instance::new("directory"),
        health: if variant.probes { vec![Probe::default()] } else { Vec::new() },
        approval: asked.map(|_| Approval::within(timeout_minutes)),
        watch: watched(name).then(Watch::default),
        shift: if variant.steps && watched(name) { shift() } else { Shift::default() },
        freeze: Vec::new(),
        no_return: None,
        wave_of: wave_of(name).map(|whole| whole.parse().expect("a name")),
    };
    let frozen =
        if variant.frozen && tier == Tier::Production { vec![closed(name)] } else { vec![] };
    NamedEnvironment {
        name: name.parse().expect("a name"),
        tier,
        settings,
        frozen,
        one_way: Vec::new(),
    }
}

/// For as long as anybody could wait.
fn closed(name: &str) -> Frozen {
    Frozen {
        from: "2026-01-01T00:00:00.000Z".to_owned(),
        until: "2126-01-01T00:00:00.000Z".to_owned(),
        why: format!("{name} takes no release until 2126-01-01 00:00 UTC: nobody is there"),
    }
}

/// Beside the one before without a request, then with a tenth, then with half of them.
fn shift() -> Shift {
    let steps = [(0, 0), (10, 60), (50, 60)].map(|(weight, seconds)| Step { weight, seconds });
    Shift { strategy: Strategy::Canary, steps: steps.into() }
}

fn environments(variant: &Variant) -> EnvironmentList {
    variant.environments.iter().map(|name| environment(variant, name)).collect()
}

/// How far the plan goes.
fn reach(variant: &Variant) -> Option<Tier> {
    variant.environments.last().map(|name| tier(name))
}

pub(crate) fn analyzed(variant: &Variant) -> AnalyzeChangesOutput {
    let environments = environments(variant);
    AnalyzeChangesOutput {
        base_reason: String::new(),
        policy: Default::default(),
        source: SourceRef { key: "source.tar.gz".into(), commit: "0123".into() },
        changes_key: "changes.json".into(),
        changes: ChangeSummary::default(),
        settings: Settings { environments, ..Settings::default() },
        settings_path: None,
    }
}

pub(crate) fn plan(variant: &Variant) -> Plan {
    let mut required = vec!["syntax".to_owned(), "unit".to_owned(), "secrets".to_owned()];
    if variant.needs_e2e {
        required.push("e2e".to_owned());
    }
    Plan {
        risk: None,
        conditions: Vec::new(),
        budgets: Vec::new(),
        fix: false,
        template: Template::Default,
        template_reason: "the default".into(),
        checks: PlannedChecks::default(),
        required,
        demanded: Vec::new(),
        documentation_only: false,
        untouched: None,
        target: match reach(variant) {
            Some(Tier::Production) => PlanTarget::Production,
            Some(Tier::Staging) => PlanTarget::Staging,
            None => PlanTarget::Nothing,
        },
        target_reason: "as far as it goes".into(),
        release: RELEASE.parse().expect("a release"),
        environments: environments(variant),
        loosened: Vec::new(),
        gate: GateSettings::default(),
        min_quality_score: None,
        scan: pact_contract::settings::ScanLevel::default(),
        timeout_minutes: 0,
        started_at: None,
    }
}

/// What the way back of a run is told that was cancelled while its release was watched.
pub(crate) fn take_back(variant: &Variant) -> Value {
    let plan = plan(variant);
    let begun = |environment: &NamedEnvironment| {
        serde_json::json!({
            "environment": environment.name,
            "tier": environment.tier,
            "release": RELEASE,
            "status": "pending",
        })
    };
    serde_json::json!({
        "status": "cancelled",
        "reason": "cancelled on request",
        "deployments": plan.environments.iter().map(begun).collect::<Vec<_>>(),
        "plan": plan,
        "settings": analyzed(variant).settings,
    })
}

/// Decides as the quality agent does: what is needed and failed rejects, what is needed and was
/// not checked holds.
pub(crate) fn decide(asked: &EvaluateGate, variant: &Variant) -> Decision {
    let needed = |status: &[StageStatus]| {
        asked.plan.required.iter().find_map(|name| {
            let check = asked.checks.get(name)?;
            status.contains(&check.status).then(|| format!("{name}: {}", check.reason()))
        })
    };
    let (verdict, summary) = if let Some(why) = needed(&[StageStatus::Failed]) {
        (Verdict::Reject, why)
    } else if let Some(why) = needed(&[StageStatus::Skipped, StageStatus::Error]) {
        (Verdict::Hold, why)
    } else {
        let verdict = match reach(variant) {
            Some(Tier::Production) => Verdict::Promote,
            Some(Tier::Staging) => Verdict::StageOnly,
            None => Verdict::VerifyOnly,
        };
        (verdict, "all that is needed passed".to_owned())
    };
    Decision { verdict, summary, reasons: Vec::new(), would_pass: Vec::new() }
}

/// The output of an action whose answer does not depend on the world.
pub(crate) fn output(action: &str, status: StageStatus) -> Value {
    match action {
        "code.validate_syntax" => value(&ValidateSyntaxOutput::default()),
        "code.check_quality" => value(&CheckQualityOutput::default()),
        "tests.run_unit" | "tests.run_integration" | "tests.run_e2e" => value(&RunTestsOutput {
            coverage_keys: vec!["coverage.info".into()],
            ..RunTestsOutput::default()
        }),
        "tests.check_coverage" => value(&CheckCoverageOutput::default()),
        "security.scan_vulnerabilities"
        | "security.check_dependencies"
        | "security.validate_secrets" => value(&SecurityCheckOutput::default()),
        "monitor.check_health" => value(&CheckHealthOutput::default()),
        "monitor.track_metrics" => value(&Metrics {
            requests: if status == StageStatus::Passed { 50 } else { 0 },
            ..Metrics::default()
        }),
        "monitor.detect_anomalies" => value(&DetectAnomaliesOutput::default()),
        "notify.ask_approvers" => value(&AskApproversOutput::default()),
        "quality.judge_release" => value(&JudgeReleaseOutput {
            verdict: match status {
                StageStatus::Failed => ReleaseVerdict::RollBack,
                StageStatus::Skipped => ReleaseVerdict::Inconclusive,
                _ => ReleaseVerdict::Keep,
            },
            reasons: Vec::new(),
            then: (status == StageStatus::Skipped).then_some(Then::Hold),
        }),
        other => panic!("no answer for {other}"),
    }
}

pub(crate) fn notified(action: &str) -> NotificationRecord {
    NotificationRecord { channel: action.to_owned(), sent: true, detail: "told".into() }
}

pub(crate) fn deployment(of: Deployment, previous: Option<&str>) -> Value {
    let url = Some("http://127.0.0.1:4000".to_owned());
    value(&Deployment {
        previous: previous.map(|name| name.parse().expect("a release")),
        url,
        ..of
    })
}

pub(crate) fn value<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("the contract serialises")
}

/// A whole response as Lambda's integration returns it.
pub(crate) fn respond(
    intent: &IntentEnvelope,
    status: StageStatus,
    summary: String,
    output: Value,
) -> Value {
    let envelope = ResponseEnvelope {
        version: PROTOCOL_VERSION.to_owned(),
        response: Response {
            action: intent.intent.action.clone(),
            status,
            summary,
            output,
            findings: Vec::new(),
            findings_total: 0,
            not_applicable: false,
            fallback: None,
        },
        metadata: ResponseMetadata {
            sender: Sender { agent_id: "pact.agent".into(), timestamp: Timestamp::UNIX_EPOCH },
            in_reply_to: intent.metadata.idempotency_key.clone(),
            duration_ms: 1,
        },
    };
    serde_json::json!({ "ExecutedVersion": "$LATEST", "StatusCode": 200, "Payload": envelope })
}
