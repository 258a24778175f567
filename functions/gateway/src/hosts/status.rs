//! How a git host shows on a commit what became of it.

use jiff::{SignedDuration, Timestamp};
use pact_agent::secrets::Secret;
use pact_contract::statuses::{Attempted, CommitStatus, StatusKey};
use pact_hosts::{Answer, answer::MENDED};
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

/// What a host's refusals come of, for people.
pub(crate) struct Words {
    /// The host.
    pub(crate) host: &'static str,
    /// What a token lacks that may not (403).
    pub(crate) denied: &'static str,
    /// What is not there, or not seen (404).
    pub(crate) unseen: &'static str,
}

impl Words {
    /// What an answer means, for every host: `limited` is how long it asks to wait, where it says that it
    /// was asked too often.
    pub(crate) fn judge(&self, answer: &Answer, limited: Option<SignedDuration>) -> Attempted {
        let said = answer.said(self.host);
        let not_now = |wait: Option<SignedDuration>, remedy: &str| Attempted::NotNow {
            why: format!("{said}{remedy}"),
            wait,
        };
        match answer.status {
            200..=299 => Attempted::Taken,
            401 => not_now(Some(MENDED), "; its token is not valid, or no longer"),
            403 | 429 if limited.is_some() => not_now(limited, ""),
            403 => not_now(Some(MENDED), self.denied),
            404 => not_now(Some(MENDED), self.unseen),
            408 | 500..=599 => not_now(answer.retry_after(), ""),
            _ => Attempted::Refused(said),
        }
    }
}

/// What is asked by POST.
pub(crate) struct StatusRequest {
    pub(crate) url: String,
    /// Names and values; one of them is a secret.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}
