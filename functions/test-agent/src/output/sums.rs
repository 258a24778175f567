//! What is taken down of what the tools say.

use std::collections::HashSet;

use pact_agent::text::truncated;

use super::failure::Failure;
use crate::cases::Cases;

/// Failing tests that are kept.
pub(crate) const MAX_FAILURES: usize = 200;
/// Lines of detail that are kept for one failing test.
const DETAIL_LINES: usize = 14;

/// Sums over a whole output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whether any summary was seen at all.
    pub(crate) seen: bool,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Tests that failed as it was expected of them.
    pub(crate) expected: u64,
    /// Tests among those that passed which had failed before.
    pub(crate) flaky: u64,
    /// The tests that failed, bounded.
    pub(crate) failures: Vec<Failure>,
    /// The tests that it names.
    pub(crate) cases: Cases,
}

/// What one family of tools writes.
pub(super) trait Tool {
    /// Takes a line that is not empty, without its end. False when it is none of this family.
    fn line(&mut self, line: &str, sums: &mut Sums) -> bool;

    /// The output has ended.
    fn end(&mut self, _: &mut Sums) {}
}

/// Takes down what the tools say.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) summary: Summary,
    names: HashSet<String>,
    /// Failure whose detail the coming lines are, and how many of them are kept already.
    detail: Option<(usize, usize)>,
}

impl Sums {
    pub(super) fn add(&mut self, passed: u64, failed: u64, skipped: u64) {
        let sum = &mut self.summary;
        sum.seen = true;
        sum.passed = sum.passed.saturating_add(passed);
        sum.failed = sum.failed.saturating_add(failed);
        sum.skipped = sum.skipped.saturating_add(skipped);
    }

    pub(super) fn expected(&mut self, tests: u64) {
        self.summary.seen = true;
        self.summary.expected = self.summary.expected.saturating_add(tests);
    }

    pub(super) fn flaky(&mut self, tests: u64) {
        self.summary.flaky = self.summary.flaky.saturating_add(tests);
    }

    pub(super) fn fail(&mut self, name: &str, detail: &str) {
        let name = truncated(name.trim(), 300);
        if self.summary.failures.len() >= MAX_FAILURES || !self.names.insert(name.clone()) {
            self.detail = None;
            return;
        }
        self.summary.failures.push(Failure {
            name,
            detail: truncated(detail, 1_000),
            ..Failure::default()
        });
    }

    /// A test failed, and the coming lines say how.
    pub(super) fn fail_with_detail(&mut self, name: &str) {
        self.fail(name, "");
        let name = truncated(name.trim(), 300);
        let index = self.summary.failures.iter().position(|f| f.name == name);
        self.detail = index.map(|i| (i, 0));
    }

    /// What comes now says nothing about a failure.
    pub(super) fn end_detail(&mut self) {
        self.detail = None;
    }

    pub(super) fn add_detail(&mut self, line: &str) {
        let Some((index, lines)) = &mut self.detail else { return };
        let Some(failure) = self.summary.failures.get_mut(*index) else { return };
        if !failure.detail.is_empty() {
            failure.detail.push('\n');
        }
        failure.detail.push_str(&truncated(line.trim_end(), 300));
        *lines += 1;
        if *lines >= DETAIL_LINES || failure.detail.len() > 1_500 {
            self.detail = None;
        }
    }
}

/// `3 passed` as (3, "passed").
pub(super) fn pair(text: &str) -> Option<(u64, &str)> {
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?))
}

/// The pairs of number and word between `separators`; a word before the first is left out.
pub(super) fn pairs<'a>(text: &'a str, separators: &[char]) -> Vec<(u64, &'a str)> {
    text.split(|c| separators.contains(&c)).filter_map(pair).collect()
}

pub(super) fn sum(counts: &[(u64, &str)], words: &[&str]) -> u64 {
    counts
        .iter()
        .filter(|(_, word)| words.contains(word))
        .fold(0, |total, (number, _)| total.saturating_add(*number))
}

/// The numbers behind these words, as in `Failed: 1, Passed: 4`.
pub(super) fn named(text: &str, word: &str) -> Option<u64> {
    text.split([',', '-', '|']).find_map(|part| {
        let (name, number) = part.split_once([':', '='])?;
        if !name.trim().eq_ignore_ascii_case(word) {
            return None;
        }
        number.trim().trim_end_matches('.').parse().ok()
    })
}
