//! Comments that allow a finding, and which of them count.
//!
//! Nothing that is judged may judge: a comment that comes with a push is asked for with it, and counts
//! from the next commit on. Who is judged by their own word is let off at once.

use std::collections::{BTreeMap, BTreeSet};

use pact_agent::AgentError;
use pact_contract::FileChange;

use crate::{
    scope::text,
    source::{Source, Version},
};

/// What every such comment begins with.
const MARK: &str = "pact:allow";

/// Most comments of a file that are named.
const MAX_ASKED: usize = 20;

/// How often each comment stands in a file.
type Comments = BTreeMap<String, usize>;

/// The comments that were there before a push.
pub(crate) enum Permissions {
    /// All count: the commit is judged by its own word.
    All,
    /// Those of the base, by the path that a file had there.
    Before(BTreeMap<String, Comments>),
}

impl Permissions {
    /// Reads what the base has.
    pub(crate) fn of(source: &Source) -> Result<Self, AgentError> {
        if source.is_own_judge() {
            return Ok(Self::All);
        }
        let mut before = BTreeMap::new();
        source.each_version(
            |version| matches!(version, Version::Before(_)),
            |version, content| {
                if let Version::Before(path) = version {
                    let mut comments = Comments::new();
                    for (_, comment) in comments_of(&text::decode(content).text) {
                        *comments.entry(comment.to_owned()).or_default() += 1;
                    }
                    before.insert(path.to_owned(), comments);
                }
                Ok(())
            },
        )?;
        Ok(Self::Before(before))
    }

    /// The lines of a changed file, from 1, whose comments count; none: all. A line that was touched is
    /// one of them where the base has its comment too, as often: what it is about may be mended.
    pub(crate) fn in_file(&self, change: &FileChange, text: &str) -> Option<BTreeSet<u32>> {
        let Self::Before(before) = self else { return None };
        let path = change.old_path.as_ref().unwrap_or(&change.path);
        let mut left = before.get(path).cloned().unwrap_or_default();
        let (touched, kept): (Vec<_>, Vec<_>) =
            comments_of(text).partition(|(line, _)| change.touches(*line));
        let mut counts = BTreeSet::new();
        for (line, comment) in kept {
            counts.insert(line);
            left.entry(comment.to_owned()).and_modify(|left| *left = left.saturating_sub(1));
        }
        for (line, comment) in touched {
            if let Some(left) = left.get_mut(comment).filter(|left| **left > 0) {
                *left -= 1;
                counts.insert(line);
            }
        }
        Some(counts)
    }
}

/// The comments for rules that come with a push and do not count yet, with their lines.
pub(crate) fn asked<'t>(
    change: &FileChange,
    text: &'t str,
    counts: &BTreeSet<u32>,
) -> Vec<(u32, &'t str)> {
    let of_rules = |comment: &str| {
        comment.strip_prefix(MARK).is_some_and(|rest| rest.starts_with(char::is_whitespace))
    };
    comments_of(text)
        .filter(|(line, comment)| {
            change.touches(*line) && !counts.contains(line) && of_rules(comment)
        })
        .take(MAX_ASKED)
        .collect()
}

/// The lines that have such a comment, from 1, and what it says.
fn comments_of(text: &str) -> impl Iterator<Item = (u32, &str)> {
    (1..).zip(text.split('\n')).filter_map(|(number, line)| {
        let at = line.find(MARK)?;
        Some((number, line.get(at..)?.trim_end()))
    })
}

/// Which of the line (from 0) and the one before it have `mark` (a comment of the repository) for
/// `what`; from 1.
pub(crate) fn allowing(
    lines: &[&str],
    line: usize,
    mark: &str,
    what: &str,
) -> impl Iterator<Item = u32> {
    let allows = move |index: &usize| {
        lines.get(*index).is_some_and(|text| {
            text.match_indices(mark).any(|(at, _)| {
                let rest = text.get(at + mark.len()..).unwrap_or_default();
                rest.starts_with(char::is_whitespace)
                    && rest
                        .split(|c: char| c.is_whitespace() || c == ',' || c == ':')
                        .any(|word| word == what)
            })
        })
    };
    // A comment behind code is about that code; the next line is another matter.
    let alone = move |index: &usize| {
        let before = lines.get(*index).and_then(|text| text.split_once(mark)).map(|(text, _)| text);
        before.is_some_and(|before| !before.contains(char::is_alphanumeric))
    };
    let before = line.checked_sub(1).filter(alone);
    let both = [Some(line), before].into_iter().flatten().filter(allows);
    both.filter_map(|index| u32::try_from(index + 1).ok())
}

#[cfg(test)]
mod tests {
    use pact_contract::LineRange;

    use super::*;
    use crate::tests::change;

    #[test]
    fn a_comment_allows_its_own_and_the_next_line() {
        let lines = ["# pact:allow python-eval, python-exec", "eval(x)", "eval(y)"];
        let of = |line, what| allowing(&lines, line, "pact:allow", what).collect::<Vec<_>>();
        assert_eq!(of(1, "python-eval"), [1]);
        assert_eq!(of(1, "python-exec"), [1]);
        assert_eq!(of(0, "python-exec"), [1]);
        let behind = ["eval(x)  # pact:allow python-eval", "eval(y)"];
        assert_eq!(allowing(&behind, 0, "pact:allow", "python-eval").count(), 1);
        assert_eq!(allowing(&behind, 1, "pact:allow", "python-eval").count(), 0);
        assert_eq!(of(1, "python"), [0; 0]);
        assert_eq!(of(2, "python-eval"), [0; 0]);
        assert_eq!(of(9, "python-eval"), [0; 0]);
    }

    #[test]
    fn a_comment_counts_where_it_was_there_before_as_often() {
        let allow = "pact:allow python-eval: checked";
        let before = [(allow.to_owned(), 2)].into();
        let permissions = Permissions::Before([("a.py".to_owned(), before)].into());
        let text = format!("eval(a)  # {allow}\neval(b)  # {allow}\neval(c)  # {allow}\n");
        let in_file = |touched: &[LineRange]| {
            let lines = permissions.in_file(&change("a.py", touched), &text).expect("not all");
            lines.into_iter().collect::<Vec<_>>()
        };
        let range = |start, end| LineRange { start, end };
        assert_eq!(in_file(&[range(3, 3)]), [1, 2], "the third is one more");
        assert_eq!(in_file(&[range(1, 1), range(3, 3)]), [1, 2], "the first was mended");
        assert_eq!(in_file(&[range(1, 3)]), [1, 2]);
        let other = "eval(a)  # pact:allow python-eval: another reason\n";
        let lines = permissions.in_file(&change("a.py", &[range(1, 1)]), other);
        assert_eq!(lines.expect("not all").len(), 0);
        let lines = permissions.in_file(&change("b.py", &[range(1, 3)]), &text);
        assert_eq!(lines.expect("not all").len(), 0, "the base has no such file");
        assert_eq!(Permissions::All.in_file(&change("b.py", &[]), &text), None);
    }
}
