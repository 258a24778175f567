//! Every metric of a release against that of the release before.

use pact_contract::actions::{Comparison, Metrics};

use crate::{
    errors, latency,
    row::not_compared,
    sample::{MIN_LATENCIES, Sample, thinned},
};

/// During the watch a few do, where they are clear.
const MIN_AT_STEP: u64 = 5;
/// Latencies that are looked at: what is handed on is bounded, what comes from outside may not be.
const MAX_LATENCIES: usize = 20_000;

/// The latencies of a release, when there are enough.
pub(crate) fn latencies(metrics: &Metrics, least: u64) -> Option<Sample> {
    let sample =
        Sample::new(&thinned(&metrics.latencies_ms, MAX_LATENCIES)).together(metrics.together);
    (sample.count() >= least).then_some(sample)
}

/// Compares. Empty where there is nothing before.
#[must_use]
pub fn compare(baseline: Option<&Metrics>, now: &Metrics) -> Vec<Comparison> {
    let Some(before) = baseline.filter(|before| before.requests > 0) else { return Vec::new() };
    if now.requests == 0 {
        return Vec::new();
    }
    let mut rows = vec![errors::compare(before, now, now.look)];
    let stepping = matches!(now.look, Some(pact_contract::actions::Look::Step(_)));
    let least = if stepping { MIN_AT_STEP } else { MIN_LATENCIES };
    match (latencies(before, MIN_LATENCIES), latencies(now, least)) {
        (Some(before), Some(now_sample)) => {
            rows.extend(latency::compare(&before, &now_sample, now.look));
        }
        (old, new) => {
            let count = |sample: Option<Sample>, metrics: &Metrics| {
                sample.map_or(metrics.latencies_ms.len() as u64, |s| s.count())
            };
            let samples = (count(old, before), count(new, now));
            let message = format!(
                "latencies are not compared: {} answers before and {} now, {MIN_LATENCIES} of each \
                 are needed",
                samples.0, samples.1
            );
            rows.push(not_compared("latency-median", "ms", samples, message));
        }
    }
    rows
}
