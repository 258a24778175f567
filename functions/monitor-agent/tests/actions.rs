//! Every action from intent to answer, against real HTTP servers.
#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pact_agent::{AgentError, adapter, testing::Memory};
use pact_contract::{
    ErrorName, IntentEnvelope, ResponseEnvelope, StageStatus,
    actions::{Look, Metrics},
    envelope::Context,
};
use pact_monitor_agent::{Config, MonitorAgent};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path};

async fn call_for(
    action: &str,
    parameters: Value,
    time: Duration,
) -> Result<ResponseEnvelope, AgentError> {
    let agent = MonitorAgent::new(Config::default(), pact_agent::testing::Memory::new());
    let context = Context { run_id: Some("run-1".parse().expect("an id")), ..Context::default() };
    let parameters = parameters.as_object().expect("an object").clone();
    let intent =
        IntentEnvelope::new("pact.pipeline", jiff::Timestamp::now(), action, parameters, context);
    let event = serde_json::to_value(intent).expect("it is written");
    let deadline = tokio::time::Instant::now() + time;
    let answer = adapter::handle(&agent, &Memory::new().recording(), event, deadline).await?;
    Ok(serde_json::from_value(answer).expect("a response"))
}

async fn call(action: &str, parameters: Value) -> ResponseEnvelope {
    call_for(action, parameters, Duration::from_secs(120)).await.expect("a verdict")
}

async fn health(url: &str, probes: Value) -> ResponseEnvelope {
    let parameters = json!({ "environment": "staging", "url": url, "probes": probes });
    call("monitor.check_health", parameters).await
}

async fn server(status: u16, body: &str) -> MockServer {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(status).set_body_string(body);
    Mock::given(path("/health")).respond_with(answer).mount(&server).await;
    server
}

/// Answers 503 for the first requests and 200 from then on.
struct Starting {
    requests: AtomicUsize,
    failing: usize,
}

impl Respond for Starting {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        ResponseTemplate::new(if number < self.failing { 503 } else { 200 })
    }
}

#[tokio::test]
async fn a_healthy_service_passes_after_the_wanted_successes_in_a_row() {
    let server = server(200, "all is well").await;
    let answer = health(
        &server.uri(),
        json!([{ "path": "/health", "contains": "well", "interval_ms": 10 }]),
    )
    .await;
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert!(
        answer.response.summary.starts_with("healthy after 3 requests in "),
        "{}",
        answer.response.summary
    );
    assert_eq!(answer.response.output, json!({ "healthy": 1, "probes": 1, "requests": 3 }));
}

#[tokio::test]
async fn a_service_that_starts_late_is_waited_for() {
    let server = MockServer::start().await;
    let starting = Starting { requests: AtomicUsize::new(0), failing: 4 };
    Mock::given(path("/health")).respond_with(starting).mount(&server).await;
    let answer =
        health(&server.uri(), json!([{ "path": "/health", "interval_ms": 10, "successes": 2 }]))
            .await;
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert_eq!(answer.response.output["requests"], 6);
}

#[tokio::test]
async fn connections_refused_at_first_are_no_verdict() {
    // A port that is free now, and served a little later.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let task = tokio::spawn(async move {
        health(&format!("http://{address}"), json!([{ "path": "/health", "interval_ms": 10 }]))
            .await
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let listener = std::net::TcpListener::bind(address).expect("the port is still free");
    let server = MockServer::builder().listener(listener).start().await;
    Mock::given(path("/health")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let answer = task.await.expect("it ends");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    assert!(answer.response.output["requests"].as_u64().is_some_and(|n| n > 3));
}

#[tokio::test]
async fn what_was_seen_last_is_said() {
    let broken = server(500, "").await;
    let silent = server(200, "other").await;
    let slow = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_millis(300));
    Mock::given(path("/health")).respond_with(answer).mount(&slow).await;
    for (url, wanted, seen) in [
        (broken.uri(), json!({}), "status 500, not 200"),
        (silent.uri(), json!({ "contains": "well" }), "a body without \"well\""),
        (slow.uri(), json!({ "max_latency_ms": 50 }), "not within 50 ms"),
        ("http://127.0.0.1:1".to_owned(), json!({}), "refused"),
    ] {
        let mut probe = json!({ "path": "/health", "interval_ms": 50, "deadline_seconds": 1 });
        probe
            .as_object_mut()
            .expect("an object")
            .extend(wanted.as_object().expect("an object").clone());
        let answer = health(&url, json!([probe])).await;
        assert_eq!(answer.response.status, StageStatus::Failed);
        let finding = &answer.response.findings[0];
        assert_eq!(finding.code, "health-check-failed");
        assert!(finding.message.contains(seen), "{}", finding.message);
        assert!(finding.message.contains(" attempt"), "{}", finding.message);
    }
}

