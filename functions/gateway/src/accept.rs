//! Accepting a push: one run for it, however often and by however many ways it is told.
//!
//! The order of the steps makes every one of them repeatable. The push is claimed, the run is
//! written, the execution is started under the run's id, the delivery is claimed, the event is
//! logged. Whoever tells the same push again goes through the same steps: what was done is found
//! done, what was not is done now.

use std::time::Duration;

use jiff::Timestamp;
use pact_agent::{
    ports::Claim,
    telemetry::{self, SpanFields},
};
use pact_contract::{
    RunId, RunRecord, RunStatus,
    log::{LogKind, NewEntry},
    problems,
};
use serde::Serialize;
use serde_json::json;
use tracing::Span;

use crate::{
    error::{Answer, ApiError},
    ports::Ports,
    push::Push,
};

/// How long a push and a delivery are remembered: as long as Step Functions remembers a name.
pub(crate) const KEEP: Duration = Duration::from_hours(90 * 24);
/// Most runs of one push.
const MAX_RERUNS: u32 = 100;

/// How the gateway was called.
pub(crate) struct Caller<'a> {
    /// Its own address, as the caller reached it.
    pub(crate) origin: String,
    /// Header of the trace that the call belongs to.
    pub(crate) trace: Option<&'a str>,
    /// The git host that called; none for a person or a program.
    pub(crate) host: Option<&'static str>,
}

/// The run of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Accepted {
    pub(crate) run_id: RunId,
    /// Its page on the dashboard.
    pub(crate) url: String,
    pub(crate) status: RunStatus,
    pub(crate) execution_arn: String,
    /// Whether the push was known before.
    pub(crate) duplicate: bool,
}

/// Makes sure that the push has its run, and that it was started.
pub(crate) async fn accept(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Accepted> {
    start(ports, push, caller, 0).await
}

/// Starts the next run of a push whose latest run has ended.
pub(crate) async fn rerun(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Accepted> {
    let mut latest: Option<RunRecord> = None;
    for number in 0..MAX_RERUNS {
        match ports.runs.run(&push.run_id(number)).await? {
            Some(run) => latest = Some(run),
            None => {
                if let Some(run) = latest.filter(|run| !run.status.is_final()) {
                    let id = run.request.run_id;
                    return Err(ApiError::conflict(
                        problems::RUN_ACTIVE,
                        format!("the run {id} of this push is still active"),
                    ));
                }
                return start(ports, push, caller, number).await;
            }
        }
    }
    Err(ApiError::conflict(
        problems::TOO_MANY_RUNS,
        format!("the push had {MAX_RERUNS} runs already"),
    ))
}

async fn start(ports: &Ports, push: &Push, caller: &Caller<'_>, number: u32) -> Answer<Accepted> {
    let own = push.run_id(number);
    let claim = ports.runs.claim(&push.key(number), &own, KEEP).await?;
    let (run_id, duplicate) = match claim {
        Claim::New => (own, false),
        Claim::Seen { run_id } => (run_id, true),
    };

    let fields = SpanFields { run_id: Some(run_id.as_str()), ..SpanFields::default() };
    telemetry::record(&Span::current(), &fields);

    let mut run = ports.runs.run(&run_id).await?;
    if run.is_none() {
        let arn = ports.executions.execution_arn(run_id.as_str());
        ports.runs.create_run(&push.request(run_id.clone(), &caller.origin), &arn).await?;
        // Another delivery may have been faster: what it wrote is what counts.
        run = ports.runs.run(&run_id).await?;
    }
    let run = run.ok_or_else(ApiError::unavailable)?;

    let mut execution_arn = run.execution_arn.clone();
    if !run.status.is_final() {
        let input = serde_json::to_value(&run.request).map_err(|error| {
            tracing::error!(%error, "a request cannot be written");
            ApiError::unavailable()
        })?;
        execution_arn = ports.executions.start(run_id.as_str(), &input, caller.trace).await?;
    }
    record(ports, push, caller, &run_id, duplicate).await?;
    tracing::info!(
        repository = push.repository.name.as_str(),
        branch = push.branch,
        commit = push.commit,
        duplicate,
        "accepted"
    );
    Ok(Accepted { url: run.request.url, status: run.status, run_id, execution_arn, duplicate })
}

/// Writes into the run's log that it was asked for, once for each delivery.
async fn record(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    run_id: &RunId,
    duplicate: bool,
) -> Answer<()> {
    // With the run, as one delivery may tell of several pushes.
    let delivery = caller.host.zip(push.trigger.delivery.as_deref());
    let delivery = delivery.map(|(host, id)| format!("{host}/{id}/{run_id}"));
    let first = match &delivery {
        Some(key) => ports.runs.claim(key, run_id, KEEP).await? == Claim::New,
        None => !duplicate,
    };
    if !first {
        return Ok(());
    }
    let entry = NewEntry {
        timestamp: Timestamp::now(),
        actor: "pact.gateway".to_owned(),
        kind: LogKind::Event,
        action: "gateway.accept_push".to_owned(),
        body: json!({
            "repository": push.repository.name,
            "reference": push.reference(),
            "commit": push.commit,
            "base": push.base,
            "trigger": push.trigger,
            "duplicate": duplicate,
        }),
    };
    if let Err(error) = ports.recorder.append_log(run_id, entry).await {
        // Told again, the delivery shall not be taken for one that was logged.
        if let Some(key) = &delivery
            && let Err(second) = ports.runs.unclaim(key).await
        {
            tracing::error!(error = %second, "cannot take the claim of a delivery back");
        }
        return Err(error.into());
    }
    Ok(())
}
