//! Failed requests of two releases.

use pact_contract::actions::Metrics;

use crate::{
    chance::{above, difference, fisher, real, share_rose},
    clumps::clumping,
    row::{FAILURES, OF_EVERYBODY, Row},
};

/// By how much the share may grow: a quarter …
const RATIO: f64 = 1.25;
/// … or half a percentage point, whichever is more.
const LEAST: f64 = 0.005;
/// How likely it has to be that the release before was above the limit too, for the limit not to
/// speak against this one as long as it is no worse.
const AS_BEFORE: f64 = 0.1;
/// The weight of a limit, where it is compared with the release before.
pub(crate) const LIMIT: f64 = 0.15;
/// Below which chance fewer failures are no chance.
const BETTER: f64 = 0.05;

/// Failures and requests. Numbers that nobody measures are made smaller, which only makes the tests
/// more cautious.
pub(crate) fn counts(metrics: &Metrics) -> (u64, u64) {
    const MOST: u32 = 30;
    let smaller = (u64::BITS - metrics.requests.leading_zeros()).saturating_sub(MOST);
    (metrics.errors.min(metrics.requests) >> smaller, metrics.requests >> smaller)
}

pub(crate) fn share((found, all): (u64, u64)) -> f64 {
    real(found) / real(all.max(1))
}

/// Some of a number of requests, and for how many of them one counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) counted: (u64, u64),
    pub(crate) clumped: f64,
}

impl Part {
    /// The failed ones.
    pub(crate) fn failed(metrics: &Metrics) -> Self {
        Self { counted: counts(metrics), clumped: metrics.clumped }
    }

    /// As many as say something of their own; of those that are looked for rather one too few.
    pub(crate) fn said(self) -> (u64, u64) {
        let (found, all) = self.counted;
        if self.clumped.is_nan() || self.clumped <= 1.0 {
            return self.counted;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of requests, made smaller"
        )]
        let fewer = |count: u64| (real(count) / self.clumped) as u64;
        let all = fewer(all).max(1);
        (fewer(found).min(all), all)
    }
}

pub(crate) fn tolerated(share: f64) -> f64 {
    (share * RATIO).max(share + LEAST)
}

/// The failed ones of all, and, where the release was asked by an address of its own as well, of those that
/// went where everybody's go: what shows only there is not to be hidden by what went past it.
pub(crate) fn ways(now: &Metrics) -> Vec<Part> {
    let all = Part::failed(now);
    let Some(own) = now.beside.as_ref().map(|beside| counts(&beside.new)) else { return vec![all] };
    let left = |all: u64, own: u64| all.saturating_sub(own);
    let front = (left(all.counted.0, own.0), left(all.counted.1, own.1));
    match front {
        (_, 0) => vec![all],
        counted => vec![all, Part { counted, ..all }],
    }
}

/// The graver of all that were seen, which share the row's part of the false alarms.
pub(crate) fn graver(ways: &[Part], weight: f64, row: impl Fn(f64, Part) -> Row) -> Option<Row> {
    let each = weight / real(ways.len().max(1) as u64);
    let rows = ways.iter().map(|part| row(each, *part));
    rows.min_by(|one, other| one.chance.total_cmp(&other.chance))
}

/// What all rows of failures have of the false alarms.
const WEIGHT: f64 = 0.2;

/// Compares; `alone`: what everybody's requests came to is not compared beside it.
pub(crate) fn compare(before: &Metrics, now: &Metrics, alone: bool) -> Row {
    let weight = if alone { WEIGHT } else { WEIGHT / 2.0 };
    let names = (FAILURES, "the share of failed requests");
    let row = |weight, part| shares(names, weight, Part::failed(before), part);
    graver(&ways(now), weight, row).unwrap_or_else(|| row(weight, Part::failed(now)))
}

/// Compares what everybody's requests came to.
pub(crate) fn of_everybody(before: &Metrics, now: &Metrics) -> Row {
    let names = (OF_EVERYBODY, "the share of everybody's requests that failed");
    shares(names, WEIGHT / 2.0, Part::failed(before), Part::failed(now))
}

/// Whether it was above the limit too, or may well have been.
pub(crate) fn exceeds(part: Part, limit: f64) -> bool {
    let said = part.said();
    share(part.counted) > limit || above(said.0, said.1, limit) >= AS_BEFORE
}

/// Answers that took longer, of how many.
pub(crate) fn slower(metrics: &Metrics, limit: f64) -> Part {
    let known = metrics.latencies_ms.iter().filter(|ms| ms.is_finite());
    let slow: Vec<bool> = known.map(|ms| *ms > limit).collect();
    let found = slow.iter().filter(|slow| **slow).count();
    let clumped = clumping(&slow, metrics.together as usize);
    Part { counted: (found as u64, slow.len() as u64), clumped }
}

/// Compares two shares.
pub(crate) fn shares(
    (metric, named): (&'static str, &'static str),
    weight: f64,
    old: Part,
    new: Part,
) -> Row {
    // One in which nothing failed does not show how failures come, and is taken to be as the other.
    let clumped = old.clumped.max(new.clumped);
    let [before, now] = [old, new].map(|part| Part { clumped, ..part }.said());
    let (low, high) = difference(before, now);
    let (from, to) = (share(old.counted), share(new.counted));
    Row {
        metric,
        named,
        unit: "%",
        before: Some(from * 100.0),
        now: to * 100.0,
        samples: (old.counted.1, new.counted.1),
        interval: Some((low * 100.0, high * 100.0)),
        chance: fisher(before, now),
        test: "Fisher's exact test",
        weight,
        tolerated: tolerated(from) * 100.0,
        likely: share_rose(before, now, tolerated),
        better: to < from && fisher(now, before) <= BETTER,
    }
}
