//! Commits show what became of them: on their host, by its statuses.
//!
//! What is to be shown is written first, in one item for each commit and context, and sent then. Where
//! that does not succeed, the scheduled pass sends it again, when its host allows. One attempt at a
//! time: what is wanted meanwhile is sent after it, so that no verdict is followed by the state before.
//! The same status twice is harmless, whatever became of an attempt that was interrupted. No run ends
//! otherwise because of it, or later.

use std::time::Instant;

use futures::{FutureExt as _, StreamExt as _, stream};
use jiff::Timestamp;
use pact_agent::ports::StoreError;
use pact_contract::{
    RunRecord, RunRequest,
    policy::JudgedBy,
    registry::RepositoryEntry,
    run::ROLLBACK,
    statuses::{Attempted, CommitState, CommitStatus, StatusKey, StatusRecord, described},
};

use pact_hosts::{Found, Purpose};

use crate::{hosts, ports::Ports, status_client::send};

type Result<T> = std::result::Result<T, StoreError>;

/// Attempts against others who write the same item.
const ATTEMPTS: usize = 10;
/// Statuses that one pass looks at, and those that are sent side by side.
const MOST: usize = 200;
const AT_ONCE: usize = 8;

/// Has the run's commit show how the run stands, where its repository is registered so. What cannot be
/// sent now is sent later.
pub(crate) async fn show(ports: &Ports, run: &RunRecord) -> Result<()> {
    show_as(ports, run, CommitStatus::of(run)).await
}

/// The same, with other words for a run that goes on.
pub(crate) async fn show_as(ports: &Ports, run: &RunRecord, wanted: CommitStatus) -> Result<()> {
    let request = &run.request;
    // A way back says nothing of its commit, and nobody is the judge of his own.
    if request.trigger.kind == ROLLBACK || request.policy.judged_by == JudgedBy::Own {
        return Ok(());
    }
    let entry = ports.registry.repository(&request.repository.name).await?;
    if entry.is_none_or(|entry| entry.statuses.is_none()) {
        return Ok(());
    }
    let key = StatusKey::of(run);
    want(ports, &key, wanted).await?;
    if let Err(error) = deliver(ports, &key).await {
        let run_id = request.run_id.as_str();
        tracing::error!(run_id, %error, "the commit's status is sent later");
    }
    Ok(())
}

/// Has a commit that has no run show that it waits for somebody's word. The pass sends it.
pub(crate) async fn waits(
    ports: &Ports,
    request: &RunRequest,
    entry: &RepositoryEntry,
    how: &str,
) -> Result<()> {
    if entry.statuses.is_none() {
        return Ok(());
    }
    let wanted = CommitStatus {
        run_id: request.run_id.clone(),
        since: request.started_at,
        state: CommitState::Pending,
        description: described(how),
        url: request.url.clone(),
    };
    want(ports, &StatusKey::of_request(request), wanted).await
}

/// Writes what is to be shown, unless something later is.
async fn want(ports: &Ports, key: &StatusKey, wanted: CommitStatus) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let (known, version) = ports.statuses.status(key).await?;
        let now = Timestamp::now();
        let record = match known {
            None => StatusRecord::new(key.clone(), wanted.clone(), now),
            Some(known) => match known.wanting(wanted.clone(), now) {
                Some(record) => record,
                None => return Ok(()),
            },
        };
        if ports.statuses.store_status(&record, version).await? {
            return Ok(());
        }
    }
    Err(changes_all_the_time())
}

/// Sends what is due of one status, and what is wanted meanwhile.
async fn deliver(ports: &Ports, key: &StatusKey) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let (known, version) = ports.statuses.status(key).await?;
        let Some(begun) = known.and_then(|known| known.begun(Timestamp::now())) else {
            return Ok(());
        };
        if !ports.statuses.store_status(&begun, version).await? {
            continue;
        }
        let attempted = attempt(ports, &begun).await?;
        end(ports, &begun, attempted).await?;
    }
    Ok(())
}

/// Writes what came of an attempt.
async fn end(ports: &Ports, begun: &StatusRecord, attempted: Attempted) -> Result<()> {
    let (key, sent) = (&begun.key, &begun.wanted);
    for _ in 0..ATTEMPTS {
        let (known, version) = ports.statuses.status(key).await?;
        // It was taken away meanwhile.
        let Some(known) = known else { return Ok(()) };
        let ended = known.ended(sent, attempted.clone(), Timestamp::now());
        if !ports.statuses.store_status(&ended, version).await? {
            continue;
        }
        let (run_id, repository) = (sent.run_id.as_str(), key.repository.as_str());
        let state = sent.state.as_str();
        match (&attempted, ended.due()) {
            (Attempted::Taken, _) => tracing::info!(run_id, repository, state, "shown"),
            (Attempted::NotNow { why, .. }, Some(at)) => {
                tracing::warn!(run_id, repository, state, why, %at, "shown later");
            }
            (Attempted::NotNow { why, .. } | Attempted::Refused(why), _) => {
                tracing::error!(run_id, repository, state, why, "not shown");
            }
        }
        return Ok(());
    }
    Err(changes_all_the_time())
}

fn changes_all_the_time() -> StoreError {
    StoreError::Conflict("the status of a commit changes all the time".to_owned())
}

/// Sends a status once.
async fn attempt(ports: &Ports, record: &StatusRecord) -> Result<Attempted> {
    let key = &record.key;
    let entry = ports.registry.repository(&key.repository).await?;
    let Some(settings) = entry.and_then(|entry| entry.statuses) else {
        let why = format!("{} is not registered to show statuses", key.repository);
        return Ok(Attempted::Refused(why));
    };
    let Some(host) = hosts::statuses_of(&settings.host) else {
        return Ok(Attempted::Refused(format!("{} takes no statuses", settings.host)));
    };
    let (tokens, purpose) = (&ports.host_tokens, Purpose::Statuses);
    let mut lease = tokens.lease(&key.repository, Some(&settings.api), purpose).await?;
    loop {
        let token = match lease.found() {
            Found::Given(token) | Found::Lent(token) => token,
            Found::Later { why, wait } => {
                return Ok(Attempted::NotNow { why: why.clone(), wait: *wait });
            }
            Found::Missing(why) => return Ok(Attempted::NotNow { why: why.clone(), wait: None }),
        };
        let request = host.request(&settings.api, key, &record.wanted, token);
        let answer = match send(&ports.status_client, request).await {
            Ok(answer) => answer,
            Err(why) => return Ok(Attempted::NotNow { why, wait: None }),
        };
        if answer.status != 401 || !tokens.renew(&mut lease).await? {
            return Ok(host.judge(&answer, Timestamp::now()));
        }
    }
}

/// Sends the statuses that are due, until the time is over. How many were looked at.
pub(crate) async fn pass(ports: &Ports, until: Instant) -> Result<usize> {
    let due = ports.statuses.due_statuses(Timestamp::now(), MOST).await?;
    let start = |key| async move { deliver(ports, key).await }.boxed();
    let mut done = 0;
    for keys in due.chunks(AT_ONCE) {
        if Instant::now() >= until {
            break;
        }
        let sends: Vec<_> = keys.iter().map(start).collect();
        let mut sends = stream::iter(sends).buffer_unordered(AT_ONCE);
        while let Some(sent) = sends.next().await {
            done += 1;
            // One's trouble holds up no other.
            if let Err(error) = sent {
                tracing::error!(%error, "a commit's status is sent later");
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod app_tests;
#[cfg(test)]
mod gitlab_tests;
#[cfg(test)]
mod tests;
