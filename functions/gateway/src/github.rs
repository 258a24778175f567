//! GitHub's webhooks: what an event asks for.

use pact_contract::{Repository, RepositoryName, run::Trigger};

use crate::{
    config::Sources,
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
    push::Push,
    validate,
};

/// Longest line about a commit that is kept.
const MAX_MESSAGE: usize = 500;
/// Longest name of a person that is kept.
const MAX_PERSON: usize = 200;
/// Longest text that is read before it is cut: GitHub itself cuts messages below this.
const MAX_TEXT: usize = 1024 * 1024;
/// Longest name of a ref.
const MAX_REF: usize = 512;

/// What an event asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The webhook was set up.
    Ping,
    /// A branch points to another commit.
    Push(Box<Push>),
    /// Nothing, for this reason.
    Ignored(String),
}

/// Reads an event whose signature was checked. `delivery` is GitHub's id of the delivery.
pub(crate) fn event(kind: &str, delivery: &str, body: &[u8], allowed: &Sources) -> Answer<Event> {
    match kind {
        "ping" => Ok(Event::Ping),
        "push" => push(delivery, body, allowed),
        other => Ok(Event::Ignored(format!("the event {other:?} starts nothing"))),
    }
}

fn push(delivery: &str, body: &[u8], allowed: &Sources) -> Answer<Event> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;

    let reference = fields.text("ref", MAX_REF)?;
    let Some(branch) = reference.strip_prefix("refs/heads/") else {
        return if reference.starts_with("refs/tags/") {
            Ok(Event::Ignored("a push of a tag starts nothing".to_owned()))
        } else if reference.starts_with("refs/") {
            Ok(Event::Ignored("a push of anything but a branch starts nothing".to_owned()))
        } else {
            Err(fields.wrong("ref", "not the full name of a ref"))
        };
    };
    validate::branch(branch).map_err(|reason| fields.wrong("ref", reason))?;
    let commit = commit(&fields, "after")?;
    let before = commit_or_none(&fields, "before")?;
    if fields.optional_flag("deleted")?.unwrap_or(false) || validate::is_zero(&commit) {
        return Ok(Event::Ignored("the branch was deleted".to_owned()));
    }
    if before.as_deref() == Some(&*commit) {
        return Ok(Event::Ignored("the push changes nothing".to_owned()));
    }
    let head = fields.optional_object("head_commit")?;
    if head.is_none() && fields.has("head_commit") {
        return Ok(Event::Ignored("the push has no commit".to_owned()));
    }

    let repository = fields.object("repository")?;
    let name = repository.identifier::<RepositoryName>("full_name")?;
    let url = repository.text("clone_url", validate::MAX_URL)?;
    let url =
        validate::source(url, allowed).map_err(|reason| repository.wrong("clone_url", reason))?;
    let default_branch = repository.text("default_branch", validate::MAX_BRANCH)?;
    validate::branch(default_branch)
        .map_err(|reason| repository.wrong("default_branch", reason))?;

    let (message, author) = match head {
        Some(head) => (
            head.optional_text("message", MAX_TEXT)?.and_then(|text| line(text, MAX_MESSAGE)),
            author(&value),
        ),
        None => (None, None),
    };
    let pusher = match fields.optional_object("pusher")? {
        Some(pusher) => {
            pusher.optional_text("name", MAX_TEXT)?.and_then(|text| line(text, MAX_PERSON))
        }
        None => None,
    };
    Ok(Event::Push(Box::new(Push {
        repository: Repository { name, url, default_branch: default_branch.to_owned() },
        branch: branch.to_owned(),
        commit,
        base: before,
        message,
        author,
        template: None,
        environment: None,
        trigger: Trigger {
            kind: "push".to_owned(),
            actor: pusher,
            delivery: Some(delivery.to_owned()),
        },
    })))
}

fn commit(fields: &Fields<'_>, field: &str) -> Answer<String> {
    let text = fields.text(field, validate::MAX_COMMIT)?;
    validate::commit(text).map_err(|reason| fields.wrong(field, reason))
}

/// A commit that may be absent, or all zeros for "none".
fn commit_or_none(fields: &Fields<'_>, field: &str) -> Answer<Option<String>> {
    if fields.optional_text(field, validate::MAX_COMMIT)?.is_none() {
        return Ok(None);
    }
    Ok(Some(commit(fields, field)?).filter(|commit| !validate::is_zero(commit)))
}

/// The author's name is for people only: whatever it is, it refuses no push.
fn author(body: &serde_json::Value) -> Option<String> {
    let name = body.pointer("/head_commit/author/name")?.as_str()?;
    line(name, MAX_PERSON)
}

/// The delivery's id, which GitHub makes a UUID.
pub(crate) fn delivery(value: Option<&str>) -> Answer<String> {
    let wrong = |message: &str| ApiError::invalid("X-GitHub-Delivery", message);
    let text = value.ok_or_else(|| wrong("the header is missing"))?;
    let valid = (1..=128).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if valid { Ok(text.to_owned()) } else { Err(wrong("not an id of a delivery")) }
}

#[cfg(test)]
mod tests;
