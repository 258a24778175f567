//! What the stack's two ports serve: the HTTP API, and one endpoint for all AWS services.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use jiff::Timestamp;
use local_lambda_host::{Host, http_api};
use local_step_functions::Engine;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};
use tower::ServiceExt;

use super::{
    bucket::Buckets,
    connections,
    definition::Definition,
    guard::Guard,
    health,
    meter::{self, Meter},
    recorder::Recorder,
    roles::{self, Roles},
    traces::Traces,
};
use crate::{
    client::http_client,
    credentials::{Caller, Credentials, OWNER, Refused, Session, claimed_service},
    failure::Failure,
};

/// DynamoDB accepts bodies of up to 16 MB, the others less.
const MAX_BODY: usize = 16 * 1024 * 1024;
/// How long a body may take.
const BODY: Duration = Duration::from_secs(60);
/// What Lambda takes with the code of a function.
const MAX_CODE: usize = 70_167_211;
/// Below these paths of the HTTP API, the gateway takes what is signed and nothing else.
const SIGNED: &[&str] = &["/webhooks/"];

/// Gateway and dashboard, by the template's routes. `names` are hosts that lead to this machine,
/// besides its own.
pub(crate) fn serve_api(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    host: &Host,
    engine: &Engine,
    definition: &Definition,
    names: &[String],
    disk: health::Disk,
) -> Result<(), Failure> {
    let function = |logical: &str| {
        let function = definition.stack.functions.iter().find(|f| f.logical_id == logical);
        function.map(|f| f.name.clone()).ok_or_else(|| {
            Failure::internal(format!("a route leads to {logical}, which is no function"))
        })
    };
    let mut routes = Vec::new();
    for route in &definition.stack.routes {
        routes.push(http_api::HttpRoute {
            method: route.method.clone(),
            path: route.path.clone(),
            function: function(&route.function)?,
        });
    }
    let router = http_api::router(host.clone(), routes, http_api::Options::default());
    let router = health::over(router, engine.clone(), disk);
    servers.spawn(connections::serve(listener, Guard::pages(names, SIGNED).before(router)));
    Ok(())
}

/// What answers for each service.
#[derive(Clone)]
pub(crate) struct Services {
    /// Step Functions.
    pub step_functions: Router,
    /// Lambda.
    pub lambda: Router,
    /// CodeBuild, and the logs of builds.
    pub builds: Router,
    /// The Parameter Store.
    pub parameters: Router,
    /// Who may take on which role.
    pub roles: Roles,
    /// S3.
    pub buckets: Buckets,
    /// Address of DynamoDB.
    pub dynamodb: String,
    /// Whose signatures are answered.
    pub credentials: Arc<Credentials>,
    /// What is consumed there.
    pub meter: Meter,
    /// Logical ids of the functions: whose calls a run pays for.
    pub functions: Arc<BTreeSet<String>>,
    /// Which execution belongs to which trace.
    pub traces: Traces,
}

/// All AWS services at one address, as `aws --endpoint-url` wants it. `names` are hosts that lead to
/// this machine, besides its own.
pub(crate) fn serve_aws(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    services: Services,
    recorder: Option<Recorder>,
    names: &[String],
) -> Result<(), Failure> {
    let state = Endpoint { services, http: http_client()?, recorder: recorder.map(Arc::new) };
    let router = Router::new().fallback(dispatch).with_state(state);
    servers.spawn(connections::serve(listener, Guard::programs(names).before(router)));
    Ok(())
}

#[derive(Clone)]
struct Endpoint {
    services: Services,
    http: reqwest::Client,
    recorder: Option<Arc<Recorder>>,
}

