//! The folder of one environment.
//!
//! ```text
//! releases/<release>/      the release's files, side by side with those before it
//! current                  link to the release in effect, replaced in one step
//! shared/                  what releases share; `PACT_SHARED` of builds and services
//! run/<release>/           note.json, files.json, service.log
//! run/.lock .owner.json .port
//! ```

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use pact_contract::{EnvironmentKey, ReleaseId, SchemaVersion, actions::ReleaseRecord};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{names::slug, targets::target::TakenBack};

/// Most bytes of a note.
const MAX_NOTE: u64 = 256 * 1024;

/// The folder of one environment of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    path: PathBuf,
}

/// Whose a folder is.
pub(crate) enum Ownership {
    /// It is the environment's that asked.
    Ours,
    /// It is another's; the sentence says whose.
    Foreign(String),
}

/// What is known of a release whose files are complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Version of this type.
    pub(crate) schema: SchemaVersion,
    /// The release.
    pub(crate) record: ReleaseRecord,
    /// The release that it was to replace when it was deployed last.
    pub(crate) replaces: Option<ReleaseId>,
    /// Set when it was taken back, until it is deployed again.
    pub(crate) taken_back: Option<TakenBack>,
}

impl Note {
    /// Version in which it is written.
    pub(crate) const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

impl Layout {
    /// The folder of an environment, always below `root`.
    ///
    /// # Errors
    /// Why the configured path is refused.
    pub(crate) fn locate(
        root: &Path,
        key: &EnvironmentKey,
        path: Option<&str>,
    ) -> Result<Self, String> {
        let Some(path) = path else {
            let repository = slug(key.repository.as_str());
            return Ok(Self { path: root.join(repository).join(key.environment.as_str()) });
        };
        let inside = match Path::new(path).strip_prefix(root) {
            Ok(inside) => inside,
            Err(_) if Path::new(path).is_absolute() => {
                return Err(format!(
                    "the target's path {path:?} is outside of the deploy agent's root"
                ));
            }
            Err(_) => Path::new(path),
        };
        let inside: PathBuf = inside.components().filter(|c| *c != Component::CurDir).collect();
        let plain = inside.components().all(
            |c| matches!(c, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b".")),
        );
        if !plain || inside.as_os_str().is_empty() || path.len() > 500 || path.contains('\0') {
            return Err(format!(
                "the target's path {path:?} does not name a folder below the deploy agent's root"
            ));
        }
        Ok(Self { path: root.join(inside) })
    }

