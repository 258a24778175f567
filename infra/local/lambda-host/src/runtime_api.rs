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
use tokio::sync::watch;

/// An instance, once its process has been started.
type Slot = watch::Receiver<Option<Arc<Instance>>>;

/// The instances that may call.
#[derive(Clone)]
pub(crate) struct Registry {
    address: SocketAddr,
    max_payload: usize,
    instances: Arc<Mutex<HashMap<String, Slot>>>,
    /// Who sees to it that they end with the host.
    pub(crate) watch: Arc<Watch>,
}

impl Registry {
    pub(crate) fn new(address: SocketAddr, max_payload: usize, watch: Watch) -> Registry {
        Registry { address, max_payload, instances: Arc::default(), watch: Arc::new(watch) }
    }

    /// A new address, for a process that is about to be started.
    pub(crate) fn expect(&self) -> Expected {
        let token = uuid::Uuid::new_v4().simple().to_string();
        // With a scheme, the address of the Runtime API may have a path.
        let url = format!("http://{}/{token}", self.address);
        let (instance, receiver) = watch::channel(None);
        lock(&self.instances).insert(token.clone(), receiver);
        Expected { token, url, instance }
    }

    pub(crate) fn remove(&self, token: &str) {
        lock(&self.instances).remove(token);
    }

    /// Who calls. A program that is quick may call before the host knows more than its address.
    async fn get(&self, token: &str) -> Result<Arc<Instance>, Refusal> {
        let unknown = Refusal(StatusCode::FORBIDDEN, "Forbidden", "unknown instance");
        let Some(mut instance) = lock(&self.instances).get(token).cloned() else {
            return Err(unknown);
        };
        let known = instance.wait_for(Option::is_some).await;
        known.ok().and_then(|instance| instance.clone()).ok_or(unknown)
    }
}

/// An address whose process is being started.
pub(crate) struct Expected {
    /// The secret in the address.
    pub(crate) token: String,
    /// The address.
    pub(crate) url: String,
    instance: watch::Sender<Option<Arc<Instance>>>,
}

impl Expected {
    /// The process has been started.
    pub(crate) fn is(self, instance: &Arc<Instance>) {
        self.instance.send_replace(Some(Arc::clone(instance)));
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
    let instance = registry.get(&token).await?;
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
    let instance = registry.get(&token).await?;
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
    let instance = registry.get(&token).await?;
    let body = read(&registry, body).await;
    finish(&instance, &request, body.map_or(Reply::TooLarge, Reply::Error))?;
    Ok(accepted())
}

async fn init_error(
    State(registry): State<Registry>,
    Path(token): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    let instance = registry.get(&token).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn who_calls_before_the_start_has_returned_waits_for_it() {
        let address = ([127, 0, 0, 1], 9).into();
        let registry = Registry::new(address, 1, Watch::start(None).unwrap());
        assert!(registry.get("nobody").await.is_err());
        let expected = registry.expect();
        let token = expected.token.clone();
        let mut call = std::pin::pin!(registry.get(&token));
        assert!(tokio::time::timeout(Duration::ZERO, &mut call).await.is_err(), "it waits");
        // The process could not be started.
        drop(expected);
        assert!(call.await.is_err());
    }
}
