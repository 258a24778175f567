//! What a host refuses, and why: problem details (RFC 9457) with a stable code.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Which kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No token, or a wrong one.
    Unauthorized,
    /// The request comes from a page, or is for another host.
    Forbidden,
    /// A part of the request is wrong.
    Invalid,
    /// There is no such service or instance.
    NotFound,
    /// There are as many as there may be.
    TooMany,
    /// An instance of that name runs with other settings.
    InstanceDiffers,
    /// The instance of that name is being ended.
    InstanceEnding,
    /// An instance that is to get requests does not take any.
    InstanceNotReady,
    /// Another program has the port.
    PortInUse,
    /// The host could not do its part.
    Internal,
}

impl Code {
    /// The name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Invalid => "invalid",
            Self::NotFound => "not-found",
            Self::TooMany => "too-many",
            Self::InstanceDiffers => "instance-differs",
            Self::InstanceEnding => "instance-ending",
            Self::InstanceNotReady => "instance-not-ready",
            Self::PortInUse => "port-in-use",
            Self::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooMany
            | Self::InstanceDiffers
            | Self::InstanceEnding
            | Self::InstanceNotReady
            | Self::PortInUse => StatusCode::CONFLICT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// The kind.
    pub(crate) code: Code,
    /// For people.
    pub(crate) message: String,
    #[source]
    cause: Option<std::io::Error>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    pub(crate) fn io(what: &str, error: std::io::Error) -> Self {
        let message = format!("cannot {what}: {error}");
        Self { code: Code::Internal, message, cause: Some(error) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let body = json!({
            "status": status.as_u16(),
            "title": status.canonical_reason(),
            "code": self.code.as_str(),
            "detail": self.message,
        });
        (status, [(CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}
