//! Logs in memory.

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{
    logs::{LogLine, LogPage, StageLogs, TAIL},
    ports::StoreError,
};
use pact_contract::{RunId, StateName};

/// The unit tests of every run write a few lines, and have not ended; nothing else writes any.
struct Sample;

pub(crate) fn logs() -> Arc<dyn StageLogs> {
    Arc::new(Sample)
}

#[async_trait]
impl StageLogs for Sample {
    async fn stages(&self, _: &RunId) -> Result<Vec<StateName>, StoreError> {
        Ok(StateName::parse("RunUnitTests").into_iter().collect())
    }

    async fn page(
        &self,
        _: &RunId,
        state: &StateName,
        from: Option<&str>,
    ) -> Result<Option<LogPage>, StoreError> {
        if state.as_str() != "RunUnitTests" {
            return Ok(None);
        }
        let texts: &[&str] = match from {
            None => &["$ cargo test", "running 2 tests"],
            Some(TAIL | "live|p:1|f/2") => {
                &["test <b>adds</b> ... ok", "test sums ... \u{202e}\u{1b}[31mFAILED"]
            }
            Some(_) => {
                return Err(StoreError::Invalid("there is no such place in the log".to_owned()));
            }
        };
        let line = |text: &&str| LogLine { at: None, text: (*text).to_owned() };
        let next = if from.is_none() { "live|p:1|f/2" } else { "live|p:1|f/4" };
        Ok(Some(LogPage {
            lines: texts.iter().map(line).collect(),
            next: Some(next.to_owned()),
            at_end: from.is_some(),
        }))
    }
}
