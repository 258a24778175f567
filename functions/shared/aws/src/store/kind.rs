//! The kinds of items: in which version each is written, and how each is read in whatever version
//! it was written.

use pact_agent::{
    ports::{ApprovalRecord, Unreadable},
    waiting::WaitingCall,
};
use pact_contract::{
    RunRequest, SchemaVersion, StageRecord,
    access::{SessionRecord, TokenRecord},
    actions::{EnvironmentRecord, WatchResult},
    heads::HeadsRecord,
    incident::Incident,
    objectives::Budget,
    policy::PolicyRecord,
    pushes::BranchRecord,
    registry::{PullRecord, RepositoryEntry},
    room::RoomRecord,
    run::Outcome,
    schema::Incompatible,
    statuses::StatusRecord,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::item::{Item, key_of, text, unreadable};
use aws_sdk_dynamodb::types::AttributeValue;

/// Makes of what one version has in an attribute what the next one has there.
pub(super) type Step = fn(attribute: &str, document: Document) -> Result<Document, &'static str>;

/// The fields of a document.
type Document = serde_json::Map<String, Value>;

/// One kind of item, or a part of one that is written by somebody else.
pub(super) struct Kind {
    /// Attribute that has the version; without it an item is of the first.
    pub(super) attribute: &'static str,
    /// Version in which it is written.
    pub(super) version: SchemaVersion,
    /// The oldest version that is read, and the last release that read the one before it.
    pub(super) oldest: (SchemaVersion, &'static str),
    /// The steps from each version to the next, the oldest one's first.
    pub(super) steps: &'static [Step],
}

/// A kind whose first version is its only one yet.
const fn kind(attribute: &'static str, version: SchemaVersion) -> Kind {
    Kind { attribute, version, oldest: (SchemaVersion::FIRST, ""), steps: &[] }
}

/// A kind with a second version.
const fn second(attribute: &'static str, version: SchemaVersion, steps: &'static [Step]) -> Kind {
    Kind { attribute, version, oldest: (SchemaVersion::FIRST, ""), steps }
}

/// The version after may have a variant that programs of the one before do not know.
fn as_it_is(_: &str, document: Document) -> Result<Document, &'static str> {
    Ok(document)
}

/// Before there was a ledger, what was in effect without a run that watched it counted as good, and
/// so did what was before it.
fn with_ledger(_: &str, mut document: Document) -> Result<Document, &'static str> {
    let mut ledger = Vec::new();
    for (place, serves) in [("current", true), ("previous", false)] {
        let Some(Value::Object(release)) = document.get(place) else { continue };
        let field = |name: &str| release.get(name).cloned().unwrap_or_default();
        let at = field("deployed_at");
        ledger.push(serde_json::json!({
            "release": field("release"),
            "commit": field("commit"),
            "run_id": field("run_id"),
            "standing": "good",
            "deployed_at": at,
            "judged_at": at,
            "serving_since": if serves { at.clone() } else { Value::Null },
        }));
    }
    document.insert("ledger".to_owned(), ledger.into());
    Ok(document)
}

