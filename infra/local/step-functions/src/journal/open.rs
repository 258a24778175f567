//! Opening a journal: reading what is there, telling what is not.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

use super::damage::Damage;
use super::files::{begin_segment, lock, remove_segment, segment_path, segments};
use super::format::{Beginning, MAGIC, Position};
use super::mark::{Mark, Marker};
use super::walk::{Halt, Walk, walk};
use super::writer::{Journal, OnSealed, Writer};
use crate::error::OpenError;

/// How long a file without records is.
const EMPTY: u64 = MAGIC.len() as u64;

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
    /// The records of a file have all been given; `sealed` when it will not grow. `damage` is what
    /// of the file could not be read.
    fn finished(&mut self, segment: u32, sealed: bool, damage: &[Damage]);
}

/// A journal that was opened.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    /// Assessment when the writer has ended.
    pub(crate) ended: oneshot::Receiver<()>,
    /// Files that are gone. What is damaged in those that are there, the reader was told.
    pub(crate) missing: Vec<Damage>,
    /// Whether files were removed because nothing in them counted any longer.
    pub(crate) compacted: bool,
}

/// Opens the journal of `folder`, which is made if need be, and gives its records to `reader`.
pub(crate) fn open(
    folder: &Path,
    segment_size: u32,
    now: i64,
    reader: &mut dyn Reader,
    on_sealed: OnSealed,
) -> Result<Opened, OpenError> {
    std::fs::create_dir_all(folder).map_err(fault(folder))?;
    let lock = lock(folder)?;
    let mut known = segments(folder).map_err(fault(folder))?;
    let mark = Mark::load(folder);
    let first = mark.map_or_else(|| known.first().copied().unwrap_or(0), |mark| mark.first);
    // What is left of a removal that did not come to its end.
    for segment in known.extract_if(.., |segment| *segment < first) {
        remove_segment(folder, segment).map_err(fault(folder))?;
    }
    let acknowledged = |segment: u32| match mark {
        Some(mark) if mark.segment == segment => mark.end,
        _ => 0,
    };
    let newest = mark.map(|mark| mark.segment).filter(|segment| acknowledged(*segment) > EMPTY);
    let last = known.last().copied().max(newest);
    let mut missing = Vec::new();
    let mut active = None;
    let mut next = first;
    for segment in
        known.iter().copied().chain(newest.filter(|newest| Some(*newest) > known.last().copied()))
    {
        if mark.is_some() && segment > next {
            missing.push(gone(folder, next, segment - 1, acknowledged(next)));
        }
        next = segment.saturating_add(1);
        let path = segment_path(folder, segment);
        if !known.contains(&segment) {
            missing.push(gone(folder, segment, segment, acknowledged(segment)));
            continue;
        }
        let is_last = Some(segment) == last;
        if !is_last && reader.summarised(segment) {
            continue;
        }
        let file = open_existing(&path)?;
        let only = known.len() == 1 && mark.is_none();
        let read = read_segment(&file, &path, segment, reader, only)?;
        let mut told = judge(&read, &path, is_last, acknowledged(segment), mark.is_some());
        describe(&file, &mut told.damage, now).map_err(fault(&path))?;
        for damage in &told.damage {
            tracing::error!(%damage, "the journal is damaged");
        }
        // A damaged file stays as it is: what comes goes into the next one.
        let sealed = !is_last || !told.damage.is_empty();
        reader.finished(segment, sealed, &told.damage);
        if !sealed {
            if let Some(torn) = told.torn {
                set_tail_aside(&file, &path, torn).map_err(fault(&path))?;
            }
            active = Some((segment, file, read.end));
        }
    }
    for damage in &mut missing {
        damage.found = now;
        tracing::error!(%damage, "the journal is damaged");
    }
    let (segment, file, end) = match active {
        // A file that was cut off before its first bytes were there.
        Some((segment, _, 0)) => begin(folder, segment)?,
        Some(active) => active,
        None => begin(folder, next)?,
    };
    let mark = Mark { first, segment, end };
    let marker = Marker::open(folder, mark).map_err(fault(folder))?;
    let writer = Writer::new(folder, (segment, file, end), segment_size, marker, on_sealed);
    let (journal, ended) = writer.spawn(lock).map_err(fault(folder))?;
    Ok(Opened { journal, ended, missing, compacted: first > 0 })
}

fn begin(folder: &Path, segment: u32) -> Result<(u32, File, u64), OpenError> {
    let file = begin_segment(folder, segment).map_err(fault(&segment_path(folder, segment)))?;
    Ok((segment, file, EMPTY))
}

fn open_existing(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(fault(path))
}

fn fault(path: &Path) -> impl Fn(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    move |source| OpenError::Io { path: path.clone(), source }
}

