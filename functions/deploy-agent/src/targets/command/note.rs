//! What is remembered of a release: where its archive is.

use pact_contract::{ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Deserialize, Serialize};

use super::deeds::Artifact;
use crate::targets::{notes::Remembered, target::TakenBack};

/// What is remembered of one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Note {
    /// Version of this type.
    pub(super) schema: SchemaVersion,
    /// The release.
    pub(super) record: ReleaseRecord,
    /// Its archive.
    pub(super) artifact: Artifact,
    /// The release that it was to replace when it was deployed last.
    pub(super) replaces: Option<ReleaseId>,
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
