//! Code that the change repeats: within itself, or from the rest of the repository.
//!
//! A repetition is a run of tokens that stands somewhere else too (Rabin-Karp fingerprints of every
//! run of that length, as Karp and Rabin 1987). It counts when there are more of it than before:
//! what was moved, or was twice there already, is not the change's.

use std::collections::{HashMap, HashSet};

use pact_contract::LineRange;

use super::lexer::{self, Token};

/// Most tokens of one side that are compared: beyond it nothing is.
const MAX_TOKENS: usize = 8_000_000;
/// Base of the fingerprints; odd, so that it is a unit modulo 2^64.
const BASE: u64 = 0x9E37_79B9_7F4A_7C15;

/// A file of the change as it is now.
pub(crate) struct Changed<'a> {
    /// Its path.
    pub(crate) path: &'a str,
    /// Its content.
    pub(crate) content: &'a [u8],
    /// Its language.
    pub(crate) language: &'a str,
    /// Lines that were added or changed.
    pub(crate) added: &'a [LineRange],
    /// Lines of its functions that may be charged.
    pub(crate) functions: Vec<LineRange>,
}

/// A repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repetition {
    /// Path of the file that repeats.
    pub(crate) path: String,
    /// Its lines.
    pub(crate) lines: LineRange,
    /// Tokens that are repeated.
    pub(crate) tokens: usize,
    /// What they repeat: a path with a line.
    pub(crate) of: String,
}

struct File<'a> {
    changed: &'a Changed<'a>,
    tokens: Vec<Token>,
    prints: Vec<u64>,
}

/// The search, after the changed files were read.
pub(crate) struct Search<'a> {
    length: usize,
    files: Vec<File<'a>>,
    /// Runs of which there are more than before, or that may repeat the rest.
    suspects: HashSet<u64>,
    counts: HashMap<u64, u32>,
    /// Where the rest of the repository has one of them.
    rest: HashMap<u64, String>,
}

impl<'a> Search<'a> {
    /// Reads both sides of the change for runs of `length` tokens; none when there is too much.
    pub(crate) fn new(
        length: usize,
        before: &[(&str, &[u8])],
        after: &'a [Changed<'a>],
    ) -> Option<Self> {
        let mut then: HashMap<u64, u32> = HashMap::new();
        let mut total = 0;
        for (language, content) in before {
            let tokens = lexer::tokens(language, content);
            total += tokens.len();
            if total > MAX_TOKENS {
                return None;
            }
            count(&prints(&tokens, length), length, &mut then);
        }
        let (mut total, mut counts) = (0, HashMap::new());
        let mut files = Vec::new();
        for changed in after {
            let tokens = lexer::tokens(changed.language, changed.content);
            total += tokens.len();
            if total > MAX_TOKENS {
                return None;
            }
            let prints = prints(&tokens, length);
            count(&prints, length, &mut counts);
            files.push(File { changed, tokens, prints });
        }
        let more = |(print, now): (&u64, &u32)| {
            (*now > then.get(print).copied().unwrap_or(0)).then_some(*print)
        };
        let suspects = counts.iter().filter_map(more).collect();
        Some(Self { length, files, suspects, counts, rest: HashMap::new() })
    }

    /// Whether the rest of the repository can matter.
    pub(crate) fn wants_rest(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Reads a file that did not change.
    pub(crate) fn rest(&mut self, path: &str, language: &str, content: &[u8]) {
        let tokens = lexer::tokens(language, content);
        for (at, print) in prints(&tokens, self.length).into_iter().enumerate() {
            if self.suspects.contains(&print) && !self.rest.contains_key(&print) {
                let line = tokens.get(at).map_or(1, |token| token.line);
                self.rest.insert(print, format!("{path}:{line}"));
            }
        }
    }

    /// The repetitions, each once, in the order of the files.
    pub(crate) fn found(&self) -> Vec<Repetition> {
        let origins = self.origins();
        let mut found = Vec::new();
        for (number, file) in self.files.iter().enumerate() {
            let mut at = 0;
            while at < file.prints.len() {
                let Some(of) = self.repeats(number, file, at, &origins) else {
                    at += 1;
                    continue;
                };
                let first = at;
                while self.repeats(number, file, at + 1, &origins).is_some() {
                    at += 1;
                }
                let line = |at: usize| file.tokens.get(at).map_or(1, |token| token.line);
                let end = at + self.length - 1;
                found.push(Repetition {
                    path: file.changed.path.to_owned(),
                    lines: LineRange { start: line(first), end: line(end) },
                    tokens: end - first + 1,
                    of,
                });
                at += self.length;
            }
        }
        found
    }

    /// What the run at `at` repeats.
    fn repeats(
        &self,
        number: usize,
        file: &File<'_>,
        at: usize,
        origins: &HashMap<u64, (usize, usize)>,
    ) -> Option<String> {
        let print = file.prints.get(at)?;
        if !self.suspects.contains(print) || !self.is_charged(file, at) {
            return None;
        }
        if let Some(of) = self.rest.get(print) {
            return Some(of.clone());
        }
        let (origin, place) = *origins.get(print)?;
        if self.counts.get(print).is_none_or(|count| *count < 2)
            || origin == number && at.abs_diff(place) < self.length
        {
            return None;
        }
        let origin = self.files.get(origin)?;
        let line = origin.tokens.get(place)?.line;
        Some(format!("{}:{line}", origin.changed.path))
    }

    /// The run that the others repeat: one that the change left alone, or else the first.
    fn origins(&self) -> HashMap<u64, (usize, usize)> {
        let mut origins = HashMap::new();
        for old in [true, false] {
            for (number, file) in self.files.iter().enumerate() {
                for (at, print) in file.prints.iter().enumerate() {
                    if self.suspects.contains(print) && (!old || !self.is_added(file, at)) {
                        origins.entry(*print).or_insert((number, at));
                    }
                }
            }
        }
        origins
    }

    fn lines(&self, file: &File<'_>, at: usize) -> LineRange {
        let line = |at: usize| file.tokens.get(at).map_or(1, |token| token.line);
        LineRange { start: line(at), end: line(at + self.length - 1) }
    }

    fn is_added(&self, file: &File<'_>, at: usize) -> bool {
        let lines = self.lines(file, at);
        file.changed.added.iter().any(|range| range.overlaps(lines))
    }

    /// Whether the run is in added lines, and begins in a function.
    fn is_charged(&self, file: &File<'_>, at: usize) -> bool {
        let first = self.lines(file, at).start;
        file.changed.functions.iter().any(|range| range.contains(first)) && self.is_added(file, at)
    }
}

