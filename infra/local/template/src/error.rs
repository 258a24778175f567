//! What is wrong with a template, and where.

use std::{fmt, path::PathBuf};

/// One fault of a template. All faults of a template are reported together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateError {
    /// The file, as the caller named it.
    pub path: PathBuf,
    /// The line, counted from one, where it is known.
    pub line: Option<usize>,
    /// The logical id of the resource, or the name of the section, that holds the fault.
    pub logical_id: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(id) = &self.logical_id {
            write!(f, ": {id}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for TemplateError {}