fn read_segment(
    file: &File,
    path: &Path,
    segment: u32,
    reader: &mut dyn Reader,
    only: bool,
) -> Result<Walk, OpenError> {
    let mut each = |offset, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).map_err(|error| error.to_string())?;
        let position = Position { segment, offset, length };
        reader.record(Stored { position, bytes: bytes.to_vec() })
    };
    let read = walk(file, &mut each).map_err(|halt| match halt {
        Halt::Io(source) => OpenError::Io { path: path.to_owned(), source },
        Halt::Refused { offset, reason } => {
            OpenError::Record { path: path.to_owned(), offset, reason }
        }
    })?;
    let foreign = read.beginning == Beginning::Unknown && read.records == 0 && read.length >= EMPTY;
    if read.beginning == Beginning::OtherVersion || (foreign && only) {
        return Err(OpenError::Version { path: path.to_owned() });
    }
    Ok(read)
}

/// What opening finds of a file besides its records.
struct Assessment {
    /// Where the tail is torn, where it is.
    torn: Option<u64>,
    damage: Vec<Damage>,
}

/// What a file that was read is. `acknowledged` is the end of the last record that is known to
/// have been in it, where it was the one that was written; `marked` whether that is known at all.
fn judge(read: &Walk, path: &Path, is_last: bool, acknowledged: u64, marked: bool) -> Assessment {
    const NO_RECORD: &str = "what stands there is no record";
    let mut damage = Vec::new();
    let mut tell = |from, to, reason| damage.push(Damage::new(path.to_owned(), from, to, reason));
    // Cut off before its first bytes were there.
    if is_last && read.length < EMPTY && acknowledged <= EMPTY {
        return Assessment { torn: None, damage };
    }
    let mut tail = read.end;
    if read.beginning != Beginning::Sound {
        let reason = match read.length {
            0 => "the file is empty",
            _ => "its first bytes are not those of a journal",
        };
        let to = match read.damaged.first() {
            Some((0, to)) => *to,
            // A record stands in their place.
            _ if read.records > 0 => 0,
            _ => read.length.max(acknowledged),
        };
        tell(0, to, reason);
        tail = tail.max(to);
    }
    for (from, to) in read.damaged.iter().copied().filter(|(from, _)| *from > 0) {
        tell(from, to, NO_RECORD);
    }
    let mut torn = None;
    if acknowledged > tail {
        let shorter = read.length < acknowledged;
        tell(
            tail,
            acknowledged,
            if shorter { "the file is shorter than it was" } else { NO_RECORD },
        );
    } else if read.length > tail {
        // Nobody was told that it is there: a crash came first.
        if is_last && (marked || read.cut_off) {
            torn = Some(tail);
        } else {
            tell(tail, read.length, NO_RECORD);
        }
    }
    Assessment { torn, damage }
}

/// Notes when damage was found, and which executions the lost bytes name.
fn describe(file: &File, damage: &mut [Damage], now: i64) -> io::Result<()> {
    const MOST: u64 = 4 * 1024 * 1024;
    for damage in damage {
        damage.found = now;
        let mut bytes = Vec::new();
        let mut file = file;
        file.seek(SeekFrom::Start(damage.from))?;
        file.take(damage.to.saturating_sub(damage.from).min(MOST)).read_to_end(&mut bytes)?;
        damage.name(&bytes);
    }
    Ok(())
}

/// Files that are no longer there.
fn gone(folder: &Path, from: u32, to: u32, length: u64) -> Damage {
    let reason = match to - from {
        0 => "the file is gone".to_owned(),
        more => format!("the file is gone, and so are the {more} after it"),
    };
    Damage::new(segment_path(folder, from), 0, length, &reason)
}

/// Keeps what follows the last whole record in a file of its own, and cuts it off.
fn set_tail_aside(mut file: &File, path: &Path, end: u64) -> io::Result<()> {
    let length = file.metadata()?.len();
    let aside: PathBuf = path.with_file_name(format!(
        "{}.torn-{end}",
        path.file_stem().unwrap_or_default().to_string_lossy()
    ));
    tracing::warn!(bytes = length - end, kept = %aside.display(), "the journal's last record was cut off");
    file.seek(SeekFrom::Start(end))?;
    let mut copy = File::create(&aside)?;
    io::copy(&mut file, &mut copy)?;
    file.set_len(end)?;
    file.sync_all()
}

/// Reads one sealed segment again.
pub(crate) fn reread(
    folder: &Path,
    segment: u32,
    now: i64,
    reader: &mut dyn Reader,
) -> Result<(), OpenError> {
    let path = segment_path(folder, segment);
    let file = File::open(&path).map_err(fault(&path))?;
    let read = read_segment(&file, &path, segment, reader, false)?;
    let mut told = judge(&read, &path, false, 0, true);
    describe(&file, &mut told.damage, now).map_err(fault(&path))?;
    reader.finished(segment, true, &told.damage);
    Ok(())
}