/// A run: `request` and what the lists need. Since the third version it stands in those of its status.
pub(super) const RUN: Kind = second("schema", RunRequest::VERSION.next(), &[as_it_is, as_it_is]);
/// That a run is in a list, all of it in its keys.
pub(super) const ENTRY: Kind = kind("schema", SchemaVersion::FIRST);
/// How a run ended, in the run's item: written by the state machine, or by the reconciler.
pub(super) const OUTCOME: Kind = second("outcome_schema", Outcome::VERSION, &[as_it_is]);
/// A stage: `record`.
pub(super) const STAGE: Kind = kind("schema", StageRecord::VERSION);
/// An entry of a transaction log: `entry`.
pub(super) const LOG: Kind = kind("schema", SchemaVersion::FIRST);
/// The end of a transaction log: `sequence` and `hash`.
pub(super) const LOG_HEAD: Kind = kind("schema", SchemaVersion::FIRST);
/// What became of a notification: `entry`.
pub(super) const NOTIFICATION: Kind = kind("schema", SchemaVersion::FIRST);
/// Which callback an approval has: `callback`.
pub(super) const APPROVAL: Kind = kind("schema", SchemaVersion::FIRST);
/// A question with its task token: `record` and `task_token`.
pub(super) const CALLBACK: Kind = kind("schema", ApprovalRecord::VERSION);
/// A call that is answered later: `record` and `task_token`.
pub(super) const CALL: Kind = kind("schema", WaitingCall::VERSION);
/// What is deployed in an environment: `record`.
pub(super) const ENVIRONMENT: Kind = second("schema", EnvironmentRecord::VERSION, &[with_ledger]);
/// What the watch saw, in the environment's item: written by its state machine.
pub(super) const WATCH: Kind = kind("watch_schema", WatchResult::VERSION);
/// What an environment used of its budget, in its item: `budget`.
pub(super) const BUDGET: Kind = kind("budget_schema", Budget::VERSION);
/// The pushes of a branch: `record`, with the `version` that it is changed by.
pub(super) const BRANCH: Kind = kind("schema", BranchRecord::VERSION);
/// Who claimed a delivery or a push: `run_id`.
pub(super) const CLAIM: Kind = kind("schema", SchemaVersion::FIRST);
/// A repository of the registry: `record`.
pub(super) const REPOSITORY: Kind = kind("schema", RepositoryEntry::VERSION);
/// Rules of a repository, those that count or those that a run asks for: `record`.
pub(super) const POLICY: Kind = kind("schema", PolicyRecord::VERSION);
/// Who looks after the open runs: `until`, `fence`, and the `place` to go on from.
pub(super) const PASS: Kind = kind("schema", SchemaVersion::FIRST);
/// An API token: `record`, and when it was `used_at`.
pub(super) const TOKEN: Kind = second("schema", TokenRecord::VERSION, &[as_it_is]);
/// A browser that is signed in, or a code that signs one in: `record`.
pub(super) const SESSION: Kind = second("schema", SessionRecord::VERSION, &[as_it_is]);
/// The runs that have room: `record`, with the `version` that it is changed by.
pub(super) const ROOM: Kind = kind("schema", RoomRecord::VERSION);
/// A run that waits, all of it in its key.
pub(super) const QUEUED: Kind = kind("schema", SchemaVersion::FIRST);
/// A repository whose runs wait: `told` and `turn`.
pub(super) const QUEUE: Kind = kind("schema", SchemaVersion::FIRST);
/// A pull request of a fork: `record`.
pub(super) const PULL: Kind = kind("schema", PullRecord::VERSION);
/// What a commit is to show: `record`, with the `version` that it is changed by.
pub(super) const STATUS: Kind = kind("schema", StatusRecord::VERSION);
/// Heads of branches at their host: `record`, with the `version` that it is changed by.
pub(super) const HEADS: Kind = kind("schema", HeadsRecord::VERSION);
/// An incident: `record`, with the `version` that it is changed by.
pub(super) const INCIDENT: Kind = kind("schema", Incident::VERSION);
/// The answer to a request: `answer`.
pub(super) const ANSWER: Kind = kind("schema", SchemaVersion::FIRST);

impl Kind {
    /// The version in which it is written, as an attribute.
    pub(super) fn written(&self) -> AttributeValue {
        AttributeValue::N(self.version.to_string())
    }

    /// The version of an item that this program can read.
    pub(super) fn known(&self, item: &Item) -> Result<SchemaVersion, Unreadable> {
        let version = match item.get(self.attribute) {
            None => SchemaVersion::FIRST,
            Some(written) => written
                .as_n()
                .ok()
                .and_then(|text| text.parse::<u32>().ok())
                .and_then(|number| SchemaVersion::try_from(number).ok())
                .ok_or_else(|| {
                    unreadable(item, format!("its {:?} is no version", self.attribute))
                })?,
        };
        let (oldest, last_release) = self.oldest;
        let found = version;
        let incompatible = if found > self.version {
            Incompatible::TooNew { found, newest: self.version }
        } else if found < oldest {
            Incompatible::TooOld { found, last_release }
        } else {
            return Ok(version);
        };
        Err(Unreadable { key: key_of(item), reason: incompatible.into() })
    }

    /// What an attribute holds as JSON, in whatever version it was written.
    pub(super) fn document<T: DeserializeOwned>(
        &self,
        item: &Item,
        attribute: &str,
    ) -> Result<T, Unreadable> {
        let version = self.known(item)?;
        let text = text(item, attribute)?;
        let fault = |error: &serde_json::Error| {
            unreadable(item, format!("its {attribute:?} {}", reason(error)))
        };
        if version == self.version {
            return serde_json::from_str(text).map_err(|error| fault(&error));
        }
        let mut document: Document = serde_json::from_str(text).map_err(|error| fault(&error))?;
        let first = version.number().saturating_sub(self.oldest.0.number());
        for step in self.steps.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            document = step(attribute, document).map_err(|reason| {
                unreadable(item, format!("its {attribute:?}, of version {version}, {reason}"))
            })?;
        }
        serde_json::from_value(Value::Object(document)).map_err(|error| fault(&error))
    }
}

