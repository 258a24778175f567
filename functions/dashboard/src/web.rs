//! Routes, answers and headers.

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Query, RawQuery, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, Request, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use pact_agent::{
    logs::{LogPage, TAIL},
    ports::{RunPage, RunQuery},
    telemetry::{self, SpanFields},
};
use pact_contract::{RepositoryName, RunId, RunStatus, StateName, problems};
use pact_web::access::Doors;
use serde::Deserialize;
use serde_json::json;
use tracing::Span;

use crate::{
    answers::{App, Asked, Fault, filters, json_or_fault, page, pages_or_fault},
    api, assets, entrance, feed,
    filters::Filters,
    gzip, measures, pages,
    pages::Waiting,
    tested,
    view::Found,
    viewer::Viewer,
};

pub(crate) fn routes(app: App, doors: Doors) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/runs", get(list))
        .route("/runs/{id}", get(run))
        .route("/runs/{id}/logs/{state}", get(log))
        .route("/runs/{id}/tests", get(tested::page))
        .route("/repositories/{*name}", get(repository))
        .route("/tests", get(tested::slowest_page))
        .route("/environments", get(measures::environments))
        .route("/incidents", get(incidents))
        .route("/insights", get(measures::insights))
        .route("/api/insights", get(measures::api_insights))
        .route("/durations", get(measures::durations))
        .route("/api/durations", get(measures::api_durations))
        .route("/feed", get(feed))
        .route("/badge.svg", get(badge))
        .route(entrance::SIGN_IN, get(sign_in))
        .route("/api/runs", get(api_runs))
        .route("/api/runs/{id}", get(api_run))
        .route("/api/runs/{id}/version", get(api_version))
        .route("/api/runs/{id}/logs/{state}", get(api_log))
        .route("/api/runs/{id}/tests", get(tested::json))
        .route("/api/tests", get(tested::slowest_json))
        .route("/api/version", get(api_list_version))
        .route("/api/environments", get(measures::api_environments))
        .route("/api/environments/version", get(measures::api_environments_version))
        .route("/api/incidents/version", get(api_incidents_version))
        .route(
            "/assets/app.css",
            get(|RawQuery(q)| async move { assets::STYLE.answer(q.as_deref()) }),
        )
        .route(
            "/assets/app.js",
            get(|RawQuery(q)| async move { assets::SCRIPT.answer(q.as_deref()) }),
        )
        .route(
            "/assets/icon.svg",
            get(|RawQuery(q)| async move { assets::ICON.answer(q.as_deref()) }),
        )
        .route("/favicon.ico", get(|| async { assets::ICON.answer(None) }))
        .fallback(unknown)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(doors, entrance::let_in))
        .layer(middleware::from_fn(pact_web::problems))
        .layer(middleware::from_fn(gzip::compress))
        .layer(middleware::from_fn(headers))
        .layer(middleware::from_fn(|request, next| pact_web::observe("dashboard", request, next)))
        .with_state(app)
}

