//! `monitor.detect_anomalies`: whether the service is worse than before the release.

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    Finding, FindingCode, Severity, StageStatus,
    actions::{Compared, Comparison, DetectAnomalies, DetectAnomaliesOutput, Look, Metrics},
    codes,
};
use pact_statistics::MIN_SAMPLES;

pub(crate) fn detect(call: &Call) -> Result<Outcome, AgentError> {
    let parameters: DetectAnomalies = call.parameters()?;
    compare(parameters.baseline.as_ref(), &parameters.metrics)
}

fn compare(baseline: Option<&Metrics>, now: &Metrics) -> Result<Outcome, AgentError> {
    let skipped = |reason: String, comparisons: Vec<Comparison>| {
        let output = DetectAnomaliesOutput { comparisons, ..DetectAnomaliesOutput::default() };
        Outcome::new(StageStatus::Skipped, reason, &output)
    };
    let Some(before) = baseline else {
        let reason = "nothing to compare with: nothing was measured before the release";
        return skipped(reason.to_owned(), Vec::new());
    };
    let comparisons = pact_statistics::compare(baseline, now);
    let early = matches!(now.look, Some(Look::Step(_)));
    for (metrics, when) in [(before, "before"), (now, "after")] {
        if metrics.requests < MIN_SAMPLES && !early {
            let reason = format!(
                "too little to compare: {} requests {when} the release, at least {MIN_SAMPLES} are \
                 needed",
                metrics.requests
            );
            return skipped(reason, comparisons);
        }
    }
    let worse = |row: &&Comparison| row.outcome == Compared::Worse;
    let findings: Vec<Finding> = comparisons.iter().filter(worse).map(finding).collect();
    let anomalies: Vec<String> = findings.iter().map(|f| f.message.clone()).collect();
    let (status, summary) = if anomalies.is_empty() {
        let beside = now.beside.as_ref().map_or_else(String::new, |beside| {
            let count = beside.old.requests;
            format!("; the release before was asked {count} times meanwhile")
        });
        (StageStatus::Passed, calm(&comparisons) + &beside)
    } else {
        (StageStatus::Failed, anomalies.join("; "))
    };
    let output = DetectAnomaliesOutput { compared: true, anomalies, comparisons };
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

fn finding(row: &Comparison) -> Finding {
    let (code, severity): (FindingCode, _) = if row.metric == "errors" {
        (codes::ERROR_RATE_REGRESSION, Severity::Critical)
    } else {
        (codes::LATENCY_REGRESSION, Severity::High)
    };
    let evidence = format!(
        "{} and {} samples; chance {}; {}",
        row.samples_before,
        row.samples_now,
        row.chance.unwrap_or(1.0),
        row.method
    );
    let finding = Finding::new(code, severity, row.message.clone()).evidence(evidence);
    match &row.would_pass {
        Some(would_pass) => finding.remedy(would_pass.clone()),
        None => finding,
    }
}

fn calm(comparisons: &[Comparison]) -> String {
    let unsure: Vec<&str> = comparisons
        .iter()
        .filter(|row| row.outcome == Compared::Unsure)
        .map(|row| row.message.as_str())
        .collect();
    if !unsure.is_empty() {
        return format!("not sure: {}", unsure.join("; "));
    }
    let said: Vec<String> = comparisons
        .iter()
        .filter(|row| matches!(row.metric.as_str(), "errors" | "latency-median"))
        .map(|row| match (row.before, row.now) {
            (Some(before), Some(now)) => {
                format!("{} {now} {} ({before} {} before)", row.metric, row.unit, row.unit)
            }
            _ => row.message.clone(),
        })
        .collect();
    format!("no anomaly: {}", said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn metrics(requests: u64, errors: u64, ms: f64) -> Metrics {
        let latencies_ms = (0..requests - errors).map(|i| ms + (i * 7 % 11) as f64 * ms / 40.0);
        Metrics { requests, errors, latencies_ms: latencies_ms.collect(), ..Metrics::default() }
    }

    fn outcome(before: &Metrics, now: &Metrics) -> Outcome {
        compare(Some(before), now).expect("a verdict")
    }

    #[test]
    fn what_is_worse_is_a_finding_with_its_numbers() {
        let before = metrics(60, 0, 40.0);
        let failing = outcome(&before, &metrics(60, 30, 40.0));
        assert_eq!(failing.status, StageStatus::Failed);
        assert_eq!(failing.findings[0].code, codes::ERROR_RATE_REGRESSION);
        let message = &failing.findings[0].message;
        assert!(message.contains("is worse: 50.0 %, 0.0 % before; the difference is"), "{message}");
        assert!(failing.findings[0].evidence.as_ref().is_some_and(|e| e.contains("Fisher")));
        let slow = outcome(&before, &metrics(60, 0, 90.0));
        assert_eq!(slow.findings[0].code, codes::LATENCY_REGRESSION);
        assert!(slow.summary.contains("the median latency is worse"), "{}", slow.summary);
        let same = outcome(&before, &before);
        assert_eq!(same.status, StageStatus::Passed);
        assert!(same.summary.starts_with("no anomaly: errors 0 %"), "{}", same.summary);
    }

    #[test]
    fn a_service_that_only_fails_is_an_anomaly_without_any_latency() {
        let outcome = outcome(&metrics(40, 0, 40.0), &metrics(40, 40, 40.0));
        assert_eq!(outcome.status, StageStatus::Failed);
        assert!(outcome.summary.contains("100.0 %"), "{}", outcome.summary);
    }

    #[test]
    fn what_cannot_be_compared_is_skipped_with_the_reason() {
        let (few, many) = (metrics(19, 0, 40.0), metrics(40, 0, 40.0));
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
    fn a_watch_that_ended_early_needs_no_more_than_what_is_clear() {
        let now = Metrics { look: Some(Look::Step(2)), ..metrics(8, 8, 40.0) };
        assert_eq!(outcome(&metrics(40, 0, 40.0), &now).status, StageStatus::Failed);
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
