//! Admission: which runs begin, and which wait until there is room.
//!
//! A run is written before anything else is done for it, as queued. It begins at once where there is
//! room and nobody waits; otherwise it is put into the queue of its repository, and whoever comes next
//! (another push, the end of an execution, the scheduled pass) lets as many begin as there is room for:
//! one repository after another, the one whose turn was longest ago first, and within one in the order
//! of its pushes. A repository that has as many runs as it may holds up no other.
//!
//! Everything hangs on conditional writes. Who has room is one item that is changed by its version; a
//! run begins by one write from queued to running, which is lost where it was ended meanwhile. After a
//! crash between any two of the steps the run is in the table with how far it came, and whoever finds it
//! goes on: room that a run has which is not running is given back or used.

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use pact_agent::{ports::StoreError, room::QueuedRun};
use pact_contract::{RunId, RunRecord, RunStatus};

use crate::{launch::launch, ports::Ports};

type Result<T> = std::result::Result<T, StoreError>;

/// Attempts to change who has room, while others do.
const ATTEMPTS: u32 = 60;
/// Longest wait between two of them, in milliseconds.
const MAX_WAIT: u64 = 50;
/// Most runs that begin by one write, and those that are started side by side.
const BATCH: usize = 16;
const AT_ONCE: usize = 8;
/// Runs at the head of a queue that are looked at: some may have ended, or be on their way.
const HEAD: usize = 8;
/// Most runs that a push, or an event, lets begin.
pub(crate) const FEW: usize = 32;

/// Lets a queued run begin, or puts it into its queue. Whether it has begun. The execution belongs to
/// the trace that the header names, where it begins at once.
pub(crate) async fn arrive(ports: &Ports, run: &RunRecord, trace: Option<&str>) -> Result<bool> {
    if !ports.room.somebody_waits().await? && take(ports, run).await? {
        return go(ports, run, trace).await;
    }
    ports.room.enqueue(&run.into()).await?;
    if admit(ports, FEW).await? == 0 {
        return Ok(false);
    }
    let now = ports.runs.run(&run.request.run_id).await?;
    Ok(now.is_some_and(|now| now.status == RunStatus::Running))
}

/// Takes room for the run. False where there is none.
async fn take(ports: &Ports, run: &RunRecord) -> Result<bool> {
    let (store, limits) = (&ports.room, ports.limits);
    let request = &run.request;
    for attempt in 0..ATTEMPTS {
        let (mut room, version) = store.room().await?;
        if room.has(&request.run_id) {
            return Ok(true);
        }
        if !room.take(limits, &request.repository.name, &request.run_id) {
            return Ok(false);
        }
        if store.store_room(&room, version).await? {
            return Ok(true);
        }
        wait(attempt).await;
    }
    // Others were faster every time: it waits like everybody.
    Ok(false)
}

/// Takes the room of a run back, which has ended or waits for a person. Whether it had some.
pub(crate) async fn free(ports: &Ports, run_id: &RunId) -> Result<bool> {
    let store = &ports.room;
    for attempt in 0..ATTEMPTS {
        let (mut room, version) = store.room().await?;
        if !room.free(run_id) {
            return Ok(false);
        }
        if store.store_room(&room, version).await? {
            return Ok(true);
        }
        wait(attempt).await;
    }
    Err(StoreError::Conflict("room for runs changes all the time".to_owned()))
}

/// Takes a run out of its queue that was ended in it.
pub(crate) async fn leave(ports: &Ports, run: &RunRecord) -> Result<()> {
    ports.room.dequeue(&run.into()).await
}

/// Starts a run that has room. False where it was ended meanwhile.
async fn go(ports: &Ports, run: &RunRecord, trace: Option<&str>) -> Result<bool> {
    let run_id = &run.request.run_id;
    if !ports.runs.begin_run(run_id).await? {
        let now = ports.runs.run(run_id).await?;
        if now.is_none_or(|now| now.status != RunStatus::Running) {
            leave(ports, run).await?;
            free(ports, run_id).await?;
            return Ok(false);
        }
    }
    // It runs from here on, whatever becomes of this: the pass starts what is not there.
    let input = ports.runs.input(run_id).await?;
    launch(ports, run, input, trace).await?;
    leave(ports, run).await?;
    Ok(true)
}

