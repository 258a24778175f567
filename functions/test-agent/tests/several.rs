//! Several suites of one commit, in one build.
#![expect(clippy::expect_used, reason = "what a test needs is there, or the test fails")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]

mod bench;
mod github_actions;
mod lies;
mod together;

use std::time::Duration;

use pact_agent::{built, bundle, ports::Artifacts as _};
use pact_contract::{ResponseEnvelope, StageStatus, actions::BuiltRelease};
use serde_json::json;

use bench::Bench;

fn installed(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|p| p.join(program).is_file()));
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

const CARGO: &str = "[package]\nname = \"tiny\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
const TEST: &str = "#[test] fn works() {}\n";
const PACKAGE: &str = "{\"name\":\"web\",\"scripts\":{\"test\":\"node --test\"}}";
const BAD: &str = "const t=require('node:test');const a=require('node:assert');\n\
                   t('adds',()=>{a.strictEqual(1,2)})\n";

fn suite<'a>(answer: &'a ResponseEnvelope, name: &str) -> &'a serde_json::Value {
    let suites = answer.response.output.pointer("/suites").and_then(serde_json::Value::as_array);
    let named = |suite: &&serde_json::Value| suite.get("name").is_some_and(|n| n == name);
    suites.into_iter().flatten().find(named).expect("a suite of this name")
}

/// One suite fails below the root and another passes: both are run, and the failure counts.
#[tokio::test(flavor = "multi_thread")]
async fn suites_below_the_root_are_run_each_and_one_that_fails_fails_all() {
    if !installed("npm") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let files = [
        ("web/package.json", PACKAGE),
        ("web/a.test.js", BAD),
        ("api/Cargo.toml", CARGO),
        ("api/src/lib.rs", TEST),
    ];
    let answer = bench.unit(&files, json!({})).await;
    let response = &answer.response;
    assert_eq!(response.status, StageStatus::Failed, "{}", bench.log().await);
    assert_eq!((&response.output["total"], &response.output["failed"]), (&2.into(), &1.into()));
    assert!(
        response.summary.starts_with(
            "1 of 2 suites failed, 1 test passed, 1 failed; web: 0 tests passed, 1 failed in "
        ),
        "{}",
        response.summary
    );
    assert_eq!(suite(&answer, "web")["status"], "failed");
    assert_eq!(suite(&answer, "api")["status"], "passed");
    assert_eq!(suite(&answer, "api")["total"], 1);
    let finding = &response.findings[0];
    assert_eq!(finding.path.as_deref(), Some("web/a.test.js"), "{finding:?}");
    let log = bench.log().await;
    assert!(log.contains("=== web ===") && log.contains("=== api ==="), "{log}");
}

/// Two tools at the root: the one with fewer files fails.
#[tokio::test(flavor = "multi_thread")]
async fn every_tool_of_one_folder_is_run() {
    if !installed("npm") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let files = [
        ("Cargo.toml", CARGO),
        ("src/lib.rs", TEST),
        ("src/other.rs", ""),
        ("package.json", PACKAGE),
        ("a.test.js", BAD),
    ];
    let answer = bench.unit(&files, json!({})).await;
    let response = &answer.response;
    assert_eq!(response.status, StageStatus::Failed, "{}", bench.log().await);
    assert_eq!((&response.output["total"], &response.output["failed"]), (&2.into(), &1.into()));
    assert_eq!(suite(&answer, "cargo")["status"], "passed");
    assert_eq!(suite(&answer, "npm")["status"], "failed");
}

