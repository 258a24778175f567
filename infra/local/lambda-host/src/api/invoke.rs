//! The `Invoke` operation.

use super::fault::Fault;
use crate::{
    error::RequestError,
    host::Host,
    spec::{Invocation, InvocationType, InvokeRequest, TRACE},
};
use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::de::IgnoredAny;

/// The longest client context that AWS takes, in base64.
const MAX_CLIENT_CONTEXT: usize = 3583;

/// The version or alias that a request asks for.
#[derive(serde::Deserialize)]
pub(super) struct Qualified {
    #[serde(rename = "Qualifier")]
    pub(super) qualifier: Option<String>,
}

pub(super) async fn invoke(
    State(host): State<Host>,
    Path(function): Path<String>,
    Query(Qualified { qualifier }): Query<Qualified>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header("x-amz-invocation-type").unwrap_or("RequestResponse");
    let kind = InvocationType::parse(kind).ok_or_else(|| RequestError::Validation {
        value: kind.to_owned(),
        parameter: "invocationType",
        constraint: "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
    })?;
    let tail = match header("x-amz-log-type") {
        None | Some("None") => false,
        Some("Tail") => true,
        Some(other) => {
            let (value, parameter) = (other.to_owned(), "logType");
            let constraint = "Member must satisfy enum value set: [None, Tail]";
            return Err(RequestError::Validation { value, parameter, constraint }.into());
        }
    };
    let client_context = header("x-amz-client-context").map(client_context).transpose()?;
    let limit = host.max_payload();
    let payload =
        axum::body::to_bytes(body, limit).await.map_err(|_| RequestError::TooLarge { limit })?;
    let trace = header(TRACE).map(str::to_owned);
    let request = InvokeRequest { function, qualifier, kind, payload, trace, client_context };
    Ok(answer(host.invoke(request).await?, kind, tail))
}

/// The JSON in the header.
fn client_context(text: &str) -> Result<String, RequestError> {
    let invalid = RequestError::InvalidParameter(
        "Client context must be a valid Base64-encoded JSON object.",
    );
    if text.len() > MAX_CLIENT_CONTEXT {
        return Err(invalid);
    }
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok()).ok_or(invalid)
}

fn answer(invocation: Invocation, kind: InvocationType, tail: bool) -> Response {
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::OK);
    let mut response = (status, invocation.payload).into_response();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("x-amzn-requestid", &invocation.request_id);
    if kind == InvocationType::RequestResponse {
        set("x-amz-executed-version", &invocation.version);
        if let Some(error) = &invocation.function_error {
            set("x-amz-function-error", error);
        }
        if tail {
            set("x-amz-log-result", &BASE64.encode(&invocation.log_tail));
        }
    }
    response
}
