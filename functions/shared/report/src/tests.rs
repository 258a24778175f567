use pact_contract::{Finding, RunRecord, Severity, StageRecord, StageStatus, codes};
use serde_json::{Value, json};

use super::{Stored, fingerprint::Fingerprints, markdown, sarif};

fn run() -> RunRecord {
    serde_json::from_value(json!({
        "request": {
            "schema": 1, "run_id": "shop-1", "reference": "refs/heads/main", "branch": "ma|in",
            "repository": { "name": "acme/shop", "url": "https://git.example/acme/shop", "default_branch": "main" },
            "commit": "1".repeat(40), "base": null, "message": null, "author": null,
            "trigger": { "kind": "api", "actor": null, "delivery": null }, "template": null,
            "environment": null, "url": "https://x/runs/shop-1", "started_at": "2026-01-01T00:00:00Z",
        },
        "status": "rejected", "execution_arn": "arn", "finished_at": "2026-01-01T00:01:00Z",
        "outcome": {
            "status": "rejected", "reason": "Rejected: 1 file does not parse",
            "decision": {
                "verdict": "reject", "summary": "Rejected", "would_pass": ["syntax-valid: mend at src/a b.rs:3"],
                "reasons": [{ "rule": "syntax-valid", "outcome": "not_met", "required": true,
                    "value": 1, "threshold": 0, "message": "1 file does not parse" }],
            },
        },
    }))
    .expect("a run")
}

fn stage(state: &str, status: StageStatus, findings: Vec<Finding>, total: usize) -> StageRecord {
    serde_json::from_value(json!({
        "schema": 1, "run_id": "shop-1", "state": state, "agent": "code-agent", "action": "a.b",
        "status": status, "summary": "what it <b>said</b>", "attempt": 1,
        "started_at": "2026-01-01T00:00:00Z", "finished_at": null, "duration_ms": 1234,
        "findings": findings, "findings_total": total, "output": null, "details_key": null,
        "error": null, "fallback": null,
    }))
    .expect("a stage")
}

fn finding(message: &str, line: u32) -> Finding {
    Finding::new(codes::SYNTAX_ERROR, Severity::High, message).at(
        "src/a b%.rs",
        Some(line),
        Some(5),
    )
}

fn stages() -> Vec<StageRecord> {
    let hostile = "see [here](https://evil.example) @team | <img>";
    vec![
        stage(
            "ValidateSyntax",
            StageStatus::Failed,
            vec![finding("unexpected 3", 3), finding(hostile, 9)],
            5,
        ),
        stage("CheckCoverage", StageStatus::Skipped, Vec::new(), 0),
    ]
}

fn log() -> Value {
    let (run, stages) = (run(), stages());
    sarif(Stored { run: &run, stages: &stages }).expect("is written")
}

#[test]
fn a_log_is_of_the_standard_and_says_what_was_not_checked() {
    let log = log();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "syntax-error");
    let result = &run["results"][0];
    assert_eq!((&result["ruleIndex"], &result["level"]), (&json!(0), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "src/a%20b%25.rs");
    assert_eq!(place["region"], json!({ "startLine": 3, "startColumn": 5 }));
    assert_eq!(run["versionControlProvenance"][0]["revisionId"], "1".repeat(40));
    let said = run["invocations"][0]["toolExecutionNotifications"].as_array().expect("a list");
    let said: Vec<_> = said.iter().filter_map(|n| n["message"]["text"].as_str()).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("2 of 5 findings") && said[1].contains("not checked"), "{said:?}");
    // It can be read by whoever reads the standard.
    let read: serde_sarif::sarif::Sarif = serde_json::from_value(log).expect("is SARIF");
    assert_eq!(read.runs.len(), 1);
}

#[test]
fn a_fingerprint_outlives_lines_and_numbers_and_tells_twins_apart() {
    let of = |findings: &[Finding]| -> Vec<String> {
        let mut prints = Fingerprints::default();
        findings.iter().map(|finding| prints.next(finding)).collect()
    };
    let first = of(&[finding("unexpected 3", 3), finding("unexpected 3", 9)]);
    assert_eq!(first, of(&[finding("unexpected 14", 70), finding("unexpected 3", 90)]));
    assert_ne!(first[0], first[1]);
    assert_ne!(of(&[finding("missing", 3)]), of(&[finding("unexpected", 3)]));
    let other = finding("unexpected 3", 3).at("src/b.rs", Some(3), None);
    assert_ne!(of(&[other]), of(&[finding("unexpected 3", 3)]));
}

#[test]
fn the_summary_says_what_was_decided_and_nothing_in_it_is_markup_of_others() {
    let (run, stages) = (run(), stages());
    insta::assert_snapshot!(markdown(Stored { run: &run, stages: &stages }));
}
