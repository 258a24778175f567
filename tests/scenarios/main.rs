//! The pipeline as its users meet it: real repositories, the real binary, the real state machine.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "everything here is a test, its helper functions too"
)]

mod admission;
mod approval;
mod aws_clients;
mod bad_input;
mod builds;
mod commands;
mod contract;
mod delivery;
mod deploy;
mod disk;
mod doors;
mod functions;
mod gate;
mod gateway;
mod hosts;
mod incidents;
mod interruption;
mod kills;
mod load;
mod openapi;
mod order;
mod origins;
mod policy;
mod proofs;
mod pulls;
mod reminder;
mod rotate;
mod secrets;
mod shift;
mod sign_in;
mod statuses;
mod suites;
mod telemetry;
mod terminal;
mod tested;
mod verdicts;

use serde_json::Value;

/// A field of the document as text.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The stage of a state.
fn stage<'v>(report: &'v Value, state: &str) -> &'v Value {
    report["stages"]
        .as_array()
        .and_then(|s| s.iter().find(|s| s["state"] == state))
        .unwrap_or_else(|| panic!("no stage {state} in {report:#}"))
}

/// Whether a state was entered.
fn has_stage(report: &Value, state: &str) -> bool {
    report["stages"].as_array().is_some_and(|s| s.iter().any(|s| s["state"] == state))
}

/// Body of a GET; none when nothing answers.
fn get(url: &str) -> Option<String> {
    reqwest::blocking::get(url).ok()?.error_for_status().ok()?.text().ok()
}

/// Asserts that nothing was deployed.
fn nothing_deployed(report: &Value) {
    assert_eq!(report["deployments"], serde_json::json!([]), "{report:#}");
    assert!(!has_stage(report, "Deploy.staging") && !has_stage(report, "Deploy.production"));
}
