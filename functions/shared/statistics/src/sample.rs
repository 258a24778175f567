//! Samples: sorted once, asked for quantiles, ranked against each other.

use std::cell::OnceCell;

use pact_contract::actions::Metrics;

use crate::{
    chance::{normal, real},
    clumps::clumping,
};

/// Fewer requests than this tell nothing, unless the watch ended early because they do.
pub const MIN_SAMPLES: u64 = 20;
/// Fewer latencies than this say nothing.
pub(crate) const MIN_LATENCIES: u64 = 20;
/// Latencies that are looked at: what is handed on is bounded, what comes from outside may not be.
const MAX_LATENCIES: usize = 20_000;

/// The `percent`th percentile of `sorted` by the nearest-rank method: the smallest value such that
/// at least `percent` percent of the values are not above it. It is always one of the values.
#[must_use]
pub fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent.min(100)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// At most `limit` of the values, evenly spread and in their order.
#[must_use]
pub fn thinned(values: &[f64], limit: usize) -> Vec<f64> {
    if values.len() <= limit {
        return values.to_vec();
    }
    (0..limit).filter_map(|i| values.get(i * values.len() / limit)).copied().collect()
}

/// Values in their order, and sorted. What is no latency is left out.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) ordered: Vec<f64>,
    pub(crate) sorted: Vec<f64>,
    /// How many in a row came within a moment.
    together: usize,
    likeness: OnceCell<f64>,
}

impl Sample {
    pub(crate) fn new(values: &[f64]) -> Self {
        let ordered: Vec<f64> =
            values.iter().copied().filter(|v| v.is_finite() && *v >= 0.0).collect();
        let mut sorted = ordered.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Self { ordered, sorted, together: 1, likeness: OnceCell::new() }
    }

    /// So many in a row came within a moment.
    pub(crate) fn together(self, together: u32) -> Self {
        Self { together: together.max(1) as usize, ..self }
    }

    /// For how many of those that are as slow as this, or slower, one counts.
    pub(crate) fn clumps(&self, edge: f64) -> f64 {
        if self.together == 1 {
            return 1.0;
        }
        let slow: Vec<bool> = self.ordered.iter().map(|value| *value >= edge).collect();
        clumping(&slow, self.together)
    }

    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    pub(crate) fn count(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// The quantile at a share from 0 to 1, by the nearest rank.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let n = self.len();
        let rank = (real(n as u64) * share).ceil();
        self.at(rank)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is clamped to the length first"
    )]
    fn at(&self, rank: f64) -> f64 {
        let rank = rank.clamp(1.0, real(self.len().max(1) as u64)) as usize;
        self.sorted.get(rank - 1).copied().unwrap_or(0.0)
    }

    /// Where the quantile lies with a confidence of 95 %, by the ranks that the binomial
    /// distribution gives: no shape is assumed.
    pub(crate) fn interval(&self, share: f64) -> (f64, f64) {
        let n = real(self.count());
        let half = 1.96 * (n * share * (1.0 - share)).sqrt();
        (self.at((n * share - half).floor()), self.at((n * share + half).ceil() + 1.0))
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Every value changed by something that keeps their order.
    pub(crate) fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        Self {
            ordered: self.ordered.iter().copied().map(&change).collect(),
            sorted: self.sorted.iter().copied().map(&change).collect(),
            together: self.together,
            // As good as unchanged.
            likeness: self.likeness().into(),
        }
    }

    /// Both halves, in the order of time.
    pub(crate) fn halves(&self) -> (Self, Self) {
        let (first, second) = self.ordered.split_at(self.len() / 2);
        let half = |values: &[f64]| Self { together: self.together, ..Self::new(values) };
        (half(first), half(second))
    }

    /// By how much neighbours are alike, from 0: values that come in waves say less than their
    /// number, as if there were fewer of them. Measured on what is left after a straight line, which
    /// is a change and no wave; and on a clipped scale, so that one outlier does not hide it.
    pub(crate) fn likeness(&self) -> f64 {
        *self.likeness.get_or_init(|| self.neighbours())
    }

    fn neighbours(&self) -> f64 {
        let n = self.len();
        if n < 10 {
            return 0.0;
        }
        let (low, high) = (self.quantile(0.05), self.quantile(0.95));
        let clipped: Vec<f64> = self.ordered.iter().map(|v| v.clamp(low, high.max(low))).collect();
        let count = real(n as u64);
        let mean = clipped.iter().sum::<f64>() / count;
        let middle = (count - 1.0) / 2.0;
        let time = |i: usize| real(i as u64) - middle;
        let slope = clipped.iter().enumerate().map(|(i, v)| time(i) * (v - mean)).sum::<f64>()
            / (count * (count * count - 1.0) / 12.0);
        let left: Vec<f64> =
            clipped.iter().enumerate().map(|(i, v)| v - mean - slope * time(i)).collect();
        let variance = left.iter().map(|v| v * v).sum::<f64>();
        if variance <= 0.0 {
            return 0.0;
        }
        let next: f64 = left.iter().zip(left.iter().skip(1)).map(|(a, b)| a * b).sum();
        // What chance alone gives is no likeness.
        let likeness = next / variance;
        if likeness < 2.0 / count.sqrt() { 0.0 } else { likeness.min(0.95) }
    }
}

