//! The source `prometheus`.

use std::time::{Duration, Instant};

use pact_contract::{ErrorName, StageStatus, actions::Look};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path};

use crate::{Server, judged, metrics, track, watch};

const REQUESTS: &str = "sum(increase(http_requests_total[$window]))";
const ERRORS: &str = r#"sum(increase(http_requests_total{code=~"5.."}[$window]))"#;
const LATENCY: &str = "sum by (le) (increase(http_request_duration_seconds_bucket[$window]))";

fn source(address: &str) -> Value {
    json!({
        "kind": "prometheus", "address": address, "requests": REQUESTS, "errors": ERRORS,
        "latency": LATENCY, "interval_ms": 400,
    })
}

/// A service with 200 requests a second, of which so many percent fail from its second half minute on.
struct Service {
    begun: Instant,
    healthy: Duration,
}

impl Respond for Service {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let seconds = self.begun.elapsed().as_secs_f64();
        let bad = (seconds - self.healthy.as_secs_f64()).max(0.0);
        let (all, failed) = ((seconds * 200.0).floor(), (bad * 100.0).floor());
        let ok = all - failed;
        // Half of them take up to 10 ms, nearly all the others up to 50 ms.
        let (ten, fifty) = ((all * 0.5).floor(), (all * 0.98).floor());
        ResponseTemplate::new(200).set_body_string(format!(
            "# TYPE http_requests_total counter\n\
             http_requests_total{{code=\"200\"}} {ok}\n\
             http_requests_total{{code=\"500\"}} {failed}\n\
             # TYPE http_request_duration_seconds histogram\n\
             http_request_duration_seconds_bucket{{le=\"0.01\"}} {ten}\n\
             http_request_duration_seconds_bucket{{le=\"0.05\"}} {fifty}\n\
             http_request_duration_seconds_bucket{{le=\"0.1\"}} {all}\n\
             http_request_duration_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             http_request_duration_seconds_sum {all}\n\
             http_request_duration_seconds_count {all}\n"
        ))
    }
}

