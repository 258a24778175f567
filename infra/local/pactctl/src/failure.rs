//! How a command ends.

use std::{
    error::Error,
    fmt::{self, Display},
    process::ExitCode,
};

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
    source: Option<Source>,
    remedy: Option<String>,
}

type Source = Box<dyn Error + Send + Sync>;

impl Failure {
    /// The user can mend it.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), source: None, remedy: None }
    }

    /// The user cannot.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, message: message.into(), source: None, remedy: None }
    }

    /// Says what to do about it.
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Prints it to standard error.
    pub(crate) fn report(&self) {
        term::error(&self.to_string());
        if let Some(remedy) = &self.remedy {
            term::hint(remedy);
        }
    }
}

impl Display for Failure {
    /// The message, then each cause that says something new.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut said = self.message.clone();
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors tell their causes themselves.
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

/// An internal failure with context: `failed to <doing>: <error>`, and what caused it.
pub(crate) trait Context<T> {
    /// Says what was being done.
    fn doing(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Into<Source>> Context<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            source: Some(error.into()),
            ..Failure::internal(format!("failed to {what}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wrapped(&'static str, #[source] Option<Box<Wrapped>>);

    #[test]
    fn every_cause_is_told_once() {
        let inner = Wrapped("no space left", None);
        let outer = Wrapped("cannot write: no space left", Some(Box::new(inner)));
        let failure = Err::<(), _>(outer).doing("keep the run").expect_err("a failure");
        assert_eq!(failure.to_string(), "failed to keep the run: cannot write: no space left");
        let inner = Wrapped("no space left", None);
        let outer = Wrapped("cannot write", Some(Box::new(inner)));
        let failure = Err::<(), _>(outer).doing("keep the run").expect_err("a failure");
        assert_eq!(failure.to_string(), "failed to keep the run: cannot write: no space left");
        let failure = Err::<(), _>("it is full").doing("keep the run").expect_err("a failure");
        assert_eq!(failure.to_string(), "failed to keep the run: it is full");
    }
}
