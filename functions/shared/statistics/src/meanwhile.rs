//! A release against the one before **at the same time**, where both could be asked.
//!
//! What was measured before the release was measured on another machine, as it were: another load, another
//! neighbour. So what is worse than before counts only where it is worse than the release before at the same
//! time as well. The release that is judged has everybody's requests and the one before may be idle, so that
//! to be worse than that alone proves nothing.
//!
//! Failures of all the requests are held against those of the one before, as some may show only where
//! everybody's requests go; latencies are those of requests that took the same way to either.

use pact_contract::actions::{Beside, Compared, Comparison, Metrics};

use crate::{
    errors::{self, LIMIT, Part, exceeds, share, shares, slower},
    latency::{self, Found},
    row::{Row, round, shown},
    sample::{MIN_LATENCIES, latencies},
};

/// With so few requests to the one before a share of them can be told from another, where it is clear.
pub(crate) const MIN_REQUESTS: u64 = 5;

/// Holds what is worse than before against the release before at the same time.
pub(crate) fn held(rows: Vec<Comparison>, beside: &Beside, now: &Metrics) -> Vec<Comparison> {
    let bad = |row: &Comparison| matches!(row.outcome, Compared::Worse | Compared::Unsure);
    if !rows.iter().any(bad) {
        return rows;
    }
    let found = found(beside, now);
    let latencies = found.iter().any(|seen| seen.unit == "ms");
    let weighed = rows.into_iter().map(|mut row| {
        match found.iter().find(|seen| seen.metric == row.metric) {
            _ if !bad(&row) => {}
            Some(seen) => weigh(&mut row, seen),
            // A rare tail needs more of the one before than there is yet: it may be the time.
            None if latencies && row.unit == "ms" => {
                row.outcome = Compared::Unsure;
                row.message
                    .push_str("; at the same time there is too little for the release before");
            }
            None => {}
        }
        row
    });
    weighed.collect()
}

/// Every metric against the release before at the same time, where there is enough of it.
fn found(beside: &Beside, now: &Metrics) -> Vec<Row> {
    let Beside { new, old } = beside;
    let mut rows = Vec::new();
    if old.requests >= MIN_REQUESTS {
        rows.push(errors::compare(old, now, true));
    }
    if let (Some(old), Some(sample)) =
        (latencies(old, MIN_LATENCIES), latencies(new, MIN_LATENCIES))
    {
        rows.extend(latency::compare(&old, &sample, new).into_iter().filter_map(
            |found| match found {
                Found::Row(row) => Some(row),
                Found::Not(_) => None,
            },
        ));
    }
    rows
}

pub(crate) fn weigh(row: &mut Comparison, seen: &Row) {
    let Some(old) = seen.before else { return };
    let (now, before) = (shown(seen.now, seen.unit), shown(old, seen.unit));
    // A trend is held against the release's own beginning, unless the one before has the same.
    let whose = if seen.metric == "trend" { "in its first half" } else { "for the release before" };
    let both = format!("{now}, and {before} {whose}");
    row.meanwhile = Some(round(old));
    match seen.meanwhile() {
        Compared::Worse => {
            row.message.push_str(&format!("; at the same time {both}, which is worse as well"));
        }
        Compared::Unsure => {
            row.outcome = Compared::Unsure;
            row.message.push_str(&format!("; at the same time {both}, which may be chance"));
        }
        _ => excuse(row, &both),
    }
}

/// It is no worse than the release before is now: what changed is around both.
fn excuse(row: &mut Comparison, both: &str) {
    row.outcome = Compared::Same;
    row.would_pass = None;
    row.message = row.message.replacen(" is worse:", " is worse than before:", 1);
    row.message.push_str(&format!("; at the same time {both}, which is no worse"));
}

/// A limit that is not kept speaks against the release only where the one before keeps to it at the same
/// time; and what is within the limit, but more than before, only where it is more than then too.
pub(crate) fn limit(
    row: &mut Comparison,
    metric: &'static str,
    (old, new): (Part, Part),
    limit: f64,
) {
    if !matches!(row.outcome, Compared::Worse | Compared::Unsure) {
        return;
    }
    let both = shares((metric, ""), LIMIT, old, new);
    if share(new.counted) <= limit || exceeds(old, limit) {
        weigh(row, &both);
    } else if both.meanwhile() != Compared::Worse {
        // The one before keeps to it, if only by a little.
        row.outcome = Compared::Unsure;
    }
}

/// What failed of the one before, where it was asked often enough.
pub(crate) fn failed(now: &Metrics) -> Option<Part> {
    let old = now.beside.as_ref().map(|beside| &beside.old)?;
    (old.requests >= MIN_REQUESTS).then(|| Part::failed(old))
}

/// What took too long of either, where both were asked often enough.
pub(crate) fn slow(now: &Metrics, limit_ms: f64) -> Option<(Part, Part)> {
    let beside = now.beside.as_ref()?;
    let (old, new) = (slower(&beside.old, limit_ms), slower(&beside.new, limit_ms));
    (old.counted.1.min(new.counted.1) >= MIN_REQUESTS).then_some((old, new))
}
