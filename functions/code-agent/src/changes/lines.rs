//! Which lines differ between two contents, as `git diff` counts them.

use gix::diff::blob::{Algorithm, Diff, InternedInput};
use pact_contract::LineRange;

/// Bytes that are searched for a NUL to tell binary from text, as git does.
const SNIFF: usize = 8_000;

/// Lines that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) added: u64,
    pub(crate) deleted: u64,
    /// Lines of the new content.
    pub(crate) ranges: Vec<LineRange>,
}

/// Compares by line; a line and its terminator belong together.
pub(crate) fn compare(old: &[u8], new: &[u8]) -> Lines {
    if old.is_empty() || new.is_empty() {
        let (deleted, added) = (count(old), count(new));
        let ranges = u32::try_from(added).ok().filter(|n| *n > 0);
        let ranges = ranges.map(|end| LineRange { start: 1, end }).into_iter().collect();
        return Lines { added, deleted, ranges };
    }
    let input = InternedInput::new(old, new);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let ranges = diff
        .hunks()
        .filter(|hunk| !hunk.after.is_empty())
        .map(|hunk| LineRange { start: hunk.after.start + 1, end: hunk.after.end })
        .collect();
    Lines { added: diff.count_additions().into(), deleted: diff.count_removals().into(), ranges }
}

fn count(content: &[u8]) -> u64 {
    let ends = content.iter().filter(|b| **b == b'\n').count() as u64;
    ends + u64::from(content.last().is_some_and(|b| *b != b'\n'))
}

/// Whether git takes the content for binary.
pub(crate) fn looks_binary(content: &[u8]) -> bool {
    content.iter().take(SNIFF).any(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_counted_with_their_terminators() {
        let lines = compare(b"a\nb\nc\n", b"a\nB\nc");
        assert_eq!((lines.added, lines.deleted), (2, 2));
        assert_eq!(lines.ranges, vec![LineRange { start: 2, end: 3 }]);
        assert_eq!(compare(b"", b"a\nb").ranges, vec![LineRange { start: 1, end: 2 }]);
        assert_eq!(compare(b"a\r\n", b"a\n").added, 1);
        assert_eq!(compare(b"", b""), Lines::default());
    }

    #[test]
    fn a_nul_in_the_first_bytes_is_binary() {
        assert!(looks_binary(b"ab\0c"));
        let mut late = vec![b'a'; SNIFF];
        late.push(0);
        assert!(!looks_binary(&late));
    }

    proptest! {
        #[test]
        fn the_numbers_agree_with_the_contents(
            old in proptest::collection::vec("[a-c]{0,2}", 0..40),
            new in proptest::collection::vec("[a-c]{0,2}", 0..40),
        ) {
            let text = |lines: &[String]| lines.iter().map(|l| format!("{l}\n")).collect::<String>();
            let found = compare(text(&old).as_bytes(), text(&new).as_bytes());
            prop_assert_eq!(
                old.len() as u64 - found.deleted,
                new.len() as u64 - found.added,
                "what stays is the same on both sides"
            );
            let in_ranges: u64 = found.ranges.iter().map(|r| u64::from(r.end - r.start + 1)).sum();
            prop_assert_eq!(in_ranges, found.added);
        }
    }
}
