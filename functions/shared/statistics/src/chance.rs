//! How likely something is by chance. Every function is total: what cannot be computed is certain
//! (1), which raises no alarm.

use statrs::function::{beta::checked_beta_reg, erf::erfc, gamma::ln_gamma};

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

fn ln_choose(n: u64, k: u64) -> f64 {
    let factorial = |n: u64| ln_gamma(real(n) + 1.0);
    factorial(n) - factorial(k) - factorial(n - k)
}

/// The chance that, of `drawn` out of `all` of which `marked` are marked, at least `found` are
/// marked: the upper tail of the hypergeometric distribution, which is the one of Fisher's exact
/// test.
pub(crate) fn hypergeometric(all: u64, marked: u64, drawn: u64, found: u64) -> f64 {
    if marked > all || drawn > all {
        return 1.0;
    }
    let least = (marked + drawn).saturating_sub(all);
    let most = marked.min(drawn);
    if found <= least {
        return 1.0;
    }
    if found > most {
        return 0.0;
    }
    let term = |k: u64| {
        (ln_choose(marked, k) + ln_choose(all - marked, drawn - k) - ln_choose(all, drawn)).exp()
    };
    // From here on the terms become smaller; below the mean it is the other tail that does.
    let mean = real(marked) * real(drawn) / real(all);
    let rising = real(found) <= mean;
    let (mut k, last) = if rising { (found - 1, least) } else { (found, most) };
    let mut next = term(k);
    let mut sum = next;
    while k != last && next > sum * 1e-17 {
        next *= if rising {
            real(k) * real(all + k - marked - drawn) / (real(marked - k + 1) * real(drawn - k + 1))
        } else {
            real(marked - k) * real(drawn - k) / (real(k + 1) * real(all + k + 1 - marked - drawn))
        };
        sum += next;
        k = if rising { k - 1 } else { k + 1 };
    }
    if rising { 1.0 - sum.min(1.0) } else { sum.min(1.0) }
}

/// Fisher's exact test, one-sided: how likely it is, when nothing changed, that so many of the
/// failures are in the second group.
pub(crate) fn fisher(before: (u64, u64), now: (u64, u64)) -> f64 {
    let all = before.1.saturating_add(now.1);
    hypergeometric(all, before.0.saturating_add(now.0), now.1, now.0)
}

/// The chance of at least `found` in `n` when each has this share.
pub(crate) fn binomial(n: u64, found: u64, share: f64) -> f64 {
    if found == 0 {
        return 1.0;
    }
    if found > n || share <= 0.0 {
        return 0.0;
    }
    if share >= 1.0 {
        return 1.0;
    }
    checked_beta_reg(real(found), real(n - found) + 1.0, share).unwrap_or(1.0)
}

