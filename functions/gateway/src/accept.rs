//! Accepting a push: one run for it, however often and by however many ways it is told.
//!
//! The order of the steps makes every one of them repeatable. The push gets its place in its branch,
//! the run is written, it begins or waits for room, the event is logged, the delivery is claimed. Whoever tells the same push again goes through the same steps: what was done is found
//! done, what was not is done now.

use jiff::Timestamp;
use pact_agent::{
    ports::Claim,
    telemetry::{self, SpanFields},
};
use pact_contract::{
    RunId, RunRecord, RunStatus,
    log::{LogKind, NewEntry},
    problems,
    pushes::{BranchRecord, Known, PlacedPush},
    run::{FOUND, PULL_REQUEST, ROLLBACK, Trigger},
};
use serde::Serialize;
use serde_json::json;
use tracing::Span;

use crate::{
    admission::{arrive, wait},
    config::Supersede,
    error::{Answer, ApiError},
    known::{KEEP, MAX_RERUNS, latest_run},
    launch::launch,
    ports::Ports,
    push::Push,
    supersede::{MOST, supersede},
};

/// How the gateway was called.
pub(crate) struct Caller<'a> {
    /// Whether a newer push takes the place of older ones.
    pub(crate) supersede: Supersede,
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

/// Attempts to take a push up in a branch that others push to at this very moment.
const ATTEMPTS: u32 = 60;

