//! The transaction log of a run: every intent and every response, each entry carrying the hash
//! of the one before, so that "who decided what, on which evidence" can be verified later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hash that the first entry of a run names as its predecessor.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Field of an entry's body with the digest of the stage record that it tells of.
pub const RECORD_FIELD: &str = "record";

/// Digest of a stage record as it is stored: SHA-256 over its very text.
#[must_use]
pub fn record_digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Whether what is recorded of a run is what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Everything is.
    Proven(Proof),
    /// Something is not.
    Tampered(Tampered),
}

/// What was found to be as it was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// Entries of the log.
    pub entries: u64,
    /// Stage records.
    pub stages: usize,
    /// Whether a key proves it: without one, whoever can write to the table can hash it all anew.
    pub is_keyed: bool,
}

/// The first thing that is not as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Tampered {
    /// Where: an entry of the log, a stage record, the end of the log.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Position in the log, from 1 without gaps.
    pub sequence: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// Who acted: an agent id, `pact.gateway` or a person.
    pub actor: String,
    /// What kind of entry it is.
    pub kind: LogKind,
    /// The action, for example `quality.evaluate_gate`.
    pub action: String,
    /// What was asked, answered or decided; bounded, without secrets.
    pub body: Value,
    /// Hash of the entry before, [`GENESIS`] for the first.
    pub previous: String,
    /// SHA-256 over all of the above.
    pub hash: String,
}

/// Kind of a log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// A request to an agent.
    Intent,
    /// An agent's answer: a verdict.
    Response,
    /// An agent could not answer.
    Fault,
    /// Something from outside: a push, an approval, a cancellation.
    Event,
}

/// What is to be appended; position and hashes are given by the log.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    /// See [`LogEntry::timestamp`].
    pub timestamp: Timestamp,
    /// See [`LogEntry::actor`].
    pub actor: String,
    /// See [`LogEntry::kind`].
    pub kind: LogKind,
    /// See [`LogEntry::action`].
    pub action: String,
    /// See [`LogEntry::body`].
    pub body: Value,
}

impl NewEntry {
    /// The entry at `sequence`, chained to `previous`.
    #[must_use]
    pub fn chain(self, sequence: u64, previous: &str) -> LogEntry {
        let mut entry = LogEntry {
            sequence,
            timestamp: self.timestamp,
            actor: self.actor,
            kind: self.kind,
            action: self.action,
            body: self.body,
            previous: previous.to_owned(),
            hash: String::new(),
        };
        entry.hash = entry.digest();
        entry
    }
}

impl LogEntry {
    /// The hash that the entry ought to have: SHA-256 over its fields as one JSON array with
    /// object keys sorted, so that neither key order nor white space matters.
    #[must_use]
    pub fn digest(&self) -> String {
        let fields = serde_json::json!([
            self.sequence,
            self.timestamp.to_string(),
            self.actor,
            self.kind,
            self.action,
            sorted(&self.body),
            self.previous,
        ]);
        hex::encode(Sha256::digest(fields.to_string().as_bytes()))
    }
}

/// Checks a whole log.
///
/// # Errors
/// Says at which entry the chain breaks, and how.
pub fn verify(entries: &[LogEntry]) -> Result<(), String> {
    let mut previous = GENESIS;
    for (expected, entry) in (1u64..).zip(entries) {
        if entry.sequence != expected {
            return Err(format!("entry {expected} is missing; found {}", entry.sequence));
        }
        if entry.previous != previous {
            return Err(format!("entry {expected} does not follow the entry before it"));
        }
        if entry.hash != entry.digest() {
            return Err(format!("entry {expected} was altered after it was written"));
        }
        previous = &entry.hash;
    }
    Ok(())
}

/// The value with all object keys in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(keys.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log() -> Vec<LogEntry> {
        let mut previous = GENESIS.to_owned();
        (1..=3)
            .map(|n| {
                let entry = NewEntry {
                    timestamp: Timestamp::from_second(n).expect("a valid second"),
                    actor: "pact.code".to_owned(),
                    kind: LogKind::Response,
                    action: "code.validate_syntax".to_owned(),
                    body: json!({ "b": n, "a": [{ "z": 1, "y": 2 }] }),
                }
                .chain(u64::try_from(n).expect("positive"), &previous);
                previous.clone_from(&entry.hash);
                entry
            })
            .collect()
    }

    #[test]
    fn an_untouched_log_verifies_also_with_other_key_order() {
        let mut entries = log();
        assert_eq!(verify(&entries), Ok(()));
        entries[1].body = json!({ "a": [{ "y": 2, "z": 1 }], "b": 2 });
        assert_eq!(verify(&entries), Ok(()));
    }

    #[test]
    fn every_kind_of_tampering_is_found() {
        let mut altered = log();
        altered[1].body = json!({ "b": 99 });
        assert!(verify(&altered).is_err_and(|e| e.contains("entry 2 was altered")));
        let mut removed = log();
        removed.remove(1);
        assert!(verify(&removed).is_err_and(|e| e.contains("entry 2 is missing")));
        let mut rehashed = log();
        rehashed[0].actor = "mallory".to_owned();
        rehashed[0].hash = rehashed[0].digest();
        assert!(verify(&rehashed).is_err_and(|e| e.contains("entry 2 does not follow")));
    }
}
