//! Where the records of an execution are, and whether they are all there.

use serde::{Deserialize, Serialize};

use crate::execution::Event;
use crate::journal::Position;

/// One record of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    /// The last id of the history in this record or, as far as is known, before it.
    pub(crate) until: u32,
}

/// The records of an execution, or those of them that one file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail {
    /// How many records came before these; none where older journals do not say so.
    before: Option<u32>,
    /// The last id of the history before these, where that is known.
    id_before: Option<u32>,
    kept: Vec<Kept>,
    /// Whether records are missing between these.
    gap: bool,
}

impl Trail {
    pub(crate) fn kept(&self) -> &[Kept] {
        &self.kept
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        self.kept.iter().map(|kept| kept.position).collect()
    }

    /// The number of the next record.
    pub(crate) fn next(&self) -> u32 {
        let count = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        self.before.unwrap_or(0).saturating_add(count)
    }

    /// The last id of the history.
    pub(crate) fn last_id(&self) -> u32 {
        self.kept.last().map_or(0, |kept| kept.until).max(self.id_before.unwrap_or(0))
    }

    /// Adds a record with `events`. `number` is how many records the execution had before, which
    /// older journals do not say.
    pub(crate) fn push(&mut self, position: Position, number: Option<u32>, events: &[Event]) {
        let mut ids = events.iter().map(|event| event.id).filter(|id| *id > 0);
        let short = |id: u64| u32::try_from(id).unwrap_or(u32::MAX);
        let first = ids.next().map(short);
        let last = ids.next_back().map(short).or(first);
        let id_before = first.map(|first| first.saturating_sub(1));
        if self.kept.is_empty() {
            self.before = number;
            self.id_before = id_before;
        } else {
            self.gap |= !self.continues(number, id_before);
        }
        let until = last.unwrap_or_else(|| self.last_id());
        self.kept.push(Kept { position, until });
    }

    /// Adds the records that a later file holds.
    pub(crate) fn append(&mut self, later: &Self) {
        if self.kept.is_empty() {
            *self = later.clone();
            return;
        }
        self.gap |= later.gap || !self.continues(later.before, later.id_before);
        for kept in &later.kept {
            let until = kept.until.max(self.last_id());
            self.kept.push(Kept { until, ..*kept });
        }
    }

    fn continues(&self, number: Option<u32>, id_before: Option<u32>) -> bool {
        match (number, id_before) {
            (Some(number), _) => number == self.next(),
            (None, Some(id)) => id == self.last_id(),
            (None, None) => true,
        }
    }

    /// Whether records are missing before these or between them.
    pub(crate) fn is_broken(&self) -> bool {
        let begins = match (self.before, self.id_before) {
            (Some(number), _) => number == 0,
            (None, id) => id == Some(0),
        };
        self.gap || !begins
    }

    /// Notes that a record cannot be read, although it is where it was.
    pub(crate) fn note_gap(&mut self) {
        self.gap = true;
    }

    pub(crate) fn shrink(&mut self) {
        self.kept.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn position() -> Position {
        serde_json::from_value(json!({ "segment": 0, "offset": 8, "length": 3 })).unwrap()
    }

    /// Events with these ids; 0 is one that the history does not show.
    fn events(ids: &[u64]) -> Vec<Event> {
        let event = |id: &u64| {
            serde_json::from_value(json!({ "i": id, "p": 0, "t": 0, "s": 0, "b": "TaskStarted" }))
        };
        ids.iter().map(|id| event(id).unwrap()).collect()
    }

    fn trail(records: &[(Option<u32>, &[u64])]) -> Trail {
        let mut trail = Trail::default();
        for (number, ids) in records {
            trail.push(position(), *number, &events(ids));
        }
        trail
    }

    #[test]
    fn what_is_missing_is_noticed() {
        let whole = trail(&[(Some(0), &[1]), (Some(1), &[2, 0, 3]), (Some(2), &[0]), (None, &[4])]);
        assert!(!whole.is_broken());
        assert_eq!((whole.next(), whole.last_id()), (4, 4));
        assert!(trail(&[(Some(1), &[2])]).is_broken());
        assert!(trail(&[(Some(0), &[1]), (Some(2), &[0])]).is_broken());
        // Older journals have no numbers, but ids.
        assert!(!trail(&[(None, &[1]), (None, &[0]), (None, &[2])]).is_broken());
        assert!(trail(&[(None, &[1]), (None, &[3])]).is_broken());
        assert!(trail(&[(None, &[2])]).is_broken());
    }

    #[test]
    fn files_follow_each_other() {
        let mut all = trail(&[(Some(0), &[1]), (Some(1), &[2])]);
        all.append(&trail(&[(Some(2), &[0]), (Some(3), &[3])]));
        assert!(!all.is_broken());
        assert_eq!(all.kept().iter().map(|kept| kept.until).collect::<Vec<_>>(), [1, 2, 2, 3]);
        let mut holed = all.clone();
        holed.append(&trail(&[(Some(5), &[5])]));
        assert!(holed.is_broken());
        let mut old = trail(&[(None, &[1, 2])]);
        old.append(&trail(&[(None, &[3])]));
        assert!(!old.is_broken());
        old.append(&trail(&[(None, &[5])]));
        assert!(old.is_broken());
    }
}
