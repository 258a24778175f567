//! Cancelling, approving, and the reconciler behind both.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    metrics::MetricEvent,
    ports::{Environments as _, Lock},
};
use pact_contract::{
    EnvironmentKey, ErrorName, RunStatus,
    actions::{EnvironmentRecord, PendingDeployment, ReleaseRecord},
    settings::{Environment, Instance, Watch},
};

use super::*;
use crate::reconcile;

const HOUR: Duration = Duration::from_secs(3_600);

async fn cancel(world: &Arc<World>, id: &str) -> (u16, Value) {
    let body = r#"{"by": "Ada", "reason": "wrong branch"}"#;
    send(&world.gateway(), api("POST", &format!("/v1/runs/{id}/cancel"), body)).await
}

fn key(environment: &str) -> EnvironmentKey {
    format!("acme/web#{environment}").parse().unwrap()
}

async fn lock(world: &World, environment: &str, run_id: &str) -> Lock {
    // A run says where it deploys to before it takes the lock.
    if let Some(run) = world.state().runs.get_mut(run_id) {
        run.deploying = environment.parse().ok();
    }
    world.environments().lock(&key(environment), &run_id.parse().unwrap(), HOUR).await.unwrap()
}

/// Begins a deployment of the run.
async fn deploy(world: &World, environment: &str, run_id: &str) {
    let settings = Environment {
        target: Instance::new("directory"),
        health: Vec::new(),
        approval: None,
        watch: Some(Watch::default()),
        shift: Default::default(),
        freeze: Vec::new(),
        no_return: None,
        wave_of: None,
    };
    let release = ReleaseRecord {
        release: "r1".parse().unwrap(),
        commit: "2".repeat(40),
        run_id: run_id.parse().unwrap(),
        deployed_at: Timestamp::now(),
        settings,
    };
    let record = EnvironmentRecord {
        pending: Some(PendingDeployment { release, replaces: None, fence: 1, shift: None }),
        ..<_>::default()
    };
    let Lock::Held { fence } = lock(world, environment, run_id).await else { panic!("busy") };
    world.environments().store(&key(environment), &record, fence).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_run_is_final_stopped_and_holds_nothing() {
    let world = World::new();
    let id = started(&world).await;
    lock(&world, "staging", &id).await;
    for time in 0..2 {
        let (status, body) = cancel(&world, &id).await;
        assert_eq!((status, &body["status"]), (200, &json!("cancelled")), "time {time}");
        let reason = body["outcome"]["reason"].as_str().unwrap();
        assert_eq!(reason, "cancelled on request of installation for Ada: wrong branch");
    }
    assert!(world.state().stopped.contains(&format!("arn:execution:{id}")));
    assert!(matches!(lock(&world, "staging", "another").await, Lock::Held { .. }));
    let actions: Vec<_> = world.log(&id).into_iter().map(|e| (e.actor, e.action)).collect();
    assert_eq!(
        actions[1..],
        [("installation for Ada".to_owned(), "gateway.cancel_run".to_owned())]
    );
}

#[tokio::test]
async fn a_run_that_ended_or_deploys_is_not_cancelled() {
    let world = World::new();
    let id = started(&world).await;
    deploy(&world, "production", &id).await;
    let (status, body) = cancel(&world, &id).await;
    assert_eq!((status, error_code(&body)), (409, "deploying"));
    assert!(world.state().stopped.is_empty());
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::Running);

    world.state().runs.get_mut(id.as_str()).unwrap().status = RunStatus::Succeeded;
    let (status, body) = cancel(&world, &id).await;
    assert_eq!((status, error_code(&body)), (409, "run_ended"));
    assert!(body["detail"].as_str().unwrap().contains("succeeded"));
}

#[tokio::test]
async fn a_deployment_of_another_run_does_not_hold_a_cancellation_up() {
    let world = World::new();
    let id = started(&world).await;
    deploy(&world, "staging", "another").await;
    assert_eq!(cancel(&world, &id).await.0, 200);
    assert_eq!(
        lock(&world, "staging", "third").await,
        Lock::Busy { run_id: "another".parse().unwrap() },
        "the other's lock stays"
    );
}

#[tokio::test]
async fn a_cancellation_that_failed_halfway_is_completed_by_another() {
    for step in 0..9 {
        let world = World::new();
        let id = started(&world).await;
        lock(&world, "staging", &id).await;
        world.fail_after(step);
        assert_eq!(cancel(&world, &id).await.0, 503, "step {step}");
        assert_eq!(cancel(&world, &id).await.0, 200, "step {step}");
        assert!(world.state().stopped.contains(&format!("arn:execution:{id}")));
        assert!(matches!(lock(&world, "staging", "x").await, Lock::Held { .. }), "step {step}");
    }
}

