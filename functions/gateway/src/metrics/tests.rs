use jiff::SignedDuration;
use pact_contract::{
    EnvironmentName, RunStatus,
    log::{GENESIS, NewEntry},
    run::Outcome,
};
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

/// A log of entries, each with its second, kind, action and body.
fn log(entries: &[(i64, LogKind, &str, Value)]) -> Vec<LogEntry> {
    let mut log: Vec<LogEntry> = Vec::new();
    for (second, kind, action, body) in entries {
        let entry = NewEntry {
            timestamp: at(*second),
            actor: "someone".to_owned(),
            kind: *kind,
            action: (*action).to_owned(),
            body: body.clone(),
        };
        let previous = log.last().map_or(GENESIS, |e| e.hash.as_str()).to_owned();
        log.push(entry.chain(log.len() as u64 + 1, &previous));
    }
    log
}

fn asks(state: &str, environment: &str) -> Value {
    json!({ "state": state, "attempt": 1, "parameters": { "environment": environment } })
}

fn said(state: &str) -> Value {
    json!({ "state": state, "attempt": 1 })
}

/// Staging deployed at the second attempt; production taken back after it was watched.
fn two_deployments() -> Vec<LogEntry> {
    use LogKind::{Fault, Intent, Response};
    let (staging, production) = ("deploy.to_staging", "deploy.to_production");
    let (status, health, back) = ("deploy.check_status", "monitor.check_health", "deploy.rollback");
    log(&[
        (10, Intent, staging, said("DeployStaging")),
        (14, Fault, staging, said("DeployStaging")),
        (20, Intent, staging, said("DeployStaging")),
        (30, Response, staging, said("DeployStaging")),
        (31, Intent, health, asks("CheckStagingHealth", "staging")),
        (33, Response, health, said("CheckStagingHealth")),
        (40, Intent, status, asks("InspectProduction", "production")),
        (41, Response, status, said("InspectProduction")),
        (50, Intent, production, said("DeployProduction")),
        (60, Response, production, said("DeployProduction")),
        (61, Intent, status, asks("CheckProductionStatus", "production")),
        (62, Response, status, said("CheckProductionStatus")),
        (63, Intent, health, asks("CheckProductionHealth", "production")),
        (65, Response, health, said("CheckProductionHealth")),
        (70, Intent, "monitor.track_metrics", said("TrackMetrics")),
        (370, Response, "monitor.track_metrics", said("TrackMetrics")),
        (380, Intent, back, asks("RollbackProduction", "production")),
        (384, Response, back, said("RollbackProduction")),
        (385, Intent, health, asks("CheckRestoredProduction", "production")),
        (386, Response, health, said("CheckRestoredProduction")),
    ])
}

fn run(status: RunStatus, deployments: Vec<Deployment>) -> RunRecord {
    let push = crate::testing::push('2');
    let mut request = push.request(push.run_id(0), 0, "https://pact.example");
    request.started_at = at(0);
    RunRecord {
        deploying: None,
        request,
        status,
        execution_arn: String::new(),
        finished_at: Some(at(400)),
        outcome: Some(Outcome {
            status,
            reason: String::new(),
            template: None,
            decision: None,
            deployments,
            fault: None,
        }),
    }
}

/// Environment, status and the three times in seconds.
type Short<'a> = (&'a str, Option<DeploymentStatus>, [Option<u64>; 3]);

fn deployments(events: &[MetricEvent]) -> Vec<Short<'_>> {
    let deployments = events.iter().filter_map(|event| match event {
        MetricEvent::Deployment { environment, status, duration, rollback, lead_time, .. } => {
            Some((
                environment.as_str(),
                *status,
                [duration, rollback, lead_time].map(|time| time.map(|time| time.as_secs())),
            ))
        }
        _ => None,
    });
    deployments.collect()
}

#[test]
fn retries_belong_to_a_deployment_and_the_watch_does_not() {
    let release = "r".parse().unwrap();
    let (live, back) = (DeploymentStatus::Live, DeploymentStatus::RolledBack);
    let run = run(
        RunStatus::RolledBack,
        vec![
            Deployment::new(&EnvironmentName::STAGING, &release, live),
            Deployment::new(&EnvironmentName::PRODUCTION, &release, back),
        ],
    );
    let events = end_events(&run, &two_deployments(), at(999));
    assert_eq!(
        deployments(&events),
        [
            ("staging", Some(live), [Some(23), None, Some(33)]),
            ("production", Some(back), [Some(15), Some(6), None]),
        ]
    );
    let MetricEvent::RunEnded { status, duration, .. } = &events[0] else { panic!("is the end") };
    assert_eq!((*status, *duration), (RunStatus::RolledBack, Duration::from_secs(400)));
}

#[test]
fn a_run_that_deployed_nothing_has_no_deployment() {
    let run = run(RunStatus::Rejected, Vec::new());
    assert_eq!(end_events(&run, &[], at(0)).len(), 1);
}

#[test]
fn a_deployment_that_a_run_was_stopped_in_lasted_until_then() {
    let run = run(RunStatus::TimedOut, Vec::new());
    let begun = two_deployments().into_iter().take(1).collect::<Vec<_>>();
    let expected = [("staging", None, [Some(390), None, None])];
    assert_eq!(deployments(&end_events(&run, &begun, at(999))), expected);
}

#[test]
fn a_clock_that_was_set_back_gives_no_negative_time() {
    assert_eq!(between(at(5), at(3)), Duration::ZERO);
    assert_eq!(between(at(3), at(3) + SignedDuration::from_millis(5)), Duration::from_millis(5));
}
