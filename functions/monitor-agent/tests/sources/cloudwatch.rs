//! The source `cloudwatch`: against an emulator where the machine has one, and against a server that
//! answers as CloudWatch is documented to.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use ciborium::Value as Cbor;
use pact_contract::{
    ErrorName, StageStatus,
    actions::{Look, Metrics},
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::{Server, ask, judged, metrics, sdk, watch};

fn source() -> Value {
    json!({ "kind": "cloudwatch", "function": "shop", "alias": "live", "late_seconds": 0 })
}

/// Metrics of the service's own, one number for each second.
fn own() -> Value {
    json!({
        "kind": "cloudwatch", "namespace": "Shop", "requests": "Requests", "errors": "Failures",
        "latency": "Latency", "dimensions": { "Service": "web" }, "period_seconds": 1,
        "late_seconds": 1, "interval_ms": 1_000,
    })
}

fn text(value: &str) -> Cbor {
    Cbor::Text(value.to_owned())
}

fn map(entries: Vec<(&str, Cbor)>) -> Cbor {
    Cbor::Map(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

fn get<'c>(value: &'c Cbor, key: &str) -> Option<&'c Cbor> {
    value.as_map()?.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
}

/// A timestamp is a number of seconds with a tag.
fn seconds(value: &Cbor) -> f64 {
    let Cbor::Tag(1, inner) = value else { panic!("no timestamp: {value:?}") };
    match &**inner {
        Cbor::Float(at) => *at,
        #[expect(clippy::cast_precision_loss, reason = "a date")]
        Cbor::Integer(at) => i64::try_from(*at).expect("a date") as f64,
        other => panic!("no timestamp: {other:?}"),
    }
}

fn answer(body: &Cbor) -> ResponseTemplate {
    let mut bytes = Vec::new();
    ciborium::into_writer(body, &mut bytes).expect("is written");
    ResponseTemplate::new(200)
        .insert_header("smithy-protocol", "rpc-v2-cbor")
        .set_body_raw(bytes, "application/cbor")
}

fn refused(status: u16, code: &str, message: &str) -> ResponseTemplate {
    let body = map(vec![("__type", text(code)), ("message", text(message))]);
    let mut bytes = Vec::new();
    ciborium::into_writer(&body, &mut bytes).expect("is written");
    ResponseTemplate::new(status)
        .insert_header("smithy-protocol", "rpc-v2-cbor")
        .set_body_raw(bytes, "application/cbor")
}

/// One query's part of an answer: a number for each time.
fn result(id: &str, points: &[(f64, f64)], status: &str) -> Cbor {
    let at = |seconds: f64| Cbor::Tag(1, Box::new(Cbor::Float(seconds)));
    map(vec![
        ("Id", text(id)),
        ("StatusCode", text(status)),
        ("Timestamps", Cbor::Array(points.iter().map(|(when, _)| at(*when)).collect())),
        ("Values", Cbor::Array(points.iter().map(|(_, value)| Cbor::Float(*value)).collect())),
    ])
}

/// CloudWatch of a function that is invoked 600 times a minute, by the numbers of each minute, of which
/// those before the beginning are bad ones.
struct Minutes {
    asked: Mutex<Vec<(String, f64, f64)>>,
    pages: AtomicUsize,
}

impl Respond for Minutes {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        assert!(request.url.path().ends_with("/operation/GetMetricData"), "{}", request.url);
        let body: Cbor = ciborium::from_reader(&*request.body).expect("CBOR");
        let (begin, end) = (
            seconds(get(&body, "StartTime").expect("a beginning")),
            seconds(get(&body, "EndTime").expect("an end")),
        );
        assert!(begin % 60.0 == 0.0, "a period begins with the minute: {begin}");
        let mut results = Vec::new();
        for query in get(&body, "MetricDataQueries").and_then(Cbor::as_array).expect("queries") {
            let id = get(query, "Id").and_then(Cbor::as_text).expect("a name");
            let stat = get(query, "MetricStat").expect("a statistic");
            let metric = get(stat, "Metric").expect("a metric");
            let name = get(metric, "MetricName").and_then(Cbor::as_text).expect("a name");
            let dimensions = get(metric, "Dimensions").and_then(Cbor::as_array).expect("some");
            let values: Vec<_> =
                dimensions.iter().filter_map(|d| get(d, "Value").and_then(Cbor::as_text)).collect();
            assert_eq!(values, ["shop", "shop:live"]);
            let stat = get(stat, "Stat").and_then(Cbor::as_text).expect("a statistic");
            self.asked.lock().expect("no panic").push((format!("{name} {stat}"), begin, end));
            let value = match (name, stat) {
                ("Invocations", "Sum") => Some(600.0),
                ("Errors", "Sum") => Some(6.0),
                ("Throttles", "Sum") => None,
                ("Duration", "Minimum") => Some(2.0),
                ("Duration", "p50") => Some(20.0),
                ("Duration", "p95") => Some(80.0),
                ("Duration", "p99") => Some(100.0),
                ("Duration", "Maximum") => Some(400.0),
                _ => None,
            };
            let mut minute = begin;
            let mut points = Vec::new();
            while let Some(value) = value.filter(|_| minute < end) {
                points.push((minute, value));
                minute += 60.0;
            }
            results.push((id.to_owned(), points));
        }
        // The second half of each series is on a page of its own.
        let second = get(&body, "NextToken").is_some();
        self.pages.fetch_add(1, Ordering::Relaxed);
        let results = results.iter().map(|(id, points)| {
            let (first, last) = points.split_at(points.len() / 2);
            let status = if second { "Complete" } else { "PartialData" };
            result(id, if second { last } else { first }, status)
        });
        let mut body = vec![("MetricDataResults", Cbor::Array(results.collect()))];
        if !second {
            body.push(("NextToken", text("second")));
        }
        answer(&map(body))
    }
}

