//! The journal: append-only files of checksummed records.
//!
//! One thread writes. It takes everything that waits, writes it at once and syncs it once, so the
//! cost of a sync is shared by all executions that move at the same time. A record that a crash
//! cut off is set aside at the next opening; what was acknowledged is never cut off.
//!
//! A file begins with [`MAGIC`]. A record is its length and its CRC-32, each four bytes, little
//! endian, then that many bytes of JSON. When a file has grown to [`Limits::segment`] bytes it is
//! sealed and the next one begun. Only the last file can be torn; what a sealed one holds is
//! summed up beside it, so that opening need not read it again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::error::OpenError;

const MAGIC: &[u8; 8] = b"SFNJRNL1";
const HEADER: usize = 8;
/// The longest record.
const LONGEST: usize = 256 * 1024 * 1024;
/// How many bytes are written at once, at most, besides the first record.
const BATCH: usize = 8 * 1024 * 1024;
/// How long to wait for a process that is about to release the folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    offset: u32,
    length: u32,
}

struct Append {
    record: Vec<u8>,
    done: oneshot::Sender<io::Result<Position>>,
}

/// A handle on the journal; the writer ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Journal {
    queue: mpsc::Sender<Append>,
}

/// A record read when the journal was opened.
pub(crate) struct Stored {
    pub(crate) position: Position,
    pub(crate) bytes: Vec<u8>,
}

/// What opening tells of each file, from the first to the last.
pub(crate) trait Reader {
    /// Whether a sealed file is known without its records.
    fn summarised(&mut self, segment: u32) -> bool;
    /// A record of a file that is not.
    fn record(&mut self, stored: Stored) -> Result<(), String>;
    /// The records of a file have all been given; `sealed` when it will not grow.
    fn finished(&mut self, segment: u32, sealed: bool);
}

/// Called on a thread of its own with each file that is sealed.
pub(crate) type OnSealed = Arc<dyn Fn(u32) + Send + Sync>;

impl Journal {
    /// Opens the journal of `folder`, which is made if need be, and gives its records to `reader`.
    /// The receiver is told when the writer has ended.
    pub(crate) fn open(
        folder: &Path,
        segment_size: u32,
        reader: &mut dyn Reader,
        on_sealed: OnSealed,
    ) -> Result<(Self, oneshot::Receiver<()>), OpenError> {
        std::fs::create_dir_all(folder).map_err(fault(folder))?;
        let lock = lock(folder)?;
        let segments = segments(folder).map_err(fault(folder))?;
        let last = segments.last().copied().unwrap_or(0);
        for segment in segments.iter().copied().filter(|segment| *segment != last) {
            if reader.summarised(segment) {
                continue;
            }
            let path = segment_path(folder, segment);
            let mut file = File::open(&path).map_err(fault(&path))?;
            let end = replay(&mut file, &path, segment, reader)?;
            let length = file.metadata().map_err(fault(&path))?.len();
            if end != length {
                return Err(OpenError::Record {
                    path,
                    offset: end,
                    reason: "a sealed journal file is damaged".to_owned(),
                });
            }
            reader.finished(segment, true);
        }
        let path = segment_path(folder, last);
        let mut file = open_segment(&path, folder)?;
        let end = replay(&mut file, &path, last, reader)?;
        reader.finished(last, false);
        set_tail_aside(&mut file, &path, end)?;
        let (queue, appends) = mpsc::channel();
        let (ended, end_signal) = oneshot::channel::<()>();
        let mut writer = Writer {
            folder: folder.to_owned(),
            file,
            segment: last,
            end,
            segment_size: u64::from(segment_size),
            on_sealed,
        };
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                writer.write_all(&appends);
                drop(writer);
                drop(lock);
                // Dropping it tells whoever waits.
                drop(ended);
            })
            .map_err(fault(&path))?;
        Ok((Self { queue }, end_signal))
    }

    /// Appends a record. The answer comes when it is on disk.
    pub(crate) async fn append(&self, record: Vec<u8>) -> io::Result<Position> {
        let (done, answer) = oneshot::channel();
        let closed = || io::Error::other("the journal is closed");
        self.queue.send(Append { record, done }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// Reads records of the journal in `folder`.
pub(crate) fn read(folder: &Path, positions: &[Position]) -> io::Result<Vec<Vec<u8>>> {
    let mut files: BTreeMap<u32, File> = BTreeMap::new();
    let mut records = Vec::with_capacity(positions.len());
    for position in positions {
        let file = match files.entry(position.segment) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(File::open(segment_path(folder, position.segment))?)
            }
        };
        let mut bytes = vec![0; position.length as usize];
        file.read_exact_at(&mut bytes, u64::from(position.offset) + HEADER as u64)?;
        records.push(bytes);
    }
    Ok(records)
}

/// The path of a file that belongs to a segment.
pub(crate) fn segment_path(folder: &Path, segment: u32) -> PathBuf {
    folder.join(format!("journal-{segment:08}.log"))
}

