//! What an address answers, as JSON, of the environment's own requests: for whatever has its own way of
//! counting them.
//!
//! `$seconds` in the address is the time that is asked about, until now.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_config::form::{Form, Shape, field, required};
use pact_contract::settings::Instance;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    asked::{Asked, Latency, PATIENCE, Pace, Reading, Unread, interval},
    histogram::Histogram,
    source::{Kind, Opened, Surroundings},
};
use crate::http::{Client, shown};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "json", form, open };

/// What stands for the time in an address.
const SECONDS: &str = "$seconds";
/// Latencies of an answer that are read.
const MAX_LATENCIES: usize = 10_000;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    address: String,
    requests: String,
    errors: String,
    latency: Option<String>,
    interval_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: String::new(),
            requests: "/requests".to_owned(),
            errors: "/errors".to_owned(),
            latency: None,
            interval_ms: 5_000,
        }
    }
}

fn form() -> Form {
    let address = Shape::pattern(
        r"^https?://[^\s@#]*\$seconds[^\s@#]*$",
        "an address without credentials, with $seconds for the time that it is about, as \
         https://metrics.internal/shop?seconds=$seconds",
        512,
    );
    let place = || {
        Shape::pattern(r"^(/[^/\s]+)+$", "a JSON pointer (RFC 6901) such as /data/requests", 256)
    };
    Form {
        about: "An address that says in JSON what it knows of the environment's own requests."
            .to_owned(),
        fields: vec![
            required("address", "Address, which is asked by GET.", address),
            field("requests", "Where the number of requests is; /requests without it.", place()),
            field("errors", "Where the number of failed ones is; /errors without it.", place()),
            field(
                "latency",
                "Where their latencies in milliseconds are: a list of numbers, or a table with \
                 keys as p50, p95, p99, min and max.",
                place(),
            ),
            interval(),
        ],
        ..Form::default()
    }
}

struct Json {
    http: Arc<Client>,
    /// For people.
    shown: String,
    settings: Settings,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings: Settings =
        instance.parse().map_err(|e| format!("the settings of the source: {e}"))?;
    if !settings.address.contains(SECONDS) {
        return Err(format!("watch.address has no {SECONDS} for the time that it is about"));
    }
    let url = surroundings.http.checked(&about(&settings.address, Duration::ZERO))?;
    Ok(Box::new(Json { http: Arc::clone(&surroundings.http), shown: shown(&url), settings }))
}

/// The address that asks about the time since so long ago.
fn about(address: &str, time: Duration) -> String {
    address.replace(SECONDS, &format!("{:.3}", time.as_secs_f64()))
}

#[async_trait]
impl Asked for Json {
    fn pace(&self) -> Pace {
        Pace::every(self.settings.interval_ms)
    }

    fn nothing(&self) -> String {
        self.shown.clone()
    }

    async fn read(&self, time: Duration) -> Result<Reading, Unread> {
        let Settings { address, requests, errors, latency, .. } = &self.settings;
        let text = about(address, time);
        let url = Url::parse(&text).map_err(|error| Unread::Refused(error.to_string()))?;
        let from = &self.shown;
        let (status, body) = self
            .http
            .ask(&url, &[], PATIENCE)
            .await
            .map_err(|reason| Unread::Silent(format!("{from} does not answer: {reason}")))?;
        if !(200..300).contains(&status) {
            let text = format!("{from} answers {status}");
            // What it does not let in or does not know, it will not the next time either.
            let for_good = matches!(status, 300..=399 | 400 | 401 | 403 | 404 | 405 | 410 | 422);
            return Err(if for_good { Unread::Refused(text) } else { Unread::Silent(text) });
        }
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|_| Unread::Silent(format!("{from} answers {status}, and no JSON")))?;
        let number = |key: &str, place: &str| count(&answer, from, key, place);
        let (requests, errors) = (number("requests", requests)?, number("errors", errors)?);
        let latency = match latency {
            Some(place) => latencies(&answer, place, requests - errors.min(requests))
                .map_err(|why| Unread::Refused(format!("{from}: watch.latency {place} {why}")))?,
            None => Histogram::default(),
        };
        Ok(Reading { requests, errors, latency: Latency::Parts(vec![latency]) })
    }
}

/// A number that counts something.
fn count(answer: &Value, from: &str, key: &str, place: &str) -> Result<f64, Unread> {
    let counted = answer.pointer(place).and_then(Value::as_f64).filter(|count| *count >= 0.0);
    counted.ok_or_else(|| {
        let there = match answer.pointer(place) {
            Some(_) => "is no number that counts something",
            None => "is not there",
        };
        Unread::Refused(format!("{from}: watch.{key} {place} {there}"))
    })
}

/// The latencies of so many requests.
fn latencies(answer: &Value, place: &str, requests: f64) -> Result<Histogram, &'static str> {
    const NUMBERS: &str = "has what is no number of milliseconds";
    let milliseconds =
        |value: &Value| value.as_f64().filter(|latency| *latency >= 0.0).ok_or(NUMBERS);
    match answer.pointer(place) {
        None | Some(Value::Null) => Ok(Histogram::default()),
        Some(Value::Array(list)) if list.len() > MAX_LATENCIES => {
            Err("has more than 10,000 latencies")
        }
        Some(Value::Array(list)) => {
            let mut all = list.iter().map(milliseconds).collect::<Result<Vec<_>, _>>()?;
            all.sort_by(f64::total_cmp);
            #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
            let below = |(index, latency): (usize, &f64)| (*latency, (index + 1) as f64);
            let shortest = all.first().map(|shortest| (*shortest, 0.0));
            Ok(Histogram::cumulative(shortest.into_iter().chain(all.iter().enumerate().map(below))))
        }
        Some(Value::Object(table)) => {
            let mut shares = BTreeMap::new();
            for (name, value) in table {
                let percent = match name.as_str() {
                    "min" => "0",
                    "median" => "50",
                    "max" => "100",
                    name => name.strip_prefix('p').ok_or("has a key that is no quantile as p95")?,
                };
                let percent: f64 =
                    percent.parse().map_err(|_| "has a key that is no quantile as p95")?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err("has a key that is no quantile as p95");
                }
                shares.insert(name, (percent / 100.0, milliseconds(value)?));
            }
            Ok(Histogram::quantiles(requests, shares.into_values()))
        }
        Some(_) => Err("is neither a list of numbers nor a table as { p50 = 12, p95 = 80 }"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn latencies_are_a_list_or_quantiles() {
        let read = |value: Value| latencies(&json!({ "ms": value }), "/ms", 100.0);
        let list = read(json!([30, 10, 20.5])).expect("a list");
        assert_eq!((list.total(), list.quantile(1.0)), (3.0, 30.0));
        let table = read(json!({ "min": 1, "p50": 8, "p99.9": 90, "max": 120 })).expect("a table");
        assert_eq!((table.total(), table.quantile(0.5)), (100.0, 8.0));
        assert_eq!(table.quantile(1.0), 120.0);
        assert_eq!(read(json!(null)), Ok(Histogram::default()));
        for wrong in [
            json!(["fast"]),
            json!({ "p95": -1 }),
            json!({ "p101": 1 }),
            json!({ "mean": 1 }),
            json!("9"),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
