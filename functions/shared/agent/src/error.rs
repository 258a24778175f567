//! Faults: why an agent could not do its work.

use lambda_runtime::Diagnostic;
use pact_contract::{ErrorName, schema::Incompatible};

/// A fault with its stable name. The message is a lower-case fragment that fits after
/// "failed to …" or stands alone.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AgentError {
    /// Stable name, which state machines match on.
    pub name: ErrorName,
    /// What happened, and what to do about it. Free of secrets.
    pub message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AgentError {
    /// A fault of this name.
    #[must_use]
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), source: None }
    }

    /// Keeps the error that led here, for the log.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// `ERR_INVALID_INTENT`.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorName::InvalidIntent, message)
    }

    /// `ERR_INTERNAL`.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorName::Internal, message)
    }

    /// `ERR_TOOL_FAILED`.
    #[must_use]
    pub fn tool(message: impl Into<String>) -> Self {
        Self::new(ErrorName::ToolFailed, message)
    }

    /// The message with those of all causes behind it.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            let cause = error.to_string();
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = error.source();
        }
        text
    }
}

impl From<AgentError> for Diagnostic {
    fn from(error: AgentError) -> Self {
        Self { error_type: error.name.as_str().to_owned(), error_message: error.chain() }
    }
}

/// An item of the store that is there and cannot be read: it is damaged, or of a version that this
/// program does not know. It stands for itself only; whatever is beside it can be read.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{key} cannot be read: {reason}")]
pub struct Unreadable {
    /// Where it is. A key that is itself a secret is not named.
    pub key: String,
    /// Why.
    pub reason: UnreadableReason,
}

/// Why an item cannot be read, in a sentence about the item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableReason {
    /// It is of a version that this program does not know, or no longer.
    #[error(transparent)]
    Version(#[from] Incompatible),
    /// It is damaged: what is wrong, without its content.
    #[error("{0}")]
    Damaged(String),
}

impl serde::Serialize for UnreadableReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A port could not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The record was changed by another in the meantime, or the caller no longer holds the lock.
    #[error("conflict: {0}")]
    Conflict(String),
    /// What is there is not what this program reads.
    #[error(transparent)]
    Unreadable(Box<Unreadable>),
    /// What was asked for cannot be: the caller's mistake, a cursor that no page ended with.
    #[error("{0}")]
    Invalid(String),
    /// The store did not answer, or refused.
    #[error("{0}")]
    Unavailable(String, #[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}

impl StoreError {
    /// The store did not answer, or refused, because of `source`.
    #[must_use]
    pub fn unavailable(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable(message.into(), Some(source.into()))
    }
}

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(Box::new(unreadable))
    }
}

impl From<StoreError> for AgentError {
    fn from(error: StoreError) -> Self {
        let name = match &error {
            StoreError::Unavailable(..) => ErrorName::StoreUnavailable,
            StoreError::Invalid(_) => ErrorName::InvalidIntent,
            StoreError::Unreadable(_) => ErrorName::RecordUnreadable,
            StoreError::Conflict(_) => ErrorName::Internal,
        };
        Self::new(name, error.to_string()).caused_by(error)
    }
}
