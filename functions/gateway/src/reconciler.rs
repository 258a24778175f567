//! The reconciler: opens approvals, counts runs, ends those whose execution ended from outside, and
//! looks after what no event told of.

use jiff::Timestamp;
use pact_agent::{
    AgentError,
    ports::{ExecutionState, StoreError},
    telemetry::{self, SpanFields},
    text::truncated,
};
use pact_contract::{
    EnvironmentKey, RunId, RunRecord, RunStatus, StateName,
    log::{LogKind, NewEntry},
    run::{Fault, Outcome},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Span;

use crate::{approvals, ending, launch, metrics, pass, ports::Ports};

/// Longest cause that is kept.
const MAX_CAUSE: usize = 2_000;
/// The event that an execution changed its status.
const STATUS_CHANGE: &str = "Step Functions Execution Status Change";

/// The status of an execution changed.
#[derive(Deserialize)]
pub(crate) struct Changed {
    name: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    cause: Option<String>,
}

impl Changed {
    /// How the execution of this name stands.
    pub(crate) fn new(name: String, state: ExecutionState) -> Self {
        let ExecutionState { status, error, cause } = state;
        Self { name, status, error, cause }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"].contains(&&*self.status)
    }
}

/// Answers one event of the reconciler: `{"approval": …}` from the pipeline, the event that one of its
/// executions began or ended, or `{"pass": …}` from the schedule.
///
/// # Errors
/// `ERR_INVALID_INTENT` for any other event, `ERR_STORE_UNAVAILABLE` when a store does not
/// answer; the same event may then be sent again.
pub(crate) async fn reconcile(ports: &Ports, mut event: Value) -> Result<Value, AgentError> {
    if let Some(approval) = event.get_mut("approval") {
        return approvals::open(ports, read(approval.take())?).await;
    }
    if event.get("detail-type").and_then(Value::as_str) == Some(STATUS_CHANGE) {
        let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
        return change(ports, read(detail)?).await;
    }
    if event.get("pass").is_some() {
        telemetry::record(
            &Span::current(),
            &SpanFields { action: Some("gateway.pass"), ..SpanFields::default() },
        );
        return Ok(json!({ "pass": pass::pass(ports).await? }));
    }
    Err(AgentError::invalid("the event is no approval, no status of an execution and no pass"))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, AgentError> {
    serde_json::from_value(value)
        .map_err(|error| AgentError::invalid(format!("the event is not valid: {error}")))
}

/// Writes on every line of the log what the event is about.
fn about(run_id: &RunId, action: &str) {
    let fields = SpanFields { run_id: Some(run_id.as_str()), action: Some(action), attempt: None };
    telemetry::record(&Span::current(), &fields);
}

/// An execution began or ended.
async fn change(ports: &Ports, changed: Changed) -> Result<Value, AgentError> {
    if let Some((run_id, _)) = ending::run_of(&changed.name) {
        about(&run_id, "gateway.keep_run");
    }
    Ok(settle(ports, changed).await?)
}

/// Does what follows from how an execution stands.
pub(crate) async fn settle(ports: &Ports, changed: Changed) -> Result<Value, StoreError> {
    let not_a_run = || Ok(json!({ "ignored": "the execution is not that of a run" }));
    let Some((run_id, takes_back)) = ending::run_of(&changed.name) else { return not_a_run() };
    let run_id = &run_id;
    let Some(mut run) = ports.runs.run(run_id).await? else { return not_a_run() };
    let outside = match changed.status.as_str() {
        "RUNNING" if takes_back => {
            return Ok(json!({ "ignored": "what the run began is taken back" }));
        }
        "RUNNING" => {
            launch::stop_if_ended(ports, &run, &run.execution_arn).await?;
            let counted = metrics::started(ports, &run).await?;
            return Ok(json!({ "run_id": run_id, "counted": counted }));
        }
        "SUCCEEDED" if !run.status.is_final() => {
            Some((RunStatus::Failed, "the execution ended, and nobody wrote how the run ended"))
        }
        "SUCCEEDED" => None,
        "ABORTED" => Some((RunStatus::Cancelled, "the execution was stopped from outside")),
        "TIMED_OUT" => Some((RunStatus::TimedOut, "the execution took longer than it may")),
        "FAILED" => Some((RunStatus::Failed, "the execution failed")),
        _ => return Ok(json!({ "ignored": "the execution needs nothing" })),
    };
    let mut finished = false;
    if let Some((status, what)) = outside {
        if takes_back && !run.status.is_final() {
            // The way back itself ended from outside: nobody knows what is in effect.
            let what = "what the run had begun could not be taken back";
            finished = end(ports, &run, RunStatus::RollbackFailed, what, changed).await?;
            run = ports.runs.run(run_id).await?.unwrap_or(run);
        } else if !run.status.is_final() {
            let why = reason(what, changed.cause.as_deref());
            if ending::take_back(ports, &run, status, &why).await? {
                return Ok(json!({ "run_id": run_id, "taken_back": true }));
            }
            finished = end(ports, &run, status, what, changed).await?;
            run = ports.runs.run(run_id).await?.unwrap_or(run);
        }
        // The execution has ended, whoever wrote the status: nothing of it holds a lock any more.
        ending::unlock(ports, &run).await?;
    }
    if !run.status.is_final() {
        return Ok(json!({ "ignored": "the execution ended, and the run has no final status" }));
    }
    // Last, so that an event that has to be sent again is not taken for one that was counted.
    let counted = metrics::ended(ports, &run).await?;
    ports.runs.close_run(run_id).await?;
    Ok(json!({ "run_id": run_id, "finished": finished, "counted": counted }))
}

/// Why the run ends, in a sentence.
fn reason(what: &str, cause: Option<&str>) -> String {
    match cause {
        Some(cause) => format!("{what}: {}", truncated(cause, 300)),
        None => what.to_owned(),
    }
}

/// Writes the final status of a run whose execution did not. False when it has one by now.
async fn end(
    ports: &Ports,
    run: &RunRecord,
    status: RunStatus,
    what: &str,
    changed: Changed,
) -> Result<bool, StoreError> {
    let run_id = &run.request.run_id;
    let cause = changed.cause.as_deref().map(|text| truncated(text, MAX_CAUSE));
    let mut reason = reason(what, cause.as_deref());
    for environment in ending::changed(ports, run).await? {
        let environment = environment.name;
        let key = EnvironmentKey::new(&run.request.repository.name, &environment);
        let record = ports.environments.load(&key).await?;
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
            state: StateName::EXECUTION,
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
