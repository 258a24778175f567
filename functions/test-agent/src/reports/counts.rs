//! What reports say in all.

use crate::{
    cases::Cases,
    output::{Failure, MAX_FAILURES},
};

/// Tests that were flaky and are named.
pub(super) const MAX_FLAKY: usize = 50;

/// Counts over reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All tests, those that did not run among them.
    pub(crate) total: u64,
    /// Tests that failed, errors included.
    pub(crate) failed: u64,
    /// Tests that did not run.
    pub(crate) skipped: u64,
    /// Tests that failed as it was expected of them.
    pub(crate) expected: u64,
    /// Tests that passed after they had failed.
    pub(crate) flaky: u64,
    /// The tests that failed, bounded.
    pub(crate) failures: Vec<Failure>,
    /// Names of those that were flaky, bounded.
    pub(crate) unsteady: Vec<String>,
    /// The tests one by one, bounded.
    pub(crate) cases: Cases,
}

/// Why a report was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is a document of another kind.
    Foreign(String),
    /// It is damaged, too large, or what no report of tests needs to be.
    Broken(String),
}

impl Counts {
    /// Adds those of another report.
    pub(crate) fn add(&mut self, more: Self) {
        self.total = self.total.saturating_add(more.total);
        self.failed = self.failed.saturating_add(more.failed);
        self.skipped = self.skipped.saturating_add(more.skipped);
        self.expected = self.expected.saturating_add(more.expected);
        self.flaky = self.flaky.saturating_add(more.flaky);
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(more.failures.into_iter().take(room));
        let room = MAX_FLAKY.saturating_sub(self.unsteady.len());
        self.unsteady.extend(more.unsteady.into_iter().take(room));
        self.cases.add(more.cases);
    }
}
