//! What a run found, in the formats of others: SARIF 2.1.0 for code hosts and editors, Markdown for
//! a page or a comment. Pure functions of what the run store has.

mod fingerprint;
mod markdown;
mod sarif;
mod stored;

pub use markdown::markdown;
pub use sarif::{SarifError, sarif};
pub use stored::Stored;

#[cfg(test)]
mod tests;