#[tokio::test]
async fn a_function_is_measured_by_its_alias_and_whole_minutes() {
    let server = MockServer::start().await;
    let minutes = Minutes { asked: Mutex::default(), pages: AtomicUsize::new(0) };
    Mock::given(any()).respond_with(minutes).mount(&server).await;
    let asked = watch(source(), 300);
    let answer = ask(Some(&server.uri()), asked, Duration::from_secs(60)).await.expect("no fault");
    let metrics = metrics(answer);
    // The minute that has begun counts, and of the first only what is whole.
    assert!([3_000, 3_600].contains(&metrics.requests), "{metrics:?}");
    assert!((metrics.error_rate - 1.0).abs() < 1e-9, "{metrics:?}");
    assert!((19.0..=21.0).contains(&metrics.p50_ms), "{metrics:?}");
    assert!((78.0..=82.0).contains(&metrics.p95_ms), "{metrics:?}");
    assert!((95.0..=130.0).contains(&metrics.p99_ms), "{metrics:?}");
    assert_eq!(metrics.latencies_ms.len(), 500);
}

/// CloudWatch of a function whose alias leads to two versions, of which the third fails every other time.
struct Versions;

impl Respond for Versions {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let body: Cbor = ciborium::from_reader(&*request.body).expect("CBOR");
        let (mut at, end) = (
            seconds(get(&body, "StartTime").expect("a beginning")),
            seconds(get(&body, "EndTime").expect("an end")),
        );
        let mut times = Vec::new();
        while at < end {
            times.push(at);
            at += 1.0;
        }
        let results = get(&body, "MetricDataQueries").and_then(Cbor::as_array).expect("queries");
        let results = results.iter().map(|query| {
            let id = get(query, "Id").and_then(Cbor::as_text).expect("a name");
            let stat = get(query, "MetricStat").expect("a statistic");
            let metric = get(stat, "Metric").expect("a metric");
            let name = get(metric, "MetricName").and_then(Cbor::as_text).expect("a name");
            let dimensions = get(metric, "Dimensions").and_then(Cbor::as_array).expect("some");
            let of =
                |part| dimensions.iter().filter_map(move |d| get(d, part).and_then(Cbor::as_text));
            assert_eq!(of("Name").take(2).collect::<Vec<_>>(), ["FunctionName", "Resource"]);
            assert!(of("Name").nth(2).is_none_or(|third| third == "ExecutedVersion"));
            let value = match (name, of("Value").nth(2)) {
                ("Invocations", None) => 200.0,
                ("Invocations", Some("3")) => 20.0,
                ("Invocations", Some("2")) => 180.0,
                ("Errors", None | Some("3")) => 10.0,
                ("Duration", _) => 5.0,
                _ => 0.0,
            };
            let points: Vec<_> = times.iter().map(|at| (*at, value)).collect();
            result(id, &points, "Complete")
        });
        answer(&map(vec![("MetricDataResults", Cbor::Array(results.collect()))]))
    }
}

#[tokio::test]
async fn two_versions_behind_an_alias_are_told_apart() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Versions).mount(&server).await;
    let mut source = source();
    source["period_seconds"] = json!(1);
    source["interval_ms"] = json!(500);
    for (apart, known) in [
        (json!({ "new": "lambda:shop:3", "old": "lambda:shop:2" }), true),
        (json!({ "new": "lambda:another:3", "old": "lambda:another:2" }), false),
        (json!({ "new": "http://127.0.0.1:1", "old": "http://127.0.0.1:2" }), false),
    ] {
        let mut asked = judged(watch(source.clone(), 2), None);
        asked["apart"] = apart.clone();
        let answer = ask(Some(&server.uri()), asked, Duration::from_secs(60)).await;
        let metrics = metrics(answer.expect("no fault"));
        assert!((4.0..6.0).contains(&metrics.error_rate), "{metrics:?}");
        let traffic = metrics.traffic.map(|both| (both.new.error_rate, both.old.error_rate));
        assert_eq!(traffic, known.then_some((50.0, 0.0)), "{apart}");
    }
}

