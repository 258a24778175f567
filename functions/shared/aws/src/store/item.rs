//! Items: keys, attributes, and what is read from them.

use std::{collections::HashMap, str::FromStr, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use pact_agent::ports::StoreError;
use pact_contract::{RunId, ids::IdError};
use serde::{Serialize, de::DeserializeOwned};
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
        .map_err(|error| StoreError::Unreadable(format!("{what} cannot be written: {error}")))
}

/// The text of an attribute.
pub(super) fn text<'a>(item: &'a Item, name: &str) -> Result<&'a str, StoreError> {
    optional_text(item, name)
        .ok_or_else(|| StoreError::Unreadable(format!("{} has no text {name:?}", key_of(item))))
}

/// The text of an attribute that may be absent.
pub(super) fn optional_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// The identifier that an attribute holds.
pub(super) fn identifier<T: FromStr<Err = IdError>>(
    item: &Item,
    name: &str,
) -> Result<T, StoreError> {
    text(item, name)?.parse().map_err(|error| {
        StoreError::Unreadable(format!("{} has a {name:?} that is none: {error}", key_of(item)))
    })
}

/// The number of an attribute that may be absent.
pub(super) fn optional_number<T: FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
}

/// What an attribute holds as JSON.
pub(super) fn from_json<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T, StoreError> {
    // The position is enough to find the fault; the text may hold anything.
    serde_json::from_str(text(item, name)?).map_err(|error| {
        StoreError::Unreadable(format!(
            "{} has a {name:?} that cannot be read (line {}, column {})",
            key_of(item),
            error.line(),
            error.column()
        ))
    })
}

fn key_of(item: &Item) -> String {
    match (optional_text(item, "pk"), optional_text(item, "sk")) {
        // A callback's key is a secret.
        (Some(pk), _) if pk.starts_with("CALLBACK#") => "a callback".to_owned(),
        (Some(pk), Some(sk)) => format!("{pk} / {sk}"),
        _ => "an item without keys".to_owned(),
    }
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

    #[test]
    fn an_unreadable_attribute_is_named_without_its_content() {
        let item: Item = [
            ("pk".to_owned(), s("RUN#a")),
            ("sk".to_owned(), s("STAGE#B")),
            ("record".to_owned(), s("{\"secret\": hunter2}")),
        ]
        .into();
        let error = from_json::<serde_json::Value>(&item, "record").unwrap_err().to_string();
        assert!(error.contains("RUN#a / STAGE#B") && error.contains("column"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
