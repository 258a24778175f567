//! A build service that claims what is not so: nothing that it says alone makes a run pass.

mod moto;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::body::Bytes;
use pact_agent::{
    AgentError,
    builds::{Build, BuildPhase, BuildStatus, Builds, NewBuild},
    ports::{Artifacts as _, StoreError},
    testing::Memory,
};
use pact_contract::{ResponseEnvelope, StageStatus};
use serde_json::json;

use crate::bench::{Bench, Host};

/// What the service does instead of what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// It runs nothing, and says that every phase succeeded.
    RunsNothing,
    /// It runs nothing, and says that the build succeeded, without a word of a phase.
    SaysNothingOfPhases,
    /// It runs the build, and says that it succeeded however it ended.
    AlwaysSucceeded,
    /// It runs nothing, and hands over what another build handed over.
    HandsOverAnother,
    /// It hands the build another bundle than the one that was asked for.
    AnotherBundle,
    /// Its clock is an hour behind that of the agent: what it runs has gone on for so long.
    BeganLongAgo,
}

struct Liar {
    lie: Lie,
    host: Host,
    memory: Arc<Memory>,
}

impl Liar {
    /// Where a build is to put its results.
    fn results(build: &NewBuild) -> &str {
        let address = build.variables.get("PACT_RESULTS").expect("an address");
        let (_, place) = address.split_once("//").expect("an address");
        let (_, key) = place.split_once('/').expect("a key");
        key.split('?').next().expect("a key")
    }
}

#[async_trait]
impl Builds for Liar {
    async fn start(&self, build: &NewBuild) -> Result<String, StoreError> {
        let id = "pact-build:nothing".to_owned();
        match self.lie {
            Lie::RunsNothing | Lie::SaysNothingOfPhases => Ok(id),
            Lie::HandsOverAnother => {
                let another = self.memory.get("another").await?.expect("another's results");
                self.memory.put(Self::results(build), another).await?;
                Ok(id)
            }
            Lie::AlwaysSucceeded | Lie::BeganLongAgo => self.host.start(build).await,
            Lie::AnotherBundle => {
                let mut build = build.clone();
                let address = build.variables.get_mut("PACT_BUNDLE").expect("an address");
                *address = address.replace("/source", "/other");
                self.host.start(&build).await
            }
        }
    }

    async fn build(&self, id: &str) -> Result<Option<Build>, StoreError> {
        if matches!(self.lie, Lie::AlwaysSucceeded | Lie::AnotherBundle) {
            let build = self.host.build(id).await?;
            return Ok(build.map(|build| match build.status {
                BuildStatus::InProgress => build,
                _ => claimed(build),
            }));
        }
        if self.lie == Lie::BeganLongAgo {
            let build = self.host.build(id).await?;
            return Ok(build.map(|mut build| {
                for started in build.phases.iter_mut().filter_map(|phase| phase.started.as_mut()) {
                    *started -= Duration::from_secs(3_600);
                }
                build
            }));
        }
        let names = ["SUBMITTED", "PROVISIONING", "PRE_BUILD", "BUILD", "POST_BUILD", "COMPLETED"];
        let said = if self.lie == Lie::SaysNothingOfPhases { 1 } else { names.len() };
        let phases = names.iter().take(said).map(|name| BuildPhase {
            name: (*name).to_owned(),
            status: None,
            message: None,
            took: Duration::from_secs(1),
            started: None,
        });
        Ok(Some(claimed(Build {
            id: id.to_owned(),
            status: BuildStatus::Succeeded,
            phases: phases.collect(),
            image: None,
            started: None,
        })))
    }

    async fn stop(&self, id: &str) -> Result<(), StoreError> {
        self.host.stop(id).await
    }
}

/// The build as one of which everything succeeded.
fn claimed(mut build: Build) -> Build {
    build.status = BuildStatus::Succeeded;
    for phase in &mut build.phases {
        phase.status = Some(BuildStatus::Succeeded);
        phase.message = None;
    }
    build
}

