//! `POST /v1/webhook-secrets/{name}`: another secret for a repository's webhook.
//!
//! Whoever asks makes the secret and says it, so that it is lost with no answer; nobody is told one. The
//! same again, whatever became of the first time, is the same change and no other: the secret that the
//! host signs with is never the one that is pushed out. What is begun is written down first, with the
//! name, and of two changes at once one is refused.

use jiff::{SignedDuration, Timestamp, Unit};
use pact_agent::{rotation::Rotating, secrets::Secret};
use pact_contract::{
    problems,
    registry::{RepositoryEntry, Rotation},
    statuses::webhook_secret_name,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, parse},
    hosts,
    ports::Ports,
    registry, signed,
};

/// How long a secret is: what is random and as long cannot be guessed.
const LENGTH: std::ops::RangeInclusive<usize> = 32..=200;
/// For how many hours the secret before counts, unless something else is said, and at most.
const KEEP_HOURS: i64 = 24;
const MAX_KEEP_HOURS: i64 = 720;
/// How long a change that was begun holds up others: no function runs for longer.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// Attempts to write that it is done, against others who write the same entry.
const ATTEMPTS: usize = 5;

/// What is wanted.
pub(crate) struct Wanted {
    secret: Secret,
    keep: SignedDuration,
    by: String,
}

impl Wanted {
    /// By which the same change is known, and its secret is not.
    fn mark(&self) -> String {
        let digest = Sha256::digest(self.secret.reveal());
        hex::encode(digest.get(..4).unwrap_or_default())
    }
}

/// Reads the body.
pub(crate) fn read(body: &[u8], who: &Who) -> Answer<Wanted> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["secret", "keep_hours", "by"])?;
    let secret = fields.text("secret", *LENGTH.end())?;
    if !LENGTH.contains(&secret.len()) || !secret.chars().all(|c| c.is_ascii_graphic()) {
        let (least, most) = (LENGTH.start(), LENGTH.end());
        let wanted = format!("not {least} to {most} letters, digits and signs without a blank");
        return Err(fields.wrong("secret", wanted));
    }
    let hours = match value.get("keep_hours").filter(|hours| !hours.is_null()) {
        None => KEEP_HOURS,
        Some(hours) => {
            hours.as_i64().filter(|hours| (0..=MAX_KEEP_HOURS).contains(hours)).ok_or_else(
                || fields.wrong("keep_hours", format!("not a number from 0 to {MAX_KEEP_HOURS}")),
            )?
        }
    };
    Ok(Wanted {
        secret: Secret::new(secret),
        keep: SignedDuration::from_hours(hours),
        by: who.by(&fields)?,
    })
}

/// Changes the secret.
///
/// # Errors
/// When there is no such repository, or another change goes on.
pub(crate) async fn rotate(ports: &Ports, name: &str, wanted: &Wanted) -> Answer<Value> {
    let entry = registry::show(&*ports.registry, name).await?;
    if !signed::may_have_one(&entry.name) {
        let message = "the repository's name has too many parts for a secret of its own";
        return Err(ApiError::invalid("name", message));
    }
    let path = hosts::webhook_path_of(&entry).ok_or_else(|| {
        ApiError::invalid("name", "no git host is known of it: register it with one")
    })?;
    let now = Timestamp::now();
    let mark = wanted.mark();
    let going_on = entry.rotation.as_ref().filter(|rotation| !rotation.done);
    let going_on = going_on.filter(|other| {
        let age = now.duration_since(other.at);
        other.mark != mark && !age.is_negative() && age < PATIENCE
    });
    if let Some(other) = going_on {
        return Err(active(&format!("{} began to change it at {}", other.by, other.at)));
    }
    let parameter = webhook_secret_name(&entry.name);
    let known = ports.keeper.latest(&parameter).await?;
    // What cannot be read counts for nothing as it is.
    let known = known.and_then(|text| Rotating::parse(&text).ok());
    if let Some(known) = known.as_ref().filter(|known| *known.current() == wanted.secret) {
        let rotation = match &entry.rotation {
            Some(rotation) if rotation.mark == mark => rotation.clone(),
            // It was put there by hand.
            _ => Rotation {
                by: wanted.by.clone(),
                at: now,
                before_until: known.before_until(),
                mark,
                done: false,
            },
        };
        return Ok(told(&end(ports, &entry, &rotation).await?, &rotation, &path, false));
    }
    let until = match (&known, wanted.keep) {
        (Some(_), keep) if !keep.is_zero() => Some(now + keep),
        _ => None,
    };
    let until = until.map(|until| until.round(Unit::Second).unwrap_or(until));
    let rotation =
        Rotation { by: wanted.by.clone(), at: now, before_until: until, mark, done: false };
    let begun = RepositoryEntry { rotation: Some(rotation.clone()), ..entry.clone() };
    if !ports.registry.put_repository(&begun, Some(&entry)).await? {
        return Err(active("somebody else changes it, or what is registered, now"));
    }
    let next = match known {
        None => Rotating::new(wanted.secret.clone()),
        Some(known) => known.rotated(wanted.secret.clone(), until),
    };
    ports.keeper.keep(&parameter, &next.to_secret()).await?;
    let entry = end(ports, &begun, &rotation).await?;
    let (repository, by) = (entry.name.as_str(), rotation.by.as_str());
    tracing::info!(repository, by, "the webhook's secret was changed");
    Ok(told(&entry, &rotation, &path, true))
}

fn active(why: &str) -> ApiError {
    ApiError::conflict(problems::ROTATION_ACTIVE, why)
}

/// Writes that it is done. Who registered the repository anew meanwhile holds up nothing.
async fn end(
    ports: &Ports,
    entry: &RepositoryEntry,
    rotation: &Rotation,
) -> Answer<RepositoryEntry> {
    let done = Rotation { done: true, ..rotation.clone() };
    let mut known = entry.clone();
    for _ in 0..ATTEMPTS {
        if known.rotation.as_ref() == Some(&done) {
            return Ok(known);
        }
        let ended = RepositoryEntry { rotation: Some(done.clone()), ..known.clone() };
        if ports.registry.put_repository(&ended, Some(&known)).await? {
            return Ok(ended);
        }
        known = registry::show(&*ports.registry, known.name.as_str()).await?;
        // Another one was begun after it.
        if known.rotation.as_ref().is_some_and(|other| other.at > done.at) {
            return Ok(known);
        }
    }
    Err(ApiError::unavailable())
}

fn told(entry: &RepositoryEntry, rotation: &Rotation, path: &str, changed: bool) -> Value {
    json!({
        "repository": entry.name,
        "path": path,
        "changed": changed,
        "by": rotation.by,
        "at": rotation.at,
        "before_until": rotation.before_until,
    })
}
