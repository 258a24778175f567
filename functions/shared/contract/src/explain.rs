//! What a code or a name means, for people.

use std::borrow::Cow;

use serde::Serialize;

/// What has a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A finding of a check.
    Finding,
    /// A fault: an agent could not do its work.
    Error,
    /// How an execution ended, when it did not end well.
    Ending,
    /// Why the HTTP API refused.
    Problem,
}

/// What one code means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code of a finding, or the name of an error.
    pub code: Cow<'static, str>,
    /// What has the code.
    pub kind: Kind,
    /// One sentence: what it says.
    pub sentence: Cow<'static, str>,
    /// What would make it go away.
    pub remedy: Cow<'static, str>,
}
