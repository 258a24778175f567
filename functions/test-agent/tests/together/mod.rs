//! Unit and integration tests of a run in one build.

use std::time::Duration;

use pact_agent::{Agent, Call, Stand, ports::Artifacts};
use pact_contract::StageStatus;
use serde_json::{Value, json};

use crate::bench::Bench;

fn suite(command: &str) -> Value {
    let runner = json!({ "kind": "codebuild", "command": ["sh", "-c", command] });
    json!({ "runner": runner, "timeout_seconds": 60 })
}

fn settings(unit: &str, integration: &str) -> Value {
    json!({ "unit": suite(unit), "integration": suite(integration) })
}

/// A call of a state, as the pipeline makes it.
fn call(state: &str, action: &str, settings: &Value) -> Call {
    let parameters = json!({
        "source": { "key": "source", "commit": "c0ffee" },
        "repository": { "name": "acme/web", "url": "https://example.org/acme/web",
            "default_branch": "main" },
        "settings": settings,
        "then_integration": true,
    });
    Call {
        action: action.to_owned(),
        parameters: parameters.as_object().expect("an object").clone(),
        run_id: Some("run-1".parse().expect("an id")),
        state: state.parse().expect("a name"),
        key: format!("run-1/{state}"),
        deadline: tokio::time::Instant::now() + Duration::from_secs(120),
    }
}

fn unit(settings: &Value) -> Call {
    call("RunUnitTests", "tests.run_unit", settings)
}

fn integration(settings: &Value) -> Call {
    call("RunIntegrationTests", "tests.run_integration", settings)
}

async fn verdict(bench: &Bench, call: &Call) -> (StageStatus, String) {
    let outcome = bench.agent.act(call).await.expect("a verdict");
    (outcome.status, outcome.summary)
}

/// How many builds there were.
async fn builds(bench: &Bench) -> usize {
    let started = bench.memory.get("started").await.expect("the store").unwrap_or_default();
    String::from_utf8_lossy(&started).lines().count()
}

async fn bench() -> Bench {
    let bench = Bench::new(&[]).await;
    bench.pack(&[("README.md", "hello")]).await;
    bench
}

const TAP: &str = "printf '1..1\\nok 1 - it\\n'";

