//! What is remembered of a release, in the artifact store: which version it is, what it replaced, and
//! whether it was taken back. What is in effect is not remembered but asked.

use std::sync::Arc;

use pact_agent::{
    AgentError,
    ports::{Artifacts, StoreError},
};
use pact_contract::{EnvironmentKey, ErrorName, ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Deserialize, Serialize};

use crate::{names::slug, targets::target::TakenBack};

/// How far is looked for a release that was not taken back.
const MOST: usize = 100;

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

impl Note {
    /// Version in which it is written.
    pub(super) const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

/// The notes of one function and alias.
pub(super) struct Notes {
    artifacts: Arc<dyn Artifacts>,
    folder: String,
}

impl Notes {
    /// Those of an environment; `place` is where its releases go.
    pub(super) fn of(artifacts: &Arc<dyn Artifacts>, key: &EnvironmentKey, place: &str) -> Self {
        let (repository, place) = (slug(key.repository.as_str()), slug(place));
        let folder = format!("runs/targets/{repository}/{}/{place}", key.environment);
        Self { artifacts: Arc::clone(artifacts), folder }
    }

    fn key(&self, release: &ReleaseId) -> String {
        format!("{}/{release}.json", self.folder)
    }

    /// What is remembered of a release.
    ///
    /// # Errors
    /// Those of the store; one that cannot be read is none of them unless a newer program wrote it.
    pub(super) async fn get(&self, release: &ReleaseId) -> Result<Option<Note>, AgentError> {
        let key = self.key(release);
        let Some(text) = self.artifacts.get(&key).await? else { return Ok(None) };
        let unreadable = |reason: String| {
            let message = format!("{key} cannot be read: {reason}");
            AgentError::new(ErrorName::RecordUnreadable, message)
        };
        let note: Note =
            serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if note.schema > Note::VERSION {
            return Err(unreadable(format!("it is of version {}", note.schema)));
        }
        Ok(Some(note))
    }

    /// Remembers a release.
    pub(super) async fn put(&self, note: &Note) -> Result<(), AgentError> {
        let text = serde_json::to_vec(note)
            .map_err(|e| AgentError::internal("cannot write a note").caused_by(e))?;
        let put: Result<(), StoreError> =
            self.artifacts.put(&self.key(&note.record.release), text.into()).await;
        Ok(put?)
    }

    /// The release to return to after `release`: the one that it replaced, or one before that, which
    /// was not taken back itself.
    pub(super) async fn before(
        &self,
        release: &ReleaseId,
    ) -> Result<Option<ReleaseRecord>, AgentError> {
        let mut seen = vec![release.clone()];
        let mut next = self.get(release).await?.and_then(|note| note.replaces);
        while let Some(name) = next {
            if seen.len() > MOST || seen.contains(&name) {
                return Ok(None);
            }
            let Some(note) = self.get(&name).await? else { return Ok(None) };
            if note.taken_back.is_none() {
                return Ok(Some(note.record));
            }
            next = note.replaces;
            seen.push(name);
        }
        Ok(None)
    }
}
