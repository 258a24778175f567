//! Why a host does not start, and why a request is refused. An error of the function itself is
//! neither: it is a result, see [`Invocation::function_error`](crate::Invocation).

use std::io;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The process that ends the functions when the host is killed.
    #[error("failed to start the process that ends orphaned functions")]
    Reaper(#[source] io::Error),
    /// Two functions share a name.
    #[error("two functions are named {0}")]
    Duplicate(String),
    /// The log file cannot be written.
    #[error("failed to open the log file of {function}")]
    Log {
        /// The function's name.
        function: String,
        /// Why.
        source: io::Error,
    },
}

/// Why a request is refused, before any of the function's code has run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No such function, version or alias; its ARN.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// All instances are busy and nobody else may wait.
    #[error("Rate Exceeded.")]
    TooManyRequests(Throttle),
    /// The payload is too large.
    #[error("Request must be smaller than {limit} bytes for the InvokeFunction operation")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The payload is not JSON.
    #[error("Could not parse request body into json: {0}")]
    NotJson(String),
    /// A parameter has a form that none can have.
    #[error(
        "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy \
         constraint: {constraint}"
    )]
    Validation {
        /// What was given.
        value: String,
        /// The parameter, as AWS names it in messages.
        parameter: &'static str,
        /// What it must be.
        constraint: &'static str,
    },
    /// Parameters contradict each other.
    #[error("{0}")]
    InvalidParameter(&'static str),
    /// The host shuts down, or a fault of its own.
    #[error("{0}")]
    Service(String),
}

/// Which limit refused an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// What the function has reserved for itself.
    Reserved,
    /// What functions without a reservation have.
    Unreserved,
}

impl Throttle {
    /// The reason as AWS names it.
    pub fn reason(self) -> &'static str {
        match self {
            Throttle::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Throttle::Unreserved => "ConcurrentInvocationLimitExceeded",
        }
    }
}

impl RequestError {
    /// The name of the error on AWS.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::NotFound(_) => "ResourceNotFoundException",
            RequestError::TooManyRequests(_) => "TooManyRequestsException",
            RequestError::TooLarge { .. } => "RequestTooLargeException",
            RequestError::NotJson(_) => "InvalidRequestContentException",
            RequestError::Validation { .. } => "ValidationException",
            RequestError::InvalidParameter(_) => "InvalidParameterValueException",
            RequestError::Service(_) => "ServiceException",
        }
    }

    /// Its HTTP status on AWS.
    pub fn status(&self) -> u16 {
        match self {
            RequestError::NotFound(_) => 404,
            RequestError::TooManyRequests(_) => 429,
            RequestError::TooLarge { .. } => 413,
            RequestError::NotJson(_)
            | RequestError::Validation { .. }
            | RequestError::InvalidParameter(_) => 400,
            RequestError::Service(_) => 500,
        }
    }
}
