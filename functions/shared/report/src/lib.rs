//! What a run found, in the formats of others: SARIF 2.1.0 for code hosts and editors, Markdown for
//! a page or a comment. Pure functions of what the run store has.

mod fingerprint;
mod markdown;
mod sarif;

use pact_contract::{RunRecord, StageRecord};

pub use markdown::markdown;
pub use sarif::{SarifError, sarif};

/// A run with its stages, as the run store has them.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// Its stages.
    pub stages: &'a [StageRecord],
}

#[cfg(test)]
mod tests;
