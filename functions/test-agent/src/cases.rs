//! The single tests of a suite, as they come up: bounded, a failure before what passed.

use pact_agent::{
    tested::{MAX_BYTES, MAX_TESTS},
    text::{readable, truncated},
};
use pact_contract::tested::{TestStatus, Tested};

use crate::{locations::Checkout, output::Failure};

/// Most bytes of what is kept of one name, and of one message.
const NAME: usize = 300;
const MESSAGE: usize = 1_500;
/// Tests for which there is room left when others have filled it: those that failed.
const RESERVED: usize = 2_000;

/// Single tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cases {
    tests: Vec<Tested>,
    bytes: usize,
    /// Those for which there was no room.
    pub(crate) left_out: u64,
}

impl Cases {
    /// Takes a test in. Gives where it is, to find it again.
    pub(crate) fn push(&mut self, test: Tested) -> Option<u32> {
        let message = test.message.as_ref().map_or(0, String::len);
        let bytes = self.bytes + test.name.len() + message + 100;
        let ill = matches!(test.status, TestStatus::Failed | TestStatus::Flaky);
        let room = if ill { MAX_TESTS } else { MAX_TESTS - RESERVED };
        let most = if ill { MAX_BYTES } else { MAX_BYTES / 2 };
        if test.name.is_empty() || self.tests.len() >= room || bytes > most {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.bytes = bytes;
        self.tests.push(test);
        u32::try_from(self.tests.len() - 1).ok()
    }

    /// How long a test took, where that is said after it.
    pub(crate) fn took(&mut self, at: u32, ms: u64) {
        if let Some(test) = self.tests.get_mut(at as usize) {
            test.ms = Some(ms);
        }
    }

    /// A test that failed was tried again.
    pub(crate) fn again(&mut self, at: Option<u32>, passed: bool, ms: Option<u64>) {
        let Some(test) = at.and_then(|at| self.tests.get_mut(at as usize)) else { return };
        test.attempts = test.attempts.saturating_add(1);
        test.ms = ms.or(test.ms);
        if passed {
            test.status = TestStatus::Flaky;
        }
    }

    /// Adds those of another report.
    pub(crate) fn add(&mut self, more: Self) {
        self.left_out = self.left_out.saturating_add(more.left_out);
        for test in more.tests {
            self.push(test);
        }
    }

    /// Adds what is known of tests that failed to those that are there, or beside them.
    pub(crate) fn fail(&mut self, failures: &[Failure]) {
        let mut open: std::collections::HashMap<&str, Vec<usize>> = <_>::default();
        let bare = |test: &Tested| test.status == TestStatus::Failed && test.message.is_none();
        for (index, test) in self.tests.iter().enumerate().filter(|(_, test)| bare(test)).rev() {
            open.entry(test.name.as_str()).or_default().push(index);
        }
        let found: Vec<Option<usize>> = failures
            .iter()
            .map(|failure| open.get_mut(failure.name.as_str()).and_then(Vec::pop))
            .collect();
        for (failure, found) in failures.iter().zip(found) {
            let message = message(&failure.detail);
            match found.and_then(|at| self.tests.get_mut(at)) {
                Some(test) => test.message = message,
                None => {
                    let name = truncated(&failure.name, NAME);
                    self.push(Tested { message, ..Tested::new(name, TestStatus::Failed) });
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// They, of the suite of that name: with files of the repository only, and without the folders
    /// of the run.
    pub(crate) fn of(self, suite: &str, checkout: &Checkout) -> Listed {
        let suite = truncated(suite, 200);
        let Self { mut tests, left_out, .. } = self;
        for test in &mut tests {
            test.suite.clone_from(&suite);
            test.name = checkout.readable(&test.name);
            test.file = test.file.take().and_then(|file| checkout.relative(&file));
            test.line = test.line.filter(|_| test.file.is_some());
            test.message = test.message.take().map(|text| checkout.readable(&text));
        }
        Listed { tests, left_out }
    }
}

/// The single tests of suites.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) tests: Vec<Tested>,
    /// Those that were too many.
    pub(crate) left_out: u64,
}

impl Listed {
    /// Adds those of another suite.
    pub(crate) fn add(&mut self, more: Self) {
        self.left_out = self.left_out.saturating_add(more.left_out);
        self.tests.extend(more.tests);
    }
}

/// The name of a test, as it is kept.
pub(crate) fn name(text: &str) -> String {
    truncated(readable(text).trim(), NAME)
}

/// What is said of a failure, as it is kept; none where nothing is.
pub(crate) fn message(detail: &str) -> Option<String> {
    let text = truncated(detail.trim(), MESSAGE);
    (!text.is_empty()).then_some(text)
}

/// Milliseconds of a number of seconds as reports write it, `1,234.01` too.
pub(crate) fn milliseconds(seconds: &str) -> Option<u64> {
    let seconds: f64 = seconds.replace(',', "").trim().parse().ok()?;
    let time = std::time::Duration::try_from_secs_f64(seconds).ok()?;
    u64::try_from(time.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(name: &str) -> Tested {
        Tested::new(name.to_owned(), TestStatus::Passed)
    }

    #[test]
    fn a_failure_finds_its_test_or_stands_beside_it() {
        let mut cases = Cases::default();
        cases.push(passed("a"));
        cases.push(Tested::new("b".to_owned(), TestStatus::Failed));
        cases.push(Tested::new("b".to_owned(), TestStatus::Failed));
        let failure = |name: &str, detail: &str| Failure {
            name: name.to_owned(),
            detail: detail.to_owned(),
            ..Failure::default()
        };
        cases.fail(&[failure("b", "first"), failure("b", "second"), failure("c", "")]);
        let all = cases.of("unit", &Checkout::default()).tests;
        let said: Vec<_> = all.iter().map(|t| (t.name.as_str(), t.message.as_deref())).collect();
        let expected = [("a", None), ("b", Some("first")), ("b", Some("second")), ("c", None)];
        assert_eq!(said, expected);
        assert!(all.iter().all(|test| test.suite == "unit"));
    }

    #[test]
    fn there_is_room_for_what_failed_when_there_is_none_for_what_passed() {
        let mut cases = Cases::default();
        for n in 0..MAX_TESTS {
            cases.push(passed(&n.to_string()));
        }
        assert_eq!(cases.left_out, RESERVED as u64);
        assert!(cases.push(Tested::new("x".to_owned(), TestStatus::Failed)).is_some());
    }

    #[test]
    fn times_are_read_as_reports_write_them() {
        for (text, ms) in [
            ("1,234.01", Some(1_234_010)),
            ("0.0004", Some(0)),
            ("2", Some(2_000)),
            ("-1", None),
            ("NaN", None),
            ("1e999", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), ms, "{text}");
        }
    }
}
