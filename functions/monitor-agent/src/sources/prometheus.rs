//! What a Prometheus server, or another one that speaks its HTTP API, knows of the environment's
//! real requests (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
//!
//! Every query has `$window`, the time that is asked about, in it. A release that is judged is
//! asked about from its beginning on, again and again; what was there before it is not waited for,
//! as the server knows it already.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_agent::{AgentError, text};
use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use pact_contract::{ErrorName, actions::Metrics, settings::Instance};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::{
    histogram::{Histogram, latencies},
    source::{Kind, Measured, MetricSource, Opened, Surroundings, Watcher, Watching, Window},
};
use crate::http::{Client, shown};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "prometheus", form, open };

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the last question, on which the judgement hangs, is asked before it is given up.
const ATTEMPTS: u32 = 3;

#[derive(Deserialize)]
struct Settings {
    address: String,
    requests: String,
    errors: String,
    latency: Option<String>,
    #[serde(default)]
    latency_unit: Unit,
    #[serde(default = "five_seconds")]
    interval_ms: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Unit {
    #[default]
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
}

const fn five_seconds() -> u64 {
    5_000
}

fn form() -> Form {
    let query = || {
        Shape::Text(Rule::Pattern {
            pattern: r"^[\s\S]*\$window[\s\S]*$".to_owned(),
            wanted: "a query with $window for the time that it is about, as \
                     sum(increase(http_requests_total[$window]))"
                .to_owned(),
            max: 2_048,
        })
    };
    let address = Shape::Text(Rule::Pattern {
        pattern: r"^https?://[^\s@?#]+$".to_owned(),
        wanted: "an address without credentials, as http://prometheus:9090".to_owned(),
        max: 512,
    });
    Form {
        about: "Queries of a Prometheus server about the environment's own requests.".to_owned(),
        fields: vec![
            required("address", "Address of the server.", address),
            required("requests", "How many requests there were: PromQL, one number.", query()),
            required("errors", "How many of them failed: PromQL, one number or nothing.", query()),
            field(
                "latency",
                "How long they took: PromQL, the increase of a histogram's buckets by `le`.",
                query(),
            ),
            field("latency_unit", "Unit of `le`; s without it.", Shape::word(&["s", "ms"])),
            field(
                "interval_ms",
                "Time between two questions.",
                Shape::Integer { min: 100, max: 60_000 },
            ),
        ],
        ..Form::default()
    }
}

struct Prometheus {
    http: Arc<Client>,
    query: Url,
    settings: Settings,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings: Settings =
        instance.parse().map_err(|e| format!("the settings of the source: {e}"))?;
    let text = format!("{}/api/v1/query", settings.address.trim_end_matches('/'));
    let query = surroundings.http.checked(&text)?;
    Ok(Box::new(Prometheus { http: Arc::clone(&surroundings.http), query, settings }))
}

/// What the server knows of a time.
struct Reading {
    requests: f64,
    errors: f64,
    latency: Histogram,
}

/// Why there is no reading.
enum Unread {
    /// The server did not answer, for now.
    Silent(String),
    /// It will not answer better the next time.
    Refused(String),
}

#[async_trait]
impl MetricSource for Prometheus {
    async fn measure(
        &self,
        window: &Window<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Measured, AgentError> {
        if !window.judged {
            let reading = self.surely(window.length, window.last).await?;
            return Ok(self.measured(Watched::default().with(reading).metrics()));
        }
        let interval = Duration::from_millis(self.settings.interval_ms);
        let last = window.last.checked_sub(PATIENCE).unwrap_or(window.begun);
        let mut until = (window.begun + window.length).min(last);
        let mut watched = Watched::default();
        loop {
            tokio::time::sleep_until(until.min(Instant::now() + interval)).await;
            let ends = Instant::now() >= until;
            let about = window.begun.elapsed();
            let reading = if ends {
                self.surely(about, window.last).await?
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
            if !ends {
                if watcher.due(metrics.requests) && watcher.look(&mut metrics) == Watching::Ends {
                    return Ok(Measured::Metrics(metrics));
                }
            } else {
                match watcher.end(&mut metrics) {
                    Some(more) if Instant::now() + more <= last => until = Instant::now() + more,
                    _ => return Ok(self.measured(metrics)),
                }
            }
        }
    }
}

/// One reading after another of a time that begins at the same moment.
#[derive(Default)]
struct Watched {
    latest: Option<Reading>,
    /// What each reading had that the one before had not.
    steps: Vec<Histogram>,
}

impl Watched {
    fn with(mut self, reading: Reading) -> Self {
        self.steps.push(match &self.latest {
            Some(before) => reading.latency.since(&before.latency),
            None => reading.latency.clone(),
        });
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
        let at = |share| round(latency.quantile(share));
        Metrics {
            requests,
            errors,
            error_rate: round(error_rate),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            latencies_ms: latencies(&self.steps).into_iter().map(round).collect(),
            look: None,
        }
    }
}

impl Prometheus {
    fn measured(&self, metrics: Metrics) -> Measured {
        if metrics.requests > 0 {
            return Measured::Metrics(metrics);
        }
        Measured::Nothing(format!(
            "no request is known to {} by {}",
            shown(&self.query),
            self.settings.requests
        ))
    }

    /// What is known, also if the server has to be asked again.
    async fn surely(&self, about: Duration, last: Instant) -> Result<Reading, AgentError> {
        let mut attempt = 1;
        loop {
            match self.read(about).await {
                Ok(reading) => return Ok(reading),
                Err(Unread::Refused(reason)) => return Err(AgentError::invalid(reason)),
                Err(Unread::Silent(reason)) => {
                    let pause = Duration::from_secs(u64::from(attempt));
                    if attempt >= ATTEMPTS || Instant::now() + pause + PATIENCE > last {
                        return Err(AgentError::new(ErrorName::MetricsUnavailable, reason));
                    }
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn read(&self, about: Duration) -> Result<Reading, Unread> {
        let Settings { requests, errors, latency, latency_unit, .. } = &self.settings;
        let (requests, errors, buckets) = tokio::try_join!(
            self.number("requests", requests, about),
            self.number("errors", errors, about),
            async {
                match latency {
                    Some(latency) => self.series("latency", latency, about).await,
                    None => Ok(Vec::new()),
                }
            }
        )?;
        let scale = match latency_unit {
            Unit::Seconds => 1_000.0,
            Unit::Milliseconds => 1.0,
        };
        let mut histogram = Vec::new();
        for Series { bound, value } in buckets {
            let bound = bound.ok_or_else(|| {
                Unread::Refused(
                    "watch.latency gives a series without the label `le`: it has to be the \
                     increase of a histogram's buckets, as \
                     sum by (le) (increase(http_request_duration_seconds_bucket[$window]))"
                        .to_owned(),
                )
            })?;
            histogram.push((bound * scale, value));
        }
        Ok(Reading { requests, errors, latency: Histogram::cumulative(histogram) })
    }

    /// The one number that a query gives; none is nothing.
    async fn number(&self, key: &str, query: &str, about: Duration) -> Result<f64, Unread> {
        match self.series(key, query, about).await?.as_slice() {
            [] => Ok(0.0),
            [Series { value, .. }] => Ok(if value.is_finite() { value.max(0.0) } else { 0.0 }),
            several => Err(Unread::Refused(format!(
                "watch.{key} gives {} series, not one number: put sum(…) around it",
                several.len()
            ))),
        }
    }

    async fn series(&self, key: &str, query: &str, about: Duration) -> Result<Vec<Series>, Unread> {
        // A range of nothing is refused.
        let milliseconds = format!("{}ms", about.as_millis().max(1));
        let query = query.replace("$window", &milliseconds);
        let from = shown(&self.query);
        let (status, body) = self
            .http
            .ask(&self.query, &[("query", &query)], PATIENCE)
            .await
            .map_err(|reason| Unread::Silent(format!("{from} does not answer: {reason}")))?;
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        match answer {
            Some(Answer { status, data: Some(data), .. }) if status == "success" => {
                data.series().ok_or_else(|| {
                    Unread::Refused(format!(
                        "watch.{key} gives a {}, not a number of now",
                        said(&data.kind)
                    ))
                })
            }
            // What is wrong with a query is wrong the next time too (400, 422).
            Some(Answer { error: Some(error), .. }) if matches!(status, 400 | 422) => {
                Err(Unread::Refused(format!("watch.{key}: {from} says {}", said(&error))))
            }
            _ => Err(Unread::Silent(format!(
                "{from} answers {status}, and not as the API of Prometheus does"
            ))),
        }
    }
}

/// What the API answers.
#[derive(Deserialize)]
struct Answer {
    status: String,
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// One number, and the upper bound of the bucket that it counts.
struct Series {
    bound: Option<f64>,
    value: f64,
}

impl Data {
    fn series(&self) -> Option<Vec<Series>> {
        // A value is `[when, "number"]`.
        let number = |value: &Value| value.get(1)?.as_str()?.parse::<f64>().ok();
        match self.kind.as_str() {
            "scalar" => Some(vec![Series { bound: None, value: number(&self.result)? }]),
            "vector" => self
                .result
                .as_array()?
                .iter()
                .map(|series| {
                    let le = series.pointer("/metric/le").and_then(Value::as_str);
                    // `+Inf` is read as what it is.
                    let bound = le.and_then(|le| le.parse().ok());
                    Some(Series { bound, value: number(series.get("value")?)? })
                })
                .collect(),
            _ => None,
        }
    }
}

/// What a server says, for people.
fn said(text: &str) -> String {
    text::truncated(&text::readable(text), 300)
}

/// Rates are estimates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "finite and not negative"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// To three decimals: more is noise.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
