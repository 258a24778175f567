//! The order of the pushes of a branch.
//!
//! Every push has a place among those of its branch, which never changes: what is deployed follows
//! it, not the moment at which a run happens to be done. A host tells of pushes more than once, late
//! and out of order. What it tells is enough to see which is which: a push says from where to where
//! the branch went.
//!
//! * A push that goes on from where the branch stands is a new one, even when the branch went the
//!   same way before: after a push back, forward again is forward.
//! * The same way again, while the branch has not come back to its beginning, is the same push.
//! * A push that leads to where a known one began came late: its place is before that one.
//! * A push that was found at the host, as nobody told of it, may stand for several: what is told
//!   later and leads to the same commit is that push, and what begins where it began came before it.
//! * Everything else is a new one: what came in between was never told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ids::RunId, schema::SchemaVersion};

/// Most pushes of a branch that are remembered with their way.
pub const MAX_PUSHES: usize = 64;
/// Between the places of two pushes, so that one that comes late has one between them.
const STEP: u64 = 1 << 20;

/// From where to where a branch went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way<'a> {
    /// The commit before; none for a new branch.
    pub before: Option<&'a str>,
    /// The commit that the branch points to now.
    pub after: &'a str,
    /// Whether `before` is where the branch stood, as a host knows it, rather than what somebody
    /// wants to be compared with.
    pub told_by_host: bool,
}

/// One push of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedPush {
    /// Its place: a later push has a larger one.
    pub place: u64,
    /// The commit before.
    pub before: Option<String>,
    /// The commit that was pushed.
    pub after: String,
    /// Its first run.
    pub run_id: RunId,
    /// Whether nobody told of it: it was found at the host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
}

/// The latest pushes of a branch, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchRecord {
    pushes: Vec<PlacedPush>,
}

/// What a branch knows of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was told before.
    Seen(PlacedPush),
    /// It goes on from where the branch stands.
    Next,
    /// It came late: its place is that one.
    Late(u64),
    /// Nothing of what is remembered says where it belongs.
    Unknown,
}

impl BranchRecord {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// The pushes, the oldest first.
    #[must_use]
    pub fn pushes(&self) -> &[PlacedPush] {
        &self.pushes
    }

    /// What is known of a push.
    #[must_use]
    pub fn knows(&self, way: &Way<'_>) -> Known {
        let Some(head) = self.pushes.last() else { return Known::Unknown };
        if !way.told_by_host {
            // Only the commit counts: it may have been pushed at any time.
            let same = self.pushes.iter().rfind(|push| push.after == way.after);
            return same.map_or(Known::Unknown, |push| Known::Seen(push.clone()));
        }
        if way.before == Some(head.after.as_str()) && way.after != head.after {
            return Known::Next;
        }
        let same =
            |push: &&PlacedPush| push.after == way.after && push.before.as_deref() == way.before;
        if let Some(push) = self.pushes.iter().rfind(same) {
            return Known::Seen(push.clone());
        }
        if let Some(push) = self.pushes.iter().rfind(|push| push.found && push.after == way.after) {
            return Known::Seen(push.clone());
        }
        // One of several that a push that was found stands for.
        let at = self.pushes.iter().rposition(|push| Some(push.after.as_str()) == way.before);
        if let Some([from, found, ..]) = at.and_then(|at| self.pushes.get(at..))
            && found.found
        {
            return Known::Late(from.place + (found.place - from.place) / 2);
        }
        // The push that began where this one leads to, unless what leads there is known.
        let next = self.pushes.iter().rposition(|push| push.before.as_deref() == Some(way.after));
        let (before, after) = self.pushes.split_at(next.unwrap_or(self.pushes.len()));
        let Some(next) = after.first() else { return Known::Unknown };
        let last = before.last();
        if last.is_some_and(|push| push.after == way.after) {
            return Known::Unknown;
        }
        let from = last.map_or(0, |push| push.place);
        Known::Late(from + (next.place - from) / 2)
    }

    /// Place of a push after all others. The first of a branch begins with the time, so that a
    /// branch that was forgotten goes on after what is remembered of it elsewhere.
    #[must_use]
    pub fn next_place(&self, now: Timestamp) -> u64 {
        let first = u64::try_from(now.as_second()).unwrap_or(0).saturating_mul(STEP);
        self.pushes.last().map_or(first, |head| head.place.saturating_add(STEP))
    }

