//! Conditions of the repository in the plan and at the gate.

use pact_contract::settings::{Condition, Consequence};

use super::*;

fn condition(when: &str, require: &[&str], skip: &[&str], then: Option<Consequence>) -> Condition {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Condition {
        name: "the schema".to_owned(),
        when: when.to_owned(),
        require: list(require),
        skip: list(skip),
        then,
    }
}

fn under(conditions: Vec<Condition>) -> (Plan, Settings) {
    let settings = Settings { conditions, ..settings(BOTH) };
    (planned(&run(), &settings), settings)
}

#[test]
fn what_holds_asks_for_what_it_says_and_what_does_not_changes_nothing() {
    let when = "changes('src/**') && branch == 'main'";
    let (plan, _) =
        under(vec![condition(when, &["integration"], &["e2e", "quality"], Some(Consequence::Ask))]);
    assert!(plan.demanded.contains(&"integration".to_owned()));
    assert!(plan.required.contains(&"integration".to_owned()));
    let left_out = "left out by the condition \"the schema\"";
    assert_eq!(plan.checks.e2e.skip.as_deref(), Some(left_out));
    assert_eq!(plan.checks.quality.skip.as_deref(), Some(left_out));
    let asked = |plan: &Plan, name: &str| {
        let name: EnvironmentName = name.parse().expect("a name");
        plan.environments.get(&name).expect("is there").settings.approval.is_some()
    };
    assert!(asked(&plan, "production") && !asked(&plan, "staging"));
    assert_eq!(plan.conditions[0].when, when);

    let (other, _) = under(vec![condition("branch == 'dev'", &["e2e"], &["unit"], None)]);
    let (none, _) = under(Vec::new());
    assert_eq!(other, none);
    assert!(none.risk.is_some_and(|risk| risk.terms.iter().any(|term| term.name == "untested")));
}

#[test]
fn a_condition_that_holds_the_release_holds_it_and_says_why() {
    let (plan, _) = under(vec![condition("risk >= 0", &[], &[], Some(Consequence::Hold))]);
    let decision = decide(&plan, &well());
    assert_eq!(decision.verdict, Verdict::Hold);
    assert_eq!(decision.summary, "Held: the condition \"the schema\" holds the release: risk >= 0");
    assert_eq!(outcome(&decision, "condition"), (RuleOutcome::NotChecked, true));
    let (plan, _) = under(vec![condition("risk > 100", &[], &[], Some(Consequence::Hold))]);
    assert_eq!(decide(&plan, &well()).verdict, Verdict::Promote);
}

#[test]
fn what_nobody_can_say_asks_for_everything_and_lets_off_nothing() {
    for when in ["nonsense ==", "branch", "paths.all(p, p > 3)"] {
        let all = condition(when, &["integration"], &["unit"], Some(Consequence::Hold));
        let (plan, settings) = under(vec![all]);
        assert!(plan.demanded.contains(&"integration".to_owned()), "{when}");
        assert_eq!(plan.checks.unit.skip, None, "{when}");
        let decision = decide(&plan, &well());
        assert_eq!(decision.verdict, Verdict::Hold);
        assert!(decision.summary.contains("nobody can say whether"), "{}", decision.summary);
        // Neither can it be said without a change set.
        let plan = super::plan(&run(), None, &settings).expect("a plan");
        assert!(plan.conditions[0].unknown.is_some() && plan.risk.is_none());
    }
}

#[test]
fn no_condition_lets_off_what_is_demanded() {
    let skip = condition("true", &[], &["unit", "secrets"], None);
    let (plan, mut settings) = under(vec![skip.clone(), condition("true", &["unit"], &[], None)]);
    assert_eq!(plan.checks.unit.skip, None);
    assert!(plan.demanded.contains(&"unit".to_owned()));
    // What every push is searched for is then missing at the gate.
    assert!(plan.required.contains(&"secrets".to_owned()));
    settings.conditions = vec![skip];
    settings.checks.insert("unit".to_owned(), CheckMode::Require);
    assert_eq!(planned(&run(), &settings).checks.unit.skip, None);
}
