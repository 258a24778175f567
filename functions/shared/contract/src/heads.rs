//! What an installation knows of the branches of a repository at its host, beside what it was told.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{ids::RepositoryName, schema::SchemaVersion};

/// Most branches that are kept of a repository: of one that has more, the default branch alone.
pub const MAX_BRANCHES: usize = 500;
/// Most bytes of their names together, so that all of it fits into an item.
pub const MAX_NAMES: usize = 100_000;

/// Between two questions to a host that answers.
const INTERVAL: SignedDuration = SignedDuration::from_secs(300);
/// Until a head that nobody told of is looked at again: a push may be on its way.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// How long nobody else asks while one question goes on.
const ATTEMPT: SignedDuration = SignedDuration::from_secs(60);
/// Longest wait after a host that did not answer.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

/// The heads of a repository's branches, as its host showed them last.
///
/// It is written once a host has told of a push of the repository: one that tells of nothing is asked
/// for nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadsRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// The repository.
    pub repository: RepositoryName,
    /// Name of the host that tells of its pushes, for example `github`.
    pub host: String,
    /// Address of the gateway as the host reaches it, for the addresses of runs.
    pub origin: String,
    /// The default branch, as the host said last.
    #[serde(default)]
    pub default_branch: Option<String>,
    /// When it is to be asked next.
    pub due: Timestamp,
    /// When it answered last; none: it was never asked, and its answer says where to begin.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
    /// Head of each branch, as far as it was told of, or looked at.
    #[serde(default)]
    pub known: BTreeMap<String, String>,
    /// Heads that nobody told of so far.
    #[serde(default)]
    pub missing: BTreeMap<String, Missing>,
    /// Questions in a row without an answer.
    #[serde(default)]
    pub failures: u32,
    /// Why there was none.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A head that nobody told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The commit.
    pub commit: String,
    /// Since when it is seen.
    pub since: Timestamp,
}

impl HeadsRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Of a repository whose host told of a push for the first time.
    #[must_use]
    pub fn new(repository: RepositoryName, host: String, origin: String, now: Timestamp) -> Self {
        Self {
            schema: Self::VERSION,
            repository,
            host,
            origin,
            default_branch: None,
            due: now,
            answered_at: None,
            known: BTreeMap::new(),
            missing: BTreeMap::new(),
            failures: 0,
            trouble: None,
        }
    }

    /// The same while somebody asks; none where it is not due.
    #[must_use]
    pub fn begun(self, now: Timestamp) -> Option<Self> {
        (self.due <= now).then(|| Self { due: now.saturating_add(ATTEMPT).unwrap_or(now), ..self })
    }

    /// The branches whose head is not as it is known; those that are gone are forgotten, and so is
    /// what was missing of a branch that has gone on. The first answer says where to begin: nothing
    /// of it is new.
    #[must_use]
    pub fn changed(&mut self, heads: &BTreeMap<String, String>) -> Vec<(String, String)> {
        self.known.retain(|branch, _| heads.contains_key(branch));
        self.missing.retain(|branch, missing| heads.get(branch) == Some(&missing.commit));
        if self.answered_at.is_none() {
            for (branch, commit) in heads {
                self.known.entry(branch.clone()).or_insert_with(|| commit.clone());
            }
        }
        let changed =
            heads.iter().filter(|(branch, commit)| self.known.get(*branch) != Some(commit));
        changed.map(|(branch, commit)| (branch.clone(), commit.clone())).collect()
    }

    /// Takes a head for told.
    pub fn told(&mut self, branch: &str, commit: &str) {
        self.known.insert(branch.to_owned(), commit.to_owned());
        self.missing.remove(branch);
    }

    /// Whether a head that nobody told of has been so for long enough: its push is lost, and not on
    /// its way.
    pub fn is_lost(&mut self, branch: &str, commit: &str, now: Timestamp) -> bool {
        let missing = self
            .missing
            .entry(branch.to_owned())
            .or_insert_with(|| Missing { commit: commit.to_owned(), since: now });
        missing.since.saturating_add(AGAIN).is_ok_and(|at| at <= now)
    }

    /// After an answer.
    #[must_use]
    pub fn answered(self, now: Timestamp) -> Self {
        let wait = if self.missing.is_empty() { INTERVAL } else { AGAIN };
        let due = now.saturating_add(wait).unwrap_or(now);
        Self { due, answered_at: Some(now), failures: 0, trouble: None, ..self }
    }

    /// After none.
    #[must_use]
    pub fn failed(self, why: String, now: Timestamp) -> Self {
        let failures = self.failures.saturating_add(1);
        let wait = INTERVAL.checked_mul(1 << failures.min(6).saturating_sub(1));
        let wait = wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let due = now.saturating_add(wait).unwrap_or(now);
        Self { due, failures, trouble: Some(why), ..self }
    }
}

