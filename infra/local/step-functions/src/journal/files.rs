//! The files of a journal's folder.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::format::{self, HEADER, MAGIC, Position};
use crate::error::OpenError;

/// How long to wait for a process that is about to release the folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// The path of a file that belongs to a segment.
pub(super) fn segment_path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("journal-{segment:08}.log"))
}

/// The numbers of the segments in `folder`, in order.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u32>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u32> = name
            .to_str()
            .and_then(|name| name.strip_prefix("journal-")?.strip_suffix(".log"))
            .and_then(|number| number.parse().ok());
        segments.extend(number);
    }
    // What a version before there were segments wrote.
    let old = folder.join("journal.log");
    if segments.is_empty() && old.exists() {
        std::fs::rename(old, segment_path(folder, 0))?;
        segments.push(0);
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Begins a new segment, whose name is on disk when this returns.
pub(super) fn begin_segment(folder: &Path, segment: u32) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(segment_path(folder, segment))?;
    file.write_all(MAGIC)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Removes a segment and its summary, where they are.
pub(super) fn remove_segment(folder: &Path, segment: u32) -> io::Result<()> {
    let log = segment_path(folder, segment);
    for path in [log.with_extension("summary"), log] {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Takes the folder for this process.
pub(super) fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let fault = |source| OpenError::Io { path: path.clone(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(fault)?;
    let began = std::time::Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse { path: folder.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(fault(source)),
        }
    }
}

/// Reads records of the journal in `folder`.
///
/// # Errors
///
/// Also when a record is not what was written: the error names the file and the place.
pub(crate) fn read(folder: &Path, positions: &[Position]) -> io::Result<Vec<Vec<u8>>> {
    let mut files: BTreeMap<u32, File> = BTreeMap::new();
    let mut records = Vec::with_capacity(positions.len());
    for position in positions {
        let path = segment_path(folder, position.segment);
        let named = |error: io::Error| {
            let place = format!("{} at byte {}", path.display(), position.offset);
            io::Error::new(error.kind(), format!("{place}: {error}"))
        };
        let file = match files.entry(position.segment) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(File::open(&path).map_err(named)?)
            }
        };
        let mut bytes = vec![0; HEADER + position.length as usize];
        file.read_exact_at(&mut bytes, u64::from(position.offset)).map_err(named)?;
        let record = bytes.split_off(HEADER);
        let header = bytes.try_into().unwrap_or_default();
        if !format::is_sound(header, &record) {
            let damaged = io::Error::new(io::ErrorKind::InvalidData, "the record is damaged");
            return Err(named(damaged));
        }
        records.push(record);
    }
    Ok(records)
}
