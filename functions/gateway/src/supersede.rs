//! A newer push of a branch takes the place of the older ones that have not begun to deploy.

use futures::future::join_all;
use jiff::Timestamp;
use pact_contract::{
    RunId, RunStatus,
    log::{LogKind, NewEntry},
    pushes::PlacedPush,
    run::Outcome,
};
use serde_json::json;

use crate::{admission, ending, error::Answer, ports::Ports};

/// Most pushes before that are looked at: older ones were superseded by those.
pub(crate) const MOST: usize = 5;

/// Ends what runs for the pushes before, unless it has begun to deploy. Repeatable.
pub(crate) async fn supersede(ports: &Ports, older: &[PlacedPush], by: &RunId) -> Answer<()> {
    // Side by side: whoever told of the push waits for it.
    let ended = join_all(older.iter().map(|push| one(ports, push, by))).await;
    ended.into_iter().collect()
}

async fn one(ports: &Ports, push: &PlacedPush, by: &RunId) -> Answer<()> {
    let Some(run) = crate::known::latest_run(ports, &push.run_id).await?.1 else { return Ok(()) };
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
