//! The run keeper: opens approvals, counts runs, and ends those whose execution ended from outside.

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    AgentError,
    adapter::truncated,
    ports::ApprovalRecord,
    telemetry::{self, Subject},
};
use pact_contract::{
    RunId, RunRecord, RunStatus, SCHEMA_VERSION,
    log::{LogKind, NewEntry},
    run::{Fault, Outcome},
    settings::ENVIRONMENTS,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Span;

use crate::{Ports, callback, cancel, measure};

/// Longest question.
const MAX_QUESTION: usize = 1_000;
/// Longest cause that is kept.
const MAX_CAUSE: usize = 2_000;
/// Longest wait for a person, in seconds: a year, the longest an execution may take.
const MAX_WAIT: u64 = 365 * 24 * 3_600;
/// The event that an execution changed its status.
const STATUS_CHANGE: &str = "Step Functions Execution Status Change";

/// An execution waits for a person.
#[derive(Deserialize)]
struct Approval {
    run_id: RunId,
    state: String,
    question: String,
    expires_seconds: u64,
    task_token: String,
}

/// The status of an execution changed.
#[derive(Deserialize)]
struct Changed {
    name: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

/// Answers one event of the run keeper: `{"approval": …}` from the pipeline, or the event that
/// one of its executions began or ended.
///
/// # Errors
/// `ERR_INVALID_INTENT` for any other event, `ERR_STORE_UNAVAILABLE` when a store does not
/// answer; the same event may then be sent again.
pub async fn keep(ports: &Ports, mut event: Value) -> Result<Value, AgentError> {
    if let Some(approval) = event.get_mut("approval") {
        return open(ports, read(approval.take())?).await;
    }
    if event.get("detail-type").and_then(Value::as_str) == Some(STATUS_CHANGE) {
        let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
        return change(ports, read(detail)?).await;
    }
    Err(AgentError::invalid("the event is neither an approval nor the status of an execution"))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, AgentError> {
    serde_json::from_value(value)
        .map_err(|error| AgentError::invalid(format!("the event is not valid: {error}")))
}

/// Opens the question, once for the run's state, and answers with its callback.
async fn open(ports: &Ports, approval: Approval) -> Result<Value, AgentError> {
    about(&approval.run_id, "gateway.open_approval");
    if approval.task_token.is_empty() {
        return Err(AgentError::invalid("the approval has no task token"));
    }
    let wait = approval.expires_seconds.clamp(1, MAX_WAIT);
    let wait = SignedDuration::from_secs(i64::try_from(wait).unwrap_or(i64::MAX));
    let record = ApprovalRecord {
        schema: SCHEMA_VERSION,
        callback: new_callback(),
        run_id: approval.run_id,
        state: approval.state,
        question: truncated(&approval.question, MAX_QUESTION),
        expires_at: Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX),
        answer: None,
    };
    let opened = ports.callbacks.open_approval(&record, &approval.task_token).await?;
    if let Some(answer) = &opened.answer {
        // The person spoke to an attempt before this one.
        ports.executions.task_success(&approval.task_token, &callback::output(answer)).await?;
    }
    if opened.callback == record.callback {
        let entry = NewEntry {
            timestamp: Timestamp::now(),
            actor: "pact.gateway".to_owned(),
            kind: LogKind::Event,
            action: "gateway.open_approval".to_owned(),
            body: json!({
                "state": opened.state,
                "question": opened.question,
                "expires_at": opened.expires_at,
            }),
        };
        ports.recorder.append_log(&opened.run_id, entry).await?;
    }
    tracing::info!(state = opened.state, "waiting for a person");
    Ok(json!({ "callback": opened.callback }))
}

/// 32 bytes of the operating system's randomness, in hexadecimal.
fn new_callback() -> String {
    use sha2::{Digest, Sha256};
    // Three UUIDs carry 366 random bits; the hash makes 256 of them.
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hex::encode(hash.finalize())
}

/// Writes on every line of the log what the event is about.
fn about(run_id: &RunId, action: &str) {
    let subject = Subject { run_id: Some(run_id.as_str()), action: Some(action), attempt: None };
    telemetry::tell(&Span::current(), &subject);
}

/// An execution began or ended.
async fn change(ports: &Ports, changed: Changed) -> Result<Value, AgentError> {
    let not_a_run = || Ok(json!({ "ignored": "the execution is not that of a run" }));
    let Ok(run_id) = RunId::parse(&changed.name) else { return not_a_run() };
    let run_id = &run_id;
    about(run_id, "gateway.keep_run");
    let Some(mut run) = ports.runs.run(run_id).await? else { return not_a_run() };
    let outside = match changed.status.as_str() {
        "RUNNING" => {
            let counted = measure::started(ports, &run).await?;
            return Ok(json!({ "run_id": run_id, "counted": counted }));
        }
        "SUCCEEDED" => None,
        "ABORTED" => Some((RunStatus::Cancelled, "the execution was stopped from outside")),
        "TIMED_OUT" => Some((RunStatus::TimedOut, "the execution took longer than it may")),
        "FAILED" => Some((RunStatus::Failed, "the execution failed")),
        _ => return Ok(json!({ "ignored": "the execution needs nothing" })),
    };
    let mut finished = false;
    if let Some((status, what)) = outside {
        if !run.status.is_final() {
            finished = end(ports, &run, status, what, changed).await?;
            run = ports.runs.run(run_id).await?.unwrap_or(run);
        }
        // The execution has ended, whoever wrote the status: nothing of it holds a lock any more.
        cancel::unlock(ports, &run).await?;
    }
    if !run.status.is_final() {
        return Ok(json!({ "ignored": "the execution ended, and the run has no final status" }));
    }
    // Last, so that an event that has to be sent again is not taken for one that was counted.
    let counted = measure::ended(ports, &run).await?;
    Ok(json!({ "run_id": run_id, "finished": finished, "counted": counted }))
}

/// Writes the final status of a run whose execution did not. False when it has one by now.
async fn end(
    ports: &Ports,
    run: &RunRecord,
    status: RunStatus,
    what: &str,
    changed: Changed,
) -> Result<bool, AgentError> {
    let run_id = &run.request.run_id;
    let cause = changed.cause.as_deref().map(|text| truncated(text, MAX_CAUSE));
    let mut reason = what.to_owned();
    if let Some(cause) = &cause {
        reason = format!("{reason}: {}", truncated(cause, 300));
    }
    for environment in ENVIRONMENTS {
        let record = ports.environments.load(&run.request.repository.name, environment).await?;
        if record.pending.is_some_and(|pending| pending.release.run_id == *run_id) {
            reason = format!("{reason}; the deployment to {environment} was left half done");
        }
    }
    let outcome = Outcome {
        status,
        reason: reason.clone(),
        template: None,
        decision: None,
        deployments: Vec::new(),
        fault: Some(Fault {
            state: "the execution".to_owned(),
            error: changed.error.unwrap_or(changed.status),
            cause,
        }),
    };
    let finished = ports.runs.finish_run(run_id, &outcome, Timestamp::now()).await?;
    if finished {
        tracing::warn!(status = status.as_str(), reason, "ended from outside");
        let entry = NewEntry {
            timestamp: Timestamp::now(),
            actor: "pact.gateway".to_owned(),
            kind: LogKind::Event,
            action: "gateway.end_run".to_owned(),
            body: json!({ "status": status, "reason": reason }),
        };
        ports.recorder.append_log(run_id, entry).await?;
    }
    Ok(finished)
}
