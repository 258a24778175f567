//! Contents of a repository; what is absent is a fault that names the path.

use gix::{ObjectId, Repository, bstr::BString};
use pact_agent::AgentError;

use crate::fault::{text, unavailable};

/// `ERR_SOURCE_UNAVAILABLE`: the repository lacks what is at `path`.
pub(crate) fn missing(path: &BString, error: &gix::Error) -> AgentError {
    let place = if path.is_empty() { "the root".to_owned() } else { path.to_string() };
    unavailable(format!("the repository lacks an object of {place}: {}", text(error)))
}

/// Content of a blob; an error names the path.
pub(crate) fn blob(
    repository: &Repository,
    path: &BString,
    id: ObjectId,
) -> Result<Vec<u8>, AgentError> {
    let mut object = repository.find_object(id).map_err(|e| missing(path, &e))?;
    Ok(std::mem::take(&mut object.data))
}

/// The tree of a commit.
pub(crate) fn tree_of(repository: &Repository, commit: ObjectId) -> Result<ObjectId, AgentError> {
    repository
        .find_commit(commit)
        .and_then(|commit| commit.tree_id().map(gix::Id::detach))
        .map_err(|e| unavailable(format!("commit {commit} cannot be read: {}", text(&e))))
}