#[tokio::test]
async fn every_probe_has_to_be_healthy() {
    let server = server(200, "").await;
    let probes = json!([
        { "path": "/health", "interval_ms": 10 },
        { "path": "/missing", "interval_ms": 10, "deadline_seconds": 0 },
    ]);
    let answer = health(&server.uri(), probes).await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(
        answer.response.summary.starts_with("1 of 2 probes healthy: "),
        "{}",
        answer.response.summary
    );
    assert!(
        answer.response.summary.contains("status 404, not 200 (1 attempt)"),
        "{}",
        answer.response.summary
    );
}

#[tokio::test]
async fn redirects_are_followed_to_the_same_host_only() {
    let server = server(200, "").await;
    for (from, to) in
        [("/here", "/health".to_owned()), ("/away", "http://elsewhere.invalid/health".to_owned())]
    {
        let answer = ResponseTemplate::new(302).insert_header("location", to.as_str());
        Mock::given(path(from)).respond_with(answer).mount(&server).await;
    }
    let probe = |path: &str| json!([{ "path": path, "interval_ms": 10, "deadline_seconds": 0, "successes": 1 }]);
    assert_eq!(health(&server.uri(), probe("/here")).await.response.status, StageStatus::Passed);
    let away = health(&server.uri(), probe("/away")).await;
    assert!(away.response.summary.contains("status 302, not 200"), "{}", away.response.summary);
}

#[tokio::test]
async fn a_large_body_is_read_to_its_bound() {
    let body = format!("{}needle", "x".repeat(3 * 1024 * 1024));
    let server = server(200, &body).await;
    let answer = health(
        &server.uri(),
        json!([{ "path": "/health", "contains": "needle", "deadline_seconds": 0 }]),
    )
    .await;
    assert_eq!(answer.response.status, StageStatus::Failed);
}

#[tokio::test]
async fn nothing_to_probe_is_skipped_with_the_reason() {
    for (action, parameters, reason) in [
        (
            "monitor.check_health",
            json!({ "environment": "staging", "url": "http://h" }),
            "no health probe",
        ),
        (
            "monitor.check_health",
            json!({ "environment": "staging", "probes": [{}] }),
            "the environment has no address",
        ),
        (
            "monitor.check_health",
            json!({ "environment": "staging", "url": "ftp://h", "probes": [{}] }),
            "an address to probe begins with http:// or https://, not ftp://",
        ),
        (
            "monitor.track_metrics",
            json!({ "environment": "staging", "url": null }),
            "nothing to measure",
        ),
        (
            "monitor.track_metrics",
            json!({ "environment": "staging", "probes": [{}] }),
            "the environment has no address",
        ),
    ] {
        let answer = call(action, parameters).await;
        assert_eq!(answer.response.status, StageStatus::Skipped);
        assert!(answer.response.summary.starts_with(reason), "{}", answer.response.summary);
        assert!(answer.response.output.is_object(), "later states read the output");
    }
}

#[tokio::test]
async fn no_time_left_is_a_fault_and_no_verdict() {
    let parameters = json!({ "environment": "staging", "url": "http://127.0.0.1:1", "probes": [{ "path": "/" }] });
    let error = call_for("monitor.check_health", parameters, Duration::from_secs(3))
        .await
        .expect_err("a fault");
    assert_eq!(error.name, ErrorName::Timeout);
    assert!(error.message.contains("refused"), "{}", error.message);
}

