//! What is measured of a release, how it compares with the one before, and what is judged of it.

use serde::{Deserialize, Serialize};

use crate::{
    ids::EnvironmentName,
    run::{Apart, RuleResult},
    settings::{Probe, Watch},
};

/// `monitor.track_metrics`: probes for a while and sums up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackMetrics {
    /// The environment.
    pub environment: EnvironmentName,
    /// Address of the environment.
    #[serde(default)]
    pub url: Option<String>,
    /// What is requested.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// For how long and how often.
    #[serde(default)]
    pub watch: Watch,
    /// What was measured before the release. With it a watch ends as soon as the release is
    /// clearly worse; none: it runs to its end, unless the limits alone are clearly not kept.
    #[serde(default)]
    pub baseline: Option<Metrics>,
    /// Whether a release is being judged, so that the watch may end early or be extended. Without
    /// one, it is measured for as long as the settings say.
    #[serde(default)]
    pub judged: bool,
    /// The part of the requests that the release has, in percent; none: all of them. The smaller it
    /// is, the more requests have to be seen: see [`crate::shift::observations`].
    #[serde(default)]
    pub weight: Option<u32>,
    /// Where the release and the one before it are asked each for itself, in turn; none: only what has the
    /// requests can be asked.
    #[serde(default)]
    pub apart: Option<Apart>,
    /// What was measured at the steps before this one.
    #[serde(default)]
    pub steps: Vec<Walked>,
}

/// What was measured at one step of a shift, kept small.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    /// The part of the requests that the release had, in percent.
    pub weight: u32,
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of the latency in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// Median and slowest of neighbouring answers, in the order of the requests; at most 16.
    pub points: Vec<(f64, f64)>,
}

impl Walked {
    /// Points of one step.
    const POINTS: usize = 16;

    /// Of a step with this part of the requests, in percent.
    #[must_use]
    pub fn new(weight: u32, measured: &Metrics) -> Self {
        let &Metrics { requests, errors, p50_ms, p95_ms, p99_ms, .. } = measured;
        let points = measured.points(Self::POINTS);
        Self { weight, requests, errors, p50_ms, p95_ms, p99_ms, points }
    }
}

/// What was measured: output of `monitor.track_metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Requests that were sent.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Share of failed requests in percent; 0 without a request.
    pub error_rate: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of the latency in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// Latencies in milliseconds, in the order of the requests; at most 500, evenly thinned.
    pub latencies_ms: Vec<f64>,
    /// After which look at them the watch ended; none: it ran for its time, and was not looked at
    /// before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
    /// How many requests in a row were sent within a tenth of a second. What went wrong in such a moment may
    /// have met all of them at once, and says no more than one of them. 0 is as good as 1.
    #[serde(default, skip_serializing_if = "is_alone")]
    pub together: u32,
    /// For how many failed requests one counts, as they failed together: from 1, to as many as came
    /// together. 0 is as good as 1.
    #[serde(default, skip_serializing_if = "is_single")]
    pub clumped: f64,
    /// For how many seconds requests were sent; 0: not known.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub seconds: f64,
    /// By how many milliseconds requests were sent late (95th percentile), where the agent sends them: who
    /// is that late may have read the answers as late.
    #[serde(default, skip_serializing_if = "is_in_time")]
    pub lag_ms: f64,
    /// The release and the one before it at the same time, where each has an address of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Box<Beside>>,
    /// What everybody's requests to the release came to, and to the one before it at the same time, where
    /// that is known without settings. Those that the agent sent are not among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Box<Beside>>,
    /// What was measured at the steps of the shift so far, this one among them unless it is the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Walked>,
}

