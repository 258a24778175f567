//! The journal: an append-only file of checksummed records.
//!
//! One thread writes. It takes everything that waits, writes it at once and syncs it once, so the
//! cost of a sync is shared by all executions that move at the same time. A record that a crash
//! cut off is set aside at the next opening; what was acknowledged is never cut off.
//!
//! The file begins with [`MAGIC`]. A record is its length and its CRC-32, each four bytes, little
//! endian, then that many bytes of JSON.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    offset: u64,
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
    file: Arc<File>,
}

/// A record read when the journal was opened.
pub(crate) struct Stored {
    pub(crate) position: Position,
    pub(crate) bytes: Vec<u8>,
}

impl Journal {
    /// Opens the journal of `folder`, which is made if need be, and gives each record to `each`.
    /// The receiver is told when the writer has ended.
    pub(crate) fn open(
        folder: &Path,
        mut each: impl FnMut(Stored) -> Result<(), String>,
    ) -> Result<(Self, oneshot::Receiver<()>), OpenError> {
        std::fs::create_dir_all(folder).map_err(fault(folder))?;
        let lock = lock(folder)?;
        let path = folder.join("journal.log");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fault(&path))?;
        let end = replay(&mut file, &path, &mut each)?;
        set_tail_aside(&mut file, &path, end)?;
        let reader = file.try_clone().map_err(fault(&path))?;
        let (queue, appends) = mpsc::channel();
        let (ended, end_signal) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                write_all(&file, end, &appends);
                drop(lock);
                // Dropping it tells whoever waits.
                drop(ended);
            })
            .map_err(fault(&path))?;
        let journal = Self { queue, file: Arc::new(reader) };
        Ok((journal, end_signal))
    }

    /// Appends a record. The answer comes when it is on disk.
    pub(crate) async fn append(&self, record: Vec<u8>) -> io::Result<Position> {
        let (done, answer) = oneshot::channel();
        let closed = || io::Error::other("the journal is closed");
        self.queue.send(Append { record, done }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Reads a record.
    pub(crate) fn read(&self, position: Position) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; position.length as usize];
        self.file.read_exact_at(&mut bytes, position.offset + HEADER as u64)?;
        Ok(bytes)
    }
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
    each: &mut impl FnMut(Stored) -> Result<(), String>,
) -> Result<u64, OpenError> {
    let length = file.metadata().map_err(fault(path))?.len();
    if length < MAGIC.len() as u64 {
        // New, or cut off before the first sync.
        file.set_len(0).map_err(fault(path))?;
        file.write_all(MAGIC).map_err(fault(path))?;
        file.sync_all().map_err(fault(path))?;
        return Ok(MAGIC.len() as u64);
    }
    let mut reader = io::BufReader::with_capacity(1 << 20, &mut *file);
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
        if size == 0 || size as usize > LONGEST || u64::from(size) > left - HEADER as u64 {
            return Ok(offset);
        }
        let mut bytes = vec![0; size as usize];
        reader.read_exact(&mut bytes).map_err(fault(path))?;
        if crc32fast::hash(&bytes) != checksum {
            return Ok(offset);
        }
        let position = Position { offset, length: size };
        each(Stored { position, bytes }).map_err(|reason| OpenError::Record {
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
    let aside: PathBuf = path.with_file_name(format!("journal.torn-{end}"));
    tracing::warn!(bytes = length - end, kept = %aside.display(), "the journal's last record was cut off");
    file.seek(SeekFrom::Start(end)).map_err(fault(path))?;
    let mut copy = File::create(&aside).map_err(fault(&aside))?;
    io::copy(file, &mut copy).map_err(fault(&aside))?;
    file.set_len(end).map_err(fault(path))?;
    file.sync_all().map_err(fault(path))
}

fn write_all(file: &File, mut end: u64, appends: &mpsc::Receiver<Append>) {
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
        let mut bytes = Vec::with_capacity(size + batch.len() * HEADER);
        let mut answers = Vec::with_capacity(batch.len());
        for Append { record, done } in batch {
            let length = match u32::try_from(record.len()) {
                Ok(length) if record.len() <= LONGEST && length > 0 => length,
                _ => {
                    drop(done.send(Err(io::Error::other("a record is too long"))));
                    continue;
                }
            };
            let offset = end + bytes.len() as u64;
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&crc32fast::hash(&record).to_le_bytes());
            bytes.extend_from_slice(&record);
            answers.push((done, Position { offset, length }));
        }
        if broken.is_none()
            && let Err(error) = file.write_all_at(&bytes, end).and_then(|()| file.sync_data())
        {
            tracing::error!(%error, "cannot write the journal");
            broken = Some(error.kind());
        }
        if broken.is_none() {
            end += bytes.len() as u64;
        }
        for (done, position) in answers {
            let answer = broken.map_or(Ok(position), |kind| Err(io::Error::from(kind)));
            // The one who asked may have gone.
            drop(done.send(answer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(folder: &Path) -> (Vec<Vec<u8>>, Journal, oneshot::Receiver<()>) {
        let mut all = Vec::new();
        let (journal, ended) = Journal::open(folder, |stored| {
            all.push(stored.bytes);
            Ok(())
        })
        .unwrap();
        (all, journal, ended)
    }

    #[tokio::test]
    async fn keeps_records_and_sets_a_torn_tail_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (all, journal, ended) = records(folder.path());
        assert!(all.is_empty());
        let first = journal.append(b"one".to_vec()).await.unwrap();
        journal.append(b"two".to_vec()).await.unwrap();
        assert_eq!(journal.read(first).unwrap(), b"one");
        drop(journal);
        ended.await.unwrap_err();

        let path = folder.path().join("journal.log");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[9, 0, 0, 0, 1, 2, 3, 4, b'x']).unwrap();
        let (all, journal, ended) = records(folder.path());
        assert_eq!(all, [b"one".to_vec(), b"two".to_vec()]);
        journal.append(b"three".to_vec()).await.unwrap();
        drop(journal);
        ended.await.unwrap_err();
        assert_eq!(records(folder.path()).0.len(), 3);
        let torn = std::fs::read_dir(folder.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("journal.torn-")
        });
        assert_eq!(torn.count(), 1);
    }

    #[tokio::test]
    async fn one_process_at_a_time_and_only_journals() {
        let folder = tempfile::tempdir().unwrap();
        let (_, _journal, _ended) = records(folder.path());
        let again = tokio::task::spawn_blocking({
            let path = folder.path().to_owned();
            move || Journal::open(&path, |_| Ok(())).map(|_| ())
        });
        assert!(matches!(again.await.unwrap(), Err(OpenError::InUse { .. })));
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join("journal.log"), "something else").unwrap();
        let opened = Journal::open(other.path(), |_| Ok(())).map(|_| ());
        assert!(matches!(opened, Err(OpenError::Version { .. })));
    }
}
