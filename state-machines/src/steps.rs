//! States that several parts of the pipeline have.

use std::fmt::Display;

use pact_contract::states::Pipeline;

use crate::asl::{ANY, State};
use crate::task::{self, table};

/// A state that will ask an agent.
pub(crate) fn agent(name: impl Display, comment: &str) -> State {
    task::agent("pact.pipeline", "", name, comment).context("run_id: $run.run_id")
}

/// Changes the item of an environment, if this run holds its lock, and goes on to `next` either way.
pub(crate) fn environment_item(
    state: impl Display,
    comment: &str,
    name: &str,
    next: Pipeline,
) -> State {
    table("dynamodb:updateItem", state, comment)
        .strings("Key", &format!("pk: 'ENV#' & $repository.name & '#' & {name}, sk: 'ENV'"))
        .put("Arguments/ConditionExpression: 'lock_run = :run'")
        .strings("ExpressionAttributeValues", ":run: $run.run_id")
        .catch(ANY, "", next)
        .next(next)
}