/// Makes sure that the push has its run, and that it was started. A push whose latest run ended by
/// a fault gets another one, when its host tells of it again.
pub(crate) async fn accept(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Accepted> {
    let Placed { run_id: first, place, seen, older } = place(ports, push, caller).await?;
    let (number, latest) = if seen { latest_run(ports, &first).await? } else { <_>::default() };
    let faulty = latest.as_ref().is_some_and(|run| {
        run.status == RunStatus::Failed
            && run.outcome.as_ref().is_some_and(|outcome| outcome.fault.is_some())
    });
    let again = faulty && caller.host.is_some() && number + 1 < MAX_RERUNS;
    let run_id = first.again(if again { number + 1 } else { number });
    let begin = Start { run_id: run_id.clone(), place, duplicate: seen && !again };
    let accepted = start(ports, push, caller, begin).await?;
    if caller.supersede == Supersede::Yes {
        supersede(ports, &older, &run_id).await?;
    }
    // Last: told again before this, everything above is done again.
    if let Some(key) = delivery_key(push, caller) {
        ports.runs.claim(&key, &first, KEEP).await?;
    }
    Ok(accepted)
}

/// Starts the next run of a push whose latest run has ended.
pub(crate) async fn rerun(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Accepted> {
    let Placed { run_id, place, .. } = place(ports, push, caller).await?;
    once_more(ports, push, caller, (run_id, place)).await
}

/// The push of a run, asked for once more by `actor`.
///
/// # Errors
/// When the run is none of a push, or older than the order of pushes.
pub(crate) fn push_of(run: &RunRecord, actor: String) -> Answer<(Push, u64)> {
    let request = &run.request;
    let message = format!("{} is no run of a push that could run again", request.run_id);
    let place = request.place.filter(|_| request.trigger.kind != ROLLBACK);
    let place = place.ok_or_else(|| ApiError::conflict(problems::NOT_A_PUSH, message))?;
    // A pull request stays one, whoever asks.
    let kind = if request.pull.is_some() { PULL_REQUEST } else { "api" };
    let trigger = Trigger { kind: kind.to_owned(), actor: Some(actor), delivery: None };
    Ok((Push::of(request, trigger), place))
}

/// Starts the next run of the push that has this first run and place.
pub(crate) async fn once_more(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    (run_id, place): (RunId, u64),
) -> Answer<Accepted> {
    let (number, latest) = latest_run(ports, &run_id).await?;
    let number = match latest {
        None => 0,
        Some(run) if !run.status.is_final() => {
            let id = run.request.run_id;
            return Err(ApiError::conflict(
                problems::RUN_ACTIVE,
                format!("the run {id} of this push is still active"),
            ));
        }
        Some(_) if number + 1 >= MAX_RERUNS => {
            return Err(ApiError::conflict(
                problems::TOO_MANY_RUNS,
                format!("the push had {MAX_RERUNS} runs already"),
            ));
        }
        Some(_) => number + 1,
    };
    let next = run_id.again(number);
    start(ports, push, caller, Start { run_id: next, place, duplicate: false }).await
}

/// Where a push belongs.
struct Placed {
    /// Its first run.
    run_id: RunId,
    place: u64,
    /// Whether it was told before.
    seen: bool,
    /// The pushes before it, where it is the newest of all.
    older: Vec<PlacedPush>,
}

/// Finds the place of the push in its branch, or takes it up there: by one conditional write, so
/// that it has one place whoever tells of it at the same time.
async fn place(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Placed> {
    let (repository, reference) = (&push.repository.name, push.reference());
    if let Some(key) = delivery_key(push, caller)
        && let Some(known) = known_run(ports, &key).await?
    {
        return Ok(known);
    }
    let key = push.key(caller.host);
    for attempt in 0..ATTEMPTS {
        let (mut branch, version) = ports.branches.branch(repository, &reference).await?;
        let known = match &push.on_purpose {
            // Who wants it on purpose wants it after everything that was pushed.
            Some(_) => Known::Next,
            None => branch.knows(&push.way()),
        };
        let place = match known {
            Known::Seen(PlacedPush { run_id, place, .. }) => {
                // Whoever told of it before may have been interrupted.
                let newest = branch.pushes().last().is_some_and(|last| last.run_id == run_id);
                let older = if newest { latest(&branch, 1) } else { Vec::new() };
                return Ok(Placed { run_id, place, seen: true, older });
            }
            Known::Late(place) => place,
            Known::Next => branch.next_place(Timestamp::now()),
            Known::Unknown => {
                // It may have been told so long ago that the branch has forgotten it.
                if let Some(known) = known_run(ports, &key).await? {
                    return Ok(known);
                }
                branch.next_place(Timestamp::now())
            }
        };
        let run_id = push.run_id(place);
        let newest = branch.pushes().last().is_none_or(|last| last.place < place);
        let older = if newest { latest(&branch, 0) } else { Vec::new() };
        branch.add(PlacedPush {
            place,
            before: push.base.clone(),
            after: push.commit.clone(),
            run_id: run_id.clone(),
            found: push.trigger.kind == FOUND,
        });
        if ports.branches.store_branch(repository, &reference, &branch, version).await? {
            ports.runs.claim(&key, &run_id, KEEP).await?;
            return Ok(Placed { run_id, place, seen: false, older });
        }
        wait(attempt).await;
    }
    Err(ApiError::unavailable())
}

/// The latest pushes of a branch, without the last `skip`.
fn latest(branch: &BranchRecord, skip: usize) -> Vec<PlacedPush> {
    branch.pushes().iter().rev().skip(skip).take(MOST).cloned().collect()
}

/// The push that a key was claimed for.
async fn known_run(ports: &Ports, key: &str) -> Answer<Option<Placed>> {
    let Some(run_id) = ports.runs.claimed(key).await? else { return Ok(None) };
    let run = ports.runs.run(&run_id).await?;
    // Without its run there is nothing that is known of the push.
    Ok(run.map(|run| {
        let place = run.request.place.unwrap_or(0);
        Placed { run_id, place, seen: true, older: Vec::new() }
    }))
}

/// Key of what a host told by one delivery, which may tell of several refs.
fn delivery_key(push: &Push, caller: &Caller<'_>) -> Option<String> {
    let (host, id) = caller.host.zip(push.trigger.delivery.as_deref())?;
    // With the repository, whose secret may be another one's than that of whoever sent the same id.
    Some(format!("{host}/{id}#{}#{}", push.repository.name, push.reference()))
}

/// Which run is started.
struct Start {
    run_id: RunId,
    place: u64,
    duplicate: bool,
}

async fn start(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    Start { run_id, place, duplicate }: Start,
) -> Answer<Accepted> {
    let fields = SpanFields { run_id: Some(run_id.as_str()), ..SpanFields::default() };
    telemetry::record(&Span::current(), &fields);

    let mut run = ports.runs.run(&run_id).await?;
    if run.is_none() {
        let arn = ports.executions.execution_arn(run_id.as_str());
        let request = push.request(run_id.clone(), place, &caller.origin);
        ports.runs.create_run(&request, &arn, RunStatus::Queued, None).await?;
        // Another delivery may have been faster: what it wrote is what counts.
        run = ports.runs.run(&run_id).await?;
    }
    let mut run = run.ok_or_else(ApiError::unavailable)?;

    match run.status {
        RunStatus::Queued if arrive(ports, &run, caller.trace).await? => {
            run.status = RunStatus::Running;
        }
        // Whoever told of it before may have been interrupted.
        RunStatus::Running => drop(launch(ports, &run, None, caller.trace).await?),
        _ => {}
    }
    record(ports, push, caller, &run_id, duplicate).await?;
    tracing::info!(
        repository = push.repository.name.as_str(),
        branch = push.branch,
        commit = push.commit,
        duplicate,
        "accepted"
    );
    let RunRecord { request, status, execution_arn, .. } = run;
    Ok(Accepted { url: request.url, status, run_id, execution_arn, duplicate })
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
