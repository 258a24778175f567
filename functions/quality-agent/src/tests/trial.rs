//! Other rules on stored runs.

use pact_contract::settings::{Condition, Consequence};

use super::*;

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
        let changes = changes(&["db/1.sql"]);
        evidence.under(&run(), Some(&changes), &settings).expect("is decided")
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
    let when = |when: &str| {
        let then = Some(Consequence::Hold);
        let (name, require, skip) = ("the schema".to_owned(), Vec::new(), Vec::new());
        let condition = Condition { name, when: when.to_owned(), require, skip, then };
        under(&|settings| settings.conditions = vec![condition.clone()])
    };
    assert_eq!(when("changes('db/**')").verdict, Verdict::Hold);
    assert_eq!(when("changes('src/**')").verdict, Verdict::Promote);
}

#[test]
fn conditions_of_before_are_not_those_of_the_rules_that_are_tried() {
    let then = Some(Consequence::Hold);
    let (name, when) = ("all".to_owned(), "true".to_owned());
    let condition = Condition { name, when, require: Vec::new(), skip: Vec::new(), then };
    let held = Settings { conditions: vec![condition], ..settings(BOTH) };
    let plan = planned(&run(), &held);
    let decision = decide(&plan, &well());
    assert_eq!(decision.verdict, Verdict::Hold);
    let evidence = Evidence::of(&stored(&plan, &well()), &decision).expect("is stored");
    let changes = changes(&["src/main.rs"]);
    let under = |settings| evidence.under(&run(), Some(&changes), settings).expect("is decided");
    assert_eq!(under(&held).verdict, Verdict::Hold);
    assert_eq!(under(&settings(BOTH)).verdict, Verdict::Promote);
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
