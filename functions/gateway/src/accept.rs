//! Accepting a push: one run for it, however often and by however many ways it is told.
//!
//! All that is known of it is asked for at once, and what makes it accepted is written at once: its
//! place in its branch, its run with the first entry of its log, and what it is known by. So it is
//! there as a whole or not at all, whenever whoever accepts it dies. Everything else is done after the
//! answer, by the motor. Whoever tells the same push again has it done if it was not.

use jiff::Timestamp;
use pact_agent::{
    arrivals::{Arrival, ArrivalKeys, NewPush, TakenUp},
    ports::Claim,
    telemetry::{self, SpanFields},
};
use pact_contract::{
    RunId, RunRecord, RunStatus,
    log::{LogKind, NewEntry},
    problems,
    pushes::{Known, PlacedPush},
    run::{FOUND, PULL_REQUEST, ROLLBACK, Trigger},
};
use serde::Serialize;
use serde_json::json;
use tracing::Span;

use crate::{
    admission::wait,
    error::{Answer, ApiError},
    known::{KEEP, MAX_RERUNS, latest_run},
    ports::Ports,
    push::Push,
};

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

/// Attempts to take a push up in a branch that others push to at this very moment.
const ATTEMPTS: u32 = 60;

/// All that is known of a push.
pub(crate) async fn arrival(ports: &Ports, push: &Push, caller: &Caller<'_>) -> Answer<Arrival> {
    let (reference, key) = (push.reference(), push.key(caller.host));
    let delivery = delivery_key(push, caller);
    let keys = ArrivalKeys {
        repository: &push.repository.name,
        reference: &reference,
        push: &key,
        delivery: delivery.as_deref(),
    };
    Ok(ports.arrivals.arrival(&keys).await?)
}

/// Makes sure that the push has its run, of which `known` is known. A push whose latest run ended by
/// a fault gets another one, when its host tells of it again.
pub(crate) async fn accept(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    known: Arrival,
) -> Answer<Accepted> {
    let told = match place(ports, push, caller, known).await? {
        Placed::New(accepted) => return Ok(accepted),
        Placed::Told(told) => told,
    };
    let Told { run_id: first, place, delivered } = told;
    let (number, latest) = latest_run(ports, &first).await?;
    let faulty = latest.as_ref().is_some_and(|run| {
        run.status == RunStatus::Failed
            && run.outcome.as_ref().is_some_and(|outcome| outcome.fault.is_some())
    });
    let again = faulty && caller.host.is_some() && number + 1 < MAX_RERUNS;
    let run_id = first.again(if again { number + 1 } else { number });
    let latest = latest.filter(|_| !again);
    let key = delivery_key(push, caller);
    let logged = match &key {
        Some(key) if !again && !delivered => ports.runs.claimed(key).await?.is_some(),
        _ => delivered && !again,
    };
    let accepted =
        start(ports, push, caller, Start { run_id, place, latest, again, logged }).await?;
    // Last: told again before this, everything above is done again.
    if let Some(key) = key.filter(|_| !delivered) {
        ports.runs.claim(&key, &first, KEEP).await?;
    }
    Ok(accepted)
}

/// Starts the next run of a push whose latest run has ended.
pub(crate) async fn rerun(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    known: Arrival,
) -> Answer<Accepted> {
    match place(ports, push, caller, known).await? {
        Placed::New(accepted) => Ok(accepted),
        Placed::Told(Told { run_id, place, .. }) => {
            once_more(ports, push, caller, (run_id, place)).await
        }
    }
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
    let begin = Start { run_id: next, place, latest: None, again: true, logged: false };
    start(ports, push, caller, begin).await
}

/// Where a push belongs.
enum Placed {
    /// It was told for the first time, and is taken up.
    New(Accepted),
    /// It has its place.
    Told(Told),
}

/// A push that has its place.
struct Told {
    /// Its first run.
    run_id: RunId,
    place: u64,
    /// Whether this very delivery was taken up before.
    delivered: bool,
}

