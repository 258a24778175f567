//! The repository's own rules at the door: which branches and tags start a run.
//!
//! What counts is what its default branch has, as far as somebody agreed to it: what a push brings
//! along says nothing about that push.

use pact_config::filters;
use pact_contract::{policy::PolicyRecord, settings::OnSettings};

use crate::{error::Answer, ports::Ports, push::Push};

/// By which rule a push that a host told of starts nothing; none where it starts a run.
///
/// # Errors
/// When the rules cannot be read.
pub(crate) async fn starts_nothing(ports: &Ports, push: &Push) -> Answer<Option<String>> {
    let record = ports.policies.policy(&push.repository.name).await?;
    Ok(starts_nothing_by(record.as_ref(), push))
}

/// The same, by the rules that count for the repository.
pub(crate) fn starts_nothing_by(record: Option<&PolicyRecord>, push: &Push) -> Option<String> {
    let on = record.map(rules).unwrap_or_default();
    // A pull request belongs to where it is to be merged.
    let reference = match &push.pull {
        Some(pull) => format!("refs/heads/{}", pull.request.target),
        None => push.reference(),
    };
    match filters::starts_nothing(&on, &reference) {
        Ok(reason) => reason.map(|reason| match record {
            Some(PolicyRecord { path: Some(path), commit, .. }) => {
                format!("{reason} ({path} of {commit})")
            }
            _ => reason,
        }),
        Err(error) => {
            tracing::error!(error, "the rules of a repository cannot be used, and stop nothing");
            None
        }
    }
}

/// The rules that were agreed to. A file that was valid once and is not any more stops nothing.
fn rules(record: &PolicyRecord) -> OnSettings {
    let Some(text) = &record.text else { return OnSettings::default() };
    let path = record.path.as_deref().unwrap_or("pact.toml");
    match pact_config::parse(text, path) {
        Ok(settings) => settings.on,
        Err(error) => {
            let commit = record.commit.as_str();
            tracing::warn!(commit, %error, "the agreed rules are not valid any more");
            OnSettings::default()
        }
    }
}
