//! What is released while users' budget of errors is used up.

use std::time::Duration;

use pact_agent::{
    incidents::Incidents as _,
    ports::{Environments as _, Lock},
};
use pact_contract::{
    EnvironmentKey,
    actions::{EnvironmentRecord, WatchResult},
    objectives::{Budget, Counts},
};

use super::*;

/// What the gate says of production, of whose requests so many failed.
async fn decided(counts: Option<Counts>, template: Option<&str>, asked: bool) -> Value {
    let (memory, incidents) = (Memory::new(), Arc::new(MemoryIncidents::default()));
    let key: EnvironmentKey = "acme/shop#production".parse().expect("a key");
    let now = jiff::Timestamp::now();
    let current = serde_json::from_value(json!({
        "release": "r1", "commit": "1", "run_id": "shop-0", "deployed_at": now,
        "settings": {
            "target": { "kind": "directory" }, "health": [],
            "watch": { "seconds": 5, "objectives": { "availability": 99.0 } },
        },
    }));
    let current = Some(current.expect("a release"));
    let record = EnvironmentRecord { current, ..EnvironmentRecord::default() };
    let holder = "shop-0".parse().expect("an id");
    let lock = memory.lock(&key, &holder, Duration::from_secs(60)).await;
    let Ok(Lock::Held { fence }) = lock else { panic!("busy") };
    memory.store(&key, &record, fence).await.expect("is kept");
    if let Some(counts) = counts {
        let mut budget = Budget::default();
        budget.count(&counts, now);
        let seen = WatchResult { health: "healthy".to_owned(), summary: String::new(), at: now };
        incidents.keep_watch(&key, &seen, Some(&budget)).await.expect("is kept");
    }
    let set = json!(changes(&["src/main.rs"])).to_string();
    memory.put("changes", Bytes::from(set)).await.expect("is kept");
    let mut settings = settings(BOTH);
    settings.gate.fixes_only_when_spent = asked;
    let run = RunRequest { started_at: now, template: template.map(str::to_owned), ..run() };
    let asked = json!({ "run": run, "changes_key": "changes", "settings": settings });
    let answer = call_with(&memory, Arc::clone(&incidents), "quality.plan_pipeline", asked).await;
    let plan = answer.expect("a plan")["response"]["output"].take();
    let asked = json!({ "plan": plan, "checks": well() });
    let answer = call_with(&memory, incidents, "quality.evaluate_gate", asked).await;
    answer.expect("a decision")["response"]["output"].take()
}

fn rule(decision: &Value) -> Option<&Value> {
    decision["reasons"].as_array()?.iter().find(|rule| rule["rule"] == "error-budget")
}

fn counted(requests: u64, errors: u64) -> Option<Counts> {
    Some(Counts { requests, errors, slow: 0 })
}

#[tokio::test]
async fn while_it_is_used_up_only_fixes_are_released() {
    let spent = decided(counted(1_000, 25), None, true).await;
    assert_eq!(spent["verdict"], "hold", "{spent:#}");
    let why = rule(&spent).expect("the rule");
    assert_eq!((&why["outcome"], &why["required"]), (&json!("not_checked"), &json!(true)));
    assert_eq!(
        why["message"],
        "the budget of errors of production is used up (availability, 28 days: 250 % of it): nothing \
         but a fix is released"
    );
    assert!(why["would_pass"].as_str().expect("a text").contains("hotfix"));
    assert_eq!(decided(counted(1_000, 25), Some("hotfix"), true).await["verdict"], "promote");
    assert_eq!(decided(counted(1_000, 25), None, false).await["verdict"], "promote");
}

#[tokio::test]
async fn with_something_left_or_nothing_counted_everything_is() {
    let left = decided(counted(1_000, 5), None, true).await;
    assert_eq!(
        (&left["verdict"], &rule(&left).expect("it")["outcome"]),
        (&json!("promote"), &json!("met"))
    );
    let nothing = decided(None, None, true).await;
    let why = rule(&nothing).expect("the rule");
    assert_eq!((&nothing["verdict"], &why["outcome"]), (&json!("promote"), &json!("not_checked")));
    assert!(rule(&decided(counted(10, 10), None, false).await).is_none(), "nobody asked");
}

#[test]
fn what_nobody_knows_holds_the_release() {
    let mut settings = settings(BOTH);
    settings.gate.fixes_only_when_spent = true;
    let mut plan = planned(&run(), &settings);
    plan.budgets.push(pact_contract::actions::BudgetLeft {
        environment: "production".parse().expect("a name"),
        promise: None,
        days: 0,
        left: None,
        unknown: Some("the item is of a later version".to_owned()),
    });
    let decision = decide(&plan, &well());
    assert_eq!(decision.verdict, Verdict::Hold);
    assert!(decision.summary.contains("nobody knows"), "{}", decision.summary);
}
