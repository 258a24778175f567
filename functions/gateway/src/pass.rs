//! The scheduled pass over the runs that have not ended: what no event told of.
//!
//! Events come late, twice or never, and a function may die between two writes. The pass looks at each
//! open run, and takes it up where it was left: an execution that was never started is started, one
//! that ended is taken to the end as its event would have. One pass at a time, bounded in number and
//! in time; the next one goes on where it stopped. Everything that it does is what events do, and is
//! done once, whoever else does it at the same time.

use std::time::{Duration, Instant};

use futures::{FutureExt as _, StreamExt as _, stream};
use pact_agent::{
    open::{OpenPlace, Pass},
    ports::StoreError,
};
use pact_contract::{RunId, RunRecord, RunStatus, run::TAKE_BACK};
use serde::Serialize;
use serde_json::Value;

use crate::{
    admission, ending, heads,
    launch::launch,
    metrics, motor,
    ports::Ports,
    settle::{Changed, settle},
    statuses,
};

type Result<T> = std::result::Result<T, StoreError>;

/// How long nobody else begins a pass: longer than the function may run.
const LEASE: Duration = Duration::from_secs(45);
/// When a pass begins nothing more: the function may run for 30 seconds.
const TIME: Duration = Duration::from_secs(18);
/// Most runs that one pass looks at.
const MOST: usize = 2_000;
/// Runs on a page of the list, and those that are looked at side by side.
const PAGE: usize = 50;
const AT_ONCE: usize = 8;
/// Most runs that begin by one pass.
const MOST_BEGIN: usize = 200;

/// What a pass did.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Whether somebody else is at it.
    pub(crate) elsewhere: bool,
    /// Open runs that were looked at.
    pub(crate) runs: usize,
    /// Executions that were not there and were started.
    pub(crate) started: usize,
    /// Runs that waited, and were in no queue.
    pub(crate) queued: usize,
    /// Runs that had room and were not started, or had ended.
    pub(crate) room: usize,
    /// Runs that waited, and for which there was room.
    pub(crate) began: usize,
    /// Runs whose execution had ended, and were taken to their end.
    pub(crate) ended: usize,
    /// Statuses of commits that were due.
    pub(crate) statuses: usize,
    /// Repositories whose host was asked for its heads and answered.
    pub(crate) asked: usize,
    /// Those whose host did not answer.
    pub(crate) silent: usize,
    /// Pushes that never arrived, and are run.
    pub(crate) found: usize,
    /// Runs that could not be looked after now.
    pub(crate) failed: usize,
    /// Whether it came to the end of the list.
    pub(crate) complete: bool,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Nothing,
    Started,
    Queued,
    Ended,
}

/// One pass.
///
/// # Errors
/// When the store does not answer; what was done stays done.
pub(crate) async fn pass(ports: &Ports) -> Result<Report> {
    let Some(pass) = ports.open.begin_pass(LEASE).await? else {
        return Ok(Report { elsewhere: true, ..Report::default() });
    };
    let (mut report, begin) = (Report::default(), Instant::now());
    let walked = walk(ports, &pass, &mut report).await;
    let admitted = room(ports, &mut report).await;
    let shown = statuses::pass(ports, begin + TIME).await;
    let asked = heads::pass(ports, begin + TIME).await;
    // After a fault the next pass begins anew.
    let next = walked.as_ref().ok().and_then(Option::as_ref);
    if !ports.open.end_pass(&pass, next).await? {
        tracing::warn!(fence = pass.fence, "the pass took longer than its lease");
    }
    report.complete = walked?.is_none();
    admitted?;
    report.statuses = shown?;
    let asked = asked?;
    (report.asked, report.silent, report.found) = (asked.answered, asked.silent, asked.found);
    if report.started + report.ended + report.failed + report.queued + report.room > 0 {
        tracing::warn!(?report, "runs were left, and are looked after");
    }
    Ok(report)
}

/// Looks at the open runs, and answers where it stopped.
async fn walk(ports: &Ports, pass: &Pass, report: &mut Report) -> Result<Option<OpenPlace>> {
    let begin = Instant::now();
    for status in [RunStatus::Running, RunStatus::Queued] {
        let from = pass.from.clone().filter(|from| from.status == status);
        let stopped = list(ports, status, from, begin, report).await?;
        if stopped.is_some() {
            return Ok(stopped);
        }
    }
    Ok(None)
}

