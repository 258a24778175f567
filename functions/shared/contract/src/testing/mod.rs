//! Runs that did not end well, one of each kind, as the pipeline records them: for the tests of
//! whatever shows a run, and for the dashboard's preview.

#![expect(clippy::expect_used, reason = "sample data, written by hand")]

mod build;
mod cases;
pub mod vocabulary;

use jiff::Timestamp;

pub use build::Sample;

/// One run of each of twelve kinds that did not end well, begun at `started`.
#[must_use]
pub fn failed_runs(started: Timestamp) -> Vec<Sample> {
    let mut cases = cases::checks();
    cases.extend(cases::effects());
    cases.into_iter().map(|case| build::build(case, started)).collect()
}
