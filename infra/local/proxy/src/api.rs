//! The host's protocol: JSON over HTTP on loopback, for whoever has the token of its folder.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /v1/health` | says that the host is up |
//! | `GET /v1/traffic?port=&after=` | what clients of the service at a port got since an instant |
//! | `GET /v1/services`, `GET /v1/services/{name}` | how they stand |
//! | `PUT /v1/services/{name}` | makes a service, or moves it to another port |
//! | `PUT /v1/services/{name}/instances/{id}` | starts an instance beside the others |
//! | `PUT /v1/services/{name}/weights` | shares the requests anew, in one step |
//! | `DELETE /v1/services/{name}/instances/{id}` | drains and ends an instance; 202 |
//! | `DELETE /v1/services/{name}` | ends a service and its instances |
//! | `POST /v1/shutdown` | ends the host, with its services where that is said |
//!
//! An observer's token is for the traffic alone. Each can be repeated. Loopback is no authentication: a request needs the token, a Host that is this
//! machine, and none of the headers by which browsers say that a page sends it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{
        DefaultBodyLimit, Path, Query, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::Deserialize;
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::{
    host::Inner,
    model::{Key, Spec},
    refusal::{Code, Refusal},
    traffic::TrafficView,
    view::ServiceView,
    wire::{Ending, NewService, Shutdown, Weights},
};

/// Largest request.
const MAX_BODY: usize = 1024 * 1024;

#[derive(Clone)]
struct Api {
    host: Arc<Inner>,
    token: Arc<str>,
    observes: Arc<str>,
}

type Answer<T> = Result<T, Refusal>;
type Sent<T> = Result<Json<T>, JsonRejection>;

/// Where an observer asks.
const TRAFFIC: &str = "/v1/traffic";

/// The protocol, for whoever has the token; and the traffic for who observes.
pub(crate) fn router(host: Arc<Inner>, token: &str, observes: &str) -> Router {
    let api = Api { host, token: token.into(), observes: observes.into() };
    Router::new()
        .route("/v1/health", get(health))
        .route(TRAFFIC, get(traffic))
        .route("/v1/services", get(list))
        .route("/v1/services/{name}", put(put_service).get(show).delete(end_service))
        .route("/v1/services/{name}/weights", put(set_weights))
        .route("/v1/services/{name}/instances/{id}", put(put_instance))
        .route("/v1/services/{name}/instances/{id}", delete(end_instance))
        .route("/v1/shutdown", post(shut_down))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(api.clone(), judge))
        .with_state(api)
}

async fn judge(State(api): State<Api>, request: Request, next: Next) -> Response {
    match admit(&api, request.uri().path(), request.headers()) {
        Ok(()) => {
            api.host.spoken_to();
            next.run(request).await
        }
        Err(refusal) => {
            tracing::warn!(%refusal, path = request.uri().path(), "a request was refused");
            refusal.into_response()
        }
    }
}

fn admit(api: &Api, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text(HOST).rsplit_once(':').map_or_else(|| text(HOST), |(host, _)| host);
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        return Err(Refusal::new(Code::Forbidden, "the request is for another host"));
    }
    if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(Refusal::new(Code::Forbidden, "the request comes from a page"));
    }
    let token = text(AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default();
    let is = |other: &str| bool::from(token.as_bytes().ct_eq(other.as_bytes()));
    let observes = path == TRAFFIC && is(&api.observes);
    if !observes && !is(&api.token) {
        let message = "the request needs the token of the host's folder";
        return Err(Refusal::new(Code::Unauthorized, message));
    }
    Ok(())
}

/// What was sent, if it is of its form.
fn sent<T>(body: Sent<T>) -> Result<T, Refusal> {
    body.map(|Json(value)| value).map_err(|e| Refusal::new(Code::Invalid, e.body_text()))
}

async fn health(State(_): State<Api>) -> Json<serde_json::Value> {
    Json(json!({ "status": "ok", "pid": std::process::id() }))
}

async fn list(State(api): State<Api>) -> Json<serde_json::Value> {
    Json(json!({ "services": api.host.views() }))
}

#[derive(Deserialize)]
struct Since {
    port: u16,
    #[serde(default)]
    after: i64,
}

async fn traffic(
    State(api): State<Api>,
    since: Result<Query<Since>, QueryRejection>,
) -> Answer<Json<TrafficView>> {
    let Query(Since { port, after }) =
        since.map_err(|e| Refusal::new(Code::Invalid, e.body_text()))?;
    api.host.traffic(port, after).map(Json)
}

async fn show(State(api): State<Api>, Path(name): Path<String>) -> Answer<Json<ServiceView>> {
    api.host.view(&name).map(Json)
}

async fn put_service(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Sent<NewService>,
) -> Answer<Json<ServiceView>> {
    api.host.put_service(&name, &sent(body)?).await?;
    api.host.view(&name).map(Json)
}

async fn put_instance(
    State(api): State<Api>,
    Path((service, id)): Path<(String, String)>,
    body: Sent<Spec>,
) -> Answer<Json<ServiceView>> {
    api.host.put_instance(&Key { service: service.clone(), id }, sent(body)?)?;
    api.host.view(&service).map(Json)
}

async fn set_weights(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Sent<Weights>,
) -> Answer<Json<ServiceView>> {
    api.host.set_weights(&name, &sent(body)?).await?;
    api.host.view(&name).map(Json)
}

async fn end_instance(
    State(api): State<Api>,
    Path((service, id)): Path<(String, String)>,
    body: Sent<Ending>,
) -> Answer<StatusCode> {
    let ended = api.host.end_instance(&Key { service, id }, sent(body)?.drain_ms);
    match ended {
        Err(refusal) if refusal.code == Code::NotFound => Ok(StatusCode::NO_CONTENT),
        other => other.map(|()| StatusCode::ACCEPTED),
    }
}

async fn end_service(
    State(api): State<Api>,
    Path(name): Path<String>,
    body: Sent<Ending>,
) -> Answer<StatusCode> {
    let ending = sent(body)?;
    // It goes on when whoever asked for it is gone.
    let ended =
        tokio::spawn(async move { api.host.end_service(&name, ending.drain_ms).await }).await;
    match ended {
        Ok(ended) => ended.map(|()| StatusCode::NO_CONTENT),
        Err(error) => Err(Refusal::new(Code::Internal, format!("ending it was cut off: {error}"))),
    }
}

async fn shut_down(State(api): State<Api>, body: Sent<Shutdown>) -> Answer<StatusCode> {
    api.host.shut_down(sent(body)?.stop).await?;
    Ok(StatusCode::NO_CONTENT)
}
