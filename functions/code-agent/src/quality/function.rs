//! A function with its measures.

use pact_contract::{LineRange, actions::FunctionMetrics};

/// A function of one version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Its name behind those of what it is in: `Shop.total`.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) lines: LineRange,
    /// What was measured.
    pub(crate) metrics: FunctionMetrics,
    /// Its tokens as hashes, comments left out: where it stands and how it is indented is not in
    /// them.
    pub(crate) tokens: Vec<u64>,
    /// Whether it stands among the tests of a file that is none of tests.
    pub(crate) in_tests: bool,
}

impl Function {
    /// Whether a name tells it from the others of its file.
    pub(crate) fn is_named(&self) -> bool {
        !self.name.rsplit('.').next().is_none_or(|last| last.starts_with('<') || last.is_empty())
    }
}
