//! The Lambda Runtime API. Every instance has an address of its own, with a secret in its path: no
//! process can take the events of another.

use crate::{
    instance::{Instance, Phase, Reply},
    lock,
    watch::Watch,
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::json;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering},
};

/// The instances that may call.
#[derive(Clone)]
pub(crate) struct Registry {
    address: SocketAddr,
    max_payload: usize,
    instances: Arc<Mutex<HashMap<String, Arc<Instance>>>>,
    /// Who sees to it that they end with the host.
    pub(crate) watch: Arc<Watch>,
}

impl Registry {
    pub(crate) fn new(address: SocketAddr, max_payload: usize, watch: Watch) -> Registry {
        Registry { address, max_payload, instances: Arc::default(), watch: Arc::new(watch) }
    }

    /// A new secret, and the address with it.
    pub(crate) fn new_address(&self) -> (String, String) {
        let token = uuid::Uuid::new_v4().simple().to_string();
        // With a scheme, the address of the Runtime API may have a path.
        let url = format!("http://{}/{token}", self.address);
        (token, url)
    }

    pub(crate) fn insert(&self, token: String, instance: Arc<Instance>) {
        lock(&self.instances).insert(token, instance);
    }

    pub(crate) fn remove(&self, token: &str) {
        lock(&self.instances).remove(token);
    }

    fn get(&self, token: &str) -> Result<Arc<Instance>, Refusal> {
        lock(&self.instances).get(token).cloned().ok_or(Refusal(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "unknown instance",
        ))
    }
}

struct Refusal(StatusCode, &'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"errorType": self.1, "errorMessage": self.2}))).into_response()
    }
}

pub(crate) fn router(registry: Registry) -> Router {
    const BASE: &str = "/{token}/2018-06-01/runtime";
    Router::new()
        .route(&format!("{BASE}/invocation/next"), get(next))
        .route(&format!("{BASE}/invocation/{{request}}/response"), post(response))
        .route(&format!("{BASE}/invocation/{{request}}/error"), post(error))
        .route(&format!("{BASE}/init/error"), post(init_error))
        .with_state(registry)
}

async fn next(
    State(registry): State<Registry>,
    Path(token): Path<String>,
) -> Result<Response, Refusal> {
    let instance = registry.get(&token)?;
    instance.phase.send_if_modified(|phase| {
        let starting = matches!(phase, Phase::Starting);
        if starting {
            *phase = Phase::Ready;
        }
        starting
    });
    let work = instance.from_host.lock().await.recv().await;
    let work = work.ok_or(Refusal(StatusCode::GONE, "Gone", "the host ends"))?;
    work.delivered.store(true, Ordering::SeqCst);
    *lock(&instance.current) = Some((work.ids.request_id.clone(), work.reply));
    let headers = [
        ("lambda-runtime-aws-request-id", work.ids.request_id),
        ("lambda-runtime-deadline-ms", work.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", instance.spec.arn.clone()),
        ("lambda-runtime-trace-id", work.ids.trace),
        ("content-type", "application/json".to_owned()),
    ];
    let mut response = Response::new(Body::from(work.payload));
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The body, or nothing when it is over the limit. It is read even then, up to a bound: who is cut
/// off in the middle of sending would take that for a broken connection.
async fn read(registry: &Registry, body: Body) -> Option<Bytes> {
    let read = axum::body::to_bytes(body, registry.max_payload.saturating_mul(8)).await;
    read.ok().filter(|body| body.len() <= registry.max_payload)
}

async fn response(
    State(registry): State<Registry>,
    Path((token, request)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let instance = registry.get(&token)?;
    let body = read(&registry, body).await;
    let large = body.is_none();
    finish(&instance, &request, body.map_or(Reply::TooLarge, Reply::Response))?;
    if large {
        let (kind, message) = ("RequestEntityTooLarge", "Exceeded maximum allowed payload size");
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, kind, message));
    }
    Ok(accepted())
}

async fn error(
    State(registry): State<Registry>,
    Path((token, request)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let instance = registry.get(&token)?;
    let body = read(&registry, body).await;
    finish(&instance, &request, body.map_or(Reply::TooLarge, Reply::Error))?;
    Ok(accepted())
}

async fn init_error(
    State(registry): State<Registry>,
    Path(token): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let instance = registry.get(&token)?;
    let body = read(&registry, body).await.unwrap_or_default();
    instance.phase.send_replace(Phase::InitFailed(body));
    Ok(accepted())
}

fn finish(instance: &Instance, request: &str, reply: Reply) -> Result<(), Refusal> {
    let mut current = lock(&instance.current);
    match current.take_if(|(id, _)| id == request) {
        // Nobody listens when the time limit has just passed.
        Some((_, to_caller)) => match to_caller.send(reply) {
            Ok(()) | Err(_) => Ok(()),
        },
        None => Err(Refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")),
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
}
