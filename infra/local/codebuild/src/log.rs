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
/// Bytes of the end that are held together, and given up together.
const PIECE: usize = 256 * 1024;

/// Writes the log of one build.
pub(crate) struct LogWriter {
    file: BufWriter<File>,
    line: Vec<u8>,
    written: usize,
    tail: Tail,
    left_out: u64,
}

/// The end of a log as it is written: whole events, in pieces, so that short lines take no more
/// memory than long ones.
#[derive(Default)]
struct Tail {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    lines: u64,
}

impl Tail {
    /// Takes an event in, and says how many had to go for it.
    fn push(&mut self, time: &[u8], line: &[u8]) -> u64 {
        let size = event_size(time, line);
        let room = self.pieces.back().is_some_and(|piece| piece.text.len() + size <= PIECE);
        if !room {
            let text = Vec::with_capacity(PIECE.max(size));
            self.pieces.push_back(Piece { text, lines: 0 });
        }
        if let Some(piece) = self.pieces.back_mut() {
            for part in [time, line, b"\n"] {
                piece.text.extend_from_slice(part);
            }
            piece.lines += 1;
        }
        self.bytes += size;
        let mut gone = 0;
        while self.bytes > TAIL {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.bytes -= oldest.text.len();
            gone += oldest.lines;
        }
        gone
    }
}

impl LogWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(path)?),
            line: Vec::new(),
            written: 0,
            tail: Tail::default(),
            left_out: 0,
        })
    }

    /// Adds output; a line is an event once it has ended.
    pub(crate) fn push(&mut self, output: &[u8], at: Timestamp) -> io::Result<()> {
        let time = stamp(at);
        for piece in output.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            // Most lines come whole.
            if ended && self.line.is_empty() && text.len() <= MAX_LINE {
                self.event(&time, text)?;
                continue;
            }
            for part in text.chunks(MAX_LINE) {
                if self.line.len() + part.len() > MAX_LINE {
                    self.end_line(&time)?;
                }
                self.line.extend_from_slice(part);
            }
            if ended {
                self.end_line(&time)?;
            }
        }
        Ok(())
    }

    /// Adds a whole line of the host's own.
    pub(crate) fn note(&mut self, text: &str, at: Timestamp) -> io::Result<()> {
        if !self.line.is_empty() {
            self.end_line(&stamp(at))?;
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
        let time = stamp(at);
        if !self.line.is_empty() {
            self.end_line(&time)?;
        }
        if self.left_out > 0 {
            let note = format!("[Container] {} lines are left out here", self.left_out);
            write_event(&mut self.file, &time, note.as_bytes())?;
        }
        for piece in std::mem::take(&mut self.tail.pieces) {
            self.file.write_all(&piece.text)?;
        }
        self.file.flush()
    }

    /// What was begun of a line is one.
    fn end_line(&mut self, time: &[u8]) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.line);
        let written = self.event(time, &line);
        line.clear();
        self.line = line;
        written
    }

    fn event(&mut self, time: &[u8], line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let size = event_size(time, line);
        if self.tail.bytes == 0 && self.written + size < HEAD {
            self.written += size;
            return write_event(&mut self.file, time, line);
        }
        self.left_out += self.tail.push(time, line);
        Ok(())
    }
}

/// The time of an event, as it stands before its line.
fn stamp(at: Timestamp) -> Vec<u8> {
    format!("{} ", at.as_millisecond()).into_bytes()
}

/// Bytes of an event as it is written.
fn event_size(time: &[u8], line: &[u8]) -> usize {
    time.len() + line.len() + 1
}

fn write_event(file: &mut impl Write, time: &[u8], line: &[u8]) -> io::Result<()> {
    file.write_all(time)?;
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

    #[test]
    fn short_lines_take_no_more_room_than_long_ones_and_none_is_lost_untold() {
        const LINES: usize = 6_000_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogWriter::create(&path).unwrap();
        let at = Timestamp::from_millisecond(1).unwrap();
        let block = b"yes\n".repeat(LINES / 100);
        for _ in 0..100 {
            log.push(&block, at).unwrap();
        }
        let held: usize = log.tail.pieces.iter().map(|piece| piece.text.capacity()).sum();
        assert!(held <= TAIL + PIECE, "{held} bytes");
        log.finish(at).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() < HEAD + TAIL + 100, "{} bytes", text.len());
        let kept = text.lines().filter(|line| *line == "1 yes").count();
        let said = text.lines().find_map(|line| {
            line.strip_prefix("1 [Container] ")?.strip_suffix(" lines are left out here")
        });
        assert_eq!(kept + said.unwrap().parse::<usize>().unwrap(), LINES);
    }
}