/// A watch of one second with a request every so many milliseconds.
fn watch(interval: u32) -> Value {
    json!({ "seconds": 1, "source": { "kind": "probe", "interval_ms": interval } })
}

async fn track(url: &str, probes: Value, watch: Value) -> (ResponseEnvelope, Metrics) {
    let parameters =
        json!({ "environment": "staging", "url": url, "probes": probes, "watch": watch });
    let answer = call("monitor.track_metrics", parameters).await;
    let metrics = serde_json::from_value(answer.response.output.clone()).expect("metrics");
    (answer, metrics)
}

#[tokio::test]
async fn errors_and_latencies_are_measured_over_all_probes() {
    let server = server(200, "").await;
    let probes = json!([{ "path": "/health" }, { "path": "/missing" }]);
    let (answer, metrics) = track(&server.uri(), probes, watch(20)).await;
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    assert!(metrics.requests >= 20, "{metrics:?}");
    assert!((45.0..=55.0).contains(&metrics.error_rate), "{metrics:?}");
    assert!(
        metrics.p50_ms > 0.0
            && metrics.p50_ms <= metrics.p95_ms
            && metrics.p95_ms <= metrics.p99_ms
    );
    assert_eq!(metrics.latencies_ms.len() as u64, metrics.requests - metrics.errors);
}

#[tokio::test]
async fn slow_answers_do_not_stretch_the_watch() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_millis(400));
    Mock::given(path("/health")).respond_with(answer).mount(&server).await;
    let begun = Instant::now();
    let (_, metrics) = track(&server.uri(), json!([{ "path": "/health" }]), watch(50)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert!(metrics.requests >= 12, "{metrics:?}");
    assert!(metrics.p50_ms >= 400.0, "{metrics:?}");
}

#[tokio::test]
async fn a_service_that_is_gone_is_all_errors() {
    let (answer, metrics) = track("http://127.0.0.1:1", json!([{ "path": "/" }]), watch(50)).await;
    assert_eq!(answer.response.status, StageStatus::Passed, "the verdict is the judge's");
    assert_eq!(metrics.errors, metrics.requests);
    assert!((metrics.error_rate - 100.0).abs() < 1e-9);
}

#[tokio::test]
async fn a_release_that_became_slow_is_found_by_measuring_twice() {
    let delay = Arc::new(AtomicUsize::new(5));
    let server = MockServer::start().await;
    let now = Arc::clone(&delay);
    let answer = move |_: &Request| {
        ResponseTemplate::new(200)
            .set_delay(Duration::from_millis(now.load(Ordering::Relaxed) as u64))
    };
    Mock::given(path("/health")).respond_with(answer).mount(&server).await;
    let (probes, watch) = (json!([{ "path": "/health" }]), watch(20));
    let (_, before) = track(&server.uri(), probes.clone(), watch.clone()).await;
    delay.store(150, Ordering::Relaxed);
    let (_, after) = track(&server.uri(), probes, watch).await;
    let parameters = json!({ "metrics": after, "baseline": before });
    let answer = call("monitor.detect_anomalies", parameters).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    assert_eq!(answer.response.findings[0].code, "latency-regression");
    assert_eq!(answer.response.output["compared"], true);

    let answer =
        call("monitor.detect_anomalies", json!({ "metrics": after, "baseline": null })).await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
}

#[tokio::test]
async fn wrong_answers_that_do_not_change_end_the_check_at_once() {
    let server = server(500, "").await;
    let begun = Instant::now();
    let answer = health(&server.uri(), json!([{ "path": "/health", "interval_ms": 100 }])).await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(answer.response.status, StageStatus::Failed);
    let message = &answer.response.findings[0].message;
    assert!(message.contains("status 500, not 200 (") && message.contains("in a row"), "{message}");
    // Unless it is told to wait.
    let probes = json!([{ "path": "/health", "interval_ms": 50, "deadline_seconds": 2, "give_up_after": 0 }]);
    let answer = health(&server.uri(), probes).await;
    assert!(answer.response.summary.contains("within 2 s"), "{}", answer.response.summary);
}

