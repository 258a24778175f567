//! What a target remembers of its releases, in the artifact store: what each replaced, and whether it was
//! taken back. What is in effect is not remembered but asked.

use std::{marker::PhantomData, sync::Arc};

use pact_agent::{
    AgentError,
    ports::{Artifacts, StoreError},
};
use pact_contract::{EnvironmentKey, ErrorName, ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Serialize, de::DeserializeOwned};

use crate::{names::slug, targets::target::TakenBack};

/// How far is looked for a release that was not taken back.
const MOST: usize = 100;

/// What is remembered of one release, whatever else a target keeps with it.
pub(super) trait Remembered: Serialize + DeserializeOwned + Send + Sync {
    /// Version in which it is written.
    const VERSION: SchemaVersion;

    /// Version in which this one was written.
    fn schema(&self) -> SchemaVersion;

    /// The release.
    fn record(&self) -> &ReleaseRecord;

    /// The release that it was to replace when it was deployed last.
    fn replaces(&self) -> Option<&ReleaseId>;

    /// Set when it was taken back, until it is deployed again.
    fn taken_back(&self) -> Option<&TakenBack>;
}

/// The folder of what is remembered of an environment; `place` is where its releases go.
pub(super) fn folder(key: &EnvironmentKey, place: &str) -> String {
    let (repository, place) = (slug(key.repository.as_str()), slug(place));
    format!("runs/targets/{repository}/{}/{place}", key.environment)
}

/// Reads what is kept under a key, and its version by `schema`.
///
/// # Errors
/// Those of the store; one that cannot be read is none of them unless a newer program wrote it.
pub(super) async fn read<T: DeserializeOwned>(
    artifacts: &dyn Artifacts,
    key: &str,
    (schema, newest): (impl Fn(&T) -> SchemaVersion, SchemaVersion),
) -> Result<Option<T>, AgentError> {
    let Some(text) = artifacts.get(key).await? else { return Ok(None) };
    let unreadable = |reason: String| {
        AgentError::new(ErrorName::RecordUnreadable, format!("{key} cannot be read: {reason}"))
    };
    let kept: T = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if schema(&kept) > newest {
        return Err(unreadable(format!("it is of version {}", schema(&kept))));
    }
    Ok(Some(kept))
}

/// Keeps something under a key.
pub(super) async fn write(
    artifacts: &dyn Artifacts,
    key: &str,
    kept: &impl Serialize,
) -> Result<(), AgentError> {
    let text = serde_json::to_vec(kept)
        .map_err(|e| AgentError::internal("cannot write a note").caused_by(e))?;
    let put: Result<(), StoreError> = artifacts.put(key, text.into()).await;
    Ok(put?)
}

/// The notes of one place.
pub(super) struct Notes<N> {
    artifacts: Arc<dyn Artifacts>,
    folder: String,
    notes: PhantomData<fn() -> N>,
}

impl<N: Remembered> Notes<N> {
    /// Those of an environment; `place` is where its releases go.
    pub(super) fn of(artifacts: &Arc<dyn Artifacts>, key: &EnvironmentKey, place: &str) -> Self {
        let artifacts = Arc::clone(artifacts);
        Self { artifacts, folder: folder(key, place), notes: PhantomData }
    }

    fn key(&self, release: &ReleaseId) -> String {
        format!("{}/{release}.json", self.folder)
    }

    /// What is remembered of a release.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) async fn get(&self, release: &ReleaseId) -> Result<Option<N>, AgentError> {
        read(&*self.artifacts, &self.key(release), (N::schema, N::VERSION)).await
    }

    /// Remembers a release.
    pub(super) async fn put(&self, note: &N) -> Result<(), AgentError> {
        write(&*self.artifacts, &self.key(&note.record().release), note).await
    }

    /// The release to return to after `release`: the one that it replaced, or one before that, which
    /// was not taken back itself.
    pub(super) async fn before(
        &self,
        release: &ReleaseId,
    ) -> Result<Option<ReleaseRecord>, AgentError> {
        let mut seen = vec![release.clone()];
        let mut next = self.get(release).await?.and_then(|note| note.replaces().cloned());
        while let Some(name) = next {
            if seen.len() > MOST || seen.contains(&name) {
                return Ok(None);
            }
            let Some(note) = self.get(&name).await? else { return Ok(None) };
            if note.taken_back().is_none() {
                return Ok(Some(note.record().clone()));
            }
            next = note.replaces().cloned();
            seen.push(name);
        }
        Ok(None)
    }
}
