//! Requests of the agent itself to what the health probes ask.
//!
//! Requests are sent on schedule whether or not earlier ones were answered, so that a slow service
//! is not asked less often than a fast one, and its slowness not hidden.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::{StreamExt, stream::FuturesUnordered};
use pact_agent::AgentError;
use pact_config::form::{Form, Shape, field};
use pact_contract::{
    actions::Metrics,
    settings::{Instance, Probe, QUICK_MS, QUICK_SECONDS, USUAL_MS},
};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::source::{
    Kind, Measured, MetricSource, Opened, Surroundings, Watcher, Watching, Window,
};
use crate::http::{Answer, Client};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "probe", form, open };

/// Probes that are requested in turn.
const MAX_PROBES: usize = 5;
/// Shortest time between two requests.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// Requests that are open at once; while there are so many, none is added.
const MAX_OPEN: usize = 256;
/// Requests that may be open while they come quickly: a tenth of them a second late is still below that.
const QUICK_OPEN: usize = 10;
/// From when on an open request is as slow as it is old, though nobody knows how slow it will be. Too
/// little rather than too much: what it is taken for only grows.
const OVERDUE: Duration = Duration::from_millis(250);
/// What was sent within this may have met the same short trouble, and counts together.
const MOMENT: Duration = Duration::from_millis(100);
/// What fails for less than this may have passed by the next request.
const PASSING: Duration = Duration::from_millis(500);
/// Latencies that are handed on.
const MAX_LATENCIES: usize = 500;

/// One request: a latency in milliseconds, or none when it failed.
type Sample = Option<f64>;

/// How requests are sent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// Time between two requests in milliseconds, where it is always the same.
    interval_ms: Option<u64>,
}

/// How often requests are sent. What is clear is clear after a number of them, so that they come
/// quickly at first; a watch that goes on for minutes is no load to speak of all the same.
#[derive(Clone, Copy)]
struct Pace {
    quick: Duration,
    usual: Duration,
}

impl Pace {
    /// From so long after the beginning it is the usual one.
    const QUICK_FOR: Duration = Duration::from_secs(QUICK_SECONDS);

    fn of(settings: &Settings) -> Self {
        let [quick, usual] = [QUICK_MS, USUAL_MS].map(|standard| {
            let interval = settings.interval_ms.unwrap_or(standard);
            Duration::from_millis(interval).max(MIN_INTERVAL)
        });
        Self { quick, usual }
    }

    /// The time between two requests, so long after the beginning, while so many are open. What cannot keep
    /// up is not asked more often than usual: the watch is not to be what makes it slow.
    fn at(self, elapsed: Duration, open: usize) -> Duration {
        let keeps_up = open < QUICK_OPEN;
        if elapsed < Self::QUICK_FOR && keeps_up { self.quick } else { self.usual }
    }

    /// How many in a row are sent within a moment.
    fn together(interval: Duration) -> u32 {
        u32::try_from(MOMENT.as_micros() / interval.as_micros().max(1)).unwrap_or(1).max(1)
    }
}

fn form() -> Form {
    Form {
        about: "Requests of the monitor agent to the environment's health probes.".to_owned(),
        fields: vec![field(
            "interval_ms",
            "Time between two requests. Without it they are 20 ms apart in the first five seconds of a \
             watch, and 100 ms from then on.",
            Shape::Integer { min: 10, max: 60_000 },
        )],
        ..Form::default()
    }
}

struct Probes {
    http: Arc<Client>,
    pace: Pace,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings: Settings =
        instance.parse().map_err(|e| format!("the settings of the source: {e}"))?;
    let pace = Pace::of(&settings);
    Ok(Box::new(Probes { http: Arc::clone(&surroundings.http), pace }))
}

#[async_trait]
impl MetricSource for Probes {
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError> {
        if window.probes.is_empty() {
            return Ok(Measured::Nothing(format!(
                "nothing to measure: add [[environments.{}.health]] to pact.toml",
                window.environment
            )));
        }
        let mut probes = Vec::new();
        for probe in window.probes.iter().take(MAX_PROBES) {
            match self.http.address(window.url, probe) {
                Ok(url) => probes.push((probe, url)),
                Err(reason) => return Ok(Measured::Nothing(reason)),
            }
        }
        let metrics = requests(&self.http, &probes, self.pace, window, watcher).await?;
        if metrics.requests == 0 {
            let reason = "no request was sent: there was no time for the watch";
            return Ok(Measured::Nothing(reason.to_owned()));
        }
        Ok(Measured::Metrics(metrics))
    }
}

