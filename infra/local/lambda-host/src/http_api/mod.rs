//! An API Gateway HTTP API in front of functions: payload format 2.0 in, Lambda proxy results out.

mod event;
mod result;
mod routes;
mod settings;

pub use settings::{HttpRoute, Options};

use crate::{
    error::RequestError,
    host::Host,
    spec::{InvokeRequest, TRACE},
};
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use routes::Table;
use serde_json::json;
use std::{sync::Arc, time::Duration};

struct Api {
    host: Host,
    table: Table,
    options: Options,
}

/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(20);

/// Serves every path and method by the given routes.
pub fn router(host: Host, routes: Vec<HttpRoute>, options: Options) -> Router {
    let api = Arc::new(Api { host, table: Table::new(routes), options });
    Router::new().fallback(handle).with_state(api)
}

async fn handle(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some(found) = api.table.find(parts.method.as_str(), parts.uri.path()) else {
        return message(StatusCode::NOT_FOUND, "Not Found");
    };
    let announced = parts
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > api.options.max_body {
        return too_large();
    }
    let url = api.options.function_url;
    let invocation = async {
        let body = match tokio::time::timeout(BODY, read(body, api.options.max_body)).await {
            Ok(Some(body)) => body,
            Ok(None) => return too_large(),
            Err(_) => return message(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
        };
        let event = event::build(&parts, &body, &found, &api.options);
        let payload = Bytes::from(event.to_string());
        let trace = parts.headers.get(TRACE).and_then(|value| value.to_str().ok());
        let request = InvokeRequest {
            trace: trace.map(str::to_owned),
            ..InvokeRequest::new(&found.route.function, payload)
        };
        match api.host.invoke(request).await {
            Ok(done) if done.function_error.is_none() => result::response(&done.payload)
                .unwrap_or_else(|reason| {
                    let function = &found.route.function;
                    tracing::warn!(%function, reason, "the function's answer is no HTTP response");
                    failed(url)
                }),
            Ok(_) => failed(url),
            Err(RequestError::TooLarge { .. }) => too_large(),
            Err(RequestError::TooManyRequests(_)) if url => {
                message(StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded.")
            }
            Err(RequestError::TooManyRequests(_)) => unavailable(),
            Err(_) => failed(url),
        }
    };
    match tokio::time::timeout(api.options.timeout, invocation).await {
        Ok(response) => response,
        Err(_) => unavailable(),
    }
}

async fn read(body: Body, limit: usize) -> Option<Bytes> {
    axum::body::to_bytes(body, limit).await.ok()
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"message": text}))).into_response()
}

fn failed(url: bool) -> Response {
    let status = if url { StatusCode::BAD_GATEWAY } else { StatusCode::INTERNAL_SERVER_ERROR };
    message(status, "Internal Server Error")
}

fn unavailable() -> Response {
    message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
}

fn too_large() -> Response {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}
