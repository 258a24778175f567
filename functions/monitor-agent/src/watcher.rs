//! Who judges a release while it is watched, so that a clear failure ends the watch at once and what
//! is not clear is watched for longer.

use std::time::Duration;

use pact_contract::{
    actions::{Look, Metrics, ReleaseVerdict},
    settings::{Inconclusive, Watch},
};
use pact_statistics::{EXTENSIONS, compare, enough, next_step, verdict};

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

/// Measures what a release is held against later, and judges nothing.
pub(crate) struct Measuring<'a> {
    watch: &'a Watch,
    /// How many requests are wanted.
    least: u64,
    ends: u32,
}

impl<'a> Measuring<'a> {
    /// For a release that has the part `weight` of the requests at first, in percent: the smaller it is, the
    /// fewer of its failures are seen, and the better it has to be known that they are none of the one before.
    /// None: nothing is held against it.
    pub(crate) fn new(watch: &'a Watch, weight: Option<u32>) -> Self {
        let least = weight.map_or(0, |weight| enough(Some(weight), &Metrics::default()));
        Self { watch, least, ends: 0 }
    }
}

impl Watcher for Measuring<'_> {
    fn due(&self, _: u64) -> bool {
        false
    }

    fn look(&mut self, _: &mut Metrics) -> Watching {
        Watching::GoesOn
    }

    fn end(&mut self, all: &mut Metrics) -> Option<Duration> {
        // Where nobody asks, more time brings nothing.
        let too_few = 0 < all.requests && all.requests < self.least;
        if !too_few || self.ends == EXTENSIONS {
            return None;
        }
        self.ends += 1;
        Some(Duration::from_secs(self.watch.seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_small_part_is_held_against_is_measured_for_longer() {
        let watch = Watch { seconds: 2, ..Watch::default() };
        let end = |watcher: &mut Measuring<'_>, requests| {
            watcher.end(&mut Metrics { requests, ..Metrics::default() })
        };
        let more = Some(Duration::from_secs(2));
        let tenth = &mut Measuring::new(&watch, Some(10));
        assert_eq!([0, 40, 80, 90].map(|n| end(tenth, n)), [None, more, more, None]);
        assert_eq!([40, 50].map(|n| end(tenth, n)), [more, None], "it has an end");
        assert_eq!(end(&mut Measuring::new(&watch, None), 1), None);
    }
}