/// Headers of every answer.
async fn headers(request: Request<Body>, next: Next) -> Response {
    // With no referrer at all a browser would not say of a form that it is of this origin.
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
        connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What the store says may change at any time.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn unknown(request: Request<Body>) -> Response {
    let fault = Fault::Unknown("there is no such page".to_owned());
    if request.uri().path().starts_with("/api/") { fault.json() } else { fault.page() }
}

async fn no_method(request: Request<Body>) -> Response {
    let fault = Fault::Method("the address does not take this method".to_owned());
    if request.uri().path().starts_with("/api/") { fault.json() } else { fault.page() }
}

async fn sign_in(State(app): State<App>, Query(asked): Query<Asking>) -> Response {
    let refused = problems::explain(&asked.refused);
    let provider = app.provider.as_deref();
    let said = pages::SignIn { next: &asked.next, code: &asked.code, refused, provider };
    page(&pages::sign_in(&said)).into_response()
}

/// What the address of the page to sign in on says.
#[derive(Default, Deserialize)]
struct Asking {
    #[serde(default)]
    next: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    refused: String,
}

async fn list(State(app): State<App>, viewer: Extension<Viewer>, asked: Asked) -> Response {
    let result = async {
        let filters = filters(asked)?;
        let found = app.reader.latest_runs(&filters.query().map_err(Fault::Request)?).await?;
        let waiting = waiting(&app, &filters).await?;
        Ok(pages::list(&viewer, &filters, &found, &waiting, (app.now)()))
    };
    pages_or_fault(result.await)
}

/// The latest runs of a repository, and what is deployed of it.
async fn repository(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    Path(name): Path<String>,
) -> Response {
    let result = async {
        let unknown = || Fault::Unknown("there is no run of such a repository".to_owned());
        let name = RepositoryName::parse(&name).map_err(|_| unknown())?;
        let filters = Filters::of_repository(&name);
        let query = filters.query().map_err(Fault::Request)?;
        let found = app.reader.latest_runs(&query).await?;
        let environments = app.reader.environments_of(&name).await?;
        if found.runs.is_empty() && found.unreadable.is_empty() && environments.items.is_empty() {
            return Err(unknown());
        }
        let waiting = waiting(&app, &filters).await?;
        let (found, waiting, environments) = (&found, waiting.as_slice(), &environments);
        let now = (app.now)();
        let it = pages::Repository { name: &name, found, waiting, environments, now };
        Ok(pages::repository(&viewer, &filters, &it))
    };
    pages_or_fault(result.await)
}

/// Most incidents on a page.
const INCIDENTS: usize = 25;

/// Where a page of incidents begins.
#[derive(Default, Deserialize)]
struct Since {
    cursor: Option<String>,
}

async fn incidents(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    asked: Result<Query<Since>, QueryRejection>,
) -> Response {
    let result = async {
        let Query(Since { cursor }) = asked.map_err(|e| Fault::Request(e.body_text()))?;
        let page = app.incidents.incidents(INCIDENTS, cursor.as_deref()).await?;
        Ok(pages::incidents(&viewer, &page, cursor.is_some(), (app.now)()))
    };
    pages_or_fault(result.await)
}

async fn api_incidents_version(State(app): State<App>) -> Response {
    let found = app.incidents.incidents(INCIDENTS, None).await.map_err(Fault::from);
    json_or_fault(found.map(|page| json!({ "version": pages::incidents_version(&page) })))
}

/// The runs that filters find, for other programs.
async fn found(app: &App, asked: Asked) -> Result<(Filters, RunPage), Fault> {
    let filters = filters(asked)?;
    let found = app.reader.latest_runs(&filters.query().map_err(Fault::Request)?).await?;
    Ok((filters, found))
}

async fn feed(State(app): State<App>, asked: Asked) -> Response {
    match found(&app, asked).await {
        Ok((filters, found)) => feed::feed(&filters, &found, (app.now)()),
        Err(fault) => fault.json(),
    }
}

async fn badge(State(app): State<App>, asked: Asked) -> Response {
    match found(&app, asked).await {
        Ok((_, found)) => feed::badge(&found),
        Err(fault) => fault.json(),
    }
}

/// The questions that runs wait for, on the first page whatever else is on it. Of runs that go on at
/// the same time there are few; those beyond the first have their questions on their own pages.
async fn waiting(app: &App, filters: &Filters) -> Result<Vec<Waiting>, Fault> {
    const MOST: usize = 6;
    if !filters.cursor.is_empty() {
        return Ok(Vec::new());
    }
    let asked = filters.query().map_err(Fault::Request)?;
    let status = Some(RunStatus::Running);
    let query =
        RunQuery { repository: asked.repository, status, limit: MOST, ..RunQuery::default() };
    let now = (app.now)();
    let mut out = Vec::new();
    for run in app.reader.latest_runs(&query).await?.runs {
        let all = app.reader.approvals(&run.request.run_id).await?;
        let open = all.items.into_iter().filter(|a| a.answer.is_none() && a.expires_at > now);
        let message = run.request.message.unwrap_or_default();
        out.extend(open.map(|question| Waiting { question, message: message.clone() }));
    }
    Ok(out)
}

async fn view(app: &App, id: &str, with_log: bool) -> Result<Found, Fault> {
    let unknown = || Fault::Unknown("there is no such run".to_owned());
    let id = RunId::parse(id).map_err(|_| unknown())?;
    let fields = SpanFields { run_id: Some(id.as_str()), ..SpanFields::default() };
    telemetry::record(&Span::current(), &fields);
    Found::read(&*app.reader, &id, (app.now)(), with_log).await?.ok_or_else(unknown)
}

async fn run(
    State(app): State<App>,
    viewer: Extension<Viewer>,
    Path(id): Path<String>,
) -> Response {
    let found = view(&app, &id, true).await;
    pages_or_fault(found.map(|found| match found {
        Found::Run(view) => pages::run(&viewer, &view),
        Found::Unreadable(parts) => pages::unreadable_run(&viewer, &id, &parts, (app.now)()),
    }))
}

/// What part of a log is asked for.
#[derive(Deserialize)]
struct Wanted {
    from: Option<String>,
}

/// The part of a log that is asked for, and whose it is.
async fn log_page(
    app: &App,
    (id, state): (&str, &str),
    from: Result<Query<Wanted>, QueryRejection>,
) -> Result<(RunId, StateName, pages::Part, LogPage), Fault> {
    let unknown = || Fault::Unknown("there is no such log".to_owned());
    let id = RunId::parse(id).map_err(|_| unknown())?;
    let state = StateName::parse(state).map_err(|_| unknown())?;
    let Query(Wanted { from }) = from.map_err(|e| Fault::Request(e.body_text()))?;
    let (part, from) = match from.as_deref() {
        None | Some(TAIL) => (pages::Part::Tail, Some(TAIL)),
        Some("start") => (pages::Part::Piece, None),
        from => (pages::Part::Piece, from),
    };
    let page = app.logs.page(&id, &state, from).await?.ok_or_else(unknown)?;
    Ok((id, state, part, page))
}

async fn log(
    State(app): State<App>,
    Path((id, state)): Path<(String, String)>,
    from: Result<Query<Wanted>, QueryRejection>,
    viewer: Extension<Viewer>,
) -> Response {
    let found = log_page(&app, (&id, &state), from).await;
    pages_or_fault(
        found.map(|(id, state, part, page)| pages::log((&id, &state), part, &page, &viewer)),
    )
}

async fn api_log(
    State(app): State<App>,
    Path((id, state)): Path<(String, String)>,
    from: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let found = log_page(&app, (&id, &state), from).await;
    json_or_fault(found.map(|(_, _, _, page)| {
        let version = pages::log_version(&page);
        json!({ "lines": page.lines, "next": page.next, "at_end": page.at_end, "version": version })
    }))
}

async fn api_runs(State(app): State<App>, asked: Asked) -> Response {
    let result = async {
        let query = filters(asked)?.query().map_err(Fault::Request)?;
        Ok(api::runs(&app.reader.latest_runs(&query).await?))
    };
    json_or_fault(result.await)
}

async fn api_run(State(app): State<App>, Path(id): Path<String>) -> Response {
    let result = view(&app, &id, true)
        .await
        .and_then(|view| api::run(&view).map_err(|e| Fault::Internal(e.to_string())));
    json_or_fault(result)
}

async fn api_version(State(app): State<App>, Path(id): Path<String>) -> Response {
    json_or_fault(view(&app, &id, false).await.map(|view| api::version(&view)))
}

async fn api_list_version(State(app): State<App>, asked: Asked) -> Response {
    let result = async {
        let filters = filters(asked)?;
        let found = app.reader.latest_runs(&filters.query().map_err(Fault::Request)?).await?;
        let waiting = waiting(&app, &filters).await?;
        Ok(json!({ "version": pages::list_version(&found, &waiting, (app.now)()) }))
    };
    json_or_fault(result.await)
}
