//! What a run leaves in the logs: lines that say whose they are, one trace, and the metrics.

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::{StageRecord, cost::Estimate};
use pact_e2e::{Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::text;

/// Every JSON line of every function, with the function.
fn lines(stack: &Stack) -> Vec<(String, Value)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(stack.data().join("logs")).expect("logs").flatten() {
        let function = entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let log = std::fs::read_to_string(entry.path()).expect("a log");
        for line in log.lines() {
            // The rest is what the platform writes itself.
            let platform = ["START ", "END ", "REPORT "].iter().any(|word| line.starts_with(word));
            assert!(platform || line.starts_with('{'), "{function}: not JSON: {line}");
            if !platform {
                lines.push((function.clone(), serde_json::from_str(line).expect("JSON")));
            }
        }
    }
    lines
}

/// Names of the metrics of a line.
fn metrics(line: &Value) -> Vec<&str> {
    let directives = line.pointer("/_aws/CloudWatchMetrics").and_then(Value::as_array);
    let metrics = directives.into_iter().flatten().flat_map(|directive| {
        assert_eq!(directive["Namespace"], "PACT/pact");
        directive["Metrics"].as_array().into_iter().flatten()
    });
    metrics.map(|metric| text(metric, "/Name")).collect()
}

#[test]
fn a_run_can_be_followed_through_every_log_and_is_counted() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    repo.write("app.py", "def total(items):\n    return 3\n");
    repo.commit("Count differently");
    let running = stack.up().0;
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    let id = text(&report, "/run_id").to_owned();
    let of_run = || -> Vec<(String, Value)> {
        let lines = lines(&stack);
        lines.into_iter().filter(|(_, line)| line["run_id"] == json!(id)).collect()
    };
    let lines = wait_for("the end to be counted", 30, || {
        let lines = of_run();
        lines.iter().any(|(_, line)| metrics(line).contains(&"RunDuration")).then_some(lines)
    });
    drop(running);

    let mut traces: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut counted: BTreeMap<&str, usize> = BTreeMap::new();
    for (function, line) in &lines {
        for name in ["request_id", "trace_id", "agent", "action", "attempt"] {
            assert!(line.get(name).is_some_and(|v| !v.is_null()), "{function}: no {name}: {line}");
        }
        traces.entry(function).or_default().insert(text(line, "/trace_id"));
        for metric in metrics(line) {
            assert!(line[metric].is_u64(), "{function}: {metric} has no value: {line}");
            *counted.entry(metric).or_default() += 1;
        }
    }

    // EventBridge begins traces of its own, for the reconciler and for the end of each build; the
    // rest is that of the webhook.
    traces.remove("ReconcilerFunction");
    traces.remove("DashboardFunction");
    let webhook = traces.get("GatewayFunction").cloned().unwrap_or_default();
    if let Some(tests) = traces.get_mut("TestAgentFunction").filter(|t| t.is_superset(&webhook)) {
        *tests = webhook;
    }
    let functions: BTreeSet<&str> = traces.keys().copied().collect();
    let expected = ["Gateway", "CodeAgent", "TestAgent", "SecurityAgent", "QualityAgent"];
    let expected = expected.iter().chain(&["DeployAgent", "MonitorAgent", "NotifyAgent"]);
    let expected: Vec<String> = expected.map(|name| format!("{name}Function")).collect();
    assert_eq!(functions, expected.iter().map(String::as_str).collect());
    let all: BTreeSet<&str> = traces.values().flatten().copied().collect();
    assert_eq!(all.len(), 1, "{traces:#?}");

    for (metric, times) in [
        ("RunDuration", 1),
        ("RunFailures", 1),
        ("DeploymentDuration", 2),
        // Of production alone.
        ("LeadTime", 1),
        ("Rollbacks", 1),
    ] {
        assert_eq!(counted.remove(metric), Some(times), "{metric}");
    }
    assert_eq!(counted, BTreeMap::new(), "each further metric costs");
    let told = |name: &str| lines.iter().filter(|(_, line)| line[name].is_u64()).count();
    assert_eq!([told("RunsStarted"), told("RunsEnded"), told("Deployments")], [1, 1, 2]);
    let stages = report["stages"].as_array().map_or(0, Vec::len);
    assert!(told("ActionDuration") >= stages, "{} of {stages} stages", told("ActionDuration"));

    // From the execution back to the page: its input says where that is.
    assert!(text(&report, "/url").ends_with(&format!("/runs/{id}")), "{report:#}");
}

/// The stages of a report as the run store has them.
fn records(report: &Value) -> Vec<StageRecord> {
    let stages = report["stages"].as_array().expect("stages");
    let record = |stage: &Value| {
        let mut record = json!({
            "schema": 1, "run_id": report["run_id"], "attempt": 1,
            "started_at": "2026-11-20T10:00:00Z", "finished_at": null, "findings": [],
            "findings_total": 0, "output": null, "details_key": null, "error": null, "fallback": null,
        });
        for name in ["state", "agent", "action", "status", "summary", "duration_ms", "output"] {
            record[name] = stage[name].clone();
        }
        serde_json::from_value(record).expect("a record")
    };
    stages.iter().map(record).collect()
}

#[test]
fn what_a_run_costs_is_computed_from_what_it_did() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    repo.write("app.py", "def total(items):\n    return 3\n");
    repo.commit("Count differently");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    let told = stack.pactctl(&["runs", "cost", "--json"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let bill: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(bill["run_id"], report["run_id"]);
    let amount = |name: &str| {
        let parts = bill["parts"].as_array().expect("parts").iter();
        let part = parts.into_iter().find(|part| part["part"] == name).expect("a part");
        part["amount"].as_f64().expect("an amount")
    };
    // Every stage was a task of the state machine, and an invocation beside the gateway's.
    let stages = report["stages"].as_array().expect("stages").len() as f64;
    assert!(amount("Step Functions") > stages, "{bill:#}");
    assert!(amount("Lambda requests") > stages, "{bill:#}");
    assert!(amount("Lambda time") > 0.0, "{bill:#}");
    assert!(amount("table, written") > stages, "{bill:#}");
    assert!(amount("table, read") > 0.0, "{bill:#}");
    assert_eq!(amount("HTTP API"), 1.0);
    let usd = |name: &str| bill[name].as_f64().expect("a sum");
    assert!(usd("orchestration_usd") < 0.0021, "{bill:#}");
    assert!(usd("total_usd") > usd("orchestration_usd"));
    // What a page makes of the stages alone is near to it.
    let estimate = Estimate::of(&records(&report));
    let ratio = estimate.total_usd() / usd("total_usd");
    assert!((0.75..1.33).contains(&ratio), "{ratio}: {estimate:?}, {bill:#}");
}
