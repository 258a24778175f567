//! Waivers: findings that somebody answers for, for a while.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::codes::FindingCode;

/// `[[waivers]]` of `pact.toml`: findings with this code, at these paths, stop nothing until a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiver {
    /// Code of the findings.
    pub code: FindingCode,
    /// Where (a glob); none: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who answers for it.
    #[serde(flatten)]
    pub grant: Grant,
}

/// Who lets something off, why, and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who answers for it.
    pub owner: String,
    /// Why it is right.
    pub reason: String,
    /// The last day on which it counts, in UTC.
    pub expires: Date,
}

/// Longest owner and reason that are told, in characters.
const MAX_TEXT: usize = 120;

impl fmt::Display for Grant {
    /// As in `by ada until 2027-03-01: the sample key of the handbook`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |text: &str| -> String {
            let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
            line.take(MAX_TEXT).collect()
        };
        write!(f, "by {} until {}: {}", told(&self.owner), self.expires, told(&self.reason))
    }
}
