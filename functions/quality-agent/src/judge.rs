//! `quality.judge_release`: whether a release that was watched stays.

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    StageStatus,
    actions::{DetectAnomaliesOutput, JudgeRelease, JudgeReleaseOutput, Metrics, ReleaseVerdict},
    run::{RuleOutcome, RuleResult},
    settings::Watch,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// As [`JudgeRelease`], but what is absent may also be null.
#[derive(Deserialize)]
struct Parameters {
    metrics: Metrics,
    #[serde(default)]
    baseline: Option<Metrics>,
    #[serde(default)]
    anomalies: Option<DetectAnomaliesOutput>,
    #[serde(default)]
    watch: Option<Watch>,
}

pub(crate) fn act(call: &Call) -> Result<Outcome, AgentError> {
    let Parameters { metrics, baseline, anomalies, watch } = call.parameters()?;
    let (output, summary) = judge(&JudgeRelease {
        metrics,
        baseline,
        anomalies: anomalies.unwrap_or_default(),
        watch: watch.unwrap_or_default(),
    });
    let status = match output.verdict {
        ReleaseVerdict::Keep => StageStatus::Passed,
        // Not measured is not passed; the release stays on the strength of its health.
        ReleaseVerdict::Inconclusive => StageStatus::Skipped,
        ReleaseVerdict::RollBack => StageStatus::Failed,
    };
    Outcome::new(status, summary, &output)
}

/// Judges, and says why in one sentence.
#[must_use]
pub fn judge(asked: &JudgeRelease) -> (JudgeReleaseOutput, String) {
    let JudgeRelease { metrics, baseline, anomalies, watch } = asked;
    if metrics.requests == 0 {
        let nothing = "nothing was measured";
        let reasons = vec![
            rule(
                "error-rate",
                RuleOutcome::NotChecked,
                Value::Null,
                json!(watch.max_error_rate),
                nothing,
            ),
            rule(
                "latency-p95",
                RuleOutcome::NotChecked,
                Value::Null,
                json!(watch.max_p95_ms),
                nothing,
            ),
            rule("no-anomalies", RuleOutcome::NotChecked, Value::Null, json!(0), nothing),
        ];
        let summary = "Inconclusive: no request was measured during the watch".to_owned();
        return (JudgeReleaseOutput { verdict: ReleaseVerdict::Inconclusive, reasons }, summary);
    }
    let reasons = vec![
        error_rate(metrics, baseline.as_ref(), watch),
        latency(metrics, baseline.as_ref(), watch),
        no_anomalies(anomalies),
    ];
    let broken: Vec<_> = reasons
        .iter()
        .filter(|r| r.outcome == RuleOutcome::NotMet)
        .map(|r| r.message.as_str())
        .collect();
    let (verdict, summary) = if broken.is_empty() {
        let summary = format!(
            "The release stays: {} requests, {} of them failed, 95th percentile {:.0} ms",
            metrics.requests, metrics.errors, metrics.p95_ms
        );
        (ReleaseVerdict::Keep, summary)
    } else {
        (ReleaseVerdict::RollBack, format!("The release is taken back: {}", broken.join("; ")))
    };
    (JudgeReleaseOutput { verdict, reasons }, summary)
}

fn error_rate(metrics: &Metrics, baseline: Option<&Metrics>, watch: &Watch) -> RuleResult {
    let message = format!(
        "{:.1} % of {} requests failed; at most {} %{}",
        metrics.error_rate,
        metrics.requests,
        watch.max_error_rate,
        before(baseline, |m| format!("{:.1} %", m.error_rate)),
    );
    let outcome = at_most(metrics.error_rate, watch.max_error_rate);
    let mut rule = rule(
        "error-rate",
        outcome,
        json!(metrics.error_rate),
        json!(watch.max_error_rate),
        &message,
    );
    if outcome == RuleOutcome::NotMet {
        rule.would_pass = Some(format!("an error rate of {} % or less", watch.max_error_rate));
    }
    rule
}

#[expect(clippy::cast_precision_loss, reason = "a latency limit is far below 2^52")]
fn latency(metrics: &Metrics, baseline: Option<&Metrics>, watch: &Watch) -> RuleResult {
    let message = format!(
        "the 95th percentile of the latency is {:.0} ms; at most {} ms{}",
        metrics.p95_ms,
        watch.max_p95_ms,
        before(baseline, |m| format!("{:.0} ms", m.p95_ms)),
    );
    let outcome = at_most(metrics.p95_ms, watch.max_p95_ms as f64);
    let mut rule =
        rule("latency-p95", outcome, json!(metrics.p95_ms), json!(watch.max_p95_ms), &message);
    if outcome == RuleOutcome::NotMet {
        let less = metrics.p95_ms - watch.max_p95_ms as f64;
        rule.would_pass = Some(format!("a 95th percentile {less:.0} ms lower"));
    }
    rule
}

fn no_anomalies(anomalies: &DetectAnomaliesOutput) -> RuleResult {
    let found = json!(anomalies.anomalies.len());
    if let Some(first) = anomalies.anomalies.first() {
        let more = match anomalies.anomalies.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let message = format!(
            "worse than before the release: {}{more}",
            pact_agent::text::truncated(first, 300)
        );
        let mut rule = rule("no-anomalies", RuleOutcome::NotMet, found, json!(0), &message);
        rule.would_pass = Some("no measurement that is worse than before the release".to_owned());
        return rule;
    }
    let (outcome, message) = if anomalies.compared {
        (RuleOutcome::Met, "nothing is worse than before the release")
    } else {
        (RuleOutcome::NotChecked, "there was not enough to compare with before the release")
    };
    rule("no-anomalies", outcome, found, json!(0), message)
}

fn before(baseline: Option<&Metrics>, value: impl Fn(&Metrics) -> String) -> String {
    baseline
        .filter(|m| m.requests > 0)
        .map_or_else(String::new, |m| format!(" (before the release {})", value(m)))
}

/// Whether a value is within its limit. What is not a number is not.
fn at_most(value: f64, limit: f64) -> RuleOutcome {
    if value <= limit { RuleOutcome::Met } else { RuleOutcome::NotMet }
}

fn rule(
    name: &str,
    outcome: RuleOutcome,
    value: Value,
    threshold: Value,
    message: &str,
) -> RuleResult {
    RuleResult {
        rule: name.to_owned(),
        outcome,
        required: true,
        value,
        threshold,
        message: message.to_owned(),
        would_pass: None,
    }
}
