//! The host's folder: who has it, how the host is reached, and its state.
//!
//! ```text
//! lock         held by the host as long as it lives
//! host.json    address and token of the host; for its owner alone
//! observer.json  the same for who may only look at the traffic
//! state.json   services and instances; for its owner alone
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use pact_processes::Place;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{SCHEMA, State};

/// Name of the file that says how the host is reached.
pub const ANNOUNCEMENT: &str = "host.json";
/// Name of the file for those who only look at what clients got.
pub const OBSERVER: &str = "observer.json";
/// Most bytes of a file of the folder.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// How a host is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its protocol's address, `http://127.0.0.1:PORT`.
    pub url: String,
    /// Bearer token.
    pub token: String,
    /// Its process.
    pub pid: u32,
    /// Its folder; none of a program that did not write it down.
    #[serde(default)]
    pub place: Option<Place>,
}

impl Announcement {
    /// How the host of this folder is reached, if it ever was; of the folder that this one is a copy of it
    /// says nothing.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let announced: Option<Self> = read(&folder.join(ANNOUNCEMENT))?;
        Ok(announced.filter(|announced| is_of(announced.place.as_ref(), folder)))
    }
}

fn is_of(place: Option<&Place>, folder: &Path) -> bool {
    place.is_none_or(|place| place.is(folder))
}

/// The folder of a host, held.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    /// Held while the host lives; the operating system gives it back after a kill.
    _lock: File,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another host has it.
    #[error("another host has the folder {0}")]
    InUse(PathBuf),
    /// A newer program wrote it.
    #[error("{path} is of version {version}, a newer program's; this one reads up to {SCHEMA}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// It cannot be read or written.
    #[error("cannot use {path}: {error}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
}

impl Store {
    /// Takes the folder, and makes it where it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Io { path: folder.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let folder = folder.canonicalize().map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { folder, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(folder)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// What the host before knew. A damaged file is put aside: what it was about is found by its
    /// marks and ended, and whoever wants it asks for it again.
    ///
    /// A copy of the folder of another host has a state about that one's processes: it is put aside too, and
    /// nothing is begun, taken over or ended for it.
    pub(crate) fn load(&self) -> Result<State, StoreError> {
        #[derive(Deserialize)]
        struct About {
            schema: u32,
            #[serde(default)]
            place: Option<Place>,
        }
        let path = self.state_file();
        let failed = |error| StoreError::Io { path: path.clone(), error };
        if let Ok(Some(About { schema, place })) = read::<About>(&path) {
            if schema > SCHEMA {
                return Err(StoreError::Newer { path, version: schema });
            }
            if !is_of(place.as_ref(), &self.folder) {
                let aside = self.folder.join("state.copied.json");
                tracing::warn!(aside = %aside.display(), "the folder is a copy of another host's");
                fs::rename(&path, aside).map_err(failed)?;
                self.withdraw();
                return Ok(State::default());
            }
        }
        match read::<State>(&path) {
            Ok(state) => Ok(state.unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let aside = self.folder.join("state.damaged.json");
                tracing::error!(%error, aside = %aside.display(), "the state is damaged");
                fs::rename(&path, aside).map_err(failed)?;
                Ok(State::default())
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        #[derive(Serialize)]
        struct Placed<'a> {
            place: Option<Place>,
            #[serde(flatten)]
            state: &'a State,
        }
        write(&self.state_file(), &Placed { place: Place::of(&self.folder).ok(), state })
    }

    /// The token of the host before, so that whoever knows it goes on; a new one at first.
    pub(crate) fn token(&self, file: &str) -> io::Result<String> {
        let before = read::<Announcement>(&self.folder.join(file)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the announcement of the host before is not readable");
            None
        });
        Ok(before
            .map(|before| before.token)
            .filter(|token| token.len() >= 32)
            .unwrap_or_else(|| format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())))
    }

    pub(crate) fn announce(&self, announcement: &Announcement, file: &str) -> io::Result<()> {
        write(&self.folder.join(file), announcement)
    }

    /// Says that the host is gone for good.
    pub(crate) fn withdraw(&self) {
        for file in [ANNOUNCEMENT, OBSERVER] {
            if let Err(error) = fs::remove_file(self.folder.join(file)) {
                tracing::debug!(%error, file, "there is no announcement to take back");
            }
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<Option<T>> {
    use io::Read;

    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text)?;
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a file for its owner alone: whole, or not at all.
fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&next)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_at_a_time_and_a_newer_or_damaged_state_is_no_loss() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path()).expect("is free");
        assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse(_))));
        assert_eq!(store.load().expect("is empty"), State::default());
        let file = store.state_file();
        fs::write(&file, r#"{"schema": 2, "something": "else"}"#).expect("writes");
        assert!(matches!(store.load(), Err(StoreError::Newer { version: 2, .. })));
        assert!(file.exists(), "it is left alone");
        fs::write(&file, r#"{"schema": 1, "contr"#).expect("writes");
        assert_eq!(store.load().expect("is put aside"), State::default());
        assert!(store.folder.join("state.damaged.json").exists());
        let token = store.token(ANNOUNCEMENT).expect("a token");
        let announcement = Announcement {
            url: "http://127.0.0.1:1".to_owned(),
            token: token.clone(),
            pid: 1,
            place: None,
        };
        store.announce(&announcement, ANNOUNCEMENT).expect("writes");
        assert_eq!(store.token(ANNOUNCEMENT).expect("the same"), token);
        assert_ne!(store.token(OBSERVER).expect("another"), token);
    }
}
