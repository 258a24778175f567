//! The gate, rule by rule.

use super::*;

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
    assert!(would_pass.starts_with("2 findings fewer above a threshold: …"), "{would_pass}");
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
    assert_eq!(decision.would_pass, ["quality: 2 functions fewer above a threshold"]);
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
