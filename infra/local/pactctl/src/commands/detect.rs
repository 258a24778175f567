//! `pactctl detect`: what is odd in a series.

use std::{fs::File, io::BufReader, path::Path};

use pact_statistics::series::{Detector, csv};
use serde_json::json;

use crate::failure::{Exit, Failure};

/// Reads the file once, and lists what is odd.
pub(crate) fn detect(file: &Path, json: bool) -> Result<Exit, Failure> {
    let name = file.display();
    let opened = File::open(file).map_err(|e| {
        Failure::usage(format!("{name} cannot be read: {e}"))
            .remedy("name a file of TIMESTAMP,VALUE lines")
    })?;
    let mut detector = Detector::new();
    let (mut missing, mut found) = (0usize, Vec::new());
    let values = csv::read(BufReader::new(opened), |index, time, at, value| {
        let Some(value) = value else {
            missing += 1;
            return;
        };
        let seen = detector.add(at, value);
        if let Some(kind) = seen.anomaly {
            found
                .push(json!({ "index": index, "time": time, "kind": kind.as_str(), "value": value,
                "expected": seen.expected, "rarity": (seen.rarity * 100.0).round() / 100.0 }));
        }
    })
    .map_err(|e| Failure::usage(format!("{name}:{}: {}", e.line, e.reason)).remedy(e.remedy))?;
    if json {
        println!("{:#}", json!({ "values": values, "missing": missing, "anomalies": found }));
        return Ok(Exit::Success);
    }
    for one in &found {
        println!(
            "{:<20} {:<7} {} where {} was expected",
            one["time"].as_str().unwrap_or_default(),
            one["kind"].as_str().unwrap_or_default(),
            one["value"],
            one["expected"].as_f64().map_or_else(String::new, |v| format!("{v:.3}")),
        );
    }
    println!("{} odd of {values} values, {missing} missing", found.len());
    Ok(Exit::Success)
}
