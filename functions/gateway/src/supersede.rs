//! A newer push of a branch takes the place of the older ones that have not begun to deploy.

use futures::future::join_all;
use jiff::Timestamp;
use pact_agent::ports::StoreError;
use pact_contract::{
    RunId, RunRecord, RunStatus,
    log::{LogKind, NewEntry},
    pushes::PlacedPush,
    run::Outcome,
};
use serde_json::json;

use crate::{admission, ending, known::latest_runs, ports::Ports};

type Result<T> = std::result::Result<T, StoreError>;

/// Most pushes before that are looked at: older ones were superseded by those.
pub(crate) const MOST: usize = 5;

/// Ends what runs for the pushes before, unless it has begun to deploy. Repeatable.
pub(crate) async fn supersede(ports: &Ports, older: &[PlacedPush], by: &RunId) -> Result<()> {
    // Side by side: the room that they have is waited for.
    let firsts: Vec<RunId> = older.iter().map(|push| push.run_id.clone()).collect();
    let latest = latest_runs(ports, &firsts).await?;
    for unreadable in &latest.unreadable {
        // It holds up nobody.
        tracing::error!(%unreadable, "a run before cannot be superseded");
    }
    let runs = latest.items.into_iter().filter_map(|(_, run)| run);
    let ended = join_all(runs.map(|run| one(ports, run, by))).await;
    ended.into_iter().collect()
}

async fn one(ports: &Ports, run: RunRecord, by: &RunId) -> Result<()> {
    let run_id = &run.request.run_id;
    let reason = format!("a newer push of {} took its place: run {by}", run.request.branch);
    let mine = run.status == RunStatus::Superseded
        && run.outcome.as_ref().is_some_and(|outcome| outcome.reason == reason);
    if mine {
        // It may be that only its end was written.
        ports.executions.stop(&run.execution_arn, &reason).await?;
        ending::unlock(ports, &run).await?;
    }
    if run.status.is_final() || run.deploying.is_some() {
        return Ok(());
    }
    let outcome = Outcome::unknown(RunStatus::Superseded, reason.clone());
    let now = Timestamp::now();
    // Whoever begins to deploy at this very moment goes on: one of the two writes comes first.
    if !ports.runs.finish_before_deploying(run_id, &outcome, now).await? {
        return Ok(());
    }
    ports.executions.stop(&run.execution_arn, &reason).await?;
    ending::unlock(ports, &run).await?;
    if run.status == RunStatus::Queued {
        admission::leave(ports, &run).await?;
    }
    let entry = NewEntry {
        timestamp: now,
        actor: "pact.gateway".to_owned(),
        kind: LogKind::Event,
        action: "gateway.supersede_run".to_owned(),
        body: json!({ "reason": reason, "by": by }),
    };
    ports.recorder.append_log(run_id, entry).await?;
    tracing::info!(run_id = run_id.as_str(), by = by.as_str(), "superseded");
    Ok(())
}
