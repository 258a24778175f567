//! The whole gateway, driven through its router.

mod admission;
mod doors;
mod heads;
mod hosts;
mod incidents;
#[expect(clippy::print_stderr, reason = "the figures are what these tests are read for")]
mod load;
mod oidc;
mod openapi;
mod pass;
mod people;
mod pulls;
mod pushes;
mod refusals;
mod registry;
mod rollback;
mod rotate;
mod rules;
mod secrets;
mod sign_in;

use std::sync::Arc;

use axum::{body::Body, http::Request};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pact_contract::ErrorName;
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt as _;

use super::{Gateway, router};
use crate::{
    reconciler::reconcile,
    testing::{SECRET, TOKEN, World, push_event},
};

/// Status and JSON body of the answer. What it told the motor of is done after it.
async fn send(gateway: &Gateway, request: Request<Body>) -> (u16, Value) {
    let answer = answered(gateway, request).await;
    after(gateway).await;
    answer
}

/// Does what the motor was told.
async fn after(gateway: &Gateway) {
    let told = std::mem::take(&mut *gateway.ports.told.lock().unwrap());
    for event in told {
        if let Err(error) = reconcile(&gateway.ports, event).await {
            assert_ne!(error.name, ErrorName::InvalidIntent, "{error}");
        }
    }
}

/// The same, and nobody does anything after it.
async fn answered(gateway: &Gateway, request: Request<Body>) -> (u16, Value) {
    let response = router(gateway.clone()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A signed webhook.
fn webhook(kind: &str, delivery: &str, body: Vec<u8>) -> Request<Body> {
    Request::post("/webhooks/github")
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/json")
        .header("x-github-event", kind)
        .header("x-github-delivery", delivery)
        .header("x-hub-signature-256", sign(&body))
        .body(body.into())
        .unwrap()
}

fn push(delivery: &str, event: &Value) -> Request<Body> {
    webhook("push", delivery, event.to_string().into_bytes())
}

/// A request with the API's token.
fn api(method: &str, path: &str, body: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pact.example.com")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(body.to_owned().into())
        .unwrap()
}

/// Starts a run and gives its id.
async fn started(world: &Arc<World>) -> String {
    let (status, body) = send(&world.gateway(), push("d-1", &push_event('2'))).await;
    assert_eq!(status, 202, "{body}");
    body["run_id"].as_str().unwrap().to_owned()
}

fn error_code(body: &Value) -> &str {
    body["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn health_and_agents_are_open() {
    let gateway = World::new().gateway();
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let (status, body) = send(&gateway, get("/health")).await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    let (status, body) = send(&gateway, get("/v1/agents")).await;
    assert_eq!(status, 200);
    assert_eq!(body["agents"].as_array().map(Vec::len), Some(7));
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let world = World::new();
    let gateway = world.gateway();
    let id = started(&world).await;
    for (path, status) in [
        ("/health".to_owned(), 200),
        ("/v1/agents".to_owned(), 200),
        (format!("/v1/runs/{id}"), 200),
        ("/v1/runs/none".to_owned(), 404),
    ] {
        let response = router(gateway.clone()).oneshot(api("HEAD", &path, "")).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
        let body = axum::body::to_bytes(response.into_body(), 1).await.unwrap();
        assert!(body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn an_event_of_the_api_gateway_with_a_coded_body_is_understood() {
    use base64::Engine as _;

    let world = World::new();
    let body = push_event('2').to_string();
    let event = json!({
        "version": "2.0",
        "routeKey": "POST /webhooks/github",
        "rawPath": "/webhooks/github",
        "rawQueryString": "",
        "headers": {
            "host": "abc.execute-api.eu-central-1.amazonaws.com",
            "x-github-event": "push",
            "x-github-delivery": "d-1",
            "x-hub-signature-256": sign(body.as_bytes()),
        },
        "requestContext": {
            "stage": "$default",
            "timeEpoch": 0,
            "http": { "method": "POST", "path": "/webhooks/github" },
        },
        "body": base64::engine::general_purpose::STANDARD.encode(&body),
        "isBase64Encoded": true,
    });
    let event = lambda_runtime::LambdaEvent::new(event, lambda_runtime::Context::default());
    let answer = pact_web::answer(router(world.gateway()), event).await.unwrap();
    assert_eq!(answer["statusCode"], 202, "{answer}");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let url = body["url"].as_str().unwrap();
    assert!(url.starts_with("https://abc.execute-api.eu-central-1.amazonaws.com/runs/web-2"));
}
