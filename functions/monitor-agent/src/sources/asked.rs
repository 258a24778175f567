//! Sources that are asked again and again for what they know of the environment's own requests.
//!
//! A release that is judged is asked about from its beginning on. What was there before it is not
//! waited for, as such a source knows it already.

use std::time::Duration;

use async_trait::async_trait;
use pact_agent::{AgentError, text};
use pact_config::form::{Field, Shape, field};
use pact_contract::{
    ErrorName,
    actions::{Beside, Metrics},
    run::Apart,
};
use tokio::time::Instant;

use super::{
    histogram::{Histogram, latencies},
    source::{Measured, MetricSource, Watcher, Watching, Window},
};

/// Longest wait for the answer of a server.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often the last question, on which the judgement hangs, is asked before it is given up.
const ATTEMPTS: u32 = 3;

/// How a source is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Time between two questions.
    pub(super) interval: Duration,
    /// Longest wait for an answer.
    pub(super) patience: Duration,
    /// The shortest time about which it can say anything.
    pub(super) least: Duration,
    /// How long after a request it is known to the source.
    pub(super) late: Duration,
}

impl Pace {
    /// Of a server that knows of a request at once, by this time between two questions.
    pub(super) const fn every(interval_ms: u64) -> Self {
        Self {
            interval: Duration::from_millis(interval_ms),
            patience: PATIENCE,
            least: Duration::ZERO,
            late: Duration::ZERO,
        }
    }
}

/// The key that says how often a server is asked.
pub(super) fn interval() -> Field {
    field("interval_ms", "Time between two questions.", Shape::Integer { min: 100, max: 60_000 })
}

/// What is known of a time.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) requests: f64,
    pub(super) errors: f64,
    pub(super) latency: Latency,
}

/// How long the requests of a time took.
#[derive(Debug)]
pub(super) enum Latency {
    /// All of them together.
    Whole(Histogram),
    /// Those of one part of the time after another.
    Parts(Vec<Histogram>),
}

/// Why there is no reading.
#[derive(Debug)]
pub(super) enum Unread {
    /// The source did not answer, for now.
    Silent(String),
    /// It will not answer better the next time.
    Refused(String),
}

/// What answers questions about a time.
#[async_trait]
pub(super) trait Asked: Send + Sync {
    fn pace(&self) -> Pace;

    /// What is known of the time from so long ago until now.
    async fn read(&self, about: Duration) -> Result<Reading, Unread>;

    /// Where what no request is known to, for people.
    fn nothing(&self) -> String;

    /// The same of two releases, the new one first, where the source tells them apart.
    fn beside(&self, _: &Apart) -> Option<[Box<dyn Asked>; 2]> {
        None
    }
}

#[async_trait]
impl<S: Asked> MetricSource for S {
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError> {
        let Pace { interval, patience, least, late } = self.pace();
        let length = window.length.max(least) + late;
        if !window.judged {
            let reading = surely(self, length, window.last).await?;
            return Ok(measured(self, Watched::default().with(reading).metrics()));
        }
        let last = window.last.checked_sub(patience).unwrap_or(window.begun);
        let mut until = (window.begun + length).min(last);
        let mut watched = Watched::default();
        let mut beside = Side::both(window.apart.and_then(|apart| self.beside(apart)));
        loop {
            tokio::time::sleep_until(until.min(Instant::now() + interval)).await;
            let ends = Instant::now() >= until;
            let about = window.begun.elapsed();
            let reading = if ends {
                surely(self, about, window.last).await?
            } else {
                match self.read(about).await {
                    Ok(reading) => reading,
                    Err(Unread::Refused(reason)) => return Err(AgentError::invalid(reason)),
                    // One answer less; the last one is insisted on.
                    Err(Unread::Silent(reason)) => {
                        tracing::warn!(reason, "the metric source did not answer");
                        continue;
                    }
                }
            };
            watched = watched.with(reading);
            let mut metrics = watched.metrics();
            if let Some(sides) = &mut beside {
                metrics.traffic = sides.read(about).await;
            }
            if !ends {
                if watcher.due(metrics.requests) && watcher.look(&mut metrics) == Watching::Ends {
                    return Ok(Measured::Metrics(metrics));
                }
            } else {
                // What is less than there is a number for would be waited for in vain.
                match watcher.end(&mut metrics).map(|more| more.max(least / 2)) {
                    Some(more) if Instant::now() + more <= last => until = Instant::now() + more,
                    _ => return Ok(measured(self, metrics)),
                }
            }
        }
    }
}

