//! A clean checkout to run a command in, and the build cache that the runs of one repository share.
//!
//! Build tools key their caches by path, so a checkout always lies in one of a few numbered slots
//! of its repository's cache: what was built for one commit is of use for the next, and the cache
//! does not grow with every run. A slot is held by a file lock, which a killed process lets go.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use pact_agent::AgentError;
use pact_contract::RepositoryName;

/// Runs of one repository that can use its cache at once; more of them work without.
const SLOTS: u32 = 4;

/// A folder for one run; its content is removed when this is dropped.
pub(crate) struct Workspace {
    source: PathBuf,
    reports: PathBuf,
    cache: Option<PathBuf>,
    hold: Hold,
}

enum Hold {
    /// A slot of the cache, for as long as the file is open.
    Slot { _lock: File },
    /// A folder of its own, which removes itself.
    Temporary { _folder: tempfile::TempDir },
}

impl Workspace {
    /// An empty folder for a run of `repository`.
    ///
    /// # Errors
    /// `ERR_INTERNAL` when no folder can be made.
    pub(crate) fn prepare(
        cache: Option<&Path>,
        repository: &RepositoryName,
    ) -> Result<Self, AgentError> {
        if let Some(cache) = cache {
            let cache = cache.join(slug(repository.as_str()));
            for slot in 0..SLOTS {
                match Self::slot(&cache, slot) {
                    Ok(Some(workspace)) => return Ok(workspace),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(%error, slot, cache = %cache.display(), "cannot use the cache");
                    }
                }
            }
        }
        Self::temporary()
            .map_err(|e| AgentError::internal("cannot make a folder for the run").caused_by(e))
    }

    fn slot(cache: &Path, slot: u32) -> std::io::Result<Option<Self>> {
        std::fs::create_dir_all(cache)?;
        let lock = File::create(cache.join(format!("slot-{slot}.lock")))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let root = cache.join(format!("slot-{slot}"));
        if root.exists() {
            // Left by a run that was killed.
            std::fs::remove_dir_all(&root)?;
        }
        let build = cache.join("build");
        std::fs::create_dir_all(&build)?;
        Self::at(&root, Some(build.canonicalize()?), Hold::Slot { _lock: lock }).map(Some)
    }

    fn temporary() -> std::io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pact-tests-").tempdir()?;
        let root = folder.path().to_owned();
        Self::at(&root, None, Hold::Temporary { _folder: folder })
    }

    fn at(root: &Path, cache: Option<PathBuf>, hold: Hold) -> std::io::Result<Self> {
        let (source, reports) = (root.join("source"), root.join("reports"));
        std::fs::create_dir_all(&source)?;
        std::fs::create_dir_all(&reports)?;
        Ok(Self { source: source.canonicalize()?, reports: reports.canonicalize()?, cache, hold })
    }

    /// The checkout, canonical.
    pub(crate) fn source(&self) -> &Path {
        &self.source
    }

    /// For reports that the agent itself asks a tool for.
    pub(crate) fn reports(&self) -> &Path {
        &self.reports
    }

    /// Folder of the build cache, where there is one.
    pub(crate) fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if matches!(self.hold, Hold::Slot { .. })
            && let Some(root) = self.source.parent()
            && let Err(error) = std::fs::remove_dir_all(root)
        {
            tracing::warn!(%error, folder = %root.display(), "cannot remove the checkout");
        }
    }
}

/// A folder name for a repository, different for different names.
pub(crate) fn slug(repository: &str) -> String {
    let mut out = String::new();
    for c in repository.chars().take(60) {
        out.push(if c.is_ascii_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' });
    }
    // FNV-1a: tells apart what the replacement made equal.
    let hash = repository.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{}-{hash:016x}", out.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_folders_are_safe_and_different() {
        assert_ne!(slug("a/b"), slug("a_b"));
        for name in ["../..", "", "a/../../b", "ä ö", ".hidden"] {
            let slug = slug(name);
            assert!(!slug.contains('/') && !slug.starts_with('.'), "{slug}");
        }
    }

    fn web() -> RepositoryName {
        "acme/web".parse().expect("a name")
    }

    #[test]
    fn runs_at_once_have_different_folders_and_a_later_one_an_empty_old_one() {
        let cache = tempfile::tempdir().expect("a folder");
        let first = Workspace::prepare(Some(cache.path()), &web()).expect("a folder");
        let second = Workspace::prepare(Some(cache.path()), &web()).expect("a folder");
        assert_ne!(first.source(), second.source());
        assert_eq!(first.cache(), second.cache());
        let path = first.source().to_owned();
        std::fs::write(path.join("left"), "x").expect("a file");
        drop(first);
        assert!(!path.exists());
        let third = Workspace::prepare(Some(cache.path()), &web()).expect("a folder");
        assert_eq!(third.source(), path);
        assert!(!path.join("left").exists());
    }

    #[test]
    fn without_a_cache_nothing_stays() {
        let workspace = Workspace::prepare(None, &web()).expect("a folder");
        let path = workspace.source().to_owned();
        assert!(path.is_dir() && workspace.cache().is_none());
        drop(workspace);
        assert!(!path.exists());
    }
}