#[tokio::test(flavor = "multi_thread")]
async fn both_are_run_in_one_build_each_on_a_checkout_of_its_own() {
    let bench = bench().await;
    // Each is reported as it ends: the unit tests while the others have not begun to end.
    let first = format!("echo first; echo x >left; {TAP}");
    let second =
        format!("echo second; test ! -e left && test -e README.md || exit 4; sleep 2; {TAP}");
    let settings = settings(&first, &second);
    let (status, summary) = verdict(&bench, &unit(&settings)).await;
    assert_eq!(status, StageStatus::Passed, "{summary}");
    let Ok(Stand::Later(work)) = bench.agent.begin(&integration(&settings)).await else {
        panic!("it is waited for")
    };
    assert!(work.pointer("/joined").is_some(), "{work}");
    let goes = bench.agent.look(&integration(&settings), &work).await.expect("a look");
    assert_eq!(goes, Stand::Later(work));
    let (status, summary) = verdict(&bench, &integration(&settings)).await;
    assert_eq!(status, StageStatus::Passed, "{summary}");
    assert_eq!(builds(&bench).await, 1);
    for (state, said) in [("RunUnitTests", "first"), ("RunIntegrationTests", "second")] {
        let log =
            bench.memory.get(&format!("runs/run-1/logs/{state}.txt")).await.expect("the store");
        let log = String::from_utf8_lossy(&log.expect("a log")).into_owned();
        assert!(log.contains(&format!("\n{said}\n")), "{log}");
        assert!(!(log.contains("first") && log.contains("second")), "{log}");
    }
    // Asked once more under the same keys they say the same, and nothing is run again.
    assert_eq!(verdict(&bench, &unit(&settings)).await.0, StageStatus::Passed);
    assert_eq!(verdict(&bench, &integration(&settings)).await.0, StageStatus::Passed);
    assert_eq!(builds(&bench).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_first_leaves_behind_neither_passes_nor_fails_the_second() {
    let bench = bench().await;
    // It writes what the second one's script would, tampers with its checkout, and holds a name.
    let first = format!(
        "R=$(dirname \"$PWD\"); mkdir -p $R/next/pact/0 $R/next/source; echo bad >$R/next/source/left; \
         mkfifo $R/held; \
         (while :; do echo 'end 0 test 0 1 2' >>$R/next/pact/steps; sleep 0.02; done) >/dev/null 2>&1 & \
         {TAP}"
    );
    let second = "test -e left && exit 9; sleep 0.5; exit 3";
    let settings = settings(&first, second);
    assert_eq!(verdict(&bench, &unit(&settings)).await.0, StageStatus::Passed);
    let (status, summary) = verdict(&bench, &integration(&settings)).await;
    assert_eq!(status, StageStatus::Failed, "{summary}");
    assert!(summary.contains("exit code 3"), "{summary}");
    // What a test changes of the commit's bundle is never run.
    let tampered =
        "R=$(dirname \"$PWD\"); echo x >>$R/next/bundle.tar.gz; printf '1..1\\nok 1 - it\\n'";
    let settings = self::settings(tampered, TAP);
    let again = |call: Call| Call { key: format!("{}/again", call.key), ..call };
    assert_eq!(verdict(&bench, &again(unit(&settings))).await.0, StageStatus::Passed);
    let (status, summary) = verdict(&bench, &again(integration(&settings))).await;
    assert_eq!(status, StageStatus::Failed, "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failure_nothing_follows_and_what_is_apart_has_a_build_of_its_own() {
    let bench = bench().await;
    let failing = settings("exit 1", TAP);
    assert_eq!(verdict(&bench, &unit(&failing)).await.0, StageStatus::Failed);
    assert_eq!(builds(&bench).await, 1);
    // Asked for all the same, they get a build of their own.
    let (status, summary) = verdict(&bench, &integration(&failing)).await;
    assert_eq!((status, builds(&bench).await), (StageStatus::Passed, 2), "{summary}");

    for which in ["unit", "integration"] {
        let bench = self::bench().await;
        let mut settings = settings(TAP, TAP);
        settings.pointer_mut(&format!("/{which}")).expect("a suite")["isolated"] = true.into();
        assert_eq!(verdict(&bench, &unit(&settings)).await.0, StageStatus::Passed);
        assert_eq!(verdict(&bench, &integration(&settings)).await.0, StageStatus::Passed);
        assert_eq!(builds(&bench).await, 2, "{which}");
    }
    // So has a suite of its own kind.
    let bench = self::bench().await;
    let named = json!([{ "name": "apart", "command": ["sh", "-c", TAP], "isolated": true }]);
    let mut settings = settings(TAP, TAP);
    settings["suites"] = named;
    let (status, summary) = verdict(&bench, &unit(&settings)).await;
    assert_eq!((status, builds(&bench).await), (StageStatus::Passed, 2), "{summary}");
    assert!(summary.starts_with("2 tests passed"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_run_ends_the_build_also_when_nobody_waits_for_it() {
    let bench = bench().await;
    let settings = settings(TAP, "sleep 50");
    assert_eq!(verdict(&bench, &unit(&settings)).await.0, StageStatus::Passed);
    let run = "run-1".parse().expect("an id");
    let begun = std::time::Instant::now();
    bench.agent.run_ended(&run).await.expect("it is stopped");
    bench.agent.run_ended(&run).await.expect("twice is once");
    // Whoever asks for it after all gets no verdict of it.
    let outcome = bench.agent.act(&integration(&settings)).await;
    let error = outcome.expect_err("it was stopped");
    assert!(error.message.contains("stopped by somebody else"), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    // A verdict that nobody follows ends it too: the service saw no failure, the report has one.
    let bench = self::bench().await;
    let failing = self::settings("printf '1..1\\nnot ok 1 - it\\n'", "sleep 50");
    assert_eq!(verdict(&bench, &unit(&failing)).await.0, StageStatus::Failed);
    // Killed before it answered, it says the same.
    assert_eq!(verdict(&bench, &unit(&failing)).await.0, StageStatus::Failed);
    assert_eq!(builds(&bench).await, 1);
}
