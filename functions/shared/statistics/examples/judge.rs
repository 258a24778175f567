//! Measures the judgement: the labelled table at two seeds, 10,000 good releases under repeated
//! looks, and how long 10,000 samples take.
//!
//! `cargo run --profile bench -p pact-statistics --example judge`
#![expect(clippy::print_stdout, reason = "prints what it measures")]

#[path = "../tests/canary/cases.rs"]
mod cases;
#[path = "../tests/canary/random.rs"]
mod random;
#[path = "../tests/canary/simulate.rs"]
mod simulate;

use std::{collections::BTreeMap, time::Instant};

use cases::Label;
use pact_contract::{actions::ReleaseVerdict, settings::Watch};
use pact_statistics::assess;

fn main() {
    for seed in [14, 1_014] {
        print_table(seed);
    }
    let others: Vec<u32> = (2_001..2_011).map(right).collect();
    println!("ten other seeds: {others:?} of 240 right");
    print_ends("", simulate::good_releases);
    print_ends(" that have spells of trouble", simulate::good_releases_with_spells);
    print_ends(" of these, asked ten times a second,", |seed, releases| {
        simulate::with_spells(seed, releases, 1)
    });
    for (beside, how) in [(false, "with the time before alone"), (true, "at the same time too")] {
        for (worse, what) in [(1.0, "good"), (2.0, "twice as slow"), (3.0, "three times as slow")] {
            let ends = simulate::under_load(1, 10_000, worse, beside);
            println!("10,000 releases, {what}, on a machine that becomes busy, {how}: {ends:?}");
        }
    }
    let random = &mut random::Random::new(3);
    let service = random::Service::new(40.0, 0.5).failing(0.01);
    let [mut before, mut now] = [0, 1].map(|_| {
        let samples = service.requests(random, 10_000);
        let latencies_ms = samples.iter().flatten().copied().collect();
        pact_contract::actions::Metrics { latencies_ms, ..random::in_moments(&samples, 5) }
    });
    before.look = None;
    now.look = None;
    // The least of several: what else the machine does is not what is measured.
    let once = |_| {
        let begun = Instant::now();
        std::hint::black_box(assess(Some(&before), &now, &Watch::default()));
        begun.elapsed().as_secs_f64() * 1_000.0
    };
    let least = (0..50).map(once).fold(f64::INFINITY, f64::min);
    println!("10,000 samples judged in {least:.2} ms");
}

/// How many of a table are judged as they are labelled.
fn right(seed: u64) -> u32 {
    let fits = |case: &cases::Case| {
        case.label.fits(assess(case.baseline.as_ref(), &case.now, &Watch::default()).verdict)
    };
    cases::table(seed, 20).iter().map(|case| u32::from(fits(case))).sum()
}

fn print_ends(kind: &str, good: fn(u64, u64) -> simulate::Ends) {
    let begun = Instant::now();
    let ends = good(1, 10_000);
    println!(
        "10,000 good releases{kind} under repeated looks: {} kept, {} inconclusive, {} taken back \
         ({:.2} %), in {:.1} s",
        ends.kept,
        ends.inconclusive,
        ends.taken_back,
        f64::from(ends.taken_back) / 100.0,
        begun.elapsed().as_secs_f64()
    );
}

fn print_table(seed: u64) {
    let cases = cases::table(seed, 20);
    let mut kinds: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    let (mut passed, mut back, mut good) = (0, 0, 0);
    for case in &cases {
        let verdict = assess(case.baseline.as_ref(), &case.now, &Watch::default()).verdict;
        let (right, all) = kinds.entry(case.kind).or_default();
        *all += 1;
        *right += u32::from(case.label.fits(verdict));
        passed += u32::from(case.label == Label::RollBack && verdict == ReleaseVerdict::Keep);
        good += u32::from(case.label == Label::Keep);
        back += u32::from(case.label == Label::Keep && verdict == ReleaseVerdict::RollBack);
        if std::env::args().any(|word| word == "--wrong") && !case.label.fits(verdict) {
            println!("  {} {:?} {verdict:?} {}", case.kind, case.label, case.what);
        }
    }
    let right: u32 = kinds.values().map(|(right, _)| right).sum();
    println!(
        "seed {seed}: {right} of {} right; {passed} bad ones kept; {back} of {good} good ones taken back",
        cases.len()
    );
    for (kind, (right, all)) in kinds {
        println!("  {kind:<20} {right} of {all}");
    }
}
