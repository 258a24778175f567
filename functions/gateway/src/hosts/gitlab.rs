//! GitLab, its own servers too.
//!
//! A delivery carries a secret token as it is (`X-Gitlab-Token`), or, of newer servers, a signature
//! by a signing token, as Standard Webhooks has it (<https://www.standardwebhooks.com>): over the id,
//! the time and the body, so that what is old is not taken either.

use axum::http::HeaderMap;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use jiff::Timestamp;
use pact_agent::secrets::{Parameter, Secret};
use pact_contract::run::Trigger;
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
use project::{MAX_PERSON, repository, told};

mod merge_requests;
mod project;
mod statuses;

/// Longest line about a commit that is kept.
const MAX_MESSAGE: usize = 500;
/// How far the clock of a server may be off, and how old a delivery may be, in seconds.
const TOLERANCE: i64 = 300;
/// Most signatures of a delivery that are looked at: two while a key is changed.
const MAX_SIGNATURES: usize = 8;

const TOKEN: &str = "X-Gitlab-Token";
const ID: &str = "webhook-id";
const TIME: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
/// The same for each attempt at a delivery.
const SAME: &str = "Idempotency-Key";
const EVENT_ID: &str = "X-Gitlab-Event-UUID";

static SECRETS: [Parameter; 2] = [
    Parameter {
        name: "gitlab-token",
        about: "the secret token that GitLab sends along with webhooks",
        variable: Some("PACT_GITLAB_TOKEN"),
    },
    Parameter {
        name: "gitlab-signing",
        about: "the signing token (whsec_…) by which GitLab signs webhooks",
        variable: Some("PACT_GITLAB_SIGNING"),
    },
];

/// GitLab.
pub(super) struct GitLab;

impl WebhookHost for GitLab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn about(&self) -> &'static About {
        &About {
            title: "GitLab",
            signed: "with `webhook-signature`, or with its secret token in `X-Gitlab-Token`",
            setup: "the push, the tag push and the merge request events",
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        &SECRETS
    }

    fn parameter(&self, headers: &HeaderMap) -> &'static Parameter {
        let [token, signing] = &SECRETS;
        if headers.contains_key(SIGNATURE) { signing } else { token }
    }

    fn is_at(&self, repository: &Url) -> bool {
        repository
            .host_str()
            .is_some_and(|host| host == "gitlab.com" || host.starts_with("gitlab."))
    }

    fn verify(&self, secret: &Secret, incoming: &Incoming<'_>) -> Answer<()> {
        if incoming.headers.contains_key(SIGNATURE) {
            return signed(secret, incoming, Timestamp::now());
        }
        let token = incoming.only(TOKEN).ok_or_else(|| {
            ApiError::unauthorized(&format!("the request needs one {SIGNATURE} or one {TOKEN}"))
        })?;
        auth::same(secret, token)
    }

    fn read(&self, incoming: &Incoming<'_>, allowed: &Sources) -> Answer<Delivery> {
        // What is signed counts; the kind is read off the body, as no signature covers its header.
        let names = [ID, SAME, EVENT_ID];
        let name = names.into_iter().find(|name| incoming.headers.contains_key(*name));
        let id = incoming.delivery_id(name.unwrap_or(EVENT_ID))?;
        let value = parse(incoming.body)?;
        let fields = Fields::of(&value)?;
        let event = match fields.text("object_kind", 64)? {
            "push" | "tag_push" => push(&id, &value, allowed)?,
            "merge_request" => merge_requests::read(&id, &value, allowed)?,
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
        let time = Timestamp::now().as_second().to_string();
        let parts: [&[u8]; 5] = [delivery.as_bytes(), b".", time.as_bytes(), b".", &body];
        let signature = STANDARD.encode(auth::sign_sha256_by(&key(secret)?, &parts)?);
        Some(Composed {
            path: path(self),
            headers: vec![
                ("Content-Type", "application/json".to_owned()),
                ("X-Gitlab-Event", "Push Hook".to_owned()),
                (ID, delivery.to_owned()),
                (TIME, time),
                (SIGNATURE, format!("v1,{signature}")),
            ],
            body,
        })
    }
}

/// What a signing token signs with: `whsec_` and its bytes in base 64; any other text is itself the
/// key.
fn key(secret: &Secret) -> Option<Vec<u8>> {
    match secret.reveal().strip_prefix("whsec_") {
        Some(text) => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        None => Some(secret.reveal().as_bytes().to_vec()),
    }
}

