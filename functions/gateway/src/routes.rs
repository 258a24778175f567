//! Routes.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{FromRequest, Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, Method, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, delete, get, post},
};
use bytes::Bytes;
use pact_agent::{
    arrivals::Arrival,
    ports::ApprovalRecord,
    telemetry::{self, SpanFields},
};
use pact_contract::{
    RunId, RunRecord, access::Scope, agents, capability::advertisement, incident::Incident,
    policy::PolicyRecord, problems, registry::RepositoryEntry, statuses::StatusKey,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Span;

use crate::{
    accept::{self, Accepted, Caller},
    approvals, cancel,
    config::Config,
    doors::{self, Need, Who},
    error::{Answer, ApiError},
    filters, forms, heads,
    hosts::{self, Delivery, Event, Incoming, WebhookHost},
    incidents::{self, Word},
    motor, oidc, openapi,
    ports::Ports,
    pulls::{self, Admitted},
    push::Push,
    registry, requests, rollback, rotate, rules, sign_in, signed, tokens, validate, wake,
};

/// The gateway: its ports and its configuration.
#[derive(Clone)]
pub(crate) struct Gateway {
    /// What it works with.
    pub(crate) ports: Ports,
    /// What the environment says.
    pub(crate) config: Config,
}

/// One route: what is asked, and what that needs.
pub(crate) struct Route {
    /// The method.
    pub(crate) method: Method,
    /// The path, as the router writes it.
    pub(crate) path: String,
    /// What it needs.
    pub(crate) need: Need,
    handler: MethodRouter<Arc<Gateway>>,
}

/// Every route with what it needs: the one place that says so.
pub(crate) fn table() -> Vec<Route> {
    use Scope::{Approve, Operate, Read, Trigger};
    let of =
        |method, path: &str, need, handler| Route { method, path: path.to_owned(), need, handler };
    let scoped = |method, path, scope, handler| of(method, path, Need::Scope(scope), handler);
    let (get_, post_, delete_) = (Method::GET, Method::POST, Method::DELETE);
    let mut all = vec![
        of(get_.clone(), "/health", Need::Nothing, get(health)),
        of(get_.clone(), "/v1/agents", Need::Nothing, get(list_agents)),
        of(get_.clone(), "/v1/openapi.json", Need::Nothing, get(show_document)),
        of(get_.clone(), "/v1/caller", Need::Caller, get(show_caller)),
        of(get_.clone(), "/v1/sign-in", Need::Own, get(to_provider)),
        of(get_.clone(), oidc::CALLBACK, Need::Own, get(from_provider)),
        of(post_.clone(), "/v1/session", Need::Own, post(sign_in)),
        of(post_.clone(), "/v1/session/end", Need::Own, post(sign_out)),
        of(post_.clone(), "/v1/sign-in-codes", Need::Caller, post(sign_in_code)),
        scoped(post_.clone(), "/v1/pipelines", Trigger, post(start_pipeline)),
        scoped(get_.clone(), "/v1/runs/{id}", Read, get(show_run)),
        scoped(post_.clone(), "/v1/runs/{id}/cancel", Operate, post(cancel_run)),
        scoped(post_.clone(), "/v1/runs/{id}/answers", Approve, post(answer_question)),
        scoped(post_.clone(), "/v1/runs/{id}/rerun", Trigger, post(run_again)),
        scoped(post_.clone(), "/v1/callbacks/{token}", Approve, post(answer_callback)),
        scoped(post_.clone(), "/v1/rollbacks", Operate, post(roll_back)),
        scoped(get_.clone(), "/v1/incidents", Read, get(list_incidents)),
        scoped(get_.clone(), "/v1/incidents/{id}", Read, get(show_incident)),
        scoped(post_.clone(), "/v1/incidents/{id}/acknowledge", Operate, post(acknowledge)),
        scoped(post_.clone(), "/v1/incidents/{id}/close", Operate, post(close_incident)),
        scoped(get_.clone(), "/v1/repositories", Read, get(list_repositories)),
        scoped(post_.clone(), "/v1/repositories", Operate, post(register)),
        scoped(get_.clone(), "/v1/repositories/{*name}", Read, get(show_repository)),
        scoped(delete_.clone(), "/v1/repositories/{*name}", Operate, delete(remove_repository)),
        scoped(post_.clone(), "/v1/webhook-secrets/{*name}", Operate, post(rotate_secret)),
        scoped(get_.clone(), "/v1/policies/{*name}", Read, get(show_policy)),
        scoped(post_.clone(), "/v1/policies/{*name}", Approve, post(accept_policy)),
        scoped(get_.clone(), "/v1/pulls/{*name}", Read, get(list_pulls)),
        scoped(post_.clone(), "/v1/pulls/{*name}", Approve, post(allow_pull)),
        scoped(get_, "/v1/tokens", Operate, get(list_tokens)),
        scoped(post_.clone(), "/v1/tokens", Operate, post(add_token)),
        scoped(delete_, "/v1/tokens/{id}", Operate, delete(revoke_token)),
    ];
    for host in hosts::ALL.iter().copied() {
        let deliver = move |State(gateway): Shared, request: Request| async move {
            webhook(host, &gateway, request, None).await
        };
        let deliver_one =
            move |State(gateway): Shared, Path(name): Path<String>, request: Request| async move {
                webhook(host, &gateway, request, Some(&name)).await
            };
        let path = hosts::path(host);
        all.push(of(post_.clone(), &path, Need::Own, post(deliver)));
        all.push(of(post_.clone(), &format!("{path}/{{*name}}"), Need::Own, post(deliver_one)));
    }
    all
}

/// The gateway's routes.
pub(crate) fn router(gateway: Gateway) -> Router {
    let gateway = Arc::new(gateway);
    let mut router = Router::new()
        .route("/webhooks/{host}", any(unknown_host))
        .route("/webhooks/{host}/{*name}", any(unknown_host_of));
    for Route { path, need, handler, .. } in table() {
        let let_in = |scope| {
            let doors =
                middleware::from_fn_with_state((gateway.ports.doors.clone(), scope), doors::let_in);
            let forms = middleware::from_fn(forms::translate);
            handler.clone().route_layer(doors).route_layer(forms)
        };
        let handler = match need {
            Need::Nothing | Need::Own => handler,
            Need::Caller => let_in(None),
            Need::Scope(scope) => let_in(Some(scope)),
        };
        router = router.route(&path, handler);
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn(pact_web::problems))
        .layer(middleware::from_fn(|request, next| pact_web::observe("gateway", request, next)))
        .with_state(gateway)
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

/// A delivery of a git host, to the webhook of the repository of this name, or to that of all.
async fn webhook(
    host: &dyn WebhookHost,
    gateway: &Gateway,
    request: Request,
    name: Option<&str>,
) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let body = read(body, host.max_body()).await?;
    let incoming = Incoming { headers: &parts.headers, body: &body };
    // Nothing is read before this says that the git host wrote it.
    let of = match name {
        None => {
            signed::by_installation(&gateway.ports, host, &incoming).await?;
            None
        }
        Some(name) => Some(signed::by_repository(&gateway.ports, host, &incoming, name).await?),
    };
    let Delivery { id, event } = host.read(&incoming, &gateway.config.sources)?;
    if let Some(name) = &of {
        signed::tells_of(name, &event)?;
    }
    let accepted = |body: Value| (StatusCode::ACCEPTED, Json(body)).into_response();
    let mut pushes = match event {
        Event::Ping => return Ok(Json(json!({ "status": "pong" })).into_response()),
        Event::Ignored(reason) => {
            tracing::info!(host = host.name(), delivery = id, reason, "ignored");
            return Ok(accepted(json!({ "status": "ignored", "reason": reason })));
        }
        Event::Work { repository, correlation } => {
            let woken = wake::wake(&gateway.ports, &repository, &correlation).await?;
            let status = if woken { "noted" } else { "ignored" };
            return Ok(accepted(json!({ "status": status, "run_id": correlation.run_id })));
        }
        Event::Pushes(pushes) => pushes,
    };
    let caller = Caller { host: Some(host.name()), ..caller(&parts.headers) };
    // What one of them is refused for holds up no other that came with it.
    let (mut admitted, mut left) = (Vec::with_capacity(pushes.len()), None);
    for push in &mut pushes {
        let known = accept::arrival(&gateway.ports, push, &caller).await?;
        match let_in(gateway, push, &caller, &known).await? {
            Admitted::Runs => admitted.push((&*push, known)),
            Admitted::Waits(reason) => left = Some(("waiting", reason)),
            Admitted::Refused(reason) => {
                tracing::info!(host = host.name(), delivery = id, reason, "ignored");
                left.get_or_insert(("ignored", reason));
            }
        }
    }
    let mut runs = Vec::with_capacity(admitted.len());
    for (push, known) in admitted {
        runs.push(accept::accept(&gateway.ports, push, &caller, known).await?);
    }
    motor::tell(&gateway.ports, &runs, caller.trace).await;
    Ok(match (&runs[..], left) {
        ([], Some((status, reason))) => accepted(json!({ "status": status, "reason": reason })),
        ([run], _) => accepted(json!(run)),
        (runs, _) => accepted(json!({ "runs": runs })),
    })
}

/// Whether a push that a host told of is run.
async fn let_in(
    gateway: &Gateway,
    push: &mut Push,
    caller: &Caller<'_>,
    known: &Arrival,
) -> Answer<Admitted> {
    let entry = match registry::admit_by(known.entry.clone(), push, caller.host) {
        Ok(entry) => entry,
        // It was meant to be so: nothing that the host should tell again, or show as broken.
        Err(refused) if refused.code == problems::BRANCH_NOT_RUN => {
            return Ok(Admitted::Refused(refused.message));
        }
        Err(refused) => return Err(refused),
    };
    heads::told(&gateway.ports, push, caller, known.heads.as_ref()).await?;
    if push.skip {
        return Ok(Admitted::Refused("its message asks for no run".to_owned()));
    }
    if let Some(reason) = filters::starts_nothing_by(known.policy.as_ref(), push) {
        return Ok(Admitted::Refused(reason));
    }
    pulls::admit(&gateway.ports, push, &entry, caller).await
}

/// A webhook of a host that is not known.
async fn unknown_host(Path(name): Path<String>) -> ApiError {
    hosts::unknown(&name)
}

async fn unknown_host_of(Path((name, _)): Path<(String, String)>) -> ApiError {
    hosts::unknown(&name)
}

async fn start_pipeline(
    State(gateway): Shared,
    who: Who,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    let mut start = requests::start(&body, &gateway.config.sources, &who)?;
    if start.push.on_purpose.is_some() {
        // It sets an order and a verdict aside.
        who.0.needs(Scope::Operate).map_err(ApiError::from)?;
    }
    let caller = caller(&headers);
    let known = accept::arrival(&gateway.ports, &start.push, &caller).await?;
    let entry = registry::admit_by(known.entry.clone(), &mut start.push, None)?;
    let told = known.heads.as_ref().and_then(|heads| heads.default_branch.clone());
    match told.filter(|_| entry.default_branch.is_none()) {
        Some(default) => start.push.repository.default_branch = default,
        // It says how far a branch may go, as the registry does.
        None if entry.default_branch.is_none()
            && start.push.repository.default_branch != requests::DEFAULT_BRANCH =>
        {
            who.0.needs(Scope::Operate).map_err(ApiError::from)?;
        }
        None => {}
    }
    let accepted = if start.rerun {
        accept::rerun(&gateway.ports, &start.push, &caller, known).await?
    } else {
        accept::accept(&gateway.ports, &start.push, &caller, known).await?
    };
    begins(&gateway, &caller, accepted).await
}

/// Has begun what was accepted, and answers.
async fn begins(
    gateway: &Gateway,
    caller: &Caller<'_>,
    accepted: Accepted,
) -> Answer<(StatusCode, Json<Accepted>)> {
    motor::tell(&gateway.ports, std::slice::from_ref(&accepted), caller.trace).await;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

async fn roll_back(
    State(gateway): Shared,
    who: Who,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    let wanted = rollback::read(&body, &who)?;
    let caller = caller(&headers);
    let accepted = rollback::begin(&gateway.ports, &wanted, &caller).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

#[derive(Deserialize)]
struct Cursor {
    cursor: Option<String>,
}

async fn list_incidents(
    State(gateway): Shared,
    query: Result<Query<Cursor>, QueryRejection>,
) -> Answer<Json<Value>> {
    let Query(Cursor { cursor }) =
        query.map_err(|_| ApiError::invalid("cursor", "the query cannot be read"))?;
    incidents::list(&gateway.ports, cursor.as_deref()).await.map(Json)
}

async fn show_incident(State(gateway): Shared, Path(id): Path<String>) -> Answer<Json<Incident>> {
    incidents::show(&gateway.ports, &id).await.map(Json)
}

async fn acknowledge(
    State(gateway): Shared,
    who: Who,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Incident>> {
    incidents::say(&gateway.ports, &id, Word::Acknowledged, &body, &who).await.map(Json)
}

async fn close_incident(
    State(gateway): Shared,
    who: Who,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Incident>> {
    incidents::say(&gateway.ports, &id, Word::Closed, &body, &who).await.map(Json)
}

async fn list_repositories(State(gateway): Shared) -> Answer<Json<Value>> {
    let listed = registry::list(&*gateway.ports.registry).await?;
    Ok(Json(json!({ "repositories": listed.items, "unreadable": listed.unreadable })))
}

async fn register(
    State(gateway): Shared,
    who: Who,
    Raw(body): Raw,
) -> Answer<Json<RepositoryEntry>> {
    let request = registry::read(&body, &gateway.config.sources, &who)?;
    registry::register(&*gateway.ports.registry, request).await.map(Json)
}

async fn show_repository(
    State(gateway): Shared,
    Path(name): Path<String>,
) -> Answer<Json<RepositoryEntry>> {
    registry::show(&*gateway.ports.registry, &name).await.map(Json)
}

async fn remove_repository(
    State(gateway): Shared,
    Path(name): Path<String>,
) -> Answer<Json<RepositoryEntry>> {
    let entry = registry::remove(&*gateway.ports.registry, &*gateway.ports.keeper, &name).await?;
    heads::forget(&gateway.ports, &entry.name).await?;
    Ok(Json(entry))
}

async fn rotate_secret(
    State(gateway): Shared,
    who: Who,
    Path(name): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    let wanted = rotate::read(&body, &who)?;
    rotate::rotate(&gateway.ports, &name, &wanted).await.map(Json)
}

async fn show_policy(
    State(gateway): Shared,
    Path(name): Path<String>,
) -> Answer<Json<PolicyRecord>> {
    rules::show(&gateway.ports, &name).await.map(Json)
}

async fn accept_policy(
    State(gateway): Shared,
    who: Who,
    Path(name): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<PolicyRecord>> {
    rules::accept(&gateway.ports, &name, &body, &who).await.map(Json)
}

async fn list_pulls(State(gateway): Shared, Path(name): Path<String>) -> Answer<Json<Value>> {
    pulls::list(&gateway.ports, &name).await.map(Json)
}

async fn allow_pull(
    State(gateway): Shared,
    who: Who,
    headers: HeaderMap,
    Path(name): Path<String>,
    Raw(body): Raw,
) -> Answer<impl IntoResponse> {
    let caller = caller(&headers);
    let accepted = pulls::allow(&gateway.ports, &name, &body, &who, &caller).await?;
    begins(&gateway, &caller, accepted).await
}

async fn show_run(State(gateway): Shared, who: Who, Path(id): Path<String>) -> Answer<Json<Value>> {
    let id = run_id(&id)?;
    let run = cancel::find(&gateway.ports, &id).await?;
    let mut answer = view(&run);
    if let Some(fields) = answer.as_object_mut() {
        let questions = gateway.ports.callbacks.questions(&id).await?;
        let mut approvals = json!(questions.items);
        if who.0.needs(Scope::Approve).is_err() {
            // The callback is for those who may answer.
            for approval in approvals.as_array_mut().into_iter().flatten() {
                approval.as_object_mut().map(|fields| fields.remove("callback"));
            }
        }
        fields.insert("approvals".to_owned(), approvals);
        let shown = gateway.ports.statuses.status(&StatusKey::of(&run)).await?.0;
        if let Some(shown) = shown.filter(|shown| shown.wanted.run_id == id) {
            fields.insert("commit_status".to_owned(), json!(shown));
        }
        if !questions.unreadable.is_empty() {
            fields.insert("unreadable".to_owned(), json!(questions.unreadable));
        }
    }
    Ok(Json(answer))
}

async fn cancel_run(
    State(gateway): Shared,
    who: Who,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    let (by, reason) = requests::cancellation(&body, &who)?;
    let run = cancel::cancel(&gateway.ports, &run_id(&id)?, &by, reason.as_deref()).await?;
    Ok(Json(view(&run)))
}

/// The callback says which question is answered; who answers, the caller's credential says.
async fn answer_callback(
    State(gateway): Shared,
    who: Who,
    Path(token): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    let answer = requests::answer(&body, &who)?;
    Ok(Json(answered(&approvals::answer(&gateway.ports, &token, &answer).await?)))
}

/// The same, by the run that waits: for pages, which never show a callback.
async fn answer_question(
    State(gateway): Shared,
    who: Who,
    Path(id): Path<String>,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    let id = run_id(&id)?;
    let (state, answer) = requests::answer_of(&body, &who)?;
    let record = approvals::answer_of(&gateway.ports, &id, state.as_ref(), &answer).await?;
    Ok(Json(answered(&record)))
}

fn answered(record: &ApprovalRecord) -> Value {
    json!({
        "run_id": record.run_id,
        "state": record.state,
        "question": record.question,
        "people": record.people,
        "agreed": record.agreed,
        "answer": record.answer,
    })
}

async fn run_again(
    State(gateway): Shared,
    who: Who,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer<impl IntoResponse> {
    let run = cancel::find(&gateway.ports, &run_id(&id)?).await?;
    let (mut push, place) = accept::push_of(&run, who.speaks_as(None)?)?;
    registry::admit(&*gateway.ports.registry, &mut push, None).await?;
    let caller = caller(&headers);
    let first = push.run_id(place);
    let accepted = accept::once_more(&gateway.ports, &push, &caller, (first, place)).await?;
    begins(&gateway, &caller, accepted).await
}

async fn sign_in(State(gateway): Shared, request: Request) -> Response {
    sign_in::begin(&gateway.ports.doors, request).await
}

async fn to_provider(State(gateway): Shared, request: Request) -> Response {
    oidc::begin(&gateway.ports, &request.into_parts().0).await
}

async fn from_provider(State(gateway): Shared, request: Request) -> Response {
    oidc::end(&gateway.ports, &request.into_parts().0).await
}

async fn sign_out(State(gateway): Shared, request: Request) -> Response {
    sign_in::end(&gateway.ports.doors, request).await
}

async fn sign_in_code(
    State(gateway): Shared,
    who: Who,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Json<Value>> {
    sign_in::code(&gateway.ports.doors, &who, &pact_web::origin(&headers), &body).await
}

async fn list_tokens(State(gateway): Shared) -> Answer<Json<Value>> {
    tokens::list(&*gateway.ports.tokens).await.map(Json)
}

async fn add_token(State(gateway): Shared, who: Who, Raw(body): Raw) -> Answer<impl IntoResponse> {
    let added = tokens::add(&*gateway.ports.tokens, tokens::read(&body)?, &who).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

async fn revoke_token(
    State(gateway): Shared,
    who: Who,
    Path(id): Path<String>,
) -> Answer<Json<Value>> {
    tokens::revoke(&*gateway.ports.tokens, &id, &who).await.map(Json)
}

/// Who the caller is here.
async fn show_caller(who: Who) -> Json<Value> {
    let identity = who.0;
    Json(json!({
        "owner": identity.owner,
        "scopes": identity.scopes,
        "until": identity.until,
    }))
}

/// What every agent advertises: the gateway depends on none of them.
async fn list_agents() -> Json<Value> {
    let advertised: Value = agents::ALL.iter().map(|(id, all)| advertisement(id, all)).collect();
    Json(json!({ "agents": advertised }))
}

/// What a program reads to know all this.
async fn show_document() -> Json<Value> {
    Json(document())
}

fn document() -> Value {
    let table = table();
    openapi::document(table.iter().map(|route| (&route.method, route.path.as_str(), route.need)))
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
    let trace = trace.filter(|header| header.starts_with("Root="));
    Caller { origin: pact_web::origin(headers), trace, host: None }
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
