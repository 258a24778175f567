//! What the API and the opening of a data folder can answer instead of a result.

use std::path::PathBuf;

/// An error of an API operation, with the name that AWS gives it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status: 400 for a fault of the caller, 500 for a fault of the engine.
    pub status: u16,
    /// The error's name, such as `ExecutionDoesNotExist`.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.to_owned(), message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, code: "InternalServerError".to_owned(), message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn arn(arn: &str) -> Self {
        Self::new("InvalidArn", format!("Invalid Arn: '{arn}'"))
    }

    pub(crate) fn no_machine(arn: &str) -> Self {
        Self::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
    }

    pub(crate) fn no_execution(arn: &str) -> Self {
        Self::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
    }
}

/// Why a data folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or a file in it cannot be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another engine has the folder open.
    #[error("{path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The journal was written by another version of this engine, or is not a journal.
    #[error("{path} is not a journal that this version can read")]
    Version {
        /// The journal file.
        path: PathBuf,
    },
    /// A record of the journal passes its checksum but makes no sense.
    #[error("{path} holds a record at {offset} that cannot be applied: {reason}")]
    Record {
        /// The journal file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
}
