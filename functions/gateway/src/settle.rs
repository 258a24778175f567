//! What follows from how the execution of a run stands.

use jiff::Timestamp;
use pact_agent::{
    ports::{ExecutionState, StoreError},
    text::truncated,
};
use pact_contract::{
    EnvironmentKey, RunRecord, RunStatus, StateName,
    log::{LogKind, NewEntry},
    run::{Fault, Outcome},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{admission, ending, launch, metrics, ports::Ports, statuses};

/// Longest cause that is kept.
const MAX_CAUSE: usize = 2_000;

/// The status of an execution changed.
#[derive(Deserialize)]
pub(crate) struct Changed {
    pub(crate) name: String,
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
            statuses::show(ports, &run).await?;
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
    admission::free(ports, run_id).await?;
    admission::admit(ports, admission::FEW).await?;
    statuses::show(ports, &run).await?;
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
