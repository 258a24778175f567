//! `quality.judge_release`: whether a release that was watched stays.
//!
//! The judgement itself is in `pact-statistics`; here it becomes rules with reasons, and what
//! follows where there is no verdict.

use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    StageStatus,
    actions::{
        Compared, Comparison, DetectAnomaliesOutput, JudgeRelease, JudgeReleaseOutput, Metrics,
        ReleaseVerdict, Then,
    },
    run::{RuleOutcome, RuleResult},
    settings::{Inconclusive, Watch},
    shift::WHOLE,
};
use pact_statistics::{Assessment, enough};
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
    #[serde(default)]
    weight: Option<u32>,
}

pub(crate) fn act(call: &Call) -> Result<Outcome, AgentError> {
    let Parameters { metrics, baseline, anomalies, watch, weight } = call.parameters()?;
    let (output, summary) = judge(&JudgeRelease {
        metrics,
        baseline,
        anomalies: anomalies.unwrap_or_default(),
        watch: watch.unwrap_or_default(),
        weight,
    });
    let status = match (output.verdict, output.then) {
        (ReleaseVerdict::Keep, _) => StageStatus::Passed,
        (ReleaseVerdict::RollBack, _) | (ReleaseVerdict::Inconclusive, Some(Then::TakeBack)) => {
            StageStatus::Failed
        }
        // Not measured is not passed; the release stays on the strength of its health.
        (ReleaseVerdict::Inconclusive, _) => StageStatus::Skipped,
    };
    Outcome::new(status, summary, &output)
}

/// Judges, and says why in one sentence.
#[must_use]
pub fn judge(asked: &JudgeRelease) -> (JudgeReleaseOutput, String) {
    let JudgeRelease { metrics, baseline, anomalies, watch, weight } = asked;
    let baseline = baseline.as_ref();
    let compared = if anomalies.comparisons.is_empty() {
        pact_statistics::compare(baseline, metrics)
    } else {
        anomalies.comparisons.clone()
    };
    let found = pact_statistics::verdict(baseline, metrics, watch, *weight, compared);
    let reasons = reasons(&found, metrics, watch);
    let then = (found.verdict == ReleaseVerdict::Inconclusive)
        .then(|| follows(watch.inconclusive, found.suspicious))
        .map(|then| match (then, watch.inconclusive) {
            (then, _) if weight.is_none_or(|weight| weight >= WHOLE) => then,
            // Half shifted it stays for nobody: the release before has the rest.
            (Then::Hold, _) => Then::TakeBack,
            // Steps are there to see something.
            (Then::Keep, Inconclusive::Extend) if metrics.requests < enough(*weight, metrics) => {
                Then::TakeBack
            }
            (then, _) => then,
        });
    let summary = summary(&found, &reasons, metrics, then);
    (JudgeReleaseOutput { verdict: found.verdict, reasons, then }, summary)
}

/// What follows from a watch that does not tell, after it was extended where it may be.
fn follows(policy: Inconclusive, suspicious: bool) -> Then {
    match policy {
        Inconclusive::Extend if !suspicious => Then::Keep,
        Inconclusive::Extend | Inconclusive::Hold => Then::Hold,
        Inconclusive::Keep => Then::Keep,
        Inconclusive::TakeBack => Then::TakeBack,
    }
}

fn summary(
    found: &Assessment,
    reasons: &[RuleResult],
    metrics: &Metrics,
    then: Option<Then>,
) -> String {
    let measured = format!(
        "{} requests, {} of them failed, 95th percentile {:.0} ms",
        metrics.requests, metrics.errors, metrics.p95_ms
    );
    let of = |wanted: RuleOutcome| -> Vec<&str> {
        let rules = reasons.iter().filter(|rule| rule.outcome == wanted);
        rules.filter(|rule| rule.would_pass.is_some()).map(|r| r.message.as_str()).collect()
    };
    match found.verdict {
        ReleaseVerdict::RollBack => {
            let broken = of(RuleOutcome::NotMet);
            let more = match broken.len() {
                0..=2 => String::new(),
                all => format!("; and {} more", all - 2),
            };
            let first: Vec<_> = broken.into_iter().take(2).collect();
            format!("The release is taken back: {}{more}", first.join("; "))
        }
        ReleaseVerdict::Keep => match &found.excused {
            Some(reason) => format!("The release stays, with a warning: {measured}; {reason}"),
            None => format!("The release stays: {measured}"),
        },
        ReleaseVerdict::Inconclusive => {
            let why = found.too_little.clone().unwrap_or_else(|| {
                let mut all = of(RuleOutcome::NotMet);
                all.extend(of(RuleOutcome::NotChecked));
                all.join("; ")
            });
            let then = match then {
                Some(Then::TakeBack) => "it is taken back",
                Some(Then::Hold) => "it stays until a person has looked at it",
                Some(Then::Keep) | None => "it stays",
            };
            format!("Inconclusive: {why}; {then}")
        }
    }
}

/// A rule for each limit, and one for each metric against the release before.
fn reasons(found: &Assessment, metrics: &Metrics, watch: &Watch) -> Vec<RuleResult> {
    let held = found.limits.iter().map(|row| {
        let (value, threshold) = match row.metric.as_str() {
            "error-rate" => (json!(metrics.error_rate), json!(watch.max_error_rate)),
            _ => (json!(metrics.p95_ms), json!(watch.max_p95_ms)),
        };
        let value = if metrics.requests == 0 { Value::Null } else { value };
        rule(row.metric.clone(), row, value, threshold)
    });
    let compared = found.comparisons.iter().map(|row| {
        rule(format!("compared-{}", row.metric), row, json!(row.now), json!(row.tolerated))
    });
    let mut reasons: Vec<RuleResult> = held.chain(compared).collect();
    if found.comparisons.is_empty() {
        reasons.push(RuleResult {
            rule: "compared-errors".to_owned(),
            outcome: RuleOutcome::NotChecked,
            required: false,
            value: Value::Null,
            threshold: Value::Null,
            message: "there is nothing measured of a release before to compare with".to_owned(),
            would_pass: None,
        });
    }
    reasons
}

fn rule(name: String, row: &Comparison, value: Value, threshold: Value) -> RuleResult {
    let outcome = match row.outcome {
        Compared::Better | Compared::Same => RuleOutcome::Met,
        Compared::Worse => RuleOutcome::NotMet,
        Compared::Unsure | Compared::NotCompared => RuleOutcome::NotChecked,
    };
    let mut message = row.message.clone();
    if let Some(chance) = row.chance.filter(|_| outcome != RuleOutcome::Met) {
        message.push_str(&format!(
            " ({} and {} samples, chance {}, {})",
            row.samples_before,
            row.samples_now,
            if chance < 0.0001 { "below 0.0001".to_owned() } else { chance.to_string() },
            row.method
        ));
    }
    RuleResult {
        rule: name,
        outcome,
        required: row.outcome != Compared::NotCompared,
        value,
        threshold,
        message,
        would_pass: row.would_pass.clone(),
    }
}
