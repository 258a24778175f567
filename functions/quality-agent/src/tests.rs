use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use pact_agent::{adapter, ports::Artifacts, testing::Memory};
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

mod policy;

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

// The plan.

#[test]
fn a_push_to_the_default_branch_may_reach_production() {
    let mut settings = settings(BOTH);
    settings.environments.get_mut("production").expect("is there").settings.approval =
        Some(Approval { timeout_minutes: 30 });
    let plan = planned(&run(), &settings);
    assert_eq!(plan.target, PlanTarget::Production);
    assert_eq!(plan.environments, settings.environments);
    assert_eq!(plan.release, "20261123-102030-0123456789");
    assert_eq!(plan.required, ["syntax", "unit", "secrets"]);
    assert_eq!(plan.template, Template::Default);
}

#[test]
fn where_a_release_may_go_is_decided_case_by_case() {
    use PlanTarget::{Nothing, Production, Staging};
    type Change = fn(&mut RunRequest);
    let same: Change = |_| {};
    let feature: Change = |run| {
        run.branch = "feature/x".to_owned();
        run.reference = "refs/heads/feature/x".to_owned();
    };
    let tag: Change = |run| {
        run.branch = "main".to_owned();
        run.reference = "refs/tags/main".to_owned();
    };
    let request: Change = |run| run.trigger.kind = "pull_request".to_owned();
    let to_staging: Change = |run| run.environment = Some(EnvironmentName::STAGING);
    let hotfix: Change = |run| run.template = Some("hotfix".to_owned());
    let to_qa: Change = |run| run.environment = "qa".parse().ok();
    let to_dev_of_a_branch: Change = |run| {
        run.environment = "dev".parse().ok();
        run.reference = "refs/heads/feature/x".to_owned();
    };
    let all = &["dev", "staging", "canary", "production"][..];
    let (dev, tried) = (&["dev"][..], &["dev", "staging"][..]);
    let users = &["canary", "production"][..];
    let (stage, live) = (&["staging"][..], &["production"][..]);
    // What is configured, how far it goes, the way there, and why.
    type Row<'a> = (Change, &'a [&'a str], PlanTarget, &'a [&'a str], &'a str);
    let table: &[Row<'_>] = &[
        (same, &[], Nothing, &[], "no environment is configured in pact.toml: verified only"),
        (same, BOTH, Production, BOTH, "the default branch main may reach production"),
        (same, stage, Staging, stage, "production is not configured"),
        (same, live, Production, live, "may reach production"),
        (feature, BOTH, Staging, stage, "branch feature/x ends at staging"),
        (feature, live, Nothing, &[], "staging is not configured"),
        (tag, BOTH, Staging, stage, "tag main ends at staging"),
        (request, BOTH, Nothing, &[], "a pull request is verified only"),
        (to_staging, BOTH, Staging, stage, "asked for no further than staging"),
        (hotfix, BOTH, Production, live, "may reach production"),
        (same, all, Production, all, "the default branch main may reach production"),
        (same, dev, Staging, dev, "production is not configured"),
        (feature, all, Staging, tried, "ends at staging: only main reaches canary"),
        (hotfix, all, Production, users, "may reach production"),
        (to_staging, all, Staging, tried, "asked for no further than staging"),
        (to_qa, &["dev", "qa", "production"], Production, &["dev", "qa"], "no further than qa"),
        (to_dev_of_a_branch, all, Staging, dev, "asked for no further than dev"),
    ];
    for (change, environments, target, way, reason) in table {
        let mut run = run();
        change(&mut run);
        let plan = planned(&run, &settings(environments));
        assert_eq!(plan.target, *target, "{reason}");
        assert_eq!(plan.environments.names().collect::<Vec<_>>(), *way, "{reason}");
        assert!(plan.target_reason.contains(reason), "{}", plan.target_reason);
    }
}

#[test]
fn what_there_is_not_cannot_be_asked_for() {
    for (template, environment, environments, message) in [
        (Some("fast"), None, BOTH, "template \"fast\" was asked for; there are default"),
        (None, Some("prod"), BOTH, "configures only staging and production"),
        (None, Some("production"), &["staging"], "configures only staging"),
        (None, Some("staging"), &[], "pact.toml configures none"),
    ] {
        let mut run = run();
        run.template = template.map(str::to_owned);
        run.environment = environment.map(|name| name.parse().expect("a name"));
        let error = plan(&run, None, &settings(environments)).expect_err("is refused");
        assert_eq!(error.name, ErrorName::InvalidIntent);
        assert!(error.message.contains(message), "{}", error.message);
    }
}

#[test]
fn the_trigger_overrides_the_repositorys_template() {
    let mut settings = settings(BOTH);
    settings.template = Some(Template::Production);
    let plan = planned(&run(), &settings);
    assert_eq!(plan.template_reason, "set in pact.toml");
    let strict = ["syntax", "unit", "coverage", "vulnerabilities", "dependencies", "secrets"];
    assert_eq!(plan.required, strict);
    assert_eq!(plan.demanded, ["unit", "coverage", "vulnerabilities", "dependencies"]);
    let mut run = run();
    run.template = Some("hotfix".to_owned());
    let plan = planned(&run, &settings);
    assert_eq!(
        (plan.template, plan.template_reason.as_str()),
        (Template::Production, "hotfix was asked for, and is less strict than is set")
    );
    // On this machine the owner of the repository is its judge.
    run.policy.judged_by = pact_contract::policy::JudgedBy::Own;
    let plan = planned(&run, &settings);
    assert_eq!(
        (plan.template, plan.template_reason.as_str()),
        (Template::Hotfix, "asked for by the trigger")
    );
}

#[test]
fn documentation_alone_deploys_nothing_but_is_still_searched_for_secrets() {
    let mut settings = settings(BOTH);
    settings.checks.insert("dependencies".to_owned(), CheckMode::Require);
    let plan =
        plan(&run(), Some(&changes(&["README.md", "docs/a.png"])), &settings).expect("a plan");
    assert!(plan.documentation_only);
    assert_eq!(plan.target, PlanTarget::Nothing);
    assert!(plan.environments.is_empty());
    assert_eq!(plan.checks.unit.skip.as_deref(), Some("only documentation changed"));
    assert_eq!(plan.checks.syntax.skip, None);
    assert_eq!(plan.checks.secrets.skip, None);
    assert_eq!(plan.checks.dependencies.skip, None, "is demanded");
    assert_eq!(plan.required, ["syntax", "dependencies", "secrets"]);
}

#[test]
fn without_a_change_set_everything_runs() {
    let plan = plan(&run(), None, &settings(BOTH)).expect("a plan");
    assert!(!plan.documentation_only);
    assert_eq!(plan.checks, Default::default());
}

#[test]
fn what_is_switched_off_is_skipped_and_a_templates_checks_stay_needed() {
    let mut settings = settings(BOTH);
    settings.template = Some(Template::Production);
    for check in ["unit", "dependencies", "secrets", "quality"] {
        settings.checks.insert(check.to_owned(), CheckMode::Skip);
    }
    let plan = planned(&run(), &settings);
    assert_eq!(plan.checks.unit.skip.as_deref(), Some("switched off in pact.toml"));
    assert_eq!(plan.checks.secrets.skip.as_deref(), Some("switched off in pact.toml"));
    let strict = ["syntax", "coverage", "vulnerabilities", "dependencies", "secrets"];
    assert_eq!(plan.required, strict);
}

#[test]
fn no_two_templates_make_the_same_plan() {
    let plans: Vec<Plan> = Template::ALL
        .iter()
        .map(|(template, _)| {
            let mut settings = settings(BOTH);
            settings.template = Some(*template);
            let mut plan = planned(&run(), &settings);
            // What they are called does not count.
            plan.template = Template::Default;
            plan
        })
        .collect();
    for (index, plan) in plans.iter().enumerate() {
        assert!(!plans.iter().skip(index + 1).any(|other| other == plan), "{plan:#?}");
    }
    let minutes: Vec<_> = plans.iter().map(|plan| plan.timeout_minutes).collect();
    assert_eq!(minutes, [30, 45, 20, 25, 60, 10]);
    let hotfix = plans.last().expect("a plan");
    assert_eq!((hotfix.gate.min_coverage, hotfix.environments.len()), (Some(70.0), 1));
    assert_eq!(hotfix.checks.e2e.skip.as_deref(), Some("the template hotfix leaves it out"));
}

#[test]
fn a_repositorys_own_threshold_takes_the_place_of_the_templates() {
    let mut settings = settings(BOTH);
    settings.gate.min_coverage = Some(12.0);
    let plan = planned(&run(), &settings);
    assert_eq!(plan.gate.min_coverage, Some(12.0));
    assert!(plan.required.contains(&"coverage".to_owned()), "{:?}", plan.required);
}

// The gate.

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

#[test]
fn all_well_goes_as_far_as_the_plan() {
    let decision = decide(&production_plan(), &well());
    assert_eq!(decision.verdict, Verdict::Promote);
    assert_eq!(decision.summary, "Promoted: all 4 rules that the gate needs are met");
    let decision = decide(&planned(&run(), &settings(&["staging"])), &well());
    assert_eq!(decision.verdict, Verdict::StageOnly);
    let decision = decide(&planned(&run(), &settings(&[])), &well());
    assert_eq!(decision.verdict, Verdict::VerifyOnly);
    assert_eq!(decision.summary, "No environment is configured in pact.toml: verified only");
    insta::assert_json_snapshot!(decision.reasons);
}

#[test]
fn a_function_above_two_thresholds_is_one_place() {
    let mut checks = well();
    let output =
        json!({ "functions": 4, "above_threshold": 2, "max_cyclomatic": 20, "max_cognitive": 30 });
    let path = format!("{}Reader.java", "a/".repeat(100));
    let finding = |code: FindingCode| {
        Finding::new(code, Severity::Low, "x").at(path.as_str(), Some(1546), None)
    };
    let mut result = check(StageStatus::Failed, "1 of 4 is above", output);
    result.findings =
        vec![finding(codes::COMPLEXITY_CYCLOMATIC), finding(codes::COMPLEXITY_COGNITIVE)];
    checks.insert("quality".to_owned(), result);
    let decision = decide(&production_plan(), &checks);
    let rule = decision.reasons.iter().find(|r| r.rule == "quality").expect("the rule");
    let would_pass = rule.would_pass.as_deref().expect("a remedy");
    assert!(would_pass.starts_with("2 findings less above a threshold: …"), "{would_pass}");
    assert_eq!(would_pass.matches("Reader.java:1546").count(), 1, "{would_pass}");
}

#[test]
fn failing_tests_reject_and_say_what_would_pass() {
    let mut checks = well();
    let unit = checks.get_mut("unit").expect("is there");
    unit.status = StageStatus::Failed;
    unit.summary = "2 of 14 unit tests failed (test_cart, test_total)".to_owned();
    unit.output["failed"] = json!(2);
    let decision = decide(&production_plan(), &checks);
    assert_eq!(decision.verdict, Verdict::Reject);
    assert_eq!(decision.summary, "Rejected: 2 of 14 unit tests failed (test_cart, test_total)");
    let first = &decision.reasons[0];
    assert_eq!(first.rule, "tests-pass");
    assert_eq!(first.would_pass.as_deref(), Some("2 more passing unit tests"));
    insta::assert_json_snapshot!(first);
}

#[test]
fn some_failures_reject_although_nothing_needs_the_check() {
    let mut plan = production_plan();
    plan.required.clear();
    // What security checks fail is critical or high and new: no template lets it through.
    for name in ["syntax", "secrets", "unit", "integration", "vulnerabilities", "dependencies"] {
        let mut checks = well();
        checks.insert(name.to_owned(), check(StageStatus::Failed, "is broken", Value::Null));
        let decision = decide(&plan, &checks);
        assert_eq!(
            (decision.verdict, decision.summary.as_str()),
            (Verdict::Reject, "Rejected: is broken")
        );
    }
    for name in ["quality", "coverage"] {
        let mut checks = well();
        checks.insert(name.to_owned(), check(StageStatus::Failed, "is bad", Value::Null));
        plan.required = vec!["syntax".to_owned()];
        let decision = decide(&plan, &checks);
        assert_eq!(decision.verdict, Verdict::Promote, "{name} is advisory");
        assert!(decision.summary.ends_with("worth a look: is bad"), "{}", decision.summary);
        plan.required = vec![name.to_owned()];
        assert_eq!(decide(&plan, &checks).verdict, Verdict::Reject, "{name} is needed");
        plan.required.clear();
    }
}

#[test]
fn a_needed_check_that_was_not_carried_out_holds_by_name() {
    let plan = production_plan();
    for status in [StageStatus::Skipped, StageStatus::Error, StageStatus::Running] {
        let mut checks = well();
        checks.insert("unit".to_owned(), check(status, "pytest is not installed", Value::Null));
        let decision = decide(&plan, &checks);
        assert_eq!(decision.verdict, Verdict::Hold);
        assert_eq!(decision.summary, "Held: unit tests not checked: pytest is not installed");
    }
    let mut checks = well();
    checks.remove("secrets");
    let decision = decide(&plan, &checks);
    assert_eq!(decision.summary, "Held: secrets not checked: it was not carried out");
    // Also where nothing would be deployed.
    let decision = decide(&planned(&run(), &settings(&[])), &checks);
    assert_eq!(decision.verdict, Verdict::Hold);
    assert!(decision.summary.contains("secrets not checked"), "{}", decision.summary);
    assert_eq!(decide(&plan, &Checks::new()).verdict, Verdict::Hold);
}

#[test]
fn no_tests_at_all_are_no_reason_to_hold_unless_they_are_demanded() {
    let mut checks = well();
    let mut none = check(StageStatus::Skipped, "no tests found in this repository", Value::Null);
    none.not_applicable = true;
    checks.insert("unit".to_owned(), none);
    let decision = decide(&production_plan(), &checks);
    assert_eq!(decision.verdict, Verdict::Promote);
    // Never shown as met.
    assert_eq!(outcome(&decision, "tests-pass"), (RuleOutcome::NotChecked, false));
    for (reason, not_applicable, verdict) in [
        ("no changed file is in a language that is parsed (Dockerfile)", true, Verdict::Promote),
        ("every changed file is larger than 1 MiB", false, Verdict::Hold),
    ] {
        let mut checks = checks.clone();
        let mut syntax = check(StageStatus::Skipped, reason, Value::Null);
        syntax.not_applicable = not_applicable;
        checks.insert("syntax".to_owned(), syntax);
        assert_eq!(decide(&production_plan(), &checks).verdict, verdict, "{reason}");
    }
    let mut settings = settings(BOTH);
    settings.checks.insert("unit".to_owned(), CheckMode::Require);
    assert_eq!(decide(&planned(&run(), &settings), &checks).verdict, Verdict::Hold);
}

#[test]
fn thresholds_are_compared_and_say_how_much_is_missing() {
    let mut settings = settings(BOTH);
    settings.gate.min_coverage = Some(81.0);
    settings.gate.min_changed_coverage = Some(90.0);
    settings.gate.max_quality_findings = Some(1);
    settings.gate.max_severity = Some(Severity::Medium);
    let plan = planned(&run(), &settings);
    let decision = decide(&plan, &well());
    assert_eq!(decision.verdict, Verdict::Reject);
    assert_eq!(decision.reasons[0].rule, "coverage");
    assert_eq!(decision.reasons[0].would_pass.as_deref(), Some("2 more covered lines"));
    assert_eq!(outcome(&decision, "changed-coverage"), (RuleOutcome::Met, true));
    assert_eq!(outcome(&decision, "quality"), (RuleOutcome::Met, true));
    insta::assert_json_snapshot!(decision.reasons[0]);

    let mut checks = well();
    checks.insert("coverage".to_owned(), check(StageStatus::Passed, "ok", coverage(162, 9)));
    assert_eq!(decide(&plan, &checks).verdict, Verdict::Promote);
    let mut high = check(StageStatus::Failed, "1 known vulnerability", severities(1, 4));
    high.findings.push(Finding::new(codes::VULNERABLE_DEPENDENCY, Severity::High, "x").at(
        "Cargo.lock",
        Some(7),
        None,
    ));
    checks.insert("dependencies".to_owned(), high);
    let decision = decide(&plan, &checks);
    assert_eq!(decision.summary, "Rejected: 1 known vulnerability");
    insta::assert_json_snapshot!(decision.reasons[0]);
    // The repository lets medium pass, whatever the agent thinks of it.
    let medium = check(StageStatus::Failed, "4 medium", severities(0, 4));
    checks.insert("dependencies".to_owned(), medium);
    assert_eq!(decide(&plan, &checks).verdict, Verdict::Promote);
    // A threshold without numbers cannot be met.
    checks.insert("quality".to_owned(), check(StageStatus::Passed, "ok", Value::Null));
    assert_eq!(outcome(&decide(&plan, &checks), "quality"), (RuleOutcome::NotChecked, true));
    assert_eq!(decide(&plan, &checks).verdict, Verdict::Hold);
}

#[test]
fn what_passed_over_nothing_is_not_met() {
    let zeros = [
        (
            "unit",
            json!({ "runner": "cargo", "command": "c", "evidence": "junit", "total": 0, "failed": 0,
            "skipped": 0, "exit_code": 0, "log_key": null, "coverage_keys": [] }),
            "tests-pass",
        ),
        ("syntax", json!({ "checked": 0, "invalid": 0, "unsupported": 0 }), "syntax-valid"),
        (
            "secrets",
            json!({ "checked": 0, "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 }),
            "no-secrets",
        ),
        (
            "dependencies",
            json!({ "checked": 0, "critical": 0, "high": 0, "medium": 0, "low": 0, "info": 0 }),
            "dependencies-safe",
        ),
        (
            "coverage",
            json!({ "lines": 0, "covered": 0, "percent": null, "changed_lines": 0,
            "changed_covered": 0, "changed_percent": null }),
            "coverage",
        ),
    ];
    for (name, output, rule) in zeros {
        let mut checks = well();
        checks.insert(name.to_owned(), check(StageStatus::Passed, "all 0 are well", output));
        let decision = decide(&production_plan(), &checks);
        assert_eq!(outcome(&decision, rule).0, RuleOutcome::NotChecked, "{name}");
        let mut settings = settings(BOTH);
        settings.checks.insert(name.to_owned(), CheckMode::Require);
        let decision = decide(&planned(&run(), &settings), &checks);
        assert_eq!(decision.verdict, Verdict::Hold, "{name}: {}", decision.summary);
    }
}

#[test]
fn coverage_that_is_demanded_needs_a_report_a_line_and_one_that_is_covered() {
    let mut settings = settings(BOTH);
    settings.checks.insert("coverage".to_owned(), CheckMode::Require);
    let plan = planned(&run(), &settings);
    let verdict = |result: Option<CheckResult>| {
        let mut checks = well();
        match result {
            Some(result) => checks.insert("coverage".to_owned(), result),
            None => checks.remove("coverage"),
        };
        decide(&plan, &checks).verdict
    };
    assert_eq!(verdict(None), Verdict::Hold);
    let mut none = check(StageStatus::Skipped, "no report was written", Value::Null);
    none.not_applicable = true;
    assert_eq!(verdict(Some(none)), Verdict::Hold);
    assert_eq!(verdict(Some(check(StageStatus::Passed, "0 %", coverage(0, 0)))), Verdict::Reject);
    assert_eq!(
        verdict(Some(check(StageStatus::Passed, "80 %", coverage(160, 9)))),
        Verdict::Promote
    );
}

#[test]
fn a_run_that_takes_longer_than_its_template_allows_is_held() {
    let mut run = run();
    run.template = Some("hotfix".to_owned());
    let plan = planned(&run, &settings(BOTH));
    let after = |minutes: i64| {
        let now = run.started_at.checked_add(jiff::SignedDuration::from_mins(minutes)).ok();
        decide_at(&plan, &well(), now)
    };
    assert_eq!(after(10).verdict, Verdict::Promote);
    let late = after(14);
    assert_eq!(late.verdict, Verdict::Hold);
    let expected = "Held: the run took 14 minutes up to here; the template hotfix allows 10";
    assert_eq!(late.summary, expected);
    assert_eq!(late.would_pass, ["in-time: a run that is 4 minutes faster"]);
}

#[test]
fn too_many_complex_functions_are_below_the_score_of_the_template() {
    let output = |complex: usize| {
        json!({ "functions": 10, "above_threshold": complex, "complex": complex,
            "max_cyclomatic": 20, "max_cognitive": 3 })
    };
    let mut checks = well();
    checks.insert("quality".to_owned(), check(StageStatus::Failed, "complex", output(3)));
    assert_eq!(decide(&production_plan(), &checks).verdict, Verdict::Promote);
    checks.insert("quality".to_owned(), check(StageStatus::Failed, "complex", output(5)));
    let decision = decide(&production_plan(), &checks);
    assert_eq!(decision.verdict, Verdict::Reject);
    assert_eq!(decision.would_pass, ["quality: 2 functions less above a threshold"]);
    insta::assert_snapshot!(decision.summary);
}

#[test]
fn what_is_high_rejects_always_and_what_is_medium_as_the_template_says() {
    let output = |high: usize, medium: usize| json!({ "checked": 3, "critical": 0, "high": high, "medium": medium, "low": 0, "info": 0 });
    for (template, verdict, advises) in [
        (Template::MlModel, Verdict::Promote, false),
        (Template::Default, Verdict::Promote, true),
        (Template::Production, Verdict::Reject, true),
    ] {
        let mut settings = settings(BOTH);
        settings.template = Some(template);
        let plan = planned(&run(), &settings);
        let mut checks = well();
        let high = check(StageStatus::Failed, "1 high", output(1, 0));
        checks.insert("dependencies".to_owned(), high);
        assert_eq!(decide(&plan, &checks).verdict, Verdict::Reject, "{template:?}");
        let medium = check(StageStatus::Passed, "1 medium", output(0, 1));
        checks.insert("dependencies".to_owned(), medium);
        let decision = decide(&plan, &checks);
        assert_eq!(decision.verdict, verdict, "{template:?}");
        let rule = decision.reasons.iter().find(|r| r.rule == "dependencies-safe");
        let not_met = rule.is_some_and(|r| r.outcome == RuleOutcome::NotMet);
        assert_eq!(not_met, advises, "{template:?}");
    }
}

#[test]
fn the_whole_verdict_says_what_would_pass() {
    let mut checks = well();
    let unit = checks.get_mut("unit").expect("is there");
    unit.status = StageStatus::Failed;
    unit.output["failed"] = json!(2);
    checks.insert("coverage".to_owned(), check(StageStatus::Passed, "75 %", coverage(150, 9)));
    checks.remove("secrets");
    let decision = decide(&production_plan(), &checks);
    insta::assert_snapshot!(decision.would_pass.join("\n"));
}

#[test]
fn end_to_end_tests_that_are_demanded_need_a_staging() {
    let mut settings = settings(&["production"]);
    settings.checks.insert("e2e".to_owned(), CheckMode::Require);
    let decision = decide(&planned(&run(), &settings), &well());
    assert_eq!(decision.verdict, Verdict::Hold);
    assert!(
        decision.summary.contains("no environment of the tier staging"),
        "{}",
        decision.summary
    );
}

#[test]
fn a_plan_that_contradicts_itself_is_held() {
    let mut plan = production_plan();
    plan.environments.iter_mut().for_each(|environment| environment.tier = Tier::Staging);
    assert_eq!(decide(&plan, &well()).verdict, Verdict::Hold);
}

#[test]
fn a_decision_stays_small_whatever_the_checks_say() {
    let mut checks = well();
    for check in checks.values_mut() {
        check.status = StageStatus::Failed;
        check.summary = "ü".repeat(100_000);
        check.findings = vec![
            Finding::new(codes::TEST_FAILED, Severity::High, "m".repeat(9_000))
                .at("p".repeat(9_000), None, None);
            50
        ];
    }
    let decision = decide(&production_plan(), &checks);
    assert!(json!(decision).to_string().len() < 30_000);
    assert!(decision.summary.len() < 500, "{}", decision.summary.len());
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

proptest! {
    #[test]
    fn nothing_goes_on_with_a_needed_check_that_did_not_pass(
        plan in any_plan(), statuses in proptest::collection::vec(0usize..4, 8)
    ) {
        let mut checks = well();
        for (check, status) in checks.values_mut().zip(&statuses) {
            check.status = STATUSES[*status];
        }
        let decision = decide(&plan, &checks);
        if matches!(decision.verdict, Verdict::Promote | Verdict::StageOnly) {
            for name in plan.required.iter().filter(|name| *name != "e2e") {
                let check = &checks[name];
                let allowed = check.status == StageStatus::Passed
                    // With a limit of its own the repository overrules the agent's verdict.
                    || (check.status == StageStatus::Failed
                        && name == "quality"
                        && plan.gate.max_quality_findings.is_some());
                prop_assert!(allowed, "{} is {:?}", name, check.status);
            }
            for name in ["syntax", "secrets", "unit", "integration"] {
                prop_assert_ne!(checks[name].status, StageStatus::Failed);
            }
        }
        prop_assert!(decision.reasons.iter().all(|r| r.outcome == RuleOutcome::Met || !r.message.is_empty()));
    }

    #[test]
    fn a_worse_check_never_improves_the_verdict(
        plan in any_plan(),
        statuses in proptest::collection::vec(0usize..4, 8),
        which in 0usize..8, worse in 1usize..4,
    ) {
        // Numbers that are as good as can be, so that the status alone is worse.
        let mut plan = plan;
        plan.gate.min_coverage = plan.gate.min_coverage.map(|p| p.min(80.0));
        plan.gate.min_changed_coverage = plan.gate.min_changed_coverage.map(|p| p.min(90.0));
        plan.gate.max_quality_findings = plan.gate.max_quality_findings.map(|_| 1);
        let mut checks = well();
        for (check, status) in checks.values_mut().zip(&statuses) {
            check.status = STATUSES[*status];
        }
        let before = decide(&plan, &checks);
        let (name, check) = checks.iter_mut().nth(which).expect("one of eight");
        let position = STATUSES.iter().position(|s| *s == check.status).expect("one of them");
        let new = (position + worse).min(3);
        // A repository's own limit overrules the agent's verdict, never the lack of one.
        prop_assume!(!(name == "quality" && plan.gate.max_quality_findings.is_some() && new == 3));
        // Skipped and error weigh the same.
        check.status = STATUSES[new];
        let after = decide(&plan, &checks);
        prop_assert!(rank(after.verdict) >= rank(before.verdict), "{:?} {:?}", before, after);
    }

    #[test]
    fn worse_numbers_never_improve_the_verdict(
        plan in any_plan(), covered in 0u64..200, less in 0u64..200, high in 0u64..3, more in 0u64..3,
    ) {
        let with = |covered: u64, high: u64| {
            let mut checks = well();
            checks.insert("coverage".to_owned(), check(StageStatus::Passed, "c", coverage(covered, covered / 20)));
            checks.insert("dependencies".to_owned(), check(StageStatus::Passed, "d", severities(high, 0)));
            rank(decide(&plan, &checks).verdict)
        };
        prop_assert!(with(covered.saturating_sub(less), high + more) >= with(covered, high));
    }
}

/// Carries out what the rule says would pass, with the number that it names.
fn apply(rule: &pact_contract::run::RuleResult, less: u64, checks: &mut Checks) {
    let text = rule.would_pass.as_deref().expect("a rule that is not met says what would pass");
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let number = digits.parse::<u64>().unwrap_or(0).saturating_sub(less);
    let add = |checks: &mut Checks, field: &str| {
        let check = checks.get_mut("coverage").expect("is there");
        // The check judges by the same numbers.
        check.status = StageStatus::Passed;
        let output = &mut check.output;
        output[field] = json!(output[field].as_u64().unwrap_or(0) + number);
    };
    match (rule.rule.as_str(), rule.outcome) {
        ("coverage", RuleOutcome::NotMet) if !digits.is_empty() => add(checks, "covered"),
        ("changed-coverage", RuleOutcome::NotMet) => add(checks, "changed_covered"),
        (name, _) => {
            let check = match name {
                "syntax-valid" => "syntax",
                "no-secrets" => "secrets",
                "tests-pass" => "unit",
                "integration-tests-pass" => "integration",
                "coverage" | "changed-coverage" => "coverage",
                "dependencies-safe" => "dependencies",
                "no-vulnerabilities" => "vulnerabilities",
                "quality" => "quality",
                other => panic!("{other} is no rule over a check"),
            };
            let mut well = well().remove(check).expect("one of them");
            if check == "integration" {
                well = super::tests::well().remove("unit").expect("is there");
            }
            if check == "quality" {
                well.output["above_threshold"] = json!(0);
            }
            if check == "coverage" {
                well.output = coverage(200, 10);
            }
            checks.insert(check.to_owned(), well);
        }
    }
}

proptest! {
    #[test]
    fn what_would_pass_passes_and_nothing_of_it_can_be_left_out(
        plan in any_plan(),
        statuses in proptest::collection::vec(0usize..4, 8),
        covered in 0u64..200,
    ) {
        let mut plan = plan;
        // Demanded end-to-end tests without a staging are the plan's, no check mends them.
        plan.required.retain(|name| name != "e2e");
        let mut checks = well();
        for (check, status) in checks.values_mut().zip(&statuses) {
            check.status = STATUSES[*status];
        }
        let result = checks.get_mut("coverage").expect("is there");
        result.output = coverage(covered, covered / 20);
        let before = decide(&plan, &checks);
        prop_assume!(rank(before.verdict) > 0);
        let open: Vec<_> = before.reasons.iter()
            .filter(|r| r.required && r.outcome != RuleOutcome::Met).cloned().collect();
        let mut all = checks.clone();
        for rule in &open {
            apply(rule, 0, &mut all);
        }
        let after = decide(&plan, &all);
        prop_assert_eq!(rank(after.verdict), 0, "{:#?} {:#?}", open, after);
        for left_out in &open {
            let mut rest = checks.clone();
            // What covers changed lines covers lines: those of one report go together.
            let together = |r: &str| r.contains("coverage");
            for rule in open.iter().filter(|r| {
                r.rule != left_out.rule && !(together(&r.rule) && together(&left_out.rule))
            }) {
                apply(rule, 0, &mut rest);
            }
            prop_assert!(rank(decide(&plan, &rest).verdict) > 0, "{:#?}", left_out);
        }
    }

    #[test]
    fn the_lines_that_would_pass_are_not_one_too_many(covered in 1u64..160) {
        let plan = production_plan();
        let mut checks = well();
        checks.insert("coverage".to_owned(), check(StageStatus::Passed, "c", coverage(covered, 9)));
        let decision = decide(&plan, &checks);
        let rule = decision.reasons.iter().find(|r| r.rule == "coverage").expect("the rule");
        let mut enough = checks.clone();
        apply(rule, 0, &mut enough);
        prop_assert_eq!(decide(&plan, &enough).verdict, Verdict::Promote);
        apply(rule, 1, &mut checks);
        prop_assert_eq!(decide(&plan, &checks).verdict, Verdict::Reject);
    }

    #[test]
    fn no_verdict_passes_on_zero_evidence(plan in any_plan(), kinds in proptest::collection::vec(0usize..4, 8)) {
        let mut checks = well();
        for (check, kind) in checks.values_mut().zip(&kinds) {
            check.status = if *kind < 2 { StageStatus::Passed } else { StageStatus::Skipped };
            check.not_applicable = *kind == 2;
            for field in ["checked", "functions", "total", "lines", "covered", "changed_lines", "changed_covered"] {
                if let Some(value) = check.output.get_mut(field) {
                    *value = json!(0);
                }
            }
        }
        let decision = decide(&plan, &checks);
        let passes = matches!(decision.verdict, Verdict::Promote | Verdict::StageOnly);
        prop_assert!(!passes, "{:#?}", decision);
        let met = decision.reasons.iter().any(|r| r.outcome == RuleOutcome::Met);
        prop_assert!(!met, "{:#?}", decision.reasons);
    }
}

// The judgement.

fn metrics(requests: u64, errors: u64, ms: f64) -> Metrics {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (rate, latencies_ms) = (
        errors as f64 * 100.0 / requests.max(1) as f64,
        (0..requests - errors).map(|i| ms + (i * 7 % 11) as f64 * ms / 40.0).collect(),
    );
    Metrics { requests, errors, error_rate: rate, p95_ms: ms, latencies_ms, ..Metrics::default() }
}

fn judged(before: Option<Metrics>, now: Metrics, watch: Watch) -> (JudgeReleaseOutput, String) {
    let anomalies = DetectAnomaliesOutput::default();
    judge(&JudgeRelease { metrics: now, baseline: before, anomalies, watch, weight: None })
}

#[test]
fn a_release_is_judged_by_what_it_replaces_and_by_its_limits() {
    use ReleaseVerdict::{Inconclusive, Keep, RollBack};
    let calm = || metrics(100, 0, 20.0);
    let nan = || Metrics { latencies_ms: Vec::new(), p95_ms: f64::NAN, ..calm() };
    for (before, now, verdict, text) in [
        (Some(calm()), calm(), Keep, "The release stays: 100 requests, 0 of them failed"),
        (None, calm(), Keep, "The release stays"),
        (None, metrics(100, 40, 20.0), RollBack, "40.0 % of 100 requests failed; at most 5 %"),
        (None, metrics(100, 6, 20.0), Inconclusive, "6.0 % of 100 requests failed; at most 5 %"),
        (None, metrics(100, 0, 900.0), RollBack, "the latency is 900 ms; at most 500 ms"),
        (None, nan(), RollBack, "NaN"),
        (Some(calm()), metrics(100, 0, 80.0), RollBack, "the median latency is worse: 90.0 ms"),
        (
            Some(metrics(600, 0, 20.0)),
            metrics(600, 24, 20.0),
            RollBack,
            "failed requests is worse: 4.00 %",
        ),
        // What is better than what it replaces stays, though it is not good.
        (Some(metrics(50, 50, 20.0)), metrics(100, 15, 20.0), Keep, "The release stays"),
        (Some(metrics(50, 15, 2.0)), metrics(50, 3, 700.0), Keep, "stays, with a warning"),
        (Some(calm()), metrics(19, 19, 20.0), Inconclusive, "19 requests during the watch"),
        (Some(metrics(9, 0, 20.0)), calm(), Inconclusive, "9 requests before the release"),
        (Some(calm()), Metrics::default(), Inconclusive, "no request was measured"),
    ] {
        let (output, summary) = judged(before, now, Watch::default());
        assert_eq!(output.verdict, verdict, "{summary}");
        assert!(summary.contains(text), "{summary}");
        let broken = output.reasons.iter().filter(|r| r.outcome == RuleOutcome::NotMet);
        for rule in broken {
            assert!(rule.would_pass.is_some(), "{rule:?}");
        }
    }
}

#[test]
fn every_rule_names_sizes_interval_and_what_would_have_passed() {
    let (output, _) = judged(Some(metrics(100, 0, 20.0)), metrics(100, 0, 80.0), Watch::default());
    let rules: Vec<_> = output.reasons.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(
        rules,
        [
            "error-rate",
            "latency-p95",
            "compared-errors",
            "compared-latency-median",
            "compared-spread",
            "compared-latency-p95",
            "compared-latency-p99",
            "compared-trend"
        ]
    );
    let median = &output.reasons[3];
    for said in ["22.5 ms before", "the difference is from", "100 and 100 samples", "Mann-Whitney"]
    {
        assert!(median.message.contains(said), "{}", median.message);
    }
    assert_eq!(median.would_pass.as_deref(), Some("the median latency at 32.5 ms or less"));
}

#[test]
fn the_policy_says_what_follows_where_there_is_no_verdict() {
    use Inconclusive::{Extend, Hold, Keep, TakeBack};
    let suspicious = || metrics(50, 2, 20.0);
    let nothing = Metrics::default;
    for (policy, now, then, status) in [
        (Extend, nothing(), Then::Keep, "it stays"),
        (Extend, suspicious(), Then::Hold, "it stays until a person has looked at it"),
        (Hold, nothing(), Then::Hold, "it stays until a person has looked at it"),
        (Keep, suspicious(), Then::Keep, "it stays"),
        (TakeBack, nothing(), Then::TakeBack, "it is taken back"),
    ] {
        let watch = Watch { inconclusive: policy, ..Watch::default() };
        let (output, summary) = judged(Some(metrics(50, 0, 20.0)), now, watch);
        assert_eq!((output.verdict, output.then), (ReleaseVerdict::Inconclusive, Some(then)));
        assert!(summary.ends_with(status), "{summary}");
    }
}

// Through the adapter, as the state machine calls.

async fn call(memory: &Arc<Memory>, action: &str, parameters: Value) -> Result<Value, AgentError> {
    let agent = QualityAgent::new(Arc::clone(memory) as Arc<dyn Artifacts>);
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

// Other rules on stored runs.

fn stored(plan: &Plan, checks: &Checks) -> Vec<StageRecord> {
    let record = |action: &str, status: StageStatus, summary: &str, output: Value| -> StageRecord {
        serde_json::from_value(json!({
            "schema": 1, "run_id": "shop-1", "state": "Stage", "agent": "an-agent",
            "action": action, "status": status, "summary": summary, "attempt": 1,
            "started_at": "2026-01-01T00:00:00Z", "finished_at": null, "duration_ms": 1,
            "findings": [], "findings_total": 0, "output": output, "details_key": null,
            "error": null, "fallback": null,
        }))
        .expect("a record")
    };
    let actions = [
        ("syntax", "code.validate_syntax"),
        ("quality", "code.check_quality"),
        ("unit", "tests.run_unit"),
        ("integration", "tests.run_integration"),
        ("coverage", "tests.check_coverage"),
        ("vulnerabilities", "security.scan_vulnerabilities"),
        ("dependencies", "security.check_dependencies"),
        ("secrets", "security.validate_secrets"),
    ];
    let plan = serde_json::to_value(plan).expect("a plan");
    let mut stages = vec![record("quality.plan_pipeline", StageStatus::Passed, "planned", plan)];
    for (name, action) in actions {
        let check = &checks[name];
        stages.push(record(action, check.status, &check.summary, check.output.clone()));
    }
    stages
}

#[test]
fn other_rules_are_tried_on_the_same_evidence() {
    let plan = production_plan();
    let decision = decide(&plan, &well());
    assert_eq!(decision.verdict, Verdict::Promote);
    let evidence = Evidence::of(&stored(&plan, &well()), &decision).expect("is stored");
    let under = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(BOTH);
        change(&mut settings);
        evidence.under(&run(), &settings).expect("is decided")
    };
    assert_eq!(under(&|_| ()).verdict, Verdict::Promote);
    // 160 of 200 lines are covered.
    let strict = under(&|settings| settings.gate.min_coverage = Some(85.0));
    assert_eq!(strict.verdict, Verdict::Reject);
    assert_eq!(strict.would_pass, ["coverage: 10 more covered lines"]);
    let demanding = under(&|settings| {
        settings.checks.insert("integration".to_owned(), CheckMode::Require);
    });
    assert_eq!(demanding.verdict, Verdict::Hold);
}

#[test]
fn a_run_whose_decision_cannot_be_reproduced_is_not_tried() {
    let plan = production_plan();
    let mut decision = decide(&plan, &well());
    let stages = stored(&plan, &well());
    assert_eq!(Evidence::of(&[], &decision).err(), Some(NoEvidence::NoPlan));
    decision.verdict = Verdict::Reject;
    assert_eq!(Evidence::of(&stages, &decision).err(), Some(NoEvidence::NotReproduced));
}

#[test]
fn what_cannot_be_taken_back_asks_before_production_and_says_why() {
    let mut settings = settings(BOTH);
    settings.migrations.paths = vec!["db/**".to_owned()];
    let made = plan(&run(), Some(&changes(&["db/1.sql"])), &settings).expect("a plan");
    let environment = |name: &str| made.environments.get(name).expect("is there");
    assert_eq!(environment("production").one_way, ["db/1.sql is a migration without a down step"]);
    assert!(environment("production").settings.approval.is_some());
    assert!(environment("staging").one_way.is_empty());
    assert_eq!(environment("staging").settings.approval, None);
    assert!(
        crate::plan::summary(&made, None).contains("no way back (db/1.sql is a migration"),
        "{made:?}"
    );
    let other = plan(&run(), Some(&changes(&["src/main.rs"])), &settings).expect("a plan");
    assert_eq!(other.environments.get("production").expect("is there").settings.approval, None);
}
