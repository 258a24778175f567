//! What is remembered of a release: where its archive is.

use pact_contract::SchemaVersion;
use serde::{Deserialize, Serialize};

use super::deeds::Artifact;
use crate::targets::notes::{self, Detail};

/// What is remembered of one release.
pub(super) type Note = notes::Note<Archive>;

/// The archive of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Archive {
    /// Where it is, with its digest.
    pub(super) artifact: Artifact,
}

impl Detail for Archive {
    const VERSION: SchemaVersion = SchemaVersion::FIRST;
}
