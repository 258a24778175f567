//! The thread that writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::files::{begin_segment, remove_segment};
use super::format::{self, MAGIC, Position};
use super::mark::{Mark, Marker};

/// How many bytes are written at once, at most, besides the first record.
const BATCH: usize = 8 * 1024 * 1024;
/// How often it is tried whether writing works again.
const TRIAL: Duration = Duration::from_millis(100);
/// How many bytes are written to try it.
const TRIAL_BYTES: usize = 64 * 1024;

/// Whether records can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// The last attempt failed; all records are refused until one works.
    Failing {
        kind: io::ErrorKind,
        reason: String,
    },
}

impl Health {
    pub(crate) fn is_well(&self) -> bool {
        *self == Self::Well
    }

    /// What is refused while writing fails.
    fn refusal(&self) -> Option<io::Error> {
        match self {
            Self::Well => None,
            Self::Failing { kind, reason } => Some(io::Error::new(*kind, reason.clone())),
        }
    }
}

enum Command {
    Append {
        record: Vec<u8>,
        done: oneshot::Sender<io::Result<Position>>,
    },
    /// Remove the segments before `first`, in which nothing counts any longer.
    Remove {
        first: u32,
        done: oneshot::Sender<io::Result<()>>,
    },
}

/// A handle on the journal; the writer ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Journal {
    queue: mpsc::Sender<Command>,
    health: watch::Receiver<Health>,
    first: Arc<AtomicU32>,
    active: Arc<AtomicU32>,
}

/// Called on a thread of its own with each file that is sealed.
pub(crate) type OnSealed = Arc<dyn Fn(u32) + Send + Sync>;

fn closed() -> io::Error {
    io::Error::other("the journal is closed")
}

impl Journal {
    /// Appends a record. The answer comes when it is on disk.
    ///
    /// # Errors
    ///
    /// What was refused is not in the journal and will not be.
    pub(crate) async fn append(&self, record: Vec<u8>) -> io::Result<Position> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Command::Append { record, done }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Removes the segments before `first`.
    pub(crate) async fn remove_before(&self, first: u32) -> io::Result<()> {
        let (done, answer) = oneshot::channel();
        self.queue.send(Command::Remove { first, done }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Whether records can be written.
    pub(crate) fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Waits until records can be written.
    pub(crate) async fn recovered(&self) {
        // The writer ends only with its last handle.
        drop(self.health.clone().wait_for(Health::is_well).await);
    }

    /// The first segment that there is.
    pub(crate) fn first(&self) -> u32 {
        self.first.load(Ordering::Relaxed)
    }

    /// The segment that is written.
    pub(crate) fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }
}

pub(super) struct Writer {
    folder: PathBuf,
    file: File,
    segment: u32,
    end: u64,
    segment_size: u64,
    marker: Marker,
    on_sealed: OnSealed,
    health: watch::Sender<Health>,
    /// When it was last tried whether writing works again.
    tried: Instant,
    first: Arc<AtomicU32>,
    active: Arc<AtomicU32>,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        (segment, file, end): (u32, File, u64),
        segment_size: u32,
        marker: Marker,
        on_sealed: OnSealed,
    ) -> Self {
        let first = marker.mark.first;
        Self {
            folder: folder.to_owned(),
            file,
            segment,
            end,
            segment_size: u64::from(segment_size),
            marker,
            on_sealed,
            health: watch::Sender::new(Health::Well),
            tried: Instant::now(),
            first: Arc::new(AtomicU32::new(first)),
            active: Arc::new(AtomicU32::new(segment)),
        }
    }

