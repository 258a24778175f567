//! Whether the engine can do its work, and what it lost.

use crate::journal::Damage;

/// How an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Why nothing can be kept at present, as on a full disk; none when all is well. What cannot be
    /// kept is refused, and running executions wait. They go on by themselves.
    pub refusing: Option<String>,
    /// What of the journal could not be read when the engine was opened.
    pub losses: Losses,
}

/// What could not be read when an engine was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Losses {
    /// The damaged files, which are kept as they are.
    pub damage: Vec<Damage>,
    /// The ARNs of the executions of which records are lost. Those that were running failed.
    pub executions: Vec<String>,
}

impl Losses {
    /// Whether nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.damage.is_empty() && self.executions.is_empty()
    }
}
