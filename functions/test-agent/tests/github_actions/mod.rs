//! Suites that are workflows of GitHub Actions, against a server with GitHub's rules that really runs
//! them: the same `pact.toml` but for one line.
#![expect(clippy::panic, reason = "what a test needs is there, or it fails")]

mod server;

use std::{sync::Arc, time::Duration};

use pact_agent::ports::Artifacts as _;
use pact_agent::{Agent as _, Call, Outcome, Stand};
use pact_contract::{
    ErrorName, RepositoryName, ResponseEnvelope, StageStatus,
    registry::RepositoryEntry,
    statuses::{StatusSettings, token_name},
};
use serde_json::{Value, json};

use server::{COMMIT, GitHub, Limited, Moods, TOKEN};

use crate::bench::Bench;

/// A workflow that runs what it is told to, as it stands in the README.
const WORKFLOW: &str = "name: tests
run-name: pact ${{ inputs.pact }}
on:
  workflow_dispatch:
    inputs:
      pact: { required: true, type: string }
      command: { type: string }
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - run: ${{ inputs.command }}
      # What actions/upload-artifact would do.
      - if: always()
        run: if [ -d artifacts ]; then cp -r artifacts/. \"$UPLOADS\"; fi
";

const FILES: &[(&str, &str)] = &[
    (".github/workflows/pact.yml", WORKFLOW),
    (".github/workflows/push.yml", "on: push\njobs: {}\n"),
    ("src/a.py", "x\n"),
    ("test.sh", "sh -c \"$1\"\n"),
];

/// An agent whose repository is registered to show statuses by this API, with this token.
async fn registered(api: &str, token: &str) -> Bench {
    let entry = json!({
        "schema": 1, "name": "acme/web", "url": "https://example.org/acme/web",
        "registered_by": "Ada", "registered_at": "2026-11-01T00:00:00Z",
    });
    let entry: RepositoryEntry = serde_json::from_value(entry).expect("an entry");
    let settings = StatusSettings { host: "github".to_owned(), api: api.to_owned() };
    let bench = Bench::with(&[], Some(RepositoryEntry { statuses: Some(settings), ..entry })).await;
    let name: RepositoryName = "acme/web".parse().expect("a name");
    bench.memory.set_secret(&token_name(&name), token);
    bench
}