    /// A folder that exists.
    pub(crate) fn existing(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path as the value of an environment variable.
    pub(crate) fn marker(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    pub(crate) fn releases(&self) -> PathBuf {
        self.path.join("releases")
    }

    pub(crate) fn release(&self, name: &ReleaseId) -> PathBuf {
        self.releases().join(name)
    }

    /// Where the files of a release are unpacked before they are complete.
    pub(crate) fn unpacking(&self, name: &ReleaseId) -> PathBuf {
        self.releases().join(format!(".tmp-{name}"))
    }

    pub(crate) fn shared(&self) -> PathBuf {
        self.path.join("shared")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Where notes and logs of a release are.
    pub(crate) fn notes(&self, release: &ReleaseId) -> PathBuf {
        self.run().join(release)
    }

    /// Makes the folders.
    pub(crate) fn create(&self) -> io::Result<()> {
        fs::create_dir_all(self.releases())?;
        fs::create_dir_all(self.shared())?;
        fs::create_dir_all(self.run())
    }

    /// Makes the folder this environment's, unless another has it already, or has one around it.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub(crate) fn own(&self, root: &Path, key: &EnvironmentKey) -> io::Result<Ownership> {
        let of = |other: EnvironmentKey| format!("{} of {}", other.environment, other.repository);
        for outer in self.path.ancestors().skip(1).take_while(|p| p.starts_with(root)) {
            if let Some(other) = read_json(&outer.join("run/.owner.json"))? {
                let whose = format!("the folder is inside that of {}", of(other));
                return Ok(Ownership::Foreign(whose));
            }
        }
        let file = self.run().join(".owner.json");
        match read_json::<EnvironmentKey>(&file)? {
            Some(other) if other == *key => Ok(Ownership::Ours),
            Some(other) => Ok(Ownership::Foreign(format!("the folder belongs to {}", of(other)))),
            None => write_json(&file, key).map(|()| Ownership::Ours),
        }
    }

    /// Takes the folder for one action at a time; none when another action has it. It is given
    /// back when the file is closed, also by a kill.
    pub(crate) fn try_claim(&self) -> io::Result<Option<File>> {
        let file = File::create(self.run().join(".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits until [`Self::try_claim`] succeeds, but not longer than `patience`.
    pub(crate) async fn claim(&self, patience: Duration) -> io::Result<Option<File>> {
        let until = tokio::time::Instant::now() + patience;
        loop {
            if let Some(claim) = self.try_claim()? {
                return Ok(Some(claim));
            }
            if tokio::time::Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Name of the release that `current` leads to.
    pub(crate) fn current(&self) -> Option<ReleaseId> {
        let to = fs::read_link(self.path.join("current")).ok()?;
        let name = to.strip_prefix("releases").ok()?.to_str()?;
        ReleaseId::parse(name).ok()
    }

    /// Makes `release` the current one, in one step that survives a loss of power.
    pub(crate) fn switch(&self, release: &ReleaseId) -> io::Result<()> {
        if self.current().as_ref() == Some(release) {
            return Ok(());
        }
        let next = self.path.join(".current-next");
        remove_file(&next)?;
        symlink(Path::new("releases").join(release.as_str()), &next)?;
        fs::rename(&next, self.path.join("current"))?;
        File::open(&self.path)?.sync_all()
    }

    /// Makes no release the current one.
    pub(crate) fn switch_off(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                remove_file(&self.path.join("current"))?;
                File::open(&self.path)?.sync_all()
            }
        }
    }

    /// What is known of a release; none: its files are not complete.
    pub(crate) fn note(&self, release: &ReleaseId) -> io::Result<Option<Note>> {
        if !self.release(release).is_dir() {
            return Ok(None);
        }
        let note: Option<Note> = read_json(&self.notes(release).join("note.json"))?;
        match note {
            Some(note) if note.schema > Note::VERSION => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the note of {release} is of version {}, a newer program's", note.schema),
            )),
            note => Ok(note),
        }
    }

    pub(crate) fn write_note(&self, note: &Note) -> io::Result<()> {
        let folder = self.notes(&note.record.release);
        fs::create_dir_all(&folder)?;
        write_json(&folder.join("note.json"), note)
    }

    /// Makes a release count as not complete.
    pub(crate) fn forget(&self, release: &ReleaseId) -> io::Result<()> {
        remove_file(&self.notes(release).join("note.json"))
    }

    /// The release to return to after `release`: the one that it replaced, or one before that,
    /// which is still here and was not taken back itself.
    pub(crate) fn before(&self, release: &ReleaseId) -> io::Result<Option<ReleaseRecord>> {
        let mut seen = vec![release.clone()];
        let mut next = self.note(release)?.and_then(|n| n.replaces);
        while let Some(name) = next {
            if seen.len() > 100 || seen.contains(&name) {
                return Ok(None);
            }
            let Some(note) = self.note(&name)? else { return Ok(None) };
            if note.taken_back.is_none() {
                return Ok(Some(note.record));
            }
            next = note.replaces;
            seen.push(name);
        }
        Ok(None)
    }

    /// Removes the files of a release, and its notes, in an order that leaves no half release
    /// which looks complete.
    pub(crate) fn remove(&self, release: &ReleaseId) -> io::Result<()> {
        self.forget(release)?;
        let out = self.releases().join(format!(".old-{release}"));
        remove_dir(&out)?;
        match fs::rename(self.release(release), &out) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        remove_dir(&out)?;
        remove_dir(&self.notes(release))
    }

    /// Names of the releases, complete or not.
    pub(crate) fn names(&self) -> io::Result<Vec<ReleaseId>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.releases())? {
            let name = entry?.file_name();
            names.extend(name.to_str().and_then(|name| ReleaseId::parse(name).ok()));
        }
        names.sort();
        Ok(names)
    }

    /// Removes all but the latest `keep` releases and those in `protected`, and what an
    /// interrupted action left behind. Says what was removed.
    pub(crate) fn prune(
        &self,
        keep: usize,
        protected: &[&ReleaseId],
    ) -> io::Result<Vec<ReleaseId>> {
        for entry in fs::read_dir(self.releases())? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(".tmp-") || name.starts_with(".old-") {
                remove_dir(&entry.path())?;
            }
        }
        let mut releases = Vec::new();
        for name in self.names()? {
            let at = self.note(&name)?.map(|n| n.record.deployed_at);
            releases.push((at, name));
        }
        // The latest first; those that are not complete last.
        releases.sort_by(|a, b| b.cmp(a));
        let current = self.current();
        let mut removed = Vec::new();
        let mut kept = protected.len();
        for (_, name) in releases {
            if protected.contains(&&name) || current.as_ref() == Some(&name) {
                continue;
            }
            if kept < keep {
                kept += 1;
            } else {
                self.remove(&name)?;
                removed.push(name);
            }
        }
        Ok(removed)
    }
}