/// Checks a signature of Standard Webhooks.
fn signed(secret: &Secret, incoming: &Incoming<'_>, now: Timestamp) -> Answer<()> {
    let refused = |why: &str| ApiError::unauthorized(why);
    let key = key(secret).ok_or_else(|| {
        ApiError::not_configured(
            "the secret gitlab-signing is no signing token: whsec_ and base 64",
        )
    })?;
    let header = |name: &str| {
        incoming.only(name).ok_or_else(|| refused(&format!("the request needs one {name}")))
    };
    let (id, time, signatures) = (header(ID)?, header(TIME)?, header(SIGNATURE)?);
    let sent = std::str::from_utf8(time).ok().and_then(|time| time.parse::<i64>().ok());
    let sent = sent.ok_or_else(|| refused(&format!("{TIME} is no number of seconds")))?;
    let parts: [&[u8]; 5] = [id, b".", time, b".", incoming.body];
    let known = auth::sign_sha256_by(&key, &parts);
    let given = signatures.split(|byte| *byte == b' ').take(MAX_SIGNATURES);
    let right = given
        .filter_map(|one| STANDARD.decode(one.strip_prefix(b"v1,")?).ok())
        .any(|one| known.as_ref().is_some_and(|known| auth::same_bytes(known, &one)));
    if !right {
        return Err(refused("the signature does not match the id, the time and the body"));
    }
    // Said to nobody but whoever knows the key.
    if now.as_second().abs_diff(sent) > TOLERANCE.unsigned_abs() {
        return Err(refused("the delivery was signed more than five minutes ago, or will be"));
    }
    Ok(())
}

fn push(delivery: &str, value: &Value, allowed: &Sources) -> Answer<Event> {
    let fields = Fields::of(value)?;
    let ignored = |why: &str| Ok(Event::Ignored(why.to_owned()));
    let reference = fields.text("ref", validate::MAX_REF)?;
    let wrong = |why: String| fields.wrong("ref", why);
    let tag = validate::tag(reference).transpose().map_err(wrong)?;
    let branch = match (tag, validate::reference(reference).map_err(wrong)?) {
        (Some(name), _) | (None, Reference::Branch(name)) => name,
        (None, Reference::Other(what)) => {
            return ignored(&format!("a push of {what} starts nothing"));
        }
    };
    let commit = |field: &str| -> Answer<String> {
        let text = fields.text(field, validate::MAX_COMMIT)?;
        validate::commit(text).map_err(|why| fields.wrong(field, why))
    };
    let (before, mut after) = (commit("before")?, commit("after")?);
    if validate::is_zero(&after) {
        let what = if tag.is_some() { "tag" } else { "branch" };
        return ignored(&format!("the {what} was deleted"));
    }
    if before == after {
        return ignored("the push changes nothing");
    }
    // An annotated tag is an object of its own, before and after: what counts is its commit.
    if tag.is_some() {
        after = commit("checkout_sha")?;
    }
    // The commits that are told are the latest ones, and of a branch at a known commit there are none.
    let commits = value.get("commits").and_then(Value::as_array).map(Vec::as_slice);
    let head = commits.unwrap_or_default().iter().find(|commit| commit["id"] == after.as_str());
    let message = head.and_then(|head| head.get("message")?.as_str());
    let option = value.pointer("/push_options/ci/skip");
    let skip = message.is_some_and(validate::skips) || option.is_some_and(asks);
    let (repository, host_id) = repository(value, allowed)?;
    let author = head.and_then(|head| told(head, "/author/name", MAX_PERSON));
    Ok(Event::Pushes(vec![Push {
        repository,
        branch: branch.to_owned(),
        commit: after,
        tag: tag.is_some(),
        skip,
        base: Some(before).filter(|before| tag.is_none() && !validate::is_zero(before)),
        message: message.and_then(|text| line(text, MAX_MESSAGE)),
        author,
        template: None,
        environment: None,
        policy: Default::default(),
        host_id,
        on_purpose: None,
        pull: None,
        trigger: Trigger {
            kind: "push".to_owned(),
            actor: told(value, "/user_username", MAX_PERSON),
            delivery: Some(delivery.to_owned()),
        },
    }]))
}

/// Whether an option of a push is chosen.
fn asks(option: &Value) -> bool {
    match option {
        Value::Bool(flag) => *flag,
        Value::String(text) => text == "true",
        _ => false,
    }
}

/// The payload of a push event, as far as it is read here.
fn payload(notice: &PushNotice<'_>) -> Value {
    let zero = "0".repeat(notice.commit.len());
    let author = notice.author.unwrap_or("unknown");
    json!({
        "object_kind": "push",
        "ref": notice.reference,
        "before": notice.base.unwrap_or(&zero),
        "after": notice.commit,
        "checkout_sha": notice.commit,
        "user_username": author,
        "project": {
            "path_with_namespace": notice.repository.name,
            "git_http_url": notice.repository.url,
            "default_branch": notice.repository.default_branch,
        },
        "commits": [{
            "id": notice.commit,
            "message": notice.message.unwrap_or_default(),
            "author": { "name": author },
        }],
        "total_commits_count": 1,
    })
}

#[cfg(test)]
mod tests;
