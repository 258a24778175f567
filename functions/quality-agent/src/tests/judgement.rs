//! Whether a release stays.

use super::*;

fn judged(before: Option<Metrics>, now: Metrics, watch: Watch) -> (JudgeReleaseOutput, String) {
    let anomalies = DetectAnomaliesOutput::default();
    judge(&JudgeRelease { metrics: now, baseline: before, anomalies, watch, weight: None })
}

#[test]
fn a_release_is_judged_by_what_it_replaces_and_by_its_limits() {
    use ReleaseVerdict::{Inconclusive, Keep, RollBack};
    let calm = || metrics(100, 0, 20.0);
    let nan = || Metrics { latencies_ms: Vec::new(), p95_ms: f64::NAN, ..calm() };
    for (before, now, verdict, text) in [
        (Some(calm()), calm(), Keep, "The release stays: 100 requests, 0 of them failed"),
        (None, calm(), Keep, "The release stays"),
        (None, metrics(100, 40, 20.0), RollBack, "40.0 % of 100 requests failed; at most 5 %"),
        (None, metrics(100, 6, 20.0), Inconclusive, "6.0 % of 100 requests failed; at most 5 %"),
        (None, metrics(100, 0, 900.0), RollBack, "the latency is 900 ms; at most 500 ms"),
        (None, nan(), RollBack, "NaN"),
        (Some(calm()), metrics(100, 0, 80.0), RollBack, "the median latency is worse: 90.0 ms"),
        (
            Some(metrics(600, 0, 20.0)),
            metrics(600, 24, 20.0),
            RollBack,
            "failed requests is worse: 4.00 %",
        ),
        // What is better than what it replaces stays, though it is not good.
        (Some(metrics(50, 50, 20.0)), metrics(100, 15, 20.0), Keep, "The release stays"),
        (Some(metrics(50, 15, 2.0)), metrics(50, 3, 700.0), Keep, "stays, with a warning"),
        (Some(calm()), metrics(19, 19, 20.0), Inconclusive, "19 requests during the watch"),
        (Some(metrics(9, 0, 20.0)), calm(), Inconclusive, "9 requests before the release"),
        (Some(calm()), Metrics::default(), Inconclusive, "no request was measured"),
    ] {
        let (output, summary) = judged(before, now, Watch::default());
        assert_eq!(output.verdict, verdict, "{summary}");
        assert!(summary.contains(text), "{summary}");
        let broken = output.reasons.iter().filter(|r| r.outcome == RuleOutcome::NotMet);
        for rule in broken {
            assert!(rule.would_pass.is_some(), "{rule:?}");
        }
    }
}

#[test]
fn every_rule_names_sizes_interval_and_what_would_have_passed() {
    let (output, _) = judged(Some(metrics(100, 0, 20.0)), metrics(100, 0, 80.0), Watch::default());
    let rules: Vec<_> = output.reasons.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(
        rules,
        [
            "error-rate",
            "latency-p95",
            "compared-errors",
            "compared-latency-median",
            "compared-spread",
            "compared-latency-p95",
            "compared-latency-p99",
            "compared-trend"
        ]
    );
    let median = &output.reasons[3];
    for said in ["22.5 ms before", "the difference is from", "100 and 100 samples", "Mann-Whitney"]
    {
        assert!(median.message.contains(said), "{}", median.message);
    }
    assert_eq!(median.would_pass.as_deref(), Some("the median latency at 32.5 ms or less"));
}

#[test]
fn the_policy_says_what_follows_where_there_is_no_verdict() {
    use Inconclusive::{Extend, Hold, Keep, TakeBack};
    let suspicious = || metrics(50, 2, 20.0);
    let nothing = Metrics::default;
    for (policy, now, then, status) in [
        (Extend, nothing(), Then::Keep, "it stays"),
        (Extend, suspicious(), Then::Hold, "it stays until a person has looked at it"),
        (Hold, nothing(), Then::Hold, "it stays until a person has looked at it"),
        (Keep, suspicious(), Then::Keep, "it stays"),
        (TakeBack, nothing(), Then::TakeBack, "it is taken back"),
    ] {
        let watch = Watch { inconclusive: policy, ..Watch::default() };
        let (output, summary) = judged(Some(metrics(50, 0, 20.0)), now, watch);
        assert_eq!((output.verdict, output.then), (ReleaseVerdict::Inconclusive, Some(then)));
        assert!(summary.ends_with(status), "{summary}");
    }
}

#[test]
fn a_step_that_nobody_asked_for_anything_is_taken_back_and_the_whole_is_not_judged() {
    let after = |inconclusive, weight| {
        let watch = Watch { inconclusive, ..Watch::default() };
        let asked = JudgeRelease {
            metrics: Metrics::default(),
            baseline: Some(metrics(100, 0, 10.0)),
            anomalies: DetectAnomaliesOutput::default(),
            watch,
            weight: Some(weight),
        };
        let (output, summary) = judge(&asked);
        assert_eq!(output.verdict, ReleaseVerdict::Inconclusive);
        assert!(summary.contains("no request was measured during the watch"), "{summary}");
        output.then
    };
    for (policy, step, whole) in [
        (Inconclusive::Extend, Then::TakeBack, Then::Keep),
        (Inconclusive::Hold, Then::TakeBack, Then::Hold),
        (Inconclusive::Keep, Then::Keep, Then::Keep),
        (Inconclusive::TakeBack, Then::TakeBack, Then::TakeBack),
    ] {
        assert_eq!(
            (after(policy, 10), after(policy, 100)),
            (Some(step), Some(whole)),
            "{policy:?}"
        );
    }
}

#[test]
fn a_step_needs_so_many_requests_as_its_part_makes_an_ill_release_visible() {
    let of = |weight, requests, inconclusive| {
        let asked = JudgeRelease {
            metrics: metrics(requests, 0, 10.0),
            baseline: Some(metrics(100, 0, 10.0)),
            anomalies: DetectAnomaliesOutput::default(),
            watch: Watch { inconclusive, ..Watch::default() },
            weight,
        };
        let (output, summary) = judge(&asked);
        (output.verdict, output.then, summary)
    };
    for (weight, enough) in [(Some(1), 919), (Some(10), 90), (Some(50), 20), (None, 20)] {
        let (verdict, then, summary) = of(weight, enough, Inconclusive::Extend);
        assert_eq!((verdict, then), (ReleaseVerdict::Keep, None), "{summary}");
        let (verdict, then, summary) = of(weight, enough - 1, Inconclusive::Extend);
        let back = if weight.is_some() { Then::TakeBack } else { Then::Keep };
        assert_eq!((verdict, then), (ReleaseVerdict::Inconclusive, Some(back)), "{summary}");
        assert!(summary.contains(&format!("tell nothing, {enough} are needed")), "{summary}");
        let (_, then, _) = of(weight, enough - 1, Inconclusive::Keep);
        assert_eq!(then, Some(Then::Keep));
    }
}
