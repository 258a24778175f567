//! What every delivery of GitLab says.

use pact_contract::{Repository, RepositoryName};
use pact_hosts::Sources;
use serde_json::Value;

use crate::{
    error::Answer,
    fields::{Fields, line},
    validate,
};

/// Longest name of a person that is kept.
pub(super) const MAX_PERSON: usize = 200;

/// The repository that a delivery is about, with the host's own id of it.
pub(super) fn repository(value: &Value, allowed: &Sources) -> Answer<(Repository, Option<String>)> {
    let fields = Fields::of(value)?;
    let project = fields.object("project")?;
    let name = project.identifier::<RepositoryName>("path_with_namespace")?;
    let url = project.text("git_http_url", validate::MAX_URL)?;
    let url = validate::source(url, allowed).map_err(|why| project.wrong("git_http_url", why))?;
    let default_branch = project.text("default_branch", validate::MAX_BRANCH)?;
    validate::branch(default_branch).map_err(|why| project.wrong("default_branch", why))?;
    // It stays the same when the project is renamed.
    let id = value.pointer("/project/id").and_then(Value::as_u64).map(|id| id.to_string());
    Ok((Repository { name, url, default_branch: default_branch.to_owned() }, id))
}

/// A line of a text somewhere in the delivery: for people only, so that whatever it is, it refuses
/// nothing.
pub(super) fn told(value: &Value, pointer: &str, most: usize) -> Option<String> {
    line(value.pointer(pointer)?.as_str()?, most)
}