/// Starts one that asks the service five times a second; none where the machine has no program.
fn prometheus(target: &str) -> Option<Server> {
    let target = target.trim_start_matches("http://");
    let settings = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n"
    );
    Server::start("prometheus", |command, port, folder| {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, settings).expect("is written");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_tells_what_was_and_ends_a_watch_that_is_clear() {
    let service = MockServer::start().await;
    let healthy = Duration::from_secs(9);
    let answers = Service { begun: Instant::now(), healthy };
    let begun = answers.begun;
    Mock::given(path("/metrics")).respond_with(answers).mount(&service).await;
    let Some(server) = prometheus(&service.uri()) else { return };

    // What was before needs no waiting, only a server that has seen enough.
    let before = loop {
        assert!(begun.elapsed() < healthy, "it took long until the server knew something");
        let parameters = watch(source(&server.address), 2);
        match track(parameters, Duration::from_secs(5)).await {
            Ok(answer) if answer.response.output["requests"].as_u64() > Some(300) => break answer,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    assert_eq!(before.response.status, StageStatus::Passed);
    let baseline = metrics(before);
    assert!((300..=500).contains(&baseline.requests), "{baseline:?}");
    assert_eq!(baseline.errors, 0);
    assert!((9.0..=11.0).contains(&baseline.p50_ms), "{baseline:?}");
    assert!((45.0..=50.0).contains(&baseline.p95_ms), "{baseline:?}");
    assert!(baseline.latencies_ms.len() >= 290, "{}", baseline.latencies_ms.len());

    // From here on half of the requests fail.
    tokio::time::sleep(healthy.saturating_sub(begun.elapsed())).await;
    let parameters = judged(watch(source(&server.address), 60), Some(&baseline));
    let watched = Instant::now();
    let answer = track(parameters, Duration::from_secs(120)).await.expect("no fault");
    let metrics = metrics(answer);
    assert!(matches!(metrics.look, Some(Look::Step(_))), "{metrics:?}");
    assert!(metrics.error_rate > 20.0, "{metrics:?}");
    assert!(watched.elapsed() < Duration::from_secs(30), "{:?}", watched.elapsed());

    // Nobody has such requests, and nobody understands such a query.
    let mut none = source(&server.address);
    none["requests"] = json!("sum(increase(nothing_total[$window]))");
    let parameters = watch(none, 2);
    let answer = track(parameters, Duration::from_secs(60)).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(answer.response.summary.contains("nothing_total"), "{}", answer.response.summary);
    for (key, query, said) in [
        ("errors", "sum(increase(http_requests_total[$window])", "watch.errors"),
        ("requests", "increase(http_requests_total[$window])", "gives 2 series"),
        ("requests", "http_requests_total[$window]", "gives a matrix"),
        ("latency", "sum(increase(http_requests_total[$window]))", "without the label `le`"),
    ] {
        let mut wrong = source(&server.address);
        wrong[key] = json!(query);
        let parameters = watch(wrong, 2);
        let error = track(parameters, Duration::from_secs(60)).await.expect_err("is refused");
        assert_eq!(error.name, ErrorName::InvalidIntent, "{}", error.message);
        assert!(error.message.contains(said), "{}", error.message);
    }
}

#[tokio::test]
async fn a_source_that_is_down_is_a_fault_and_never_healthy() {
    let answers = [
        ResponseTemplate::new(503).set_body_string("starting"),
        ResponseTemplate::new(200).set_body_string("<html>sign in</html>"),
        ResponseTemplate::new(200).set_body_json(json!({ "status": "success" })),
        ResponseTemplate::new(302).insert_header("location", "http://169.254.169.254/"),
    ];
    let mut addresses = vec!["http://127.0.0.1:1".to_owned()];
    let mut servers = Vec::new();
    for answer in answers {
        let server = MockServer::start().await;
        Mock::given(path("/api/v1/query")).respond_with(answer).mount(&server).await;
        addresses.push(server.uri());
        servers.push(server);
    }
    for address in addresses {
        let parameters = watch(source(&address), 1);
        // There is no time to ask it again.
        let error = track(parameters, Duration::from_secs(5)).await.expect_err("a fault");
        assert_eq!(error.name, ErrorName::MetricsUnavailable, "{}", error.message);
        assert!(error.message.contains("/api/v1/query"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_on_the_way_costs_nothing() {
    /// The second question of each reading is lost, and so is the whole second reading.
    struct Flaky(std::sync::atomic::AtomicUsize);
    impl Respond for Flaky {
        fn respond(&self, _: &Request) -> ResponseTemplate {
            let number = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if (3..6).contains(&number) {
                return ResponseTemplate::new(502);
            }
            let value = json!([{ "metric": { "le": "+Inf" }, "value": [0, "40"] }]);
            ResponseTemplate::new(200).set_body_json(json!({
                "status": "success", "data": { "resultType": "vector", "result": value },
            }))
        }
    }
    let server = MockServer::start().await;
    let flaky = Flaky(std::sync::atomic::AtomicUsize::new(0));
    Mock::given(path("/api/v1/query")).respond_with(flaky).mount(&server).await;
    let parameters = judged(watch(source(&server.uri()), 1), None);
    let answer = track(parameters, Duration::from_secs(60)).await.expect("no fault");
    let metrics = metrics(answer);
    assert_eq!((metrics.requests, metrics.errors), (40, 40));
}

#[tokio::test]
async fn addresses_of_the_machine_itself_are_not_asked() {
    for address in ["http://169.254.169.254", "ftp://prometheus", "http://[fe80::1]:9090"] {
        let parameters = watch(source(address), 1);
        let error = track(parameters, Duration::from_secs(60)).await.expect_err("is refused");
        assert_eq!(error.name, ErrorName::InvalidIntent, "{}", error.message);
    }
}