/// The latencies of a release, when there are enough.
pub(crate) fn latencies(metrics: &Metrics, least: u64) -> Option<Sample> {
    let sample =
        Sample::new(&thinned(&metrics.latencies_ms, MAX_LATENCIES)).together(metrics.together);
    (sample.count() >= least).then_some(sample)
}

/// What half of the values of both are not below.
fn middle_of(before: &Sample, now: &Sample) -> f64 {
    let half = (before.len() + now.len()) / 2;
    // The merge of both, as far as its middle.
    let (mut i, mut j, mut value) = (0, 0, 0.0);
    while i + j <= half {
        let (old, new) = (before.sorted.get(i), now.sorted.get(j));
        match (old, new) {
            (Some(old), new) if new.is_none_or(|new| old <= new) => {
                (value, i) = (*old, i + 1);
            }
            (_, Some(new)) => (value, j) = (*new, j + 1),
            (_, None) => break,
        }
    }
    value
}

/// How likely it is, when nothing changed, that `now` is above `before` as much as it is:
/// Mann-Whitney's U test, one-sided, normal approximation with corrections for ties, for
/// continuity, and for values that come in waves. Assumes no shape, which latencies would not have.
pub(crate) fn shifted_up(before: &Sample, now: &Sample) -> f64 {
    let (n, m) = (real(before.count()), real(now.count()));
    if n < 1.0 || m < 1.0 {
        return 1.0;
    }
    // U: pairs in which the new one is larger, ties by half. Ties of the whole for the variance.
    let (mut wins, mut ties) = (0.0, 0.0);
    let (mut i, mut j) = (0, 0);
    let run = |values: &[f64], from: usize, value: f64| {
        values.get(from..).unwrap_or_default().iter().take_while(|v| **v == value).count()
    };
    while let Some(value) =
        [before.sorted.get(i), now.sorted.get(j)].into_iter().flatten().copied().reduce(f64::min)
    {
        let old = run(&before.sorted, i, value);
        let new = run(&now.sorted, j, value);
        let (same_old, same_new) = (real(old as u64), real(new as u64));
        wins += same_new * (real(i as u64) + same_old / 2.0);
        let tied = same_old + same_new;
        ties += tied * tied * tied - tied;
        i += old;
        j += new;
    }
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)).max(1.0));
    if variance <= 0.0 {
        return 1.0;
    }
    let likeness = before.likeness().max(now.likeness());
    // In a short watch a spell of trouble is no wave, but a step: there what came together counts once.
    let middle = middle_of(before, now);
    let clumps = before.clumps(middle).max(now.clumps(middle));
    let waves = ((1.0 + likeness) / (1.0 - likeness)).max(clumps).sqrt();
    normal((wins - n * m / 2.0 - 0.5) / variance.sqrt() / waves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        for (percent, expected) in
            [(0, 15.0), (5, 15.0), (30, 20.0), (40, 20.0), (50, 35.0), (95, 50.0), (100, 50.0)]
        {
            assert_eq!(percentile(&values, percent), Some(expected), "{percent}");
        }
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(Sample::new(&[]).quantile(0.5), 0.0);
    }

    #[test]
    fn thinning_keeps_order_and_spread() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let thin = thinned(&values, 10);
        assert_eq!(thin, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0]);
        assert_eq!(thinned(&values, 2_000).len(), 1_000);
    }

    /// A reference value from scipy 1.17: `mannwhitneyu(now, before, alternative="greater",
    /// method="asymptotic")`.
    #[test]
    fn the_test_agrees_with_an_independent_implementation() {
        let before: Vec<f64> = (1..=20).map(|n| f64::from(n * 8 % 21)).collect();
        let now: Vec<f64> = before.iter().map(|v| v + 7.0).collect();
        let p = shifted_up(&Sample::new(&before), &Sample::new(&now));
        assert!((p - 0.000_927_051_237_622).abs() < 1e-9, "{p}");
    }

    #[test]
    fn no_spread_is_no_shift() {
        let of = |value: f64| Sample::new(&[value; 30]);
        assert!(shifted_up(&of(5.0), &of(5.0)) > 0.4);
        assert!(shifted_up(&of(5.0), &of(9.0)) < 1e-6);
        assert!(shifted_up(&of(9.0), &of(5.0)) > 0.999);
        assert_eq!(shifted_up(&Sample::new(&[]), &of(1.0)), 1.0);
        assert_eq!(Sample::new(&[f64::NAN, -1.0, f64::INFINITY, 2.0]).sorted, [2.0]);
    }

    #[test]
    fn waves_are_known_from_noise_and_from_a_rise() {
        let wave: Vec<f64> = (0..100).map(|i| (f64::from(i) / 8.0).sin() + 2.0).collect();
        assert!(Sample::new(&wave).likeness() > 0.8);
        let noise: Vec<f64> =
            (0..100u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 20)).collect();
        assert!(Sample::new(&noise).likeness() < 0.3);
        let rise: Vec<f64> = (0..100u32)
            .map(|i| f64::from(i * 20) + f64::from(i.wrapping_mul(2_654_435_761) >> 24))
            .collect();
        assert!(Sample::new(&rise).likeness() < 0.3);
    }
}
