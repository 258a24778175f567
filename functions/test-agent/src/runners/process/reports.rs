//! Files that a command wrote: found by pattern, and told from those that were there before.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::files::walk;

/// Where JUnit reports usually are, relative to the root of the repository.
pub(crate) const JUNIT: &[&str] = &[
    "junit.xml",
    "target/nextest/**/junit.xml",
    "**/target/surefire-reports/*.xml",
    "**/build/test-results/**/*.xml",
    "test-results/**/*.xml",
    "reports/**/*.xml",
];

/// Where LCOV reports usually are, relative to the root of the repository.
pub(crate) const LCOV: &[&str] =
    &["lcov.info", "coverage/lcov.info", "*/coverage/lcov.info", "target/**/lcov.info"];

/// A folder with the patterns that are looked for in it.
#[derive(Clone)]
pub(crate) struct Search {
    root: PathBuf,
    patterns: GlobSet,
    depth: usize,
}

impl Search {
    /// Looks for `patterns` at most `depth` folders below `root`. What is wrong with a pattern is
    /// returned beside it.
    pub(crate) fn new(
        root: &Path,
        patterns: impl IntoIterator<Item = impl AsRef<str>>,
        depth: usize,
    ) -> (Self, Vec<String>) {
        let mut builder = GlobSetBuilder::new();
        let mut faults = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
            match GlobBuilder::new(pattern).literal_separator(true).build() {
                Ok(glob) => {
                    builder.add(glob);
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        let patterns = builder.build().unwrap_or_else(|error| {
            faults.push(error.to_string());
            GlobSet::empty()
        });
        (Self { root: root.to_owned(), patterns, depth }, faults)
    }
}

/// What tells two versions of a file apart.
type Stamp = (Option<SystemTime>, u64);

/// The files that match, as they are now.
#[derive(Default)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Stamp>);

impl Snapshot {
    /// Looks into all folders.
    pub(crate) fn take(searches: &[Search]) -> Self {
        let mut found = BTreeMap::new();
        for search in searches {
            walk(&search.root, search.depth, |relative, path, metadata| {
                if search.patterns.is_match(relative) {
                    found.insert(path.to_owned(), (metadata.modified().ok(), metadata.len()));
                }
            });
        }
        Self(found)
    }

    /// The files that are new or changed since `before`, in order.
    pub(crate) fn since(&self, before: &Self) -> Vec<PathBuf> {
        self.0
            .iter()
            .filter(|(path, stamp)| before.0.get(*path) != Some(*stamp))
            .map(|(path, _)| path.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_were_written_since_are_found() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |path: &str| dir.path().join(path);
        for folder in ["test-results/a", "node_modules/test-results", "other"] {
            std::fs::create_dir_all(at(folder)).expect("a folder");
        }
        std::fs::write(at("junit.xml"), "old").expect("a file");
        std::fs::write(at("test-results/same.xml"), "old").expect("a file");
        let (search, faults) = Search::new(dir.path(), JUNIT, 8);
        assert!(faults.is_empty(), "{faults:?}");
        let before = Snapshot::take(std::slice::from_ref(&search));
        std::fs::write(at("junit.xml"), "newer").expect("a file");
        std::fs::write(at("test-results/a/x.xml"), "new").expect("a file");
        std::fs::write(at("other/x.xml"), "new").expect("a file");
        let after = Snapshot::take(&[search]);
        assert_eq!(after.since(&before), [at("junit.xml"), at("test-results/a/x.xml")]);
    }

    #[test]
    fn a_bad_pattern_is_reported_and_the_good_ones_work() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("a.xml"), "x").expect("a file");
        let (search, faults) = Search::new(dir.path(), ["[", "./*.xml"], 1);
        assert_eq!(faults.len(), 1);
        assert_eq!(Snapshot::take(&[search]).since(&Snapshot::default()).len(), 1);
    }
}
