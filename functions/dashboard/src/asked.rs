//! What is asked for of the single tests of a stage, and which stages have any.

use pact_agent::tested::Question;
use pact_contract::{StageRecord, tested::TestStatus};
use serde::Deserialize;

/// Most tests in one answer of the API.
const MAX_LIMIT: usize = 1_000;
/// Most characters of a text that is looked for.
const MAX_TEXT: usize = 300;

/// What is asked for, as it stands in an address. What is empty counts as absent: a form sends it all.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    pub(crate) stage: String,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) text: String,
    #[serde(default)]
    pub(crate) order: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    limit: String,
}

impl Asked {
    /// # Errors
    /// Why it is no question.
    pub(crate) fn question(&self, limit: usize) -> Result<Question, String> {
        let status = match self.status.trim() {
            "" => None,
            text => Some(TestStatus::parse(text).ok_or_else(|| {
                let known: Vec<_> = TestStatus::ALL.iter().map(|s| s.as_str()).collect();
                format!("status must be one of {}", known.join(", "))
            })?),
        };
        let slowest = match self.order.trim() {
            "" | "gravest" => false,
            "slowest" => true,
            _ => return Err("order must be one of gravest, slowest".to_owned()),
        };
        let number = |name: &str, text: &str, without: usize| match text.trim() {
            "" => Ok(without),
            text => text.parse().map_err(|_| format!("{name} must be a number")),
        };
        let text = self.text.trim();
        if text.chars().count() > MAX_TEXT {
            return Err(format!("text has more than {MAX_TEXT} characters"));
        }
        Ok(Question {
            status,
            text: (!text.is_empty()).then(|| text.to_owned()),
            slowest,
            from: number("from", &self.from, 0)?,
            limit: number("limit", &self.limit, limit)?.clamp(1, MAX_LIMIT),
        })
    }
}

/// Whether the single tests of a stage are kept.
pub(crate) fn has_list(record: &StageRecord) -> bool {
    record.output.get("tests_key").is_some_and(serde_json::Value::is_string)
}
