//! What is counted and timed of a run: once when its execution began, once when it ended.
//!
//! EventBridge delivers at least once and in any order, and a function may be started again after
//! it did its work. Each end of a run is therefore claimed in the table before it is counted: the
//! same event again counts nothing. A function that dies between the claim and the line in its log
//! loses that count; nothing is ever counted twice.
//!
//! Times of a deployment are those in the run's transaction log, so that retries and waiting for
//! an environment's lock are part of them.

use std::time::Duration;

use jiff::Timestamp;
use pact_agent::{metrics::MetricEvent, ports::Claim};
use pact_contract::{
    EnvironmentName, RunRecord, StateName,
    log::{LogEntry, LogKind},
    run::{Deployment, DeploymentStatus},
};
use serde_json::Value;

use crate::{known::KEEP, ports::Ports};

type Result<T> = std::result::Result<T, pact_agent::ports::StoreError>;

/// Counts that the run's execution began. False when it was counted before.
pub(crate) async fn started(ports: &Ports, run: &RunRecord) -> Result<bool> {
    let first = first(ports, run, "started").await?;
    if first {
        ports.metrics.emit(&MetricEvent::RunStarted {
            run_id: run.request.run_id.clone(),
            repository: run.request.repository.name.clone(),
        });
    }
    Ok(first)
}

/// Counts that the run ended, and its deployments. False when that was done before.
pub(crate) async fn ended(ports: &Ports, run: &RunRecord) -> Result<bool> {
    let run_id = &run.request.run_id;
    // An entry that cannot be read is not counted; the run is.
    let log = ports.log.entries(run_id).await?.items;
    let first = first(ports, run, "ended").await?;
    if first {
        for event in end_events(run, &log, Timestamp::now()) {
            ports.metrics.emit(&event);
        }
    }
    Ok(first)
}

async fn first(ports: &Ports, run: &RunRecord, what: &str) -> Result<bool> {
    let run_id = &run.request.run_id;
    let key = format!("metrics/{what}/{run_id}");
    Ok(ports.runs.claim(&key, run_id, KEEP).await? == Claim::New)
}

/// The run's end, and each of its deployments.
fn end_events(run: &RunRecord, log: &[LogEntry], now: Timestamp) -> Vec<MetricEvent> {
    let run_id = &run.request.run_id;
    let repository = &run.request.repository.name;
    let accepted = run.request.started_at;
    let finished = run.finished_at.unwrap_or(now);
    let mut events = vec![MetricEvent::RunEnded {
        run_id: run_id.clone(),
        repository: repository.clone(),
        status: run.status,
        duration: between(accepted, finished),
    }];
    let known: &[Deployment] = run.outcome.as_ref().map_or(&[], |o| &o.deployments);
    for environment in environments(known, log) {
        let entry = known.iter().find(|d| d.environment == environment);
        let status = entry.map(|d| d.status);
        let times = Times::of(&environment, log);
        let settled = times.settled.or(times.rollback_began).unwrap_or(finished);
        events.push(MetricEvent::Deployment {
            run_id: run_id.clone(),
            repository: repository.clone(),
            tier: entry.and_then(|d| d.tier),
            environment,
            status,
            duration: times.began.map(|began| between(began, settled)),
            rollback: times
                .rollback_began
                .map(|began| between(began, times.restored.unwrap_or(finished))),
            lead_time: (status == Some(DeploymentStatus::Live))
                .then(|| between(accepted, times.settled.unwrap_or(finished))),
        });
    }
    events
}

/// The environments that the run began to deploy to, in their order.
fn environments(known: &[Deployment], log: &[LogEntry]) -> Vec<EnvironmentName> {
    let mut all: Vec<EnvironmentName> = known.iter().map(|d| d.environment.clone()).collect();
    for entry in log.iter().filter(|entry| deploys(entry)) {
        all.extend(environment(entry).filter(|name| !all.contains(name)));
    }
    all
}

/// The environment that an entry is about: that of its state.
fn environment(entry: &LogEntry) -> Option<EnvironmentName> {
    let state = entry.body.get("state").and_then(Value::as_str)?;
    StateName::parse(state).ok()?.environment()
}

fn deploys(entry: &LogEntry) -> bool {
    ["deploy.to_staging", "deploy.to_production"].contains(&entry.action.as_str())
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}

/// When what happened to an environment.
#[derive(Debug, Default, PartialEq, Eq)]
struct Times {
    /// The first call to deploy.
    began: Option<Timestamp>,
    /// The last answer to a call to deploy, or about status or health, before any rollback.
    settled: Option<Timestamp>,
    /// The first call to roll back.
    rollback_began: Option<Timestamp>,
    /// The last answer since then.
    restored: Option<Timestamp>,
}

impl Times {
    fn of(wanted: &EnvironmentName, log: &[LogEntry]) -> Self {
        let stands = ["deploy.check_status", "monitor.check_health", "deploy.rollback"];
        let mut times = Self::default();
        for entry in log.iter().filter(|entry| environment(entry).as_ref() == Some(wanted)) {
            let action = entry.action.as_str();
            match entry.kind {
                LogKind::Intent if deploys(entry) => {
                    times.began.get_or_insert(entry.timestamp);
                }
                LogKind::Intent if action == "deploy.rollback" && times.began.is_some() => {
                    times.rollback_began.get_or_insert(entry.timestamp);
                }
                LogKind::Response | LogKind::Fault
                    if times.began.is_some() && (deploys(entry) || stands.contains(&action)) =>
                {
                    let last = match times.rollback_began {
                        Some(_) => &mut times.restored,
                        None => &mut times.settled,
                    };
                    *last = Some(entry.timestamp);
                }
                _ => {}
            }
        }
        times
    }
}

#[cfg(test)]
mod tests;
