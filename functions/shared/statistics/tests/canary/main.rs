//! The judgement against releases of which it is known what they are.

mod cases;
mod random;
mod simulate;

use cases::{Case, Label, table};
use pact_contract::{
    actions::{Beside, Look, Metrics, ReleaseVerdict},
    settings::Watch,
};
use pact_statistics::assess;

fn verdict(case: &Case) -> ReleaseVerdict {
    assess(case.baseline.as_ref(), &case.now, &Watch::default()).verdict
}

#[test]
fn what_is_known_of_a_release_is_found() {
    let cases = table(14, 20);
    assert!(cases.len() >= 200);
    let wrong: Vec<_> = cases.iter().filter(|case| !case.label.fits(verdict(case))).collect();
    let said: Vec<String> = wrong
        .iter()
        .map(|case| {
            format!("{}: {:?}, not {:?}: {}", case.kind, verdict(case), case.label, case.what)
        })
        .collect();
    let right = (cases.len() - wrong.len()) as f64 / cases.len() as f64;
    assert!(right >= 0.95, "{right}: {said:#?}");
    let kept = |case: &&Case| verdict(case) == ReleaseVerdict::Keep;
    assert_eq!(cases.iter().filter(|c| c.label == Label::RollBack).filter(kept).count(), 0);
    let good: Vec<_> = cases.iter().filter(|c| c.label == Label::Keep).collect();
    let back = good.iter().filter(|c| verdict(c) == ReleaseVerdict::RollBack).count();
    assert!(back * 100 <= good.len(), "{back} of {} good ones are taken back", good.len());
}

#[test]
fn good_releases_stay_however_often_they_are_looked_at() {
    let ends = simulate::good_releases(14, 400);
    assert!(ends.taken_back <= 4, "{ends:?}");
    assert!(ends.inconclusive <= 12, "{ends:?}");
}

#[test]
fn short_trouble_is_no_release_that_is_ill() {
    let ends = simulate::good_releases_with_spells(14, 200);
    assert!(ends.taken_back <= 2, "{ends:?}");
}

#[test]
fn a_machine_that_becomes_busy_is_no_release_that_is_ill() {
    let before_alone = simulate::under_load(14, 40, 1.0, false);
    assert!(before_alone.taken_back > 20, "the time before cannot tell: {before_alone:?}");
    let good = simulate::under_load(14, 150, 1.0, true);
    assert!(good.taken_back <= 2 && good.inconclusive <= 7, "{good:?}");
    // What is ill on a busy machine is found all the same.
    let ill = simulate::under_load(14, 40, 3.0, true);
    assert!(ill.kept == 0 && ill.taken_back >= 38, "{ill:?}");
}

#[test]
fn a_tail_is_seen_in_two_seconds_while_the_release_before_is_asked_too() {
    let measured = |count: usize, slow: bool| {
        let latency = |n: usize| match slow && n % 10 == 3 {
            true => 1_003.0,
            false => 1.0 + (n * 7_919 % 97) as f64 / 10.0,
        };
        let latencies_ms = (0..count).map(latency).collect();
        Metrics { requests: count as u64, latencies_ms, together: 2, ..Metrics::default() }
    };
    let (before, [new, old]) = (measured(250, false), [true, false].map(|slow| measured(52, slow)));
    let beside = Some(Box::new(Beside { new, old }));
    let now = Metrics { seconds: 2.1, look: Some(Look::Step(14)), beside, ..measured(104, true) };
    let found = assess(Some(&before), &now, &Watch::default());
    assert_eq!(found.verdict, ReleaseVerdict::RollBack, "{found:#?}");
}
