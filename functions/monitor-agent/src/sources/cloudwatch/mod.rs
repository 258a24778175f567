//! What Amazon CloudWatch knows of the environment's own requests
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>).
//!
//! It has one number for each period, and knows it late. A period in which a release came says nothing of
//! it, as others were asked in it too: what is asked about begins with the period after.

mod settings;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_sdk_cloudwatch::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_metric_data::{GetMetricDataError, GetMetricDataOutput},
    primitives::DateTime,
    types::{Dimension, MetricDataQuery, MetricStat, ScanBy, StatusCode, builders},
};
use pact_contract::{
    run::{Apart, VERSION_OF_FUNCTION},
    settings::Instance,
};

use self::settings::{Metric, Settings};
use super::{
    asked::{Asked, Latency, Pace, Reading, Unread, said},
    histogram::Histogram,
    source::{Kind, Opened, Surroundings},
};

/// This kind of source.
pub(crate) const KIND: Kind = Kind { name: "cloudwatch", form: settings::form, open };

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pages of an answer that are read; one has 100,800 numbers.
const MAX_PAGES: usize = 10;
/// The latencies that are asked for, with the share of the requests that keeps to each.
const QUANTILES: [(&str, f64); 7] = [
    ("Minimum", 0.0),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("Maximum", 1.0),
];

struct CloudWatch {
    client: Client,
    settings: Settings,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings = Settings::read(instance)?;
    let sdk = surroundings
        .aws
        .as_ref()
        .ok_or("this installation cannot ask CloudWatch: use another source")?;
    let mut config = aws_sdk_cloudwatch::config::Builder::from(sdk);
    if let Some(region) = &settings.region {
        config = config.region(aws_sdk_cloudwatch::config::Region::new(region.clone()));
    }
    Ok(Box::new(CloudWatch { client: Client::from_conf(config.build()), settings }))
}

/// One number for each period, by the second in which that begins.
type Series = BTreeMap<i64, f64>;

#[async_trait]
impl Asked for CloudWatch {
    fn pace(&self) -> Pace {
        let Settings { period_seconds, late_seconds, interval_ms, .. } = &self.settings;
        Pace {
            interval: Duration::from_millis(*interval_ms),
            patience: PATIENCE,
            // One period at least of which everything counts.
            least: Duration::from_secs(period_seconds * 2),
            late: Duration::from_secs(*late_seconds),
        }
    }

    fn nothing(&self) -> String {
        let all: Vec<_> = self.settings.requests.iter().map(Metric::shown).collect();
        format!("CloudWatch by {}", all.join(" and "))
    }

    fn beside(&self, apart: &Apart) -> Option<[Box<dyn Asked>; 2]> {
        let of = |version: &str| -> Option<Box<dyn Asked>> {
            let (function, version) =
                version.strip_prefix(VERSION_OF_FUNCTION)?.rsplit_once(':')?;
            let settings = self.settings.of_version(function, version)?;
            Some(Box::new(Self { client: self.client.clone(), settings }))
        };
        Some([of(&apart.new)?, of(&apart.old)?])
    }

    async fn read(&self, about: Duration) -> Result<Reading, Unread> {
        let now = since_epoch(SystemTime::now());
        let period = self.settings.period_seconds;
        let begin = now.saturating_sub(about).as_secs_f64().ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a date")]
        let begin = (begin as u64).next_multiple_of(period);
        if begin >= now.as_secs() {
            return Ok(Reading { requests: 0.0, errors: 0.0, latency: Latency::Parts(Vec::new()) });
        }
        let numbers = self.ask(begin, now.as_secs() + 1).await?;
        Ok(self.reading(&numbers))
    }
}

