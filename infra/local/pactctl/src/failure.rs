//! How a command ends.

use std::{fmt::Display, process::ExitCode};

use crate::term;

/// Exit codes. They are part of the interface: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run succeeded, or the command did what it was asked for.
    Success = 0,
    /// The run failed, was rejected, held, cancelled or timed out, or could not be rolled back.
    NotReleased = 1,
    /// The command was given something that it cannot work with.
    Usage = 2,
    /// The release was rolled back.
    RolledBack = 3,
    /// A fault of the tool or of the stack.
    Internal = 4,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends early: what happened, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub exit: Exit,
    message: String,
    remedy: Option<String>,
}

impl Failure {
    /// The user can mend it.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), remedy: None }
    }

    /// The user cannot.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, message: message.into(), remedy: None }
    }

    /// Says what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Prints it to standard error.
    pub(crate) fn report(&self) {
        term::error(&self.message);
        if let Some(remedy) = &self.remedy {
            term::hint(remedy);
        }
    }
}

/// An internal failure with context: `failed to <doing>: <error>`.
pub(crate) trait Context<T> {
    /// Says what was being done.
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::internal(format!("failed to {what}: {error}")))
    }
}
