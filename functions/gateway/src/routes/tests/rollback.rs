//! A rollback that a person asks for.

use std::time::Duration;

use pact_agent::ports::{Environments as _, Lock};
use pact_contract::{
    EnvironmentKey, RunStatus,
    actions::{EnvironmentRecord, PendingDeployment, ReleaseRecord},
    settings::{Environment, Instance, Watch},
};

use super::*;

fn release(name: &str, run_id: &str) -> ReleaseRecord {
    ReleaseRecord {
        release: name.parse().unwrap(),
        commit: name.repeat(20),
        run_id: run_id.parse().unwrap(),
        deployed_at: jiff::Timestamp::UNIX_EPOCH,
        settings: Environment {
            target: Instance::new("directory"),
            health: Vec::new(),
            approval: None,
            watch: Some(Watch::default()),
            shift: Default::default(),
            freeze: Vec::new(),
            no_return: None,
            wave_of: None,
        },
    }
}

/// Production has the release r2 of this run, after r1; both were judged good, r0 was not.
pub(super) async fn deployed(
    world: &World,
    run_id: &str,
    change: impl FnOnce(&mut EnvironmentRecord),
) {
    let key: EnvironmentKey = "acme/web#production".parse().unwrap();
    let run = run_id.parse().unwrap();
    let mut record = EnvironmentRecord::default();
    let now = jiff::Timestamp::UNIX_EPOCH;
    for name in ["r0", "r1", "r2"] {
        let next = release(name, run_id);
        let entry = json!({
            "release": next.release,
            "commit": next.commit,
            "run_id": next.run_id,
            "standing": "candidate",
            "deployed_at": now,
        });
        record.ledger.deployed(serde_json::from_value(entry).unwrap());
        if name != "r0" {
            record.ledger.judged_good(&next.release, &next.run_id, now);
        }
        record.previous = record.current.replace(next).filter(|r| r.release.as_str() != "r0");
    }
    change(&mut record);
    let hour = Duration::from_secs(3_600);
    let Lock::Held { fence } = world.environments().lock(&key, &run, hour).await.unwrap() else {
        panic!("busy")
    };
    world.environments().store(&key, &record, fence).await.unwrap();
    world.environments().unlock(&key, &run).await.unwrap();
}

pub(super) fn wanted() -> Value {
    json!({
        "repository": "acme/web",
        "environment": "production",
        "by": "Ada",
        "reason": "checkout is slow",
    })
}

pub(super) async fn roll_back(world: &Arc<World>, body: &Value) -> (u16, Value) {
    send(&world.gateway(), api("POST", "/v1/rollbacks", &body.to_string())).await
}

/// What was written and started for a rollback of r2.
fn begun(state: &crate::testing::State, run_id: &str) {
    let run = &state.runs[run_id].request;
    assert_eq!(
        (run.trigger.kind.as_str(), run.author.as_deref()),
        ("rollback", Some("installation for Ada"))
    );
    assert_eq!(run.commit, "r1".repeat(20));
    let back = &state.executions[run_id]["take_back"];
    assert_eq!(back["reason"], "r2 was rolled back by installation for Ada: checkout is slow");
    assert_eq!(
        (&back["status"], &back["by"]),
        (&json!("succeeded"), &json!("installation for Ada"))
    );
    let environment = &back["plan"]["environments"][0];
    assert_eq!(
        (&environment["name"], &environment["tier"]),
        (&json!("production"), &json!("production"))
    );
    assert_eq!(environment["settings"]["target"]["kind"], "directory");
    assert_eq!(back["deployments"][0]["release"], "r2");
    assert!(back.get("to").is_none());
}

