//! What ends the runs.

use serde_json::{Value, json};

use super::build::{Case, deployment, not_met};
use crate::{Finding, RunStatus, Severity, StageStatus, codes, run::DeploymentStatus};

/// Runs that the gate did not let go on.
pub(super) fn checks() -> Vec<Case<'static>> {
    use Severity::{Critical, High, Low, Medium};
    use StageStatus::{Failed, Skipped};
    let rejected = RunStatus::Rejected;
    vec![
        Case {
            name: "test",
            message: "Round prices before the discount",
            status: rejected,
            reason: "Rejected: 12 passed, 2 failed in 14.1 s (cargo)",
            stage: (
                "RunUnitTests",
                Failed,
                "12 passed, 2 failed in 14.1 s (cargo)",
                vec![
                    Finding::new(codes::TEST_FAILED, High, "cart::test_total failed: assertion `left == right` failed")
                        .at("tests/cart.rs", Some(41), Some(5))
                        .evidence("thread 'cart::test_total' panicked at tests/cart.rs:41:5:\nassertion `left == right` failed\n  left: 1299\n right: 1300\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace")
                        .remedy("make the test pass"),
                    Finding::new(codes::TEST_FAILED, High, "cart::test_empty failed: called `Option::unwrap()` on a `None` value")
                        .at("tests/cart.rs", Some(57), None)
                        .remedy("make the test pass"),
                ],
                json!({ "runner": "cargo", "command": "cargo test", "evidence": "output", "total": 14, "failed": 2, "skipped": 0, "exit_code": 101 }),
            ),
            rules: vec![not_met("tests-pass", "12 passed, 2 failed in 14.1 s (cargo)", "2 more passing unit tests")],
            fault: None,
        },
        Case {
            name: "syntax",
            message: "Sum the items",
            status: rejected,
            reason: "Rejected: 1 of 6 files does not parse",
            stage: (
                "ValidateSyntax",
                Failed,
                "1 of 6 files does not parse",
                vec![
                    Finding::new(codes::SYNTAX_ERROR, High, "does not parse: '(' was never closed")
                        .at("app.py", Some(2), Some(15))
                        .remedy("mend the syntax, or name the file in code.ignore if it is broken on purpose"),
                ],
                json!({ "checked": 6, "invalid": 1, "unsupported": 0 }),
            ),
            rules: vec![not_met("syntax-valid", "1 of 6 files does not parse", "mend at app.py:2:15")],
            fault: None,
        },
        Case {
            name: "secret",
            message: "Configure the bucket",
            status: rejected,
            reason: "Rejected: 1 changed file checked for secrets: 3 critical",
            stage: (
                "ValidateSecrets",
                Failed,
                "1 changed file checked for secrets: 3 critical",
                (1..=3)
                    .map(|line| {
                        Finding::new(codes::SECRET_ASSIGNMENT, Critical, "a value that looks like a credential is given to aws_secret")
                            .at("settings.py", Some(line), Some(21))
                            .evidence("aws_secret = \"AKIA…\" (20 characters)")
                            .remedy("revoke or rotate it where it was issued, and read it from a secret store")
                    })
                    .collect(),
                json!({ "checked": 1, "critical": 3, "high": 0, "medium": 0, "low": 0, "info": 0 }),
            ),
            rules: vec![not_met("no-secrets", "1 changed file checked for secrets: 3 critical", "remove and revoke what is at settings.py:1:21, settings.py:2:21, settings.py:3:21")],
            fault: None,
        },
        Case {
            name: "dependency",
            message: "Add the parser",
            status: rejected,
            reason: "Rejected: 212 packages checked for advisories: 1 high, 1 medium",
            stage: (
                "CheckDependencies",
                Failed,
                "212 packages checked for advisories: 1 high, 1 medium",
                vec![
                    Finding::new(codes::VULNERABLE_DEPENDENCY, High, "example-parser 1.2.3 is affected by RUSTSEC-2026-0001 (reads beyond its buffer)")
                        .at("Cargo.lock", Some(318), None)
                        .evidence("pkg:cargo/example-parser@1.2.3")
                        .remedy("update to 1.2.4 or later"),
                    Finding::new(codes::VULNERABLE_DEPENDENCY, Medium, "example-net 0.3.0 is affected by RUSTSEC-2026-0002 (slow on large headers)")
                        .at("Cargo.lock", Some(290), None),
                ],
                json!({ "checked": 212, "critical": 0, "high": 1, "medium": 1, "low": 0, "info": 0 }),
            ),
            rules: vec![not_met("dependencies-safe", "212 packages checked for advisories: 1 high, 1 medium", "1 finding fewer above the threshold: Cargo.lock:318")],
            fault: None,
        },
        Case {
            name: "quality",
            message: "Choose the discount",
            status: rejected,
            reason: "Rejected: 1 of 9 changed functions is above its threshold",
            stage: (
                "CheckQuality",
                Failed,
                "1 of 9 changed functions is above its threshold",
                vec![
                    Finding::new(codes::COMPLEXITY_COGNITIVE, Low, "total_with_discounts has a cognitive complexity of 34; at most 20")
                        .at("src/cart/price.rs", Some(118), None)
                        .evidence("value 34, threshold 20")
                        .remedy("split the function, or raise code.max_cognitive in pact.toml"),
                ],
                json!({ "functions": 9, "above_threshold": 1, "max_cyclomatic": 21, "max_cognitive": 34 }),
            ),
            rules: vec![not_met("quality", "1 of 9 changed functions is above its threshold", "1 finding fewer above a threshold: src/cart/price.rs:118")],
            fault: None,
        },
        Case {
            name: "coverage",
            message: "Ship gift cards",
            status: rejected,
            reason: "Rejected: only 61.0 % (1306 of 2140 lines); at least 80 % are asked for",
            stage: (
                "CheckCoverage",
                Failed,
                "61.0 % of 2140 lines, 12.0 % of 120 changed lines covered; 406 more covered lines would pass",
                vec![
                    Finding::new(codes::COVERAGE_TOO_LOW, High, "61.0 % of 2140 lines are covered; at least 80 % are asked for")
                        .remedy("406 more covered lines would pass"),
                    Finding::new(codes::UNCOVERED_CHANGES, Medium, "105 changed lines are reached by no test: 12-86, 90-119")
                        .at("src/gift.rs", Some(12), None)
                        .remedy("cover the lines with a test"),
                ],
                json!({ "lines": 2140, "covered": 1306, "percent": 61.0 }),
            ),
            rules: vec![not_met("coverage", "only 61.0 % (1306 of 2140 lines); at least 80 % are asked for", "406 more covered lines")],
            fault: None,
        },
        Case {
            name: "build",
            message: "Update the lock file",
            status: rejected,
            reason: "Rejected: unit tests not checked: the tests were not run: `npm ci` did not succeed",
            stage: (
                "RunUnitTests",
                Skipped,
                "the tests were not run: `npm ci` did not succeed",
                vec![
                    Finding::new(codes::TEST_SETUP_FAILED, Medium, "`npm ci` did not succeed")
                        .evidence("npm warn old lockfile\nnpm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.\nnpm error Missing: left-pad@1.3.0 from lock file")
                        .remedy("make the command succeed, or set command in [tests.unit] of pact.toml"),
                ],
                json!({ "runner": "npm", "command": "npm test", "evidence": "exit_code", "total": null, "failed": null, "skipped": null, "exit_code": 1 }),
            ),
            rules: vec![not_met("tests-pass", "unit tests not checked: the tests were not run: `npm ci` did not succeed", "unit tests that end with exit code 0")],
            fault: None,
        },
    ]
}

