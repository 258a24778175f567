//! What a Prometheus server, or another one that speaks its HTTP API, knows of the environment's
//! real requests (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
//!
//! Every query has `$window`, the time that is asked about, in it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_config::form::{Form, Shape, field, required};
use pact_contract::settings::Instance;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    asked::{Asked, Latency, PATIENCE, Pace, Reading, Unread, interval, said},
    histogram::Histogram,
    source::{Kind, Opened, Surroundings},
};
use crate::http::{Client, shown};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "prometheus", form, open };

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
        Shape::pattern(
            r"^[\s\S]*\$window[\s\S]*$",
            "a query with $window for the time that it is about, as \
             sum(increase(http_requests_total[$window]))",
            2_048,
        )
    };
    let address = Shape::pattern(
        r"^https?://[^\s@?#]+$",
        "an address without credentials, as http://prometheus:9090",
        512,
    );
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
            interval(),
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

#[async_trait]
impl Asked for Prometheus {
    fn pace(&self) -> Pace {
        Pace::every(self.settings.interval_ms)
    }

    fn nothing(&self) -> String {
        format!("{} by {}", shown(&self.query), self.settings.requests)
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
        let latency = Latency::Whole(Histogram::cumulative(histogram));
        Ok(Reading { requests, errors, latency })
    }
}

impl Prometheus {
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
