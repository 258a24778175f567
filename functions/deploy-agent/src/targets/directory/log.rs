//! Output of builds and services, bounded.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Most bytes of a build's log; what follows is only counted.
const MAX_BUILD_LOG: u64 = 4 * 1024 * 1024;
/// Bytes at the end of a log that are looked at.
const TAIL: u64 = 4 * 1024;
/// Lines of evidence.
const LINES: usize = 15;

/// The last lines of a log; none when there are none.
pub(crate) fn tail(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes).ok()?;
    last_lines(&bytes)
}

/// The last lines of `bytes`, without control characters.
pub(crate) fn last_lines(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control() || *c == '\t').collect::<String>())
        .filter(|line| !line.trim().is_empty())
        .collect();
    let first = lines.len().saturating_sub(LINES);
    let text = lines.get(first..)?.join("\n");
    (!text.is_empty()).then_some(text)
}

/// The log of a build: its beginning on disk, its end in memory.
pub(crate) struct BuildLog {
    file: File,
    left: u64,
    end: Vec<u8>,
}

impl BuildLog {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, left: MAX_BUILD_LOG, end: Vec::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let count = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.file.write_all(bytes.get(..count).unwrap_or_default())?;
        self.left -= count as u64;
        self.end.extend_from_slice(bytes);
        let keep = usize::try_from(TAIL).unwrap_or(usize::MAX);
        if self.end.len() > keep * 2 {
            self.end.drain(..self.end.len() - keep);
        }
        Ok(())
    }

    pub(crate) fn last_lines(&self) -> Option<String> {
        last_lines(&self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_much_output_is_kept_and_the_file_is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("build.log");
        let mut log = BuildLog::create(&path).expect("creates");
        for number in 0..200_000 {
            log.write(format!("line {number}: some text of a build\n").as_bytes()).expect("writes");
        }
        assert_eq!(std::fs::metadata(&path).expect("is there").len(), MAX_BUILD_LOG);
        let lines = log.last_lines().expect("lines");
        assert_eq!(lines.lines().count(), LINES);
        assert!(lines.ends_with("line 199999: some text of a build"), "{lines}");
        assert!(log.end.len() < 10_000);
    }

    #[test]
    fn control_characters_and_empty_lines_are_left_out() {
        let text = last_lines(b"\x1b[31mred\x1b[0m\n\n \xff\n").expect("text");
        assert_eq!(text, "[31mred[0m\n \u{fffd}");
        assert_eq!(last_lines(b"\n\n"), None);
        assert_eq!(tail(Path::new("/nowhere/at/all")), None);
    }
}
