//! What a git host is.

use axum::http::HeaderMap;
use pact_agent::secrets::{Parameter, Secret};
use pact_contract::{Repository, RepositoryName, correlation::Correlation};
use pact_hosts::Sources;
use serde_json::Value;
use url::Url;

use super::status::StatusHost;
use crate::{
    error::{Answer, ApiError},
    fields::line,
    push::Push,
    validate,
};

/// Most labels of a pull request that are kept, and the longest of one.
const MAX_LABELS: usize = 100;
const MAX_LABEL: usize = 100;

/// The labels of a pull request, each an object with its name under `key`.
pub(super) fn labels(value: &Value, at: &str, key: &str) -> Vec<String> {
    let all = value.pointer(at).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|label| line(label.get(key)?.as_str()?, MAX_LABEL)).take(MAX_LABELS).collect()
}

/// A git host.
pub(crate) trait WebhookHost: Send + Sync {
    /// Its name: the end of its route, the beginning of its deliveries' keys.
    fn name(&self) -> &'static str;

    /// What people are told about it.
    fn about(&self) -> &'static About;

    /// The secrets that the installation may have for it.
    fn parameters(&self) -> &'static [Parameter];

    /// Which of them a delivery with these headers is checked with.
    fn parameter(&self, headers: &HeaderMap) -> &'static Parameter;

    /// Largest delivery that is taken, in bytes.
    fn max_body(&self) -> usize {
        validate::MAX_BODY
    }

    /// Whether the address of a repository is known to be of this host. Servers of one's own are
    /// registered with its name.
    fn is_at(&self, repository: &Url) -> bool;

    /// Checks, in constant time, that whoever knows the secret sent these very bytes.
    ///
    /// # Errors
    /// 401 for any other.
    fn verify(&self, secret: &Secret, incoming: &Incoming<'_>) -> Answer<()>;

    /// Reads a delivery that was verified.
    ///
    /// # Errors
    /// 400 with the header or field that is at fault.
    fn read(&self, incoming: &Incoming<'_>, allowed: &Sources) -> Answer<Delivery>;

    /// How it shows on its commits what became of them, if it does.
    fn statuses(&self) -> Option<&dyn StatusHost> {
        None
    }

    /// The delivery by which the host would tell of a push: what the local stack sends. None with
    /// a secret that cannot sign.
    fn compose(&self, notice: &PushNotice<'_>, delivery: &str, secret: &Secret)
    -> Option<Composed>;
}

/// What people are told about a host.
pub(crate) struct About {
    /// Its name, as it writes it.
    pub(crate) title: &'static str,
    /// How a delivery is signed: what follows "signed".
    pub(crate) signed: &'static str,
    /// What to choose where the host asks for a webhook's settings.
    pub(crate) setup: &'static str,
}

/// A request as it came.
pub(crate) struct Incoming<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// Its very bytes.
    pub(crate) body: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// A header's text; none when it is absent or no text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header that has to be there once, as its bytes.
    pub(crate) fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value.as_bytes()),
            _ => None,
        }
    }

    /// The id of the delivery, from the header `name`.
    pub(crate) fn delivery_id(&self, name: &str) -> Answer<String> {
        let wrong = |message: &str| ApiError::invalid(name, message);
        let text = self.header(name).ok_or_else(|| wrong("the header is missing"))?;
        let valid = (1..=128).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if valid { Ok(text.to_owned()) } else { Err(wrong("not an id of a delivery")) }
    }
}

/// What a host told.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The host's id of it.
    pub(crate) id: String,
    /// What it is about.
    pub(crate) event: Event,
}

/// What a delivery asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    /// The webhook was set up.
    Ping,
    /// Branches point to other commits: one, or several where the host tells them together.
    Pushes(Vec<Push>),
    /// What was begun at the host for a state of a run has changed: the state may look.
    Work {
        /// The repository that the host tells of.
        repository: RepositoryName,
        /// Who waits for it.
        correlation: Correlation,
    },
    /// Nothing, for this reason.
    Ignored(String),
}

/// A push, as whoever tells of it knows it.
#[derive(Clone, Debug)]
pub struct PushNotice<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// Full name of the ref.
    pub reference: &'a str,
    /// The commit that it points to now.
    pub commit: &'a str,
    /// The commit before; none for a new branch.
    pub base: Option<&'a str>,
    /// Message of the commit.
    pub message: Option<&'a str>,
    /// Its author's name.
    pub author: Option<&'a str>,
}

/// A delivery that can be sent.
#[derive(Clone, Debug)]
pub struct Composed {
    /// Path below the gateway's address.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The very bytes that are signed.
    pub body: Vec<u8>,
}

/// Path of a host's webhooks.
pub(crate) fn path(host: &dyn WebhookHost) -> String {
    format!("/webhooks/{}", host.name())
}
