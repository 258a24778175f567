//! GitHub.

use std::borrow::Cow;

use axum::http::HeaderMap;
use pact_agent::secrets::{Parameter, Secret};
use pact_contract::{Repository, RepositoryName, run::Trigger};
use pact_hosts::Sources;
use serde_json::{Value, json};
use url::Url;

use super::host::{About, Composed, Delivery, Event, Incoming, PushNotice, WebhookHost, path};
use super::status::StatusHost;
use crate::{
    auth,
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
    push::Push,
    validate::{self, Reference},
};

mod pulls;
mod statuses;
mod workflows;

/// Longest line about a commit that is kept.
const MAX_MESSAGE: usize = 500;
/// Longest name of a person that is kept.
const MAX_PERSON: usize = 200;
/// Longest text that is read before it is cut: GitHub itself cuts messages below this.
const MAX_TEXT: usize = 1024 * 1024;

const EVENT: &str = "X-GitHub-Event";
const DELIVERY: &str = "X-GitHub-Delivery";
/// `X-Hub-Signature`, without the number, is SHA-1: not accepted.
const SIGNATURE: &str = "X-Hub-Signature-256";

static SECRET: Parameter = Parameter {
    name: "webhook-secret",
    about: "shared with GitHub, to sign webhooks",
    variable: None,
};

/// GitHub, its enterprise server too.
pub(super) struct GitHub;

impl WebhookHost for GitHub {
    fn name(&self) -> &'static str {
        "github"
    }

    fn about(&self) -> &'static About {
        &About {
            title: "GitHub",
            signed: "with `X-Hub-Signature-256`",
            setup: "the push, the pull request and the workflow run events",
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        std::slice::from_ref(&SECRET)
    }

    fn parameter(&self, _: &HeaderMap) -> &'static Parameter {
        &SECRET
    }

    fn is_at(&self, repository: &Url) -> bool {
        repository.host_str() == Some("github.com")
    }

    fn verify(&self, secret: &Secret, incoming: &Incoming<'_>) -> Answer<()> {
        let Some(value) = incoming.only(SIGNATURE) else {
            return Err(ApiError::unauthorized(&format!("the request needs one {SIGNATURE}")));
        };
        let claimed = value.strip_prefix(b"sha256=").and_then(|hex| hex::decode(hex).ok());
        auth::hmac_sha256(secret, &[incoming.body], claimed.as_deref())
    }

    fn read(&self, incoming: &Incoming<'_>, allowed: &Sources) -> Answer<Delivery> {
        let kind = incoming
            .header(EVENT)
            .filter(|kind| kind.len() <= 64)
            .ok_or_else(|| ApiError::invalid(EVENT, "the header is missing or not valid"))?;
        let id = incoming.delivery_id(DELIVERY)?;
        let event = match kind {
            "ping" => Event::Ping,
            "pull_request" => pulls::read(&id, &payload_of(incoming)?, allowed)?,
            "workflow_run" => workflows::read(&payload_of(incoming)?)?,
            "push" => push(&id, &payload_of(incoming)?, allowed)?,
            other => Event::Ignored(format!("the event {other:?} starts nothing")),
        };
        Ok(Delivery { id, event })
    }

    fn statuses(&self) -> Option<&dyn StatusHost> {
        Some(self)
    }

    fn compose(
        &self,
        notice: &PushNotice<'_>,
        delivery: &str,
        secret: &Secret,
    ) -> Option<Composed> {
        let body = payload(notice).to_string().into_bytes();
        let signature = hex::encode(auth::sign_sha256(secret, &[&body])?);
        Some(Composed {
            path: path(self),
            headers: vec![
                ("Content-Type", "application/json".to_owned()),
                (EVENT, "push".to_owned()),
                (DELIVERY, delivery.to_owned()),
                (SIGNATURE, format!("sha256={signature}")),
            ],
            body,
        })
    }
}

