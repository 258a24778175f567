//! The JSON API. What a person's answer hangs on (callback ids, task tokens) never leaves it.

use jiff::Timestamp;
use pact_agent::ports::{
    ApprovalAnswer, ApprovalRecord, EnvironmentPage, OutboxEntry, RunPage, Unreadable,
};
use pact_contract::{
    EnvironmentName, RepositoryName, RunRecord, StageRecord,
    cause::{Cause, cause},
    cost::Estimate,
    delivery::Delivery,
    log::LogEntry,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::view::{Found, Parts};

/// `GET /api/runs`.
pub(crate) fn runs(page: &RunPage) -> Value {
    let runs: Vec<Value> = page
        .runs
        .iter()
        .map(|run| {
            let mut value = json!(run);
            if let Some(map) = value.as_object_mut() {
                map.insert("cause".to_owned(), json!(cause(run, &[]).map(|cause| cause.sentence)));
            }
            value
        })
        .collect();
    json!({ "runs": runs, "unreadable": page.unreadable, "cursor": page.cursor })
}

#[derive(Serialize)]
struct Run<'a> {
    /// None when it cannot be read.
    run: Option<&'a RunRecord>,
    cause: Option<Cause>,
    /// What it costs on AWS, estimated from its stages.
    cost: Option<Estimate>,
    stages: &'a [StageRecord],
    log: Log<'a>,
    notifications: &'a [OutboxEntry],
    approvals: Vec<Approval<'a>>,
    unreadable: &'a [Unreadable],
}

#[derive(Serialize)]
struct Log<'a> {
    verified: bool,
    fault: Option<&'a str>,
    entries: &'a [LogEntry],
}

/// An approval without the id that answers it.
#[derive(Serialize)]
struct Approval<'a> {
    state: &'a str,
    question: &'a str,
    expires_at: Timestamp,
    people: u32,
    agreed: &'a [ApprovalAnswer],
    answer: Option<&'a ApprovalAnswer>,
}

impl<'a> From<&'a ApprovalRecord> for Approval<'a> {
    fn from(record: &'a ApprovalRecord) -> Self {
        let ApprovalRecord { state, question, expires_at, people, agreed, answer, .. } = record;
        Self {
            state: state.as_str(),
            question,
            expires_at: *expires_at,
            people: *people,
            agreed,
            answer: answer.as_ref(),
        }
    }
}

/// `GET /api/runs/{id}`.
pub(crate) fn run(found: &Found) -> Result<Value, serde_json::Error> {
    let (run, cause, cost, parts) = match found {
        Found::Run(view) => (Some(&view.run), view.cause(), view.cost(), &view.parts),
        Found::Unreadable(parts) => (None, None, None, parts),
    };
    let Parts { stages, log, log_fault, notifications, approvals, unreadable } = parts;
    let fault = log_fault.as_deref();
    let mut value = serde_json::to_value(Run {
        run,
        cause,
        cost,
        stages,
        log: Log { verified: fault.is_none(), fault, entries: log },
        notifications,
        approvals: approvals.iter().map(Approval::from).collect(),
        unreadable,
    })?;
    redact(&mut value);
    Ok(value)
}

/// `GET /api/runs/{id}/version`.
pub(crate) fn version(found: &Found) -> Value {
    match found {
        Found::Run(view) => json!({
            "version": view.version(),
            "status": view.run.status,
            "settled": view.settled(),
        }),
        // Nobody waits for what cannot be read.
        Found::Unreadable(_) => json!({ "version": "", "status": null, "settled": true }),
    }
}

/// `GET /api/environments`.
pub(crate) fn environments(page: &EnvironmentPage) -> Value {
    let EnvironmentPage { listed, cursor } = page;
    json!({ "environments": listed.items, "unreadable": listed.unreadable, "cursor": cursor })
}

/// `GET /api/insights`.
pub(crate) fn insights(
    (repository, environment): (&RepositoryName, &EnvironmentName),
    found: &RunPage,
    delivery: &Delivery,
) -> Value {
    json!({
        "repository": repository,
        "environment": environment,
        "runs": found.runs.len(),
        "older": found.cursor.is_some(),
        "deployments": delivery.deployments,
        "between": delivery.between,
        "deployments_per_week": delivery.per_week(),
        "lead_time_ms": delivery.lead_time(),
        "change_fail_percent": delivery.failure_rate(),
        "recovery_time_ms": delivery.recovery(),
    })
}

/// Takes out what nobody may read, wherever it stands. No agent writes it; a fault might.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if matches!(key.as_str(), "callback" | "task_token" | "taskToken") {
                    *inner = json!("redacted");
                } else {
                    redact(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}
