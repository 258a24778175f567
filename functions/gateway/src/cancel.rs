//! Cancelling a run.

use jiff::Timestamp;
use pact_contract::{
    EnvironmentKey, RunId, RunRecord, RunStatus,
    log::{LogKind, NewEntry},
    problems,
    run::{Outcome, ROLLBACK},
};
use serde_json::json;

use crate::{
    admission, ending,
    error::{Answer, ApiError},
    ports::Ports,
};

/// Cancels the run, or makes sure that it was cancelled as a whole.
///
/// A run is not cancelled while it puts a release into effect: the environment would be left
/// half done. What is in effect and not judged yet is taken back before the run ends. The final status is written before the execution is stopped, so that the event of
/// its end finds nothing left to decide.
pub(crate) async fn cancel(
    ports: &Ports,
    run_id: &RunId,
    by: &str,
    reason: Option<&str>,
) -> Answer<RunRecord> {
    let run = find(ports, run_id).await?;
    let cause = cause(by, reason);
    if run.status == RunStatus::Cancelled {
        clean_up(ports, &run, &cause).await?;
        return Ok(run);
    }
    refuse_final(&run)?;
    if run.request.trigger.kind == ROLLBACK {
        // Half of it would leave the environment between two releases.
        return Err(deploying("an environment"));
    }
    let repository = &run.request.repository.name;
    for environment in ending::changed(ports, &run).await? {
        let key = EnvironmentKey::new(repository, &environment.name);
        let record = ports.environments.load(&key).await?;
        if record.pending.is_some_and(|pending| pending.release.run_id == *run_id) {
            return Err(deploying(environment.name.as_str()));
        }
    }

    let queued = run.status == RunStatus::Queued;
    if run.deploying.is_some() {
        // What it began is taken back before the run ends.
        ports.executions.stop(&run.execution_arn, &cause).await?;
        if ending::take_back(ports, &run, RunStatus::Cancelled, &cause).await? {
            note(ports, run_id, by, &cause).await?;
            return Ok(run);
        }
    }
    let outcome = Outcome {
        status: RunStatus::Cancelled,
        reason: cause.clone(),
        template: None,
        decision: None,
        deployments: Vec::new(),
        fault: None,
    };
    let now = Timestamp::now();
    let finished = match run.deploying {
        None => ports.runs.finish_before_deploying(run_id, &outcome, now).await?,
        Some(_) => ports.runs.finish_run(run_id, &outcome, now).await?,
    };
    let run = find(ports, run_id).await?;
    if !finished && run.status != RunStatus::Cancelled {
        refuse_final(&run)?;
        // It began to deploy at this very moment.
        return Err(deploying("an environment"));
    }
    clean_up(ports, &run, &cause).await?;
    if queued {
        admission::leave(ports, &run).await?;
    }
    if finished {
        note(ports, run_id, by, &cause).await?;
        tracing::info!(run_id = run_id.as_str(), "cancelled");
    }
    Ok(run)
}

/// Writes into the run's log who cancelled it.
async fn note(ports: &Ports, run_id: &RunId, by: &str, cause: &str) -> Answer<()> {
    let entry = NewEntry {
        timestamp: Timestamp::now(),
        actor: by.to_owned(),
        kind: LogKind::Event,
        action: "gateway.cancel_run".to_owned(),
        body: json!({ "reason": cause }),
    };
    ports.recorder.append_log(run_id, entry).await?;
    Ok(())
}

fn deploying(environment: &str) -> ApiError {
    ApiError::conflict(
        problems::DEPLOYING,
        format!("the run is deploying to {environment}; cancel it when that is done"),
    )
}

fn cause(by: &str, reason: Option<&str>) -> String {
    let mut cause = format!("cancelled on request of {by}");
    if let Some(reason) = reason {
        cause.push_str(": ");
        cause.push_str(reason);
    }
    cause
}

pub(crate) async fn find(ports: &Ports, run_id: &RunId) -> Answer<RunRecord> {
    ports.runs.run(run_id).await?.ok_or_else(|| ApiError::not_found("there is no run with this id"))
}

fn refuse_final(run: &RunRecord) -> Answer<()> {
    if run.status.is_final() {
        return Err(ApiError::conflict(
            problems::RUN_ENDED,
            format!("the run has ended already: {}", run.status.as_str()),
        ));
    }
    Ok(())
}

/// Stops what goes on and frees what is held; repeatable.
async fn clean_up(ports: &Ports, run: &RunRecord, cause: &str) -> Answer<()> {
    ports.executions.stop(&run.execution_arn, cause).await?;
    ending::unlock(ports, run).await?;
    Ok(())
}