/// Waits until something is so.
async fn until(what: &str, is: impl Fn() -> bool) {
    for _ in 0..300 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

/// Everything that is kept.
async fn everything(bench: &Bench) -> Vec<String> {
    let mut all = Vec::new();
    for key in bench.memory.keys() {
        let content = bench.memory.get(&key).await.expect("the store").unwrap_or_default();
        all.push(String::from_utf8_lossy(&content).into_owned());
    }
    all.push(format!("{:?} {:?}", bench.memory.stages(), bench.memory.metric_events()));
    all
}

async fn server() -> Option<(Arc<GitHub>, Bench)> {
    let server = GitHub::new(FILES).await?;
    let bench = registered(&server.api, TOKEN).await;
    bench.pack(FILES).await;
    Some((server, bench))
}

/// A suite by this script, which is run as `runner` says.
fn suite(runner: &str, script: &str, reports: &[&str], seconds: u64) -> Value {
    json!({ "unit": {
        "runner": { "kind": runner, "command": ["sh", "-c", script] },
        "timeout_seconds": seconds, "reports": reports,
    } })
}

fn parameters(settings: &Value) -> Value {
    json!({ "settings": settings, "reference": "refs/heads/main" })
}

async fn unit(bench: &Bench, settings: Value) -> ResponseEnvelope {
    bench.call("tests.run_unit", parameters(&settings)).await.expect("a verdict")
}

const REPORT: &str = "mkdir -p artifacts/reports; printf '<testsuite><testcase name=\"good\"/>\
    <testcase name=\"bad\" file=\"src/a.py\" line=\"1\"><failure message=\"no\"/></testcase></testsuite>' \
    >artifacts/reports/r.xml; exit 3";
const PASSES: &str = "echo 'test result: ok. 7 passed; 0 failed; 1 ignored; finished'";

#[tokio::test(flavor = "multi_thread")]
async fn one_line_moves_a_suite_from_runner_to_runner() {
    let Some((server, bench)) = server().await else { return };
    for runner in ["codebuild", "github-actions"] {
        let answer = unit(&bench, suite(runner, PASSES, &[], 60)).await.response;
        assert_eq!(answer.status, StageStatus::Passed, "{runner}: {}", answer.summary);
        assert!(answer.summary.starts_with("7 tests passed, 1 skipped in "), "{}", answer.summary);
        assert_eq!(answer.output["suites"][0]["name"], "unit", "{runner}");

        let failing = suite(runner, REPORT, &["artifacts/**/*.xml"], 60);
        let answer = unit(&bench, failing).await.response;
        assert_eq!(answer.status, StageStatus::Failed, "{runner}: {}", answer.summary);
        assert!(answer.summary.starts_with("1 test passed, 1 failed in "), "{}", answer.summary);
        assert_eq!(answer.output["evidence"], "junit", "{runner}");
        assert_eq!(answer.output["exit_code"], 3, "{runner}");
        let finding = &answer.findings[0];
        assert_eq!(finding.place().as_deref(), Some("src/a.py:1"), "{runner}: {finding:?}");
    }
    let log = bench.log().await;
    assert!(log.starts_with("workflow pact.yml: https://github.example/"), "{log}");
    assert_eq!(server.count("/dispatches"), 2);
    for text in everything(&bench).await {
        assert!(!text.contains(TOKEN), "the token is in what is kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_begun_is_not_checked_and_says_why() {
    let Some((server, bench)) = server().await else { return };
    let named = |workflow: &str| {
        json!({ "unit": { "timeout_seconds": 60, "reports": [],
            "runner": { "kind": "github-actions", "workflow": workflow } } })
    };
    for (workflow, said) in [
        ("gone.yml", "no workflow gone.yml on the default branch"),
        ("push.yml", "does not have 'workflow_dispatch' trigger"),
        ("../x.yml", "is no name of a file in .github/workflows"),
    ] {
        let answer = unit(&bench, named(workflow)).await.response;
        assert_eq!(answer.status, StageStatus::Skipped);
        assert!(answer.summary.contains(said), "{}", answer.summary);
    }
    for (reference, said) in [
        (json!("refs/heads/gone"), "No ref found for: gone"),
        (json!("refs/pull/7/merge"), "refs/pull/7/merge is none"),
        (Value::Null, "the run is of none"),
    ] {
        let settings = suite("github-actions", PASSES, &[], 60);
        let parameters = json!({ "settings": settings, "reference": reference });
        let answer = bench.call("tests.run_unit", parameters).await.expect("a verdict").response;
        assert_eq!(answer.status, StageStatus::Skipped);
        assert!(answer.summary.contains(said), "{}", answer.summary);
    }
    // The branch went on before the workflow began: what ran is not what is judged.
    server.lock().moods = Moods { head: Some("0ther".to_owned()), ..Moods::default() };
    let answer = unit(&bench, suite("github-actions", "sleep 60", &[], 60)).await.response;
    assert_eq!(answer.status, StageStatus::Skipped);
    assert!(answer.summary.contains("main has moved on to 0ther"), "{}", answer.summary);
    assert_eq!(server.count("/cancel"), 1);
    // A host that does not say what it runs is no word about the commit.
    server.lock().moods = Moods { head: Some(String::new()), ..Moods::default() };
    let settings = suite("github-actions", "sleep 60", &[], 60);
    let fault = bench.call("tests.run_unit", parameters(&settings)).await;
    let fault = fault.expect_err("no verdict").to_string();
    assert!(fault.contains("does not say which commit it is of"), "{fault}");

    let stranger = Bench::new(&[]).await;
    stranger.pack(FILES).await;
    let answer = unit(&stranger, suite("github-actions", PASSES, &[], 60)).await.response;
    assert_eq!(answer.status, StageStatus::Skipped);
    assert!(answer.summary.contains("`pactctl repos add acme/web"), "{}", answer.summary);
    let revoked = registered(&server.api, "0ld").await;
    revoked.pack(FILES).await;
    let answer = unit(&revoked, suite("github-actions", PASSES, &[], 60)).await.response;
    assert!(answer.summary.contains("token is not valid, or no longer"), "{}", answer.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_waited_for_wherever_they_come() {
    let Some((server, bench)) = server().await else { return };
    // To the list, the start, the look, the jobs, the artifacts: each in turn.
    for after in 0..6 {
        let reset = (jiff::Timestamp::now().as_second() + 1).to_string();
        let headers = if after % 2 == 0 {
            vec![("retry-after", "1".to_owned())]
        } else {
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)]
        };
        let status = if after % 2 == 0 { 429 } else { 403 };
        let limited = Some(Limited { after, status, headers });
        server.lock().moods = Moods { limited, ..Moods::default() };
        let before = server.count("/dispatches");
        let answer = unit(&bench, suite("github-actions", PASSES, &[], 60)).await.response;
        assert_eq!(answer.status, StageStatus::Passed, "{after}: {}", answer.summary);
        let limited = usize::from(after == 1);
        assert_eq!(server.count("/dispatches") - before, 1 + limited, "{after}");
    }
    // A server of before says nothing of the run that it began: it is found by its name.
    server.lock().moods = Moods { old: true, ..Moods::default() };
    let answer = unit(&bench, suite("github-actions", PASSES, &[], 60)).await.response;
    assert_eq!(answer.status, StageStatus::Passed, "{}", answer.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_that_are_gone_are_not_checked() {
    let Some((server, bench)) = server().await else { return };
    server.lock().moods = Moods { expired: true, ..Moods::default() };
    let script = REPORT.replace("exit 3", "exit 0");
    let answer = unit(&bench, suite("github-actions", &script, &["**/*.xml"], 60)).await.response;
    assert_eq!(answer.status, StageStatus::Skipped, "{}", answer.summary);
    let said =
        answer.findings.iter().any(|f| f.message.contains("the artifact reports has expired"));
    assert!(said, "{:?}", answer.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_ended_there() {
    let Some((server, bench)) = server().await else { return };
    let answer = unit(&bench, suite("github-actions", "echo begun; sleep 4322", &[], 1)).await;
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    assert_eq!(answer.response.findings[0].code, "tests-timed-out");
    until("the workflow is cancelled", || {
        server.standing() == [("completed".to_owned(), "cancelled".to_owned())]
    })
    .await;
    until("the workflow's step is gone", || {
        !std::fs::read_dir("/proc").expect("processes").flatten().any(|process| {
            let line = std::fs::read(process.path().join("cmdline"));
            line.is_ok_and(|line| line == b"sleep\x004322\0")
        })
    })
    .await;
}

fn call(settings: &Value) -> Call {
    let Value::Object(mut parameters) = parameters(settings) else { panic!("an object") };
    let source = json!({ "key": "source", "commit": COMMIT });
    parameters.insert("source".to_owned(), source);
    let repository =
        json!({ "name": "acme/web", "url": "https://x.example", "default_branch": "main" });
    parameters.insert("repository".to_owned(), repository);
    Call {
        action: "tests.run_unit".to_owned(),
        parameters,
        run_id: Some("run-1".parse().expect("an id")),
        state: "RunTests".parse().expect("a name"),
        key: "key".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(120),
    }
}

/// Looks, as often as it takes, until there is a verdict.
async fn verdict(bench: &Bench, call: &Call, mut progress: Value) -> Outcome {
    let mut looks = 0;
    loop {
        match bench.agent.look(call, &progress).await.expect("no fault") {
            Stand::Done(outcome) => return outcome,
            Stand::Later(next) if next == progress => {
                looks += 1;
                assert!(looks < 600, "it takes no end");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Stand::Later(next) => progress = next,
        }
    }
}

async fn later(stand: impl Future<Output = Result<Stand, pact_agent::AgentError>>) -> Value {
    match stand.await.expect("no fault") {
        Stand::Later(progress) => progress,
        Stand::Done(outcome) => panic!("a verdict: {}", outcome.summary),
    }
}

/// Whoever looks may die after any of its steps, and nobody know: the next one begins where it is
/// written that it was, and no workflow is begun twice. Events that are lost, or come twice, are looks
/// that come late, or twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_begun_once_whoever_dies_and_however_often_it_is_told_of() {
    let Some((server, bench)) = server().await else { return };
    let call = call(&suite("github-actions", PASSES, &[], 60));
    let planned = later(bench.agent.begin(&call)).await;
    assert_eq!(server.count("/dispatches"), 0, "planning begins nothing");
    let written = later(bench.agent.look(&call, &planned)).await;
    assert_eq!(server.count("/dispatches"), 0, "it is written first");
    for _ in 0..3 {
        // Each of them dies before it writes what it did.
        later(bench.agent.look(&call, &written)).await;
    }
    assert_eq!(server.count("/dispatches"), 1);
    let first = verdict(&bench, &call, written.clone()).await;
    assert_eq!(first.status, StageStatus::Passed, "{}", first.summary);
    let second = verdict(&bench, &call, written).await;
    assert_eq!((first.status, &first.output), (second.status, &second.output));
    assert_eq!(server.count("/dispatches"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_its_workflow_and_one_that_others_cancel_is_a_fault() {
    let Some((server, bench)) = server().await else { return };
    let settings = suite("github-actions", "sleep 4323", &[], 600);
    let call = call(&settings);
    let planned = later(bench.agent.begin(&call)).await;
    // Nothing was begun: there is nothing to end.
    bench.agent.stop(&call, &planned).await.expect("it is ended");
    let written = later(bench.agent.look(&call, &planned)).await;
    let begun = later(bench.agent.look(&call, &written)).await;
    until("it goes on", || server.standing()[0].0 == "in_progress").await;
    let before = std::time::Instant::now();
    // Also by whoever does not know which run it is; and twice.
    for progress in [&written, &begun] {
        bench.agent.stop(&call, progress).await.expect("it is ended");
    }
    until("it has ended", || server.standing()[0].0 == "completed").await;
    assert!(before.elapsed() < Duration::from_secs(5), "it took {:?}", before.elapsed());
    assert_eq!(server.standing()[0].1, "cancelled");
    let error = bench.agent.look(&call, &begun).await.expect_err("no verdict");
    assert_eq!(error.name, ErrorName::ToolFailed);
    assert!(error.message.contains("cancelled by somebody else"), "{}", error.message);
}

/// Suites of several runners are one stage: they go on side by side, and each has its line.
#[tokio::test(flavor = "multi_thread")]
async fn suites_of_several_runners_are_judged_together() {
    let Some((server, bench)) = server().await else { return };
    let failing = "echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored; finished'; exit 1";
    let settings = json!({
        "unit": { "runner": { "kind": "codebuild", "command": ["sh", "-c", PASSES] },
            "timeout_seconds": 60, "reports": [] },
        "suites": [
            { "name": "there", "runner": "github-actions", "command": ["sh", "-c", failing] },
            { "name": "here", "command": ["sh", "-c", PASSES] },
            { "name": "gone", "runner": "github-actions", "workflow": "gone.yml", "command": ["x"] },
        ],
    });
    let answer = unit(&bench, settings).await.response;
    assert_eq!(answer.status, StageStatus::Failed, "{}", answer.summary);
    let suites = answer.output["suites"].as_array().expect("suites").iter();
    let suites: Vec<_> = suites.map(|s| (s["name"].as_str(), s["status"].as_str())).collect();
    assert_eq!(
        suites,
        [
            (Some("unit"), Some("passed")),
            (Some("here"), Some("passed")),
            (Some("there"), Some("failed")),
            (Some("gone"), Some("skipped")),
        ]
    );
    let log = bench.log().await;
    assert!(log.contains("=== here ===") && log.contains("workflow pact.yml: "), "{log}");
    assert_eq!(server.count("pact.yml/dispatches"), 1);
}

/// A target's release is built where releases are built, wherever the tests run.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_built_beside_a_workflow() {
    let Some((_server, bench)) = server().await else { return };
    let mut parameters = parameters(&suite("github-actions", PASSES, &[], 60));
    let target = json!({ "kind": "directory", "build": [["cp", "test.sh", "made"]] });
    parameters["environments"] = json!([{ "target": target, "watch": { "seconds": 0 } }]);
    let answer = bench.call("tests.run_unit", parameters).await.expect("a verdict").response;
    assert_eq!(answer.status, StageStatus::Passed, "{}", answer.summary);
    assert!(answer.summary.starts_with("7 tests passed, 1 skipped in "), "{}", answer.summary);
    assert_eq!(answer.output["built"].as_array().map(Vec::len), Some(1));
}

/// An environment whose release a workflow builds, as the settings have it.
fn environment(artifact: &str, line: &str) -> Value {
    let command = ["sh", "-c", line];
    json!([{ "name": "staging", "tier": "staging", "target": {
        "kind": "directory",
        "build": [["github-actions", "pact.yml", artifact], command],
        "build_timeout_seconds": 60,
        "build_runner": { "kind": "github-actions", "workflow": "pact.yml",
            "artifacts": [artifact], "command": command },
    } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_is_built_by_a_workflow_beside_the_tests() {
    let Some((server, bench)) = server().await else { return };
    let builds =
        "mkdir -p artifacts/dist; echo built >artifacts/dist/app; echo x >artifacts/dist/b";
    let asked = |artifact: &str, line: &str| {
        let unit = suite("codebuild", PASSES, &[], 60);
        let environments = environment(artifact, line);
        json!({ "settings": unit, "reference": "refs/heads/main", "environments": environments })
    };
    let answer = bench.call("tests.run_unit", asked("dist", builds)).await.expect("a verdict");
    let answer = answer.response;
    assert_eq!(answer.status, StageStatus::Passed, "{}", answer.summary);
    assert!(answer.summary.starts_with("7 tests passed"), "{}", answer.summary);
    let built = &answer.output["built"][0];
    assert_eq!(built["files"], 2, "{built}");
    let key = built["key"].as_str().expect("a key");
    let bundle = bench.memory.get(key).await.expect("the store").expect("it is kept");
    assert_eq!(pact_agent::built::digest(&bundle), built["digest"].as_str().expect("a digest"));
    assert_eq!(pact_agent::bundle::names(&bundle).expect("a bundle"), ["app", "b"]);
    // As the deploy agent looks for it.
    let commands: Vec<Vec<String>> =
        serde_json::from_value(environment("dist", builds)[0]["target"]["build"].clone())
            .expect("commands");
    assert_eq!(built["commands"], pact_agent::built::commands_id(&commands));

    for (artifact, line, status, said) in [
        ("other", builds, StageStatus::Failed, "the workflow left no artifact other"),
        ("dist", "echo no; exit 2", StageStatus::Failed, "the workflow pact.yml failed"),
    ] {
        let answer = bench.call("tests.run_unit", asked(artifact, line)).await.expect("a verdict");
        let answer = answer.response;
        assert_eq!(answer.status, status, "{}", answer.summary);
        assert!(answer.summary.contains(said), "{}", answer.summary);
        assert_eq!(answer.findings[0].code, "build-failed");
    }
    server.lock().moods = Moods { expired: true, ..Moods::default() };
    let answer = bench.call("tests.run_unit", asked("dist", builds)).await.expect("a verdict");
    assert!(answer.response.summary.contains("has expired"), "{}", answer.response.summary);
    // Where the tests are left out it is built all the same, and where nobody may be asked it is not.
    server.lock().moods = Moods::default();
    let mut left_out = asked("dist", builds);
    left_out["skip"] = "only documentation".into();
    let answer = bench.call("tests.run_unit", left_out).await.expect("a verdict").response;
    assert_eq!(
        (answer.status, &answer.output["built"][0]["files"]),
        (StageStatus::Skipped, &2.into())
    );
    assert!(answer.summary.contains("only documentation"), "{}", answer.summary);
    let stranger = Bench::new(&[]).await;
    stranger.pack(FILES).await;
    let answer = stranger.call("tests.run_unit", asked("dist", builds)).await.expect("a verdict");
    assert_ne!(answer.response.status, StageStatus::Passed);
    let summary = &answer.response.summary;
    assert!(
        summary.starts_with("the release was not built: the runner github-actions"),
        "{summary}"
    );
}
