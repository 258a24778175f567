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
    let begun = Instant::now();
    let ends = simulate::good_releases(1, 10_000);
    println!(
        "10,000 good releases under repeated looks: {} kept, {} inconclusive, {} taken back \
         ({:.2} %), in {:.1} s",
        ends.kept,
        ends.inconclusive,
        ends.taken_back,
        f64::from(ends.taken_back) / 100.0,
        begun.elapsed().as_secs_f64()
    );
    let random = &mut random::Random::new(3);
    let service = random::Service::new(40.0, 0.5).failing(0.01);
    let [mut before, mut now] = [0, 1].map(|_| {
        let samples = service.requests(random, 10_000);
        let latencies_ms = samples.iter().flatten().copied().collect();
        pact_contract::actions::Metrics { latencies_ms, ..random::metrics(&samples) }
    });
    before.look = None;
    now.look = None;
    let begun = Instant::now();
    for _ in 0..20 {
        std::hint::black_box(assess(Some(&before), &now, &Watch::default()));
    }
    println!("10,000 samples judged in {:.2} ms", begun.elapsed().as_secs_f64() * 1_000.0 / 20.0);
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
