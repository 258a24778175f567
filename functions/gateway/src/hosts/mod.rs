//! Git hosts that tell of pushes by webhooks.
//!
//! A host is one file: how a delivery is signed, what it says, which secrets the installation has
//! for it, and what people are told about it. It is known by one line in [`ALL`], from which the
//! routes, the errors that list the hosts, and the documentation are made.

#[cfg(test)]
mod forge;
mod github;
mod gitlab;
mod host;
mod status;
#[cfg(test)]
mod tests;

use pact_agent::secrets::{Parameter, Secret};
use pact_contract::registry::RepositoryEntry;

use url::Url;

use crate::error::{Answer, ApiError};
use host::About;
pub use host::{Composed, PushNotice};
pub(crate) use host::{Delivery, Event, Incoming, WebhookHost, path};
pub(crate) use status::{StatusHost, StatusRequest};

/// Every host that is known.
pub(crate) const ALL: &[&dyn WebhookHost] = &[
    &github::GitHub,
    &gitlab::GitLab,
    #[cfg(test)]
    &forge::Forge,
];

/// That there is no host of this name, and which there are.
pub(crate) fn unknown(name: &str) -> ApiError {
    let name: String = name.chars().take(64).collect();
    let known: Vec<_> = ALL.iter().map(|host| host.name()).collect();
    ApiError::not_found(format!(
        "there is no git host {name:?}; webhooks are taken from {}",
        known.join(", ")
    ))
}

/// The host of a repository: the one of this name, else the one that its address is known to be of.
pub(crate) fn of(name: Option<&str>, repository: Option<&Url>) -> Answer<&'static dyn WebhookHost> {
    let found = match name {
        Some(name) => ALL.iter().find(|host| host.name() == name),
        None => ALL
            .iter()
            .find(|host| repository.is_some_and(|url| host.is_at(url)))
            .or_else(|| ALL.first()),
    };
    found.copied().ok_or_else(|| {
        let known: Vec<_> = ALL.iter().map(|host| host.name()).collect();
        ApiError::invalid("host", format!("not known; known are {}", known.join(", ")))
    })
}

/// How the host of this name shows statuses of commits, if it does.
pub(crate) fn statuses_of(name: &str) -> Option<&'static dyn StatusHost> {
    ALL.iter().find(|host| host.name() == name)?.statuses()
}

/// Paths of the webhooks, one for each git host.
#[must_use]
pub fn webhook_paths() -> Vec<String> {
    ALL.iter().map(|host| path(*host)).collect()
}

/// Path of the webhooks of one repository, by the host that it is registered with, or that its
/// address is known to be of: what they are signed with is its own.
#[must_use]
pub fn webhook_path_of(entry: &RepositoryEntry) -> Option<String> {
    let host = of(entry.host.as_deref(), Url::parse(&entry.url).ok().as_ref()).ok()?;
    Some(format!("{}/{}", path(host), entry.name))
}

/// The secrets that the installation may have for git hosts.
pub(crate) fn parameters() -> impl Iterator<Item = &'static Parameter> {
    ALL.iter().flat_map(|host| host.parameters())
}

/// The delivery by which a git host would tell of a push: that of the first host that is known,
/// with its secret.
#[must_use]
pub fn compose(notice: &PushNotice<'_>, delivery: &str, secret: &Secret) -> Option<Composed> {
    ALL.first()?.compose(notice, delivery, secret)
}

/// What the README says of each host: its row in the table of routes, and how it is connected.
#[must_use]
pub fn documentation() -> Vec<[String; 2]> {
    let entry = |host: &&dyn WebhookHost| {
        let About { title, signed, setup } = host.about();
        let path = path(*host);
        let parameters: Vec<_> =
            host.parameters().iter().map(|p| format!("`{}`", p.name)).collect();
        let parameters = parameters.join(" or ");
        [
            format!(
                "| `POST {path}` | pushes from {title}, signed {signed}; answers 202 with the \
                 run and its address |"
            ),
            format!("{title}: `{path}`, {setup}, the secret of the parameter {parameters}"),
        ]
    };
    ALL.iter().map(entry).collect()
}
