//! Why packages cannot be made, taken or measured.

use std::{io, path::PathBuf};

/// Why packages cannot be made, taken or measured.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The operating system refuses something.
    #[error("failed to {what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not a package that Lambda could run.
    #[error("{} is not a package: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A program for another kind of machine.
    #[error("{} is built for another architecture than this machine's, {}", path.display(), std::env::consts::ARCH)]
    Architecture {
        /// The program.
        path: PathBuf,
    },
    /// The template cannot be read, or does not say what a function is built from.
    #[error("{0}")]
    Template(String),
    /// A tool is not installed, or says no; its own words are on standard error.
    #[error("{0}")]
    Tool(String),
    /// A program that does not ask for work.
    #[error("{name} {reason}")]
    Start {
        /// The function.
        name: String,
        /// What it does instead.
        reason: String,
    },
}

impl PackageError {
    /// For `map_err`: an error of the system while `what` was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}
