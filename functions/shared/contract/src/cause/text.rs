//! Texts from outside in a line, and the lines of a log that say what went wrong.

/// Characters that write from right to left what reads otherwise.
#[must_use]
pub const fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` with the characters that change the direction of writing shown as what they are, and
/// other control characters but the line feed as spaces: nothing in it is obeyed.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if turns(c) => out.extend(c.escape_unicode()),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The first line of `text` that says anything, of at most `limit` characters and without a full
/// stop.
pub(super) fn line(text: &str, limit: usize) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    cut(&plain(first.trim_end_matches('.')), limit)
}

/// `text` with at most `limit` characters.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().nth(limit).is_none() {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(limit.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Words of a line that says what went wrong, in lower case.
const SPEAKING: &[&str] = &[
    "error",
    "fail",
    "panic",
    "fatal",
    "exception",
    "assert",
    "expected",
    "left:",
    "right:",
    "traceback",
    "denied",
    "refused",
    "not found",
    "no such",
    "cannot",
    "undefined",
    "missing",
];

/// Whether the line says what went wrong.
fn speaks(line: &str) -> bool {
    let line = line.to_lowercase();
    SPEAKING.iter().any(|word| line.contains(word))
}

/// Beginnings of lines that only say that something follows.
const HEADINGS: &[&str] = &["traceback (", "npm error code", "npm err! code"];

/// The first line of a log that says what went wrong.
pub(super) fn speaking(log: &str) -> Option<&str> {
    let heading = |line: &str| {
        let line = line.to_lowercase();
        HEADINGS.iter().any(|start| line.starts_with(start))
    };
    log.lines().map(str::trim).find(|line| speaks(line) && !heading(line))
}

/// Part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Excerpt {
    /// The lines, one after the other.
    pub lines: Vec<String>,
    /// Lines before them that are left out.
    pub before: usize,
    /// Lines after them that are left out.
    pub after: usize,
}

/// The `most` lines of a log, one after the other, in which most is said about what went wrong;
/// of several such places the last: what a tool says at its end is the sum of it.
#[must_use]
pub fn excerpt(log: &str, most: usize) -> Excerpt {
    /// Longest line in characters.
    const MAX_LINE: usize = 300;
    let all: Vec<&str> = log.trim_end().lines().collect();
    let most = most.max(1);
    let score: Vec<usize> = all.iter().map(|line| usize::from(speaks(line))).collect();
    let last = all.len().saturating_sub(most);
    let mut said: usize = score.iter().take(most).sum();
    let (mut best, mut start) = (said, 0);
    for from in 1..=last {
        said += score.get(from + most - 1).copied().unwrap_or_default();
        said -= score.get(from - 1).copied().unwrap_or_default();
        if said >= best {
            (best, start) = (said, from);
        }
    }
    // Where nothing speaks it is the end that counts, as everywhere else.
    let lines: Vec<String> =
        all.iter().skip(start).take(most).map(|line| cut(&plain(line), MAX_LINE)).collect();
    Excerpt { before: start, after: all.len() - start - lines.len(), lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_the_direction_is_shown() {
        assert_eq!(plain("a\u{202e}b\u{1b}[0m\nc"), "a\\u{202e}b [0m\nc");
        assert_eq!(line("\n  one.\ntwo", 80), "one");
        assert_eq!(cut("eight ok", 8), "eight ok");
        assert_eq!(cut("nine is it", 8), "nine is…");
    }

    #[test]
    fn the_lines_that_speak_are_shown_wherever_they_stand() {
        let numbered = |n: usize| (0..n).map(|i| format!("line {i}")).collect::<Vec<_>>();
        let mut log = numbered(20);
        log[14] = "error[E0308]: mismatched types".to_owned();
        log[16] = "expected `u32`, found `&str`".to_owned();
        let found = excerpt(&log.join("\n"), 6);
        assert!(found.lines.contains(&log[14]) && found.lines.contains(&log[16]), "{found:?}");
        assert_eq!(found.before + found.lines.len() + found.after, 20);
        let end = excerpt(&numbered(20).join("\n"), 6);
        assert_eq!((end.before, end.after), (14, 0));
        assert_eq!(end.lines[5], "line 19");
        assert_eq!(excerpt("one\n", 6).lines, ["one"]);
        assert_eq!(excerpt("", 6), Excerpt::default());
        assert_eq!(speaking("ok\n  panicked at x\n"), Some("panicked at x"));
    }
}
