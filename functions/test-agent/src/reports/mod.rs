//! Reports of test tools: JUnit in its dialects, NUnit, xUnit.net and Visual Studio's TRX. They are
//! hostile input: read as a stream, bounded, without any entity.

mod decode;
mod elements;
mod parser;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

use crate::output::{Failure, MAX_FAILURES};

/// Tests that were flaky and are named.
const MAX_FLAKY: usize = 50;

/// Counts over reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// All tests, those that did not run among them.
    pub(crate) total: u64,
    /// Tests that failed, errors included.
    pub(crate) failed: u64,
    /// Tests that did not run.
    pub(crate) skipped: u64,
    /// Tests that passed after they had failed.
    pub(crate) flaky: u64,
    /// The tests that failed, bounded.
    pub(crate) failures: Vec<Failure>,
    /// Names of those that were flaky, bounded.
    pub(crate) unsteady: Vec<String>,
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
    /// Counts the tests of one report of at most `limit` bytes.
    ///
    /// # Errors
    /// Says why the report cannot be read.
    pub(crate) fn read(report: impl Read, limit: u64) -> Result<Self, Unread> {
        let mut bounded = Bounded { inner: report, left: limit, over: false };
        let counts = parser::parse(decode::decoded(&mut bounded));
        if bounded.over {
            return Err(Unread::Broken(format!("larger than {} KiB", limit / 1024)));
        }
        counts
    }

    /// Adds those of another report.
    pub(crate) fn add(&mut self, more: Self) {
        self.total = self.total.saturating_add(more.total);
        self.failed = self.failed.saturating_add(more.failed);
        self.skipped = self.skipped.saturating_add(more.skipped);
        self.flaky = self.flaky.saturating_add(more.flaky);
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(more.failures.into_iter().take(room));
        let room = MAX_FLAKY.saturating_sub(self.unsteady.len());
        self.unsteady.extend(more.unsteady.into_iter().take(room));
    }
}

/// Reads no more than it may, and knows whether there was more.
struct Bounded<R> {
    inner: R,
    left: u64,
    over: bool,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut more = [0];
            self.over |= self.inner.read(&mut more)? > 0;
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read as u64;
        Ok(read)
    }
}
