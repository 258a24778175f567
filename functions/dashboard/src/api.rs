//! The JSON API. What a person's answer hangs on (callback ids, task tokens) never leaves it.

use jiff::Timestamp;
use pact_agent::ports::{ApprovalAnswer, ApprovalRecord, EnvironmentView, OutboxEntry, RunPage};
use pact_contract::{
    RunRecord, StageRecord,
    cause::{Cause, cause},
    log::{self, LogEntry},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::view::RunView;

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
    json!({ "runs": runs, "cursor": page.cursor })
}

#[derive(Serialize)]
struct Run<'a> {
    run: &'a RunRecord,
    cause: Option<Cause>,
    stages: &'a [StageRecord],
    log: Log<'a>,
    notifications: &'a [OutboxEntry],
    approvals: Vec<Approval<'a>>,
}

#[derive(Serialize)]
struct Log<'a> {
    verified: bool,
    fault: Option<String>,
    entries: &'a [LogEntry],
}

/// An approval without the id that answers it.
#[derive(Serialize)]
struct Approval<'a> {
    state: &'a str,
    question: &'a str,
    expires_at: Timestamp,
    answer: Option<&'a ApprovalAnswer>,
}

impl<'a> From<&'a ApprovalRecord> for Approval<'a> {
    fn from(record: &'a ApprovalRecord) -> Self {
        let ApprovalRecord { state, question, expires_at, answer, .. } = record;
        Self { state: state.as_str(), question, expires_at: *expires_at, answer: answer.as_ref() }
    }
}

/// `GET /api/runs/{id}`.
pub(crate) fn run(view: &RunView) -> Result<Value, serde_json::Error> {
    let fault = log::verify(&view.log).err();
    let mut value = serde_json::to_value(Run {
        run: &view.run,
        cause: view.cause(),
        stages: &view.stages,
        log: Log { verified: fault.is_none(), fault, entries: &view.log },
        notifications: &view.notifications,
        approvals: view.approvals.iter().map(Approval::from).collect(),
    })?;
    redact(&mut value);
    Ok(value)
}

/// `GET /api/runs/{id}/version`.
pub(crate) fn version(view: &RunView) -> Value {
    json!({ "version": view.version(), "status": view.run.status, "settled": view.settled() })
}

/// `GET /api/environments`.
pub(crate) fn environments(all: &[EnvironmentView]) -> Value {
    json!({ "environments": all })
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
