//! The judgement against releases of which it is known what they are.

mod cases;
mod random;
mod simulate;

use cases::{Case, Label, table};
use pact_contract::{actions::ReleaseVerdict, settings::Watch};
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
