//! The scheduled pass: what no event told of is taken up where it was left.

use std::collections::BTreeSet;

use pact_agent::open::OpenRuns as _;
use pact_contract::RunStatus;

use super::*;
use crate::{reconciler::reconcile, testing::status};

pub(super) async fn pass(world: &Arc<World>) -> Value {
    let answer = reconcile(&world.ports(), json!({ "pass": {} })).await.unwrap();
    answer["pass"].clone()
}

/// A run whose execution was never started, as a gateway leaves it that dies in between.
async fn left(world: &Arc<World>, digit: char) -> String {
    let (_, body) = send(&world.gateway(), push(&format!("d-{digit}"), &push_event(digit))).await;
    let id = body["run_id"].as_str().unwrap().to_owned();
    world.state().executions.remove(&id);
    id
}

/// Has the execution of this name stand so, and nobody told of it.
fn stands(world: &World, name: &str, how: &str) {
    world.state().states.insert(name.to_owned(), status(how));
}

#[tokio::test]
async fn a_run_that_was_never_started_is_started_once_and_what_runs_is_left_alone() {
    let world = World::new();
    let id = left(&world, '2').await;
    let report = pass(&world).await;
    assert_eq!((&report["runs"], &report["started"]), (&json!(1), &json!(1)), "{report}");
    let request = json!(world.state().runs[id.as_str()].request);
    assert_eq!(world.state().executions[&id], request);
    let report = pass(&world).await;
    assert_eq!((&report["started"], &report["complete"]), (&json!(0), &json!(true)), "{report}");
}

#[tokio::test]
async fn a_rollback_that_was_never_started_is_started_with_what_was_wanted() {
    let world = World::new();
    let id = started(&world).await;
    rollback::deployed(&world, &id, |_| {}).await;
    let (_, body) = rollback::roll_back(&world, &rollback::wanted()).await;
    let back = body["run_id"].as_str().unwrap();
    let input = world.state().executions.remove(back).unwrap();
    assert!(input.get("take_back").is_some());
    assert_eq!(pass(&world).await["started"], 1);
    assert_eq!(world.state().executions[back], input);
}

#[tokio::test]
async fn what_ended_without_an_event_is_ended_and_counted_once() {
    for (how, expected) in [
        ("ABORTED", RunStatus::Cancelled),
        ("TIMED_OUT", RunStatus::TimedOut),
        ("FAILED", RunStatus::Failed),
        // The table was away when the state machine would have written the end.
        ("SUCCEEDED", RunStatus::Failed),
    ] {
        let world = World::new();
        let id = started(&world).await;
        stands(&world, &id, how);
        for ended in [1, 0] {
            assert_eq!(pass(&world).await["ended"], ended, "{how}");
        }
        assert_eq!(world.state().runs[id.as_str()].status, expected, "{how}");
        assert_eq!(world.metric_events().len(), 1, "{how}");
        assert_eq!(world.log(&id).len(), 2, "{how}");
    }
}

#[tokio::test]
async fn what_was_begun_is_taken_back_and_a_way_back_that_goes_on_is_left_alone() {
    let world = World::new();
    let id = started(&world).await;
    people::watched(&world, &id);
    stands(&world, &id, "TIMED_OUT");
    let back = format!("{id}-back");
    for _ in 0..2 {
        pass(&world).await;
        assert!(world.state().executions.contains_key(&back));
        assert_eq!(world.state().runs[id.as_str()].status, RunStatus::Running);
    }
    stands(&world, &back, "FAILED");
    pass(&world).await;
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::RollbackFailed);
}

#[tokio::test]
async fn a_run_that_is_ended_while_it_is_started_does_not_go_on() {
    let world = World::new();
    let id = started(&world).await;
    world.state().runs.get_mut(id.as_str()).unwrap().status = RunStatus::Cancelled;
    let event = json!({
        "detail-type": "Step Functions Execution Status Change",
        "detail": { "name": id, "status": "RUNNING" },
    });
    reconcile(&world.ports(), event).await.unwrap();
    assert!(world.state().stopped.contains(&format!("arn:execution:{id}")));
}