/// Reads a note; none when there is none. One that is not readable counts as none: every note is
/// written in one step, so it is not ours, and what it was about is done again.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    use io::Read;

    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MAX_NOTE).read_to_end(&mut text)?;
    match serde_json::from_slice(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "not readable, so it is ignored");
            Ok(None)
        }
    }
}

/// Writes a note in one step.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    use io::Write;

    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(environment: &str) -> EnvironmentKey {
        format!("acme/web#{environment}").parse().expect("a key")
    }

    fn locate(path: &str) -> Result<Layout, String> {
        Layout::locate(Path::new("/srv/pact"), &key("staging"), Some(path))
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_the_root(path in "[a./~\\\\ -]{0,20}|.{0,30}") {
            if let Ok(folder) = locate(&path) {
                prop_assert!(folder.path().starts_with("/srv/pact"));
                prop_assert_ne!(folder.path(), Path::new("/srv/pact"));
                prop_assert!(folder.path().components().all(|c| c != Component::ParentDir));
            }
        }
    }

    #[test]
    fn paths_are_below_the_root() {
        let folder = Layout::locate(Path::new("/srv/pact"), &key("staging"), None);
        let folder = folder.expect("the default");
        let parent = folder.path().parent().and_then(Path::file_name).expect("a name");
        assert!(parent.to_string_lossy().starts_with("acme-web-"), "{}", folder.path().display());
        assert_eq!(locate("shop/blue").expect("valid").path(), Path::new("/srv/pact/shop/blue"));
        assert_eq!(locate("/srv/pact/x").expect("valid").path(), Path::new("/srv/pact/x"));
        for wrong in ["", ".", "..", "a/../../b", "/srv/other", "/", "/srv/pact", ".cache/x"] {
            assert!(locate(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_folder_has_one_owner_and_no_other_inside() {
        let root = tempfile::tempdir().expect("a folder");
        let whose = |folder: &Layout, environment| match folder.own(root.path(), &key(environment))
        {
            Ok(Ownership::Ours) => "ours".to_owned(),
            Ok(Ownership::Foreign(whose)) => whose,
            Err(error) => panic!("{error}"),
        };
        let folder = Layout::existing(root.path().join("a"));
        folder.create().expect("creates");
        for _ in 0..2 {
            assert_eq!(whose(&folder, "staging"), "ours");
        }
        assert_eq!(whose(&folder, "production"), "the folder belongs to staging of acme/web");
        let inner = Layout::existing(root.path().join("a/releases"));
        inner.create().expect("creates");
        let reason = whose(&inner, "production");
        assert_eq!(reason, "the folder is inside that of staging of acme/web");
    }

    #[test]
    fn the_switch_is_repeatable_and_can_be_taken_back() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Layout::existing(root.path().join("env"));
        folder.switch_off().expect("nothing is there yet");
        folder.create().expect("creates");
        assert_eq!(folder.current(), None);
        for release in ["r1", "r1", "r2"] {
            let release: ReleaseId = release.parse().expect("a name");
            folder.switch(&release).expect("switches");
            assert_eq!(folder.current(), Some(release));
        }
        for _ in 0..2 {
            folder.switch_off().expect("switches off");
            assert_eq!(folder.current(), None);
        }
    }

    #[test]
    fn one_action_at_a_time() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = Layout::existing(root.path().to_owned());
        folder.create().expect("creates");
        let claim = folder.try_claim().expect("opens").expect("is free");
        assert!(folder.try_claim().expect("opens").is_none());
        drop(claim);
        assert!(folder.try_claim().expect("opens").is_some());
    }
}
