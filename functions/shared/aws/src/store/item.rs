//! Items: keys, attributes, and what is read from them.

use std::{collections::HashMap, str::FromStr, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pact_agent::ports::{StoreError, Unreadable, UnreadableReason};
use pact_contract::{RunId, ids::IdError};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The attributes of an item.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Longest part of a partition key that is kept as it is; DynamoDB accepts 2048 bytes in all.
const MAX_KEY: usize = 1_024;

/// A text attribute.
pub(super) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(super) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Partition key of a run.
pub(super) fn run_key(run_id: &RunId) -> String {
    format!("RUN#{run_id}")
}

/// Partition key of something whose name comes from outside: a long name is kept as its hash.
pub(super) fn named_key(prefix: &str, name: &str) -> String {
    if name.len() <= MAX_KEY {
        format!("{prefix}#{name}")
    } else {
        format!("{prefix}#sha256:{}", hex::encode(Sha256::digest(name.as_bytes())))
    }
}

/// `value` as a JSON attribute.
pub(super) fn json<T: Serialize>(what: &str, value: &T) -> Result<AttributeValue, StoreError> {
    serde_json::to_string(value)
        .map(AttributeValue::S)
        .map_err(|error| StoreError::unavailable(format!("cannot write {what}: {error}"), error))
}

/// What is not as it has to be in an item.
pub(super) fn unreadable(item: &Item, reason: impl Into<String>) -> Unreadable {
    Unreadable { key: key_of(item), reason: UnreadableReason::Damaged(reason.into()) }
}

/// The text of an attribute.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, Unreadable> {
    optional_text(item, name).ok_or_else(|| unreadable(item, format!("it has no text {name:?}")))
}

/// The text of an attribute that may be absent.
pub(super) fn optional_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The identifier that an attribute holds.
pub(super) fn identifier<T: FromStr<Err = IdError>>(
    item: &Item,
    name: &str,
) -> Result<T, Unreadable> {
    text(item, name)?
        .parse()
        .map_err(|error| unreadable(item, format!("its {name:?} is none: {error}")))
}

/// The instant that an attribute holds.
pub(super) fn instant(item: &Item, name: &str) -> Result<Timestamp, Unreadable> {
    text(item, name)?.parse().map_err(|_| unreadable(item, format!("its {name:?} is no instant")))
}

/// The number of an attribute.
pub(super) fn number<T: FromStr>(item: &Item, name: &str) -> Result<T, Unreadable> {
    optional_number(item, name)
        .ok_or_else(|| unreadable(item, format!("it has no number {name:?}")))
}

/// The number of an attribute that may be absent.
pub(super) fn optional_number<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
}

/// Where an item is, for people.
pub(super) fn key_of(item: &Item) -> String {
    match (optional_text(item, "pk"), optional_text(item, "sk")) {
        // A callback's key is a secret.
        (Some(pk), _) if pk.starts_with("CALLBACK#") => "a callback".to_owned(),
        (Some(pk), Some(sk)) => format!("{pk} / {sk}"),
        _ => "an item without keys".to_owned(),
    }
}

/// Whether an item has expired: DynamoDB takes those away when it gets to it.
pub(super) fn has_expired(item: &Item) -> bool {
    optional_number::<i64>(item, "expires").is_some_and(|at| at <= now())
}

/// Now, in seconds since the epoch.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// The end of a time that begins now, in seconds since the epoch, rounded up.
pub(super) fn after(time: Duration) -> i64 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    now().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The end of a time that began at an instant, in seconds since the epoch, rounded up.
pub(super) fn after_instant(begin: Timestamp, time: Duration) -> i64 {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let begin = begin.as_second().saturating_add(i64::from(begin.subsec_nanosecond() > 0));
    begin.saturating_add(seconds)
}

/// A time that sorts as text: always with microseconds.
pub(super) fn sortable(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let times: Vec<String> =
            ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.5Z", "2026-11-22T10:00:01Z"]
                .iter()
                .map(|text| sortable(text.parse().unwrap()))
                .collect();
        assert!(times.is_sorted(), "{times:?}");
    }

    #[test]
    fn a_long_name_becomes_a_short_key() {
        assert_eq!(named_key("CLAIM", "a/b"), "CLAIM#a/b");
        let long = named_key("CLAIM", &"x".repeat(5_000));
        assert!(long.len() < 100, "{long}");
        assert_ne!(long, named_key("CLAIM", &"x".repeat(5_001)));
    }
}
