//! What the formats are made of.

use pact_contract::{RunRecord, StageRecord};

/// A run with its stages, as the run store has them.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// Its stages.
    pub stages: &'a [StageRecord],
}
