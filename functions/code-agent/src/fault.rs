//! Faults of the git library as faults of the agent.

use pact_agent::AgentError;
use pact_contract::ErrorName;

/// Longest text of an error of the git library.
const MAX_ERROR: usize = 600;

/// The error with its causes, on one line and bounded.
pub(crate) fn text(error: &gix::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for error in error.iter_errors() {
        let part = error.to_string();
        if !part.is_empty() && !parts.iter().any(|p| p.contains(&part)) {
            parts.push(part);
        }
    }
    let text = parts.join(": ").replace(['\n', '\r'], " ");
    pact_agent::text::truncated(&text, MAX_ERROR)
}

/// `ERR_SOURCE_UNAVAILABLE`.
pub(crate) fn unavailable(message: impl Into<String>) -> AgentError {
    AgentError::new(ErrorName::SourceUnavailable, message)
}
