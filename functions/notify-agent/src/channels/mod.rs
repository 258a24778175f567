//! How people are told.
//!
//! A channel is one file: its action, its settings in `pact.toml`, what the installation sets for
//! it, and how a message is sent. It is known by one line in [`ALL`], from which the agent's
//! capabilities, the forms of the settings, the errors that list the channels, and the
//! documentation are made.

mod channel;
mod email;
mod jira;
#[cfg(test)]
mod pager;
mod slack;
#[cfg(test)]
mod tests;

use pact_agent::secrets::Parameter;
use pact_config::form::{Form, Seam};
use pact_contract::{Capability, agents};

use crate::{config::Variable, message::line};
pub(crate) use channel::{Channel, Work};

/// Every channel that is known.
pub(crate) const ALL: &[&dyn Channel] = &[
    &slack::Slack,
    &email::Email,
    &jira::Jira,
    #[cfg(test)]
    &pager::Pager,
];

/// The channel of an action.
pub(crate) fn by_action(action: &str) -> Option<&'static dyn Channel> {
    ALL.iter().copied().find(|channel| channel.capability().action == action)
}

/// What the agent offers.
#[must_use]
pub fn capabilities() -> Vec<Capability> {
    let channels = ALL.iter().map(|channel| *channel.capability());
    channels.chain([agents::NOTIFY_APPROVERS, agents::NOTIFY_INCIDENT]).collect()
}

/// Whether there is a channel of this kind.
pub(crate) fn is_known(kind: &str) -> bool {
    ALL.iter().any(|channel| channel.kind() == kind)
}

/// What is said of settings for a channel that is not known.
pub(crate) fn unknown(kind: &str) -> String {
    Seam::Channel.unknown(&line(kind, 60), ALL.iter().map(|channel| channel.kind()))
}

/// The forms of the channels' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    ALL.iter().map(|channel| channel.form()).collect()
}

/// The secrets that an installation may have for the channels.
pub fn parameters() -> impl Iterator<Item = &'static Parameter> {
    ALL.iter().flat_map(|channel| channel.parameters())
}

/// The environment variables that set the channels up.
pub fn variables() -> impl Iterator<Item = &'static Variable> {
    ALL.iter().flat_map(|channel| channel.variables())
}

/// What the README says of each channel: its row in the table.
#[must_use]
pub fn documentation() -> Vec<String> {
    let row = |channel: &&dyn Channel| {
        let form = channel.form();
        let keys: Vec<_> = form.fields.iter().map(|f| format!("`{}`", f.name)).collect();
        let secrets = channel.parameters().iter().map(|parameter| match parameter.variable {
            Some(variable) => format!("`{}` (locally `{variable}`)", parameter.name),
            None => format!("`{}`", parameter.name),
        });
        let variables = channel.variables().iter().map(|variable| format!("`{}`", variable.name));
        let installation: Vec<_> = secrets.chain(variables).collect();
        format!(
            "| {} | `[notify.{}]` with {} | {} |",
            channel.title(),
            channel.kind(),
            keys.join(", "),
            installation.join(", ")
        )
    };
    ALL.iter().map(row).collect()
}