async fn bench(lie: Lie) -> Bench {
    Bench::over(&[], None, |host, memory| Arc::new(Liar { lie, host, memory })).await
}

async fn run(bench: &Bench, files: &[(&str, &str)]) -> Result<ResponseEnvelope, AgentError> {
    bench.pack(files).await;
    let settings = json!({ "unit": {
        "runner": { "kind": "codebuild", "command": ["sh", "test.sh"] }, "timeout_seconds": 60,
    } });
    bench.call("tests.run_unit", json!({ "settings": settings })).await
}

const PASSES: &str = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'\n";
const FAILS: &str = "echo 'test result: ok. 3 passed; 0 failed; 0 ignored'\nexit 3\n";

/// What the only build of the only call handed over.
async fn handed_over(bench: &Bench) -> Bytes {
    let all = bench.memory.keys();
    let keys: Vec<_> = all.iter().filter(|key| key.starts_with("runs/run-1/builds/")).collect();
    assert_eq!(keys.len(), 1, "one build: {keys:?}");
    let key = keys.first().expect("one");
    bench.memory.get(key).await.expect("the store").expect("results")
}

fn fault(answer: Result<ResponseEnvelope, AgentError>, says: &str) {
    let error = answer.expect_err("a fault, and no verdict");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn success_without_anything_handed_over_is_a_fault_of_the_service() {
    let bench = bench(Lie::RunsNothing).await;
    fault(run(&bench, &[("test.sh", PASSES)]).await, "handed no results over");
}

#[tokio::test(flavor = "multi_thread")]
async fn success_without_a_phase_that_ran_tests_is_a_fault_and_no_failed_test() {
    let bench = bench(Lie::SaysNothingOfPhases).await;
    fault(run(&bench, &[("test.sh", PASSES)]).await, "nothing of a phase that ran the tests");
}

/// The account of the steps is the script's; a file of that name in the commit is the commit's.
#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_that_the_commit_wrote_is_not_the_one_that_counts() {
    let bench = bench(Lie::AlwaysSucceeded).await;
    let account = "root /\nend 0 test 0 1.0 2.0\n";
    let files = [
        ("test.sh", FAILS),
        ("pact/steps", account),
        ("steps", account),
        ("pact/0/test.log", PASSES),
    ];
    let answer = run(&bench, &files).await.expect("a verdict");
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    assert!(answer.response.summary.contains("exit code 3"), "{}", answer.response.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_build_handed_over_does_not_count() {
    // A build that passed, and what it handed over.
    let honest = Bench::new(&[]).await;
    let passed = run(&honest, &[("test.sh", PASSES)]).await.expect("a verdict");
    assert_eq!(passed.response.status, StageStatus::Passed, "{}", passed.response.summary);
    let archive = handed_over(&honest).await;
    let bench = bench(Lie::HandsOverAnother).await;
    bench.memory.put("another", archive).await.expect("it is kept");
    fault(run(&bench, &[("test.sh", FAILS)]).await, "those of another build");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bundle_is_not_run_whatever_the_service_says_of_it() {
    let bench = bench(Lie::AnotherBundle).await;
    bench.pack(&[("test.sh", PASSES)]).await;
    let other = bench.memory.get("source").await.expect("the store").expect("a bundle");
    bench.memory.put("other", other).await.expect("it is kept");
    fault(run(&bench, &[("test.sh", FAILS)]).await, "nothing of a phase that ran the tests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_tests_go_on_after_their_time_is_stopped() {
    let bench = bench(Lie::BeganLongAgo).await;
    let begun = std::time::Instant::now();
    let answer = run(&bench, &[("test.sh", "sleep 50\n")]).await.expect("a verdict");
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    let summary = &answer.response.summary;
    assert_eq!(summary, "the tests did not end within 60 s", "{summary}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
}
