//! What requests of the agent itself came to, until it is summed up.

use std::{collections::BTreeMap, time::Duration};

use pact_contract::actions::{Beside, Metrics};
use tokio::time::Instant;

use super::source::{Watcher, Watching};

/// From when on an open request is as slow as it is old, though nobody knows how slow it will be. Too
/// little rather than too much: what it is taken for only grows.
const OVERDUE: Duration = Duration::from_millis(250);
/// What fails for less than this may have passed by the next request.
const PASSING: Duration = Duration::from_millis(500);
/// Latencies that are handed on: of all that was asked, and of each release that was asked for itself.
const MAX_LATENCIES: usize = 500;
const MAX_APART: usize = 250;

/// One request: a latency in milliseconds, or none when it failed.
pub(super) type Sample = Option<f64>;

/// How requests reach a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As everybody's do: to whichever release has its turn.
    Front,
    /// To the new one alone.
    New,
    /// To the one before it alone.
    Old,
}

/// What was asked by one way, or by several.
#[derive(Default)]
pub(super) struct Heard {
    answered: Vec<(u64, Sample)>,
    /// When each was sent that is not answered.
    open: BTreeMap<u64, Instant>,
    /// How many in a row were sent within a moment, while they came quickest.
    together: u32,
}

impl Heard {
    fn new(together: u32) -> Self {
        Self { together, ..Self::default() }
    }

    /// How many are not answered.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    fn add(&mut self, number: u64, sample: Sample) {
        self.open.remove(&number);
        self.answered.push((number, sample));
    }

    /// Those that are open for so long that this alone says something.
    fn overdue(&self) -> impl Iterator<Item = (u64, Sample)> {
        let now = Instant::now();
        self.open.iter().filter_map(move |(number, sent)| {
            let age = now.duration_since(*sent);
            (age >= OVERDUE).then_some((*number, Some(age.as_secs_f64() * 1_000.0)))
        })
    }

    fn count(&self) -> u64 {
        (self.answered.len() + self.overdue().count()) as u64
    }

    /// In the order in which they were sent.
    fn metrics(&self, most: usize) -> Metrics {
        let mut all: Vec<_> = self.answered.iter().copied().chain(self.overdue()).collect();
        all.sort_by_key(|(number, _)| *number);
        let all: Vec<_> = all.into_iter().map(|(_, sample)| sample).collect();
        sum_up(&all, self.together, most)
    }
}

/// What came back so far, and what is still open.
pub(super) struct Samples {
    /// Of the release that is judged, by whatever way.
    pub(super) all: Heard,
    new: Heard,
    old: Heard,
    /// Whether both releases are asked, each for itself.
    pub(super) apart: bool,
    /// When the first was sent.
    first: Option<Instant>,
    /// When the first failed.
    failed: Option<Instant>,
    /// How late each was sent, in milliseconds.
    pub(super) late: Vec<f64>,
}

impl Samples {
    /// So many in a row are sent within a moment; and so many to each release for itself.
    pub(super) fn new(together: u32, apart: u32) -> Self {
        let [all, new, old] = [together, apart, apart].map(Heard::new);
        Self { all, new, old, apart: false, first: None, failed: None, late: Vec::new() }
    }

    fn by(&mut self, way: Way) -> Vec<&mut Heard> {
        match way {
            Way::Front => vec![&mut self.all],
            Way::New => vec![&mut self.all, &mut self.new],
            Way::Old => vec![&mut self.old],
        }
    }

    pub(super) fn sent(&mut self, way: Way, number: u64) {
        let sent = Instant::now();
        self.first.get_or_insert(sent);
        for heard in self.by(way) {
            heard.open.insert(number, sent);
        }
    }