impl CloudWatch {
    /// What is known from one second since the epoch until another, by the names of the queries.
    async fn ask(&self, begin: u64, end: u64) -> Result<BTreeMap<String, Series>, Unread> {
        let at = |seconds: u64| DateTime::from(UNIX_EPOCH + Duration::from_secs(seconds));
        let mut numbers: BTreeMap<String, Series> = BTreeMap::new();
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let request = self
                .client
                .get_metric_data()
                .set_metric_data_queries(Some(self.queries()))
                .start_time(at(begin))
                .end_time(at(end))
                .scan_by(ScanBy::TimestampAscending)
                .set_next_token(next);
            let answer = match tokio::time::timeout(PATIENCE, request.send()).await {
                Ok(answer) => answer.map_err(|error| unread(&error))?,
                Err(_) => {
                    return Err(Unread::Silent("CloudWatch does not answer in time".to_owned()));
                }
            };
            add(&mut numbers, &answer)?;
            next = answer.next_token;
            if next.is_none() {
                return Ok(numbers);
            }
        }
        Err(Unread::Refused(format!(
            "CloudWatch has more than {MAX_PAGES} pages of numbers: choose a longer watch.period_seconds"
        )))
    }

    fn queries(&self) -> Vec<MetricDataQuery> {
        let Settings { requests, errors, latency, .. } = &self.settings;
        let sums = [("r", requests), ("e", errors)].into_iter().flat_map(|(letter, metrics)| {
            metrics.iter().enumerate().map(move |(index, metric)| (letter, index, metric, "Sum"))
        });
        let latencies = latency.iter().flat_map(|(metric, _)| {
            QUANTILES.iter().enumerate().map(move |(index, (stat, _))| ("l", index, metric, *stat))
        });
        sums.chain(latencies)
            .map(|(letter, index, metric, stat)| {
                MetricDataQuery::builder()
                    .id(format!("{letter}{index}"))
                    .metric_stat(self.stat(metric, stat))
                    .set_account_id(self.settings.account.clone())
                    .return_data(true)
                    .build()
            })
            .collect()
    }

    fn stat(&self, metric: &Metric, stat: &str) -> MetricStat {
        let dimensions = metric.dimensions.iter().map(|(name, value)| {
            Dimension::builder().name(name.as_str()).value(value.as_str()).build()
        });
        let metric = builders::MetricBuilder::default()
            .namespace(metric.namespace.as_str())
            .metric_name(metric.name.as_str())
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let period = i32::try_from(self.settings.period_seconds).unwrap_or(i32::MAX);
        MetricStat::builder().metric(metric).period(period).stat(stat).build()
    }

    fn reading(&self, numbers: &BTreeMap<String, Series>) -> Reading {
        let all = |letter: &str, count: usize| {
            let mut sum = Series::new();
            for index in 0..count {
                for (when, value) in numbers.get(&format!("{letter}{index}")).into_iter().flatten()
                {
                    *sum.entry(*when).or_default() += value.max(0.0);
                }
            }
            sum
        };
        let requests = all("r", self.settings.requests.len());
        let errors = all("e", self.settings.errors.len());
        let scale = self.settings.latency.as_ref().map_or(1.0, |(_, scale)| *scale);
        let parts = requests.iter().map(|(when, count)| {
            let latencies = QUANTILES.iter().enumerate().filter_map(|(index, (_, share))| {
                Some((*share, numbers.get(&format!("l{index}"))?.get(when)? * scale))
            });
            Histogram::quantiles(*count, latencies)
        });
        Reading {
            requests: requests.values().sum(),
            errors: errors.values().sum(),
            latency: Latency::Parts(parts.collect()),
        }
    }
}

/// Adds what a page has. A query that could not be answered makes the whole answer none.
fn add(numbers: &mut BTreeMap<String, Series>, page: &GetMetricDataOutput) -> Result<(), Unread> {
    for result in page.metric_data_results() {
        let id = result.id().unwrap_or_default();
        let messages: Vec<_> =
            result.messages().iter().filter_map(|message| message.value()).collect();
        match result.status_code() {
            Some(StatusCode::Forbidden) => {
                return Err(Unread::Refused(format!(
                    "CloudWatch does not let the monitor agent read these metrics: {}",
                    said(&messages.join("; "))
                )));
            }
            Some(StatusCode::InternalError) => {
                return Err(Unread::Silent(format!(
                    "CloudWatch could not answer: {}",
                    said(&messages.join("; "))
                )));
            }
            _ => {}
        }
        let series = numbers.entry(id.to_owned()).or_default();
        for (when, value) in result.timestamps().iter().zip(result.values()) {
            if value.is_finite() {
                series.insert(when.secs(), *value);
            }
        }
    }
    Ok(())
}

fn unread(error: &SdkError<GetMetricDataError>) -> Unread {
    let SdkError::ServiceError(service) = error else {
        let why = match error {
            SdkError::TimeoutError(_) => "does not answer in time",
            SdkError::DispatchFailure(_) => "cannot be reached",
            SdkError::ResponseError(_) => "answers what cannot be read",
            _ => "cannot be asked; are region and credentials set?",
        };
        return Unread::Silent(format!("CloudWatch {why}"));
    };
    let code = service.err().code().unwrap_or_default();
    let message = service.err().message().unwrap_or_default();
    let status = service.raw().status().as_u16();
    let text = format!("CloudWatch answers {status} {code}: {}", said(message));
    let throttled = code.contains("Throttl") || status == 429 || status >= 500;
    if throttled { Unread::Silent(text) } else { Unread::Refused(text) }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