#[tokio::test]
async fn what_cloudwatch_refuses_is_a_fault_and_never_healthy() {
    let internal =
        map(vec![("MetricDataResults", Cbor::Array(vec![result("r0", &[], "InternalError")]))]);
    let forbidden =
        map(vec![("MetricDataResults", Cbor::Array(vec![result("r0", &[], "Forbidden")]))]);
    for (answers, name, said) in [
        (
            refused(403, "AccessDenied", "not authorized to perform cloudwatch:GetMetricData"),
            ErrorName::InvalidIntent,
            "not authorized",
        ),
        (
            refused(
                400,
                "com.amazonaws.cloudwatch#InvalidParameterValueException",
                "no such thing",
            ),
            ErrorName::InvalidIntent,
            "no such thing",
        ),
        (
            refused(400, "ThrottlingException", "Rate exceeded"),
            ErrorName::MetricsUnavailable,
            "Rate exceeded",
        ),
        (refused(503, "ServiceUnavailable", "later"), ErrorName::MetricsUnavailable, "503"),
        (answer(&internal), ErrorName::MetricsUnavailable, "could not answer"),
        (answer(&forbidden), ErrorName::InvalidIntent, "does not let the monitor agent"),
    ] {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(answers).mount(&server).await;
        let url = server.uri();
        let asked = ask(Some(&url), watch(source(), 60), Duration::from_secs(16));
        let error = asked.await.expect_err("a fault");
        assert_eq!(error.name, name, "{}", error.message);
        assert!(error.message.contains(said), "{}", error.message);
    }
    // Nobody listens; and there is no AWS at all.
    let asked = ask(Some("http://127.0.0.1:1"), watch(source(), 60), Duration::from_secs(16));
    let error = asked.await.expect_err("a fault");
    assert_eq!(error.name, ErrorName::MetricsUnavailable, "{}", error.message);
    let error = ask(None, watch(source(), 60), Duration::from_secs(16)).await.expect_err("a fault");
    assert_eq!(error.name, ErrorName::InvalidIntent, "{}", error.message);
}

/// Publishes so many requests a second, of which so many percent fail, until it is dropped.
struct Traffic(tokio::task::JoinHandle<()>);

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn traffic(url: &str, percent: f64) -> Traffic {
    let client = aws_sdk_cloudwatch::Client::new(&sdk(url));
    Traffic(tokio::spawn(async move {
        use aws_sdk_cloudwatch::types::{Dimension, MetricDatum};
        let mut tick = tokio::time::interval(Duration::from_millis(250));
        loop {
            tick.tick().await;
            let dimension = Dimension::builder().name("Service").value("web").build();
            let datum = |name: &str| {
                MetricDatum::builder()
                    .metric_name(name)
                    .dimensions(dimension.clone())
                    .timestamp(SystemTime::now().into())
                    .storage_resolution(1)
            };
            let mut data = vec![
                datum("Requests").value(50.0).build(),
                datum("Failures").value(percent / 2.0).build(),
            ];
            data.extend((1..=20).map(|n| datum("Latency").value(f64::from(n)).build()));
            let put = client.put_metric_data().namespace("Shop").set_metric_data(Some(data));
            put.send().await.expect("is put");
        }
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_tells_what_was_and_ends_a_watch_that_is_clear() {
    let server = Server::start("ministack", |command, port, folder| {
        command
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("S3_DATA_DIR", folder.join("s3"))
            .env("STATE_DIR", folder.join("state"))
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0");
    });
    let Some(server) = server else { return };
    let begun = Instant::now();
    while std::net::TcpStream::connect(server.address.trim_start_matches("http://")).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the emulator does not listen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    let good = traffic(&server.address, 0.0);
    let before: Metrics = loop {
        let asked = ask(Some(&server.address), watch(own(), 3), Duration::from_secs(60));
        let answer = asked.await.expect("no fault");
        if answer.response.output["requests"].as_u64() > Some(600) {
            break metrics(answer);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing is known");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(before.errors, 0);
    assert!((9.0..=12.0).contains(&before.p50_ms), "{before:?}");
    assert!((18.0..=20.0).contains(&before.p95_ms), "{before:?}");

    // A second of the release before is none of the new one's.
    drop(good);
    let _bad = traffic(&server.address, 50.0);
    let asked = judged(watch(own(), 60), Some(&before));
    let watched = Instant::now();
    let answer = ask(Some(&server.address), asked, Duration::from_secs(120)).await;
    let after = metrics(answer.expect("no fault"));
    assert!(matches!(after.look, Some(Look::Step(_))), "{after:?}");
    assert!(after.error_rate > 40.0, "{after:?}");
    assert!(watched.elapsed() < Duration::from_secs(30), "{:?}", watched.elapsed());

    // Nobody publishes these.
    let mut none = own();
    none["requests"] = json!("Nothing");
    let asked = ask(Some(&server.address), watch(none, 2), Duration::from_secs(60));
    let answer = asked.await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(
        answer.response.summary.contains("Shop Nothing {Service=web}"),
        "{}",
        answer.response.summary
    );
}
