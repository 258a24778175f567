//! Every metric of a release against that of the release before.

use pact_contract::actions::{Comparison, Metrics};

use crate::{
    errors,
    latency::{self, Found},
    meanwhile,
    row::not_compared,
    sample::{MIN_LATENCIES, Sample, latencies},
    traffic,
};

/// During the watch a few do, where they are clear.
const MIN_AT_STEP: u64 = 5;
/// For how many seconds latencies are seen before a watch can end by them: a process that has just begun
/// is slow for a moment, and so is one on a machine that is busy for one. An error waits for nothing.
const SETTLED_SECONDS: f64 = 2.0;
/// Compares. Empty where there is nothing before.
#[must_use]
pub fn compare(baseline: Option<&Metrics>, now: &Metrics) -> Vec<Comparison> {
    let Some(before) = baseline.filter(|before| before.requests > 0) else { return Vec::new() };
    if now.requests == 0 {
        return Vec::new();
    }
    let everybodys = traffic::compare(before, now);
    let rows = with_before(before, now, everybodys.is_none());
    let mut rows = match &now.beside {
        Some(beside) => meanwhile::held(rows, beside, now),
        None => rows,
    };
    rows.extend(everybodys);
    rows
}

fn with_before(before: &Metrics, now: &Metrics, alone: bool) -> Vec<Comparison> {
    let mut rows = vec![errors::compare(before, now, alone).judged(now.look)];
    let stepping = matches!(now.look, Some(pact_contract::actions::Look::Step(_)));
    if stepping && now.seconds > 0.0 && now.seconds < SETTLED_SECONDS {
        let samples = (before.latencies_ms.len() as u64, now.latencies_ms.len() as u64);
        let message = format!(
            "latencies are not compared yet: seen for {:.1} s, {SETTLED_SECONDS} s are needed",
            now.seconds
        );
        rows.push(not_compared("latency-median", "ms", samples, message));
        return rows;
    }
    let least = if stepping { MIN_AT_STEP } else { MIN_LATENCIES };
    match (latencies(before, MIN_LATENCIES), latencies(now, least)) {
        (Some(before), Some(now_sample)) => {
            let found = latency::compare(&before, &now_sample, now).into_iter();
            rows.extend(found.map(|found| match found {
                Found::Row(row) => row.judged(now.look),
                Found::Not(row) => row,
            }));
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

#[cfg(test)]
mod tests {
    use pact_contract::actions::{Beside, Compared, Look};

    use super::*;

    /// Answers of which each fifth takes longer.
    fn measured(ms: f64) -> Metrics {
        let latencies_ms = (0..120).map(|n| ms + f64::from(n % 5)).collect();
        Metrics { requests: 120, latencies_ms, ..Metrics::default() }
    }

    fn worse(before: &Metrics, now: &Metrics) -> Vec<String> {
        let rows = compare(Some(before), now).into_iter();
        rows.filter(|row| row.outcome == Compared::Worse).map(|row| row.metric).collect()
    }

    #[test]
    fn a_watch_ends_by_latency_only_once_the_release_has_settled() {
        let before = measured(10.0);
        let at = |seconds| Metrics { seconds, look: Some(Look::Step(14)), ..measured(60.0) };
        assert_eq!(worse(&before, &at(1.9)), Vec::<String>::new());
        assert!(worse(&before, &at(2.0)).contains(&"latency-median".to_owned()));
        // One who does not know for how long is believed, and so is the end of a watch.
        assert!(!worse(&before, &at(0.0)).is_empty());
        assert!(!worse(&before, &Metrics { look: None, ..at(1.0) }).is_empty());
        let failing = Metrics { errors: 60, ..at(0.5) };
        assert_eq!(worse(&before, &failing), ["errors"], "an error waits for nothing");
    }

    #[test]
    fn what_fails_only_where_everybodys_requests_go_is_not_hidden_by_what_went_past_it() {
        let of = |requests, errors| Metrics { requests, errors, ..Metrics::default() };
        let before = of(247, 0);
        let look = Some(Look::Step(17));
        // A tenth of the others' requests meets the new one, which is well when it is asked for itself.
        let beside = Some(Box::new(Beside { new: of(120, 0), old: of(120, 0) }));
        let now = Metrics { beside, look, ..of(240, 12) };
        assert_eq!(worse(&before, &now), ["errors"]);
        assert_eq!(worse(&before, &Metrics { beside: None, ..now }), Vec::<String>::new());
    }

    #[test]
    fn what_is_slow_only_where_everybodys_requests_go_is_not_excused() {
        let before = Metrics { latencies_ms: [10.0; 250].to_vec(), ..measured(10.0) };
        // Half of its requests go everybody's way, and each tenth of those waits for something.
        let all = |slow: f64| -> Vec<f64> {
            (0..400).map(|n| if n % 20 == 0 { slow } else { 10.0 + f64::from(n % 7) }).collect()
        };
        let own =
            Metrics { requests: 200, latencies_ms: all(12.0)[..200].to_vec(), ..measured(10.0) };
        let beside = Some(Box::new(Beside { new: own.clone(), old: own }));
        let now = |slow| Metrics {
            requests: 400,
            latencies_ms: all(slow),
            beside: beside.clone(),
            ..measured(10.0)
        };
        let found = worse(&before, &now(1_000.0));
        assert!(found.iter().any(|metric| metric.starts_with("latency-")), "{found:?}");
        // What the way adds is nobody's.
        assert_eq!(worse(&before, &now(40.0)), Vec::<String>::new());
    }

    #[test]
    fn what_the_agent_may_have_added_is_not_the_releases_doing() {
        let before = measured(10.0);
        let late = |lag_ms| Metrics { lag_ms, ..measured(60.0) };
        assert!(worse(&before, &late(2.0)).contains(&"latency-median".to_owned()));
        assert_eq!(worse(&before, &late(20.0)), Vec::<String>::new());
        assert!(!worse(&before, &late(f64::NAN)).is_empty(), "no number is none");
    }
}
