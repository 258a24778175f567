//! Why a host does not start, and why a request is refused. An error of the function itself is
//! neither: it is a result, see [`Invocation::function_error`](crate::Invocation).

use std::{io, path::PathBuf};

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
    /// The folder of the functions that were made by the API.
    #[error("failed to open the folder of the functions {path}")]
    Functions {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
    /// What the Lambda API refuses for a reason of its own.
    #[error("{message}")]
    Refused {
        /// Name of the error on AWS.
        code: &'static str,
        /// Its HTTP status on AWS.
        status: u16,
        /// One sentence.
        message: String,
    },
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
    /// A value that no function, version or alias can have, or not now.
    pub(crate) fn invalid(message: impl Into<String>) -> RequestError {
        let code = "InvalidParameterValueException";
        RequestError::Refused { code, status: 400, message: message.into() }
    }

    /// Something of this name is there, or something goes on with it.
    pub(crate) fn conflict(message: impl Into<String>) -> RequestError {
        let code = "ResourceConflictException";
        RequestError::Refused { code, status: 409, message: message.into() }
    }

    /// Somebody changed it since it was read.
    pub(crate) fn precondition(message: impl Into<String>) -> RequestError {
        let code = "PreconditionFailedException";
        RequestError::Refused { code, status: 412, message: message.into() }
    }

    /// Something that belongs to a function is not there.
    pub(crate) fn missing(message: impl Into<String>) -> RequestError {
        let code = "ResourceNotFoundException";
        RequestError::Refused { code, status: 404, message: message.into() }
    }

    /// The name of the error on AWS.
    pub fn code(&self) -> &'static str {
        match self {
            RequestError::NotFound(_) => "ResourceNotFoundException",
            RequestError::TooManyRequests(_) => "TooManyRequestsException",
            RequestError::TooLarge { .. } => "RequestTooLargeException",
            RequestError::NotJson(_) => "InvalidRequestContentException",
            RequestError::Validation { .. } => "ValidationException",
            RequestError::InvalidParameter(_) => "InvalidParameterValueException",
            RequestError::Refused { code, .. } => code,
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
            RequestError::Refused { status, .. } => *status,
            RequestError::Service(_) => 500,
        }
    }
}
