//! What a run found, in the formats of others: SARIF 2.1.0 for code hosts and editors, Markdown for
//! a page or a comment; and what other scanners found, out of theirs. Pure functions.

mod fingerprint;
mod imported;
mod markdown;
mod sarif;
mod stored;

pub use imported::{Imported, ImportedResult, MAX_BYTES as MAX_SARIF_BYTES, imported};
pub use markdown::markdown;
pub use sarif::{SarifError, sarif};
pub use stored::Stored;

#[cfg(test)]
mod imported_tests;
#[cfg(test)]
mod tests;
