//! The wire: AWS JSON 1.0 over HTTP.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use uuid::Uuid;

use crate::engine::Engine;
use crate::error::ApiError;

const TARGET: &str = "AWSStepFunctions.";
const TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
/// The longest request: a definition of a megabyte, escaped.
const LONGEST: usize = 8 * 1024 * 1024;

impl Engine {
    /// The AWS JSON API: `POST /` with the operation in the header `X-Amz-Target`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(serve))
            .layer(DefaultBodyLimit::max(LONGEST))
            .with_state(self.clone())
    }
}

async fn serve(State(engine): State<Engine>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&engine, &headers, &body).await {
        Ok(text) => respond(StatusCode::OK, text),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({ "__type": error.code, "message": error.message });
            respond(status, body.to_string())
        }
    }
}

async fn answer(engine: &Engine, headers: &HeaderMap, body: &[u8]) -> Result<String, ApiError> {
    let operation = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix(TARGET))
        .ok_or_else(|| {
            ApiError::new(
                "UnknownOperationException",
                "The header X-Amz-Target does not name an operation.",
            )
        })?;
    let input = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(body).map_err(|error| {
            ApiError::new("SerializationException", format!("cannot read the body: {error}"))
        })?
    };
    let value = engine.call(operation, input).await?;
    if operation != "GetExecutionHistory" {
        return Ok(value.to_string());
    }
    // A page may be megabytes: writing it down, and dropping it, holds up nobody.
    engine.inner.aside(move || value.to_string()).await
}

fn respond(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, TYPE);
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
