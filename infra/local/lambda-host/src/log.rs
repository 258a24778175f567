//! The output of instances: a bounded file for each function, and the tail for each instance.

use crate::sync::lock;
use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// A file is moved aside at this size; one older file is kept.
const ROTATE_AT: u64 = 10 * 1024 * 1024;
/// What AWS returns of the log with an invocation.
const TAIL: usize = 4096;
/// A line longer than this is cut into pieces.
const LINE: usize = 16 * 1024;

/// The log file of a function.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl LogFile {
    pub(crate) fn open(path: &Path) -> io::Result<LogFile> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(LogFile { path: path.to_owned(), file, size, limit: ROTATE_AT })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size + bytes.len() as u64 > self.limit {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

/// Where the output of one instance goes.
#[derive(Debug)]
pub(crate) struct Sink {
    file: Option<Arc<Mutex<LogFile>>>,
    tail: Mutex<VecDeque<u8>>,
}

impl Sink {
    pub(crate) fn new(file: Option<Arc<Mutex<LogFile>>>) -> Sink {
        Sink { file, tail: Mutex::new(VecDeque::new()) }
    }

    pub(crate) fn write(&self, bytes: &[u8]) {
        let mut tail = lock(&self.tail);
        tail.extend(bytes);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
        drop(tail);
        if let Some(file) = &self.file
            && let Err(error) = lock(file).write(bytes)
        {
            tracing::warn!(%error, "failed to write a function's log");
        }
    }

    /// A new invocation begins: its tail holds nothing of the one before.
    pub(crate) fn begin(&self) {
        lock(&self.tail).clear();
    }

    pub(crate) fn tail(&self) -> String {
        let bytes: Vec<u8> = lock(&self.tail).iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Copies whole lines until the end, so that instances of one function do not mix theirs.
    pub(crate) async fn copy(&self, mut from: impl AsyncRead + Unpin) {
        let mut pending = Vec::new();
        let mut buffer = vec![0u8; 8192];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            pending.extend(buffer.iter().take(count));
            let whole = match pending.iter().rposition(|byte| *byte == b'\n') {
                Some(newline) => newline + 1,
                None if pending.len() >= LINE => pending.len(),
                None => continue,
            };
            let rest = pending.split_off(whole);
            self.write(&pending);
            pending = rest;
        }
        if !pending.is_empty() {
            pending.push(b'\n');
            self.write(&pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_the_tail_and_bounds_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/f.log");
        let mut file = LogFile::open(&path).unwrap();
        file.limit = 10_000;
        let sink = Sink::new(Some(Arc::new(Mutex::new(file))));
        let text = "a line of some length\n".repeat(1000) + "end without newline";
        sink.copy(text.as_bytes()).await;
        assert!(sink.tail().ends_with("length\nend without newline\n"));
        assert_eq!(sink.tail().len(), TAIL);
        let size = |p: &Path| std::fs::metadata(p).unwrap().len();
        assert!(size(&path) <= 10_000 && size(&folder.path().join("logs/f.log.1")) <= 10_000);
        sink.begin();
        assert_eq!(sink.tail(), "");
    }
}
