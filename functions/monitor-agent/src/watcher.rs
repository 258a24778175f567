//! Who judges a release while it is watched, so that a clear failure ends the watch at once and what
//! is not clear is watched for longer.

use std::time::Duration;

use pact_contract::{
    actions::{Look, Metrics, ReleaseVerdict},
    settings::{Inconclusive, Watch},
};
use pact_statistics::{EXTENSIONS, compare, next_step, verdict};

use crate::sources::{Watcher, Watching};

/// Judges at every step.
pub(crate) struct Judging<'a> {
    baseline: Option<&'a Metrics>,
    watch: &'a Watch,
    weight: Option<u32>,
    step: u32,
    ends: u32,
}

impl<'a> Judging<'a> {
    /// For a release that has the part `weight` of the requests, in percent.
    pub(crate) fn new(
        baseline: Option<&'a Metrics>,
        watch: &'a Watch,
        weight: Option<u32>,
    ) -> Self {
        Self { baseline, watch, weight, step: 0, ends: 0 }
    }

    fn verdict(&self, metrics: &Metrics) -> ReleaseVerdict {
        let compared = compare(self.baseline, metrics);
        verdict(self.baseline, metrics, self.watch, self.weight, compared).verdict
    }
}

impl Watcher for Judging<'_> {
    fn due(&self, requests: u64) -> bool {
        next_step(requests, self.step).is_some()
    }

    fn look(&mut self, so_far: &mut Metrics) -> Watching {
        let Some(step) = next_step(so_far.requests, self.step) else { return Watching::GoesOn };
        self.step = step;
        so_far.look = Some(Look::Step(step));
        match self.verdict(so_far) {
            ReleaseVerdict::RollBack => Watching::Ends,
            ReleaseVerdict::Keep | ReleaseVerdict::Inconclusive => Watching::GoesOn,
        }
    }

    fn end(&mut self, all: &mut Metrics) -> Option<Duration> {
        all.look = (self.ends > 0).then_some(Look::End(self.ends));
        let extends = self.watch.inconclusive == Inconclusive::Extend && self.ends < EXTENSIONS;
        if !extends || self.verdict(all) != ReleaseVerdict::Inconclusive {
            return None;
        }
        self.ends += 1;
        Some(Duration::from_secs(self.watch.seconds))
    }
}

/// Measures, and judges nothing.
pub(crate) struct Measuring;

impl Watcher for Measuring {
    fn due(&self, _: u64) -> bool {
        false
    }

    fn look(&mut self, _: &mut Metrics) -> Watching {
        Watching::GoesOn
    }

    fn end(&mut self, _: &mut Metrics) -> Option<Duration> {
        None
    }
}
