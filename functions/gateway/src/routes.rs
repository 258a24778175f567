//! Routes.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequest, MatchedPath, Path, Request, State},
    http::{HeaderMap, StatusCode, header::HOST},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use lambda_http::RequestExt as _;
use pact_agent::{
    secrets,
    telemetry::{self, SpanFields},
};
use pact_contract::{RunId, RunRecord, agents, capability::advertisement};
use serde_json::{Value, json};
use tracing::{Instrument as _, Span};

use crate::{
    accept::{self, Caller},
    approvals, auth, cancel,
    config::Config,
    error::{Answer, ApiError},
    github::{self, Event},
    ports::Ports,
    requests,
};

/// Largest body of a request.
const MAX_BODY: usize = 5 * 1024 * 1024;

/// The gateway: its ports and its configuration.
#[derive(Clone)]
pub struct Gateway {
    /// What it works with.
    pub ports: Ports,
    /// What the environment says.
    pub config: Config,
}

/// The gateway's routes.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/webhooks/github", post(webhook_github))
        .route("/v1/pipelines", post(start_pipeline))
        .route("/v1/runs/{id}", get(show_run))
        .route("/v1/runs/{id}/cancel", post(cancel_run))
        .route("/v1/agents", get(list_agents))
        .route("/v1/callbacks/{token}", post(answer_callback))
        .route("/health", get(health))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(observe))
        .with_state(Arc::new(gateway))
}

/// Makes every line of a request's log say which request, trace and route it belongs to.
async fn observe(request: Request, next: Next) -> Response {
    let Some(context) = request.lambda_context_ref() else { return next.run(request).await };
    let span = telemetry::invocation_span("gateway", context);
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let action = format!("{} {}", request.method(), path.unwrap_or("of no route"));
    telemetry::record(&span, &SpanFields { action: Some(&action), ..SpanFields::default() });
    next.run(request).instrument(span).await
}

type Shared = State<Arc<Gateway>>;

/// The body as it was sent, of at most [`MAX_BODY`] bytes.
struct Raw(Bytes);

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Answer<Self> {
        match axum::body::to_bytes(request.into_body(), MAX_BODY).await {
            Ok(bytes) => Ok(Self(bytes)),
            // Either it is too large, or the connection broke, and nobody reads the answer.
            Err(_) => Err(ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!("the body has more than {MAX_BODY} bytes"),
            )),
        }
    }
}

async fn webhook_github(
    State(gateway): Shared,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Response> {
    let secret = auth::secret(&*gateway.ports.secrets, secrets::WEBHOOK).await?;
    // Nothing is read before this line says that the git host wrote it.
    auth::signature(&secret, &headers, &body)?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("x-github-event")
        .filter(|kind| kind.len() <= 64)
        .ok_or_else(|| ApiError::invalid("X-GitHub-Event", "the header is missing or not valid"))?;
    let delivery = github::delivery(header("x-github-delivery"))?;
    if header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
        return Err(ApiError::invalid("Content-Type", "set it to application/json at the host"));
    }
    Ok(match github::event(kind, &delivery, &body, &gateway.config.sources)? {
        Event::Ping => Json(json!({ "status": "pong" })).into_response(),
        Event::Ignored(reason) => {
            tracing::info!(delivery, reason, "ignored");
            (StatusCode::ACCEPTED, Json(json!({ "status": "ignored", "reason": reason })))
                .into_response()
        }
        Event::Push(push) => {
            let accepted = accept::accept(&gateway.ports, &push, &caller(&headers)).await?;
            (StatusCode::ACCEPTED, Json(accepted)).into_response()
        }
    })
}

async fn start_pipeline(
    State(gateway): Shared,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    authorized(&gateway, &headers).await?;
    let start = requests::start(&body, &gateway.config.sources)?;
    let caller = caller(&headers);
    let accepted = if start.rerun {
        accept::rerun(&gateway.ports, &start.push, &caller).await?
    } else {
        accept::accept(&gateway.ports, &start.push, &caller).await?
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn show_run(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    authorized(&gateway, &headers).await?;
    let id = run_id(&id)?;
    let run = cancel::find(&gateway.ports, &id).await?;
    let mut answer = view(&run);
    if let Some(fields) = answer.as_object_mut() {
        // With their callbacks: whoever has the token of this API may answer them.
        let questions = gateway.ports.callbacks.questions(&id).await?;
        fields.insert("approvals".to_owned(), json!(questions));
    }
    Ok(Json(answer))
}

async fn cancel_run(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    authorized(&gateway, &headers).await?;
    let (by, reason) = requests::cancellation(&body)?;
    let run =
        cancel::cancel(&gateway.ports, &run_id(&id)?, by.as_deref(), reason.as_deref()).await?;
    Ok(Json(view(&run)))
}

/// Whoever knows the callback may answer: it is 256 random bits, and known to those who may.
async fn answer_callback(
    State(gateway): Shared,
    Path(token): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    let answer = requests::answer(&body)?;
    let record = approvals::answer(&gateway.ports, &token, &answer).await?;
    Ok(Json(json!({
        "run_id": record.run_id,
        "state": record.state,
        "question": record.question,
        "answer": record.answer,
    })))
}

/// What every agent advertises: the gateway depends on none of them.
async fn list_agents() -> Json<Value> {
    let advertised: Value = agents::ALL.iter().map(|(id, all)| advertisement(id, all)).collect();
    Json(json!({ "agents": advertised }))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn no_route() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

async fn no_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the address does not take this method",
    )
}

async fn authorized(gateway: &Gateway, headers: &HeaderMap) -> Answer<()> {
    let token = auth::secret(&*gateway.ports.secrets, secrets::API_TOKEN).await?;
    auth::bearer(&token, headers)
}

/// A run that can exist; any other id is that of no run.
fn run_id(text: &str) -> Answer<RunId> {
    let id = RunId::parse(text).map_err(|_| ApiError::not_found("there is no run with this id"))?;
    let fields = SpanFields { run_id: Some(id.as_str()), ..SpanFields::default() };
    telemetry::record(&Span::current(), &fields);
    Ok(id)
}

/// How the gateway was called. On Lambda the trace is that of the invocation, whatever header the
/// caller sent.
fn caller(headers: &HeaderMap) -> Caller<'_> {
    let trace = headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    Caller { origin: origin(headers), trace: trace.filter(|header| header.starts_with("Root=")) }
}

/// The gateway's own address, as the caller reached it: where the pages of the runs are.
fn origin(headers: &HeaderMap) -> String {
    let host = headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| {
            (1..=255).contains(&host.len())
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'))
        })
        .unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.chars().all(|c| c.is_ascii_digit()) { name } else { host }
    });
    let loopback = name == "localhost"
        || name.ends_with(".localhost")
        || name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    format!("{}://{host}", if loopback { "http" } else { "https" })
}

/// A run as the API shows it.
fn view(run: &RunRecord) -> Value {
    let request = &run.request;
    json!({
        "run_id": request.run_id,
        "status": run.status,
        "repository": request.repository,
        "branch": request.branch,
        "commit": request.commit,
        "base": request.base,
        "message": request.message,
        "author": request.author,
        "trigger": request.trigger,
        "url": request.url,
        "execution_arn": run.execution_arn,
        "started_at": request.started_at,
        "finished_at": run.finished_at,
        "outcome": run.outcome,
    })
}

#[cfg(test)]
mod tests;
