//! Routes.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequest, Path, Request, State},
    http::{HeaderMap, StatusCode, header::HOST},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use bytes::Bytes;
use pact_agent::telemetry::{self, SpanFields};
use pact_contract::{
    RunId, RunRecord, agents, capability::advertisement, policy::PolicyRecord, problems,
    registry::RepositoryEntry,
};
use serde_json::{Value, json};
use tracing::Span;

use crate::{
    accept::{self, Caller},
    approvals, auth, cancel,
    config::Config,
    error::{Answer, ApiError},
    hosts::{self, Delivery, Event, Incoming, WebhookHost},
    ports::Ports,
    registry, requests, rollback, rules, validate,
};

/// The gateway: its ports and its configuration.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// What it works with.
    pub(crate) ports: Ports,
    /// What the environment says.
    pub(crate) config: Config,
}

/// The gateway's routes.
pub(crate) fn router(gateway: Gateway) -> Router {
    let mut router = Router::new().route("/webhooks/{host}", any(unknown_host));
    for host in hosts::ALL.iter().copied() {
        let deliver = move |State(gateway): Shared, request: Request| async move {
            webhook(host, &gateway, request).await
        };
        router = router.route(&hosts::path(host), post(deliver));
    }
    router
        .route("/v1/pipelines", post(start_pipeline))
        .route("/v1/runs/{id}", get(show_run))
        .route("/v1/runs/{id}/cancel", post(cancel_run))
        .route("/v1/rollbacks", post(roll_back))
        .route("/v1/repositories", get(list_repositories).post(register))
        .route("/v1/repositories/{*name}", get(show_repository).delete(remove_repository))
        .route("/v1/policies/{*name}", get(show_policy).post(accept_policy))
        .route("/v1/agents", get(list_agents))
        .route("/v1/callbacks/{token}", post(answer_callback))
        .route("/health", get(health))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(pact_web::problems))
        .layer(middleware::from_fn(|request, next| pact_web::observe("gateway", request, next)))
        .with_state(Arc::new(gateway))
}

type Shared = State<Arc<Gateway>>;

/// The body as it was sent, of at most [`validate::MAX_BODY`] bytes.
struct Raw(Bytes);

impl<S: Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Answer<Self> {
        read(request.into_body(), validate::MAX_BODY).await.map(Self)
    }
}

/// A body of at most `limit` bytes, as it was sent.
async fn read(body: Body, limit: usize) -> Answer<Bytes> {
    // Either it is too large, or the connection broke, and nobody reads the answer.
    axum::body::to_bytes(body, limit).await.map_err(|_| {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            problems::TOO_LARGE,
            format!("the body has more than {limit} bytes"),
        )
    })
}

/// A delivery of a git host.
async fn webhook(host: &dyn WebhookHost, gateway: &Gateway, request: Request) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let body = read(body, host.max_body()).await?;
    let incoming = Incoming { headers: &parts.headers, body: &body };
    let parameter = host.parameter(&parts.headers);
    let secret = auth::secret(&*gateway.ports.secrets, parameter).await?;
    // Nothing is read before this line says that the git host wrote it.
    host.verify(&secret, &incoming)?;
    let Delivery { id, event } = host.read(&incoming, &gateway.config.sources)?;
    let accepted = |body: Value| (StatusCode::ACCEPTED, Json(body)).into_response();
    let mut pushes = match event {
        Event::Ping => return Ok(Json(json!({ "status": "pong" })).into_response()),
        Event::Ignored(reason) => {
            tracing::info!(host = host.name(), delivery = id, reason, "ignored");
            return Ok(accepted(json!({ "status": "ignored", "reason": reason })));
        }
        Event::Pushes(pushes) => pushes,
    };
    let caller = Caller { host: Some(host.name()), ..caller(gateway, &parts.headers) };
    let mut runs = Vec::with_capacity(pushes.len());
    for push in &mut pushes {
        match registry::admit(&*gateway.ports.registry, push).await {
            Ok(()) => {}
            // It was meant to be so: nothing that the host should tell again, or show as broken.
            Err(refused) if refused.code == problems::BRANCH_NOT_RUN => {
                tracing::info!(host = host.name(), reason = refused.message, "ignored");
                return Ok(accepted(json!({ "status": "ignored", "reason": refused.message })));
            }
            Err(refused) => return Err(refused),
        }
    }
    for push in &pushes {
        runs.push(accept::accept(&gateway.ports, push, &caller).await?);
    }
    Ok(match &runs[..] {
        [run] => accepted(json!(run)),
        runs => accepted(json!({ "runs": runs })),
    })
}

