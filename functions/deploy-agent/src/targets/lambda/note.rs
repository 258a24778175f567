//! What is remembered of a release: which version of the function it is.

use pact_contract::{ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Deserialize, Serialize};

use super::super::{notes::Remembered, target::TakenBack};

/// What is remembered of one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Version of this type.
    pub(super) schema: SchemaVersion,
    /// The release.
    pub(super) record: ReleaseRecord,
    /// The version of the function that it is.
    pub(super) version: String,
    /// Digest of its code, as Lambda shows it.
    pub(super) code: String,
    /// The release that it was to replace when it was deployed last.
    pub(super) replaces: Option<ReleaseId>,
    /// The version that the alias led to before the first release; none: there was no alias.
    pub(super) found: Option<String>,
    /// Set when it was taken back, until it is deployed again.
    pub(super) taken_back: Option<TakenBack>,
}

impl Remembered for Note {
    const VERSION: SchemaVersion = SchemaVersion::FIRST;

    fn schema(&self) -> SchemaVersion {
        self.schema
    }

    fn record(&self) -> &ReleaseRecord {
        &self.record
    }

    fn replaces(&self) -> Option<&ReleaseId> {
        self.replaces.as_ref()
    }

    fn taken_back(&self) -> Option<&TakenBack> {
        self.taken_back.as_ref()
    }
}