/// The numbers of the segments in `folder`, in order.
fn segments(folder: &Path) -> io::Result<Vec<u32>> {
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

fn open_segment(path: &Path, folder: &Path) -> Result<File, OpenError> {
    let new = !path.exists();
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(fault(path))?;
    let length = file.metadata().map_err(fault(path))?.len();
    if length < MAGIC.len() as u64 {
        // New, or cut off before the first sync.
        file.set_len(0).map_err(fault(path))?;
        file.write_all(MAGIC).map_err(fault(path))?;
        file.sync_all().map_err(fault(path))?;
    }
    if new {
        // The file's name is on disk too.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault(folder))?;
    }
    Ok(file)
}

fn fault(path: &Path) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(fault(&path))?;
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
            Err(TryLockError::Error(source)) => return Err(fault(&path)(source)),
        }
    }
}

/// Reads all whole records and answers where they end.
fn replay(
    file: &mut File,
    path: &Path,
    segment: u32,
    each: &mut dyn Reader,
) -> Result<u64, OpenError> {
    let length = file.metadata().map_err(fault(path))?.len();
    let mut reader = io::BufReader::with_capacity(1 << 20, &mut *file);
    reader.seek(SeekFrom::Start(0)).map_err(fault(path))?;
    let mut magic = [0; 8];
    reader.read_exact(&mut magic).map_err(fault(path))?;
    if &magic != MAGIC {
        return Err(OpenError::Version { path: path.to_owned() });
    }
    let mut offset = MAGIC.len() as u64;
    loop {
        let left = length.saturating_sub(offset);
        if left < HEADER as u64 {
            return Ok(offset);
        }
        let mut word = [0; 4];
        reader.read_exact(&mut word).map_err(fault(path))?;
        let size = u32::from_le_bytes(word);
        reader.read_exact(&mut word).map_err(fault(path))?;
        let checksum = u32::from_le_bytes(word);
        let Ok(short) = u32::try_from(offset) else {
            return Ok(offset);
        };
        if size == 0 || size as usize > LONGEST || u64::from(size) > left - HEADER as u64 {
            return Ok(offset);
        }
        let mut bytes = vec![0; size as usize];
        reader.read_exact(&mut bytes).map_err(fault(path))?;
        if crc32fast::hash(&bytes) != checksum {
            return Ok(offset);
        }
        let position = Position { segment, offset: short, length: size };
        each.record(Stored { position, bytes }).map_err(|reason| OpenError::Record {
            path: path.to_owned(),
            offset,
            reason,
        })?;
        offset += HEADER as u64 + u64::from(size);
    }
}

/// Keeps what follows the last whole record in a file of its own, and cuts it off.
fn set_tail_aside(file: &mut File, path: &Path, end: u64) -> Result<(), OpenError> {
    let length = file.metadata().map_err(fault(path))?.len();
    if length <= end {
        return Ok(());
    }
    let aside: PathBuf = path.with_file_name(format!(
        "{}.torn-{end}",
        path.file_stem().unwrap_or_default().to_string_lossy()
    ));
    tracing::warn!(bytes = length - end, kept = %aside.display(), "the journal's last record was cut off");
    file.seek(SeekFrom::Start(end)).map_err(fault(path))?;
    let mut copy = File::create(&aside).map_err(fault(&aside))?;
    io::copy(file, &mut copy).map_err(fault(&aside))?;
    file.set_len(end).map_err(fault(path))?;
    file.sync_all().map_err(fault(path))
}

struct Writer {
    folder: PathBuf,
    file: File,
    segment: u32,
    end: u64,
    segment_size: u64,
    on_sealed: OnSealed,
}