#[tokio::test]
async fn a_service_that_answered_and_is_gone_is_not_starting() {
    let server = server(404, "").await;
    let url = server.uri();
    let begun = Instant::now();
    let check = tokio::spawn(async move {
        health(&url, json!([{ "path": "/health", "interval_ms": 100, "status": 204 }])).await
    });
    tokio::time::sleep(Duration::from_millis(250)).await;
    drop(server);
    let answer = check.await.expect("it ends");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(answer.response.status, StageStatus::Failed);
}

/// A baseline of 50 requests that took about as long as an answer of the test's own server.
fn well() -> Value {
    let latencies: Vec<f64> = (0..50).map(|i| 2.0 + f64::from(i % 7)).collect();
    json!({ "requests": 50, "errors": 0, "error_rate": 0.0, "p50_ms": 5.0, "p95_ms": 8.0,
        "p99_ms": 8.0, "latencies_ms": latencies })
}

async fn judged(url: &str, watch: Value) -> (ResponseEnvelope, Metrics, Duration) {
    let begun = Instant::now();
    let parameters = json!({ "environment": "production", "url": url, "watch": watch,
        "probes": [{ "path": "/health" }], "baseline": well(), "judged": true });
    let answer = call("monitor.track_metrics", parameters).await;
    let metrics = serde_json::from_value(answer.response.output.clone()).expect("metrics");
    (answer, metrics, begun.elapsed())
}

#[tokio::test]
async fn a_clear_failure_ends_the_watch_at_once() {
    let broken = server(500, "").await;
    let watch = json!({ "seconds": 30, "source": { "kind": "probe", "interval_ms": 50 } });
    for url in [broken.uri(), "http://127.0.0.1:1".to_owned()] {
        let (answer, metrics, took) = judged(&url, watch.clone()).await;
        assert!(took < Duration::from_secs(3), "{took:?} {metrics:?}");
        assert!(matches!(metrics.look, Some(Look::Step(_))), "{metrics:?}");
        assert!(answer.response.summary.contains("as it is clear"), "{}", answer.response.summary);
        // What ended the watch is what is found afterwards.
        let asked = json!({ "metrics": metrics, "baseline": well() });
        let found = call("monitor.detect_anomalies", asked).await;
        assert_eq!(found.response.status, StageStatus::Failed, "{}", found.response.summary);
    }
}

#[tokio::test]
async fn a_step_is_watched_until_its_part_of_the_requests_could_have_shown_something() {
    let server = server(200, "").await;
    let parameters = json!({ "environment": "production", "url": server.uri(), "watch": watch(20),
        "probes": [{ "path": "/health" }], "baseline": well(), "judged": true, "weight": 10 });
    let answer = call("monitor.track_metrics", parameters).await;
    let metrics: Metrics = serde_json::from_value(answer.response.output).expect("metrics");
    // A second has 50 of the 90 that a tenth needs.
    assert!(metrics.requests >= 90, "{metrics:?}");
    assert!(matches!(metrics.look, Some(Look::End(_))), "{metrics:?}");
}

#[tokio::test]
async fn a_service_that_hangs_is_clear_before_its_answers_are_due() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_delay(Duration::from_secs(20));
    Mock::given(path("/health")).respond_with(answer).mount(&server).await;
    let watch = json!({ "seconds": 10, "source": { "kind": "probe", "interval_ms": 50 } });
    let (_, metrics, took) = judged(&server.uri(), watch).await;
    assert!(took < Duration::from_secs(4), "{took:?} {metrics:?}");
    assert!(matches!(metrics.look, Some(Look::Step(_))), "{metrics:?}");
}

#[tokio::test]
async fn what_is_not_clear_is_watched_for_longer() {
    // Few answers, all well: too little to tell.
    let server = server(200, "").await;
    let watch = |inconclusive: &str| json!({ "seconds": 1, "inconclusive": inconclusive, "source": { "kind": "probe", "interval_ms": 100 } });
    let (answer, metrics, _) = judged(&server.uri(), watch("extend")).await;
    assert!(matches!(metrics.look, Some(Look::End(1..=3))), "{metrics:?}");
    assert!(metrics.requests >= 20, "{metrics:?}");
    assert!(answer.response.summary.contains("extended"), "{}", answer.response.summary);
    let (_, metrics, _) = judged(&server.uri(), watch("keep")).await;
    assert_eq!(metrics.look, None);
}

