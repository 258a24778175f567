//! One row of a comparison: from its numbers to what came of it, in the same way for each metric.

use pact_contract::actions::{Compared, Comparison, Look};

use crate::looks;

/// How likely it has to be that something is worse by as much as matters, for it to look so.
const LOOKS_WORSE: f64 = 0.85;
/// Or how rarely chance would look like it, though too often for a release to be taken back.
const SUSPICIOUS: f64 = 0.01;

/// How likely it has to be that more failed than at the same time with the release before.
const CERTAIN: f64 = 0.99;

/// The metric of failed requests.
pub(crate) const FAILURES: &str = "errors";
/// Of those of everybody's that failed.
pub(crate) const OF_EVERYBODY: &str = "traffic-errors";

/// What is known of one metric.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) metric: &'static str,
    /// The metric for people: `the median latency`.
    pub(crate) named: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) before: Option<f64>,
    pub(crate) now: f64,
    pub(crate) samples: (u64, u64),
    pub(crate) interval: Option<(f64, f64)>,
    /// The chance at this look alone.
    pub(crate) chance: f64,
    pub(crate) test: &'static str,
    /// The row's share of the false alarms.
    pub(crate) weight: f64,
    /// What would still be tolerated, in the unit.
    pub(crate) tolerated: f64,
    /// How likely it is that it is worse by more than that.
    pub(crate) likely: f64,
    pub(crate) better: bool,
}

impl Row {
    pub(crate) fn outcome(&self, look: Option<Look>) -> Compared {
        let large = self.now > self.tolerated;
        let alpha = looks::alpha(look, self.weight);
        match () {
            () if large && self.chance <= alpha => Compared::Worse,
            () if large && (self.likely >= LOOKS_WORSE || self.chance <= SUSPICIOUS) => {
                Compared::Unsure
            }
            () if self.better => Compared::Better,
            () => Compared::Same,
        }
    }

    /// Against a release at the same time, where the one before, measured earlier, has alarmed already:
    /// only a release that looks bad is held against this, and so it needs no share of the looks. Failures
    /// are rare enough for their likelihood to do.
    pub(crate) fn meanwhile(&self) -> Compared {
        let large = self.now > self.tolerated;
        let failing =
            |likely: f64| [FAILURES, OF_EVERYBODY].contains(&self.metric) && self.likely >= likely;
        match () {
            () if large && (failing(CERTAIN) || self.chance <= looks::BOUND * self.weight) => {
                Compared::Worse
            }
            // As much as matters, of too few to tell: no reason to alarm, and none to excuse.
            () if large => Compared::Unsure,
            () => Compared::Same,
        }
    }

    pub(crate) fn judged(self, look: Option<Look>) -> Comparison {
        let outcome = self.outcome(look);
        let Self { named, unit, now, .. } = self;
        let from = self
            .before
            .map_or_else(String::new, |before| format!(", {} before", shown(before, unit)));
        let interval = self.interval.map_or_else(String::new, |(low, high)| {
            format!("; the difference is from {} to {}", shown(low, unit), shown(high, unit))
        });
        let word = match outcome {
            Compared::Worse => "is worse",
            Compared::Unsure => "looks worse, and may be so by chance",
            Compared::Better => "is better",
            Compared::Same | Compared::NotCompared => "is not worse",
        };
        let message = format!("{named} {word}: {}{from}{interval}", shown(now, unit));
        let would_pass = matches!(outcome, Compared::Worse | Compared::Unsure)
            .then(|| format!("{named} at {} or less", shown(self.tolerated, unit)));
        Comparison {
            metric: self.metric.to_owned(),
            outcome,
            before: self.before.map(round),
            now: Some(round(now)),
            meanwhile: None,
            tolerated: Some(round(self.tolerated)),
            unit: unit.to_owned(),
            samples_before: self.samples.0,
            samples_now: self.samples.1,
            interval: self.interval.map(|(low, high)| (round(low), round(high))),
            chance: Some(tiny(looks::adjusted(self.chance, look))),
            method: format!(
                "{}, counts below {}",
                self.test,
                tiny(looks::adjusted(looks::alpha(look, self.weight), look))
            ),
            message,
            would_pass,
        }
    }
}

/// A metric of which too little is known.
pub(crate) fn not_compared(
    metric: &'static str,
    unit: &'static str,
    samples: (u64, u64),
    message: String,
) -> Comparison {
    Comparison {
        metric: metric.to_owned(),
        outcome: Compared::NotCompared,
        before: None,
        now: None,
        meanwhile: None,
        tolerated: None,
        unit: unit.to_owned(),
        samples_before: samples.0,
        samples_now: samples.1,
        interval: None,
        chance: None,
        method: String::new(),
        message,
        would_pass: None,
    }
}

/// A value for people.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    let digits = if value.abs() < 10.0 && value != 0.0 { 2 } else { 1 };
    format!("{value:.digits$} {unit}")
}

/// To three decimals: more is noise.
pub(crate) fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A small chance, to two digits that count.
fn tiny(chance: f64) -> f64 {
    if chance <= 1e-12 {
        return 1e-12;
    }
    let scale = 10f64.powi(1 - chance.log10().floor().max(-300.0) as i32);
    (chance * scale).round() / scale
}