fn measured(source: &impl Asked, metrics: Metrics) -> Measured {
    if metrics.requests > 0 {
        return Measured::Metrics(metrics);
    }
    Measured::Nothing(format!("no request is known to {}", source.nothing()))
}

/// Two releases, each asked about for itself beside what is asked about both: the new one, and the old one.
struct Sides([Side; 2]);

struct Side {
    source: Box<dyn Asked>,
    watched: Watched,
}

impl Side {
    fn both(sources: Option<[Box<dyn Asked>; 2]>) -> Option<Sides> {
        let side = |source| Self { source, watched: Watched::default() };
        sources.map(|sources| Sides(sources.map(side)))
    }
}

impl Sides {
    /// What is known of them of the same time. None where nothing is known of the new one, or the source does
    /// not say it of both: what is known of all their requests is known all the same.
    async fn read(&mut self, about: Duration) -> Option<Box<Beside>> {
        let [new, old] = &mut self.0;
        let (read_new, read_old) = tokio::join!(new.source.read(about), old.source.read(about));
        let (read_new, read_old) = match (read_new, read_old) {
            (Ok(new), Ok(old)) => (new, old),
            (Err(unread), _) | (_, Err(unread)) => {
                tracing::warn!(?unread, "the metric source does not tell the releases apart");
                return None;
            }
        };
        for (side, reading) in [(&mut *new, read_new), (&mut *old, read_old)] {
            side.watched = std::mem::take(&mut side.watched).with(reading);
        }
        let metrics = [new, old].map(|side| side.watched.metrics());
        let [new, old] = metrics;
        (new.requests > 0).then(|| Box::new(Beside { new, old }))
    }
}

/// What is known, also if the source has to be asked again.
async fn surely(
    source: &impl Asked,
    about: Duration,
    last: Instant,
) -> Result<Reading, AgentError> {
    let patience = source.pace().patience;
    let mut attempt = 1;
    loop {
        match source.read(about).await {
            Ok(reading) => return Ok(reading),
            Err(Unread::Refused(reason)) => return Err(AgentError::invalid(reason)),
            Err(Unread::Silent(reason)) => {
                let pause = Duration::from_secs(u64::from(attempt));
                if attempt >= ATTEMPTS || Instant::now() + pause + patience > last {
                    return Err(AgentError::new(ErrorName::MetricsUnavailable, reason));
                }
                tokio::time::sleep(pause).await;
                attempt += 1;
            }
        }
    }
}

/// One reading after another of a time that begins at the same moment.
#[derive(Default)]
struct Watched {
    latest: Option<Reading>,
    /// What each reading had that the one before had not; or the parts of the latest.
    steps: Vec<Histogram>,
}

impl Watched {
    fn with(mut self, reading: Reading) -> Self {
        match (&reading.latency, self.latest.as_ref().map(|before| &before.latency)) {
            (Latency::Parts(parts), _) => self.steps.clone_from(parts),
            (Latency::Whole(all), Some(Latency::Whole(before))) => {
                self.steps.push(all.since(before));
            }
            (Latency::Whole(all), _) => self.steps.push(all.clone()),
        }
        self.latest = Some(reading);
        self
    }

    fn metrics(&self) -> Metrics {
        let Some(Reading { requests, errors, latency }) = &self.latest else {
            return Metrics::default();
        };
        let (requests, errors) = (whole(*requests), whole(*errors).min(whole(*requests)));
        #[expect(clippy::cast_precision_loss, reason = "no service has 2^52 requests in an hour")]
        let error_rate = if requests == 0 { 0.0 } else { errors as f64 * 100.0 / requests as f64 };
        let spread: Vec<f64> = latencies(&self.steps).into_iter().map(round).collect();
        let at = |percent: usize| match latency {
            #[expect(clippy::cast_precision_loss, reason = "at most 100")]
            Latency::Whole(all) => round(all.quantile(percent as f64 / 100.0)),
            Latency::Parts(_) => {
                let mut sorted = spread.clone();
                sorted.sort_by(f64::total_cmp);
                pact_statistics::percentile(&sorted, percent).unwrap_or(0.0)
            }
        };
        Metrics {
            requests,
            errors,
            error_rate: round(error_rate),
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
            latencies_ms: spread,
            look: None,
            ..Metrics::default()
        }
    }
}

/// What a server says, for people.
pub(super) fn said(text: &str) -> String {
    text::truncated(&text::readable(text), 300)
}

/// Rates are estimates, and what is no number is none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float that does not fit is cut off"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// To three decimals: more is noise.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
