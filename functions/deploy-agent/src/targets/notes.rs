//! What a target remembers of its releases, in the artifact store: what each replaced, and whether it was
//! taken back. What is in effect is not remembered but asked.

use std::{marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use pact_agent::{
    AgentError,
    ports::{Artifacts, StoreError},
};
use pact_contract::{EnvironmentKey, ErrorName, ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::target::{History, NewRelease, TakenBack};
use crate::names::slug;

/// How far is looked for a release that was not taken back.
const MOST: usize = 100;

/// What a target keeps of a release besides.
pub(super) trait Detail: Serialize + DeserializeOwned + Send + Sync {
    /// Version in which a note with it is written.
    const VERSION: SchemaVersion;
}

/// What is remembered of one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Note<D> {
    /// Version of this type.
    schema: SchemaVersion,
    /// The release.
    pub(super) record: ReleaseRecord,
    /// What the target keeps besides.
    #[serde(flatten)]
    pub(super) detail: D,
    /// The release that it was to replace when it was deployed last.
    replaces: Option<ReleaseId>,
    /// Set when it was taken back, until it is deployed again.
    taken_back: Option<TakenBack>,
}

impl<D: Detail> Note<D> {
    /// What is remembered of a release that is deployed now.
    pub(super) fn of(release: &NewRelease<'_>, detail: D) -> Self {
        Self {
            schema: D::VERSION,
            record: release.record.clone(),
            detail,
            replaces: release.replaces.cloned(),
            taken_back: None,
        }
    }
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
pub(super) struct Notes<D> {
    artifacts: Arc<dyn Artifacts>,
    folder: String,
    details: PhantomData<fn() -> D>,
}

impl<D: Detail> Notes<D> {
    /// Those of an environment; `place` is where its releases go.
    pub(super) fn of(artifacts: &Arc<dyn Artifacts>, key: &EnvironmentKey, place: &str) -> Self {
        let artifacts = Arc::clone(artifacts);
        Self { artifacts, folder: folder(key, place), details: PhantomData }
    }

    fn key(&self, release: &ReleaseId) -> String {
        format!("{}/{release}.json", self.folder)
    }

    /// What is remembered of a release.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) async fn get(&self, release: &ReleaseId) -> Result<Option<Note<D>>, AgentError> {
        let version = |note: &Note<D>| note.schema;
        read(&*self.artifacts, &self.key(release), (version, D::VERSION)).await
    }

    /// Remembers a release.
    pub(super) async fn put(&self, note: &Note<D>) -> Result<(), AgentError> {
        write(&*self.artifacts, &self.key(&note.record.release), note).await
    }
}

#[async_trait]
impl<D: Detail> History for Notes<D> {
    async fn before(&self, release: &ReleaseId) -> Result<Option<ReleaseRecord>, AgentError> {
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

    async fn taken_back(&self, release: &ReleaseId) -> Result<Option<TakenBack>, AgentError> {
        Ok(self.get(release).await?.and_then(|note| note.taken_back))
    }

    async fn mark_taken_back(&self, release: &ReleaseId, how: TakenBack) -> Result<(), AgentError> {
        // Without a note nothing was done for it.
        let Some(note) = self.get(release).await? else { return Ok(()) };
        self.put(&Note { taken_back: Some(how), ..note }).await
    }

    /// What is known of it is written anew when it is deployed again; what was made of it is found
    /// again by its content.
    async fn discard(&self, _release: &ReleaseId) -> Result<(), AgentError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pact_agent::testing::Memory;
    use serde_json::json;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Version {
        version: String,
        found: Option<String>,
    }

    impl Detail for Version {
        const VERSION: SchemaVersion = SchemaVersion::FIRST;
    }

    #[tokio::test]
    async fn a_note_is_kept_in_the_form_that_it_had_before_targets_shared_one() {
        let memory = Memory::new();
        let artifacts: Arc<dyn Artifacts> = Arc::<Memory>::clone(&memory);
        let key: EnvironmentKey = "acme/web#staging".parse().expect("a key");
        let notes = Notes::<Version>::of(&artifacts, &key, "place");
        let mut stored = json!({
            "schema": 1,
            "record": {
                "release": "r2", "commit": "c2", "run_id": "run-2",
                "deployed_at": "2026-11-27T08:00:00Z",
                "settings": { "target": { "kind": "lambda", "function": "shop" } },
            },
            "version": "7", "found": null, "replaces": "r1", "taken_back": null,
        });
        let name: ReleaseId = "r2".parse().expect("a name");
        write(&*artifacts, &notes.key(&name), &stored).await.expect("is kept");
        let note = notes.get(&name).await.expect("no fault").expect("is there");
        assert_eq!(note.detail, Version { version: "7".to_owned(), found: None });
        assert_eq!(note.replaces.as_ref().map(ReleaseId::as_str), Some("r1"));

        let how = TakenBack { restored: None, run_id: "run-3".parse().expect("an id") };
        notes.mark_taken_back(&name, how.clone()).await.expect("no fault");
        assert_eq!(notes.taken_back(&name).await.expect("no fault"), Some(how));
        let text = artifacts.get(&notes.key(&name)).await.expect("no fault").expect("is there");
        let now: serde_json::Value = serde_json::from_slice(&text).expect("json");
        for field in ["schema", "version", "found", "replaces"] {
            assert_eq!(now[field], stored[field], "{field}");
        }
        assert_eq!(now["taken_back"]["run_id"], "run-3");

        stored["schema"] = 2.into();
        write(&*artifacts, &notes.key(&name), &stored).await.expect("is kept");
        let newer = notes.get(&name).await.expect_err("is of a newer program");
        assert_eq!(newer.name, ErrorName::RecordUnreadable);
    }
}