#[tokio::test]
async fn a_rollback_is_a_run_of_its_own_that_takes_the_release_back() {
    let world = World::new();
    let id = started(&world).await;
    world.note(&id, "AnalyzeChanges", json!({ "settings": { "notify": { "slack": {} } } }));
    deployed(&world, &id, |_| {}).await;
    // Twice, as everything may be: one run.
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (status, body) = roll_back(&world, &wanted()).await;
        assert_eq!((status, &body["status"]), (202, &json!("running")), "{body}");
        runs.push(body["run_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(runs[0], runs[1]);
    begun(&world.state(), &runs[0]);
    let settings = world.state().executions[&runs[0]]["take_back"]["settings"].clone();
    assert_eq!(settings, json!({ "notify": { "slack": {} } }));
    let log = world.log(&runs[0]);
    assert_eq!(log.len(), 1);
    assert_eq!(
        (log[0].actor.as_str(), log[0].action.as_str()),
        ("installation for Ada", "gateway.roll_back")
    );

    // It is not left half done.
    let cancel = api("POST", &format!("/v1/runs/{}/cancel", runs[0]), "");
    let (status, body) = send(&world.gateway(), cancel).await;
    assert_eq!((status, error_code(&body)), (409, "deploying"));
    // Once it has ended, the same wish is another run.
    world.state().runs.get_mut(runs[0].as_str()).unwrap().status = RunStatus::RollbackFailed;
    let (_, body) = roll_back(&world, &wanted()).await;
    assert_eq!(body["run_id"], format!("{}-1", runs[0]));
}

#[tokio::test]
async fn a_rollback_that_failed_halfway_is_completed_by_another() {
    let mut cut_short = 0;
    for step in 0..20 {
        let world = World::new();
        let id = started(&world).await;
        deployed(&world, &id, |_| {}).await;
        world.fail_after(step);
        let (status, body) = roll_back(&world, &wanted()).await;
        if status == 202 {
            break;
        }
        assert_eq!(status, 503, "step {step}: {body}");
        cut_short += 1;
        let (status, body) = roll_back(&world, &wanted()).await;
        assert_eq!(status, 202, "step {step}: {body}");
        let run = body["run_id"].as_str().unwrap();
        begun(&world.state(), run);
        let told = world.log(run).iter().filter(|e| e.action == "gateway.roll_back").count();
        assert_eq!(told, 1, "step {step}");
    }
    assert!(cut_short > 5, "{cut_short} steps");
}

#[tokio::test]
async fn only_a_good_release_is_a_place_to_return_to() {
    let world = World::new();
    let id = started(&world).await;
    deployed(&world, &id, |_| {}).await;
    let to = |name: &str| {
        let mut body = wanted();
        body["to"] = name.into();
        body
    };
    for (name, why) in [("r0", "never judged good"), ("r2", "is in effect"), ("r9", "never had")] {
        let (status, body) = roll_back(&world, &to(name)).await;
        assert_eq!((status, error_code(&body)), (409, "nothing_to_return_to"), "{name}");
        assert!(body["detail"].as_str().unwrap().contains(why), "{body}");
    }
    let (status, body) = roll_back(&world, &to("r1")).await;
    assert_eq!(status, 202, "{body}");
    let run = body["run_id"].as_str().unwrap();
    assert_eq!(world.state().executions[run]["take_back"]["to"], "r1");

    // The first release has none before it, and one that is being deployed is waited for.
    let world = World::new();
    let id = started(&world).await;
    deployed(&world, &id, |record| record.previous = None).await;
    let (status, body) = roll_back(&world, &wanted()).await;
    assert_eq!((status, error_code(&body)), (409, "nothing_to_return_to"));
    let pending =
        PendingDeployment { release: release("r3", &id), replaces: None, fence: 1, shift: None };
    deployed(&world, &id, |record| record.pending = Some(pending)).await;
    let (status, body) = roll_back(&world, &wanted()).await;
    assert_eq!((status, error_code(&body)), (409, "deploying"));
    assert!(world.state().executions.len() == 1, "nothing but the push was started");
}

#[tokio::test]
async fn what_is_not_said_is_asked_for_and_nobody_else_is_let_in() {
    let world = World::new();
    for field in ["repository", "environment", "reason"] {
        let mut body = wanted();
        body.as_object_mut().unwrap().remove(field);
        let (status, answer) = roll_back(&world, &body).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)));
    }
    let (status, body) = roll_back(&world, &wanted()).await;
    assert_eq!((status, error_code(&body)), (409, "nothing_to_return_to"), "{body}");
    let request = Request::post("/v1/rollbacks").body(wanted().to_string().into()).unwrap();
    assert_eq!(send(&world.gateway(), request).await.0, 401);
}

/// A wave of production has `releases`, the last one since this second; all were judged good.
async fn wave(world: &World, name: &str, releases: &[&str], second: i64) {
    let key: EnvironmentKey = format!("acme/web#production-{name}").parse().unwrap();
    let run = "run-1".parse().unwrap();
    let mut record = EnvironmentRecord::default();
    let now = jiff::Timestamp::from_second(second).unwrap();
    for release_name in releases {
        let mut next = release(release_name, "run-1");
        next.deployed_at = now;
        next.settings.wave_of = Some("production".parse().unwrap());
        let entry = json!({
            "release": next.release, "commit": next.commit, "run_id": next.run_id,
            "standing": "candidate", "deployed_at": now,
        });
        record.ledger.deployed(serde_json::from_value(entry).unwrap());
        record.ledger.judged_good(&next.release, &next.run_id, now);
        record.previous = record.current.replace(next);
    }
    let hour = Duration::from_secs(3_600);
    let Lock::Held { fence } = world.environments().lock(&key, &run, hour).await.unwrap() else {
        panic!("busy")
    };
    world.environments().store(&key, &record, fence).await.unwrap();
    world.environments().unlock(&key, &run).await.unwrap();
}

#[tokio::test]
async fn an_environment_goes_back_with_all_its_waves_that_have_the_release_in_one_run() {
    let world = World::new();
    wave(&world, "eu", &["r1", "r2"], 20).await;
    wave(&world, "us", &["r1", "r2"], 30).await;
    // It never got the release.
    wave(&world, "asia", &["r0", "r1"], 10).await;
    let (status, body) = roll_back(&world, &wanted()).await;
    assert_eq!(status, 202, "{body}");
    let run = body["run_id"].as_str().unwrap().to_owned();
    let back = world.state().executions[&run]["take_back"].clone();
    let of = |list: &Value, key: &str| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|one| one[key].as_str().unwrap().to_owned()).collect()
    };
    let both = ["production-eu", "production-us"];
    assert_eq!(of(&back["deployments"], "environment"), both, "the latest is the last");
    assert_eq!(of(&back["deployments"], "release"), ["r2", "r2"]);
    assert_eq!(of(&back["plan"]["environments"], "name"), both);
    let (status, again) = roll_back(&world, &wanted()).await;
    assert_eq!((status, &again["run_id"], &again["duplicate"]), (202, &json!(run), &json!(true)));
    // One of them by its name.
    let mut one = wanted();
    one["environment"] = json!("production-eu");
    let (_, body) = roll_back(&world, &one).await;
    let back = &world.state().executions[body["run_id"].as_str().unwrap()]["take_back"];
    assert_eq!(of(&back["deployments"], "environment"), ["production-eu"]);
}

#[tokio::test]
async fn a_wave_that_cannot_go_back_is_named_before_any_other_does() {
    let world = World::new();
    wave(&world, "eu", &["r1", "r2"], 20).await;
    wave(&world, "us", &["r2"], 30).await;
    let (status, body) = roll_back(&world, &wanted()).await;
    assert_eq!((status, error_code(&body)), (409, "nothing_to_return_to"), "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "r2 is the only good release of production-us; the others are production-eu"
    );
    assert!(world.state().executions.is_empty());
}
