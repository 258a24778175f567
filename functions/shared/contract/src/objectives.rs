//! Service level objectives of an environment, and the budget of errors that they leave.
//!
//! An objective says which share of the requests is to be good within so many days; the rest is the
//! budget. What is counted is what the scheduled watch measures. Terms and the two windows of a burn
//! rate are those of Google's Site Reliability Workbook, chapter 5
//! (<https://sre.google/workbook/alerting-on-slos/>).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::schema::SchemaVersion;

/// What is promised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objectives {
    /// Which share of the requests succeeds, in percent.
    pub availability: f64,
    /// Within how many milliseconds an answer is a fast one; none: how fast they are is not promised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Which share of the answers is fast, in percent.
    pub latency_share: f64,
    /// Within how many days.
    pub days: u32,
}

impl Default for Objectives {
    fn default() -> Self {
        Self { availability: 99.9, latency_ms: None, latency_share: 95.0, days: 28 }
    }
}

impl Objectives {
    /// Each promise: what is counted against it, what it is called, and the share of requests that it
    /// leaves.
    pub fn each(&self) -> impl Iterator<Item = (Sli, f64)> {
        let left = |percent: f64| ((100.0 - percent) / 100.0).clamp(0.0, 1.0);
        let fast = self.latency_ms.map(|_| (Sli::Latency, left(self.latency_share)));
        [(Sli::Availability, left(self.availability))].into_iter().chain(fast)
    }
}

/// What is counted against a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sli {
    /// Requests that failed.
    Availability,
    /// Answers that took too long.
    Latency,
}

impl Sli {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Latency => "latency",
        }
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that were answered, and too late.
    pub slow: u64,
}

impl Counts {
    /// Those that count against a promise.
    #[must_use]
    pub const fn against(&self, sli: Sli) -> u64 {
        match sli {
            Sli::Availability => self.errors,
            Sli::Latency => self.slow,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

/// What was counted in one piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Which piece: its begin since the epoch, in units of its length.
    pub at: i64,
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
}

/// What an environment used of its budget. Small: days for the budget, and pieces of five minutes for
/// how fast it burns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Version of this type.
    pub schema: SchemaVersion,
    days: Vec<Piece>,
    recent: Vec<Piece>,
}

/// Length of a day, and of a piece of the recent past, in seconds.
const DAY: i64 = 86_400;
const PIECE: i64 = 300;
/// Most days, and most pieces of the recent past: six hours.
pub const MAX_DAYS: u32 = 90;
const MAX_PIECES: i64 = 72;

impl Default for Budget {
    fn default() -> Self {
        Self { schema: Self::VERSION, days: Vec::new(), recent: Vec::new() }
    }
}

impl Budget {
    /// Version in which it is written.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST;

    /// Counts what was measured at a time, and forgets what is too long ago.
    pub fn count(&mut self, counts: &Counts, now: Timestamp) {
        let second = now.as_second();
        add(&mut self.days, second.div_euclid(DAY), counts, i64::from(MAX_DAYS));
        add(&mut self.recent, second.div_euclid(PIECE), counts, MAX_PIECES);
    }

    /// What was counted in the last so many days, today included.
    #[must_use]
    pub fn within_days(&self, days: u32, now: Timestamp) -> Counts {
        sum(&self.days, now.as_second().div_euclid(DAY), i64::from(days))
    }

    /// What was counted in the last so many minutes, up to six hours, in pieces of five minutes.
    #[must_use]
    pub fn within_minutes(&self, minutes: i64, now: Timestamp) -> Counts {
        sum(&self.recent, now.as_second().div_euclid(PIECE), (minutes * 60).div_euclid(PIECE) + 1)
    }

    /// What was counted in each five minutes of the last six hours, the earliest first; none where nothing
    /// was.
    pub fn recent(&self, now: Timestamp) -> impl Iterator<Item = Option<Counts>> + '_ {
        let last = now.as_second().div_euclid(PIECE);
        (last - MAX_PIECES + 1..=last)
            .map(|at| self.recent.iter().find(|piece| piece.at == at).map(|piece| piece.counts))
    }

    /// How long ago a time is in pieces of five minutes, from 0, where it is within these six hours.
    #[must_use]
    pub fn pieces_since(at: Timestamp, now: Timestamp) -> Option<u8> {
        let piece = |at: Timestamp| at.as_second().div_euclid(PIECE);
        let ago = piece(now).checked_sub(piece(at))?;
        (0..MAX_PIECES).contains(&ago).then(|| u8::try_from(ago).ok()).flatten()
    }