pub(super) fn approval(run_id: &str, token: &str) -> Value {
    json!({ "approval": {
        "run_id": run_id,
        "state": "AwaitApproval",
        "question": "Deploy r1 to production?",
        "expires_seconds": 600,
        "task_token": token,
    }})
}

/// Opens an approval and gives its callback.
pub(super) async fn opened(world: &Arc<World>, run_id: &str, token: &str) -> String {
    world.state().waiting.insert(token.to_owned());
    let answer = reconcile(&world.ports(), approval(run_id, token)).await.unwrap();
    answer["callback"].as_str().unwrap().to_owned()
}

pub(super) async fn answer(
    world: &Arc<World>,
    callback: &str,
    approved: bool,
    by: &str,
) -> (u16, Value) {
    let body = json!({ "approved": approved, "by": by, "reason": "because" }).to_string();
    send(&world.gateway(), api("POST", &format!("/v1/callbacks/{callback}"), &body)).await
}

#[tokio::test]
async fn an_answer_reaches_the_execution_once() {
    let world = World::new();
    let id = started(&world).await;
    let callback = opened(&world, &id, "token-1").await;
    assert!(callback.len() == 64 && callback.chars().all(|c| c.is_ascii_hexdigit()));
    let (_, shown) = send(&world.gateway(), api("GET", &format!("/v1/runs/{id}"), "")).await;
    assert_eq!(shown["approvals"][0]["callback"], json!(callback), "for whoever has the token");
    let (status, body) = answer(&world, &callback, true, "Ada").await;
    assert_eq!((status, &body["answer"]["approved"]), (200, &json!(true)), "{body}");
    assert_eq!(
        world.state().answers["token-1"],
        json!({ "approved": true, "by": "installation for Ada", "reason": "because" })
    );
    for (approved, by) in [(false, "Ada"), (true, "Bob"), (true, "Ada")] {
        let (status, body) = answer(&world, &callback, approved, by).await;
        assert_eq!((status, error_code(&body)), (409, "answered"));
    }
    assert_eq!(answer(&world, "unknown", true, "Ada").await.0, 404);
    let actions: Vec<_> = world.log(&id).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions[1..], ["gateway.open_approval", "gateway.answer_approval"]);
    let log = serde_json::to_string(&world.log(&id)).unwrap();
    assert!(!log.contains(&callback) && !log.contains("token-1"), "secrets are not logged");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_gone() {
    let world = World::new();
    let callback = opened(&world, "run", "token-1").await;
    world.state().waiting.clear();
    let (status, body) = answer(&world, &callback, true, "Ada").await;
    assert_eq!((status, error_code(&body)), (410, "not_waiting"));

    let callback = opened(&world, "run-2", "token-2").await;
    let past = Timestamp::now() - SignedDuration::from_secs(1);
    world.state().approvals.get_mut(&callback).unwrap().0.expires_at = past;
    let (status, body) = answer(&world, &callback, true, "Ada").await;
    assert_eq!((status, error_code(&body)), (410, "expired"));
    assert!(world.state().answers.is_empty());
}

#[tokio::test]
async fn an_answer_that_was_not_passed_on_can_be_sent_again() {
    let world = World::new();
    let callback = opened(&world, "run", "token-1").await;
    // Read, write, read, and then not passed on.
    world.fail_after(3);
    assert_eq!(answer(&world, &callback, true, "Ada").await.0, 503);
    assert!(world.state().answers.is_empty());
    assert_eq!(answer(&world, &callback, true, "Ada").await.0, 200);
    assert_eq!(world.state().answers.len(), 1);
}

#[tokio::test]
async fn wherever_an_answer_was_cut_off_the_log_tells_of_it_once_when_it_was_heard() {
    for again in ["the person", "the state"] {
        for calls in 0..9 {
            let world = World::new();
            let id = started(&world).await;
            let callback = opened(&world, &id, "token-1").await;
            world.fail_after(calls);
            answer(&world, &callback, true, "Ada").await;
            world.fail_after(usize::MAX);
            match again {
                "the person" => drop(answer(&world, &callback, true, "Ada").await),
                _ => drop(opened(&world, &id, "token-2").await),
            }
            let told =
                world.log(&id).iter().filter(|e| e.action == "gateway.answer_approval").count();
            let heard = usize::from(!world.state().answers.is_empty());
            assert_eq!(told, heard, "{again} after {calls} calls");
        }
    }
}

