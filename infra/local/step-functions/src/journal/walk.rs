//! Reading a file from its beginning to its end, whatever stands in between.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::format::{self, Beginning, HEADER};

/// How much is read at once.
const WINDOW: usize = 1 << 20;

/// What a file holds besides its records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub(super) beginning: Beginning,
    /// How many records there are.
    pub(super) records: usize,
    /// Stretches that are no records and have records behind them.
    pub(super) damaged: Vec<(u64, u64)>,
    /// Where the last record ends.
    pub(super) end: u64,
    /// The file's length.
    pub(super) length: u64,
    /// Whether what follows the last record can be what a crash left of a write: less than a
    /// record says that it is, or nothing but zeros.
    pub(super) cut_off: bool,
}

/// Why a walk did not come to its end.
#[derive(Debug)]
pub(super) enum Halt {
    Io(io::Error),
    /// The record there was refused.
    Refused {
        offset: u64,
        reason: String,
    },
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Takes a record and the offset where it begins, or says why not.
pub(super) type Each<'a> = dyn FnMut(u32, &[u8]) -> Result<(), String> + 'a;

/// Gives each record of a file, with the offset where it begins, to `each`. Behind what is no
/// record the next one is looked for.
pub(super) fn walk(file: &File, each: &mut Each<'_>) -> Result<Walk, Halt> {
    let mut window = Window { file, length: file.metadata()?.len(), start: 0, held: Vec::new() };
    let first = window.bytes(0, HEADER)?.and_then(|bytes| bytes.first_chunk::<8>().copied());
    let beginning = first.map_or(Beginning::Unknown, |bytes| Beginning::of(&bytes));
    let mut walk = Walk {
        beginning,
        records: 0,
        damaged: Vec::new(),
        end: 0,
        length: window.length,
        cut_off: false,
    };
    if beginning == Beginning::OtherVersion {
        return Ok(walk);
    }
    let mut offset = 0;
    if beginning == Beginning::Sound {
        offset = HEADER as u64;
        walk.end = offset;
    }
    while offset < window.length {
        if let (Ok(short), Some(record)) = (u32::try_from(offset), window.record(offset)?) {
            each(short, record).map_err(|reason| Halt::Refused { offset, reason })?;
            walk.records += 1;
            offset += (HEADER + record.len()) as u64;
            walk.end = offset;
            continue;
        }
        match window.next_record(offset + 1)? {
            Some(next) => {
                walk.damaged.push((offset, next));
                offset = next;
            }
            None => {
                walk.cut_off = window.is_cut_off(offset)?;
                break;
            }
        }
    }
    Ok(walk)
}

/// A part of a file in memory.
struct Window<'a> {
    file: &'a File,
    length: u64,
    start: u64,
    held: Vec<u8>,
}

impl Window<'_> {
    /// `count` bytes from `offset` on; none when the file ends before.
    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let left = self.length.saturating_sub(offset);
        if (count as u64) > left {
            return Ok(None);
        }
        let held_end = self.start + self.held.len() as u64;
        if offset < self.start || offset + count as u64 > held_end {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(count.max(WINDOW));
            self.held.resize(wanted, 0);
            self.start = offset;
            self.file.read_exact_at(&mut self.held, offset)?;
        }
        let at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.held.get(at..at + count))
    }

    fn header(&mut self, offset: u64) -> io::Result<Option<[u8; HEADER]>> {
        Ok(self.bytes(offset, HEADER)?.and_then(|bytes| bytes.first_chunk().copied()))
    }

    /// The record at `offset`, where a sound one stands there.
    fn record(&mut self, offset: u64) -> io::Result<Option<&[u8]>> {
        let Some(header) = self.header(offset)? else {
            return Ok(None);
        };
        let Some(length) = format::length(header) else {
            return Ok(None);
        };
        let bytes = self.bytes(offset + HEADER as u64, length as usize)?;
        Ok(bytes.filter(|bytes| format::is_sound(header, bytes)))
    }

    /// Where the next record begins, from `offset` on.
    ///
    /// JSON text holds no zero bytes, and the length of a record below 16 MiB has one: what stands
    /// inside of a record is not taken for one.
    fn next_record(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        const LEAST: usize = HEADER + 3;
        while offset + LEAST as u64 <= self.length {
            let left = usize::try_from(self.length - offset).unwrap_or(usize::MAX);
            let Some(bytes) = self.bytes(offset, left.min(WINDOW))? else {
                return Ok(None);
            };
            let candidates: Vec<usize> = bytes
                .array_windows::<LEAST>()
                .enumerate()
                .filter(|(_, [a, b, c, d, .., x, y, z])| {
                    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                    (3..=format::LONGEST).contains(&length) && format::begins_record([*x, *y, *z])
                })
                .map(|(at, _)| at)
                .collect();
            let scanned = bytes.len() - LEAST + 1;
            for at in candidates {
                let place = offset + at as u64;
                if self.record(place)?.is_some() {
                    return Ok(Some(place));
                }
            }
            offset += scanned as u64;
        }
        Ok(None)
    }

    fn is_cut_off(&mut self, offset: u64) -> io::Result<bool> {
        let left = self.length - offset;
        let claimed = match self.header(offset)? {
            None => return Ok(true),
            Some(header) => format::length(header),
        };
        if claimed.is_some_and(|length| u64::from(length) > left - HEADER as u64) {
            return Ok(true);
        }
        let mut at = offset;
        while at < self.length {
            let count = usize::try_from(self.length - at).unwrap_or(WINDOW).min(WINDOW);
            let Some(bytes) = self.bytes(at, count)? else { break };
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            at += count as u64;
        }
        Ok(true)
    }
}