/// The reports of suites in one another's folders are told apart, each counted once.
#[tokio::test(flavor = "multi_thread")]
async fn reports_belong_to_the_suite_that_wrote_them() {
    let bench = Bench::new(&[]).await;
    let report = |number: usize| {
        let cases = "<testcase name='a'/>".repeat(number);
        format!("printf '%s' \"<testsuite>{cases}</testsuite>\" >junit.xml")
    };
    let named = |name: &str, directory: &str, command: String| json!({ "name": name, "directory": directory, "command": ["sh", "-c", command] });
    let suites = json!({ "suites": [
        named("first", ".", report(3)),
        named("second", ".", report(5)),
        named("inner", "a", report(7)),
        named("none", "b", "exit 0".to_owned()),
    ] });
    let answer = bench.unit(&[("a/x", ""), ("b/x", "")], suites).await;
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", bench.log().await);
    for (name, total) in [("first", 3), ("second", 5), ("inner", 7)] {
        assert_eq!(suite(&answer, name)["total"], total, "{:#}", answer.response.output);
    }
    assert!(suite(&answer, "none")["total"].is_null(), "{:#}", answer.response.output);
    assert_eq!(answer.response.output["total"], 15);
}

/// A tool that is not there makes one suite unchecked, whatever the others do.
#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_cannot_be_run_leaves_all_unchecked() {
    let bench = Bench::new(&[]).await;
    let suite_of = |name: &str, command: &str| json!({ "name": name, "command": [command] });
    let suites = json!({ "suites": [suite_of("good", "true"), suite_of("bad", "no-such-tool")] });
    let answer = bench.unit(&[("a", "")], suites).await;
    let response = &answer.response;
    assert_eq!(response.status, StageStatus::Skipped, "{}", bench.log().await);
    assert!(!response.not_applicable);
    assert!(
        response.summary.contains("1 of 2 suites was not checked")
            && response.summary.contains("`no-such-tool` is not installed"),
        "{}",
        response.summary
    );
}

/// What a suite writes over the account of another does not make a failure pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_suite_stays_failed_whatever_is_written_over_its_account() {
    let bench = Bench::new(&[]).await;
    let forge = "printf 'end 0 test 0 1 2\\nend 1 test 0 1 2\\n' >>../pact/steps\n\
                 (sleep 0.3; printf 'end 0 test 0 1 2\\nend 1 test 0 1 2\\n' >>../pact/steps) \
                 >/dev/null 2>&1 &\nexit 1\n";
    let named = |name: &str, directory: &str, command: &str| json!({ "name": name, "directory": directory, "command": ["sh", "-c", command] });
    let slow = "sleep 1; echo '3 passed in 0.1s'";
    let suites = json!({ "suites": [named("forger", ".", forge), named("other", "a", slow)] });
    let answer = bench.unit(&[("a/x", "")], suites).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{:#}", answer.response.output);
}

/// The installation refuses what the change broke: a defect of the change, with the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_that_does_not_agree_fails_the_tests() {
    if !installed("npm") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let package = "{\"name\":\"x\",\"version\":\"1.0.0\",\"scripts\":{\"test\":\"node --test\"},\
                   \"dependencies\":{\"is-number\":\"^7.0.0\"}}";
    let lock = "{\"name\":\"x\",\"version\":\"1.0.0\",\"lockfileVersion\":3,\"packages\":\
                {\"\":{\"name\":\"x\",\"version\":\"1.0.0\"}}}";
    let files = [
        ("package.json", package),
        ("package-lock.json", lock),
        ("a.test.js", "const t=require('node:test');t('adds',()=>{})"),
    ];
    let answer = bench.unit(&files, json!({})).await;
    let response = &answer.response;
    if response.status == StageStatus::Skipped {
        eprintln!("skipped: no registry of packages is to be had: {}", bench.log().await);
        return;
    }
    assert_eq!(response.status, StageStatus::Failed, "{}", bench.log().await);
    let finding = &response.findings[0];
    assert_eq!(finding.code, "test-setup-failed");
    assert!(finding.message.contains("is-number"), "{}", finding.message);
    let evidence = finding.evidence.as_deref().unwrap_or_default();
    assert!(evidence.contains("package-lock.json"), "{evidence}");
}

