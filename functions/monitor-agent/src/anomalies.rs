//! `monitor.detect_anomalies`: whether the service is worse than before the release.
//!
//! Two questions have to be answered with yes before anything is called an anomaly: is the
//! difference more than chance (a test), and is it large enough to matter (an effect size). The
//! second keeps a thousand requests from turning half a millisecond into an alarm.

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Finding, Severity, StageStatus,
    actions::{DetectAnomalies, DetectAnomaliesOutput, Metrics},
    codes,
};

use crate::stats;

/// Fewer requests or latencies than this say nothing.
const MIN_SAMPLES: usize = 20;
/// Latencies that are looked at; `monitor.track_metrics` hands on 500.
const MAX_SAMPLES: usize = 2_000;
/// How rarely chance alone may look like a difference: a release is taken back for it.
const SIGNIFICANCE: f64 = 0.001;
/// By how much the median has to grow, as a ratio …
const MIN_RATIO: f64 = 1.25;
/// … and in milliseconds.
const MIN_SHIFT_MS: f64 = 10.0;
/// By how much the share of errors has to grow, in percentage points.
const MIN_ERROR_RISE: f64 = 1.0;

pub(crate) fn detect(call: &Call) -> Result<Outcome, AgentError> {
    let parameters: DetectAnomalies = call.parameters()?;
    compare(parameters.baseline.as_ref(), &parameters.metrics)
}