/// The chance that a normal value is above this many deviations.
pub(crate) fn normal(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// How likely it is, after `found` of `n`, that the share is above `share` (with Jeffreys' prior,
/// which favours no share).
pub(crate) fn above(found: u64, n: u64, share: f64) -> f64 {
    let (a, b) = (real(found) + 0.5, real(n.saturating_sub(found)) + 0.5);
    1.0 - checked_beta_reg(a, b, share.clamp(0.0, 1.0)).unwrap_or(1.0)
}

/// How likely it is that the second share is above what is `tolerated` for the first, both with
/// Jeffreys' prior. In the angle of the root of the share the prior is flat and nothing is
/// infinite, so that an even grid integrates it.
pub(crate) fn share_rose(
    before: (u64, u64),
    now: (u64, u64),
    tolerated: impl Fn(f64) -> f64,
) -> f64 {
    const STEPS: u32 = 96;
    let (a, b) = (real(before.0) + 0.5, real(before.1.saturating_sub(before.0)) + 0.5);
    let centre = (a / (a + b)).sqrt().asin();
    let reach = 5.0 / (a + b).sqrt();
    let (from, to) = ((centre - reach).max(0.0), (centre + reach).min(std::f64::consts::FRAC_PI_2));
    let (mut weights, mut sum) = (0.0, 0.0);
    let density =
        |angle: f64| (2.0 * a - 1.0) * angle.sin().ln() + (2.0 * b - 1.0) * angle.cos().ln();
    let peak = density(centre.clamp(1e-9, std::f64::consts::FRAC_PI_2 - 1e-9));
    for step in 0..STEPS {
        let angle = from + (to - from) * (f64::from(step) + 0.5) / f64::from(STEPS);
        let weight = (density(angle) - peak).exp();
        weights += weight;
        sum += weight * above(now.0, now.1, tolerated(angle.sin().powi(2)));
    }
    if weights > 0.0 { sum / weights } else { 0.0 }
}

/// Newcombe's interval for the difference of two shares, from Wilson's intervals of both: it is
/// right for small numbers and for shares of 0 and 1.
pub(crate) fn difference(before: (u64, u64), now: (u64, u64)) -> (f64, f64) {
    let wilson = |(found, n): (u64, u64)| {
        let (n, z) = (real(n.max(1)), 1.96_f64);
        let share = real(found) / n;
        let centre = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n)
            * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).max(0.0).sqrt();
        (share, (centre - half).max(0.0), (centre + half).min(1.0))
    };
    let (old, old_low, old_high) = wilson(before);
    let (new, new_low, new_high) = wilson(now);
    let low = (new - old) - (new - new_low).hypot(old_high - old);
    let high = (new - old) + (new_high - new).hypot(old - old_low);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reference values from scipy 1.17: `fisher_exact([[8, 42], [1, 49]], alternative="greater")`
    /// and `binomtest(10, 50, 0.05, alternative="greater")`.
    #[test]
    fn tests_agree_with_an_independent_implementation() {
        assert!((fisher((1, 50), (8, 50)) - 0.015_428_911_487_231).abs() < 1e-10);
        assert!((normal(1.96) - 0.024_997_895).abs() < 1e-8);
    }

    /// By their definitions: the sum over all that is at least as extreme.
    fn fisher_by_definition(before: (u64, u64), now: (u64, u64)) -> f64 {
        let failures = before.0 + now.0;
        let total = ln_choose(before.1 + now.1, failures);
        (now.0..=failures.min(now.1))
            .filter(|k| failures - k <= before.1)
            .map(|k| (ln_choose(now.1, k) + ln_choose(before.1, failures - k) - total).exp())
            .sum()
    }

    fn binomial_by_definition(n: u64, found: u64, share: f64) -> f64 {
        (found..=n)
            .map(|k| {
                (ln_choose(n, k) + real(k) * share.ln() + real(n - k) * (1.0 - share).ln()).exp()
            })
            .sum()
    }

    #[test]
    fn a_share_that_rose_is_told_from_one_that_did_not() {
        let rose = |before, now| share_rose(before, now, |share| share + 0.01);
        assert!(rose((0, 50), (0, 50)) < 0.35);
        assert!(rose((0, 50), (2, 50)) > 0.8);
        assert!(rose((0, 50), (50, 50)) > 0.999_999);
        assert!(rose((50, 50), (3, 50)) < 1e-6);
        assert!((share_rose((500, 1_000), (500, 1_000), |share| share) - 0.5).abs() < 0.01);
    }

    #[test]
    fn the_interval_of_a_difference_holds_it() {
        // Newcombe 1998, table II: 56/70 against 48/80.
        let (low, high) = difference((48, 80), (56, 70));
        assert!((low - 0.0524).abs() < 5e-4 && (high - 0.3339).abs() < 5e-4, "{low} {high}");
        let (low, high) = difference((0, 50), (0, 50));
        assert!(low < -0.05 && high > 0.05);
    }

    proptest! {
        #[test]
        fn exact_tests_are_what_they_are_defined_as(
            before in 1u64..80, now in 1u64..80, a in 0.0f64..=1.0, b in 0.0f64..=1.0
        ) {
            let of = |n: u64, share: f64| ((n as f64 * share) as u64, n);
            let (before, now) = (of(before, a), of(now, b));
            let (ours, theirs) = (fisher(before, now), fisher_by_definition(before, now));
            prop_assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
            let share = a.clamp(0.001, 0.999);
            let (ours, theirs) =
                (binomial(now.1, now.0, share), binomial_by_definition(now.1, now.0, share));
            prop_assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
        }

        #[test]
        fn any_counts_are_answered_quickly(a in 0u64..1 << 40, b in 0u64..1 << 40, c in 0u64..1 << 40, d in 0u64..1 << 40) {
            let (before, now) = ((a.min(b), b), (c.min(d), d));
            for p in [fisher(before, now), binomial(d, now.0, 0.05), share_rose(before, now, |s| s)] {
                prop_assert!((0.0..=1.0 + 1e-9).contains(&p), "{p}");
            }
        }
    }
}
