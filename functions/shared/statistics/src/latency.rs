//! Latencies of two releases: the middle, the tail, the spread, and whether they grow.

use pact_contract::actions::{Comparison, Metrics};

use crate::{
    chance::{hypergeometric, real},
    errors::Part,
    row::{Row, not_compared},
    sample::{MIN_LATENCIES, Sample, shifted_up},
};

/// Below which chance faster is no chance.
const BETTER: f64 = 0.05;
/// Fewer of the slowest prove nothing.
const LEAST_TAIL: u64 = 6;

/// What a latency may grow to.
#[derive(Clone, Copy)]
struct Tolerance {
    /// What may be the doing of who measured it.
    own_ms: f64,
}

impl Tolerance {
    /// By a quarter and by 10 ms; where it was short, five times and by 5 ms; and by what the agent may
    /// have added.
    fn of(self, ms: f64) -> f64 {
        (ms * 1.25).max(ms + 10.0).min((ms * 5.0).max(ms + 5.0)) + self.own_ms
    }
}

/// How much of a latency may be the doing of who measured it: who sends late reads late, and the answer
/// waits as the request did.
pub(crate) fn own_ms(metrics: &Metrics) -> f64 {
    if metrics.lag_ms.is_finite() { metrics.lag_ms.max(0.0) * 2.0 } else { 0.0 }
}

/// A part of the slow end of the distribution.
struct Tail {
    metric: &'static str,
    named: &'static str,
    /// The quantile that stands for it.
    quantile: f64,
    /// Which shares of the slowest answers of both are looked at.
    slowest: &'static [f64],
    /// Latencies of each that are needed.
    least: u64,
}

const TAILS: [Tail; 3] = [
    Tail {
        metric: "spread",
        named: "the slowest quarter (80th percentile of the latency)",
        quantile: 0.8,
        slowest: &[0.15, 0.25],
        least: MIN_LATENCIES,
    },
    Tail {
        metric: "latency-p95",
        named: "the 95th percentile of the latency",
        quantile: 0.95,
        slowest: &[0.05, 0.1],
        least: 60,
    },
    Tail {
        metric: "latency-p99",
        named: "the 99th percentile of the latency",
        quantile: 0.99,
        slowest: &[0.01, 0.015, 0.02, 0.03],
        least: 200,
    },
];

/// One metric: compared, or said to be not.
pub(crate) enum Found {
    Row(Row),
    Not(Comparison),
}

/// `measured`: as a whole, with what the agent may have added.
pub(crate) fn compare(before: &Sample, now: &Sample, measured: &Metrics) -> Vec<Found> {
    let tolerance = Tolerance { own_ms: own_ms(measured) };
    let mut rows = vec![Found::Row(median(before, now, tolerance))];
    for tail in &TAILS {
        let samples = (before.count(), now.count());
        if samples.0.min(samples.1) < tail.least {
            let message = format!(
                "{} is not compared: {} and {} answers, {} of each are needed",
                tail.named, samples.0, samples.1, tail.least
            );
            rows.push(Found::Not(not_compared(tail.metric, "ms", samples, message)));
        } else {
            rows.push(Found::Row(slow_end(tail, before, now, tolerance)));
        }
    }
    rows.push(Found::Row(growth(before, now, tolerance)));
    rows
}

/// The difference of a quantile, from the intervals of both (Zou and Donner, Statistics in Medicine
/// 27, 2008).
fn between(before: &Sample, now: &Sample, share: f64) -> (f64, f64) {
    let (old, new) = (before.quantile(share), now.quantile(share));
    let ((old_low, old_high), (new_low, new_high)) = (before.interval(share), now.interval(share));
    let difference = new - old;
    (
        difference - (new - new_low).hypot(old_high - old),
        difference + (new_high - new).hypot(old - old_low),
    )
}