fn compare(baseline: Option<&Metrics>, now: &Metrics) -> Result<Outcome, AgentError> {
    let skipped = |reason: String| {
        Outcome::new(StageStatus::Skipped, reason, &DetectAnomaliesOutput::default())
    };
    let Some(before) = baseline else {
        return skipped(
            "nothing to compare with: nothing was measured before the release".to_owned(),
        );
    };
    for (metrics, when) in [(before, "before"), (now, "after")] {
        if metrics.requests < MIN_SAMPLES as u64 {
            return skipped(format!(
                "too little to compare: {} requests {when} the release, at least {MIN_SAMPLES} are \
                 needed",
                metrics.requests
            ));
        }
    }
    let findings: Vec<Finding> =
        [errors(before, now), latency(before, now)].into_iter().flatten().collect();
    let output = DetectAnomaliesOutput {
        compared: true,
        anomalies: findings.iter().map(|f| f.message.clone()).collect(),
    };
    if !findings.is_empty() {
        let summary = output.anomalies.join("; ");
        return Ok(Outcome::new(StageStatus::Failed, summary, &output)?.with_findings(findings));
    }
    let mut summary =
        format!("no anomaly: {:.1} % errors ({:.1} % before)", rate(now), rate(before));
    match (median_of(before), median_of(now)) {
        (Some(old), Some(new)) => {
            summary.push_str(&format!(", median {new:.1} ms ({old:.1} ms before)"));
        }
        _ => summary.push_str(", too few answers to compare latencies"),
    }
    Outcome::new(StageStatus::Passed, summary, &output)
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no exact counts")]
fn rate(metrics: &Metrics) -> f64 {
    metrics.errors.min(metrics.requests) as f64 * 100.0 / metrics.requests.max(1) as f64
}

fn errors(before: &Metrics, now: &Metrics) -> Option<Finding> {
    let counts = |m: &Metrics| (m.errors.min(m.requests), m.requests);
    let p = stats::more_failures(counts(before), counts(now))?;
    let (old, new) = (rate(before), rate(now));
    if p >= SIGNIFICANCE || new - old < MIN_ERROR_RISE {
        return None;
    }
    Some(
        Finding::new(
            codes::ERROR_RATE_REGRESSION,
            Severity::Critical,
            format!(
                "errors rose from {old:.1} % ({} of {}) to {new:.1} % ({} of {})",
                before.errors, before.requests, now.errors, now.requests
            ),
        )
        .remedy("find out why requests fail that did not fail before")
        .evidence(format!("Fisher's exact test: p = {}", small(p))),
    )
}

/// The latencies, when there are enough.
fn latencies(metrics: &Metrics) -> Option<Vec<f64>> {
    let values = stats::thinned(&metrics.latencies_ms, MAX_SAMPLES);
    (values.len() >= MIN_SAMPLES).then_some(values)
}

fn median_of(metrics: &Metrics) -> Option<f64> {
    stats::median(&latencies(metrics)?)
}

fn latency(before: &Metrics, now: &Metrics) -> Option<Finding> {
    let (old, new) = (latencies(before)?, latencies(now)?);
    let p = stats::shift_up(&old, &new)?;
    let (old, new) = (stats::median(&old)?, stats::median(&new)?);
    let large = new - old >= MIN_SHIFT_MS && new >= old * MIN_RATIO;
    if p >= SIGNIFICANCE || !large {
        return None;
    }
    let growth =
        if old > 0.0 { format!(", {:.1} times as long", new / old) } else { String::new() };
    Some(
        Finding::new(
            codes::LATENCY_REGRESSION,
            Severity::High,
            format!("the median latency rose from {old:.1} ms to {new:.1} ms{growth}"),
        )
        .remedy(format!(
            "bring the median below {:.1} ms",
            (old + MIN_SHIFT_MS).max(old * MIN_RATIO)
        ))
        .evidence(format!("Mann-Whitney U test: p = {}", small(p))),
    )
}

fn small(p: f64) -> String {
    if p < 0.0001 { "below 0.0001".to_owned() } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A small generator with a fixed sequence for each seed (xorshift64*).
    struct Random(u64);

    impl Random {
        fn new(seed: u64) -> Self {
            let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            (0..8).for_each(|_| {
                random.next();
            });
            random
        }

        /// Uniform between 0 and 1, neither included.
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
            (bits as f64 + 0.5) / (1u64 << 53) as f64
        }

        /// Log-normal with this median: the shape that latencies have.
        fn latency(&mut self, median: f64, spread: f64) -> f64 {
            let normal =
                (-2.0 * self.next().ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos();
            median * (spread * normal).exp()
        }
    }

    fn metrics(random: &mut Random, requests: u64, median: f64, error_rate: f64) -> Metrics {
        let mut metrics = Metrics { requests, ..Metrics::default() };
        for _ in 0..requests {
            if random.next() < error_rate {
                metrics.errors += 1;
            } else {
                metrics.latencies_ms.push(random.latency(median, 0.6));
            }
        }
        metrics
    }

    const SEEDS: u64 = 200;

    fn alarms(requests: u64, medians: (f64, f64), errors: (f64, f64)) -> usize {
        (0..SEEDS)
            .filter(|seed| {
                let random = &mut Random::new(*seed);
                let before = metrics(random, requests, medians.0, errors.0);
                let now = metrics(random, requests, medians.1, errors.1);
                compare(Some(&before), &now).expect("a verdict").status == StageStatus::Failed
            })
            .count()
    }

    #[test]
    fn the_same_service_rarely_alarms() {
        for (requests, median, errors) in
            [(20, 80.0, 0.0), (50, 5.0, 0.02), (50, 200.0, 0.05), (200, 40.0, 0.01)]
        {
            let alarms = alarms(requests, (median, median), (errors, errors));
            assert!(alarms <= 1, "{alarms} of {SEEDS} with {requests} requests of {median} ms");
        }
    }

    #[test]
    fn a_difference_too_small_to_matter_never_alarms() {
        assert_eq!(alarms(300, (2.0, 6.0), (0.0, 0.0)), 0, "4 ms more");
        assert_eq!(alarms(300, (400.0, 420.0), (0.0, 0.0)), 0, "5 % more");
    }

    #[test]
    fn a_clear_difference_is_found() {
        assert!(alarms(50, (40.0, 80.0), (0.0, 0.0)) >= 195, "twice as slow");
        assert!(alarms(50, (40.0, 40.0), (0.0, 0.4)) >= 195, "40 % errors");
        assert_eq!(alarms(200, (40.0, 80.0), (0.0, 0.2)), 200, "both");
    }

    #[test]
    fn better_than_before_is_no_anomaly() {
        assert_eq!(alarms(100, (80.0, 40.0), (0.2, 0.0)), 0);
    }

    #[test]
    fn what_cannot_be_compared_is_skipped_with_the_reason() {
        let random = &mut Random::new(1);
        let (few, many) = (metrics(random, 19, 40.0, 0.0), metrics(random, 40, 40.0, 0.0));
        for (baseline, now, reason) in [
            (None, &many, "nothing to compare with"),
            (Some(&few), &many, "too little to compare: 19 requests before"),
            (Some(&many), &few, "too little to compare: 19 requests after"),
        ] {
            let outcome = compare(baseline, now).expect("a verdict");
            assert_eq!(outcome.status, StageStatus::Skipped);
            assert!(outcome.summary.starts_with(reason), "{}", outcome.summary);
            assert_eq!(outcome.output["compared"], false);
        }
    }

    #[test]
    fn a_service_that_only_fails_is_an_anomaly_without_any_latency() {
        let random = &mut Random::new(1);
        let (before, now) = (metrics(random, 40, 40.0, 0.0), metrics(random, 40, 40.0, 1.0));
        let outcome = compare(Some(&before), &now).expect("a verdict");
        assert_eq!(outcome.status, StageStatus::Failed);
        assert_eq!(outcome.summary, "errors rose from 0.0 % (0 of 40) to 100.0 % (40 of 40)");
        assert_eq!(
            outcome.findings[0].evidence.as_deref(),
            Some("Fisher's exact test: p = below 0.0001")
        );
    }

    proptest! {
        #[test]
        fn any_numbers_have_a_verdict(
            requests: (u64, u64), errors: (u64, u64),
            before in proptest::collection::vec(any::<f64>(), 0..60),
            now in proptest::collection::vec(any::<f64>(), 0..60),
        ) {
            let of = |requests, errors, latencies_ms| Metrics { requests, errors, latencies_ms, ..Metrics::default() };
            let (before, now) = (of(requests.0, errors.0, before), of(requests.1, errors.1, now));
            prop_assert!(compare(Some(&before), &now).is_ok());
        }
    }
}
