//! The operations that make and change functions, their versions, aliases and addresses.

use super::{fault::Fault, invoke::Qualified};
use crate::{
    error::RequestError,
    host::Host,
    managed::{
        AliasChange, Change, CodeChange, Managed, NewFunction, Permission, Publish, UrlChange,
    },
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;

/// The largest body with code that AWS takes, and the largest of any other request, in bytes.
const MAX_CODE_BODY: usize = 70_167_211;
const MAX_BODY: usize = 1 << 20;
/// The most versions or aliases on a page.
const PAGE: usize = 50;

/// What answers `GET`s that a function of the template has too is in `describe`.
pub(super) fn router(host: Host) -> Router {
    const FUNCTION: &str = "/2015-03-31/functions/{name}";
    const URL: &str = "/2021-10-31/functions/{name}/url";
    let under = |path: &str| format!("{FUNCTION}{path}");
    Router::new()
        .route("/2015-03-31/functions", post(create))
        .route("/2015-03-31/functions/", post(create))
        .route(FUNCTION, delete(remove))
        .route(&under("/code"), put(update_code))
        .route(&under("/configuration"), put(update_configuration))
        .route(&under("/versions"), post(publish).get(versions))
        .route(&under("/aliases"), post(create_alias).get(aliases))
        .route(&under("/aliases/{alias}"), get(alias).put(update_alias).delete(delete_alias))
        .route(&under("/policy"), post(add_permission).get(policy))
        .route(URL, post(create_url).get(url).delete(delete_url))
        .route("/2019-09-30/functions/{name}/provisioned-concurrency", get(provisioned_concurrency))
        .with_state(host)
}

/// What a page of versions or aliases asks for.
#[derive(Default, Deserialize)]
struct Listing {
    #[serde(rename = "Marker")]
    marker: Option<String>,
    #[serde(rename = "MaxItems")]
    max_items: Option<usize>,
    #[serde(rename = "FunctionVersion")]
    version: Option<String>,
}

/// The functions that can be changed.
fn managed(host: &Host) -> Result<&Arc<Managed>, Fault> {
    host.managed().ok_or_else(|| {
        Fault::new(403, "AccessDeniedException", "this host takes no functions by its API")
    })
}

/// A function that is to be read: its name, and the qualifier in it or beside it.
fn read<'h, 'n>(
    host: &'h Host,
    name: &'n str,
    qualifier: Option<&'n str>,
) -> Result<(&'h Arc<Managed>, &'n str, Option<&'n str>), Fault> {
    let id = host.named(name, qualifier)?;
    if host.is_fixed(id.name) {
        let message = format!("{} has no versions, aliases or addresses here", id.name);
        return Err(RequestError::missing(message).into());
    }
    Ok((managed(host)?, id.name, id.qualifier))
}

/// A function that is to be changed. Those that the host was started with are not.
fn change<'h, 'n>(
    host: &'h Host,
    name: &'n str,
    qualifier: Option<&'n str>,
) -> Result<(&'h Arc<Managed>, &'n str, Option<&'n str>), Fault> {
    let id = host.named(name, qualifier)?;
    if host.is_fixed(id.name) {
        let message = format!(
            "{} is a function of the stack's template: change infra/template.yaml and start the stack \
             again",
            id.name
        );
        return Err(Fault::new(403, "AccessDeniedException", message));
    }
    Ok((managed(host)?, id.name, id.qualifier))
}

async fn body<T: DeserializeOwned>(body: Body, limit: usize) -> Result<T, Fault> {
    let bytes = axum::body::to_bytes(body, limit).await;
    let bytes = bytes.map_err(|_| {
        let message = format!("Request must be smaller than {limit} bytes for the operation");
        Fault::new(413, "RequestEntityTooLargeException", message)
    })?;
    let text = if bytes.is_empty() { &b"{}"[..] } else { &bytes[..] };
    serde_json::from_slice(text).map_err(|error| {
        let message = format!("Could not parse request body into json: {error}");
        Fault::new(400, "InvalidRequestContentException", message)
    })
}

type Answered = Result<Response, Fault>;

fn created(value: Value) -> Answered {
    Ok((StatusCode::CREATED, Json(value)).into_response())
}

fn found(value: Value) -> Answered {
    Ok(Json(value).into_response())
}

fn gone() -> Answered {
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn create(State(host): State<Host>, request: Body) -> Answered {
    let mut new: NewFunction = body(request, MAX_CODE_BODY).await?;
    // A name may be an ARN here too.
    let given = std::mem::take(&mut new.function_name);
    let (managed, name, _) = change(&host, &given, None)?;
    name.clone_into(&mut new.function_name);
    created(managed.create(new).await?)
}

async fn remove(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Answered {
    let (managed, name, qualifier) = change(&host, &name, qualifier.as_deref())?;
    managed.delete(name, qualifier)?;
    gone()
}

async fn update_code(
    State(host): State<Host>,
    Path(name): Path<String>,
    request: Body,
) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    let change: CodeChange = body(request, MAX_CODE_BODY).await?;
    found(managed.update_code(name, change).await?)
}

async fn update_configuration(
    State(host): State<Host>,
    Path(name): Path<String>,
    request: Body,
) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    let mut wanted: Value = body(request, MAX_BODY).await?;
    let revision = wanted.as_object_mut().and_then(|fields| fields.remove("RevisionId"));
    let revision = revision.as_ref().and_then(Value::as_str).map(str::to_owned);
    let change: Change = serde_json::from_value(wanted)
        .map_err(|error| Fault::new(400, "InvalidRequestContentException", error.to_string()))?;
    found(managed.update_configuration(name, (change, revision))?)
}

async fn publish(State(host): State<Host>, Path(name): Path<String>, request: Body) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    let wanted: Publish = body(request, MAX_BODY).await?;
    created(managed.publish(name, wanted)?)
}