    /// Takes a push up, in its place.
    pub fn add(&mut self, push: PlacedPush) {
        let index = self.pushes.partition_point(|known| known.place <= push.place);
        self.pushes.insert(index, push);
        let more = self.pushes.len().saturating_sub(MAX_PUSHES);
        self.pushes.drain(..more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn way<'a>(before: Option<&'a str>, after: &'a str) -> Way<'a> {
        Way { before, after, told_by_host: true }
    }

    /// Tells of a push as the gateway does, and answers with its place.
    fn tell(branch: &mut BranchRecord, before: Option<&str>, after: &str) -> u64 {
        let place = match branch.knows(&way(before, after)) {
            Known::Seen(push) => return push.place,
            Known::Late(place) => place,
            Known::Next | Known::Unknown => {
                branch.next_place(Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(9))
            }
        };
        branch.add(PlacedPush {
            place,
            before: before.map(str::to_owned),
            after: after.to_owned(),
            run_id: format!("run-{place}").parse().expect("an id"),
            found: false,
        });
        place
    }

    #[test]
    fn forward_back_and_forward_again_are_three_pushes_and_more() {
        let mut branch = BranchRecord::default();
        let ways = [(None, "c1"), (Some("c1"), "c2"), (Some("c2"), "c1"), (Some("c1"), "c2")];
        let places: Vec<_> = ways.iter().map(|(b, a)| tell(&mut branch, *b, a)).collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
        // Each of them again is the last that went this way.
        assert_eq!(tell(&mut branch, Some("c1"), "c2"), places[3]);
        assert_eq!(tell(&mut branch, None, "c1"), places[0]);
        assert_eq!(branch.pushes().len(), 4);
    }

    #[test]
    fn a_push_that_comes_late_is_before_the_one_that_went_on_from_it() {
        let mut branch = BranchRecord::default();
        let second = tell(&mut branch, Some("c1"), "c2");
        let first = tell(&mut branch, None, "c1");
        assert!(first < second);
        assert_eq!(tell(&mut branch, None, "c1"), first, "once");
        let third = tell(&mut branch, Some("c2"), "c3");
        assert!(second < third);
    }

    #[test]
    fn a_push_back_is_new_though_a_push_between_was_never_told() {
        let mut branch = BranchRecord::default();
        tell(&mut branch, None, "c1");
        let second = tell(&mut branch, Some("c1"), "c2");
        // The push to c3 never came.
        assert!(tell(&mut branch, Some("c3"), "c1") > second);
    }

    #[test]
    fn what_a_push_that_was_found_stands_for_is_before_it_however_late_it_is_told() {
        let mut branch = BranchRecord::default();
        let first = tell(&mut branch, None, "c1");
        // c1 to c2, to c3, to c4: none of them was told.
        let place = branch.next_place(Timestamp::UNIX_EPOCH);
        branch.add(PlacedPush {
            place,
            before: Some("c1".to_owned()),
            after: "c4".to_owned(),
            run_id: "found".parse().expect("an id"),
            found: true,
        });
        let second = tell(&mut branch, Some("c1"), "c2");
        assert_eq!(tell(&mut branch, Some("c3"), "c4"), place, "it is the one that was found");
        let third = tell(&mut branch, Some("c2"), "c3");
        assert!(first < second && second < third && third < place);
        assert!(tell(&mut branch, Some("c4"), "c5") > place);
    }

    #[test]
    fn who_names_a_commit_means_the_last_push_of_it() {
        let mut branch = BranchRecord::default();
        let places: Vec<_> = [(None, "c1"), (Some("c1"), "c2"), (Some("c2"), "c1")]
            .iter()
            .map(|(b, a)| tell(&mut branch, *b, a))
            .collect();
        let by_name = |branch: &BranchRecord, after: &str| {
            branch.knows(&Way { before: None, after, told_by_host: false })
        };
        let Known::Seen(push) = by_name(&branch, "c1") else { panic!("it is known") };
        assert_eq!(push.place, places[2]);
        assert_eq!(by_name(&branch, "c9"), Known::Unknown);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut branch = BranchRecord::default();
        for number in 0..1_000 {
            tell(&mut branch, Some(&format!("c{number}")), &format!("c{}", number + 1));
        }
        assert_eq!(branch.pushes().len(), MAX_PUSHES);
    }

    proptest! {
        /// A branch that only goes forward, told in any order within a window, with repetitions:
        /// each push has one place, and where a push and the one it went on from are both told
        /// before anything else is made of them, they are in order. The newest is always last once
        /// the one before it was told.
        #[test]
        fn forward_pushes_told_twice_have_one_place_in_order(
            count in 1usize..20, again in prop::collection::vec(any::<prop::sample::Index>(), 0..20)
        ) {
            let mut branch = BranchRecord::default();
            let commit = |number: usize| format!("c{number}");
            let mut places = Vec::new();
            for number in 0..count {
                let before = number.checked_sub(1).map(commit);
                places.push(tell(&mut branch, before.as_deref(), &commit(number)));
                for index in &again {
                    let one = index.index(number + 1);
                    let before = one.checked_sub(1).map(commit);
                    prop_assert_eq!(tell(&mut branch, before.as_deref(), &commit(one)), places[one]);
                }
            }
            prop_assert!(places.is_sorted_by(|a, b| a < b));
        }

        /// Two neighbours told in the wrong order have the right places.
        #[test]
        fn neighbours_in_the_wrong_order_are_put_right(count in 2usize..20, swap in any::<prop::sample::Index>()) {
            let swap = swap.index(count - 1);
            let mut order: Vec<usize> = (0..count).collect();
            order.swap(swap, swap + 1);
            let mut branch = BranchRecord::default();
            let mut places = vec![0; count];
            for number in order {
                let before = number.checked_sub(1).map(|n| format!("c{n}"));
                places[number] = tell(&mut branch, before.as_deref(), &format!("c{number}"));
            }
            prop_assert!(places.is_sorted_by(|a, b| a < b), "{:?}", places);
        }

        /// Whatever is told, nothing panics, and a new push that goes on from the head is the last.
        #[test]
        fn any_story_has_an_order(story in prop::collection::vec((0u8..5, 0u8..5), 0..80)) {
            let mut branch = BranchRecord::default();
            for (before, after) in story {
                let (before, after) = (format!("c{before}"), format!("c{after}"));
                let head = branch.pushes().last().cloned();
                let place = tell(&mut branch, Some(&before), &after);
                if head.is_some_and(|head| head.after == before && head.after != after) {
                    prop_assert_eq!(branch.pushes().last().map(|push| push.place), Some(place));
                }
                prop_assert!(branch.pushes().is_sorted_by(|a, b| a.place <= b.place));
            }
        }
    }
}