/// Looks at the open runs of one list.
async fn list(
    ports: &Ports,
    status: RunStatus,
    mut from: Option<OpenPlace>,
    begin: Instant,
    report: &mut Report,
) -> Result<Option<OpenPlace>> {
    loop {
        let page = ports.open.open_runs(status, from.as_ref(), PAGE).await?;
        for unreadable in &page.unreadable {
            tracing::error!(%unreadable, "an open run cannot be read");
        }
        report.failed += page.unreadable.len();
        report.runs += page.runs.len();
        let start = |run_id| async move { (run_id, look(ports, run_id).await) }.boxed();
        let looks: Vec<_> = page.runs.iter().map(start).collect();
        let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        while let Some((run_id, done)) = looks.next().await {
            match done {
                Ok(Done::Nothing) => {}
                Ok(Done::Started) => report.started += 1,
                Ok(Done::Queued) => report.queued += 1,
                Ok(Done::Ended) => report.ended += 1,
                // One run's trouble holds up no other.
                Err(error) => {
                    report.failed += 1;
                    tracing::error!(run_id = run_id.as_str(), %error, "the run is left as it is");
                }
            }
        }
        from = page.next;
        if from.is_none() || report.runs >= MOST || begin.elapsed() >= TIME {
            return Ok(from);
        }
    }
}

/// Takes an open run up where it was left.
async fn look(ports: &Ports, run_id: &RunId) -> Result<Done> {
    // The list may be behind.
    let Some(run) = ports.runs.run(run_id).await? else { return Ok(Done::Nothing) };
    if run.status.is_final() {
        return tidy(ports, &run).await;
    }
    if run.status == RunStatus::Queued {
        return queued(ports, &run).await;
    }
    if run.deploying.is_some() {
        // Where what it began is being taken back, that is what counts.
        let name = format!("{run_id}{TAKE_BACK}");
        let arn = ports.executions.execution_arn(&name);
        if let Some(state) = ports.executions.state(&arn).await? {
            return settled(ports, Changed::new(name, state)).await;
        }
    }
    match ports.executions.state(&run.execution_arn).await? {
        Some(state) => settled(ports, Changed::new(run_id.to_string(), state)).await,
        None => {
            let input = ports.runs.input(run_id).await?;
            launch(ports, &run, input, None).await?;
            tracing::warn!(run_id = run_id.as_str(), "its execution was not there, and is started");
            Ok(Done::Started)
        }
    }
}

/// Takes a run up that was written, and not put into its queue: that comes last, so that whoever finds it
/// there has nothing left to do.
async fn queued(ports: &Ports, run: &RunRecord) -> Result<Done> {
    let place = run.into();
    if ports.room.is_queued(&place).await? {
        return Ok(Done::Nothing);
    }
    motor::take_the_place_of_older(ports, run).await?;
    ports.room.enqueue(&place).await?;
    Ok(Done::Queued)
}

/// Looks at every run that has room, and lets those begin that wait, where there is some.
async fn room(ports: &Ports, report: &mut Report) -> Result<()> {
    let (room, _) = ports.room.room().await?;
    let start = |run_id| async move { (run_id, admission::repair(ports, run_id).await) }.boxed();
    let repairs: Vec<_> = room.runs().map(start).collect();
    let mut repairs = stream::iter(repairs).buffer_unordered(AT_ONCE);
    while let Some((run_id, repaired)) = repairs.next().await {
        match repaired {
            Ok(repaired) => report.room += usize::from(repaired),
            Err(error) => {
                report.failed += 1;
                tracing::error!(run_id = run_id.as_str(), %error, "its room is left as it is");
            }
        }
    }
    drop(repairs);
    report.began = admission::admit(ports, MOST_BEGIN).await?;
    Ok(())
}

/// Does what whoever ended a run did not come to: stops its execution, gives back what it holds, counts it.
async fn tidy(ports: &Ports, run: &RunRecord) -> Result<Done> {
    let run_id = &run.request.run_id;
    if let Some(state) = ports.executions.state(&run.execution_arn).await? {
        let changed = Changed::new(run_id.to_string(), state);
        if !changed.has_ended() {
            let reason = run.outcome.as_ref().map(|outcome| &*outcome.reason).unwrap_or_default();
            ports.executions.stop(&run.execution_arn, reason).await?;
            // The rest is done at its end.
            return Ok(Done::Ended);
        }
    }
    ending::unlock(ports, run).await?;
    admission::leave(ports, run).await?;
    admission::free(ports, run_id).await?;
    metrics::ended(ports, run).await?;
    statuses::show(ports, run).await?;
    ports.runs.close_run(run_id).await?;
    Ok(Done::Ended)
}

/// Takes a run to its end, where its execution has ended.
async fn settled(ports: &Ports, changed: Changed) -> Result<Done> {
    if !changed.has_ended() {
        return Ok(Done::Nothing);
    }
    let _: Value = settle(ports, changed).await?;
    Ok(Done::Ended)
}