#[tokio::test]
async fn an_approval_that_is_opened_again_keeps_its_callback_and_its_answer() {
    let world = World::new();
    let callback = opened(&world, "run", "token-1").await;
    assert_eq!(opened(&world, "run", "token-2").await, callback);
    assert_eq!(answer(&world, &callback, false, "Ada").await.0, 200);
    assert_eq!(world.state().answers["token-2"]["approved"], false);
    // Another attempt of the state hears the answer at once.
    assert_eq!(opened(&world, "run", "token-3").await, callback);
    assert_eq!(world.state().answers["token-3"]["approved"], false);
}

fn ended(name: &str, status: &str) -> Value {
    json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": format!("arn:execution:{name}"),
            "name": name,
            "status": status,
            "error": "States.Runtime",
            "cause": "why",
        },
    })
}

#[tokio::test]
async fn a_run_whose_execution_ended_from_outside_gets_its_final_status() {
    for (event, status) in [
        ("ABORTED", RunStatus::Cancelled),
        ("TIMED_OUT", RunStatus::TimedOut),
        ("FAILED", RunStatus::Failed),
    ] {
        let world = World::new();
        let id = started(&world).await;
        deploy(&world, "staging", &id).await;
        for first in [true, false] {
            let answer = reconcile(&world.ports(), ended(&id, event)).await.unwrap();
            assert_eq!(answer, json!({ "run_id": id, "finished": first, "counted": first }));
        }
        let [MetricEvent::RunEnded { status: counted, .. }] = &world.metric_events()[..] else {
            panic!("the end is counted once")
        };
        assert_eq!(*counted, status);
        let run = world.state().runs[id.as_str()].clone();
        assert_eq!(run.status, status);
        let outcome = run.outcome.unwrap();
        assert!(outcome.reason.contains("why"), "{}", outcome.reason);
        assert!(outcome.reason.contains("staging was left half done"), "{}", outcome.reason);
        assert_eq!(outcome.fault.unwrap().error, "States.Runtime");
        assert!(matches!(lock(&world, "staging", "x").await, Lock::Held { .. }));
        assert_eq!(world.log(&id).len(), 2);
    }
}

#[tokio::test]
async fn an_end_that_decides_nothing_changes_no_status() {
    let world = World::new();
    let id = started(&world).await;
    assert!(
        reconcile(&world.ports(), ended("unknown", "FAILED")).await.unwrap()["ignored"].is_string()
    );

    // The run said how it ended; its lock goes all the same.
    world.state().runs.get_mut(id.as_str()).unwrap().status = RunStatus::RollbackFailed;
    lock(&world, "production", &id).await;
    let answer = reconcile(&world.ports(), ended(&id, "FAILED")).await.unwrap();
    assert_eq!(answer["finished"], false);
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::RollbackFailed);
    assert!(matches!(lock(&world, "production", "x").await, Lock::Held { .. }));
}

#[tokio::test]
async fn both_ends_of_a_run_are_counted_once_however_often_they_are_told() {
    let world = World::new();
    let id = started(&world).await;
    for counted in [true, false] {
        let answer = reconcile(&world.ports(), ended(&id, "RUNNING")).await.unwrap();
        assert_eq!(answer, json!({ "run_id": id, "counted": counted }));
    }
    world.state().runs.get_mut(id.as_str()).unwrap().status = RunStatus::Succeeded;
    for counted in [true, false] {
        let answer = reconcile(&world.ports(), ended(&id, "SUCCEEDED")).await.unwrap();
        assert_eq!(answer["counted"], counted);
    }
    let metric_events = world.metric_events();
    let [MetricEvent::RunStarted { run_id, .. }, MetricEvent::RunEnded { status, .. }] =
        &metric_events[..]
    else {
        panic!("{metric_events:?}")
    };
    assert_eq!((run_id.as_str(), *status), (id.as_str(), RunStatus::Succeeded));
    let answer = reconcile(&world.ports(), ended("unknown", "RUNNING")).await.unwrap();
    assert!(answer["ignored"].is_string());
}

#[tokio::test]
async fn a_fault_while_a_run_is_ended_counts_it_when_the_event_comes_again() {
    for calls in 0.. {
        let world = World::new();
        let id = started(&world).await;
        world.fail_after(calls);
        let first = reconcile(&world.ports(), ended(&id, "ABORTED")).await;
        if world.no_fault_came() {
            first.unwrap();
            break;
        }
        first.unwrap_err();
        reconcile(&world.ports(), ended(&id, "ABORTED")).await.unwrap();
        assert_eq!(world.metric_events().len(), 1, "after {calls} calls");
    }
}

