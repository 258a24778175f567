//! What holds across crates and can be read off the sources and definitions themselves.

mod error_names;

use std::path::{Path, PathBuf};

/// The top level of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
