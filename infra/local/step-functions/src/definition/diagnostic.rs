//! What is wrong with a definition, and where.

use std::fmt;

pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";
pub(super) const INVALID_JSON: &str = "INVALID_JSON_DESCRIPTION";
pub(super) const TRANSITION: &str = "MISSING_TRANSITION_TARGET";
pub(super) const NO_END: &str = "MISSING_END_STATE";
pub(super) const DUPLICATE: &str = "DUPLICATE_STATE_NAME";
pub(super) const STATE_NAME: &str = "INVALID_STATE_NAME";
pub(super) const TOO_DEEP: &str = "TOO_DEEPLY_NESTED";
pub(super) const BAD_EXPRESSION: &str = "INVALID_JSONATA_EXPRESSION";
pub(super) const UNSUPPORTED_EXPRESSION: &str = "UNSUPPORTED_JSONATA_EXPRESSION";
/// AWS has no such code: there, all integrations are performed.
pub(crate) const NOT_PERFORMED: &str = "INTEGRATION_NOT_PERFORMED_LOCALLY";
pub(super) const UNSUPPORTED_LANGUAGE: &str = "UNSUPPORTED_QUERY_LANGUAGE";

/// How bad a fault in a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// The definition is taken, and something of it will not work here.
    Warning,
}

/// One fault in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its kind, such as `SCHEMA_VALIDATION_FAILED`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where: a path such as `/States/Wait/Seconds`; none for the definition as a whole.
    pub location: Option<String>,
}

impl Diagnostic {
    /// The fault as answers of the API quote it, which say `null` for no location.
    pub(crate) fn quoted(&self) -> String {
        let location = self.location.as_deref().unwrap_or("null");
        format!("{}: {} at {location}", self.code, self.message)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)?;
        match &self.location {
            Some(location) => write!(formatter, " at {location}"),
            None => Ok(()),
        }
    }
}