fn median(before: &Sample, now: &Sample, tolerance: Tolerance) -> Row {
    let (old, new) = (before.median(), now.median());
    Row {
        metric: "latency-median",
        named: "the median latency",
        unit: "ms",
        before: Some(old),
        now: new,
        samples: (before.count(), now.count()),
        interval: Some(between(before, now, 0.5)),
        chance: shifted_up(before, now),
        test: "Mann-Whitney U test",
        weight: 0.12,
        tolerated: tolerance.of(old),
        likely: 1.0 - shifted_up(&before.map(|ms| tolerance.of(ms)), now),
        better: new < old && shifted_up(now, before) <= BETTER,
    }
}

/// How likely it is, when nothing changed, that so many of the slowest answers of both are of the
/// new release. Given the slowest, which of them are whose is drawn from an urn: the test is exact,
/// for every distribution, ties included. The least of several shares, times their number.
fn slowest(before: &Sample, now: &Sample, shares: &[f64]) -> f64 {
    let all = before.count() + now.count();
    let least = shares
        .iter()
        .filter_map(|share| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of the number of samples"
            )]
            let rank = (real(all) * share).round() as u64;
            let edge = ranked(&before.sorted, &now.sorted, rank.max(LEAST_TAIL))?;
            let at_least = |sample: &Sample| {
                (sample.len() - sample.sorted.partition_point(|v| *v < edge)) as u64
            };
            // Slow ones that came together count once, in both alike.
            let clumped = before.clumps(edge).max(now.clumps(edge));
            let said = |found: u64, all: u64| Part { counted: (found, all), clumped }.said();
            let (old, new) =
                (said(at_least(before), before.count()), said(at_least(now), now.count()));
            Some(hypergeometric(old.1 + new.1, old.0 + new.0, new.1, new.0))
        })
        .fold(1.0, f64::min);
    (least * real(shares.len() as u64)).min(1.0)
}

/// The value at this rank from above in both, which are sorted. None: there are not so many.
fn ranked(one: &[f64], other: &[f64], rank: u64) -> Option<f64> {
    let (mut one, mut other) = (one.iter().rev().peekable(), other.iter().rev().peekable());
    let mut value = None;
    for _ in 0..rank {
        value = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) if a >= b => one.next(),
            (_, Some(_)) => other.next(),
            (_, None) => one.next(),
        };
    }
    value.copied()
}

fn slow_end(tail: &Tail, before: &Sample, now: &Sample, tolerance: Tolerance) -> Row {
    let (old, new) = (before.quantile(tail.quantile), now.quantile(tail.quantile));
    Row {
        metric: tail.metric,
        named: tail.named,
        unit: "ms",
        before: Some(old),
        now: new,
        samples: (before.count(), now.count()),
        interval: Some(between(before, now, tail.quantile)),
        chance: slowest(before, now, tail.slowest),
        test: "exact test of the slowest answers",
        weight: 0.08,
        tolerated: tolerance.of(old),
        likely: 1.0 - slowest(&before.map(|ms| tolerance.of(ms)), now, tail.slowest),
        better: new < old && slowest(now, before, tail.slowest) <= BETTER,
    }
}

/// Whether the new release becomes slower while it is watched, as what leaks or fills up does: its
/// second half against its first, unless the one before did the same.
fn growth(before: &Sample, now: &Sample, tolerance: Tolerance) -> Row {
    let (first, second) = now.halves();
    let (old_first, old_second) = before.halves();
    let grew_before = shifted_up(&old_first, &old_second) < 0.1;
    let chance = if grew_before { 1.0 } else { shifted_up(&first, &second) };
    let start = first.median();
    Row {
        metric: "trend",
        named: "the median latency of the second half of the watch",
        unit: "ms",
        before: Some(start),
        now: second.median(),
        samples: (first.count(), second.count()),
        interval: Some(between(&first, &second, 0.5)),
        chance,
        test: "Mann-Whitney U test of both halves",
        weight: 0.04,
        tolerated: tolerance.of(start.max(before.median())),
        likely: if grew_before {
            0.0
        } else {
            1.0 - shifted_up(&first.map(|v| tolerance.of(v.max(before.median()))), &second)
        },
        better: false,
    }
}
