//! Small statistics. Every function is total: what cannot be computed is `None`.

use statrs::stats_tests::{
    Alternative, fishers_exact,
    mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu},
};

/// The `percent`th percentile of `sorted` by the nearest-rank method: the smallest value such that
/// at least `percent` percent of the values are not above it. It is always one of the values.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent.min(100)).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The median by the nearest-rank method.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50)
}

/// At most `limit` of the values, evenly spread and in their order.
pub(crate) fn thinned(values: &[f64], limit: usize) -> Vec<f64> {
    if values.len() <= limit {
        return values.to_vec();
    }
    (0..limit).filter_map(|i| values.get(i * values.len() / limit)).copied().collect()
}

/// How likely it is, when nothing changed, that `now` is shifted upwards against `before` as much
/// as it is: Mann-Whitney U test, one-sided, normal approximation with correction for ties. Makes
/// no assumption about the distribution, which latencies would not meet.
pub(crate) fn shift_up(before: &[f64], now: &[f64]) -> Option<f64> {
    let finite = |values: &[f64]| -> Option<Vec<f64>> {
        values.iter().all(|v| v.is_finite()).then(|| values.to_vec())
    };
    let (before, now) = (finite(before)?, finite(now)?);
    let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
    let (_, p) = mannwhitneyu(&now, &before, method, Alternative::Greater).ok()?;
    // All values the same: no spread, no shift.
    Some(if p.is_finite() { p } else { 1.0 })
}

/// How likely it is, when nothing changed, that so many of the failures are in the second group:
/// Fisher's exact test, one-sided. Holds for small numbers and for a baseline without a failure,
/// where a comparison of rates does not.
pub(crate) fn more_failures(before: (u64, u64), now: (u64, u64)) -> Option<f64> {
    let (before_errors, before_requests) = scaled(before);
    let (now_errors, now_requests) = scaled(now);
    let table = [
        now_errors,
        now_requests.checked_sub(now_errors)?,
        before_errors,
        before_requests.checked_sub(before_errors)?,
    ];
    fishers_exact(&table, Alternative::Greater).ok().filter(|p| p.is_finite())
}

/// Counts that would take long are made smaller, which only makes the test more cautious.
fn scaled((errors, requests): (u64, u64)) -> (u64, u64) {
    const MOST: u64 = 20_000;
    if requests <= MOST {
        return (errors, requests);
    }
    let errors = u128::from(errors) * u128::from(MOST) / u128::from(requests);
    (u64::try_from(errors).unwrap_or(MOST), MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        for (percent, expected) in
            [(0, 15.0), (5, 15.0), (30, 20.0), (40, 20.0), (50, 35.0), (95, 50.0), (100, 50.0)]
        {
            assert_eq!(percentile(&values, percent), Some(expected), "{percent}");
        }
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn thinning_keeps_order_and_spread() {
        let values: Vec<f64> = (0..1_000).map(f64::from).collect();
        let thin = thinned(&values, 10);
        assert_eq!(thin, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0]);
        assert_eq!(thinned(&values, 2_000).len(), 1_000);
    }

    /// Reference values from scipy 1.17: `mannwhitneyu(now, before, alternative="greater",
    /// method="asymptotic")` and `fisher_exact([[a, b], [c, d]], alternative="greater")`.
    #[test]
    fn tests_agree_with_an_independent_implementation() {
        let before: Vec<f64> = (1..=20).map(f64::from).collect();
        let now: Vec<f64> = (8..=27).map(f64::from).collect();
        let p = shift_up(&before, &now).expect("a value");
        assert!((p - SHIFT).abs() < 1e-6, "{p}");
        let p = more_failures((1, 50), (8, 50)).expect("a value");
        assert!((p - FISHER).abs() < 1e-6, "{p}");
    }
    const SHIFT: f64 = 0.000_927_051_237_622;
    const FISHER: f64 = 0.015_428_911_487_231;

    #[test]
    fn no_spread_is_no_shift() {
        assert_eq!(shift_up(&[5.0; 30], &[5.0; 30]).map(|p| p > 0.4), Some(true));
        assert!(shift_up(&[5.0; 30], &[9.0; 30]).is_some_and(|p| p < 1e-6));
        assert_eq!(shift_up(&[], &[1.0]), None);
        assert_eq!(shift_up(&[f64::NAN], &[1.0]), None);
    }

    /// Fisher's test by its definition: the sum over all tables that are at least as extreme.
    fn by_definition(before: (u64, u64), now: (u64, u64)) -> f64 {
        let ln_choose = |n: u64, k: u64| -> f64 {
            (1..=k).map(|i| ((n - k + i) as f64).ln() - (i as f64).ln()).sum()
        };
        let failures = before.0 + now.0;
        let total = ln_choose(before.1 + now.1, failures);
        (now.0..=failures.min(now.1))
            .filter(|k| failures - k <= before.1)
            .map(|k| (ln_choose(now.1, k) + ln_choose(before.1, failures - k) - total).exp())
            .sum()
    }

    proptest! {
        #[test]
        fn fishers_test_is_what_it_is_defined_as(
            before in 1u64..80, now in 1u64..80, a in 0.0f64..=1.0, b in 0.0f64..=1.0
        ) {
            let of = |n: u64, share: f64| ((n as f64 * share) as u64, n);
            let (before, now) = (of(before, a), of(now, b));
            let p = more_failures(before, now).expect("a value");
            prop_assert!((p - by_definition(before, now)).abs() < 1e-6, "{} {}", p, by_definition(before, now));
        }

        #[test]
        fn any_counts_are_answered_quickly(a: u64, b: u64, c: u64, d: u64) {
            let p = more_failures((a.min(b), b), (c.min(d), d));
            prop_assert!(p.is_none_or(|p| (0.0..=1.0).contains(&p)));
        }
    }
}