#[tokio::test]
async fn an_event_of_another_kind_is_a_typed_fault() {
    let ports = World::new().ports();
    for event in [
        json!(null),
        json!({}),
        json!({ "approval": {} }),
        json!({ "approval": { "run_id": "a b", "state": "S", "question": "?",
            "expires_seconds": 1, "task_token": "t" } }),
        json!({ "detail-type": "Step Functions Execution Status Change" }),
        json!({ "detail-type": "Scheduled Event", "detail": {} }),
    ] {
        let error = reconcile(&ports, event.clone()).await.unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidIntent, "{event}");
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_fault_to_be_tried_again() {
    let world = World::new();
    let id = started(&world).await;
    world.fail_after(1);
    let error = reconcile(&world.ports(), ended(&id, "ABORTED")).await.unwrap_err();
    assert_eq!(error.name, ErrorName::StoreUnavailable);
    let answer = reconcile(&world.ports(), ended(&id, "ABORTED")).await.unwrap();
    assert_eq!(answer["finished"], true);
}

fn plan() -> Value {
    let environment =
        |name: &str, tier: &str| json!({ "name": name, "tier": tier, "settings": {} });
    json!({ "release": "r1", "environments": [
        environment("dev", "staging"),
        environment("production", "production"),
        environment("further", "production"),
    ] })
}

#[tokio::test]
async fn a_run_that_was_planned_before_environments_stood_in_a_list_is_taken_back() {
    let world = World::new();
    let id = started(&world).await;
    watched(&world, &id);
    world.note(&id, "PlanPipeline", json!({ "release": "r1", "staging": null, "production": {} }));
    assert_eq!(cancel(&world, &id).await.0, 200);
    let back = &world.state().executions[&format!("{id}-back")]["take_back"];
    assert_eq!(
        back["plan"]["environments"],
        json!([
            { "name": "production", "tier": "production", "settings": {} },
        ])
    );
    assert_eq!(back["deployments"].as_array().map(Vec::len), Some(1));
}

/// The run has begun to deploy to production what nobody judged yet.
pub(super) fn watched(world: &World, id: &str) {
    let mut state = world.state();
    let run = state.runs.get_mut(id).unwrap();
    run.deploying = Some("production".parse().unwrap());
    drop(state);
    for (state, output) in [
        ("AnalyzeChanges", json!({ "settings": { "notify": { "slack": {} } } })),
        ("PlanPipeline", plan()),
    ] {
        world.note(id, state, output);
    }
}

#[tokio::test]
async fn what_a_cancelled_run_has_in_effect_is_taken_back_before_it_ends() {
    let world = World::new();
    let id = started(&world).await;
    watched(&world, &id);
    for time in 0..2 {
        let (status, body) = cancel(&world, &id).await;
        assert_eq!((status, &body["status"]), (200, &json!("running")), "time {time}: {body}");
    }
    let state = world.state();
    assert!(state.stopped.contains(&format!("arn:execution:{id}")));
    let back = &state.executions[&format!("{id}-back")];
    assert_eq!(back["run_id"], json!(id));
    let wanted = json!({
        "status": "cancelled",
        "reason": "cancelled on request of installation for Ada: wrong branch",
        "deployments": [
            { "environment": "dev", "tier": "staging", "release": "r1", "status": "pending" },
            { "environment": "production", "tier": "production", "release": "r1",
              "status": "pending" },
        ],
        "plan": plan(),
        "settings": { "notify": { "slack": {} } },
    });
    assert_eq!(back["take_back"], wanted);
}

#[tokio::test]
async fn an_execution_that_ends_from_outside_is_taken_back_too_and_its_way_back_is_not() {
    use crate::reconciler::reconcile;

    let world = World::new();
    let id = started(&world).await;
    watched(&world, &id);
    let ended = |name: &str, status: &str| {
        json!({
            "detail-type": "Step Functions Execution Status Change",
            "detail": { "name": name, "status": status },
        })
    };
    for _ in 0..2 {
        let answer = reconcile(&world.ports(), ended(&id, "TIMED_OUT")).await.unwrap();
        assert_eq!(answer["taken_back"], true);
    }
    let back = format!("{id}-back");
    assert_eq!(world.state().executions[&back]["take_back"]["status"], "timed_out");
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::Running);
    reconcile(&world.ports(), ended(&back, "RUNNING")).await.unwrap();
    // The way back does not come to its end: a person is needed.
    reconcile(&world.ports(), ended(&back, "ABORTED")).await.unwrap();
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::RollbackFailed);
    assert_eq!(world.state().executions.len(), 2);
}