    pub(super) fn add(&mut self, way: Way, number: u64, sample: Sample) {
        for heard in self.by(way) {
            heard.add(number, sample);
        }
        if sample.is_none() && way != Way::Old {
            self.failed.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn metrics(&self) -> Metrics {
        let mut late = self.late.clone();
        late.sort_by(f64::total_cmp);
        let lag_ms = round(pact_statistics::percentile(&late, 95).unwrap_or(0.0));
        let seconds = self.first.map_or(0.0, |first| round(first.elapsed().as_secs_f64()));
        let beside = self.apart.then(|| {
            let [new, old] = [&self.new, &self.old].map(|heard| heard.metrics(MAX_APART));
            Box::new(Beside { new, old })
        });
        Metrics { lag_ms, seconds, beside, ..self.all.metrics(MAX_LATENCIES) }
    }

    /// Looks, where a look is due; what failed has to have done so for a while.
    pub(super) fn look(
        &self,
        watcher: &mut dyn Watcher,
        whole: impl FnOnce(Metrics) -> Metrics,
    ) -> Option<Metrics> {
        let passing = self.failed.is_some_and(|first| first.elapsed() < PASSING);
        if passing || !watcher.due(self.all.count()) {
            return None;
        }
        let mut metrics = whole(self.metrics());
        (watcher.look(&mut metrics) == Watching::Ends).then_some(metrics)
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 60,000 requests")]
pub(super) fn sum_up(samples: &[Sample], together: u32, most: usize) -> Metrics {
    let latencies: Vec<f64> = samples.iter().flatten().copied().collect();
    let failed: Vec<bool> = samples.iter().map(Option::is_none).collect();
    let errors = samples.len() - latencies.len();
    let mut sorted = latencies.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |percent| round(pact_statistics::percentile(&sorted, percent).unwrap_or(0.0));
    Metrics {
        requests: samples.len() as u64,
        errors: errors as u64,
        error_rate: if samples.is_empty() {
            0.0
        } else {
            round(errors as f64 * 100.0 / samples.len() as f64)
        },
        p50_ms: at(50),
        p95_ms: at(95),
        p99_ms: at(99),
        latencies_ms: pact_statistics::thinned(&latencies, most).into_iter().map(round).collect(),
        // Those that are left out lie between the others.
        together: match latencies.len() {
            all if all <= most => together,
            all => u32::try_from(together as usize * most / all).unwrap_or(1).max(1),
        },
        clumped: round(pact_statistics::clumping(&failed, together as usize)),
        ..Metrics::default()
    }
}

/// To three decimals: more is noise.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_count_as_errors_and_not_as_fast_answers() {
        let mut samples: Vec<Sample> = (1..=98).map(|n| Some(f64::from(n))).collect();
        samples.push(None);
        samples.push(None);
        let metrics = sum_up(&samples, 5, MAX_LATENCIES);
        assert!(metrics.clumped > 1.9, "{}", metrics.clumped);
        assert_eq!((metrics.requests, metrics.errors), (100, 2));
        assert!((metrics.error_rate - 2.0).abs() < 1e-9);
        assert!((metrics.p50_ms - 49.0).abs() < 1e-9);
        assert!((metrics.p95_ms - 94.0).abs() < 1e-9);
        assert_eq!(metrics.latencies_ms.len(), 98);
    }

    #[test]
    fn the_old_one_is_counted_for_itself_and_only_while_both_are_asked() {
        let mut samples = Samples::new(5, 2);
        samples.apart = true;
        let asked = [(Way::Front, Some(1.0)), (Way::New, Some(2.0)), (Way::Old, None)];
        for (number, (way, sample)) in (0..).zip(asked) {
            samples.sent(way, number);
            samples.add(way, number, sample);
        }
        let metrics = samples.metrics();
        assert_eq!((metrics.requests, metrics.errors), (2, 0));
        assert!(samples.failed.is_none(), "that the old one fails is no failure of this one");
        let Beside { new, old } = *metrics.beside.expect("both");
        assert_eq!((new.requests, new.latencies_ms), (1, vec![2.0]));
        assert_eq!((old.requests, old.errors), (1, 1));
        samples.apart = false;
        assert!(samples.metrics().beside.is_none());
    }
}
