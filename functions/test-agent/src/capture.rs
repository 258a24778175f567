//! What a command writes: its beginning and its end are kept, its lines are looked at one by one,
//! and nothing grows with its length.

use std::collections::VecDeque;

use pact_agent::text::readable;

use crate::output::{Scanner, Summary};

/// Bytes kept of the beginning.
const HEAD: usize = 64 * 1024;
/// Bytes kept of the end.
const TAIL: usize = 256 * 1024;
/// Bytes of one line that are looked at.
const LINE: usize = 8 * 1024;

/// Takes output as it comes.
#[derive(Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
    line: Vec<u8>,
    scanner: Scanner,
}

/// Output that has ended.
pub(crate) struct Captured {
    /// What was kept, readable: no escape sequences, no control characters.
    pub(crate) text: String,
    /// What its lines say about tests.
    pub(crate) summary: Summary,
}

impl Capture {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        let (lost, kept) = rest.split_at(rest.len().saturating_sub(TAIL));
        let overflow = (self.tail.len() + kept.len()).saturating_sub(TAIL);
        self.tail.drain(..overflow.min(self.tail.len()));
        self.tail.extend(kept);
        self.dropped += (lost.len() + overflow) as u64;

        for (index, piece) in bytes.split(|b| *b == b'\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            let room = LINE.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
        }
    }

    fn end_line(&mut self) {
        // Most lines are plain: they are looked at where they are.
        match std::str::from_utf8(&self.line) {
            Ok(line) if !self.line.iter().any(u8::is_ascii_control) => self.scanner.line(line),
            _ => self.scanner.line(&readable(&String::from_utf8_lossy(&self.line))),
        }
        self.line.clear();
    }

    /// The output has ended.
    pub(crate) fn finish(mut self) -> Captured {
        if !self.line.is_empty() {
            self.end_line();
        }
        let mut text = readable(&String::from_utf8_lossy(&self.head));
        if self.dropped > 0 {
            text.push_str(&format!("\n[… {} bytes left out …]\n", self.dropped));
        }
        let tail: Vec<u8> = self.tail.into();
        text.push_str(&readable(&String::from_utf8_lossy(&tail)));
        Captured { text, summary: self.scanner.finish() }
    }
}

/// A report among what a command wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Printed<'a> {
    Nothing,
    /// It begins, and does not end, or a part of the output between was left out.
    Cut,
    Whole(&'a str),
}

impl Captured {
    /// A report that was written to the output rather than to a file.
    pub(crate) fn report(&self) -> Printed<'_> {
        let at_line = |sign: &str| {
            let mut starts = self.text.match_indices(sign).map(|(at, _)| at);
            starts
                .find(|at| self.text.get(..*at).is_some_and(|b| b.is_empty() || b.ends_with('\n')))
        };
        let suite = ["<testsuites", "<testsuite"].into_iter().filter_map(at_line).min();
        let Some(suite) = suite else { return Printed::Nothing };
        // Its declaration, where it has one.
        let begin = at_line("<?xml").filter(|declared| *declared < suite).unwrap_or(suite);
        let Some(report) = self.text.get(begin..) else { return Printed::Nothing };
        let end = ["</testsuites>", "</testsuite>"]
            .into_iter()
            .filter_map(|end| report.rfind(end).map(|at| at + end.len()))
            .max();
        match end.and_then(|end| report.get(..end)) {
            Some(whole) => Printed::Whole(whole),
            None => Printed::Cut,
        }
    }
}

/// The last lines of `text` that are not empty: at most `lines` and about `bytes`.
pub(crate) fn last_lines(text: &str, lines: usize, bytes: usize) -> String {
    let mut kept = VecDeque::new();
    let mut size = 0;
    for line in text.lines().rev().filter(|l| !l.trim().is_empty()).take(lines) {
        size += line.len() + 1;
        if size > bytes && !kept.is_empty() {
            break;
        }
        kept.push_front(pact_agent::text::truncated(line.trim_end(), 300));
    }
    Vec::from(kept).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_output_keeps_its_beginning_and_its_end() {
        let mut capture = Capture::default();
        capture.push(b"first\n");
        for _ in 0..100 {
            capture.push(&vec![b'x'; 10_000]);
        }
        capture.push(b"\ntest result: ok. 3 passed; 0 failed; 0 ignored; finished\nlast");
        let captured = capture.finish();
        assert!(captured.text.starts_with("first\n"));
        assert!(captured.text.ends_with("last"));
        assert!(captured.text.contains("bytes left out"));
        assert!(captured.text.len() < HEAD + TAIL + 100);
        assert_eq!(captured.summary.passed, 3);
    }

    #[test]
    fn counts_in_the_part_that_is_left_out_are_not_lost() {
        let mut capture = Capture::default();
        capture.push(&vec![b'a'; HEAD]);
        capture.push(b"\ntest result: ok. 3 passed; 0 failed; 0 ignored\n");
        capture.push(&vec![b'z'; 2 * TAIL]);
        assert_eq!(capture.finish().summary.passed, 3);
    }

    #[test]
    fn a_report_that_was_printed_is_found_whole_or_not_at_all() {
        let check = |text: &str, expected: Printed<'_>| {
            let mut capture = Capture::default();
            capture.push(text.as_bytes());
            assert_eq!(capture.finish().report(), expected, "{text}");
        };
        let report = "<?xml version=\"1.0\"?>\n<testsuites>\n<testcase name=\"a\"/>\n</testsuites>";
        check(&format!("> node --test\n\n{report}\nnpm error\n"), Printed::Whole(report));
        for text in ["see <testsuites>x</testsuites>", "<?xml?>\n<html/>", ""] {
            check(text, Printed::Nothing);
        }
        for text in ["<testsuite>", "<?xml?>\n<testsuites>\n<testsuite name=\"a\">\n<testcase"] {
            check(text, Printed::Cut);
        }
    }

    #[test]
    fn the_last_lines_are_bounded() {
        assert_eq!(last_lines("a\n\nb\nc\n", 2, 100), "b\nc");
        assert_eq!(last_lines("aaaa\nbbbb\ncccc", 9, 11), "bbbb\ncccc");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_text(
            bytes in proptest::collection::vec(any::<u8>(), 0..2_000), cut in 1usize..50
        ) {
            let mut whole = Capture::default();
            whole.push(&bytes);
            let mut pieces = Capture::default();
            for piece in bytes.chunks(cut) {
                pieces.push(piece);
            }
            prop_assert_eq!(whole.finish().text, pieces.finish().text);
        }
    }
}
