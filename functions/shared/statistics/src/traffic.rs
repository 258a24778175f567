//! What everybody's requests came to, where that is known without settings: a release may be well where it
//! is probed and ill where it is used.
//!
//! Only failures are compared. How long an answer takes depends on what is asked, and that is nobody's to
//! choose: one person with a slow report would be a release that is ill. Nor is there a limit, as what is
//! wrong with requests may be who sends them: what counts is that more of them fail than before.

use pact_contract::actions::{Compared, Comparison, Metrics};

use crate::{
    errors,
    meanwhile::{MIN_REQUESTS, weigh},
};

/// Against the time before and, where some of them still go to the release before, against that as well;
/// against that alone where nobody asked before.
pub(crate) fn compare(before: &Metrics, now: &Metrics) -> Option<Comparison> {
    let enough = |metrics: &&Metrics| metrics.requests >= MIN_REQUESTS;
    let beside = now.traffic.as_ref()?;
    let new = Some(&beside.new).filter(enough)?;
    let old = Some(&beside.old).filter(enough);
    let before = before.traffic.as_ref().map(|before| &before.new).filter(enough);
    let mut row = errors::of_everybody(before.or(old)?, new).judged(now.look);
    let bad = matches!(row.outcome, Compared::Worse | Compared::Unsure);
    if let Some(old) = old.filter(|_| bad && before.is_some()) {
        weigh(&mut row, &errors::of_everybody(old, new));
    }
    Some(row)
}

#[cfg(test)]
mod tests {
    use pact_contract::actions::{Beside, Look};

    use super::*;

    fn of(requests: u64, errors: u64) -> Metrics {
        Metrics { requests, errors, ..Metrics::default() }
    }

    fn with(new: Metrics, old: Metrics) -> Metrics {
        Metrics {
            traffic: Some(Box::new(Beside { new, old })),
            look: Some(Look::Step(9)),
            ..of(50, 0)
        }
    }

    fn outcome(before: &Metrics, now: &Metrics) -> Option<Compared> {
        compare(before, now).map(|row| row.outcome)
    }

    #[test]
    fn what_is_well_where_it_is_probed_may_be_ill_where_it_is_used() {
        let before = with(of(40, 0), of(0, 0));
        assert_eq!(outcome(&before, &with(of(20, 20), of(0, 0))), Some(Compared::Worse));
        assert_eq!(outcome(&before, &with(of(20, 0), of(0, 0))), Some(Compared::Same));
        assert_eq!(outcome(&before, &with(of(4, 4), of(0, 0))), None, "too few of them");
        assert_eq!(outcome(&of(50, 0), &with(of(20, 20), of(0, 0))), None, "nobody asked before");
        // What everybody sends now fails with the release before too: it is theirs.
        assert_eq!(outcome(&before, &with(of(20, 20), of(20, 20))), Some(Compared::Same));
        assert_eq!(outcome(&before, &with(of(20, 20), of(20, 0))), Some(Compared::Worse));
        assert_eq!(outcome(&of(50, 0), &with(of(20, 20), of(20, 0))), Some(Compared::Worse));
        // As bad as it was.
        let broken = with(of(40, 20), of(0, 0));
        assert_eq!(outcome(&broken, &with(of(40, 20), of(0, 0))), Some(Compared::Same));
    }
}
