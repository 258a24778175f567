//! What the API and the opening of a data folder can answer instead of a result.

use std::{io, path::PathBuf};

/// An error of an operation, with the name that AWS gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status: 400 for a fault of the caller, 500 for one of the host.
    pub status: u16,
    /// The error's name, such as `ResourceNotFoundException`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
}

impl ApiError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidInputException", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, code: "InternalFailure", message: message.into() }
    }
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path}: {source}")]
pub struct OpenError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl OpenError {
    pub(crate) fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { path, source }
    }
}
