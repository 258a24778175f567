//! The AWS JSON API: builds, projects, and the logs of builds.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    CodeBuild, Project,
    error::ApiError,
    host::{Inner, Wanted},
    log, run,
};

const CODEBUILD: &str = "CodeBuild_20161006.";
const LOGS: &str = "Logs_20140328.";
const TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
/// The longest request.
const LONGEST: usize = 1024 * 1024;
/// Items of one page of a list.
const PAGE: usize = 100;
/// Most events of one page of a log.
const EVENTS: usize = 10_000;

impl CodeBuild {
    /// Performs one operation, by its name without the prefix of the protocol.
    ///
    /// # Errors
    /// As AWS words them.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        call(self, operation, input).await
    }

    /// Serves CodeBuild and the reading part of CloudWatch Logs.
    pub fn router(&self) -> Router {
        let routes = Router::new().route("/", post(serve));
        routes.layer(DefaultBodyLimit::max(LONGEST)).with_state(self.clone())
    }
}

async fn call(host: &CodeBuild, operation: &str, input: Value) -> Result<Value, ApiError> {
    let inner = &host.inner;
    match operation {
        "StartBuild" => start(host, read(input)?),
        "StopBuild" => stop(inner, &read(input)?),
        "BatchGetBuilds" => batch_get(inner, &read(input)?),
        "ListBuilds" => list(inner, None, &read(input)?),
        "ListBuildsForProject" => {
            let wanted: List = read(input)?;
            let name = wanted
                .project_name
                .as_deref()
                .ok_or_else(|| ApiError::invalid("Project name is required."))?;
            let project = inner.project(name)?;
            list(inner, Some(&project.name), &wanted)
        }
        "ListProjects" => {
            let names: Vec<_> = inner.projects().into_iter().map(|project| project.name).collect();
            Ok(json!({"projects": names}))
        }
        "BatchGetProjects" => batch_get_projects(inner, &read(input)?),
        "GetLogEvents" => tokio::task::block_in_place(|| log_events(inner, &read(input)?)),
        "DescribeLogStreams" => log_streams(inner, &read(input)?),
        _ => Err(ApiError::new(
            "UnknownOperationException",
            format!("The operation '{operation}' is not supported."),
        )),
    }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input)
        .map_err(|error| ApiError::new("SerializationException", error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    project_name: String,
    buildspec_override: Option<String>,
    #[serde(default)]
    environment_variables_override: Vec<Variable>,
    image_override: Option<String>,
    compute_type_override: Option<String>,
    timeout_in_minutes_override: Option<u64>,
    queued_timeout_in_minutes_override: Option<u64>,
    cache_override: Option<Cache>,
    idempotency_token: Option<String>,
    source_type_override: Option<String>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cache {
    #[serde(rename = "type")]
    kind: String,
    cache_namespace: Option<String>,
}

fn start(host: &CodeBuild, wanted: Start) -> Result<Value, ApiError> {
    let project = host.inner.project(&wanted.project_name)?;
    if wanted.source_type_override.as_deref().is_some_and(|source| source != "NO_SOURCE") {
        return Err(ApiError::invalid("This host has builds without a source only: NO_SOURCE."));
    }
    let mut environment = BTreeMap::new();
    for variable in wanted.environment_variables_override {
        let Variable { name, value, kind } = variable;
        if !matches!(kind.as_deref(), None | Some("PLAINTEXT")) {
            return Err(ApiError::invalid(format!(
                "The environment variable {name} is not of type PLAINTEXT, the only one here."
            )));
        }
        let usable = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        if !usable {
            return Err(ApiError::invalid(format!("{name:?} cannot be an environment variable.")));
        }
        environment.insert(name, value);
    }
    let minutes = |value: Option<u64>, least: u64, most: u64, what: &str| match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(ApiError::invalid(format!("{what} is {value}, not between {least} and {most}.")))
        }
        value => Ok(value),
    };
    let cache = match wanted.cache_override {
        Some(cache) if cache.kind == "LOCAL" || cache.kind == "S3" => cache.cache_namespace,
        Some(cache) if cache.kind != "NO_CACHE" => {
            return Err(ApiError::invalid(format!("{:?} is not a type of cache.", cache.kind)));
        }
        _ => None,
    };
    let wanted = Wanted {
        buildspec: wanted.buildspec_override,
        environment,
        image: wanted.image_override,
        compute_type: wanted.compute_type_override,
        timeout_minutes: minutes(wanted.timeout_in_minutes_override, 5, 2_160, "The timeout")?,
        queued_timeout_minutes: minutes(
            wanted.queued_timeout_in_minutes_override,
            5,
            480,
            "The queued timeout",
        )?,
        cache,
        token: wanted.idempotency_token,
    };
    let build = run::start(&host.inner, &project, wanted)?;
    Ok(json!({"build": build.view(&host.inner.options.region)}))
}

#[derive(Deserialize)]
struct One {
    id: String,
}

