//! When an environment takes no release: windows of the calendar, and what they come to.

use serde::{Deserialize, Serialize};

/// Most windows of one environment.
pub const MAX_FREEZES: usize = 10;

/// A window that comes again. All that is said of it has to hold: a window of weekends at the turn of
/// the year is that of the weekends between those dates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Freeze {
    /// Days of the week (`mon` to `sun`) on which it begins; none: every day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<String>,
    /// When it begins on its days, as `18:00`; none: with the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When it ends; none: with the day. Not after `from`, it ends on the day after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Whose clock: a name of the time zone database; none: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Dates on which it begins, as `2026-12-24` or `2026-12-20/2027-01-03`, both included; none:
    /// always.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dates: Vec<String>,
    /// Why, for people.
    pub reason: String,
}

/// A time for which an environment takes no release, as the state machine compares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// When it begins: RFC 3339 in UTC with milliseconds, which sorts as text.
    pub from: String,
    /// When it has ended, in the same form.
    pub until: String,
    /// One sentence for people, without its end: until when, and why.
    pub why: String,
}
