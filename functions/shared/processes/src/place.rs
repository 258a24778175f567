//! Where what was written down about processes was written.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A folder with what is known of processes. Moved, or put back to where it was, it is the same one; a copy
/// beside it is another, and what it says is about processes that are not its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Place {
    /// The folder at this path.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(folder: &Path) -> io::Result<Self> {
        let path = folder.canonicalize()?;
        let found = path.metadata()?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    /// Whether the folder is this one.
    #[must_use]
    pub fn is(&self, folder: &Path) -> bool {
        Self::of(folder).is_ok_and(|now| {
            self.path == now.path || (self.device, self.inode) == (now.device, now.inode)
        })
    }
}
