//! A release against the one before **at the same time**, where both could be asked.
//!
//! What was measured before the release was measured on another machine, as it were: another load, another
//! neighbour. So what is worse than before counts only where it is worse than the release before at the same
//! time as well. The release that is judged has everybody's requests and the one before may be idle, so that
//! to be worse than that alone proves nothing.
//!
//! Failures of all the requests are held against those of the one before, as some may show only where
//! everybody's requests go; latencies are those of requests that took the same way to either, unless they
//! are [`FAR`] longer than with the one before: no way adds as much, and all of them say it sooner.

use pact_contract::actions::{Beside, Compared, Comparison, Metrics};

use crate::{
    errors::{self, LIMIT, Part, exceeds, share, shares, slower},
    latency::{self, Found},
    row::{Row, round, shown},
    sample::{MIN_LATENCIES, latencies},
};

/// With so few requests to the one before a share of them can be told from another, where it is clear.
pub(crate) const MIN_REQUESTS: u64 = 5;
/// How many times as long an answer takes, by whatever way, for that to be the release's doing.
const FAR: f64 = 3.0;
/// And by at least this much, in milliseconds: everybody's way adds some.
const FAR_MS: f64 = 50.0;

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
    let Some(old) = latencies(old, MIN_LATENCIES) else { return rows };
    let against = |metrics: &Metrics| -> Vec<Row> {
        let sample = latencies(metrics, MIN_LATENCIES);
        let found = sample.map(|sample| latency::compare(&old, &sample, metrics));
        let row = |found| match found {
            Found::Row(row) => Some(row),
            Found::Not(_) => None,
        };
        found.into_iter().flatten().filter_map(row).collect()
    };
    let of_all = against(now).into_iter().filter(is_far);
    // By how much says more than how often.
    let far: Vec<Row> = of_all.map(|row| Row { weight: 1.0, ..row }).collect();
    let near =
        against(new).into_iter().filter(|own| far.iter().all(|row| row.metric != own.metric));
    let near: Vec<Row> = near.collect();
    rows.into_iter().chain(far).chain(near).collect()
}

/// Whether a release is so much slower, by whatever way, that this is no matter of the way.
fn is_far(row: &Row) -> bool {
    let far = |old: f64| row.now > FAR * old && row.now > old + FAR_MS;
    row.metric != "trend" && row.before.is_some_and(far)
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
    // By how much says more than how often.
    let far = share(new.counted) > FAR * share(old.counted);
    let both = shares((metric, ""), if far { 1.0 } else { LIMIT }, old, new);
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

/// What took too long of either, where both were asked often enough; `most`: the share of it that may.
pub(crate) fn slow(now: &Metrics, limit_ms: f64, most: f64) -> Option<(Part, Part)> {
    let beside = now.beside.as_ref()?;
    let [old, own, all] = [&beside.old, &beside.new, now].map(|metrics| slower(metrics, limit_ms));
    if old.counted.1.min(own.counted.1) < MIN_REQUESTS {
        return None;
    }
    let far = share(all.counted) > most.max(FAR * share(old.counted));
    Some((old, if far { all } else { own }))
}
