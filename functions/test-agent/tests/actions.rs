//! Every action from intent to answer, on small real projects and with real tools.
#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod bench;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use pact_agent::ports::Artifacts;
use pact_contract::{ChangeKind, ChangeSet, ErrorName, FileChange, LineRange, StageStatus};
use serde_json::{Value, json};

use bench::Bench;

fn installed(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|p| p.join(program).is_file()));
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn python_has(module: &str) -> bool {
    let found = installed("python3")
        && std::process::Command::new("python3")
            .args(["-c", &format!("import {module}")])
            .output()
            .is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: python3 has no {module}");
    }
    found
}

/// Settings with one suite, which is run as `runner` says.
fn suite(mut runner: Value, seconds: u64, reports: &[&str]) -> Value {
    runner.as_object_mut().expect("an object").insert("kind".to_owned(), "codebuild".into());
    json!({ "unit": { "runner": runner, "timeout_seconds": seconds, "reports": reports } })
}

fn command(words: &[&str]) -> Value {
    suite(json!({ "command": words }), 60, &[])
}

const CARGO: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn cargo_tests_pass_and_the_cache_serves_the_next_commit() {
    let bench = Bench::new(&[]).await;
    let test = "#[test] fn works() { assert_eq!(1 + 1, 2); }\n#[test] #[ignore] fn later() {}\n";
    let answer = bench.unit(&[("Cargo.toml", CARGO), ("src/lib.rs", test)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", bench.log().await);
    assert!(
        answer.response.summary.starts_with("1 test passed, 1 skipped in "),
        "{}",
        answer.response.summary
    );
    assert!(answer.response.summary.ends_with("(cargo)"), "{}", answer.response.summary);
    assert_eq!(answer.response.output["total"], 2);
    assert_eq!(answer.response.output["evidence"], "output");
    let tools = answer.response.output["tools"].as_array().expect("tools");
    let tools: Vec<_> = tools.iter().filter_map(Value::as_str).collect();
    assert!(
        matches!(&tools[..], [cargo, rustc] if cargo.starts_with("cargo 1.") && rustc.starts_with("rustc 1.")),
        "{tools:?}"
    );

    // The next commit has a failing test: the cache must not hide it.
    let test = "pub fn two() -> u32 { 3 }\n\n#[test]\nfn works() {\n    assert_eq!(two(), 2, \"sum\");\n}\n";
    let answer = bench.unit(&[("Cargo.toml", CARGO), ("src/lib.rs", test)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "test-failed");
    assert_eq!(finding.place().as_deref(), Some("src/lib.rs:5"));
    assert!(finding.message.contains("works failed: assertion"), "{}", finding.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crate_that_does_not_compile_fails_with_the_place() {
    let bench = Bench::new(&[]).await;
    let answer = bench
        .unit(&[("Cargo.toml", CARGO), ("src/lib.rs", "pub fn x() -> u32 { \"\" }\n")], json!({}))
        .await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(
        answer.response.summary.contains("exit code 101 before any test was counted"),
        "{}",
        answer.response.summary
    );
    assert_eq!(answer.response.findings[0].place().as_deref(), Some("src/lib.rs:1"));
    assert_eq!(answer.response.output["total"], Value::Null);
    assert_eq!(answer.response.output["exit_code"], 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crate_without_tests_is_not_passed() {
    let bench = Bench::new(&[]).await;
    let answer = bench.unit(&[("Cargo.toml", CARGO), ("src/lib.rs", "")], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(answer.response.summary.contains("ran no test"), "{}", answer.response.summary);
    assert_eq!(answer.response.output["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_runs_the_test_script() {
    if !installed("npm") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let package =
        "{\"name\":\"tiny\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\"}}";
    let test = "const test = require('node:test');\nconst assert = require('node:assert');\n\
                test('adds', () => assert.equal(1 + 1, 2));\n\
                test('subtracts', () => assert.equal(1 - 1, 1));\ntest('later', { skip: true }, () => {});\n";
    let answer = bench.unit(&[("package.json", package), ("a.test.js", test)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    assert!(
        answer.response.summary.starts_with("1 test passed, 1 failed, 1 skipped in "),
        "{}",
        answer.response.summary
    );
    let finding = &answer.response.findings[0];
    assert_eq!(finding.path.as_deref(), Some("a.test.js"), "{finding:?}");
    assert!(finding.message.starts_with("subtracts failed"), "{}", finding.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn unittest_runs_without_pytest() {
    if !installed("python3") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let test = "import unittest\n\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(1, 1)\n\n    \
                def test_two(self):\n        self.assertEqual(1, 2, 'two')\n";
    let answer = bench.unit(&[("tests/test_a.py", test)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    assert!(
        answer.response.summary.starts_with("1 test passed, 1 failed in "),
        "{}",
        answer.response.summary
    );
    let finding = &answer.response.findings[0];
    assert_eq!(finding.place().as_deref(), Some("tests/test_a.py:9"), "{finding:?}");
    assert!(finding.message.contains("AssertionError: 1 != 2 : two"), "{}", finding.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn pytest_is_read_from_its_report() {
    if !python_has("pytest") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let files = [
        ("src/calc.py", "def add(a, b):\n    return a + b\n"),
        (
            "tests/test_calc.py",
            "import pytest\nfrom calc import add\n\n\ndef test_add():\n    assert add(1, 1) == 2\n\n\n\
          @pytest.mark.skip\ndef test_later():\n    pass\n\n\ndef test_wrong():\n    assert add(1, 1) == 3\n",
        ),
    ];
    let answer = bench.unit(&files, json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    assert_eq!(answer.response.output["evidence"], "junit");
    assert_eq!(answer.response.output["command"], "python3 -m pytest -q");
    assert!(
        answer.response.summary.starts_with("1 test passed, 1 failed, 1 skipped in "),
        "{}",
        answer.response.summary
    );
    let finding = &answer.response.findings[0];
    assert_eq!(finding.place().as_deref(), Some("tests/test_calc.py:15"), "{finding:?}");
    assert!(finding.message.contains("assert 2 == 3"), "{}", finding.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_cannot_be_imported_fails_the_tests_whosever_it_is() {
    if !installed("python3") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let test = |module: &str| {
        format!(
            "import unittest\nimport {module}\n\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        pass\n"
        )
    };
    let foreign = test("no_such_module_anywhere");
    let answer = bench.unit(&[("tests/test_a.py", &foreign)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    assert!(answer.response.output["failed"].as_u64() >= Some(1), "{}", answer.response.output);
    let finding = &answer.response.findings[0];
    assert!(finding.message.contains("no_such_module_anywhere"), "{}", finding.message);
    assert_eq!(finding.place().as_deref(), Some("tests/test_a.py:2"), "{finding:?}");
    let own = test("calc.gone");
    let files = [("tests/test_a.py", own.as_str()), ("calc/__init__.py", "")];
    let answer = bench.unit(&files, json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn make_is_judged_by_its_exit_code() {
    if !installed("make") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let answer = bench.unit(&[("Makefile", "test:\n\t@echo fine\n")], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert_eq!(answer.response.output["evidence"], "exit_code");
    assert_eq!(answer.response.output["total"], Value::Null);
    let answer = bench.unit(&[("Makefile", "test:\n\t@echo bad; exit 1\n")], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(answer.response.findings[0].evidence.as_deref().is_some_and(|e| e.contains("bad")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_skipped_with_the_reason() {
    let bench = Bench::new(&[]).await;
    let answer = bench.unit(&[("README.md", "hello")], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(answer.response.summary.starts_with("no tests found: "), "{}", answer.response.summary);

    let files = [("app/mix.exs", ""), ("app/test/a_test.exs", "")];
    let answer = bench.unit(&files, json!({})).await;
    let response = &answer.response;
    assert_eq!(response.status, StageStatus::Skipped);
    assert!(!response.not_applicable, "tests that are not run are not the same as none");
    assert!(response.summary.contains("is not known for app/mix.exs;"), "{}", response.summary);

    let answer = bench.unit(&[("a", "")], command(&["no-such-tool", "test"])).await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert_eq!(answer.response.summary, "the tests were not run: `no-such-tool` is not installed");

    let poor = Bench::new(&[("PATH", "/usr/bin:/bin")]).await;
    let answer = poor.unit(&[("Cargo.toml", CARGO)], json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(
        answer.response.summary.contains("`cargo` is not installed"),
        "{}",
        answer.response.summary
    );

    for (action, text) in
        [("tests.run_integration", "[tests.integration]"), ("tests.run_e2e", "[tests.e2e]")]
    {
        let answer = bench.call(action, json!({})).await.expect("a verdict");
        assert_eq!(answer.response.status, StageStatus::Skipped);
        assert!(answer.response.summary.contains(text), "{}", answer.response.summary);
    }
    let answer = bench
        .unit(&[("a", "")], suite(json!({ "command": ["true"], "directory": "../.." }), 5, &[]))
        .await;
    assert_eq!(answer.response.status, StageStatus::Skipped);
    assert!(
        answer.response.summary.contains("is not in the repository"),
        "{}",
        answer.response.summary
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_command_sees_its_own_settings_and_nothing_that_would_change_its_output() {
    let bench = Bench::new(&[("LC_ALL", "C")]).await;
    bench.pack(&[("a", "")]).await;
    let parameters = json!({
        "url": "http://127.0.0.1:1234",
        "settings": { "e2e": {
            "runner": { "kind": "codebuild", "command": ["env"], "env": { "MINE": "it's" } },
            "timeout_seconds": 10,
        } },
    });
    let answer = bench.call("tests.run_e2e", parameters).await.expect("a verdict");
    assert_eq!(answer.response.status, StageStatus::Passed);
    let log = bench.log().await;
    assert!(!log.contains("signature") && !log.contains("ACCESS_KEY"), "{log}");
    for line in ["MINE=it's", "CI=true", "LC_ALL=C", "PACT_URL=http://127.0.0.1:1234"] {
        assert!(log.lines().any(|l| l == line), "{line} is missing in {log}");
    }
    for name in ["NO_COLOR=", "TERM="] {
        assert!(!log.lines().any(|l| l.starts_with(name)), "{name} in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_is_a_verdict_and_nothing_is_left_running() {
    let bench = Bench::new(&[]).await;
    let settings =
        suite(json!({ "command": ["sh", "-c", "sleep 4321 & echo child $!; wait"] }), 1, &[]);
    let begun = Instant::now();
    let answer = bench.unit(&[("a", "")], settings).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(answer.response.status, StageStatus::Failed);
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "tests-timed-out");
    assert!(finding.evidence.as_deref().is_some_and(|e| e.starts_with("child ")), "{finding:?}");
    let left = std::fs::read_dir("/proc").expect("processes").flatten().any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|line| line == b"sleep\x004321\0")
    });
    assert!(!left, "the child is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_deadline_is_a_fault() {
    let bench = Bench::new(&[]).await;
    bench.pack(&[("a", "")]).await;
    let parameters = json!({ "settings": command(&["sh", "-c", "echo begun; sleep 400"]) });
    let error = bench
        .call_for("tests.run_unit", parameters, Duration::from_secs(5))
        .await
        .expect_err("a fault");
    assert_eq!(error.name, ErrorName::Timeout);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_decide_over_the_exit_code_when_they_are_worse() {
    let bench = Bench::new(&[]).await;
    let script = "mkdir -p out; echo '<testsuite name=\"s\" time=\"1,234.01\"><testcase name=\"good\"/>\
                  <testcase name=\"bad\" file=\"a.py\" line=\"3\"><failure message=\"no\"/></testcase></testsuite>' > out/r.xml";
    let files =
        [("web/a.py", "x\n"), ("out/r.xml", "<testsuite><testcase name='old'/></testsuite>")];
    let settings =
        suite(json!({ "command": ["sh", "-c", script], "directory": "web" }), 10, &["out/*.xml"]);
    let answer = bench.unit(&files, settings).await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(
        answer.response.summary.starts_with("1 test passed, 1 failed in "),
        "{}",
        answer.response.summary
    );
    assert_eq!(answer.response.findings[0].place().as_deref(), Some("web/a.py:3"));

    let settings = suite(json!({ "command": ["true"] }), 10, &["out/*.xml"]);
    let answer = bench.unit(&files, settings).await;
    assert_eq!(
        answer.response.output["evidence"], "exit_code",
        "the committed report is not this run's"
    );
    assert_eq!(answer.response.findings[0].code, "report-unreadable");
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_output_is_bounded_in_the_log() {
    let bench = Bench::new(&[]).await;
    let settings = suite(json!({ "command": ["sh", "-c", "echo start; yes"] }), 1, &[]);
    let answer = bench.unit(&[("a", "")], settings).await;
    assert_eq!(answer.response.status, StageStatus::Failed);
    let log = bench.log().await;
    assert!(log.contains("start\n") && log.contains("bytes left out") && log.len() < 400 * 1024);
}

async fn changes(bench: &Bench, path: &str, start: u32, end: u32) {
    let file = FileChange {
        path: path.to_owned(),
        old_path: None,
        kind: ChangeKind::Added,
        added: u64::from(end),
        deleted: 0,
        binary: false,
        language: Some("Python".to_owned()),
        added_lines: vec![LineRange { start, end }],
    };
    let set = ChangeSet { head: "c0ffee".to_owned(), files: vec![file], ..ChangeSet::default() };
    let bytes = serde_json::to_vec(&set).expect("it is written");
    bench.memory.put("changes", bytes.into()).await.expect("it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_goes_from_the_test_run_to_the_check() {
    let bench = Bench::new(&[]).await;
    let script = "mkdir -p coverage; printf 'SF:%s/src/a.py\\nDA:1,1\\nDA:2,0\\nDA:3,0\\nDA:4,2\\nend_of_record\\n' \"$PWD\" > coverage/lcov.info";
    let answer = bench.unit(&[("src/a.py", "1\n2\n3\n4\n")], command(&["sh", "-c", script])).await;
    let keys = answer.response.output["coverage_keys"].clone();
    assert_eq!(keys, json!(["runs/run-1/coverage/RunTests-1.info"]));
    changes(&bench, "src/a.py", 2, 4).await;
    let parameters = json!({ "coverage_keys": keys, "changes_key": "changes", "min_coverage": 50.0, "min_changed_coverage": 60.0 });
    let answer = bench.call("tests.check_coverage", parameters).await.expect("a verdict");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert_eq!(
        answer.response.summary,
        "50.0 % of 4 lines, 33.3 % of 3 changed lines covered; 1 more covered changed line would pass"
    );
    assert_eq!(answer.response.output["covered"], 2);
    assert_eq!(answer.response.output["changed_covered"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_that_cannot_be_read_is_not_passed() {
    let bench = Bench::new(&[]).await;
    bench.pack(&[("src/a.py", "1\n")]).await;
    changes(&bench, "src/a.py", 1, 1).await;
    for (report, reason) in [
        (Some("SF:src/a.py\nDA:what\n"), "cannot read the coverage report"),
        (Some("SF:/elsewhere/b.py\nDA:1,1\nend_of_record\n"), "none of the 1 file"),
        (None, "no coverage report"),
    ] {
        let keys: Vec<&str> = report.iter().map(|_| "report").collect();
        if let Some(report) = report {
            bench.memory.put("report", report.to_owned().into()).await.expect("it is kept");
        }
        let parameters = json!({ "coverage_keys": keys, "changes_key": "changes" });
        let answer = bench.call("tests.check_coverage", parameters).await.expect("a verdict");
        assert_eq!(answer.response.status, StageStatus::Skipped);
        assert!(answer.response.summary.starts_with(reason), "{}", answer.response.summary);
    }
    assert!(!Path::new("report").exists());
}
