//! The source `json`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use pact_contract::{ErrorName, StageStatus, actions::Look};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path};

use crate::{judged, metrics, track, watch};

fn source(address: &str) -> Value {
    json!({
        "kind": "json", "address": format!("{address}/shop?since=$seconds"),
        "latency": "/ms", "interval_ms": 100,
    })
}

/// 200 requests for each second that is asked about; those since so long ago all fail.
struct Service(f64);

impl Respond for Service {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let (_, since) = request.url.query_pairs().next().expect("a question");
        let since: f64 = since.parse().expect("seconds");
        let errors = (since.min(self.0) * 200.0).floor();
        ResponseTemplate::new(200).set_body_json(json!({
            "requests": (since * 200.0).floor(), "errors": errors,
            "ms": { "min": 4, "p50": 10, "p95": 40, "p99": 60, "max": 90 },
        }))
    }
}

#[tokio::test]
async fn an_address_tells_what_was_and_ends_a_watch_that_is_clear() {
    let server = MockServer::start().await;
    Mock::given(path("/shop")).respond_with(Service(0.0)).mount(&server).await;
    let asked = watch(source(&server.uri()), 5);
    let before = metrics(track(asked, Duration::from_secs(60)).await.expect("no fault"));
    assert_eq!((before.requests, before.errors), (1_000, 0));
    assert!((9.0..=11.0).contains(&before.p50_ms), "{before:?}");
    assert!((38.0..=42.0).contains(&before.p95_ms), "{before:?}");

    server.reset().await;
    Mock::given(path("/shop")).respond_with(Service(3_600.0)).mount(&server).await;
    let asked = judged(watch(source(&server.uri()), 60), Some(&before));
    let begun = std::time::Instant::now();
    let after = metrics(track(asked, Duration::from_secs(120)).await.expect("no fault"));
    assert!(matches!(after.look, Some(Look::Step(_))), "{after:?}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_no_number_of_requests_is_never_healthy() {
    for (answer, name, said) in [
        (json!({ "requests": 10 }), ErrorName::InvalidIntent, "/errors is not there"),
        (
            json!({ "requests": "10", "errors": 0 }),
            ErrorName::InvalidIntent,
            "/requests is no number",
        ),
        (json!({ "requests": 10, "errors": -1 }), ErrorName::InvalidIntent, "/errors is no number"),
        (
            json!({ "requests": 1, "errors": 0, "ms": "9" }),
            ErrorName::InvalidIntent,
            "/ms is neither",
        ),
        (json!("<html>"), ErrorName::InvalidIntent, "/requests is not there"),
    ] {
        let server = MockServer::start().await;
        let answers = ResponseTemplate::new(200).set_body_json(answer);
        Mock::given(path("/shop")).respond_with(answers).mount(&server).await;
        let asked = watch(source(&server.uri()), 1);
        let error = track(asked, Duration::from_secs(5)).await.expect_err("a fault");
        assert_eq!(error.name, name, "{}", error.message);
        assert!(error.message.contains(said), "{}", error.message);
    }
    for (status, name) in [
        (500, ErrorName::MetricsUnavailable),
        (429, ErrorName::MetricsUnavailable),
        (401, ErrorName::InvalidIntent),
        (404, ErrorName::InvalidIntent),
    ] {
        let server = MockServer::start().await;
        let answers = ResponseTemplate::new(status);
        Mock::given(path("/shop")).respond_with(answers).mount(&server).await;
        let asked = watch(source(&server.uri()), 1);
        let error = track(asked, Duration::from_secs(5)).await.expect_err("a fault");
        assert_eq!(error.name, name, "{status}: {}", error.message);
    }
    // Nobody asked the service for anything.
    let server = MockServer::start().await;
    let nothing = ResponseTemplate::new(200).set_body_json(json!({ "requests": 0, "errors": 0 }));
    Mock::given(path("/shop")).respond_with(nothing).mount(&server).await;
    let asked = watch(source(&server.uri()), 1);
    let answer = track(asked, Duration::from_secs(5)).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
}

#[tokio::test]
async fn an_answer_that_is_lost_on_the_way_costs_nothing() {
    struct Flaky(AtomicUsize);
    impl Respond for Flaky {
        fn respond(&self, _: &Request) -> ResponseTemplate {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                1 | 3 => ResponseTemplate::new(502),
                _ => ResponseTemplate::new(200)
                    .set_body_json(json!({ "requests": 40, "errors": 2, "ms": [1, 2, 3] })),
            }
        }
    }
    let server = MockServer::start().await;
    Mock::given(path("/shop")).respond_with(Flaky(AtomicUsize::new(0))).mount(&server).await;
    let asked = judged(watch(source(&server.uri()), 1), None);
    let metrics = metrics(track(asked, Duration::from_secs(60)).await.expect("no fault"));
    assert_eq!((metrics.requests, metrics.errors), (40, 2));
}