/// What came back so far, and what is still open.
#[derive(Default)]
struct Samples {
    answered: Vec<(u64, Sample)>,
    /// When each was sent that is not answered.
    open: BTreeMap<u64, Instant>,
    /// When the first was sent.
    first: Option<Instant>,
    /// When the first failed.
    failed: Option<Instant>,
    /// How many in a row were sent within a moment, while they came quickest.
    together: u32,
    /// How late each was sent, in milliseconds.
    late: Vec<f64>,
}

impl Samples {
    fn add(&mut self, number: u64, sample: Sample) {
        self.open.remove(&number);
        if sample.is_none() {
            self.failed.get_or_insert_with(Instant::now);
        }
        self.answered.push((number, sample));
    }

    /// Those that are open for so long that this alone says something.
    fn overdue(&self) -> impl Iterator<Item = (u64, Sample)> {
        let now = Instant::now();
        self.open.iter().filter_map(move |(number, sent)| {
            let age = now.duration_since(*sent);
            (age >= OVERDUE).then_some((*number, Some(age.as_secs_f64() * 1_000.0)))
        })
    }

    fn count(&self) -> u64 {
        (self.answered.len() + self.overdue().count()) as u64
    }

    /// In the order in which they were sent.
    fn metrics(&self) -> Metrics {
        let mut all: Vec<_> = self.answered.iter().copied().chain(self.overdue()).collect();
        all.sort_by_key(|(number, _)| *number);
        let all: Vec<_> = all.into_iter().map(|(_, sample)| sample).collect();
        let mut late = self.late.clone();
        late.sort_by(f64::total_cmp);
        let lag_ms = round(pact_statistics::percentile(&late, 95).unwrap_or(0.0));
        let seconds = self.first.map_or(0.0, |first| round(first.elapsed().as_secs_f64()));
        Metrics { lag_ms, seconds, ..sum_up(&all, self.together) }
    }

    /// Looks, where a look is due; what failed has to have done so for a while.
    fn look(&self, watcher: &mut dyn Watcher) -> Option<Metrics> {
        let passing = self.failed.is_some_and(|first| first.elapsed() < PASSING);
        if passing || !watcher.due(self.count()) {
            return None;
        }
        let mut metrics = self.metrics();
        (watcher.look(&mut metrics) == Watching::Ends).then_some(metrics)
    }
}

async fn requests(
    http: &Client,
    probes: &[(&Probe, Url)],
    pace: Pace,
    window: &Window<'_>,
    watcher: &mut dyn Watcher,
) -> Result<Metrics, AgentError> {
    let patience =
        pace.usual.saturating_mul(10).clamp(Duration::from_secs(5), Duration::from_secs(30));
    // The answers to the last requests are waited for as well.
    let last = window.last.checked_sub(patience).unwrap_or(window.begun);
    let mut until = (window.begun + window.length).min(last);

    let mut open = FuturesUnordered::new();
    let mut samples = Samples { together: Pace::together(pace.quick), ..Samples::default() };
    let mut turn = probes.iter().cycle();
    let mut number = 0u64;
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(due), if open.len() < MAX_OPEN && Instant::now() < until => {
                let now = Instant::now();
                samples.late.push(now.duration_since(due).as_secs_f64() * 1_000.0);
                // What was missed is not made up for: many at once would be a load of another kind.
                let interval = pace.at(now.duration_since(window.begun), open.len());
                due = (due + interval).max(now);
                if now < until && let Some((probe, url)) = turn.next() {
                    let this = number;
                    number += 1;
                    let sent = Instant::now();
                    samples.first.get_or_insert(sent);
                    samples.open.insert(this, sent);
                    open.push(async move {
                        http.get(url, probe.contains.as_deref(), patience)
                            .await
                            .map(|answer| (this, sample(probe, &answer)))
                    });
                }
            }
            Some(sample) = open.next() => {
                let (number, sample) = sample?;
                samples.add(number, sample);
            }
            () = tokio::time::sleep_until(until), if Instant::now() < until => {}
            else => {}
        }
        if let Some(clear) = samples.look(watcher) {
            return Ok(clear);
        }
        if Instant::now() >= until && open.is_empty() {
            let mut metrics = samples.metrics();
            match watcher.end(&mut metrics) {
                Some(more) if Instant::now() + more <= last => until = Instant::now() + more,
                _ => return Ok(metrics),
            }
        }
    }
}

