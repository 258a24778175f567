//! Why a host does not start, and why an invocation is refused. An error of the function itself is
//! none of these: it is a result, see [`Invocation::function_error`](crate::Invocation).

use std::io;

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// No port for the Runtime API.
    #[error("failed to listen for the Runtime API: {0}")]
    Listen(#[source] io::Error),
    /// The process that ends the functions when the host is killed.
    #[error("failed to start the process that watches over the functions: {0}")]
    Watcher(#[source] io::Error),
    /// Two functions share a name.
    #[error("two functions are named {0}")]
    Duplicate(String),
    /// The log file cannot be written.
    #[error("failed to open the log file of {function}: {source}")]
    Log {
        /// The function's name.
        function: String,
        /// Why.
        source: io::Error,
    },
}

/// Why an invocation is refused, before any of the function's code has run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// No such function.
    #[error("Function not found: {0}")]
    NotFound(String),
    /// All instances are busy and the queue is full.
    #[error("Rate Exceeded.")]
    TooManyRequests,
    /// The payload is too large.
    #[error("Request must be smaller than {limit} bytes for the InvokeFunction operation")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The payload is not JSON.
    #[error("Could not parse request body into json: {0}")]
    NotJson(String),
    /// The host shuts down, or a fault of its own.
    #[error("{0}")]
    Service(String),
}

impl InvokeError {
    /// The name of the error on AWS.
    pub fn code(&self) -> &'static str {
        match self {
            InvokeError::NotFound(_) => "ResourceNotFoundException",
            InvokeError::TooManyRequests => "TooManyRequestsException",
            InvokeError::TooLarge { .. } => "RequestTooLargeException",
            InvokeError::NotJson(_) => "InvalidRequestContentException",
            InvokeError::Service(_) => "ServiceException",
        }
    }

    /// Its HTTP status on AWS.
    pub fn status(&self) -> u16 {
        match self {
            InvokeError::NotFound(_) => 404,
            InvokeError::TooManyRequests => 429,
            InvokeError::TooLarge { .. } => 413,
            InvokeError::NotJson(_) => 400,
            InvokeError::Service(_) => 500,
        }
    }
}
