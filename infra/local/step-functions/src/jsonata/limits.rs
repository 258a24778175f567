//! What an expression may use.

/// How long one expression may run.
pub(crate) const TIME_LIMIT_MS: u64 = 3_000;
/// How deep an evaluation may nest: AWS allows 100 levels, of which the outermost is not counted
/// here.
pub(super) const DEPTH_LIMIT: usize = 99;
/// How many values a sequence may hold before AWS finds that it takes too much memory.
pub(super) const SEQUENCE_LIMIT: usize = 873_782;
