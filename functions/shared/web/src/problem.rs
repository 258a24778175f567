//! Refusals and faults as problem details (RFC 9457).

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use pact_contract::problems::{self, ProblemCode};
use serde::Serialize;

/// Media type of a problem.
const MEDIA_TYPE: &str = "application/problem+json";
/// Longest text of a library's refusal that is passed on.
const MAX_DETAIL: usize = 1_000;

/// Why there is no other answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The kind of problem, as an address that nobody has to resolve.
    #[serde(rename = "type")]
    kind: String,
    /// The kind for people; the same each time.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What happened this time, and what to do about it.
    detail: String,
    /// The kind for programs: stable.
    code: ProblemCode,
    /// The part of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    /// A problem of a kind that is named by its code.
    #[must_use]
    pub fn new(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:pact:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            field: None,
        }
    }

    /// Names the part of the request that is at fault.
    #[must_use]
    pub fn at(self, field: Option<String>) -> Self {
        Self { field, ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        // Nothing in it has a reason to be no JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, media_type)], body).into_response()
    }
}

/// Gives what a library refuses, in plain text or without a word, the form of all refusals: a
/// layer of the function's router.
pub async fn problems(request: Request, next: Next) -> Response {
    let head = request.method() == axum::http::Method::HEAD;
    let response = next.run(request).await;
    let status = response.status();
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain || head || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let title = status.canonical_reason().unwrap_or("Error");
    let detail = if text.is_empty() { title.to_owned() } else { text };
    let problem = Problem::new(status, code(status), detail).into_response();
    let (new, body) = problem.into_parts();
    // Of the refusal itself what still holds: `Allow`, for example.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(new.headers);
    Response::from_parts(parts, body)
}

const fn code(status: StatusCode) -> ProblemCode {
    match status {
        StatusCode::NOT_FOUND => problems::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => problems::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE => problems::TOO_LARGE,
        _ if status.as_u16() < 500 => problems::INVALID_REQUEST,
        _ => problems::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[tokio::test]
    async fn a_problem_has_the_members_and_the_media_type_of_the_standard() {
        let problem = Problem::new(StatusCode::CONFLICT, problems::RUN_ACTIVE, "the run is active");
        let response = problem.at(Some("rerun".to_owned())).into_response();
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({
                "type": "urn:pact:problem:run_active",
                "title": "Conflict",
                "status": 409,
                "detail": "the run is active",
                "code": "run_active",
                "field": "rerun",
            })
        );
    }
}