fn stop(inner: &Inner, wanted: &One) -> Result<Value, ApiError> {
    let build = inner
        .stop(&wanted.id)
        .ok_or_else(|| ApiError::not_found(format!("Build {} not found", wanted.id)))?;
    Ok(json!({"build": build.view(&inner.options.region)}))
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

fn batch_get(inner: &Inner, wanted: &Ids) -> Result<Value, ApiError> {
    if wanted.ids.is_empty() || wanted.ids.len() > PAGE {
        return Err(ApiError::invalid(format!(
            "ids has {} items, not 1 to {PAGE}.",
            wanted.ids.len()
        )));
    }
    let (mut builds, mut missing) = (Vec::new(), Vec::new());
    for id in &wanted.ids {
        match inner.build(id) {
            Some(build) => builds.push(build.view(&inner.options.region)),
            None => missing.push(id),
        }
    }
    Ok(json!({"builds": builds, "buildsNotFound": missing}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    project_name: Option<String>,
    sort_order: Option<String>,
    next_token: Option<String>,
}

fn list(inner: &Inner, project: Option<&str>, wanted: &List) -> Result<Value, ApiError> {
    let mut ids: Vec<String> = inner.builds(project).iter().map(|build| build.id()).collect();
    match wanted.sort_order.as_deref() {
        None | Some("DESCENDING") => {}
        Some("ASCENDING") => ids.reverse(),
        Some(other) => return Err(ApiError::invalid(format!("sortOrder is {other:?}."))),
    }
    // The token is the last id of the page before: builds that came since do not move it.
    let from = match &wanted.next_token {
        None => 0,
        Some(token) => ids
            .iter()
            .position(|id| id == token)
            .map(|place| place + 1)
            .ok_or_else(|| ApiError::invalid("The token is not one of this list."))?,
    };
    let page: Vec<&String> = ids.iter().skip(from).take(PAGE).collect();
    let more = ids.len() > from + page.len();
    let mut answer = json!({"ids": page});
    if let (true, Some(last), Some(fields)) = (more, page.last(), answer.as_object_mut()) {
        fields.insert("nextToken".to_owned(), json!(last));
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct Names {
    names: Vec<String>,
}

fn batch_get_projects(inner: &Inner, wanted: &Names) -> Result<Value, ApiError> {
    let (mut projects, mut missing) = (Vec::new(), Vec::new());
    for name in wanted.names.iter().take(PAGE) {
        match inner.project(name) {
            Ok(project) => projects.push(view(&project)),
            Err(_) => missing.push(name),
        }
    }
    Ok(json!({"projects": projects, "projectsNotFound": missing}))
}

fn view(project: &Project) -> Value {
    let variables: Vec<_> = project
        .environment
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value, "type": "PLAINTEXT"}))
        .collect();
    json!({
        "name": project.name,
        "arn": project.arn,
        "source": {"type": "NO_SOURCE", "buildspec": project.buildspec},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "ARM_CONTAINER",
            "image": project.image,
            "computeType": project.compute_type,
            "environmentVariables": variables,
        },
        "timeoutInMinutes": project.timeout.as_secs() / 60,
        "queuedTimeoutInMinutes": project.queued_timeout.as_secs() / 60,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEvents {
    log_group_name: String,
    log_stream_name: String,
    next_token: Option<String>,
    #[serde(default)]
    start_from_head: bool,
    limit: Option<usize>,
}

/// Pages forward, from the beginning where that is asked for, else from the last events. AWS's tokens point both ways; the one backward stays where
/// it is, which a reader takes for the beginning.
fn log_events(inner: &Inner, wanted: &LogEvents) -> Result<Value, ApiError> {
    let build = inner
        .build_of_stream(&wanted.log_group_name, &wanted.log_stream_name)
        .ok_or_else(|| ApiError::not_found("The specified log stream does not exist."))?;
    let limit = wanted.limit.unwrap_or(EVENTS).clamp(1, EVENTS);
    let path = inner.store.log(&build.uuid);
    let from = match wanted.next_token.as_deref() {
        None if wanted.start_from_head => 0,
        None => log::tail(&path, limit).unwrap_or(0),
        Some(token) => token
            .get(2..)
            .filter(|_| token.starts_with("f/") || token.starts_with("b/"))
            .and_then(|offset| offset.parse().ok())
            .ok_or_else(|| {
                ApiError::new("InvalidParameterException", "The specified nextToken is invalid.")
            })?,
    };
    let page = match log::read(&path, from, limit) {
        Ok(page) => page,
        // It has not begun to write.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            log::Page { events: Vec::new(), next: from }
        }
        Err(error) => return Err(ApiError::internal(format!("cannot read the log: {error}"))),
    };
    let events: Vec<_> = page
        .events
        .iter()
        .map(|event| {
            json!({"timestamp": event.time, "ingestionTime": event.time, "message": event.message})
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": format!("f/{}", page.next),
        "nextBackwardToken": format!("b/{from}"),
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogStreams {
    log_group_name: String,
    log_stream_name_prefix: Option<String>,
}

fn log_streams(inner: &Inner, wanted: &LogStreams) -> Result<Value, ApiError> {
    let prefix = wanted.log_stream_name_prefix.as_deref().unwrap_or_default();
    let known = inner.projects().iter().any(|p| p.log_group == wanted.log_group_name);
    if !known {
        return Err(ApiError::not_found("The specified log group does not exist."));
    }
    let streams: Vec<_> = inner
        .builds(None)
        .into_iter()
        .filter(|b| b.log_group == wanted.log_group_name && b.uuid.starts_with(prefix))
        .take(50)
        .map(|b| json!({"logStreamName": b.uuid, "creationTime": b.started.as_millisecond()}))
        .collect();
    Ok(json!({"logStreams": streams}))
}

async fn serve(State(host): State<CodeBuild>, headers: HeaderMap, body: Bytes) -> Response {
    let (status, body) = match answer(&host, &headers, &body).await {
        Ok(value) => (StatusCode::OK, value),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, json!({"__type": error.code, "message": error.message}))
        }
    };
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, TYPE);
    if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

async fn answer(host: &CodeBuild, headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or("");
    let operation =
        target.strip_prefix(CODEBUILD).or_else(|| target.strip_prefix(LOGS)).ok_or_else(|| {
            ApiError::new(
                "UnknownOperationException",
                "The header X-Amz-Target does not name an operation.",
            )
        })?;
    let input = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(body)
            .map_err(|error| ApiError::new("SerializationException", error.to_string()))?
    };
    host.call(operation, input).await
}
