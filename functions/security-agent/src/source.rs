//! What a push changed, as the checks read it: its end, what was there before, and what its
//! commits brought in between.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use bytes::Bytes;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use pact_agent::{AgentError, Call, bundle, ports::Artifacts, waivers::Waivers};
use pact_contract::{
    ChangeKind, ChangeSet, ErrorName, FileChange, PushIndex, actions::SecurityCheck,
    settings::SecuritySettings,
};

use crate::scope::Ledger;

/// Most ignore globs of a repository.
const MAX_GLOBS: usize = 1_000;
/// Largest index of a push.
const MAX_INDEX: u64 = 256 * 1024 * 1024;

/// Paths that are not looked at.
#[derive(Debug)]
pub(crate) struct Ignore {
    set: GlobSet,
    /// The glob of each pattern of the set.
    globs: Vec<String>,
    whose: &'static str,
}

impl Ignore {
    /// The globs of the settings. A folder's name stands for everything below it.
    pub(crate) fn new(globs: &[String], whose: &'static str) -> Result<Self, AgentError> {
        if globs.len() > MAX_GLOBS {
            return Err(AgentError::invalid(format!(
                "security.ignore has {} globs; at most {MAX_GLOBS}",
                globs.len()
            )));
        }
        let mut set = GlobSetBuilder::new();
        let mut names = Vec::new();
        let failed = |glob: &str, error: globset::Error| {
            AgentError::invalid(format!("security.ignore {glob:?} is not a glob: {}", error.kind()))
        };
        for glob in globs {
            let trimmed = glob.trim_start_matches("./").trim_end_matches('/');
            for pattern in [trimmed.to_owned(), format!("{trimmed}/**")] {
                let pattern = GlobBuilder::new(&pattern).literal_separator(true).build();
                set.add(pattern.map_err(|e| failed(trimmed, e))?);
                names.push(glob.clone());
            }
        }
        Ok(Self { set: set.build().map_err(|e| failed("…", e))?, globs: names, whose })
    }

    /// The rule that leaves `path` out.
    pub(crate) fn rule(&self, path: &str) -> Option<String> {
        let first = self.set.matches(path).into_iter().next()?;
        let glob = self.globs.get(first)?;
        Some(format!("security.ignore {glob:?} of {}", self.whose))
    }
}

/// One push.
pub(crate) struct Source {
    bundle: Bytes,
    pub(crate) changes: ChangeSet,
    push: Option<(Bytes, PushIndex)>,
    pub(crate) ignore: Ignore,
    /// The settings that count.
    pub(crate) settings: SecuritySettings,
    /// Advisories that count as accepted, with the reason.
    pub(crate) accept: BTreeMap<String, String>,
    /// Advisories that only this push accepts.
    pub(crate) accept_later: BTreeSet<String>,
    pub(crate) waivers: Waivers,
    pub(crate) deadline: Instant,
}

/// A version of a file that is not at the end of the push.
pub(crate) enum Version<'a> {
    /// The base has it at this path.
    Before(&'a str),
    /// A commit on the way has it.
    Passing { commit: &'a str, path: &'a str },
}

impl Source {
    /// Fetches the bundle, the change set and the push that `call` names.
    pub(crate) async fn load(artifacts: &dyn Artifacts, call: &Call) -> Result<Self, AgentError> {
        let check: SecurityCheck = call.parameters()?;
        // A glob that is none is said, whosever settings count.
        Ignore::new(&check.settings.ignore, "this commit")?;
        let changes = bundle::change_set(artifacts, &check.changes_key).await?;
        let bundle = bundle::fetch(artifacts, &check.source).await?;
        let push = match &changes.push_key {
            Some(key) => Some(push(artifacts, key).await?),
            None => None,
        };
        let base = push.as_ref().and_then(|(_, index)| index.settings.as_ref());
        let (settings, whose) = effective(&check.settings, base);
        let accept_later = check
            .settings
            .accept
            .keys()
            .filter(|id| !settings.accept.contains_key(*id))
            .cloned()
            .collect();
        Ok(Self {
            bundle,
            changes,
            push,
            ignore: Ignore::new(&settings.ignore, whose)?,
            accept: settings.accept.clone(),
            settings,
            accept_later,
            waivers: Waivers::new(&check.waivers)?,
            deadline: call.deadline.into_std(),
        })
    }

    /// What is known of the push itself.
    pub(crate) fn index(&self) -> Option<&PushIndex> {
        self.push.as_ref().map(|(_, index)| index)
    }

    /// Whether the commit is judged by its own word. Where nothing is known of the push, it is not.
    pub(crate) fn is_own_judge(&self) -> bool {
        self.index().is_some_and(|index| index.own_judge)
    }

    /// Whether it is known what was there before.
    pub(crate) fn has_base(&self) -> bool {
        self.changes.base.is_some() && self.push.is_some()
    }

