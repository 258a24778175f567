//! What a build wrote, as CloudWatch Logs keeps it: one event a line, each with its time.
//!
//! On disk an event is its time in milliseconds, a space and the line. A line longer than an event
//! may be is split, as the agent on AWS does. What is too much in all is left out in the middle:
//! the beginning and the end are what a reader needs.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use jiff::Timestamp;

/// The longest event.
const MAX_LINE: usize = 64 * 1024;
/// Bytes that are kept from the beginning, and from the end.
const HEAD: usize = 16 * 1024 * 1024;
const TAIL: usize = 16 * 1024 * 1024;

/// Writes the log of one build.
pub(crate) struct LogWriter {
    file: BufWriter<File>,
    line: Vec<u8>,
    written: usize,
    tail: VecDeque<(i64, Vec<u8>)>,
    tail_bytes: usize,
    left_out: u64,
}

impl LogWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(path)?),
            line: Vec::new(),
            written: 0,
            tail: VecDeque::new(),
            tail_bytes: 0,
            left_out: 0,
        })
    }

    /// Adds output; a line is an event once it has ended.
    pub(crate) fn push(&mut self, output: &[u8], at: Timestamp) -> io::Result<()> {
        for piece in output.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            for part in text.chunks(MAX_LINE) {
                if self.line.len() + part.len() > MAX_LINE {
                    self.event(at)?;
                }
                self.line.extend_from_slice(part);
            }
            if ended {
                self.event(at)?;
            }
        }
        Ok(())
    }

    /// Adds a whole line of the host's own.
    pub(crate) fn note(&mut self, text: &str, at: Timestamp) -> io::Result<()> {
        if !self.line.is_empty() {
            self.event(at)?;
        }
        let time = at.strftime("%Y/%m/%d %H:%M:%S");
        self.push(format!("[Container] {time} {text}\n").as_bytes(), at)
    }

    /// Makes what was written readable by others.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Writes what was held back.
    pub(crate) fn finish(mut self, at: Timestamp) -> io::Result<()> {
        if !self.line.is_empty() {
            self.event(at)?;
        }
        if self.left_out > 0 {
            let note = format!("[Container] {} lines are left out here", self.left_out);
            write_event(&mut self.file, at.as_millisecond(), note.as_bytes())?;
        }
        for (time, line) in std::mem::take(&mut self.tail) {
            write_event(&mut self.file, time, &line)?;
        }
        self.file.flush()
    }

    fn event(&mut self, at: Timestamp) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let time = at.as_millisecond();
        if self.tail.is_empty() && self.written + line.len() < HEAD {
            self.written += line.len() + 1;
            return write_event(&mut self.file, time, &line);
        }
        self.tail_bytes += line.len() + 1;
        self.tail.push_back((time, line));
        while self.tail_bytes > TAIL {
            let Some((_, oldest)) = self.tail.pop_front() else { break };
            self.tail_bytes -= oldest.len() + 1;
            self.left_out += 1;
        }
        Ok(())
    }
}

fn write_event(file: &mut impl Write, time: i64, line: &[u8]) -> io::Result<()> {
    write!(file, "{time} ")?;
    file.write_all(line)?;
    file.write_all(b"\n")
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEvent {
    pub(crate) time: i64,
    pub(crate) message: String,
}

/// A page of events, and where the next begins.
pub(crate) struct Page {
    pub(crate) events: Vec<LogEvent>,
    pub(crate) next: u64,
}

/// Bytes of a page.
const PAGE: u64 = 1024 * 1024;

/// Where the last `limit` events begin that fit into a page.
pub(crate) fn tail(path: &Path, limit: usize) -> io::Result<u64> {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(PAGE);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(PAGE).read_to_end(&mut end)?;
    // A line that has not ended is still being written.
    let ends: Vec<usize> =
        end.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    let before = ends.iter().rev().nth(limit).or_else(|| ends.first().filter(|_| from > 0));
    Ok(from + before.map_or(0, |at| *at as u64 + 1))
}

/// Reads at most `limit` events and about a megabyte from an offset on.
pub(crate) fn read(path: &Path, from: u64, limit: usize) -> io::Result<Page> {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    let (mut events, mut next, mut bytes) = (Vec::new(), from, 0);
    let mut line = Vec::new();
    while events.len() < limit && (bytes as u64) < PAGE {
        line.clear();
        let read = reader.by_ref().take(2 * MAX_LINE as u64).read_until(b'\n', &mut line)?;
        // A line without its end is still being written.
        if read == 0 || line.pop() != Some(b'\n') {
            break;
        }
        next += read as u64;
        bytes += read;
        let text = String::from_utf8_lossy(&line);
        let Some((time, message)) = text.split_once(' ') else { continue };
        let Ok(time) = time.parse() else { continue };
        events.push(LogEvent { time, message: message.to_owned() });
    }
    Ok(Page { events, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events_and_a_line_that_is_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogWriter::create(&path).unwrap();
        let at = Timestamp::from_millisecond(1_000).unwrap();
        log.push(b"one\r\ntwo\nthr", at).unwrap();
        log.flush().unwrap();
        let page = read(&path, 0, 10).unwrap();
        let texts: Vec<_> = page.events.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        log.push(b"ee", at).unwrap();
        log.finish(at).unwrap();
        let page = read(&path, page.next, 10).unwrap();
        assert_eq!(page.events, [LogEvent { time: 1_000, message: "three".to_owned() }]);
        assert!(read(&path, page.next, 10).unwrap().events.is_empty());
        for (limit, first) in [(1, "three"), (2, "two"), (3, "one"), (9, "one")] {
            let page = read(&path, tail(&path, limit).unwrap(), limit).unwrap();
            assert_eq!(page.events[0].message, first, "{limit}");
        }
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogWriter::create(&path).unwrap();
        let at = Timestamp::from_millisecond(1).unwrap();
        let block: Vec<u8> =
            (0..1024).flat_map(|_| [vec![b'x'; 1023], vec![b'\n']].concat()).collect();
        log.push(b"first\n", at).unwrap();
        for _ in 0..64 {
            log.push(&block, at).unwrap();
        }
        log.push(b"last\n", at).unwrap();
        log.finish(at).unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        assert!(size < (HEAD + TAIL) as u64 + 1024 * 1024, "{size} bytes");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("1 first\n") && text.ends_with("1 last\n"));
        assert!(text.contains("lines are left out here"));
    }
}
