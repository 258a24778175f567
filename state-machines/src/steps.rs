//! States that several parts of the pipeline have.

use std::fmt::Display;

use crate::asl::{ANY, BELOW, State};
use crate::task::{self, table};

/// A state that will ask an agent.
pub(crate) fn agent(name: impl Display, comment: &str) -> State {
    task::agent("pact.pipeline", "", name, comment).context("run_id: $run.run_id")
}

/// Gives an environment's lock back, if this run holds it.
pub(crate) fn release_lock(state: impl Display, comment: &str, environment: &str) -> State {
    of_environment(state, comment, environment)
        .put("Arguments/UpdateExpression: 'REMOVE lock_run, lock_expires'")
}

/// Notes that what this run deployed is good. Where that cannot be written, the release before
/// stays the place to return to.
pub(crate) fn judged_good(state: impl Display, comment: &str, environment: &str) -> State {
    of_environment(state, comment, environment).strings("ExpressionAttributeValues", ":now: $now()")
}

/// Changes an environment's item, if this run holds its lock.
fn of_environment(state: impl Display, comment: &str, environment: &str) -> State {
    table("dynamodb:updateItem", state, comment)
        .strings("Key", &format!("pk: 'ENV#' & $repository.name & '#{environment}', sk: 'ENV'"))
        .put("Arguments/ConditionExpression: 'lock_run = :run'")
        .strings("ExpressionAttributeValues", ":run: $run.run_id")
        .catch(ANY, "", BELOW)
}
