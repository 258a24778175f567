//! The limits of a watch. They hold for what a release does, not for what it found: where the
//! release before did not keep to one either, what counts is whether it became worse.

use pact_contract::{
    actions::{Compared, Comparison, Look, Metrics},
    settings::Watch,
};

use crate::{
    chance::{binomial, real},
    errors::{LIMIT, Part, counts, exceeds, share, shares, slower},
    latency::own_ms,
    meanwhile,
    row::{FAILURES, Row, not_compared, round},
    sample::MIN_LATENCIES,
};

/// The share of answers that may be slower than the 95th percentile.
const SLOW: f64 = 0.05;

/// Holds a release to its limits: failed requests, then slow answers.
#[must_use]
pub fn limits(now: &Metrics, baseline: Option<&Metrics>, watch: &Watch) -> Vec<Comparison> {
    let before = baseline.filter(|before| before.requests > 0);
    vec![failed(now, before, watch), slow(now, before, watch)]
}

fn failed(now: &Metrics, before: Option<&Metrics>, watch: &Watch) -> Comparison {
    let names = ("error-rate", "the share of failed requests");
    if now.requests == 0 {
        return not_compared(names.0, "%", (0, 0), "nothing was measured".to_owned());
    }
    let limit = watch.max_error_rate / 100.0;
    let mut row = held(names, 0.15, Part::failed(now), limit, now);
    row.message = format!(
        "{:.1} % of {} requests failed; at most {} %",
        share(counts(now)) * 100.0,
        now.requests,
        watch.max_error_rate
    );
    let mut row = excused(row, before.map(Part::failed), Part::failed(now), limit, now.look);
    if let Some(old) = meanwhile::failed(now) {
        meanwhile::limit(&mut row, FAILURES, (old, Part::failed(now)), limit);
    }
    row
}

/// A share against its limit: the exact binomial test.
fn held(
    (metric, named): (&'static str, &'static str),
    weight: f64,
    part: Part,
    limit: f64,
    metrics: &Metrics,
) -> Comparison {
    let (now, said) = (part.counted, part.said());
    let row = Row {
        metric,
        named,
        unit: "%",
        before: None,
        now: share(now) * 100.0,
        samples: (0, now.1),
        interval: None,
        chance: binomial(said.1, said.0, limit),
        test: "exact binomial test",
        weight,
        tolerated: limit * 100.0,
        // Above the limit, by however little, is not within it.
        likely: if share(now) > limit { 1.0 } else { 0.0 },
        better: false,
    };
    row.judged(metrics.look)
}

/// What the release before did as well is not this one's doing.
fn excused(
    mut row: Comparison,
    before: Option<Part>,
    now: Part,
    limit: f64,
    look: Option<Look>,
) -> Comparison {
    let Some(part) = before else { return row };
    let before = part.counted;
    row.before = Some(round(share(before) * 100.0));
    row.samples_before = before.1;
    row.message.push_str(&format!(" (before the release {:.1} %)", share(before) * 100.0));
    if !exceeds(part, limit) || !matches!(row.outcome, Compared::Worse | Compared::Unsure) {
        return row;
    }
    match shares(("", ""), LIMIT, part, now).outcome(look) {
        Compared::Worse => {}
        Compared::Unsure => row.outcome = Compared::Unsure,
        _ => {
            row.outcome = Compared::Same;
            row.would_pass = None;
            row.message.push_str(", which was no better");
        }
    }
    row
}

/// Answers that are slower than the limit of the 95th percentile: at most one in twenty, and not
/// more than before.
fn slow(now: &Metrics, before: Option<&Metrics>, watch: &Watch) -> Comparison {
    #[expect(clippy::cast_precision_loss, reason = "a latency limit is far below 2^52")]
    let limit = watch.max_p95_ms as f64 + own_ms(now);
    let mut row = slow_since(now, before, watch, limit);
    if let Some(both) = meanwhile::slow(now, limit, SLOW) {
        meanwhile::limit(&mut row, "slow", both, SLOW);
    }
    row
}

/// The same against the time before alone.
fn slow_since(now: &Metrics, before: Option<&Metrics>, watch: &Watch, limit: f64) -> Comparison {
    let names = ("latency-p95", "the share of slow answers");
    let message = format!(
        "the 95th percentile of the latency is {:.0} ms; at most {} ms",
        now.p95_ms, watch.max_p95_ms
    );
    let part = slower(now, limit);
    let counted = part.counted;
    if counted.1 == 0 {
        let answers = now.requests.saturating_sub(now.errors);
        let mut row = not_compared(names.0, "%", (0, 0), "no answer was measured".to_owned());
        // A source that has no single latencies has at least this number.
        if answers > 0 {
            row.message = message;
            row.outcome = if now.p95_ms <= limit { Compared::Same } else { Compared::Worse };
            row.would_pass = (row.outcome == Compared::Worse)
                .then(|| format!("a 95th percentile of {} ms or less", watch.max_p95_ms));
        }
        return row;
    }
    let mut absolute = held(names, 0.1, part, SLOW, now);
    absolute.message = message;
    absolute.would_pass = absolute
        .would_pass
        .map(|_| format!("at most 5 % of the answers slower than {} ms", watch.max_p95_ms));
    let old = before.map(|m| slower(m, limit)).filter(|old| old.counted.1 >= MIN_LATENCIES);
    let absolute = excused(absolute, old, part, SLOW, now.look);
    let Some(old) = old.filter(|_| counted.1 >= 5) else { return absolute };
    let mut relative = shares(names, LIMIT, old, part).judged(now.look);
    relative.message = format!(
        "{} of {} answers took longer than {limit:.0} ms, {} of {} before the release",
        counted.0, counted.1, old.counted.0, old.counted.1
    );
    // The graver of both.
    let gravity = |row: &Comparison| match row.outcome {
        Compared::Worse => 2,
        Compared::Unsure => 1,
        _ => 0,
    };
    if gravity(&relative) > gravity(&absolute) { relative } else { absolute }
}

/// Whether the release before failed more often than the limit allows.
pub(crate) fn was_broken(before: &Metrics, watch: &Watch) -> bool {
    before.requests > 0
        && real(counts(before).0) * 100.0 > watch.max_error_rate * real(before.requests)
}
