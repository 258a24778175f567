//! What holds for every plan and all evidence.

use super::*;

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
