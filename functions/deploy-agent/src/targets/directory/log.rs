//! Output of services, bounded.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_empty_lines_are_left_out() {
        let text = last_lines(b"\x1b[31mred\x1b[0m\n\n \xff\n").expect("text");
        assert_eq!(text, "[31mred[0m\n \u{fffd}");
        assert_eq!(last_lines(b"\n\n"), None);
        assert_eq!(tail(Path::new("/nowhere/at/all")), None);
    }
}
