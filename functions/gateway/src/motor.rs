//! What an accepted push brings along, after the answer: it takes the place of older pushes of its
//! branch, and its run begins or waits for room.
//!
//! The gateway tells the reconciler of it before it answers, as a function that has answered does
//! nothing more, and does not wait until it is done. Where that is lost, or whoever does it dies, the
//! run is queued and in no queue, and the scheduled pass does the same: what is older is superseded
//! first, so that a run that has its place in a queue, or room, has nothing left that is not done.

use pact_agent::{
    ports::StoreError,
    telemetry::{self, SpanFields},
};
use pact_contract::{RunId, RunRecord, RunStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::Span;

use crate::{
    accept::Accepted,
    admission::arrive,
    config::Supersede,
    launch::launch,
    ports::Ports,
    supersede::{MOST, supersede},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Runs that were accepted by one call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct News {
    runs: Vec<RunId>,
    /// Header of the trace that the call belongs to.
    #[serde(default)]
    trace: Option<String>,
}

/// Tells of what was accepted. It is in the table: where nobody can be told, the pass finds it.
pub(crate) async fn tell(ports: &Ports, accepted: &[Accepted], trace: Option<&str>) {
    let open = accepted.iter().filter(|accepted| !accepted.status.is_final());
    let news = News {
        runs: open.map(|accepted| accepted.run_id.clone()).collect(),
        trace: trace.map(str::to_owned),
    };
    if news.runs.is_empty() {
        return;
    }
    if let Err(error) = ports.motor.tell(&json!({ "accepted": news })).await {
        tracing::warn!(runs = ?news.runs, %error, "what was accepted begins by the next pass");
    }
}

/// Takes the runs up that were told of.
///
/// # Errors
/// When a store does not answer; the same may then be told again.
pub(crate) async fn take_up(ports: &Ports, news: &News) -> Result<usize> {
    let mut begun = 0;
    for run_id in &news.runs {
        let fields = SpanFields {
            run_id: Some(run_id.as_str()),
            action: Some("gateway.take_up"),
            attempt: None,
        };
        telemetry::record(&Span::current(), &fields);
        begun += usize::from(one(ports, run_id, news.trace.as_deref()).await?);
    }
    Ok(begun)
}

/// Takes one run up. Whether it goes on now.
pub(crate) async fn one(ports: &Ports, run_id: &RunId, trace: Option<&str>) -> Result<bool> {
    let Some(run) = ports.runs.run(run_id).await? else { return Ok(false) };
    match run.status {
        RunStatus::Queued => {
            take_the_place_of_older(ports, &run).await?;
            arrive(ports, &run, trace).await
        }
        // Whoever took it up before may have been interrupted.
        RunStatus::Running => {
            launch(ports, &run, ports.runs.input(run_id).await?, trace).await?;
            take_the_place_of_older(ports, &run).await?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Ends what runs for pushes before this one's, unless it has begun to deploy.
pub(crate) async fn take_the_place_of_older(ports: &Ports, run: &RunRecord) -> Result<()> {
    let request = &run.request;
    let Some(place) = request.place.filter(|_| ports.supersede == Supersede::Yes) else {
        return Ok(());
    };
    let (branch, _) = ports.branches.branch(&request.repository.name, &request.reference).await?;
    let older = branch.pushes().iter().rev().filter(|push| push.place < place);
    let older: Vec<_> = older.take(MOST).cloned().collect();
    supersede(ports, &older, &request.run_id).await
}
