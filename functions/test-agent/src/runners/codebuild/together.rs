//! Unit and integration tests of a run in one build, as a build environment takes half a minute to be
//! provided.
//!
//! The state of the unit tests starts the build. Its phase `BUILD` runs them, `POST_BUILD` the
//! integration tests, once `BUILD` has succeeded. The service attests each phase by an exit code of
//! its own, so each state judges as soon as its phase has ended. What the second state has to know is
//! written down beside the results, where no build can write. Whatever does not come to the second
//! suite, or is not certain to be what the second state would run, gives that a build of its own.

use std::time::Duration;

use pact_agent::{
    AgentError,
    builds::{Build, BuildStatus},
};
use serde::{Deserialize, Serialize};

use super::plan::{self, Found, Plan, Settings};
use crate::{
    runners::runner::{Shared, Task},
    services::Services,
};

/// The phases of both suites.
pub(super) const FIRST: &str = "BUILD";
pub(super) const SECOND: &str = "POST_BUILD";
/// The state that waits for the second.
pub(super) const STATE: &str = pact_contract::states::Pipeline::RunIntegrationTests.as_str();
/// Version of [`Note`]: it grows when an older reader would misread a field.
const SCHEMA: u32 = 1;

/// What follows in the same build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Next {
    pub(super) plan: Plan,
    /// Time-out in seconds.
    seconds: u64,
}

impl Next {
    pub(super) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What is written down of a build that runs the second suite too.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    schema: u32,
    build: String,
    /// Key of the second suite's results.
    results: String,
    next: Next,
}

/// A build that another state has started.
pub(super) struct Joined {
    pub(super) build: String,
    /// Key of the results.
    pub(super) results: String,
}

fn key(scope: &str) -> String {
    format!("runs/{scope}/builds/shared.json")
}

/// Where the second suite's results go, beside the first one's.
pub(super) fn results(first: &str) -> String {
    format!("{}-next.tar.gz", first.trim_end_matches(".tar.gz"))
}

/// What follows a suite, or the build that it can join.
///
/// # Errors
/// Those of the store.
pub(super) async fn plan(
    services: &Services,
    task: &Task<'_>,
    own: &Plan,
) -> Result<(Option<Next>, Option<Joined>), AgentError> {
    match &task.shared {
        None => Ok((None, None)),
        Some(Shared::First { instance, next }) => {
            // What is wrong with its settings is said where it is asked for.
            let Ok(settings) = instance.parse::<Settings>() else { return Ok((None, None)) };
            let seconds = next.timeout.as_secs().max(1);
            Ok(match plan::plan(Some(&settings), next).await? {
                Found::Plan(plan) => (Some(Next { plan: *plan, seconds }), None),
                Found::Nothing(_) => (None, None),
            })
        }
        Some(Shared::Second) => {
            let wanted = Next { plan: own.clone(), seconds: task.timeout.as_secs().max(1) };
            let note = read(services, task.call.scope().as_str()).await?;
            let note = note.filter(|note| note.next == wanted);
            Ok((None, note.map(|note| Joined { build: note.build, results: note.results })))
        }
    }
}

async fn read(services: &Services, scope: &str) -> Result<Option<Note>, AgentError> {
    let Some(bytes) = services.artifacts.get(&key(scope)).await? else { return Ok(None) };
    // One of another version: then there is none to join.
    let note = serde_json::from_slice::<Note>(&bytes).ok();
    Ok(note.filter(|note| note.schema == SCHEMA))
}

/// Writes down a build that runs the second suite too. The latest counts.
///
/// # Errors
/// Those of the store.
pub(super) async fn note(
    task: &Task<'_>,
    build: &str,
    next: &Next,
    first: &str,
) -> Result<(), AgentError> {
    let (build, results) = (build.to_owned(), results(first));
    let note = Note { schema: SCHEMA, build, results, next: next.clone() };
    let text = serde_json::to_vec(&note)
        .map_err(|e| AgentError::internal("cannot write down the build").caused_by(e))?;
    Ok(task.artifacts.put(&key(task.call.scope().as_str()), text.into()).await?)
}

/// Ends the build that a run shares, as the run has ended: perhaps between its two states, when nobody
/// waited.
///
/// # Errors
/// It may go on.
pub(crate) async fn end_shared(services: &Services, scope: &str) -> Result<(), AgentError> {
    match read(services, scope).await? {
        Some(note) => Ok(services.builds.stop(&note.build).await?),
        None => Ok(()),
    }
}

/// Whether a build comes, or came, to the second suite; none: it is gone.
pub(super) fn comes(build: Option<&Build>) -> bool {
    let Some(build) = build else { return false };
    if build.phase(SECOND).is_none() && build.status != BuildStatus::InProgress {
        return false;
    }
    // Its host is gone: nothing is known of how far it was.
    if build.status == BuildStatus::Fault && super::said(build).contains("ended with its host") {
        return false;
    }
    build
        .phase(FIRST)
        .is_none_or(|first| first.status.is_none_or(|status| status == BuildStatus::Succeeded))
}

/// The build as far as a phase of it, where that has ended: what comes after is not that suite's.
pub(super) fn until(mut build: Build, phase: &str) -> Build {
    let ended = build.phase(phase).and_then(|phase| phase.status);
    if let Some(status @ (BuildStatus::Succeeded | BuildStatus::Failed)) = ended {
        let last = build.phases.iter().rposition(|one| one.name == phase);
        build.phases.truncate(last.map_or(0, |last| last + 1));
        build.status = status;
    }
    build
}
