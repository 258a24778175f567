//! A refused request, in the form of the Lambda API.

use crate::error::RequestError;
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Seconds that a caller shall wait after a throttle.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Why a request is refused.
pub(super) struct Fault {
    status: u16,
    code: &'static str,
    message: String,
    reason: Option<&'static str>,
}

impl Fault {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Fault {
        Fault { status, code, message: message.into(), reason: None }
    }
}

impl From<RequestError> for Fault {
    fn from(error: RequestError) -> Fault {
        let reason = match &error {
            RequestError::TooManyRequests(limit) => Some(limit.reason()),
            _ => None,
        };
        Fault { reason, ..Fault::new(error.status(), error.code(), error.to_string()) }
    }
}

impl From<Fault> for Response {
    fn from(fault: Fault) -> Response {
        let kind = if fault.status < 500 { "User" } else { "Service" };
        // Clients read either spelling.
        let mut body = json!({"Type": kind, "message": fault.message, "Message": fault.message});
        if let (Some(reason), Value::Object(body)) = (fault.reason, &mut body) {
            body.insert("Reason".to_owned(), json!(reason));
        }
        let status =
            StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert("x-amzn-errortype", HeaderValue::from_static(fault.code));
        if status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        self.into()
    }
}