    /// Starts the thread, which holds `lock` until it ends.
    pub(super) fn spawn(mut self, lock: File) -> io::Result<(Journal, oneshot::Receiver<()>)> {
        let (queue, commands) = mpsc::channel();
        let (ended, end_signal) = oneshot::channel::<()>();
        let journal = Journal {
            queue,
            health: self.health.subscribe(),
            first: Arc::clone(&self.first),
            active: Arc::clone(&self.active),
        };
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            self.work(&commands);
            drop(self);
            drop(lock);
            // Dropping it tells whoever waits.
            drop(ended);
        })?;
        Ok((journal, end_signal))
    }

    fn work(&mut self, commands: &mpsc::Receiver<Command>) {
        loop {
            let first = if self.health.borrow().is_well() {
                commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                commands.recv_timeout(TRIAL)
            };
            let mut batch = Vec::new();
            let mut size = 0;
            match first {
                Ok(command) => self.sort(command, &mut batch, &mut size),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while size < BATCH {
                let Ok(command) = commands.try_recv() else { break };
                self.sort(command, &mut batch, &mut size);
            }
            if !self.health.borrow().is_well() && self.tried.elapsed() >= TRIAL {
                self.try_again();
                self.tried = Instant::now();
            }
            if !batch.is_empty() {
                self.write(batch);
            }
        }
    }

    fn sort(&mut self, command: Command, batch: &mut Vec<Append>, size: &mut usize) {
        match command {
            Command::Append { record, done } => {
                *size += record.len();
                batch.push(Append { record, done });
            }
            // The one who asked may have gone.
            Command::Remove { first, done } => drop(done.send(self.remove_before(first))),
        }
    }

    fn write(&mut self, batch: Vec<Append>) {
        if let Some(refusal) = self.health.borrow().refusal() {
            for Append { done, .. } in batch {
                let refusal = io::Error::new(refusal.kind(), refusal.to_string());
                drop(done.send(Err(refusal)));
            }
            return;
        }
        if self.end >= self.segment_size {
            self.roll();
        }
        let mut bytes = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for Append { record, done } in batch {
            let offset = u32::try_from(self.end + bytes.len() as u64);
            let length = u32::try_from(record.len());
            let (Ok(offset), Ok(length), Some(header)) = (offset, length, format::header(&record))
            else {
                drop(done.send(Err(io::Error::other("a record is too long"))));
                continue;
            };
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(&record);
            answers.push((done, Position { segment: self.segment, offset, length }));
        }
        let end = self.end + bytes.len() as u64;
        match self.file.write_all_at(&bytes, self.end).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.end = end;
                let mark = Mark { segment: self.segment, end, ..self.marker.mark };
                if let Err(error) = self.marker.set(mark) {
                    tracing::warn!(%error, "cannot note how far the journal is");
                }
                for (done, position) in answers {
                    drop(done.send(Ok(position)));
                }
            }
            Err(error) => {
                self.fail(&error);
                for (done, _) in answers {
                    drop(done.send(Err(io::Error::new(error.kind(), error.to_string()))));
                }
            }
        }
    }

    /// Notes that writing failed, and takes back what of it is in the file.
    fn fail(&mut self, error: &io::Error) {
        let failing = Health::Failing { kind: error.kind(), reason: error.to_string() };
        tracing::error!(%error, folder = %self.folder.display(), "cannot write the journal; what cannot be kept is refused until it works again");
        if let Err(error) = self.file.set_len(self.end) {
            tracing::error!(%error, "cannot take back what was written in part");
        }
        self.tried = Instant::now();
        self.health.send_replace(failing);
    }

    /// Tries whether writing works again: in this file or, where that is at fault, in a new one.
    fn try_again(&mut self) {
        let trial = |file: &File, end: u64| -> io::Result<()> {
            file.set_len(end)?;
            file.write_all_at(&[0; TRIAL_BYTES], end)?;
            file.sync_data()?;
            file.set_len(end)?;
            file.sync_data()
        };
        let works = match trial(&self.file, self.end) {
            Ok(()) => true,
            Err(error) if is_full(&error) => {
                // What was written of the trial takes no room either.
                drop(self.file.set_len(self.end));
                false
            }
            Err(_) => self.roll() && trial(&self.file, self.end).is_ok(),
        };
        if works {
            tracing::info!("the journal can be written again");
            self.health.send_replace(Health::Well);
        }
    }

    /// Seals the file and begins the next one. Where that fails the file goes on growing.
    fn roll(&mut self) -> bool {
        let Some(next) = self.segment.checked_add(1) else {
            return false;
        };
        match begin_segment(&self.folder, next) {
            Ok(file) => {
                let sealed = std::mem::replace(&mut self.segment, next);
                self.file = file;
                self.end = MAGIC.len() as u64;
                self.active.store(next, Ordering::Relaxed);
                let on_sealed = Arc::clone(&self.on_sealed);
                let spawned = std::thread::Builder::new()
                    .name("journal-summary".to_owned())
                    .spawn(move || on_sealed(sealed));
                if let Err(error) = spawned {
                    tracing::warn!(%error, "a sealed journal file is summed up at the next opening");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "cannot begin another journal file");
                false
            }
        }
    }

    fn remove_before(&mut self, first: u32) -> io::Result<()> {
        let before = self.marker.mark.first;
        let first = first.min(self.segment);
        if first <= before {
            return Ok(());
        }
        // Noted first: a file that is missing is known to have been removed.
        self.marker.set(Mark { first, ..self.marker.mark })?;
        self.marker.sync()?;
        self.first.store(first, Ordering::Relaxed);
        (before..first).try_for_each(|segment| remove_segment(&self.folder, segment))
    }
}

struct Append {
    record: Vec<u8>,
    done: oneshot::Sender<io::Result<Position>>,
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