impl Writer {
    fn write_all(&mut self, appends: &mpsc::Receiver<Append>) {
        // Once a write failed, what is on disk is unknown: nothing more is accepted.
        let mut broken: Option<io::ErrorKind> = None;
        while let Ok(first) = appends.recv() {
            let mut batch = vec![first];
            let mut size = 0;
            while size < BATCH {
                let Ok(next) = appends.try_recv() else { break };
                size += next.record.len();
                batch.push(next);
            }
            if broken.is_none() && self.end >= self.segment_size {
                self.roll();
            }
            let mut bytes = Vec::with_capacity(size + batch.len() * HEADER);
            let mut answers = Vec::with_capacity(batch.len());
            for Append { record, done } in batch {
                let offset = u32::try_from(self.end + bytes.len() as u64);
                let length = u32::try_from(record.len());
                let (Ok(offset), Ok(length), 1..=LONGEST) = (offset, length, record.len()) else {
                    drop(done.send(Err(io::Error::other("a record is too long"))));
                    continue;
                };
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(&crc32fast::hash(&record).to_le_bytes());
                bytes.extend_from_slice(&record);
                answers.push((done, Position { segment: self.segment, offset, length }));
            }
            if broken.is_none()
                && let Err(error) =
                    self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data())
            {
                tracing::error!(%error, "cannot write the journal");
                broken = Some(error.kind());
            }
            if broken.is_none() {
                self.end += bytes.len() as u64;
            }
            for (done, position) in answers {
                let answer = broken.map_or(Ok(position), |kind| Err(io::Error::from(kind)));
                // The one who asked may have gone.
                drop(done.send(answer));
            }
        }
    }

    /// Seals the file and begins the next one. Where that fails the file goes on growing.
    fn roll(&mut self) {
        let Some(next) = self.segment.checked_add(1) else {
            return;
        };
        match open_segment(&segment_path(&self.folder, next), &self.folder) {
            Ok(file) => {
                let sealed = std::mem::replace(&mut self.segment, next);
                self.file = file;
                self.end = MAGIC.len() as u64;
                let on_sealed = Arc::clone(&self.on_sealed);
                let spawned = std::thread::Builder::new()
                    .name("journal-summary".to_owned())
                    .spawn(move || on_sealed(sealed));
                if let Err(error) = spawned {
                    tracing::warn!(%error, "a sealed journal file is summed up at the next opening");
                }
            }
            Err(error) => tracing::error!(%error, "cannot begin another journal file"),
        }
    }
}

/// Reads one sealed segment again.
pub(crate) fn reread(
    folder: &Path,
    segment: u32,
    reader: &mut dyn Reader,
) -> Result<(), OpenError> {
    let path = segment_path(folder, segment);
    let mut file = File::open(&path).map_err(fault(&path))?;
    replay(&mut file, &path, segment, reader)?;
    reader.finished(segment, true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(folder: &Path) -> (Vec<Vec<u8>>, Journal, oneshot::Receiver<()>) {
        let mut all = All::default();
        let (journal, ended) = open(folder, &mut all).unwrap();
        (all.0, journal, ended)
    }

    #[derive(Default)]
    struct All(Vec<Vec<u8>>);

    impl Reader for All {
        fn summarised(&mut self, _: u32) -> bool {
            false
        }
        fn record(&mut self, stored: Stored) -> Result<(), String> {
            self.0.push(stored.bytes);
            Ok(())
        }
        fn finished(&mut self, _: u32, _: bool) {}
    }

    fn open(folder: &Path, all: &mut All) -> Result<(Journal, oneshot::Receiver<()>), OpenError> {
        Journal::open(folder, 32, all, Arc::new(|_| {}))
    }

    #[tokio::test]
    async fn keeps_records_and_sets_a_torn_tail_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (all, journal, ended) = records(folder.path());
        assert!(all.is_empty());
        let first = journal.append(b"one".to_vec()).await.unwrap();
        journal.append(b"two".to_vec()).await.unwrap();
        assert_eq!(read(folder.path(), &[first]).unwrap(), [b"one".to_vec()]);
        drop(journal);
        ended.await.unwrap_err();

        let path = segment_path(folder.path(), 0);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[9, 0, 0, 0, 1, 2, 3, 4, b'x']).unwrap();
        let (all, journal, ended) = records(folder.path());
        assert_eq!(all, [b"one".to_vec(), b"two".to_vec()]);
        journal.append(b"three".to_vec()).await.unwrap();
        drop(journal);
        ended.await.unwrap_err();
        assert_eq!(records(folder.path()).0.len(), 3);
        let torn = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().contains(".torn-")
        });
        assert_eq!(torn.count(), 1);
    }

    #[tokio::test]
    async fn one_process_at_a_time_and_only_journals() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _journal, _ended) = records(folder.path());
        let again = tokio::task::spawn_blocking({
            let path = folder.path().to_owned();
            move || open(&path, &mut All::default()).map(|_| ())
        });
        assert!(matches!(again.await.unwrap(), Err(OpenError::InUse { .. })));
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("journal.log"), "something else").unwrap();
        let opened = open(other.path(), &mut All::default()).map(|_| ());
        assert!(matches!(opened, Err(OpenError::Version { .. })));
    }

    #[tokio::test]
    async fn files_are_sealed_and_read_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (_, journal, ended) = records(folder.path());
        let mut positions = Vec::new();
        for index in 0..9_u8 {
            positions.push(journal.append(vec![index + 1; 10]).await.unwrap());
        }
        assert!(positions.last().unwrap().segment >= 3);
        let stored = read(folder.path(), &positions).unwrap();
        drop(journal);
        ended.await.unwrap_err();
        assert_eq!(records(folder.path()).0, stored);
        // A sealed file is never shortened.
        let path = segment_path(folder.path(), 1);
        let length = std::fs::metadata(&path).unwrap().len();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
        let opened = open(folder.path(), &mut All::default());
        assert!(matches!(opened.map(|_| ()), Err(OpenError::Record { .. })));
    }
}
