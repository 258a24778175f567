//! Room for runs: how many go on at once, in all and of one repository, and which do.
//!
//! Who has room is kept by name and not counted, so that nothing drifts: whoever finds a run in it
//! that has ended takes it out, however often.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{RepositoryName, RunId},
    schema::SchemaVersion,
};

/// Most runs that may be set to go on at once: all of them are kept in one item.
pub const MOST: usize = 2_000;

/// How many runs may go on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub runs: usize,
    /// Of one repository.
    pub per_repository: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 50, per_repository: 10 }
    }
}

/// The runs that have room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRecord {
    holders: BTreeMap<RepositoryName, BTreeSet<RunId>>,
}

impl RoomRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// How many runs have room.
    #[must_use]
    pub fn len(&self) -> usize {
        self.holders.values().map(BTreeSet::len).sum()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// How many of a repository have.
    #[must_use]
    pub fn of(&self, repository: &RepositoryName) -> usize {
        self.holders.get(repository).map_or(0, BTreeSet::len)
    }

    /// Whether this run has.
    #[must_use]
    pub fn has(&self, run_id: &RunId) -> bool {
        self.holders.values().any(|runs| runs.contains(run_id))
    }

    /// All that have.
    pub fn runs(&self) -> impl Iterator<Item = &RunId> {
        self.holders.values().flatten()
    }

    /// Gives the run room, if there is some or it has it already. Whether it has it now.
    pub fn take(&mut self, limits: Limits, repository: &RepositoryName, run_id: &RunId) -> bool {
        if self.has(run_id) {
            return true;
        }
        if self.len() >= limits.runs || self.of(repository) >= limits.per_repository {
            return false;
        }
        self.holders.entry(repository.clone()).or_default().insert(run_id.clone())
    }

    /// Takes its room back. False when it had none.
    pub fn free(&mut self, run_id: &RunId) -> bool {
        let mut had = false;
        self.holders.retain(|_, runs| {
            had |= runs.remove(run_id);
            !runs.is_empty()
        });
        had
    }
}

/// Most runs before another one in a queue that are counted.
pub const COUNTED: usize = 1_000;

/// What a queued run waits for, in a sentence; `before` is how many of its repository's runs are before
/// it in the queue.
#[must_use]
pub fn waits(before: Option<usize>) -> String {
    match before {
        None => "It waits for room".to_owned(),
        Some(0) => "It waits for room, and is the next of its repository".to_owned(),
        Some(1) => "It waits for room; one run of its repository is before it".to_owned(),
        Some(number) => {
            let more = if number >= COUNTED { " or more" } else { "" };
            format!("It waits for room; {number}{more} runs of its repository are before it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_in_all_and_for_each_repository_and_taken_once() {
        let limits = Limits { runs: 3, per_repository: 2 };
        let name = |text: &str| text.parse::<RepositoryName>().expect("a name");
        let id = |text: &str| RunId::parse(text).expect("an id");
        let (one, two, three) = (name("acme/one"), name("acme/two"), name("acme/three"));
        let mut room = RoomRecord::default();
        assert!(room.take(limits, &one, &id("a-1")));
        assert!(room.take(limits, &one, &id("a-1")), "it has it");
        assert!(room.take(limits, &one, &id("a-2")));
        assert!(!room.take(limits, &one, &id("a-3")), "the repository has what it may");
        assert!(room.take(limits, &two, &id("b-1")));
        assert!(!room.take(limits, &three, &id("c-1")), "there is no more");
        assert_eq!((room.len(), room.of(&one), room.of(&three)), (3, 2, 0));
        assert!(room.free(&id("a-1")) && !room.free(&id("a-1")));
        assert!(room.take(limits, &three, &id("c-1")));
        let text = serde_json::to_string(&room).expect("JSON");
        assert_eq!(serde_json::from_str::<RoomRecord>(&text).expect("a record"), room);
    }
}