fn push(delivery: &str, body: &[u8], allowed: &Sources) -> Answer<Event> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;

    let reference = fields.text("ref", validate::MAX_REF)?;
    let tag = validate::tag(reference).transpose().map_err(|r| fields.wrong("ref", r))?;
    let named = validate::reference(reference).map_err(|r| fields.wrong("ref", r))?;
    let branch = match (tag, named) {
        (Some(name), _) | (None, Reference::Branch(name)) => name,
        (None, Reference::Other(what)) => {
            return Ok(Event::Ignored(format!("a push of {what} starts nothing")));
        }
    };
    let mut commit = commit(&fields, "after")?;
    let before = commit_or_none(&fields, "before")?;
    if fields.optional_flag("deleted")?.unwrap_or(false) || validate::is_zero(&commit) {
        let what = if tag.is_some() { "tag" } else { "branch" };
        return Ok(Event::Ignored(format!("the {what} was deleted")));
    }
    if before.as_deref() == Some(&*commit) {
        return Ok(Event::Ignored("the push changes nothing".to_owned()));
    }
    let head = fields.optional_object("head_commit")?;
    if head.is_none() && fields.has("head_commit") {
        return Ok(Event::Ignored("the push has no commit".to_owned()));
    }

    // An annotated tag is an object of its own, before and after: what counts is its commit.
    let before = before.filter(|_| tag.is_none());
    if let Some(head) = head.as_ref().filter(|_| tag.is_some()) {
        commit = self::commit(head, "id")?;
    }

    let repository = fields.object("repository")?;
    // It stays the same when the repository is renamed.
    let host_id = value.pointer("/repository/id").and_then(Value::as_u64).map(|id| id.to_string());
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
    Ok(Event::Pushes(vec![Push {
        repository: Repository { name, url, default_branch: default_branch.to_owned() },
        branch: branch.to_owned(),
        commit,
        base: before,
        message,
        author,
        template: None,
        environment: None,
        policy: Default::default(),
        host_id,
        on_purpose: None,
        pull: None,
        skip: asks_for_nothing(&value),
        tag: tag.is_some(),
        trigger: Trigger {
            kind: "push".to_owned(),
            actor: pusher,
            delivery: Some(delivery.to_owned()),
        },
    }]))
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

/// Whether the message of the last commit says that nothing is to run.
fn asks_for_nothing(body: &Value) -> bool {
    let message = body.pointer("/head_commit/message").and_then(Value::as_str).unwrap_or_default();
    validate::skips(message)
}

/// The author's name is for people only: whatever it is, it refuses no push.
fn author(body: &serde_json::Value) -> Option<String> {
    let name = body.pointer("/head_commit/author/name")?.as_str()?;
    line(name, MAX_PERSON)
}

/// The JSON of a delivery, which GitHub puts into a form where a webhook is set up so.
fn payload_of<'a>(incoming: &Incoming<'a>) -> Answer<Cow<'a, [u8]>> {
    let kind = incoming.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Ok(Cow::Borrowed(incoming.body));
    }
    let mut values = url::form_urlencoded::parse(incoming.body)
        .filter_map(|(name, value)| (name == "payload").then_some(value));
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(Cow::Owned(value.into_owned().into_bytes())),
        _ => Err(ApiError::invalid("payload", "the form needs it once")),
    }
}

/// The payload of a push event, as far as it is read here.
fn payload(notice: &PushNotice<'_>) -> Value {
    let zero = "0".repeat(notice.commit.len());
    json!({
        "ref": notice.reference,
        "before": notice.base.unwrap_or(&zero),
        "after": notice.commit,
        "created": notice.base.is_none(),
        "deleted": false,
        "forced": false,
        "repository": {
            "full_name": notice.repository.name,
            "clone_url": notice.repository.url,
            "default_branch": notice.repository.default_branch,
        },
        "pusher": { "name": notice.author.unwrap_or("unknown") },
        "head_commit": {
            "id": notice.commit,
            "message": notice.message.unwrap_or_default(),
            "author": { "name": notice.author.unwrap_or("unknown") },
        },
        "commits": [],
    })
}

#[cfg(test)]
mod tests;