/// The branches that are kept: all, or the default one alone where there are too many.
#[must_use]
pub fn kept(
    mut heads: BTreeMap<String, String>,
    default: Option<&str>,
) -> BTreeMap<String, String> {
    let names: usize = heads.keys().map(String::len).sum();
    if heads.len() > MAX_BRANCHES || names > MAX_NAMES {
        heads.retain(|branch, _| Some(branch.as_str()) == default);
    }
    heads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn heads(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(b, c)| ((*b).to_owned(), (*c).to_owned())).collect()
    }

    fn record() -> HeadsRecord {
        HeadsRecord::new(
            "acme/web".parse().expect("a name"),
            "github".to_owned(),
            "https://pact.example".to_owned(),
            at(0),
        )
    }

    #[test]
    fn the_first_answer_is_where_it_begins_and_what_changes_after_it_is_new() {
        let mut record = record();
        // What was told before the first answer counts as it was told.
        record.told("main", "c1");
        assert_eq!(
            record.changed(&heads(&[("main", "c2"), ("wip", "w1")])),
            [("main".into(), "c2".into())]
        );
        let mut record = record.answered(at(1));
        record.told("main", "c2");
        assert_eq!(
            record.changed(&heads(&[("main", "c2"), ("new", "n1")])),
            [("new".into(), "n1".into())]
        );
        assert!(!record.known.contains_key("wip"), "a branch that is gone is forgotten");
    }

    #[test]
    fn a_head_is_lost_once_nobody_told_of_it_for_a_while() {
        let mut record = record().answered(at(1));
        assert!(!record.is_lost("main", "c2", at(10)));
        let mut record = record.answered(at(10));
        assert_eq!(record.due, at(70), "it is looked at again before long");
        assert!(!record.is_lost("main", "c2", at(69)) && record.is_lost("main", "c2", at(70)));
        // It went on meanwhile: another push, which may be on its way.
        assert_eq!(record.changed(&heads(&[("main", "c3")])).len(), 1);
        assert!(!record.is_lost("main", "c3", at(71)));
        record.told("main", "c3");
        assert_eq!(record.answered(at(80)).due, at(380));
    }

    #[test]
    fn a_host_that_does_not_answer_is_asked_less_and_less_up_to_an_hour() {
        let mut record = record();
        let mut waits = Vec::new();
        for _ in 0..9 {
            record = record.failed("it hangs".to_owned(), at(0));
            waits.push(record.due.as_second());
        }
        assert_eq!(waits, [300, 600, 1200, 2400, 3600, 3600, 3600, 3600, 3600]);
        assert!(record.clone().begun(at(3599)).is_none());
        let begun = record.begun(at(3600)).expect("is due");
        assert!(begun.begun(at(3601)).is_none(), "somebody asks already");
    }

    #[test]
    fn of_too_many_branches_the_default_one_is_kept() {
        let many: BTreeMap<_, _> =
            (0..=MAX_BRANCHES).map(|n| (format!("b{n}"), "c".into())).collect();
        assert_eq!(kept(many.clone(), Some("b7")).len(), 1);
        assert!(kept(many, None).is_empty());
        assert_eq!(kept(heads(&[("a", "1"), ("b", "2")]), None).len(), 2);
    }
}
