//! Incidents, from what the watch sees to what people are told.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pact_agent::ports::{Environments as _, Lock};
use pact_contract::{
    EnvironmentKey, RunId,
    actions::{EnvironmentRecord, ReleaseRecord},
    incident::{Incident, TellIncident},
    run::ROLLBACK,
    settings::{Environment, Instance, Watch},
};

use super::*;
use crate::{incidents, reconciler::reconcile};

fn key(environment: &str) -> EnvironmentKey {
    format!("acme/web#{environment}").parse().unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

/// An environment has r2 after r1, both good; what is deployed came at minute 0.
async fn deployed(world: &World, environment: &str, change: impl FnOnce(&mut EnvironmentRecord)) {
    let run: RunId = "web-1".parse().unwrap();
    let mut record = EnvironmentRecord::default();
    for name in ["r1", "r2"] {
        let next = ReleaseRecord {
            release: name.parse().unwrap(),
            commit: name.repeat(20),
            run_id: run.clone(),
            deployed_at: at(0),
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
        };
        let entry = json!({
            "release": next.release, "commit": next.commit, "run_id": next.run_id,
            "standing": "candidate", "deployed_at": at(0), "serving_since": at(0),
        });
        record.ledger.deployed(serde_json::from_value(entry).unwrap());
        record.ledger.judged_good(&next.release, &run, at(0));
        record.previous = record.current.replace(next);
    }
    change(&mut record);
    let (key, hour) = (key(environment), Duration::from_secs(3_600));
    let Lock::Held { fence } = world.environments().lock(&key, &run, hour).await.unwrap() else {
        panic!("busy")
    };
    world.environments().store(&key, &record, fence).await.unwrap();
    world.environments().unlock(&key, &run).await.unwrap();
}

async fn watched(world: &Arc<World>, environment: &str, health: &str, minute: i64) {
    let event = json!({
        "environment": key(environment).to_string(), "health": health, "summary": format!("it is {health}"),
    });
    let event = serde_json::from_value(event).unwrap();
    incidents::watched(&world.ports(), &[event], at(minute)).await.unwrap();
}

async fn due(world: &Arc<World>, minute: i64) -> Vec<TellIncident> {
    let due = incidents::due(&world.ports(), at(minute)).await.unwrap();
    serde_json::from_value(due["tell"].clone()).unwrap()
}

/// Rollbacks that were started.
fn rollbacks(world: &World) -> Vec<RunId> {
    let state = world.state();
    let of_watch = state.runs.values().filter(|run| run.request.trigger.kind == ROLLBACK);
    of_watch.map(|run| run.request.run_id.clone()).collect()
}

/// Two days after it came.
const OLD: i64 = 2 * 24 * 60;

#[tokio::test]
async fn an_old_release_that_turns_bad_is_one_incident_that_escalates_and_is_closed_once() {
    let world = World::new();
    deployed(&world, "staging", |_| {}).await;
    deployed(&world, "production", |_| {}).await;
    for minute in [0, 5, 20, 40] {
        watched(&world, "staging", "unhealthy", OLD + minute).await;
        watched(&world, "production", "unhealthy", OLD + minute).await;
        let told = due(&world, OLD + minute).await;
        assert_eq!(told.len(), 1, "one release, one incident");
        let level = match minute {
            0 => 1,
            5 => 2,
            20 => 3,
            _ => 4,
        };
        assert_eq!((told[0].level, told[0].incident.affected.len()), (level, 2));
        assert!(told[0].settings.get("slack").is_some(), "somebody is told");
    }
    assert!(rollbacks(&world).is_empty(), "it is not young");
    watched(&world, "staging", "healthy", OLD + 41).await;
    assert!(due(&world, OLD + 41).await[0].incident.is_open());
    watched(&world, "production", "healthy", OLD + 42).await;
    for minute in [42, 45] {
        let told = due(&world, OLD + minute).await;
        assert_eq!(told.len(), 1, "its end is handed out twice, in case of a fault");
        assert_eq!(told[0].incident.duration(at(OLD + 99)).as_mins(), 42);
    }
    assert!(due(&world, OLD + 50).await.is_empty());
    // The same again is another one.
    watched(&world, "production", "unhealthy", OLD + 60).await;
    let told = due(&world, OLD + 60).await;
    assert_eq!((told[0].incident.id.number(), told[0].level), (2, 1));
}

#[tokio::test]
async fn what_is_handed_out_fits_into_a_state_and_what_is_old_hides_nothing_new() {
    let world = World::new();
    for number in 0..300 {
        let event = json!({
            "environment": format!("acme/web{}#e{number}", number / 100),
            "health": "unknown", "summary": format!("{}{}", number / 100, "ä".repeat(1_000)),
        });
        let mut event: pact_contract::actions::Looked = serde_json::from_value(event).unwrap();
        event.summary.insert(0, char::from(b'a' + u8::try_from(number / 100).unwrap()));
        incidents::watched(&world.ports(), &[event], at(OLD)).await.unwrap();
    }
    assert_eq!(world.incidents.all().len(), 3);
    let first = due(&world, OLD).await;
    let bytes = json!(first).to_string().len();
    assert!(!first.is_empty() && bytes < 256 * 1_024, "{} in {bytes} bytes", first.len());
    assert!(due(&world, OLD + 60).await.is_empty(), "all was told long before");
    watched(&world, "production", "unknown", OLD + 60).await;
    assert_eq!(due(&world, OLD + 60).await.len(), 1);
}

#[tokio::test]
async fn a_young_release_that_turns_bad_is_taken_back_once() {
    let world = World::new();
    deployed(&world, "production", |_| {}).await;
    for minute in [60, 65, 70] {
        watched(&world, "production", "unhealthy", minute).await;
    }
    let [run] = &rollbacks(&world)[..] else { panic!("one rollback: {:?}", rollbacks(&world)) };
    let told = due(&world, 70).await;
    assert_eq!(told[0].incident.affected[0].taken_back_by.as_ref(), Some(run));
    let input = world.state().executions[run.as_str()].clone();
    assert_eq!(input["take_back"]["by"], "the scheduled watch");
    let reason = "r2 was rolled back by the scheduled watch: it turned bad: it is unhealthy";
    assert_eq!(input["take_back"]["reason"], reason);
    // Nor in another incident of the same release, which is young still.
    watched(&world, "production", "healthy", 80).await;
    watched(&world, "production", "unhealthy", 90).await;
    assert!(due(&world, 90).await.iter().any(|told| told.incident.id.number() == 2));
    assert_eq!(rollbacks(&world).len(), 1);
}

#[tokio::test]
async fn a_budget_that_burns_too_fast_is_an_incident_though_all_is_well_at_this_moment() {
    let world = World::new();
    deployed(&world, "production", |_| {}).await;
    let look = async |errors: u64, minute: i64| {
        let seen = serde_json::from_value(json!({
            "environment": "acme/web#production", "health": "healthy", "summary": "200",
            "promised": {
                "objectives": { "availability": 99.0 },
                "counts": { "requests": 25, "errors": errors, "slow": 0 },
            },
        }));
        incidents::watched(&world.ports(), &[seen.unwrap()], at(OLD + minute)).await.unwrap();
    };
    for minute in [0, 5, 10] {
        look(1, minute).await;
    }
    assert!(due(&world, OLD + 10).await.is_empty(), "3 of 75 is no fire");
    look(25, 15).await;
    let told = due(&world, OLD + 15).await;
    let reason = &told[0].incident.affected[0].reason;
    assert!(
        reason.starts_with("28 of 100 requests failed in the last hour: the budget"),
        "{reason}"
    );
    for minute in (20..=50).step_by(5) {
        assert!(due(&world, OLD + minute).await[0].incident.is_open(), "{minute}");
        look(0, minute).await;
    }
    assert!(!due(&world, OLD + 50).await[0].incident.is_open(), "half an hour without a failure");
}

#[tokio::test]
async fn nothing_is_taken_back_that_must_not_be() {
    type Change = fn(&mut EnvironmentRecord);
    let cases: [(&str, Change); 4] = [
        ("nothing to return to", |record| record.previous = None),
        ("never", |record| {
            let watch = Watch { take_back_hours: 0, ..Watch::default() };
            record.current.as_mut().unwrap().settings.watch = Some(watch);
        }),
        ("no way back", |record| {
            record.current.as_mut().unwrap().settings.no_return = Some("a reason".to_owned());
        }),
        ("not judged", |record| {
            let release = "r2".parse().unwrap();
            record.ledger.taken_back(&release, None, (false, "stopped"), at(0));
        }),
    ];
    for (what, change) in cases {
        let world = World::new();
        deployed(&world, "production", change).await;
        watched(&world, "production", "unhealthy", 60).await;
        assert!(rollbacks(&world).is_empty(), "{what}");
        assert_eq!(due(&world, 60).await.len(), 1, "{what}: people are told");
    }
    let world = World::new();
    deployed(&world, "production", |_| {}).await;
    watched(&world, "production", "unknown", 60).await;
    assert!(rollbacks(&world).is_empty(), "what is not known is no reason");
    assert_eq!(due(&world, 60).await.len(), 1);
}

#[tokio::test]
async fn what_a_fault_of_a_store_left_undone_is_done_at_the_next_look() {
    for fail in 0..12 {
        let world = World::new();
        deployed(&world, "production", |_| {}).await;
        world.fail_after(fail);
        let event = json!({
            "watched": [
                { "environment": "no key", "health": "unknown", "summary": "x" },
                { "environment": "acme/web#production", "health": "unhealthy", "summary": "x" },
            ],
        });
        let first = reconcile(&world.ports(), event.clone()).await;
        world.fail_after(10_000);
        let again = reconcile(&world.ports(), event).await.unwrap();
        assert!(first.is_err() || first.unwrap() == again);
        let incidents: Vec<Incident> = world.incidents.all();
        assert_eq!((incidents.len(), incidents[0].affected.len()), (1, 1), "{fail}");
    }
}

#[tokio::test]
async fn an_alarm_is_one_incident_from_going_off_to_its_end_in_whatever_order_it_is_told() {
    let world = World::new();
    let tell = async |state: &str, minute: i64| {
        let event = json!({
            "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
            "detail": {
                "alarmName": "pact-failure-queue-alarm",
                "configuration": { "description": "Something waits for a person." },
                "state": {
                    "value": state, "reason": "Threshold Crossed: 1 datapoint [2.0] was greater.",
                    "timestamp": at(minute).strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string(),
                },
            },
        });
        reconcile(&world.ports(), event).await.unwrap();
        world.incidents.all()
    };
    assert!(tell("OK", 0).await.is_empty(), "as it is when it is made");
    let first = tell("ALARM", 10).await;
    assert_eq!(tell("ALARM", 10).await, first);
    assert_eq!(tell("INSUFFICIENT_DATA", 11).await, first);
    assert_eq!(tell("OK", 5).await, first, "late");
    let told = due(&world, 12).await;
    assert_eq!((told.len(), told[0].level), (1, 1));
    assert_eq!(told[0].incident.affected[0].alarm(), Some("pact-failure-queue-alarm"));
    assert!(told[0].incident.affected[0].reason.contains("waits for a person. Threshold"));
    assert_eq!(due(&world, 25).await[0].level, 3, "nobody answers");
    let over = tell("OK", 26).await;
    assert_eq!((over.len(), over[0].closed_at), (1, Some(at(26))));
    assert_eq!(tell("OK", 26).await, over);
    assert_eq!(tell("ALARM", 10).await, over, "told again, late");
    assert!(due(&world, 26).await[0].incident.closed_at.is_some(), "its end is told too");
    let again = tell("ALARM", 40).await;
    assert_eq!(again.iter().filter(|incident| incident.is_open()).count(), 1);
    assert_eq!(again.len(), 2);
}

#[tokio::test]
async fn people_look_after_incidents_and_close_them() {
    let world = World::new();
    deployed(&world, "production", |_| {}).await;
    watched(&world, "production", "unhealthy", OLD).await;
    let id = world.incidents.all()[0].id.to_string();
    let ask = async |method: &str, path: &str, body: Value| {
        send(&world.gateway(), api(method, path, &body.to_string())).await
    };
    let (status, listed) = ask("GET", "/v1/incidents", json!({})).await;
    assert_eq!((status, listed["incidents"][0]["id"].as_str()), (200, Some(&*id)));
    let path = format!("/v1/incidents/{id}");
    let (status, shown) = ask("GET", &path, json!({})).await;
    assert_eq!((status, shown["closed_at"].is_null()), (200, true));
    let body = json!({ "by": "Ada", "note": "on it" });
    for _ in 0..2 {
        let (status, said) = ask("POST", &format!("{path}/acknowledge"), body.clone()).await;
        assert_eq!(status, 200, "{said}");
        assert_eq!(said["acknowledged"]["by"], "installation for Ada");
        assert_eq!(said["acknowledged"]["note"], "on it");
    }
    for _ in 0..2 {
        let (status, said) = ask("POST", &format!("{path}/close"), json!({ "by": "Ada" })).await;
        assert_eq!((status, said["closed_by"].as_str()), (200, Some("installation for Ada")));
    }
    for bad in ["/v1/incidents/x", "/v1/incidents/0123456789ab-1"] {
        assert_eq!(ask("GET", bad, json!({})).await.0, 404, "{bad}");
    }
    let (status, _) = ask("GET", "/v1/incidents?cursor=", json!({})).await;
    assert_eq!(status, 400);
}