/// Suites that do not share anything run beside one another, and a time-out is each one's own.
#[tokio::test(flavor = "multi_thread")]
async fn suites_run_side_by_side_each_within_its_own_time() {
    let bench = Bench::new(&[]).await;
    let named = |name: &str, command: &str, seconds: u64| {
        json!({ "name": name, "directory": name, "command": ["sh", "-c", command],
                "timeout_seconds": seconds })
    };
    // Each waits for what the other makes: one after the other they would not end.
    let meet = |own: &str, other: &str| {
        format!("touch ../{own}.here; until [ -e ../{other}.here ]; do sleep 0.05; done")
    };
    let suites = json!({ "suites": [
        named("a", &meet("a", "b"), 60),
        named("b", &meet("b", "a"), 60),
        named("c", "sleep 60", 1),
    ] });
    let files = [("a/x", ""), ("b/x", ""), ("c/x", "")];
    let answer = tokio::time::timeout(Duration::from_secs(40), bench.unit(&files, suites)).await;
    let answer = answer.expect("it ends in time");
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    for name in ["a", "b"] {
        assert_eq!(suite(&answer, name)["status"], "passed", "{:#}", answer.response.output);
    }
    assert!(answer.response.summary.contains("c: the tests did not end within 1.0 s"));
}

/// What the targets build is built beside the tests, once for each list of commands, of a tree that no
/// test has written to, and kept by its digest with the list of its files.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_built_once_beside_the_tests_and_kept_by_its_digest() {
    let bench = Bench::new(&[]).await;
    bench.pack(&[("a", "x"), ("test.sh", "echo spoilt >made; echo '2 passed in 0.1s'")]).await;
    let environment = |commands: serde_json::Value| json!({ "target": { "kind": "directory", "build": commands }, "watch": { "seconds": 0 } });
    let commands =
        json!([["sh", "-c", "mkdir -p out; echo $PACT_COMMIT >out/b"], ["cp", "a", "made"]]);
    let run = async |commands: &serde_json::Value, skip: Option<&str>| {
        let parameters = json!({
            "settings": { "unit": {
                "runner": { "kind": "codebuild", "command": ["sh", "test.sh"] }, "timeout_seconds": 60,
            } },
            "environments": [environment(commands.clone()), null, environment(commands.clone())],
            "skip": skip,
        });
        bench.call("tests.run_unit", parameters).await.expect("a verdict").response
    };
    let response = run(&commands, None).await;
    assert_eq!(response.status, StageStatus::Passed, "{}", bench.log().await);
    assert_eq!(response.output["total"], 2, "{:#}", response.output);
    let built: Vec<BuiltRelease> =
        serde_json::from_value(response.output["built"].clone()).expect("what was built");
    let [release] = &built[..] else { panic!("once: {built:?}") };
    assert_eq!(release.files, 4);
    let bytes = built::fetch(&*bench.memory, release).await.expect("it is what was built");
    let wanted = |path: &str| matches!(path, "made" | "out/b");
    let found = bundle::read_files(&bytes, 1_000, wanted).expect("a bundle");
    let text =
        |(path, content): (String, Vec<u8>)| (path, String::from_utf8(content).expect("text"));
    let mut found: Vec<_> = found.into_iter().map(text).collect();
    found.sort();
    assert_eq!(
        found,
        [("made".to_owned(), "x".to_owned()), ("out/b".to_owned(), "c0ffee\n".to_owned())]
    );
    let list = bench.memory.get(&release.list_key).await.expect("the store").expect("a list");
    assert!(String::from_utf8_lossy(&list).lines().any(|line| line == "out/b"));

    // Also where no tests are run; and one that fails fails the stage.
    let response = run(&commands, Some("nothing but documentation")).await;
    assert_eq!(response.status, StageStatus::Skipped, "{}", bench.log().await);
    assert_eq!(response.summary, "nothing but documentation");
    assert_eq!(response.output["built"][0]["digest"], json!(release.digest));
    let bad = json!([["true"], ["sh", "-c", "echo the reason; exit 7"], ["true"]]);
    let response = run(&bad, None).await;
    assert_eq!(response.status, StageStatus::Failed, "{}", bench.log().await);
    let finding = &response.findings[0];
    assert_eq!(finding.code, "build-failed");
    assert!(finding.message.ends_with("ended with exit code 7"), "{}", finding.message);
    assert!(finding.evidence.as_deref().is_some_and(|text| text.contains("the reason")));
    assert!(response.summary.contains("2 tests passed in "), "{}", response.summary);
    assert!(response.output.get("built").is_none());
}