/// A failed request has no latency: a quick refusal would make a broken service look fast.
fn sample(probe: &Probe, answer: &Answer) -> Sample {
    match answer {
        Answer::Response { status, contains: true, latency } if *status == probe.status => {
            Some(latency.as_secs_f64() * 1_000.0)
        }
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 60,000 requests")]
fn sum_up(samples: &[Sample], together: u32) -> Metrics {
    let latencies: Vec<f64> = samples.iter().flatten().copied().collect();
    let failed: Vec<bool> = samples.iter().map(Option::is_none).collect();
    let errors = samples.len() - latencies.len();
    let mut sorted = latencies.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |percent| round(pact_statistics::percentile(&sorted, percent).unwrap_or(0.0));
    Metrics {
        requests: samples.len() as u64,
        errors: errors as u64,
        error_rate: if samples.is_empty() {
            0.0
        } else {
            round(errors as f64 * 100.0 / samples.len() as f64)
        },
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
        latencies_ms: pact_statistics::thinned(&latencies, MAX_LATENCIES)
            .into_iter()
            .map(round)
            .collect(),
        look: None,
        // Those that are left out lie between the others.
        together: match latencies.len() {
            0..=MAX_LATENCIES => together,
            more => u32::try_from(together as usize * MAX_LATENCIES / more).unwrap_or(1).max(1),
        },
        clumped: round(pact_statistics::clumping(&failed, together as usize)),
        seconds: 0.0,
        lag_ms: 0.0,
    }
}

/// To three decimals: more is noise.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_as_errors_and_not_as_fast_answers() {
        let mut samples: Vec<Sample> = (1..=98).map(|n| Some(f64::from(n))).collect();
        samples.push(None);
        samples.push(None);
        let metrics = sum_up(&samples, 5);
        assert!(metrics.clumped > 1.9, "{}", metrics.clumped);
        assert_eq!((metrics.requests, metrics.errors), (100, 2));
        assert!((metrics.error_rate - 2.0).abs() < 1e-9);
        assert!((metrics.p50_ms - 49.0).abs() < 1e-9);
        assert!((metrics.p95_ms - 94.0).abs() < 1e-9);
        assert_eq!(metrics.latencies_ms.len(), 98);
    }

    #[test]
    fn requests_come_quickly_at_first_unless_something_is_set() {
        let pace = Pace::of(&Settings::default());
        let at = |pace: Pace, seconds| pace.at(Duration::from_secs(seconds), 0).as_millis();
        assert_eq!((at(pace, 0), at(pace, 4), at(pace, 5)), (20, 20, 100));
        assert_eq!(pace.at(Duration::ZERO, QUICK_OPEN).as_millis(), 100, "it does not keep up");
        assert_eq!(Pace::together(pace.quick), 5);
        let pace = Pace::of(&Settings { interval_ms: Some(250) });
        assert_eq!((at(pace, 0), at(pace, 5)), (250, 250));
        assert_eq!(Pace::together(pace.quick), 1);
    }

    #[test]
    fn an_answer_is_a_success_only_as_the_probe_wants_it() {
        let probe = Probe::default();
        let answer = |status, contains| Answer::Response {
            status,
            contains,
            latency: Duration::from_millis(5),
        };
        assert_eq!(sample(&probe, &answer(200, true)), Some(5.0));
        assert_eq!(sample(&probe, &answer(500, true)), None);
        assert_eq!(sample(&probe, &answer(200, false)), None);
        assert_eq!(sample(&probe, &Answer::None("refused".to_owned())), None);
    }
}