async fn versions(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(listing): Query<Listing>,
) -> Answered {
    let (managed, name, _) = read(&host, &name, None)?;
    found(page("Versions", managed.versions(name)?, &listing)?)
}

async fn create_alias(
    State(host): State<Host>,
    Path(name): Path<String>,
    request: Body,
) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    let wanted: AliasChange = body(request, MAX_BODY).await?;
    created(managed.create_alias(name, wanted)?)
}

async fn aliases(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(listing): Query<Listing>,
) -> Answered {
    let (managed, name, _) = read(&host, &name, None)?;
    let all = managed.aliases(name, listing.version.as_deref())?;
    found(page("Aliases", all, &listing)?)
}

async fn alias(State(host): State<Host>, Path((name, alias)): Path<(String, String)>) -> Answered {
    let (managed, name, _) = read(&host, &name, None)?;
    found(managed.alias(name, &alias)?)
}

async fn update_alias(
    State(host): State<Host>,
    Path((name, alias)): Path<(String, String)>,
    request: Body,
) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    let wanted: AliasChange = body(request, MAX_BODY).await?;
    found(managed.update_alias(name, &alias, wanted)?)
}

async fn delete_alias(
    State(host): State<Host>,
    Path((name, alias)): Path<(String, String)>,
) -> Answered {
    let (managed, name, _) = change(&host, &name, None)?;
    managed.delete_alias(name, &alias)?;
    gone()
}

async fn create_url(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
    request: Body,
) -> Answered {
    let (managed, name, qualifier) = change(&host, &name, qualifier.as_deref())?;
    let wanted: UrlChange = body(request, MAX_BODY).await?;
    created(managed.create_url(name, qualifier, wanted)?)
}

async fn url(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Answered {
    let (managed, name, qualifier) = read(&host, &name, qualifier.as_deref())?;
    found(managed.url(name, qualifier)?)
}

async fn delete_url(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Answered {
    let (managed, name, qualifier) = change(&host, &name, qualifier.as_deref())?;
    managed.delete_url(name, qualifier)?;
    gone()
}

async fn add_permission(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
    request: Body,
) -> Answered {
    let (managed, name, qualifier) = change(&host, &name, qualifier.as_deref())?;
    let wanted: Permission = body(request, MAX_BODY).await?;
    created(managed.add_permission(name, qualifier, wanted)?)
}

async fn policy(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Answered {
    let (managed, name, qualifier) = read(&host, &name, qualifier.as_deref())?;
    found(managed.policy(name, qualifier)?)
}

/// `GetProvisionedConcurrencyConfig`: nothing keeps instances warm here.
async fn provisioned_concurrency(
    State(host): State<Host>,
    Path(name): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
) -> Answered {
    let (managed, name, qualifier) = read(&host, &name, qualifier.as_deref())?;
    managed.configuration(name, qualifier)?;
    let message = "No Provisioned Concurrency Config found for this function";
    Err(Fault::new(404, "ProvisionedConcurrencyConfigNotFoundException", message))
}

/// A page; the marker is how many are on the pages before.
fn page(name: &str, all: Vec<Value>, listing: &Listing) -> Result<Value, Fault> {
    let invalid = || RequestError::invalid("Invalid Marker or MaxItems");
    let from: usize = match listing.marker.as_deref().filter(|marker| !marker.is_empty()) {
        Some(marker) => marker.parse().map_err(|_| invalid())?,
        None => 0,
    };
    let size = listing.max_items.unwrap_or(PAGE).min(PAGE);
    if size == 0 {
        return Err(invalid().into());
    }
    let more = all.len() > from.saturating_add(size);
    let items: Vec<Value> = all.into_iter().skip(from).take(size).collect();
    let mut page = json!({ name: items });
    if let (true, Some(fields)) = (more, page.as_object_mut()) {
        fields.insert("NextMarker".to_owned(), json!((from + size).to_string()));
    }
    Ok(page)
}
