//! The files that a push changed, with what was there before: from the bundle of the push where it
//! has them, so that nothing opens a whole repository for one line.

use std::collections::HashMap;

use bytes::Bytes;
use pact_agent::{AgentError, bundle, ports::Artifacts};
use pact_contract::{ChangeSet, ErrorName, PushIndex, actions::SourceRef};

use crate::{limits::MAX_FILE, work};

/// Where the contents of a push are.
pub(crate) struct Contents {
    push: Option<(Bytes, PushIndex)>,
    /// The whole source; none where nobody needs it.
    source: Option<Bytes>,
}

impl Contents {
    /// Fetches the push, and the source where the push does not have what changed, or where it has at
    /// most `useful` bytes as it is kept.
    pub(crate) async fn load(
        artifacts: &dyn Artifacts,
        changes: &ChangeSet,
        source: &SourceRef,
        useful: u64,
    ) -> Result<Self, AgentError> {
        let bytes = match &changes.push_key {
            Some(key) => artifacts.get(key).await?,
            None => None,
        };
        let push = match bytes {
            Some(bytes) => {
                work::blocking(move |_| Ok(Some((bytes.clone(), index(&bytes)?)))).await?
            }
            None => None,
        };
        let has_after = push.as_ref().is_some_and(|(_, index)| index.after.is_some());
        let is_wanted = !has_after
            || useful > 0 && artifacts.size(&source.key).await?.is_some_and(|size| size <= useful);
        let source = if is_wanted { Some(bundle::fetch(artifacts, source).await?) } else { None };
        Ok(Self { push, source })
    }

    /// The whole source, where it was fetched.
    pub(crate) fn source(&self) -> Option<&Bytes> {
        self.source.as_ref()
    }

    /// Visits the files at the end of the push that `wanted` accepts, which are some that it changed;
    /// none for the content of one of more than a mebibyte.
    pub(crate) fn visit(
        &self,
        wanted: impl Fn(&str) -> bool,
        mut visit: impl FnMut(&str, Option<&[u8]>) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        let after =
            self.push.as_ref().and_then(|(bytes, index)| Some((bytes, index.after.as_ref()?)));
        let Some((bytes, after)) = after else {
            let Some(source) = &self.source else { return Ok(()) };
            return bundle::visit_files(source, MAX_FILE, wanted, visit);
        };
        let mut paths: HashMap<String, Vec<&str>> = HashMap::new();
        for file in after.iter().filter(|file| wanted(&file.path)) {
            if file.bytes > MAX_FILE {
                visit(&file.path, None)?;
            } else {
                paths.entry(PushIndex::blob(&file.blob)).or_default().push(&file.path);
            }
        }
        let is_wanted = |name: &str| paths.contains_key(name);
        bundle::visit_files(bytes, MAX_FILE, is_wanted, |name, content| {
            paths.get(name).into_iter().flatten().try_for_each(|path| visit(path, content))
        })
    }

    /// The versions that the base has of files for which `wanted` says yes.
    pub(crate) fn before(
        &self,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<(String, Vec<u8>)>, AgentError> {
        let Some((bytes, index)) = &self.push else { return Ok(Vec::new()) };
        let mut paths: HashMap<String, Vec<&str>> = HashMap::new();
        for file in index.before.iter().filter(|file| wanted(&file.path)) {
            paths.entry(PushIndex::blob(&file.blob)).or_default().push(&file.path);
        }
        let mut files = Vec::new();
        bundle::visit_files(
            bytes,
            MAX_FILE,
            |name| paths.contains_key(name),
            |name, content| {
                for path in paths.get(name).into_iter().flatten() {
                    files.extend(content.map(|content| ((*path).to_owned(), content.to_vec())));
                }
                Ok(())
            },
        )?;
        Ok(files)
    }
}

fn index(bytes: &Bytes) -> Result<PushIndex, AgentError> {
    let damaged = |why: String| {
        AgentError::new(
            ErrorName::SourceUnavailable,
            format!("the index of the push is damaged: {why}"),
        )
    };
    let files = bundle::read_files(bytes, u64::MAX, |path| path == PushIndex::FILE)?;
    let (_, json) = files.first().ok_or_else(|| damaged("it is not there".to_owned()))?;
    serde_json::from_slice(json).map_err(|e| damaged(e.to_string()))
}