/// Finds the place of the push in its branch, or takes it up there: by one conditional write, so
/// that it has one place whoever tells of it at the same time.
async fn place(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    mut known: Arrival,
) -> Answer<Placed> {
    for attempt in 0..ATTEMPTS {
        if let Some(run_id) = &known.delivery
            && let Some(place) = place_of(ports, run_id).await?
        {
            let run_id = run_id.clone();
            return Ok(Placed::Told(Told { run_id, place, delivered: true }));
        }
        let (mut branch, version) = known.branch;
        let stands = match &push.on_purpose {
            // Who wants it on purpose wants it after everything that was pushed.
            Some(_) => Known::Next,
            None => branch.knows(&push.way()),
        };
        let place = match stands {
            Known::Seen(PlacedPush { run_id, place, .. }) => {
                return Ok(Placed::Told(Told { run_id, place, delivered: false }));
            }
            Known::Late(place) => place,
            Known::Next => branch.next_place(Timestamp::now()),
            Known::Unknown => {
                // It may have been told so long ago that the branch has forgotten it.
                if let Some(run_id) = known.push
                    && let Some(place) = place_of(ports, &run_id).await?
                {
                    return Ok(Placed::Told(Told { run_id, place, delivered: false }));
                }
                branch.next_place(Timestamp::now())
            }
        };
        let run_id = push.run_id(place);
        branch.add(PlacedPush {
            place,
            before: push.base.clone(),
            after: push.commit.clone(),
            run_id: run_id.clone(),
            found: push.trigger.kind == FOUND,
        });
        let (reference, key) = (push.reference(), push.key(caller.host));
        let (delivery, repository) = (delivery_key(push, caller), &push.repository.name);
        let request = push.request(run_id.clone(), place, &caller.origin);
        let execution_arn = ports.executions.execution_arn(run_id.as_str());
        let new = NewPush {
            keys: ArrivalKeys {
                repository,
                reference: &reference,
                push: &key,
                delivery: delivery.as_deref(),
            },
            request: &request,
            execution_arn: &execution_arn,
            branch: &branch,
            version,
            entry: entry(push, false),
        };
        match ports.arrivals.take_up(&new, KEEP).await? {
            TakenUp::Written => {
                accepted(push, &run_id, false);
                return Ok(Placed::New(Accepted {
                    url: request.url,
                    status: RunStatus::Queued,
                    run_id,
                    execution_arn,
                    duplicate: false,
                }));
            }
            // What is left of a branch that was forgotten: its run counts.
            TakenUp::RunIsThere => {
                if ports.branches.store_branch(repository, &reference, &branch, version).await? {
                    ports.runs.claim(&key, &run_id, KEEP).await?;
                    return Ok(Placed::Told(Told { run_id, place, delivered: false }));
                }
            }
            TakenUp::Changed => {}
        }
        wait(attempt).await;
        known = arrival(ports, push, caller).await?;
    }
    Err(ApiError::unavailable())
}

/// The place of the push that a run is of. Without its run there is nothing that is known of it.
async fn place_of(ports: &Ports, run_id: &RunId) -> Answer<Option<u64>> {
    let run = ports.runs.run(run_id).await?;
    Ok(run.map(|run| run.request.place.unwrap_or(0)))
}

/// Key of what a host told by one delivery, which may tell of several refs.
fn delivery_key(push: &Push, caller: &Caller<'_>) -> Option<String> {
    let (host, id) = caller.host.zip(push.trigger.delivery.as_deref())?;
    // With the repository, whose secret may be another one's than that of whoever sent the same id.
    Some(format!("{host}/{id}#{}#{}", push.repository.name, push.reference()))
}

/// Which run of a push that has its place is started.
struct Start {
    run_id: RunId,
    place: u64,
    /// The run, where it is there.
    latest: Option<RunRecord>,
    /// Whether it is one more of the push.
    again: bool,
    /// Whether this delivery is in its log.
    logged: bool,
}

async fn start(
    ports: &Ports,
    push: &Push,
    caller: &Caller<'_>,
    Start { run_id, place, latest, again, logged }: Start,
) -> Answer<Accepted> {
    let mut run = latest;
    if run.is_none() {
        let arn = ports.executions.execution_arn(run_id.as_str());
        let request = push.request(run_id.clone(), place, &caller.origin);
        ports.runs.create_run(&request, &arn, RunStatus::Queued, None).await?;
        // Another delivery may have been faster: what it wrote is what counts.
        run = ports.runs.run(&run_id).await?;
    }
    let RunRecord { request, status, execution_arn, .. } = run.ok_or_else(ApiError::unavailable)?;
    let duplicate = !again;
    if !logged {
        record(ports, push, caller, &run_id, duplicate).await?;
    }
    accepted(push, &run_id, duplicate);
    Ok(Accepted { url: request.url, status, run_id, execution_arn, duplicate })
}

fn accepted(push: &Push, run_id: &RunId, duplicate: bool) {
    let fields = SpanFields { run_id: Some(run_id.as_str()), ..SpanFields::default() };
    telemetry::record(&Span::current(), &fields);
    tracing::info!(
        repository = push.repository.name.as_str(),
        branch = push.branch,
        commit = push.commit,
        duplicate,
        "accepted"
    );
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
    if let Err(error) = ports.recorder.append_log(run_id, entry(push, duplicate)).await {
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

/// What the log of a run says of being asked for it.
fn entry(push: &Push, duplicate: bool) -> NewEntry {
    NewEntry {
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
    }
}