/// A front, a new and an old release; the front leads to the new one.
async fn beside(new: ResponseTemplate, old: ResponseTemplate) -> (Vec<MockServer>, Metrics) {
    let mut servers = Vec::new();
    for answer in [new.clone(), new, old] {
        let server = MockServer::start().await;
        Mock::given(path("/health")).respond_with(answer).mount(&server).await;
        servers.push(server);
    }
    let addresses: Vec<String> = servers.iter().map(MockServer::uri).collect();
    let [front, new, old] = <[String; 3]>::try_from(addresses).expect("three");
    let watch = json!({ "seconds": 3, "inconclusive": "keep", "source": { "kind": "probe", "interval_ms": 20 } });
    let parameters = json!({ "environment": "production", "url": front, "watch": watch, "weight": 10,
        "probes": [{ "path": "/health" }], "baseline": well(), "judged": true,
        "apart": { "new": new, "old": old } });
    let answer = call("monitor.track_metrics", parameters).await;
    let metrics = serde_json::from_value(answer.response.output).expect("metrics");
    (servers, metrics)
}

#[tokio::test]
async fn the_release_before_is_asked_at_the_same_time_and_what_slows_both_is_no_fault_of_one() {
    let slow = || ResponseTemplate::new(200).set_delay(Duration::from_millis(80));
    let (servers, metrics) = beside(slow(), slow()).await;
    assert_eq!(metrics.look, None, "nothing is clear: {:?}", metrics.beside);
    let both = metrics.beside.clone().expect("both were asked");
    assert_eq!(both.new.requests, both.old.requests);
    // Half of what was asked went to each for itself, and no more than that to the old one.
    assert!(both.old.requests.abs_diff(metrics.requests / 2) <= 2, "{metrics:?}");
    let old = servers[2].received_requests().await.expect("recorded").len();
    assert!(old as u64 <= metrics.requests / 2 + 2, "{old} of {}", metrics.requests);
    let found =
        call("monitor.detect_anomalies", json!({ "metrics": metrics, "baseline": well() })).await;
    assert_eq!(found.response.status, StageStatus::Passed, "{}", found.response.summary);
    let said = found.response.output.to_string();
    assert!(said.contains("is worse than before:") && said.contains("which is no worse"), "{said}");
}

#[tokio::test]
async fn a_release_that_is_slower_than_the_one_before_it_at_the_same_time_is_ill() {
    let slow = |ms| ResponseTemplate::new(200).set_delay(Duration::from_millis(ms));
    let (_, metrics) = beside(slow(150), slow(40)).await;
    let asked = json!({ "metrics": metrics, "baseline": well() });
    let found = call("monitor.detect_anomalies", asked).await;
    assert_eq!(found.response.status, StageStatus::Failed, "{}", found.response.summary);
    assert!(
        found.response.summary.contains("which is worse as well"),
        "{}",
        found.response.summary
    );
}

#[tokio::test]
async fn where_the_release_before_has_ended_the_time_before_does() {
    let good = MockServer::start().await;
    Mock::given(path("/health")).respond_with(ResponseTemplate::new(500)).mount(&good).await;
    let watch = json!({ "seconds": 5, "source": { "kind": "probe", "interval_ms": 20 } });
    let parameters = json!({ "environment": "production", "url": good.uri(), "watch": watch,
        "probes": [{ "path": "/health" }], "baseline": well(), "judged": true,
        "apart": { "new": good.uri(), "old": "http://127.0.0.1:1" } });
    let begun = Instant::now();
    let answer = call("monitor.track_metrics", parameters).await;
    let metrics: Metrics = serde_json::from_value(answer.response.output).expect("metrics");
    assert!(metrics.beside.is_none(), "{metrics:?}");
    assert!(matches!(metrics.look, Some(Look::Step(_))), "{metrics:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
