//! How a git host shows on a commit what became of it.

use jiff::Timestamp;
use pact_agent::secrets::Secret;
use pact_contract::statuses::{Attempted, CommitStatus, StatusKey};
use pact_hosts::Answer;
use serde_json::Value;
use url::Url;

/// A git host that takes statuses of commits. It says what to ask and understands the answer; the
/// asking is the same for all.
pub(crate) trait StatusHost: Send + Sync {
    /// Address of the API that goes with a repository's address, without a `/` at its end. None for an
    /// address that this host has no API for.
    fn api(&self, repository: &Url) -> Option<String>;

    /// What is asked of the API to have a status shown. The same again does no harm.
    fn request(
        &self,
        api: &str,
        key: &StatusKey,
        status: &CommitStatus,
        token: &Secret,
    ) -> StatusRequest;

    /// What the answer means.
    fn judge(&self, answer: &Answer, now: Timestamp) -> Attempted;
}

/// What is asked by POST.
pub(crate) struct StatusRequest {
    pub(crate) url: String,
    /// Names and values; one of them is a secret.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}
