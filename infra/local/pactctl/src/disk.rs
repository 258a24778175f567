//! Whether the disk takes anything: where it does not, everything that is kept waits, and somebody has to
//! make room.

use std::{
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use crate::term;

/// How often it is tried.
const LOOK: Duration = Duration::from_secs(2);
/// What is written to try, in bytes: more than the disk takes for a last small file.
const TRIED: usize = 64 * 1024;
/// With less room than this, in bytes, nothing that is begun comes to its end: a bundle, a log and the
/// table's own log of writes want more.
const LEAST: u64 = 2 * 1024 * 1024;
const MEGABYTE: f64 = 1_000_000.0;

/// A folder that takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full: nothing can be kept in {}: {why}", folder.display())]
pub(crate) struct Full {
    folder: PathBuf,
    why: String,
}

/// What to do about it.
pub(crate) const REMEDY: &str =
    "free some space there, or choose a folder of another disk with --data DIR";

/// Tries to write to the folder.
///
/// # Errors
/// There is no room. What else is wrong with it is for those to say who need it.
pub(crate) fn try_writing(folder: &Path) -> Result<(), Full> {
    let written = tempfile::tempfile_in(folder).and_then(|mut file| file.write_all(&[0; TRIED]));
    match written {
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            let left = left(folder).map(|(left, size)| format!("; {}", share(left, size)));
            let why = format!("{error}{}", left.unwrap_or_default());
            Err(Full { folder: folder.to_owned(), why })
        }
        _ => Ok(()),
    }
}

/// Whether there is room to work in the folder.
fn look(folder: &Path) -> Result<(), Full> {
    try_writing(folder)?;
    match left(folder) {
        Some((left, size)) if left < LEAST => {
            Err(Full { folder: folder.to_owned(), why: share(left, size) })
        }
        _ => Ok(()),
    }
}

/// How many bytes of how many are left; none where the disk does not say.
fn left(folder: &Path) -> Option<(u64, u64)> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    let unit = disk.fragment_size();
    let bytes = |blocks: u64| blocks.saturating_mul(unit);
    // Some have no blocks to count.
    (disk.blocks() > 0).then(|| (bytes(disk.blocks_available()), bytes(disk.blocks())))
}

fn share(left: u64, size: u64) -> String {
    let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
    format!("{:.1} of {:.1} MB are left", megabytes(left), megabytes(size))
}

/// Looks now and again, and says on standard error when there is no room, and when there is again. What
/// is received is what is wrong now.
pub(crate) fn watch(servers: &mut JoinSet<()>, data: &Path) -> watch::Receiver<Option<Full>> {
    let (sender, receiver) = watch::channel(None::<Full>);
    // Functions work in the second.
    let folders = [data.to_owned(), PathBuf::from("/tmp")];
    servers.spawn(async move {
        loop {
            let folders = folders.clone();
            let looked = tokio::task::spawn_blocking(move || {
                folders.iter().find_map(|folder| look(folder).err())
            });
            let Ok(full) = looked.await else { return };
            let before = sender.borrow().as_ref().map(|full| full.folder.clone());
            match (&before, &full) {
                (None, Some(full)) => {
                    term::error(&full.to_string());
                    term::hint("free some space there: what was taken waits, and goes on then");
                }
                (Some(folder), None) => {
                    term::note(&format!("there is room in {} again", folder.display()));
                }
                _ => {}
            }
            sender.send_replace(full);
            tokio::time::sleep(LOOK).await;
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_room_is_well_and_one_that_is_not_there_is_not_full() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(look(folder.path()), Ok(()));
        assert!(
            std::fs::read_dir(folder.path()).expect("a folder").next().is_none(),
            "nothing stays"
        );
        assert_eq!(try_writing(&folder.path().join("gone")), Ok(()));
        assert_eq!(share(1_250_000, 24_000_000), "1.2 of 24.0 MB are left");
    }
}
