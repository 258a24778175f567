//! Files that a command wrote: found by pattern, and told from those that were there before.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Entries of a folder tree that are looked at.
const MAX_ENTRIES: usize = 200_000;
/// Folders that are not looked into.
const IGNORED: &[&str] = &[".git", "node_modules", ".venv", "venv", "__pycache__"];

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
pub(crate) struct Place {
    root: PathBuf,
    patterns: GlobSet,
    depth: usize,
}

impl Place {
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
    /// Looks into all places.
    pub(crate) fn take(places: &[Place]) -> Self {
        let mut found = BTreeMap::new();
        for place in places {
            walk(&place.root, place.depth, |relative, path, metadata| {
                if place.patterns.is_match(relative) {
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

/// Visits the files below `root`, links left out, in a stable order.
pub(crate) fn walk(
    root: &Path,
    depth: usize,
    mut visit: impl FnMut(&str, &Path, &std::fs::Metadata),
) {
    let mut folders = vec![(root.to_owned(), String::new(), 0usize)];
    let mut entries = 0usize;
    while let Some((folder, prefix, level)) = folders.pop() {
        // A folder that cannot be read holds no report that could be.
        let Ok(listing) = std::fs::read_dir(&folder) else { continue };
        let mut names: Vec<_> =
            listing.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort_unstable();
        for name in names {
            entries += 1;
            if entries > MAX_ENTRIES {
                tracing::warn!(root = %root.display(), "too many files; not all are looked at");
                return;
            }
            let path = folder.join(&name);
            let relative =
                if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                if level < depth && !IGNORED.contains(&name.as_str()) {
                    folders.push((path, relative, level + 1));
                }
            } else if metadata.is_file() {
                visit(&relative, &path, &metadata);
            }
        }
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("larger than {} MiB", limit / 1024 / 1024));
    }
    Ok(content)
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
        let (place, faults) = Place::new(dir.path(), JUNIT, 8);
        assert!(faults.is_empty(), "{faults:?}");
        let before = Snapshot::take(std::slice::from_ref(&place));
        std::fs::write(at("junit.xml"), "newer").expect("a file");
        std::fs::write(at("test-results/a/x.xml"), "new").expect("a file");
        std::fs::write(at("other/x.xml"), "new").expect("a file");
        let after = Snapshot::take(&[place]);
        assert_eq!(after.since(&before), [at("junit.xml"), at("test-results/a/x.xml")]);
    }

    #[test]
    fn a_bad_pattern_is_reported_and_the_good_ones_work() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("a.xml"), "x").expect("a file");
        let (place, faults) = Place::new(dir.path(), ["[", "./*.xml"], 1);
        assert_eq!(faults.len(), 1);
        assert_eq!(Snapshot::take(&[place]).since(&Snapshot::default()).len(), 1);
    }

    #[test]
    fn a_large_file_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        std::fs::write(&path, "12345").expect("a file");
        assert!(read(&path, 4).is_err());
        assert_eq!(read(&path, 5), Ok(b"12345".to_vec()));
    }
}
