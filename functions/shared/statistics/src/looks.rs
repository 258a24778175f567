//! How false alarms are shared out, so that all looks and all rows together keep to one bound.
//!
//! A watch looks at the numbers at requests that are set beforehand, each a quarter more than the
//! one before, and once more at its end. A look's test counts at its own share of the bound; by the
//! union bound the chance that any of them alarms falsely is at most the sum of the shares, whatever
//! depends on what, and for every test that holds at a fixed size. This is group sequential testing
//! with a spending of the error that does not depend on the data (Lan and DeMets, Biometrika 70,
//! 1983), over a geometric grid as in the stitching of Howard, Ramdas, McAuliffe and Sekhon
//! (Annals of Statistics 49, 2021, section 3.1). It costs little: the chance of a real difference
//! falls exponentially with its size.

use pact_contract::actions::Look;

/// The chance that a release that is as good as the one before is taken back: at most this.
pub(crate) const BOUND: f64 = 0.01;

/// At how many requests the numbers are looked at before the end of a watch.
pub const STEPS: [u64; 28] = [
    5, 7, 9, 11, 14, 18, 22, 27, 34, 42, 53, 66, 83, 103, 129, 161, 201, 252, 315, 393, 492, 615,
    768, 960, 1_200, 1_500, 1_880, 2_350,
];

/// What all steps have of the bound together; the rest is for the ends.
const STEPS_SHARE: f64 = 0.3;

/// The ends of a watch: of its own time, and after each extension.
const ENDS: [f64; 4] = [0.5, 0.1, 0.06, 0.04];

/// How often a watch may be extended.
pub const EXTENSIONS: u32 = 3;

/// The look that is due after so many requests, when the last was `last` (0: none yet).
#[must_use]
pub fn next_step(requests: u64, last: u32) -> Option<u32> {
    let reached = STEPS.iter().take_while(|at| **at <= requests).count();
    let reached = u32::try_from(reached).unwrap_or(u32::MAX);
    (reached > last).then_some(reached)
}

/// What a row may alarm at, at a look: its own weight, the look's share, and the bound.
pub(crate) fn alpha(look: Option<Look>, weight: f64) -> f64 {
    BOUND * weight * share(look)
}

/// The chance at one look, for how often it is looked at.
pub(crate) fn adjusted(p: f64, look: Option<Look>) -> f64 {
    (p / share(look).max(f64::MIN_POSITIVE)).min(1.0)
}

fn share(look: Option<Look>) -> f64 {
    let end = |number: u32| ENDS.get(number as usize).copied().unwrap_or(0.0);
    match look {
        Some(Look::Step(number)) if (1..=STEPS.len()).contains(&(number as usize)) => {
            STEPS_SHARE / STEPS.len() as f64
        }
        Some(Look::Step(_)) => 0.0,
        Some(Look::End(number)) => end(number),
        None => end(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_looks_together_keep_to_the_bound() {
        let steps = (1..=28).map(|n| share(Some(Look::Step(n)))).sum::<f64>();
        let ends = (0..4).map(|n| share(Some(Look::End(n)))).sum::<f64>();
        assert!((steps + ends - 1.0).abs() < 1e-12, "{steps} {ends}");
        for never in [Look::Step(0), Look::Step(29), Look::End(4)] {
            assert_eq!(share(Some(never)), 0.0, "{never:?}");
        }
    }

    #[test]
    fn every_extension_has_its_share() {
        assert_eq!(ENDS.len(), EXTENSIONS as usize + 1);
    }

    #[test]
    fn a_step_is_due_once() {
        assert_eq!(next_step(4, 0), None);
        assert_eq!(next_step(5, 0), Some(1));
        assert_eq!(next_step(6, 1), None);
        assert_eq!(next_step(41, 1), Some(9));
        assert_eq!(next_step(1_000_000, 28), None);
    }
}