/// What is wrong with a document. Its text may hold anything: of the content only the name of a
/// field is told, which is this program's own word.
fn reason(error: &serde_json::Error) -> String {
    use serde_json::error::Category;

    let message = error.to_string();
    let what = match error.classify() {
        Category::Eof => "is cut off".to_owned(),
        Category::Syntax | Category::Io => "is no JSON".to_owned(),
        Category::Data => match message.split('`').nth(1) {
            Some(field) if message.starts_with("missing field") => format!("lacks {field:?}"),
            _ => "has a value that does not belong there".to_owned(),
        },
    };
    match (error.line(), error.column()) {
        (0, _) => what,
        (line, column) => format!("{what} (line {line}, column {column})"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{super::item::s, *};

    #[derive(Debug, PartialEq, Deserialize)]
    struct Now {
        name: String,
        size: u64,
    }

    /// The third version: the first had a `title`, the second no `size`.
    const THIRD: Kind = Kind {
        attribute: "schema",
        version: SchemaVersion::FIRST.next().next(),
        oldest: (SchemaVersion::FIRST, ""),
        steps: &[
            |_, mut document| {
                let title = document.remove("title").ok_or("has no title")?;
                document.insert("name".to_owned(), title);
                Ok(document)
            },
            |_, mut document| {
                document.insert("size".to_owned(), 0.into());
                Ok(document)
            },
        ],
    };

    fn item(version: Option<AttributeValue>, record: &str) -> Item {
        let version = version.map(|version| ("schema".to_owned(), version));
        [("pk", "RUN#a"), ("sk", "STAGE#B"), ("record", record)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), s(value)))
            .chain(version)
            .collect()
    }

    fn read(version: Option<&str>, record: &str) -> Result<Now, String> {
        let version = version.map(|number| AttributeValue::N(number.to_owned()));
        THIRD.document(&item(version, record), "record").map_err(|error| error.to_string())
    }

    #[test]
    fn each_version_is_read_by_the_steps_from_it() {
        let now = |name: &str, size| Ok(Now { name: name.to_owned(), size });
        assert_eq!(read(None, r#"{"title":"a"}"#), now("a", 0));
        assert_eq!(read(Some("1"), r#"{"title":"a"}"#), now("a", 0));
        assert_eq!(read(Some("2"), r#"{"name":"a"}"#), now("a", 0));
        assert_eq!(read(Some("3"), r#"{"name":"a","size":7,"later":1}"#), now("a", 7));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_reason_and_without_its_content() {
        for (version, record, reason) in [
            (Some("4"), "{}", "it is of version 4, and this program knows version 3 at most"),
            (Some("0"), "{}", "its \"schema\" is no version"),
            (Some("1.5"), "{}", "its \"schema\" is no version"),
            (Some("1"), r#"{"name":"hunter2"}"#, "its \"record\", of version 1, has no title"),
            (Some("2"), r#"["hunter2"]"#, "its \"record\" has a value that does not belong there"),
            (
                Some("3"),
                r#"{"name":"hunter2"}"#,
                "its \"record\" lacks \"size\" (line 1, column 18)",
            ),
            (Some("3"), r#"{"name":"hunter2","size":"hunter2"}"#, "does not belong there (line 1"),
            (Some("3"), "hunter2", "its \"record\" is no JSON (line 1"),
            (Some("3"), r#"{"name":"hunter2"#, "its \"record\" is cut off (line 1"),
        ] {
            let error = read(version, record).expect_err("cannot be read");
            assert!(error.starts_with("RUN#a / STAGE#B cannot be read: "), "{error}");
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let text = item(Some(s("3")), "{}");
        assert!(
            THIRD
                .known(&text)
                .expect_err("is no number")
                .reason
                .to_string()
                .contains("is no version")
        );
        let mut nothing = item(None, "{}");
        nothing.remove("record");
        let error = THIRD.document::<Now>(&nothing, "record").expect_err("is not there");
        assert_eq!(error.reason.to_string(), "it has no text \"record\"");
        let recent = Kind { oldest: (SchemaVersion::FIRST.next(), "0.9"), steps: &[], ..THIRD };
        let error = recent.known(&item(None, "{}")).expect_err("is too old");
        assert_eq!(
            error.reason.to_string(),
            "it is of version 1, which release 0.9 was the last to read"
        );
    }

    #[test]
    fn every_version_before_the_one_that_is_written_has_its_step() {
        let all = [
            RUN,
            OUTCOME,
            ENTRY,
            STAGE,
            LOG,
            LOG_HEAD,
            NOTIFICATION,
            APPROVAL,
            CALL,
            CALLBACK,
            ENVIRONMENT,
            WATCH,
            BUDGET,
            BRANCH,
            CLAIM,
            TOKEN,
            SESSION,
            ANSWER,
            PASS,
            ROOM,
            QUEUED,
            QUEUE,
            STATUS,
            HEADS,
            PULL,
            INCIDENT,
            THIRD,
        ];
        for kind in all {
            let versions = kind.version.number() - kind.oldest.0.number();
            assert_eq!(kind.steps.len(), versions as usize);
        }
    }
}