    /// How much of a promise's budget is left, as a share: 1 is all of it, and less than 0 more than
    /// there was. None where nothing was counted.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "no service has 2^52 requests in a quarter")]
    pub fn left(&self, sli: Sli, budget: f64, days: u32, now: Timestamp) -> Option<f64> {
        let counts = self.within_days(days, now);
        let allowed = counts.requests as f64 * budget;
        let used = counts.against(sli);
        match (counts.requests, used) {
            (0, _) => None,
            (_, 0) => Some(1.0),
            _ if allowed <= 0.0 => Some(f64::from(i8::MIN)),
            _ => Some((1.0 - used as f64 / allowed).max(f64::from(i8::MIN))),
        }
    }
}

fn add(pieces: &mut Vec<Piece>, at: i64, counts: &Counts, keep: i64) {
    match pieces.iter_mut().find(|piece| piece.at == at) {
        Some(piece) => piece.counts.add(counts),
        None => pieces.push(Piece { at, counts: *counts }),
    }
    // A clock that was set back does not keep what is to come.
    pieces.retain(|piece| piece.at > at - keep && piece.at <= at);
}

fn sum(pieces: &[Piece], now: i64, last: i64) -> Counts {
    let mut all = Counts::default();
    for piece in pieces.iter().filter(|piece| piece.at > now - last && piece.at <= now) {
        all.add(&piece.counts);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).expect("a time")
    }

    #[test]
    fn six_hours_are_in_order_with_what_was_not_counted_left_open() {
        // The beginning of a piece.
        let at = |minute| at(minute) - jiff::SignedDuration::from_secs(200);
        let mut budget = Budget::default();
        for minute in [0, 3, 20, 359] {
            budget.count(&counts(10, 1), at(minute));
        }
        let now = at(359);
        let recent: Vec<_> = budget.recent(now).collect();
        assert_eq!(recent.len(), 72);
        let counted =
            |(at, piece): (usize, &Option<Counts>)| piece.map(|counts| (at, counts.requests));
        let found: Vec<_> = recent.iter().enumerate().filter_map(counted).collect();
        assert_eq!(found, [(0, 20), (4, 10), (71, 10)]);
        assert_eq!(Budget::pieces_since(at(20), now), Some(67));
        assert_eq!(Budget::pieces_since(now, now), Some(0));
        assert_eq!(Budget::pieces_since(at(-600), now), None);
        assert_eq!(Budget::pieces_since(at(600), now), None);
    }

    fn counts(requests: u64, errors: u64) -> Counts {
        Counts { requests, errors, slow: 0 }
    }

    #[test]
    fn it_counts_by_days_and_by_five_minutes_and_forgets() {
        let mut budget = Budget::default();
        for minute in 0..200 * 24 * 12 {
            budget.count(&counts(10, u64::from(minute % 12 == 0)), at(minute * 5));
        }
        let end = at(200 * 24 * 60 - 5);
        assert_eq!((budget.days.len(), budget.recent.len()), (90, 72));
        assert!(serde_json::to_vec(&budget).expect("json").len() < 12_000);
        assert_eq!(budget.within_minutes(55, end), counts(120, 1));
        assert_eq!(budget.within_minutes(0, end).requests, 10);
        let month = budget.within_days(28, end).requests;
        assert!((27 * 2_880..=28 * 2_880).contains(&month), "{month}");
    }

    #[test]
    fn what_is_left_is_a_share_of_what_the_promise_allows() {
        let (mut budget, one_of_thousand) = (Budget::default(), 0.001);
        let left = |budget: &Budget, share| budget.left(Sli::Availability, share, 28, at(0));
        assert_eq!(left(&budget, one_of_thousand), None);
        budget.count(&counts(10_000, 0), at(0));
        assert_eq!(left(&budget, one_of_thousand), Some(1.0));
        budget.count(&counts(10_000, 5), at(0));
        assert_eq!(left(&budget, one_of_thousand), Some(0.75));
        budget.count(&counts(0, 35), at(0));
        assert_eq!(left(&budget, one_of_thousand), Some(-1.0));
        assert!(left(&budget, 0.0).is_some_and(|left| left < 0.0), "nothing was allowed");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_breaks_nor_keeps_anything() {
        let mut budget = Budget::default();
        budget.count(&counts(10, 1), at(100_000));
        budget.count(&counts(10, 0), at(0));
        assert_eq!(budget.within_days(28, at(0)), counts(10, 0));
    }

    #[test]
    fn each_promise_leaves_its_share() {
        let one = Objectives { latency_ms: Some(300), ..Objectives::default() };
        let shares: Vec<_> =
            one.each().map(|(sli, left)| (sli, (left * 1e6).round() / 1e6)).collect();
        assert_eq!(shares, [(Sli::Availability, 0.001), (Sli::Latency, 0.05)]);
        assert_eq!(Objectives::default().each().count(), 1);
    }
}
