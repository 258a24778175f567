//! Builds on disk: a folder each, with its record, its log and what it works in.
//!
//! ```text
//! <root>/builds/<uuid>/build.json   the record; replaced as a whole
//! <root>/builds/<uuid>/log          what it wrote, see the module `log`
//! <root>/builds/<uuid>/work/        its environment; removed when it has ended
//! <root>/number                     the number of the last build
//! ```

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    build::{Build, SCHEMA, Status},
    error::OpenError,
};

/// Ended builds that are kept; the oldest go first.
const KEPT: usize = 2_000;

/// The folder of all builds.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    root: PathBuf,
}

/// What a build took of what is paid for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Size of its environment.
    pub compute_type: String,
    /// From when it had an environment until it ended.
    pub time: Duration,
}

/// What the builds below `root` took that have ended and have this variable. What cannot be read is
/// left out.
#[must_use]
pub fn spent(root: &Path, (variable, value): (&str, &str)) -> Vec<Spent> {
    let entries = fs::read_dir(root.join("builds")).into_iter().flatten().flatten();
    let builds = entries.filter_map(|entry| {
        let text = fs::read(entry.path().join("build.json")).ok()?;
        serde_json::from_slice::<Build>(&text).ok().filter(|build| build.schema <= SCHEMA)
    });
    let own = |build: &Build| build.environment.get(variable).is_some_and(|own| own == value);
    let spent = |build: Build| {
        let ended = build.ended?;
        // Waiting for its turn is free.
        let begun = build.phases.iter().find(|phase| phase.name == "PROVISIONING")?.started;
        let time = ended.duration_since(begun).try_into().unwrap_or_default();
        Some(Spent { compute_type: build.compute_type, time })
    };
    builds.filter(own).filter_map(spent).collect()
}

/// What was found at the start.
pub(crate) struct Found {
    pub(crate) store: Store,
    pub(crate) builds: Vec<Build>,
    /// Those that were going on when the last host ended.
    pub(crate) interrupted: Vec<String>,
}

impl Store {
    /// Reads the folder. What was going on has ended with its host: it is a fault.
    pub(crate) fn open(root: &Path, now: Timestamp) -> Result<Found, OpenError> {
        let store = Self { root: root.to_owned() };
        let folder = store.root.join("builds");
        fs::create_dir_all(&folder).map_err(OpenError::at(&folder))?;
        let mut builds: Vec<Build> = Vec::new();
        let mut interrupted = Vec::new();
        for entry in fs::read_dir(&folder).map_err(OpenError::at(&folder))? {
            let path = entry.map_err(OpenError::at(&folder))?.path();
            let record = path.join("build.json");
            let read = fs::read(&record).and_then(|text| {
                serde_json::from_slice::<Build>(&text)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            });
            let mut build = match read {
                Ok(build) if build.schema <= SCHEMA => build,
                Ok(build) => {
                    let (path, schema) = (record.display(), build.schema);
                    tracing::warn!(%path, schema, "a build of a later version is left alone");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(path = %record.display(), %error, "a build cannot be read");
                    continue;
                }
            };
            if build.ended.is_none() {
                let reason = "the build environment ended with its host".to_owned();
                build.end(Status::Fault, Some(reason), now);
                store.write(&build).map_err(OpenError::at(&record))?;
                interrupted.push(build.uuid.clone());
            }
            remove(&path.join("work"));
            builds.push(build);
        }
        builds.sort_by_key(|build| build.number);
        let surplus = builds.len().saturating_sub(KEPT);
        for build in builds.drain(..surplus) {
            remove(&store.folder(&build.uuid));
        }
        Ok(Found { store, builds, interrupted })
    }

    /// Folder of one build.
    pub(crate) fn folder(&self, uuid: &str) -> PathBuf {
        self.root.join("builds").join(uuid)
    }

    /// Where a build works.
    pub(crate) fn work(&self, uuid: &str) -> PathBuf {
        self.folder(uuid).join("work")
    }

    /// Its log.
    pub(crate) fn log(&self, uuid: &str) -> PathBuf {
        self.folder(uuid).join("log")
    }

    /// Caches, one folder a key.
    pub(crate) fn caches(&self) -> PathBuf {
        self.root.join("caches")
    }

    /// Writes the record; a reader sees the old one or the new one.
    pub(crate) fn write(&self, build: &Build) -> io::Result<()> {
        let folder = self.folder(&build.uuid);
        fs::create_dir_all(&folder)?;
        let text = serde_json::to_vec(build).map_err(io::Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(&folder)?;
        file.write_all(&text)?;
        file.persist(folder.join("build.json")).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes the environment of a build that has ended.
    pub(crate) fn clean(&self, uuid: &str) {
        remove(&self.work(uuid));
    }

    /// The highest number of each project.
    pub(crate) fn numbers(builds: &[Build]) -> BTreeMap<String, u64> {
        let mut numbers = BTreeMap::new();
        for build in builds {
            let number = numbers.entry(build.project.clone()).or_insert(0);
            *number = build.number.max(*number);
        }
        numbers
    }
}

/// Removes a folder that a build may have left in any state: folders that nobody may enter are
/// opened first.
fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_err() || fs::remove_dir_all(path).is_ok() {
        return;
    }
    open_up(path, 64);
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove what a build left");
    }
}

fn open_up(path: &Path, depth: usize) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if !metadata.is_dir() || depth == 0 {
        return;
    }
    drop(fs::set_permissions(path, fs::Permissions::from_mode(0o700)));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        open_up(&entry.path(), depth - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_that_nobody_may_enter_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("f"), "x").unwrap();
        fs::set_permissions(&deep, fs::Permissions::from_mode(0o0)).unwrap();
        remove(&folder.path().join("a"));
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn a_record_that_cannot_be_read_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("builds/odd");
        fs::create_dir_all(&odd).unwrap();
        fs::write(odd.join("build.json"), "{").unwrap();
        let found = Store::open(folder.path(), Timestamp::now()).unwrap();
        assert!(found.builds.is_empty() && odd.exists());
    }
}