#[tokio::test]
async fn what_whoever_cancelled_a_run_did_not_come_to_is_done() {
    let mut cut_short = 0;
    for calls in 0.. {
        let world = World::new();
        let id = started(&world).await;
        world.fail_after(calls);
        let cancel = api("POST", &format!("/v1/runs/{id}/cancel"), r#"{"by": "Ada"}"#);
        send(&world.gateway(), cancel).await;
        if world.no_fault_came() {
            break;
        }
        if world.state().runs[id.as_str()].status != RunStatus::Cancelled {
            continue;
        }
        cut_short += 1;
        pass(&world).await;
        let arn = format!("arn:execution:{id}");
        assert!(world.state().stopped.contains(&arn), "after {calls} calls");
        stands(&world, &id, "ABORTED");
        pass(&world).await;
        assert_eq!(world.metric_events().len(), 1, "after {calls} calls");
        assert_eq!(pass(&world).await["runs"], 0, "after {calls} calls");
    }
    assert!(cut_short > 2, "{cut_short} steps");
}

#[tokio::test]
async fn one_pass_at_a_time_and_who_was_overtaken_writes_nothing() {
    let world = World::new();
    left(&world, '2').await;
    let first = world.begin_pass(std::time::Duration::from_secs(1)).await.unwrap().unwrap();
    assert_eq!(pass(&world).await["elsewhere"], true);
    assert!(world.state().executions.is_empty());
    // Its lease is over, and another one has begun.
    world.state().pass.0 = false;
    let second = world.begin_pass(std::time::Duration::from_secs(1)).await.unwrap().unwrap();
    assert!(!world.end_pass(&first, None).await.unwrap());
    assert!(world.end_pass(&second, None).await.unwrap());
    assert_eq!(pass(&world).await["started"], 1);
}

#[tokio::test]
async fn a_pass_that_dies_at_any_step_is_completed_by_the_next() {
    let mut cut_short = 0;
    for calls in 0.. {
        let world = World::new();
        let started = left(&world, '2').await;
        let ended = {
            let (_, body) = send(&world.gateway(), push("d-3", &push_event('3'))).await;
            body["run_id"].as_str().unwrap().to_owned()
        };
        // Superseding is not what this is about.
        world.state().runs.get_mut(started.as_str()).unwrap().status = RunStatus::Running;
        stands(&world, &ended, "ABORTED");
        world.fail_after(calls);
        let died = reconcile(&world.ports(), json!({ "pass": {} })).await;
        if world.no_fault_came() {
            died.unwrap();
            break;
        }
        cut_short += 1;
        // Its lease is over.
        world.state().pass.0 = false;
        pass(&world).await;
        let state = world.state();
        assert!(state.executions.contains_key(&started), "after {calls} calls");
        assert_eq!(state.runs[ended.as_str()].status, RunStatus::Cancelled, "after {calls} calls");
        assert_eq!(state.executions.len(), 2, "after {calls} calls");
        drop(state);
        assert_eq!(world.metric_events().len(), 1, "after {calls} calls");
    }
    assert!(cut_short > 10, "{cut_short} steps");
}

#[tokio::test]
async fn a_long_list_is_looked_at_to_its_end_page_by_page() {
    let world = World::new();
    let mut all = BTreeSet::new();
    let id = started(&world).await;
    {
        let mut state = world.state();
        let run = state.runs[id.as_str()].clone();
        for number in 0..123 {
            let mut run = run.clone();
            run.request.run_id = run.request.run_id.again(number + 1);
            run.execution_arn = format!("arn:execution:{}", run.request.run_id);
            all.insert(run.request.run_id.to_string());
            state.runs.insert(run.request.run_id.clone(), run);
        }
    }
    let report = pass(&world).await;
    assert_eq!((&report["runs"], &report["started"]), (&json!(124), &json!(123)), "{report}");
    assert!(all.iter().all(|id| world.state().executions.contains_key(id)));
}