/// A webhook of a host that is not known.
async fn unknown_host(Path(name): Path<String>) -> ApiError {
    hosts::unknown(&name)
}

async fn start_pipeline(
    State(gateway): Shared,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    authorized(&gateway, &headers).await?;
    let mut start = requests::start(&body, &gateway.config.sources)?;
    registry::admit(&*gateway.ports.registry, &mut start.push).await?;
    let caller = caller(&gateway, &headers);
    let accepted = if start.rerun {
        accept::rerun(&gateway.ports, &start.push, &caller).await?
    } else {
        accept::accept(&gateway.ports, &start.push, &caller).await?
    };
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn roll_back(
    State(gateway): Shared,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    authorized(&gateway, &headers).await?;
    let wanted = rollback::read(&body)?;
    let caller = caller(&gateway, &headers);
    let accepted = rollback::begin(&gateway.ports, &wanted, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn list_repositories(State(gateway): Shared, headers: HeaderMap) -> Answer<Json<Value>> {
    authorized(&gateway, &headers).await?;
    let listed = registry::list(&*gateway.ports.registry).await?;
    Ok(Json(json!({ "repositories": listed.items, "unreadable": listed.unreadable })))
}

async fn register(
    State(gateway): Shared,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Json<RepositoryEntry>> {
    authorized(&gateway, &headers).await?;
    let request = registry::read(&body, &gateway.config.sources)?;
    registry::register(&*gateway.ports.registry, request).await.map(Json)
}

async fn show_repository(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Answer<Json<RepositoryEntry>> {
    authorized(&gateway, &headers).await?;
    registry::show(&*gateway.ports.registry, &name).await.map(Json)
}

async fn remove_repository(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Answer<Json<RepositoryEntry>> {
    authorized(&gateway, &headers).await?;
    registry::remove(&*gateway.ports.registry, &name).await.map(Json)
}

async fn show_policy(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Answer<Json<PolicyRecord>> {
    authorized(&gateway, &headers).await?;
    rules::show(&gateway.ports, &name).await.map(Json)
}

async fn accept_policy(
    State(gateway): Shared,
    headers: HeaderMap,
    Path(name): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<PolicyRecord>> {
    authorized(&gateway, &headers).await?;
    rules::accept(&gateway.ports, &name, &body).await.map(Json)
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
        fields.insert("approvals".to_owned(), json!(questions.items));
        if !questions.unreadable.is_empty() {
            fields.insert("unreadable".to_owned(), json!(questions.unreadable));
        }
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
        problems::METHOD_NOT_ALLOWED,
        "the address does not take this method",
    )
}

async fn authorized(gateway: &Gateway, headers: &HeaderMap) -> Answer<()> {
    let token = auth::secret(&*gateway.ports.secrets, &auth::API_TOKEN).await?;
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
fn caller<'h>(gateway: &Gateway, headers: &'h HeaderMap) -> Caller<'h> {
    let trace = headers.get("x-amzn-trace-id").and_then(|value| value.to_str().ok());
    let trace = trace.filter(|header| header.starts_with("Root="));
    Caller { supersede: gateway.config.supersede, origin: origin(headers), trace, host: None }
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
