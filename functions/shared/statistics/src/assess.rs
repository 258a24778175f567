//! The verdict.

use pact_contract::{
    actions::{Compared, Comparison, Look, Metrics, ReleaseVerdict},
    settings::Watch,
    shift::{WHOLE, observations},
};

use crate::{
    compare, limits,
    limits::was_broken,
    row::{FAILURES, OF_EVERYBODY},
    sample::MIN_SAMPLES,
};

/// How many requests a release needs that has this part of them, in percent; none: all of them. Those that
/// it was asked for itself come on top: they say nothing of what fails only where everybody's requests go.
#[must_use]
pub fn enough(weight: Option<u32>, now: &Metrics) -> u64 {
    let own = now.beside.as_ref().map_or(0, |beside| beside.new.requests);
    match weight.filter(|weight| *weight < WHOLE) {
        Some(weight) => observations(weight).max(MIN_SAMPLES).saturating_add(own),
        None => MIN_SAMPLES.max(observations(WHOLE)),
    }
}

/// What is to be said of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// The verdict.
    pub verdict: ReleaseVerdict,
    /// The limits, each with what came of it.
    pub limits: Vec<Comparison>,
    /// The metrics against those of the release before.
    pub comparisons: Vec<Comparison>,
    /// Whether something looks worse, or is.
    pub suspicious: bool,
    /// Why nothing can be said, where the verdict is that.
    pub too_little: Option<String>,
    /// What is worse and does not speak against the release, with the reason.
    pub excused: Option<String>,
}

/// Compares, holds to the limits, and comes to a verdict.
#[must_use]
pub fn assess(baseline: Option<&Metrics>, now: &Metrics, watch: &Watch) -> Assessment {
    verdict(baseline, now, watch, None, compare(baseline, now))
}

/// Comes to a verdict on what was compared, of a release that has the part `weight` of the requests,
/// in percent; none: all of them.
#[must_use]
pub fn verdict(
    baseline: Option<&Metrics>,
    now: &Metrics,
    watch: &Watch,
    weight: Option<u32>,
    comparisons: Vec<Comparison>,
) -> Assessment {
    let limits = limits(now, baseline, watch);
    let mended = baseline.is_some_and(|before| was_broken(before, watch))
        && comparisons.iter().any(|row| row.metric == FAILURES && row.outcome == Compared::Better);
    // A release that answers takes longer than one that fails at once.
    let counts = |row: &&Comparison| {
        !mended || matches!(row.metric.as_str(), FAILURES | OF_EVERYBODY | "error-rate")
    };
    let is = |outcome: Compared| {
        limits.iter().chain(&comparisons).filter(counts).any(|row| row.outcome == outcome)
    };
    let (worse, unsure) = (is(Compared::Worse), is(Compared::Unsure));
    let too_little = too_little(baseline, now, enough(weight, now));
    let verdict = match () {
        () if too_little.is_some() => ReleaseVerdict::Inconclusive,
        () if worse => ReleaseVerdict::RollBack,
        () if unsure => ReleaseVerdict::Inconclusive,
        () => ReleaseVerdict::Keep,
    };
    let any = |is: fn(&Comparison) -> bool| limits.iter().chain(&comparisons).any(is);
    let as_now = any(|row| row.outcome == Compared::Same && row.meanwhile.is_some());
    let excused = match () {
        () if mended && any(|row| row.outcome == Compared::Worse) => {
            Some("the release before failed more often than it may")
        }
        () if as_now => Some("what is worse than before is so with the release before too"),
        () => None,
    };
    let excused = excused.map(str::to_owned);
    Assessment { verdict, suspicious: worse || unsure, too_little, excused, limits, comparisons }
}

fn too_little(baseline: Option<&Metrics>, now: &Metrics, enough: u64) -> Option<String> {
    if now.requests == 0 {
        return Some("no request was measured during the watch".to_owned());
    }
    // A look during the watch counts only where it is clear, whatever the number.
    let early = matches!(now.look, Some(Look::Step(_)));
    let needed = |requests: u64, least: u64, when: &str| {
        (requests < least)
            .then(|| format!("{requests} requests {when} tell nothing, {least} are needed"))
    };
    if early {
        return None;
    }
    needed(now.requests, enough, "during the watch").or_else(|| {
        let before = baseline.filter(|before| before.requests > 0)?;
        needed(before.requests, MIN_SAMPLES, "before the release")
    })
}