/// Runs that the gate let go on, and a fault.
pub(super) fn effects() -> Vec<Case<'static>> {
    use Severity::{Critical, High};
    use StageStatus::{Failed, Passed};
    vec![
        Case {
            name: "deploy",
            message: "Start the worker",
            status: RunStatus::Failed,
            reason: "release 20261123-102030-3f9c2ab17d was not deployed to staging, nothing was replaced: the service ended 0.4 s after its start: exit code 1",
            stage: (
                "Deploy.staging",
                Failed,
                "release 20261123-102030-3f9c2ab17d was not deployed to staging, nothing was replaced: the service ended 0.4 s after its start: exit code 1",
                vec![
                    Finding::new(codes::SERVICE_EXITED, High, "the service ended 0.4 s after its start: exit code 1")
                        .evidence("starting worker\nTraceback (most recent call last):\n  File \"worker.py\", line 3, in <module>\n    import redis\nModuleNotFoundError: No module named 'redis'")
                        .remedy("start it by hand with the same variables"),
                ],
                json!(deployment("staging", DeploymentStatus::Failed)),
            ),
            rules: Vec::new(),
            fault: None,
        },
        Case {
            name: "health",
            message: "Cache the product list",
            status: RunStatus::RolledBack,
            reason: "production is not healthy: 1 of 2 probes is healthy",
            stage: (
                "CheckHealth.production",
                Failed,
                "1 of 2 probes is healthy",
                vec![
                    Finding::new(codes::HEALTH_CHECK_FAILED, Critical, "http://127.0.0.1:8081/products was not healthy within 30 s: status 500 (42 attempts)")
                        .evidence("last seen: status 500")
                        .remedy("answer with status 200 within 1000 ms, 3 times in a row"),
                ],
                json!({ "healthy": 1, "probes": 2, "requests": 45 }),
            ),
            rules: Vec::new(),
            fault: None,
        },
        Case {
            name: "watch",
            message: "Read prices from the replica",
            status: RunStatus::RolledBack,
            reason: "The release is taken back: 38.0 % of 100 requests failed; at most 5 % (before the release 0.0 %)",
            stage: (
                "JudgeRelease.production",
                Failed,
                "The release is taken back: 38.0 % of 100 requests failed; at most 5 % (before the release 0.0 %)",
                Vec::new(),
                json!({ "verdict": "roll_back", "reasons": [{
                    "rule": "error-rate", "outcome": "not_met", "required": true, "value": 38.0, "threshold": 5.0,
                    "message": "38.0 % of 100 requests failed; at most 5 % (before the release 0.0 %)",
                    "would_pass": "an error rate of 5 % or less",
                }] }),
            ),
            rules: Vec::new(),
            fault: None,
        },
        Case {
            name: "approval",
            message: "Raise the order limit",
            status: RunStatus::Rejected,
            reason: "not approved by grace: not on a Friday",
            stage: ("RunEndToEnd.staging", Passed, "5 passed in 4.9 s", Vec::new(), Value::Null),
            rules: Vec::new(),
            fault: None,
        },
        Case {
            name: "fault",
            message: "Move the repository",
            status: RunStatus::Failed,
            reason: "the changes could not be read: ERR_SOURCE_UNAVAILABLE: cannot fetch https://example.org/acme/web-shop: 403 Forbidden",
            stage: (
                "AnalyzeChanges",
                StageStatus::Error,
                "cannot fetch https://example.org/acme/web-shop: 403 Forbidden",
                Vec::new(),
                Value::Null,
            ),
            rules: Vec::new(),
            fault: Some((
                "ERR_SOURCE_UNAVAILABLE",
                "{\"errorType\":\"ERR_SOURCE_UNAVAILABLE\",\"errorMessage\":\"cannot fetch https://example.org/acme/web-shop: 403 Forbidden\"}",
            )),
        },
    ]
}