/// By the protocol's own mark: the target header, or Lambda's path; what has neither is for S3.
async fn dispatch(State(endpoint): State<Endpoint>, request: Request) -> Response {
    let services = &endpoint.services;
    let target = request.headers().get("x-amz-target").and_then(|v| v.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    let roles = claimed(&request) == Some("sts");
    // Lambda's paths begin with the date of its protocol.
    let lambda = request.uri().path().starts_with("/20") && !for_buckets(&request);
    if target.is_empty() && !lambda && !roles {
        return services.buckets.serve(request).await;
    }
    let (parts, body) = request.into_parts();
    let limit = if lambda { MAX_CODE } else { MAX_BODY };
    let body = match tokio::time::timeout(BODY, to_bytes(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let signed = (&parts.method, &parts.uri, &parts.headers, &body[..]);
    let caller = match services.credentials.verify(signed, Timestamp::now()) {
        Ok(caller) => caller,
        Err(refused) => return forbidden(&refused),
    };
    if let Some(recorder) = &endpoint.recorder {
        recorder.record(&caller, &parts, &body);
    }
    let caller = match caller {
        Caller::Pair(id) => id,
        Caller::Role(Session { role, .. }) => {
            let asked = roles::lambda_call(&parts.method, parts.uri.path(), query(&parts.uri));
            return match asked {
                Some((action, _)) if lambda && services.roles.allows(&action) => {
                    let request = Request::from_parts(parts, Body::from(body));
                    forward(services.lambda.clone(), request).await
                }
                Some((action, resource)) => roles::denied(&role, &action, &resource),
                None => roles::denied(&role, "what is asked for", "*"),
            };
        }
    };
    if roles {
        return services.roles.assume(&caller, &body, &services.credentials);
    }
    if lambda
        && caller != OWNER
        && let Some((action, resource)) =
            roles::lambda_call(&parts.method, parts.uri.path(), query(&parts.uri))
        && !roles::is_harmless(&action)
    {
        return roles::denied(&caller, &action, &resource);
    }
    if target.starts_with("DynamoDB") {
        return proxy(&endpoint, &caller, &parts, body).await;
    }
    if target.starts_with("AWSStepFunctions.") {
        services.traces.observe(&target, &body);
    }
    let request = Request::from_parts(parts, Body::from(body));
    if target.starts_with("AWSStepFunctions.") {
        return forward(services.step_functions.clone(), request).await;
    }
    if target.starts_with("AmazonSSM.") {
        return forward(services.parameters.clone(), request).await;
    }
    if target.starts_with("CodeBuild_") || target.starts_with("Logs_") {
        return forward(services.builds.clone(), request).await;
    }
    if lambda {
        return forward(services.lambda.clone(), request).await;
    }
    let text = "this endpoint speaks Step Functions, DynamoDB, Lambda, S3, CodeBuild, the Parameter \
                Store, and CloudWatch Logs of builds\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

/// Whether a request is signed for S3: a bucket's name may begin with anything.
fn for_buckets(request: &Request) -> bool {
    claimed(request) == Some("s3")
        || request.uri().query().is_some_and(|query| query.contains("X-Amz-Signature="))
}

/// The service that a request is signed for, checked or not.
fn claimed(request: &Request) -> Option<&str> {
    let header = request.headers().get("authorization").and_then(|v| v.to_str().ok());
    header.and_then(claimed_service)
}

fn query(uri: &Uri) -> &str {
    uri.query().unwrap_or_default()
}

fn forbidden(refused: &Refused) -> Response {
    let body = json!({ "__type": refused.code, "message": refused.message });
    let mut response = (StatusCode::FORBIDDEN, body.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(code) = HeaderValue::from_str(refused.code) {
        headers.insert("x-amzn-errortype", code);
    }
    response
}

async fn forward(router: Router, request: Request) -> Response {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn proxy(endpoint: &Endpoint, caller: &str, parts: &Parts, body: Bytes) -> Response {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let operation = header("x-amz-target").and_then(|target| target.split('.').nth(1));
    let body = meter::asks(&body).map_or(body, Into::into);
    let mut headers = HeaderMap::new();
    for (name, value) in &parts.headers {
        if name != "host" && name != "content-length" {
            headers.append(name, value.clone());
        }
    }
    let answer = endpoint
        .http
        .post(&endpoint.services.dynamodb)
        .headers(headers)
        .body(body.clone())
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "DynamoDB does not answer");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let (status, headers) = (answer.status(), answer.headers().clone());
    match answer.bytes().await {
        Ok(bytes) => {
            if let (Some(operation), Ok(request)) = (operation, std::str::from_utf8(&body))
                && endpoint.services.functions.contains(caller)
            {
                let said = serde_json::from_slice(&bytes).unwrap_or_default();
                endpoint.services.meter.note(caller, operation, request, &said);
            }
            let mut response = Response::new(Body::from(bytes));
            *response.status_mut() = status;
            for (name, value) in &headers {
                if name != "transfer-encoding" && name != "content-length" {
                    response.headers_mut().append(name, value.clone());
                }
            }
            response
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
