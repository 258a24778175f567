//! Failed requests of two releases.

use pact_contract::actions::{Comparison, Look, Metrics};

use crate::{
    chance::{difference, fisher, real, share_rose},
    row::Row,
};

/// By how much the share may grow: a quarter …
const RATIO: f64 = 1.25;
/// … or half a percentage point, whichever is more.
const LEAST: f64 = 0.005;
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

pub(crate) fn tolerated(share: f64) -> f64 {
    (share * RATIO).max(share + LEAST)
}

pub(crate) fn compare(before: &Metrics, now: &Metrics, look: Option<Look>) -> Comparison {
    let names = ("errors", "the share of failed requests");
    shares(names, 0.2, counts(before), counts(now)).judged(look)
}

/// Compares two shares.
pub(crate) fn shares(
    (metric, named): (&'static str, &'static str),
    weight: f64,
    before: (u64, u64),
    now: (u64, u64),
) -> Row {
    let (low, high) = difference(before, now);
    Row {
        metric,
        named,
        unit: "%",
        before: Some(share(before) * 100.0),
        now: share(now) * 100.0,
        samples: (before.1, now.1),
        interval: Some((low * 100.0, high * 100.0)),
        chance: fisher(before, now),
        test: "Fisher's exact test",
        weight,
        tolerated: tolerated(share(before)) * 100.0,
        likely: share_rose(before, now, tolerated),
        better: share(now) < share(before) && fisher(now, before) <= BETTER,
    }
}
