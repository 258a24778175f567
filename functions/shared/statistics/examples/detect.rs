//! Measures the detection: the benchmark's score by kind of series, at one setting for all, and how
//! long 1,000,000 values take.
//!
//! `cargo run --profile bench -p pact-statistics --example detect`
#![expect(clippy::print_stdout, reason = "prints what it measures")]

#[path = "../tests/series/generate.rs"]
mod generate;
#[path = "../tests/canary/random.rs"]
#[allow(dead_code, reason = "releases are made by others")]
mod random;

use std::{collections::BTreeMap, time::Instant};

use pact_statistics::series::{
    Detector,
    nab::{Part, STANDARD, score, total},
};

fn main() {
    for seed in [14, 1_014] {
        let mut kinds: BTreeMap<&str, (Vec<Part>, usize, usize)> = BTreeMap::new();
        for series in generate::all(seed, 20) {
            let mut detector = Detector::new();
            let found: Vec<usize> = (0..)
                .zip(&series.values)
                .filter_map(|(i, v)| detector.add(i as f64 * 300.0, *v).anomaly.map(|_| i))
                .collect();
            let (parts, alarms, windows) = kinds.entry(series.kind).or_default();
            parts.push(score(STANDARD, series.values.len(), &series.windows, &found));
            *alarms += found.len();
            *windows += series.windows.len();
        }
        let all: Vec<Part> = kinds.values().flat_map(|(parts, ..)| parts.iter().copied()).collect();
        println!("seed {seed}: {:.1} (standard profile)", total(&all));
        for (kind, (parts, alarms, windows)) in kinds {
            println!("  {kind:<28} {:>6.1}  {alarms} alarms, {windows} windows", total(&parts));
        }
    }
    let random = &mut random::Random::new(1);
    let values: Vec<f64> = (0..1_000_000).map(|_| 40.0 + random.normal()).collect();
    let mut detector = Detector::new();
    let begun = Instant::now();
    let alarms = (0..)
        .zip(&values)
        .filter(|(i, v)| detector.add(f64::from(*i) * 300.0, **v).anomaly.is_some())
        .count();
    println!("1,000,000 values in {:.2} s, {alarms} alarms", begun.elapsed().as_secs_f64());
}
