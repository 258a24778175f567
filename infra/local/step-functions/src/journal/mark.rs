//! Up to where the journal was acknowledged, kept beside it.
//!
//! The mark is written after each sync and not synced itself: it is never ahead of the records,
//! and after the end of a process, however it came, it is exact. After a loss of power it may be
//! behind. So what is missing below it is lost, and what makes no sense above it may be torn.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const NAME: &str = "journal.end";
const LENGTH: usize = 20;

/// Which files there are, and up to where the last one was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// The first segment; those before it were removed on purpose.
    pub(super) first: u32,
    /// The last one.
    pub(super) segment: u32,
    /// Where the last acknowledged record in it ends.
    pub(super) end: u64,
}

impl Mark {
    fn encode(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let mut put = |at: usize, part: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
        };
        put(0, &self.first.to_le_bytes());
        put(4, &self.segment.to_le_bytes());
        put(8, &self.end.to_le_bytes());
        let sum = crc32fast::hash(bytes.get(..16).unwrap_or_default());
        if let Some(place) = bytes.get_mut(16..) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let end = bytes.get(8..16)?.try_into().ok().map(u64::from_le_bytes)?;
        let mark = Self { first: word(0)?, segment: word(4)?, end };
        (mark.encode() == *bytes).then_some(mark)
    }

    /// The mark of `folder`, where there is one that can be read.
    pub(super) fn load(folder: &Path) -> Option<Self> {
        Self::decode(&std::fs::read(folder.join(NAME)).ok()?)
    }
}

/// Where the mark is written.
pub(super) struct Marker {
    file: File,
    pub(super) mark: Mark,
}

impl Marker {
    pub(super) fn open(folder: &Path, mark: Mark) -> io::Result<Self> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(NAME))?;
        let mut marker = Self { file, mark };
        marker.set(mark)?;
        Ok(marker)
    }

    pub(super) fn set(&mut self, mark: Mark) -> io::Result<()> {
        self.file.write_all_at(&mark.encode(), 0)?;
        self.mark = mark;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_mark_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Mark::load(folder.path()), None);
        let mark = Mark { first: 3, segment: 7, end: 1 << 40 };
        Marker::open(folder.path(), mark).unwrap();
        assert_eq!(Mark::load(folder.path()), Some(mark));
        let path = folder.path().join(NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[9] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Mark::load(folder.path()), None);
    }
}
