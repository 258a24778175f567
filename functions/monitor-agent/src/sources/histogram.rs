//! Latencies that are only known by the buckets of a histogram.

/// Latencies that are made of a histogram at most.
const MAX: usize = 500;

/// How many requests took how long: upper bounds in milliseconds, in their order, the last one
/// without an end, and the requests of each bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// From buckets that each count everything below their bound, as Prometheus has them. What is
    /// no bound or no number is left out.
    pub(crate) fn cumulative(buckets: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut buckets: Vec<_> = buckets
            .into_iter()
            .filter(|(bound, count)| !bound.is_nan() && count.is_finite())
            .collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut below = 0.0;
        let own = buckets.into_iter().map(|(bound, count)| {
            // An estimate may fall where a count would not.
            let own = (count - below).max(0.0);
            below = below.max(count);
            (bound, own)
        });
        Self(own.collect())
    }

    /// So many requests by the latencies that shares of them keep to, as the shortest (0), the median
    /// (0.5) and the longest (1) of them. Beyond the greatest share nothing is known, and nothing is
    /// made up.
    pub(crate) fn quantiles(
        requests: f64,
        latencies: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let mut buckets: Vec<_> = latencies
            .into_iter()
            .filter(|(share, bound)| (0.0..=1.0).contains(share) && bound.is_finite())
            .map(|(share, bound)| (bound, share * requests))
            .collect();
        if let Some(longest) = buckets.iter().map(|(bound, _)| *bound).reduce(f64::max) {
            buckets.push((longest, requests));
        }
        Self::cumulative(buckets)
    }

    /// All requests.
    pub(crate) fn total(&self) -> f64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// What came since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| {
            let same = |(other, _): &&(f64, f64)| other.total_cmp(&bound).is_eq();
            earlier.0.iter().find(same).map_or(0.0, |(_, count)| *count)
        };
        Self(
            self.0
                .iter()
                .map(|(bound, count)| (*bound, (count - before(*bound)).max(0.0)))
                .collect(),
        )
    }

    /// The latency that this share of the requests keeps to, in milliseconds: linear within a
    /// bucket, and the last bound where there is no end, as PromQL's `histogram_quantile`.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = self.total() * share.clamp(0.0, 1.0);
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if bound.is_infinite() {
                break;
            }
            if *count > 0.0 && below + count >= rank {
                return lower + (bound - lower) * ((rank - below) / count);
            }
            below += count;
            lower = *bound;
        }
        lower
    }

    /// That many latencies which are spread as these are. Nobody knows their order: neighbours
    /// are far apart, so that it looks like none.
    fn latencies(&self, count: usize) -> impl Iterator<Item = f64> {
        let step = stride(count);
        #[expect(clippy::cast_precision_loss, reason = "at most 500")]
        (0..count)
            .map(move |index| self.quantile(((index * step % count) as f64 + 0.5) / count as f64))
    }
}

/// Latencies of one reading after another, in their order, each with as many as its requests are a
/// share of all.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most 500, and none is negative"
)]
pub(crate) fn latencies(readings: &[Histogram]) -> Vec<f64> {
    let total: f64 = readings.iter().map(Histogram::total).sum();
    let scale = if total > MAX as f64 { MAX as f64 / total } else { 1.0 };
    let mut so_far = 0.0;
    let mut all = Vec::new();
    for reading in readings {
        so_far += reading.total() * scale;
        let count = (so_far.round() as usize).saturating_sub(all.len());
        all.extend(reading.latencies(count));
    }
    all
}

/// A step by which every index below `count` is come to, about by the golden ratio.
fn stride(count: usize) -> usize {
    let near = (count * 618 / 1_000).max(1);
    (near..=count.max(1)).find(|step| divisor(*step, count) == 1).unwrap_or(1)
}

fn divisor(one: usize, other: usize) -> usize {
    if other == 0 { one } else { divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Histogram {
        Histogram::cumulative([(f64::INFINITY, 100.0), (10.0, 50.0), (20.0, 90.0), (40.0, 99.0)])
    }

    #[test]
    fn quantiles_are_linear_within_a_bucket_and_end_at_the_last_bound() {
        let histogram = sample();
        for (share, expected) in
            [(0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.7, 15.0), (0.99, 40.0), (1.0, 40.0)]
        {
            assert!((histogram.quantile(share) - expected).abs() < 1e-9, "{share}");
        }
        assert_eq!(Histogram::default().quantile(0.5), 0.0);
    }

    #[test]
    fn quantiles_of_others_are_given_back() {
        let shares = [(0.99, 80.0), (0.0, 2.0), (0.5, 10.0), (0.9, 30.0)];
        let histogram = Histogram::quantiles(1_000.0, shares);
        assert!((histogram.total() - 1_000.0).abs() < 1e-9);
        for (share, bound) in shares {
            assert!((histogram.quantile(share) - bound).abs() < 1e-9, "{share}");
        }
        assert!((histogram.quantile(0.7) - 20.0).abs() < 1e-9);
        assert_eq!(histogram.quantile(1.0), 80.0);
        assert_eq!(Histogram::quantiles(9.0, [(2.0, 1.0), (0.5, f64::NAN)]), Histogram::default());
        let same = Histogram::quantiles(4.0, [(0.5, 7.0), (0.9, 7.0), (1.0, 7.0)]);
        assert_eq!((same.total(), same.quantile(0.5)), (4.0, 7.0));
    }

    #[test]
    fn what_came_since_is_told_apart() {
        let later = Histogram::cumulative([(10.0, 60.0), (20.0, 130.0), (f64::INFINITY, 140.0)]);
        let new = later.since(&Histogram::cumulative([
            (10.0, 50.0),
            (20.0, 90.0),
            (f64::INFINITY, 100.0),
        ]));
        assert_eq!(new.total(), 40.0);
        assert_eq!(new, Histogram(vec![(10.0, 10.0), (20.0, 30.0), (f64::INFINITY, 0.0)]));
        // A process that began anew counts from nothing.
        assert_eq!(Histogram::default().since(&later).total(), 0.0);
    }

    proptest! {
        #[test]
        fn the_latencies_are_spread_as_the_histogram_is(counts in prop::collection::vec(0u32..400, 1..8), readings in 1usize..5) {
            let bounds = [1.0, 2.0, 5.0, 10.0, 50.0, 200.0, 1_000.0];
            let mut below = 0.0;
            let one = Histogram::cumulative(bounds.into_iter().zip(&counts).map(|(bound, count)| {
                below += f64::from(*count);
                (bound, below)
            }));
            let all = latencies(&vec![one.clone(); readings]);
            let total = one.total() * readings as f64;
            prop_assert!(all.len() <= MAX);
            prop_assert!((all.len() as f64 - total.min(MAX as f64)).abs() <= 1.0);
            let mut sorted = all;
            sorted.sort_by(f64::total_cmp);
            if sorted.len() >= 20 {
                // Within one place of where it should be, of each reading.
                let slack = (readings as f64 + 1.0) / sorted.len() as f64;
                let median = pact_statistics::percentile(&sorted, 50).unwrap_or_default();
                prop_assert!(median >= one.quantile((0.5 - slack).max(0.0)) - 1e-9);
                prop_assert!(median <= one.quantile((0.5 + slack).min(1.0)) + 1e-9);
            }
        }

        #[test]
        fn a_stride_comes_to_every_index(count in 1usize..700) {
            let step = stride(count);
            let seen: std::collections::BTreeSet<_> = (0..count).map(|index| index * step % count).collect();
            prop_assert_eq!(seen.len(), count);
        }
    }
}
