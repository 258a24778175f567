//! What holds across crates and can be read off the sources and definitions themselves.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test's helpers cannot read is a failed test"
)]

mod circles;
mod error_names;
mod finding_codes;
mod graph;
mod source;

use std::path::{Path, PathBuf};

/// The top level of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
