//! The `Invoke` operation over HTTP, as AWS SDKs call it.

use crate::{
    error::InvokeError,
    host::Host,
    spec::{Invocation, InvocationType},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::json;

/// Header of the trace that a request belongs to.
pub(crate) const TRACE: &str = "x-amzn-trace-id";

impl Host {
    /// `POST /2015-03-31/functions/{name}/invocations`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            .with_state(self.clone())
    }
}

async fn invoke(
    State(host): State<Host>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = match header("x-amz-invocation-type") {
        None | Some("RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            let message = format!("Value '{other}' at 'invocationType' is not an invocation type");
            return refusal(400, "InvalidParameterValueException", "User", &message, None);
        }
    };
    let tail = header("x-amz-log-type") == Some("Tail");
    let limit = host.max_payload();
    let Ok(payload) = axum::body::to_bytes(body, limit).await else {
        return error(&InvokeError::TooLarge { limit });
    };
    match host.invoke_in_trace(&name, payload, kind, header(TRACE)).await {
        Ok(invocation) => answer(invocation, kind, tail),
        Err(refused) => error(&refused),
    }
}

fn answer(invocation: Invocation, kind: InvocationType, tail: bool) -> Response {
    let status = match kind {
        InvocationType::RequestResponse => StatusCode::OK,
        InvocationType::Event => StatusCode::ACCEPTED,
        InvocationType::DryRun => StatusCode::NO_CONTENT,
    };
    let mut response = (status, invocation.payload).into_response();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("x-amzn-requestid", &invocation.request_id);
    if kind == InvocationType::RequestResponse {
        set("x-amz-executed-version", "$LATEST");
        if let Some(error) = &invocation.function_error {
            set("x-amz-function-error", error);
        }
        if tail {
            set("x-amz-log-result", &BASE64.encode(&invocation.log_tail));
        }
    }
    response
}

fn error(error: &InvokeError) -> Response {
    let (fault, reason) = match error {
        InvokeError::Service(_) => ("Service", None),
        InvokeError::TooManyRequests => {
            ("User", Some("ReservedFunctionConcurrentInvocationLimitExceeded"))
        }
        _ => ("User", None),
    };
    refusal(error.status(), error.code(), fault, &error.to_string(), reason)
}

fn refusal(status: u16, code: &str, fault: &str, message: &str, reason: Option<&str>) -> Response {
    let mut body = json!({"Type": fault, "message": message, "Message": message});
    if let (Some(reason), Some(map)) = (reason, body.as_object_mut()) {
        map.insert("Reason".to_owned(), json!(reason));
    }
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    if let Ok(code) = HeaderValue::from_str(code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}