impl Metrics {
    /// Median and slowest of neighbouring answers, taken together so that there are at most so many.
    #[must_use]
    pub fn points(&self, most: usize) -> Vec<(f64, f64)> {
        let size = self.latencies_ms.len().div_ceil(most.max(1)).max(1);
        let point = |near: &[f64]| {
            let mut sorted = near.to_vec();
            sorted.sort_by(f64::total_cmp);
            let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
            (at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
        };
        self.latencies_ms.chunks(size).map(point).collect()
    }
}

/// Two releases at the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The new one. Where the agent asked both for themselves, its requests are among all that were measured.
    pub new: Metrics,
    /// The one before it; its requests are counted nowhere else.
    pub old: Metrics,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_unknown(seconds: &f64) -> bool {
    *seconds <= 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_in_time(lag_ms: &f64) -> bool {
    *lag_ms < 1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_alone(together: &u32) -> bool {
    *together <= 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn is_single(clumped: &f64) -> bool {
    *clumped <= 1.0
}

/// A look at the numbers. What is looked at more than once looks bad by chance more often: each
/// look has its own, smaller share of the alarms that may be false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// During the watch, at a number of requests that was set before: the first is 1.
    Step(u32),
    /// At the end of the watch, after so many extensions.
    End(u32),
}

/// `monitor.detect_anomalies`: compares with the time before the release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectAnomalies {
    /// Measured now.
    pub metrics: Metrics,
    /// Measured before the release; none when nothing was there.
    #[serde(default)]
    pub baseline: Option<Metrics>,
}

/// Output of `monitor.detect_anomalies`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectAnomaliesOutput {
    /// Whether there was enough to compare.
    pub compared: bool,
    /// What is worse than before, one sentence each, with the numbers.
    pub anomalies: Vec<String>,
    /// Each metric against what it was before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparisons: Vec<Comparison>,
}

/// One metric of a release against that of the release before, or against its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Stable name: `errors`, `traffic-errors`, `latency-median`, `latency-p95`, `latency-p99`, `spread`, `trend`.
    pub metric: String,
    /// What came of it.
    pub outcome: Compared,
    /// Before; none where there is nothing, or where it is held to a limit.
    #[serde(default)]
    pub before: Option<f64>,
    /// Now.
    #[serde(default)]
    pub now: Option<f64>,
    /// The release before at the same time, where what is worse than before was held against that too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<f64>,
    /// Up to what it would have passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerated: Option<f64>,
    /// What these are: `%` or `ms`.
    pub unit: String,
    /// Samples before.
    pub samples_before: u64,
    /// Samples now.
    pub samples_now: u64,
    /// Where the difference lies with a confidence of 95 %, in the same unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How rarely chance alone would look like this, for how often it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// By which test, and below what chance it counts.
    pub method: String,
    /// One sentence for people.
    pub message: String,
    /// What would have passed, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would_pass: Option<String>,
}

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// Better, beyond chance.
    Better,
    /// No difference that matters and is more than chance.
    Same,
    /// It looks worse, by as much as matters; it may be chance.
    Unsure,
    /// Worse, by as much as matters, and beyond chance.
    Worse,
    /// There was too little to compare.
    NotCompared,
}

/// `quality.judge_release`: whether the release that was watched stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeRelease {
    /// What was measured during the watch.
    pub metrics: Metrics,
    /// What was measured before the release; none when nothing was there.
    #[serde(default)]
    pub baseline: Option<Metrics>,
    /// What the anomaly test said.
    pub anomalies: DetectAnomaliesOutput,
    /// Limits of the watch.
    #[serde(default)]
    pub watch: Watch,
    /// The part of the requests that it has, in percent; none: all of them. With less it cannot be
    /// left to a person who looks at it later.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// Output of `quality.judge_release`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeReleaseOutput {
    /// What should happen to the release.
    pub verdict: ReleaseVerdict,
    /// Every rule that was looked at.
    pub reasons: Vec<RuleResult>,
    /// What follows, where the verdict is that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
}

/// What follows when nothing can be said of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It stays.
    Keep,
    /// It stays, and a person is asked to look at it.
    Hold,
    /// It is taken back.
    TakeBack,
}

/// What should happen to a release that was watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseVerdict {
    /// It stays.
    Keep,
    /// Neither: there was too little to tell, or what there was does not tell.
    Inconclusive,
    /// It is taken back.
    RollBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_kept_small() {
        let latencies_ms: Vec<f64> = (0..500).map(f64::from).collect();
        let measured = Metrics { requests: 500, p50_ms: 250.0, latencies_ms, ..Metrics::default() };
        let step = Walked::new(10, &measured);
        assert_eq!((step.weight, step.requests, step.points.len()), (10, 500, 16));
        assert_eq!(step.points.last().map(|point| point.1), Some(499.0));
        assert!(serde_json::to_string(&step).expect("json").len() < 400);
        assert!(Metrics::default().points(0).is_empty());
    }
}
