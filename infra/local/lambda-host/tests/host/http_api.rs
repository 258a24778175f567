//! HTTP requests as API Gateway events.

use super::{host, serve, spec};
use local_lambda_host::http_api;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn http_events() {
    let mut slow = spec("slow");
    slow.env.insert("FIXTURE_INIT".to_owned(), "hang".to_owned());
    let mut crash = spec("crash");
    crash.env.insert("FIXTURE_INIT".to_owned(), "exit".to_owned());
    let host = host(vec![spec("f"), slow, crash]).await;
    let route = |method: &str, path: &str, function: &str| http_api::HttpRoute {
        method: method.to_owned(),
        path: path.to_owned(),
        function: function.to_owned(),
    };
    let routes = vec![
        route("POST", "/v1/runs/{id}", "f"),
        route("GET", "/slow", "slow"),
        route("GET", "/crash", "crash"),
    ];
    let options =
        http_api::Options { timeout: Duration::from_secs(4), max_body: 1000, ..Default::default() };
    let url = serve(http_api::router(host.clone(), routes, options)).await;
    let client = reqwest::Client::new();
    let ok = client
        .post(format!("{url}/v1/runs/a%20b?x=1"))
        .header("content-type", "application/json")
        .header("X-Hub-Signature-256", "sha256=ab")
        .body(r#"{"a":1}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (ok.status().as_u16(), &ok.headers()["x-path"]),
        (201, &"/v1/runs/a%20b".parse().unwrap())
    );
    let event: Value = ok.json().await.unwrap();
    assert_eq!(event["pathParameters"]["id"], "a b");
    assert_eq!(event["headers"]["x-hub-signature-256"], "sha256=ab");
    assert_eq!(event["body"], r#"{"a":1}"#);
    for (request, status, message) in [
        (client.get(format!("{url}/nowhere")), 404, "Not Found"),
        (client.get(format!("{url}/v1/runs/1")), 404, "Not Found"),
        (
            client.post(format!("{url}/v1/runs/1")).body("x".repeat(1001)),
            413,
            "Request Entity Too Large",
        ),
        (client.get(format!("{url}/slow")), 503, "Service Unavailable"),
        (client.get(format!("{url}/crash")), 500, "Internal Server Error"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": message}));
    }
    host.shutdown().await;
}