/// CMake's own generator, a compiler of C, and CTest's report.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_of_cmake_is_built_and_its_tests_are_counted_from_their_report() {
    if !["cmake", "ctest", "cc", "make"].iter().all(|program| installed(program)) {
        return;
    }
    let bench = Bench::new(&[]).await;
    let lists = "cmake_minimum_required(VERSION 3.10)\nproject(tiny C)\nenable_testing()\n\
                 add_executable(check check.c)\nadd_test(NAME adds COMMAND check 0)\n\
                 add_test(NAME subtracts COMMAND check 1)\n";
    let check = "#include <stdio.h>\n#include <stdlib.h>\nint main(int n, char **a) {\n  int bad = atoi(a[1]);\n  \
                 if (bad) printf(\"check.c:5: 3 is not 2\\n\");\n  return bad;\n}\n";
    let answer = bench.unit(&[("CMakeLists.txt", lists), ("check.c", check)], json!({})).await;
    let response = &answer.response;
    assert_eq!(response.status, StageStatus::Failed, "{}", bench.log().await);
    assert!(response.summary.starts_with("1 test passed, 1 failed in "), "{}", response.summary);
    assert_eq!(response.output["evidence"], "junit");
    let finding = &response.findings[0];
    assert!(finding.message.contains("subtracts"), "{finding:?}");
    let broken = check.replace("int bad", "int bad =");
    let files = [("CMakeLists.txt", lists), ("check.c", broken.as_str())];
    let answer = bench.unit(&files, json!({})).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", bench.log().await);
    assert_eq!(answer.response.findings[0].code, "test-setup-failed");
}

/// Nobody says how to build: what a service is started from, and the commit lacks, is built where that
/// build writes; what the commit has, or no build makes, is not.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_needs_and_the_commit_lacks_is_built_though_nobody_said_how() {
    if !installed("npm") {
        return;
    }
    let bench = Bench::new(&[]).await;
    let package = "{\"name\":\"web\",\"scripts\":{\"test\":\"node --test\",\
                   \"build\":\"mkdir -p dist && cp server.js dist/main.js\"}}";
    let good = BAD.replace("strictEqual(1,2)", "strictEqual(1,1)");
    let files = [("package.json", package), ("a.test.js", &good), ("server.js", "1\n")];
    bench.pack(&files).await;
    let run = async |command: &[&str], build: &[&str]| {
        let build = if build.is_empty() { json!([]) } else { json!([build]) };
        let target =
            json!({ "kind": "directory", "build": build, "service": { "command": command } });
        let environments = json!([{ "target": target, "watch": { "seconds": 0 } }]);
        let parameters = json!({ "settings": {}, "environments": environments });
        bench.call("tests.run_unit", parameters).await.expect("a verdict").response
    };
    let response = run(&["node", "./dist/main.js"], &[]).await;
    assert_eq!(response.status, StageStatus::Passed, "{}", response.summary);
    let built: Vec<BuiltRelease> =
        serde_json::from_value(response.output["built"].clone()).expect("what was built");
    let [release] = &built[..] else { panic!("once: {built:?}") };
    assert_eq!(release.serves.as_deref(), Some("dist/main.js"));
    let bytes = built::fetch(&*bench.memory, release).await.expect("it is what was built");
    let found = bundle::read_files(&bytes, 1_000, |path| path == "dist/main.js");
    assert_eq!(found.expect("a bundle").len(), 1);
    for command in [&["node", "server.js"][..], &["./server.js"], &["./bin/web"], &["web"]] {
        let response = run(command, &[]).await;
        assert_eq!(response.status, StageStatus::Passed, "{}", response.summary);
        assert!(response.output["built"].is_null(), "{command:?}: {}", response.output);
    }
    let response = run(&["node", "dist/main.js"], &["cp", "server.js", "made"]).await;
    let built: Vec<BuiltRelease> =
        serde_json::from_value(response.output["built"].clone()).expect("what was built");
    assert_eq!(built.iter().map(|b| b.serves.clone()).collect::<Vec<_>>(), [None], "as it is said");
}