    /// Visits the changed files that `wanted` accepts at the end of the push. What is left out, is
    /// elsewhere, or cannot be found goes into the ledger.
    pub(crate) fn each_changed(
        &self,
        ledger: &mut Ledger,
        wanted: impl Fn(&FileChange) -> bool,
        mut visit: impl FnMut(&FileChange, bundle::Entry<'_>, &mut Ledger) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        let mut open: BTreeMap<&str, &FileChange> = BTreeMap::new();
        for change in &self.changes.files {
            if change.kind == ChangeKind::Deleted || !wanted(change) {
                continue;
            }
            if let Some(rule) = self.ignore.rule(&change.path) {
                ledger.ignored(&change.path, &rule);
                continue;
            }
            let elsewhere = self.index().and_then(|i| i.elsewhere.get(&change.path));
            if let Some(why) = elsewhere {
                ledger.elsewhere(&change.path, why);
                continue;
            }
            open.insert(&change.path, change);
        }
        if open.is_empty() {
            return Ok(());
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        bundle::visit_entries(
            &self.bundle,
            |path| open.contains_key(path),
            |entry| {
                check_deadline(self.deadline)?;
                let Some(change) = open.get(entry.path) else { return Ok(()) };
                seen.insert(entry.path.to_owned());
                visit(change, entry, ledger)
            },
        )?;
        for path in open.keys().filter(|path| !seen.contains(**path)) {
            ledger.not_read(*path, "it is not in the source bundle");
        }
        Ok(())
    }

    /// Visits all files at the end of the push that `wanted` accepts; none for the content of one
    /// of more than `max` bytes.
    pub(crate) fn each_file(
        &self,
        max: u64,
        wanted: impl FnMut(&str) -> bool,
        mut visit: impl FnMut(&str, Option<&[u8]>) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        bundle::visit_files(&self.bundle, max, wanted, |path, content| {
            check_deadline(self.deadline)?;
            visit(path, content)
        })
    }

    /// Visits the versions of files that are not at the end of the push.
    pub(crate) fn each_version(
        &self,
        mut wanted: impl FnMut(&Version<'_>) -> bool,
        mut visit: impl FnMut(Version<'_>, &[u8]) -> Result<(), AgentError>,
    ) -> Result<(), AgentError> {
        let Some((bundle, index)) = &self.push else { return Ok(()) };
        let mut versions: BTreeMap<String, Vec<Version<'_>>> = BTreeMap::new();
        for file in &index.before {
            let version = Version::Before(&file.path);
            if wanted(&version) {
                versions.entry(PushIndex::blob(&file.blob)).or_default().push(version);
            }
        }
        for file in &index.passing {
            let version = Version::Passing { commit: &file.commit, path: &file.path };
            if wanted(&version) {
                versions.entry(PushIndex::blob(&file.blob)).or_default().push(version);
            }
        }
        if versions.is_empty() {
            return Ok(());
        }
        let mut content = Vec::new();
        let keys: BTreeSet<String> = versions.keys().cloned().collect();
        bundle::visit_entries(
            bundle,
            |path| keys.contains(path),
            |entry| {
                check_deadline(self.deadline)?;
                content.clear();
                entry.content.read_to_end(&mut content).map_err(|e| {
                    AgentError::new(
                        ErrorName::SourceUnavailable,
                        format!("the push is damaged: {e}"),
                    )
                })?;
                for version in versions.remove(entry.path).unwrap_or_default() {
                    visit(version, &content)?;
                }
                Ok(())
            },
        )
    }
}

async fn push(artifacts: &dyn Artifacts, key: &str) -> Result<(Bytes, PushIndex), AgentError> {
    let damaged = |why: String| AgentError::new(ErrorName::SourceUnavailable, why);
    let bytes = artifacts.get(key).await?.ok_or_else(|| {
        damaged(format!("there is no push {key}; run code.analyze_changes first"))
    })?;
    let bundle = bytes.clone();
    let index = blocking(move || {
        let files = bundle::read_files(&bundle, MAX_INDEX, |path| path == PushIndex::FILE)?;
        let (_, json) = files.first().ok_or_else(|| damaged("the push has no index".to_owned()))?;
        serde_json::from_slice(json).map_err(|e| damaged(format!("the index of the push: {e}")))
    })
    .await?;
    Ok((bytes, index))
}

/// The settings that count: those of the base as far as the commit still has them. Without a base
/// the commit is judged by its own.
fn effective(
    own: &SecuritySettings,
    base: Option<&SecuritySettings>,
) -> (SecuritySettings, &'static str) {
    let Some(base) = base else { return (own.clone(), "this commit itself, which has no base") };
    let settings = base.stricter(own);
    (settings, "the base's settings")
}

/// Ends work that nobody waits for any more.
pub(crate) fn check_deadline(deadline: Instant) -> Result<(), AgentError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(AgentError::new(ErrorName::Timeout, "the check did not end before the function's deadline"))
}

/// Runs `work` where it holds up nothing else.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal(format!("the check stopped: {e}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_paths_and_whole_folders() {
        let globs: Vec<String> =
            ["tests/fixtures", "*.pem", "**/*.snap", "./a/"].map(str::to_owned).into();
        let ignore = Ignore::new(&globs, "x").expect("valid");
        for (path, ignored) in [
            ("tests/fixtures/a/b.txt", true),
            ("tests/other.rs", false),
            ("key.pem", true),
            ("deep/key.pem", false),
            ("x/y.snap", true),
            ("a/b", true),
        ] {
            assert_eq!(ignore.rule(path).is_some(), ignored, "{path}");
        }
        assert_eq!(ignore.rule("a/b").as_deref(), Some("security.ignore \"./a/\" of x"));
        assert!(Ignore::new(&["[".into()], "x").is_err());
    }

    #[test]
    fn settings_of_a_push_do_not_count_for_itself() {
        let settings = |ignore: &[&str], accept: &[&str]| SecuritySettings {
            ignore: ignore.iter().map(|g| (*g).to_owned()).collect(),
            accept: accept.iter().map(|a| ((*a).to_owned(), "why".to_owned())).collect(),
            ..SecuritySettings::default()
        };
        let own = settings(&["a", "new"], &["CVE-1", "CVE-NEW"]);
        let (effective_, _) =
            effective(&own, Some(&settings(&["a", "gone"], &["CVE-1", "CVE-GONE"])));
        assert_eq!(effective_, settings(&["a"], &["CVE-1"]));
        assert_eq!(effective(&own, None).0, own);
    }
}
