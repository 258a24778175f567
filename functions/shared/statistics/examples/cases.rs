//! Judges stored measurements: one JSON object a line with `baseline` and `canary`, and a `label`
//! (`keep`, `roll_back`, `inconclusive`, `not keep`) where it is known. Prints what is not as its
//! label says, and a sum.
//!
//! `cargo run -p pact-statistics --example cases < FILE`
#![expect(clippy::print_stdout, reason = "prints what it finds")]

use std::io::BufRead;

use pact_contract::{actions::Metrics, settings::Watch};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    name: String,
    #[serde(default)]
    label: String,
    baseline: Option<Metrics>,
    canary: Metrics,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut right, mut all) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let Line { name, label, baseline, canary } = serde_json::from_str(&line?)?;
        let found = pact_statistics::assess(baseline.as_ref(), &canary, &Watch::default());
        let verdict = serde_json::to_value(found.verdict)?;
        let verdict = verdict.as_str().unwrap_or_default();
        all += 1;
        if label == verdict || (label == "not keep" && verdict != "keep") {
            right += 1;
            continue;
        }
        println!("{name}: {verdict}, not {label}");
        for row in found.limits.iter().chain(&found.comparisons) {
            println!("    {:?}: {} ({:?}, {})", row.outcome, row.message, row.chance, row.method);
        }
    }
    println!("{right} of {all} right");
    Ok(())
}