/// The fingerprint of every run of `length` tokens.
fn prints(tokens: &[Token], length: usize) -> Vec<u64> {
    if length == 0 || tokens.len() < length {
        return Vec::new();
    }
    let power = (1..length).fold(1u64, |power, _| power.wrapping_mul(BASE));
    let mut print = 0u64;
    let mut prints = Vec::with_capacity(tokens.len() - length + 1);
    for (at, token) in tokens.iter().enumerate() {
        if let Some(gone) = at.checked_sub(length).and_then(|gone| tokens.get(gone)) {
            print = print.wrapping_sub(gone.hash.wrapping_mul(power));
        }
        print = print.wrapping_mul(BASE).wrapping_add(token.hash);
        if at + 1 >= length {
            prints.push(print);
        }
    }
    prints
}

/// Counts runs; those that overlap themselves, once.
fn count(prints: &[u64], length: usize, counts: &mut HashMap<u64, u32>) {
    let mut last: HashMap<u64, usize> = HashMap::new();
    for (at, print) in prints.iter().enumerate() {
        let apart = last.get(print).is_none_or(|last| at - last >= length);
        if apart {
            last.insert(*print, at);
            *counts.entry(*print).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(name: &str) -> String {
        let lines: String = (0..20).map(|n| format!("    let x{n} = call{n}(a, {n});\n")).collect();
        format!("fn {name}(a: u8) {{\n{lines}}}\n")
    }

    fn find(before: &[&str], after: &[(&str, &str)], rest: &[(&str, &str)]) -> Vec<Repetition> {
        let all = LineRange { start: 1, end: 1_000 };
        let added = [all];
        let changed: Vec<Changed<'_>> = after
            .iter()
            .map(|(path, text)| Changed {
                path,
                content: text.as_bytes(),
                language: "Rust",
                added: &added,
                functions: vec![all],
            })
            .collect();
        let before: Vec<(&str, &[u8])> = before.iter().map(|t| ("Rust", t.as_bytes())).collect();
        let mut search = Search::new(100, &before, &changed).expect("is small");
        for (path, text) in rest {
            search.rest(path, "Rust", text.as_bytes());
        }
        search.found()
    }

    #[test]
    fn a_copy_counts_and_a_move_does_not() {
        let (one, two) = (body("one"), body("two"));
        let both = format!("{one}{two}");
        let copied = find(&[&one], &[("a.rs", &both)], &[]);
        assert_eq!(copied.len(), 1, "{copied:?}");
        assert_eq!((copied[0].of.as_str(), copied[0].lines.start), ("a.rs:1", 23));
        assert!(copied[0].tokens > 150, "{copied:?}");
        // Moved to another file; there twice before.
        assert!(find(&[&one], &[("b.rs", &one)], &[]).is_empty());
        assert!(find(&[&both], &[("b.rs", &one), ("c.rs", &two)], &[]).is_empty());
    }

    #[test]
    fn what_the_rest_has_already_is_repeated_and_named() {
        let found = find(&[], &[("a.rs", &body("one"))], &[("old.rs", &body("two"))]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].of, "old.rs:1");
        assert!(find(&[], &[("a.rs", &body("one"))], &[("old.rs", "fn other() {}")]).is_empty());
    }

    #[test]
    fn a_row_of_the_same_lines_does_not_repeat_itself() {
        let row = format!("fn a() {{\n{}}}\n", "    b(1);\n".repeat(25));
        assert!(find(&[], &[("a.rs", &row)], &[]).is_empty());
    }
}
