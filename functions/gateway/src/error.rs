//! Refusals and faults as HTTP answers.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use pact_agent::ports::StoreError;
use pact_contract::problems::{self, ProblemCode};
use pact_web::{Problem, access::Denied};

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// Stable, for programs.
    pub(crate) code: ProblemCode,
    /// For people.
    pub(crate) message: String,
    /// The part of the request that is at fault.
    pub(crate) field: Option<String>,
    /// The fault behind it, for the log only.
    source: Option<StoreError>,
}

/// Result of a request.
pub(crate) type Answer<T> = Result<T, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: ProblemCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, source: None }
    }

    /// A wrong value in the request.
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, problems::INVALID_REQUEST, message);
        Self { field: Some(field.into()), ..error }
    }

    /// Names the part of the request that is at fault.
    pub(crate) fn at(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    pub(crate) fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, problems::UNAUTHORIZED, message)
    }

    pub(crate) fn not_configured(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, problems::NOT_CONFIGURED, what)
    }

    /// The caller can only try again.
    pub(crate) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            problems::UNAVAILABLE,
            "the request could not be completed now; send it again",
        )
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, problems::NOT_FOUND, message)
    }

    pub(crate) fn conflict(code: ProblemCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    pub(crate) fn gone(code: ProblemCode, message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, code, message)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let answer = match &error {
            StoreError::Invalid(what) => {
                return Self::new(StatusCode::BAD_REQUEST, problems::INVALID_REQUEST, what);
            }
            // Asking again does not help.
            StoreError::Unreadable(what) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                problems::RECORD_UNREADABLE,
                what.to_string(),
            ),
            StoreError::Conflict(_) | StoreError::Unavailable(..) => Self::unavailable(),
        };
        Self { source: Some(error), ..answer }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let (status, code) = denied.kind();
        match denied {
            Denied::Store(error) => error.into(),
            other => Self::new(status, code, other.to_string()),
        }
    }
}

/// The error's text and those of its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(error) = &self.source {
            tracing::error!(cause = chain(error), "a port did not answer");
        }
        let problem = Problem::new(self.status, self.code, self.message).at(self.field);
        let mut response = problem.into_response();
        let hint = match self.status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE if self.code == problems::UNAVAILABLE => {
                Some((header::RETRY_AFTER, "5"))
            }
            _ => None,
        };
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, header::HeaderValue::from_static(value));
        }
        response
    }
}