/// Starts a run that had room and was not started, if it is still queued. Otherwise its room is taken
/// back, unless it is running.
pub(crate) async fn repair(ports: &Ports, run_id: &RunId) -> Result<bool> {
    match ports.runs.run(run_id).await? {
        Some(run) if run.status == RunStatus::Queued => go(ports, &run, None).await,
        Some(run) if run.status == RunStatus::Running => Ok(false),
        _ => free(ports, run_id).await,
    }
}

/// Lets those begin that wait, as far as there is room, and at most so many. How many began.
pub(crate) async fn admit(ports: &Ports, most: usize) -> Result<usize> {
    let (mut began, mut conflicts) = (0, 0);
    while began < most {
        let Some(next) = next(ports, most - began).await? else {
            conflicts += 1;
            if conflicts == ATTEMPTS {
                break;
            }
            wait(conflicts).await;
            continue;
        };
        if next.is_empty() {
            break;
        }
        let start = |run| async move { (run, go(ports, run, None).await) }.boxed();
        let starts: Vec<_> = next.iter().map(start).collect();
        let mut starts = stream::iter(starts).buffer_unordered(AT_ONCE);
        while let Some((run, started)) = starts.next().await {
            match started {
                Ok(true) => began += 1,
                Ok(false) => {}
                // It has room, and the pass starts it.
                Err(error) => {
                    let run_id = run.request.run_id.as_str();
                    tracing::error!(run_id, %error, "the run is started later");
                }
            }
        }
    }
    Ok(began)
}

/// Gives those room whose turn it is. None where somebody else changed who has room at the same time.
async fn next(ports: &Ports, most: usize) -> Result<Option<Vec<RunRecord>>> {
    let (store, limits) = (&ports.room, ports.limits);
    let mut taken = Vec::new();
    let (mut room, version) = store.room().await?;
    let most = limits.runs.saturating_sub(room.len()).min(most).min(BATCH);
    if most == 0 {
        return Ok(Some(taken));
    }
    // No more repositories have all the room that they may than there is room in all.
    let full = limits.runs / limits.per_repository.max(1);
    for queue in store.queues(full + BATCH).await? {
        if taken.len() == most {
            break;
        }
        if room.of(&queue.repository) >= limits.per_repository {
            continue;
        }
        let head = store.queue(&queue.repository, HEAD).await?;
        if head.is_empty() {
            store.remove_queue(&queue).await?;
        }
        for place in head {
            if room.has(&place.run_id) {
                // Somebody is about to start it.
                continue;
            }
            if let Some(run) = waiting(ports, &place).await? {
                room.take(limits, &queue.repository, &place.run_id);
                taken.push(run);
                break;
            }
        }
    }
    if taken.is_empty() {
        return Ok(Some(taken));
    }
    if !store.store_room(&room, version).await? {
        return Ok(None);
    }
    for run in &taken {
        store.had_its_turn(&run.request.repository.name, Timestamp::now()).await?;
    }
    Ok(Some(taken))
}

/// The run in a queue, which leaves it where it does not wait any more.
async fn waiting(ports: &Ports, place: &QueuedRun) -> Result<Option<RunRecord>> {
    let run = ports.runs.run(&place.run_id).await?;
    let run = run.filter(|run| run.status == RunStatus::Queued);
    if run.is_none() {
        ports.room.dequeue(place).await?;
    }
    Ok(run)
}

/// A random wait that grows with the attempts.
pub(crate) async fn wait(attempt: u32) {
    let most = 2u64.saturating_mul(1 << attempt.min(5)).min(MAX_WAIT);
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    tokio::time::sleep(Duration::from_millis(random % (most + 1))).await;
}
