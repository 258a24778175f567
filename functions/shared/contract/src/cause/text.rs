//! Texts from outside in a line, and the lines of a log that say what went wrong.

use std::borrow::Cow;

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

/// `text` without what is in parentheses of samples and chance: the rules' own table has that.
pub(super) fn without_statistics(text: &str) -> Cow<'_, str> {
    let mut rest = text;
    let mut out = String::new();
    while let Some(at) = rest.find(" (") {
        let (before, from) = rest.split_at(at);
        let end = from.find(')').map_or(from.len(), |end| end + 1);
        let (inside, after) = from.split_at(end);
        out.push_str(before);
        if !inside.contains(" samples, chance ") {
            out.push_str(inside);
        }
        rest = after;
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
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
    // Where nothing speaks it is the end that counts, as everywhere else. Rules above and below what is
    // said say nothing themselves.
    let mut end = (start + most).min(all.len());
    let is_rule = |at: usize| {
        let line = all.get(at).map_or("", |line| line.trim());
        line.chars().count() > 2 && line.chars().all(|c| c.is_ascii_punctuation())
    };
    while start + 1 < end && is_rule(start) {
        start += 1;
    }
    while start + 1 < end && is_rule(end - 1) {
        end -= 1;
    }
    let shown = all.iter().skip(start).take(end - start);
    let lines: Vec<String> = shown.map(|line| cut(&plain(line), MAX_LINE)).collect();
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
    fn how_sure_a_judgement_is_is_left_to_its_table() {
        let said = "20.0 % of 60 requests failed; at most 5 % (before 0.0 %) (60 and 60 samples, \
                    chance below 0.0001, exact binomial test, counts below 0.0015); it is worse";
        let short = "20.0 % of 60 requests failed; at most 5 % (before 0.0 %); it is worse";
        assert_eq!(without_statistics(said), short);
        for text in ["", "a (b) c", "open (60 of", "no parentheses"] {
            assert_eq!(without_statistics(text), text);
        }
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
        let ruled = excerpt("a\n-----\nTraceback\nAssertionError: 1 != 0\n=====\n", 4);
        assert_eq!(ruled.lines, ["Traceback", "AssertionError: 1 != 0"], "{ruled:?}");
        assert_eq!((ruled.before, ruled.after), (2, 1));
        assert_eq!(excerpt("-----\n", 6).lines, ["-----"]);
        assert_eq!(excerpt("one\n", 6).lines, ["one"]);
        assert_eq!(excerpt("", 6), Excerpt::default());
        assert_eq!(speaking("ok\n  panicked at x\n"), Some("panicked at x"));
    }
}
