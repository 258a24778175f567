//! What stages wrote, while they write it and afterwards.

use async_trait::async_trait;
use jiff::Timestamp;
use pact_contract::{RunId, StateName};
use serde::Serialize;

use crate::error::StoreError;

/// A line that a stage wrote. It comes from the repository's own programs: nothing in it is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// When it was written; none where that was not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The line, without its end.
    pub text: String,
}

/// A piece of a stage's log, at most about a megabyte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogPage {
    /// The lines, in the order in which they were written.
    pub lines: Vec<LogLine>,
    /// Where the next piece begins; none when there will be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether there is nothing more to read at present.
    pub at_end: bool,
}

/// The place that stands for the last lines.
pub const TAIL: &str = "tail";

/// Where the log of a stage is kept once the stage has ended, in the artifact store.
#[must_use]
pub fn kept_key(scope: &str, state: &StateName) -> String {
    format!("runs/{scope}/logs/{}.txt", safe(state.as_str()))
}

/// A name that is one level of a key.
#[must_use]
pub fn safe(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().take(100).map(|c| if allowed(c) { c } else { '-' }).collect();
    if name.trim_matches('.').is_empty() { "unnamed".to_owned() } else { name }
}

/// Reads the logs of stages.
#[async_trait]
pub trait StageLogs: Send + Sync {
    /// The stages of a run that write a log, in order of their names.
    async fn stages(&self, run_id: &RunId) -> Result<Vec<StateName>, StoreError>;

    /// A piece of the log of a stage, from its beginning, from where another piece ended, or its last
    /// lines ([`TAIL`]); none when the stage has no log, or none is left.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] when `from` is no place of this log.
    async fn page(
        &self,
        run_id: &RunId,
        state: &StateName,
        from: Option<&str>,
    ) -> Result<Option<LogPage>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_levels_of_their_own() {
        assert_eq!(safe("RunUnitTests"), "RunUnitTests");
        assert_eq!(safe("../x"), "..-x");
        assert_eq!(safe(".."), "unnamed");
    }
}
