//! What is remembered of a release: which version of the function it is.

use pact_contract::SchemaVersion;
use serde::{Deserialize, Serialize};

use crate::targets::notes::{self, Detail};

/// What is remembered of one release.
pub(super) type Note = notes::Note<Version>;

/// The version of the function that a release is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    /// Its number.
    pub(super) version: String,
    /// Digest of its code, as Lambda shows it.
    pub(super) code: String,
    /// The version that the alias led to before the first release; none: there was no alias.
    pub(super) found: Option<String>,
}

impl Detail for Version {
    const VERSION: SchemaVersion = SchemaVersion::FIRST;
}
