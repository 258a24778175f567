//! The agent with real processes, real files and real requests.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use pact_agent::{
    AgentError, adapter,
    bundle::{EntryKind, Packer},
    ports::{Artifacts, Environments, Lock},
    testing::Memory,
};
use pact_contract::{
    Deployment, IntentEnvelope, Repository, ResponseEnvelope, StageStatus,
    actions::{CheckStatus, Deploy, EnvironmentRecord, Rollback, SourceRef},
    envelope::Context,
    run::DeploymentStatus,
    settings::{Service, Watch},
};
use serde_json::Value;

use super::*;
use crate::{
    process::{Identity, marked},
    services::RunningService,
    steps::INTERRUPTED,
};

const REPOSITORY: &str = "acme/web";

/// The small service of this repository, built once.
fn server() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    SERVER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/release-site/src/main.rs");
        let text = std::fs::read_to_string(&source).expect("the fixture is there");
        let folder = std::env::current_exe().expect("a test").parent().expect("deps").to_owned();
        let built = folder.join(format!("release-site-{:016x}", folder::hash(&text)));
        if !built.exists() {
            let next = folder.join(format!("release-site-{}", std::process::id()));
            let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
            let status = std::process::Command::new(rustc)
                .args(["--edition", "2024", "-C", "strip=symbols", "-o"])
                .arg(&next)
                .arg(&source)
                .status()
                .expect("rustc runs");
            assert!(status.success(), "the fixture does not compile");
            std::fs::rename(&next, &built).expect("moves");
        }
        built
    })
}

struct World {
    root: tempfile::TempDir,
    memory: Arc<Memory>,
}

impl Drop for World {
    fn drop(&mut self) {
        services::stop_all(self.root.path()).expect("stops");
    }
}

/// What an action answered.
type Answer = Result<(ResponseEnvelope, Deployment), AgentError>;

impl World {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a folder"), memory: Memory::new() }
    }

    fn agent(&self, steps: Steps) -> DeployAgent {
        let config = Config {
            root: Some(self.root.path().to_owned()),
            cache: Some(self.root.path().join(".cache")),
        };
        let mut agent =
            DeployAgent::new(config, self.memory.clone() as _, self.memory.clone() as _);
        agent.steps = steps;
        agent
    }

    fn folder(&self) -> Folder {
        let target = DirectoryTarget::default();
        Folder::locate(self.root.path(), REPOSITORY, "staging", &target).expect("a folder")
    }

    async fn act(&self, steps: Steps, action: &str, run: &str, parameters: Value) -> Answer {
        let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
        let context = Context {
            run_id: Some(run.to_owned()),
            state: Some("State".to_owned()),
            ..Context::default()
        };
        let intent =
            IntentEnvelope::new("pact.pipeline", Timestamp::now(), action, parameters, context);
        let intent = serde_json::to_value(intent).expect("serialises");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
        let agent = self.agent(steps);
        let answer = adapter::handle(&agent, &self.memory.recording(), intent, deadline).await?;
        let answer: ResponseEnvelope = serde_json::from_value(answer).expect("a response");
        let output = serde_json::from_value(answer.response.output.clone()).expect("a deployment");
        Ok((answer, output))
    }

    async fn deploy_with(
        &self,
        steps: Steps,
        run: &str,
        release: &str,
        settings: &Environment,
    ) -> Answer {
        let mut packer = Packer::new();
        packer.add("README.md", EntryKind::File, release.as_bytes()).expect("packs");
        let key = format!("sources/{release}");
        self.memory.put(&key, packer.finish().expect("packs")).await.expect("is kept");
        let wanted = Deploy {
            repository: repository(),
            release: release.to_owned(),
            source: SourceRef { key, commit: format!("c-{release}") },
            settings: settings.clone(),
        };
        self.act(steps, "deploy.to_staging", run, serde_json::to_value(wanted).expect("json")).await
    }

    async fn deploy(&self, release: &str, settings: &Environment) -> Answer {
        let run = format!("run-{release}");
        let answer = self.deploy_with(Steps::default(), &run, release, settings).await;
        self.end(&run).await;
        answer
    }

    async fn deploy_well(&self, release: &str, settings: &Environment) -> Deployment {
        let (answer, output) = self.deploy(release, settings).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(output.status, DeploymentStatus::Live);
        output
    }

    async fn roll_back_with(
        &self,
        steps: Steps,
        run: &str,
        release: &str,
        settings: &Environment,
    ) -> Answer {
        let wanted = Rollback {
            repository: repository(),
            environment: "staging".to_owned(),
            release: release.to_owned(),
            settings: settings.clone(),
        };
        self.act(steps, "deploy.rollback", run, serde_json::to_value(wanted).expect("json")).await
    }

    async fn roll_back(&self, release: &str, settings: &Environment) -> Answer {
        self.roll_back_with(Steps::default(), &format!("run-{release}"), release, settings).await
    }

    async fn status(&self, release: Option<&str>, settings: &Environment) -> Answer {
        let wanted = CheckStatus {
            repository: repository(),
            environment: "staging".to_owned(),
            release: release.map(str::to_owned),
            settings: settings.clone(),
        };
        let parameters = serde_json::to_value(wanted).expect("json");
        self.act(Steps::default(), "deploy.check_status", "run-x", parameters).await
    }

    /// The run is over: the state machine gives its locks back.
    async fn end(&self, run: &str) {
        self.memory.unlock(REPOSITORY, "staging", run).await.expect("unlocks");
    }

    async fn record(&self) -> EnvironmentRecord {
        self.memory.load(REPOSITORY, "staging").await.expect("loads")
    }

    fn running(&self) -> Vec<RunningService> {
        services::running(self.root.path())
    }

    /// Asserts that `release` is in effect, everywhere that says so, and answers.
    async fn assert_in_effect(&self, release: &str, previous: Option<&str>) {
        let record = self.record().await;
        assert_eq!(record.current.map(|r| r.release).as_deref(), Some(release));
        assert_eq!(record.previous.map(|r| r.release).as_deref(), previous);
        assert_eq!(record.pending, None);
        assert_eq!(self.folder().current().as_deref(), Some(release));
        let url = record.url.expect("an address");
        assert!(get(&url, "/health").contains(&format!("\"release\":\"{release}\"")), "{url}");
        let running = self.running();
        assert_eq!(running.len(), 1, "{running:?}");
        assert_eq!(running[0].release, release);
        assert_eq!(service::processes(&self.folder()).len(), 1);
    }
}

fn repository() -> Repository {
    Repository {
        name: REPOSITORY.to_owned(),
        url: "https://git.example/acme/web".to_owned(),
        default_branch: "main".to_owned(),
    }
}

fn environment(target: DirectoryTarget) -> Environment {
    Environment {
        target: Target::Directory(target),
        health: Vec::new(),
        approval: None,
        watch: Watch::default(),
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn service(command: &[&str], port: Option<u16>) -> Service {
    Service { command: words(command), port, env: Default::default() }
}

/// A release that is built by a copy and serves itself.
fn site_with(change: impl FnOnce(&mut DirectoryTarget)) -> Environment {
    let mut target = DirectoryTarget {
        build: vec![words(&["cp", &server().to_string_lossy(), "server"])],
        service: Some(service(&["./server"], None)),
        ..DirectoryTarget::default()
    };
    change(&mut target);
    environment(target)
}

fn site() -> Environment {
    site_with(|_| {})
}

fn files(keep: u32) -> Environment {
    environment(DirectoryTarget { keep, ..DirectoryTarget::default() })
}

fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("connects");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
        .expect("is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("is answered");
    answer
}

#[tokio::test]
async fn releases_follow_each_other_and_the_one_before_comes_back() {
    let world = World::new();
    let site = site();
    let first = world.deploy_well("r1", &site).await;
    assert_eq!(first.previous, None);
    world.assert_in_effect("r1", None).await;
    let before = world.running();

    // The same again changes nothing, not even the process.
    let (answer, again) = world.deploy("r1", &site).await.expect("no fault");
    assert_eq!(again, first);
    assert!(answer.response.summary.contains("as before"), "{}", answer.response.summary);
    assert_eq!(world.running(), before);

    let second = world.deploy_well("r2", &site).await;
    assert_eq!(second.previous.as_deref(), Some("r1"));
    assert_eq!(second.url, first.url, "the address is stable");
    world.assert_in_effect("r2", Some("r1")).await;
    assert!(get(&second.url.expect("an address"), "/readme").ends_with("r2"));
    let (answer, status) = world.status(Some("r2"), &site).await.expect("no fault");
    assert_eq!(
        (answer.response.status, status.status),
        (StageStatus::Passed, DeploymentStatus::Live)
    );
    let (answer, _) = world.status(Some("r1"), &site).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert_eq!(answer.response.findings[0].code, "release-not-current");

    for _ in 0..2 {
        let (answer, back) = world.roll_back("r2", &site).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        assert_eq!((&*back.release, back.previous.as_deref()), ("r2", Some("r1")));
        assert_eq!(back.url, first.url);
        world.assert_in_effect("r1", None).await;
    }
    world.end("run-r2").await;
    // For another run there is nothing to take back.
    let (_, none) =
        world.roll_back_with(Steps::default(), "run-other", "r2", &site).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    // After the next release the way back skips the one that was taken back.
    world.deploy_well("r3", &site).await;
    world.assert_in_effect("r3", Some("r1")).await;
}

/// Interrupts the deployment of `r2` after ever more steps, goes on with `then`, until it is not
/// interrupted any more.
async fn interrupt_deploy(then: impl AsyncFn(&World, &Environment, usize)) {
    let site = site();
    for steps in 0.. {
        let world = World::new();
        world.deploy_well("r1", &site).await;
        let result =
            world.deploy_with(Steps::interrupted_after(steps), "run-r2", "r2", &site).await;
        let Err(error) = result else {
            assert!(steps > 8, "only {steps} steps");
            return;
        };
        assert!(error.message.contains(INTERRUPTED), "{}", error.chain());
        then(&world, &site, steps).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_was_interrupted_anywhere_is_completed_by_the_same_call() {
    interrupt_deploy(async |world, site, _| {
        for _ in 0..2 {
            let (answer, _) =
                world.deploy_with(Steps::default(), "run-r2", "r2", site).await.expect("no fault");
            assert_eq!(answer.response.status, StageStatus::Passed);
            world.assert_in_effect("r2", Some("r1")).await;
        }
        world.end("run-r2").await;
        world.deploy_well("r3", site).await;
        assert!(!world.folder().unpacking("r2").exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_that_was_interrupted_anywhere_is_taken_back() {
    interrupt_deploy(async |world, site, steps| {
        for _ in 0..2 {
            let (answer, back) = world.roll_back("r2", site).await.expect("no fault");
            assert_eq!(answer.response.status, StageStatus::Passed, "after {steps} steps");
            assert!(
                back.status == DeploymentStatus::RolledBack
                    || back.status == DeploymentStatus::Failed
            );
            assert_eq!(back.previous.as_deref(), Some("r1"));
            world.assert_in_effect("r1", None).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_run_deploys_over_what_a_dead_run_began() {
    interrupt_deploy(async |world, site, _| {
        world.end("run-r2").await;
        let completed = world.record().await.pending.is_none();
        world.deploy_well("r3", site).await;
        let before = if completed { "r2" } else { "r1" };
        world.assert_in_effect("r3", Some(before)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_that_was_interrupted_anywhere_is_completed_by_the_same_call() {
    let site = site();
    for steps in 0.. {
        let world = World::new();
        world.deploy_well("r1", &site).await;
        world.deploy_well("r2", &site).await;
        let result =
            world.roll_back_with(Steps::interrupted_after(steps), "run-r2", "r2", &site).await;
        let Err(error) = result else {
            assert!(steps > 4, "only {steps} steps");
            return;
        };
        assert_eq!(error.name, ErrorName::RollbackFailed);
        if steps % 2 == 0 {
            // The good release is recorded as the one to return to, whoever comes next.
            world.end("run-r2").await;
            world.deploy_well("r3", &site).await;
            world.assert_in_effect("r3", Some("r1")).await;
            continue;
        }
        for _ in 0..2 {
            let (_, back) = world.roll_back("r2", &site).await.expect("no fault");
            assert_eq!(back.status, DeploymentStatus::RolledBack);
            assert_eq!(back.previous.as_deref(), Some("r1"));
            world.assert_in_effect("r1", None).await;
        }
    }
}

#[tokio::test]
async fn the_first_release_is_taken_back_to_nothing() {
    let world = World::new();
    let site = site();
    let live = world.deploy_well("r1", &site).await;
    for _ in 0..2 {
        let (answer, back) = world.roll_back("r1", &site).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!((back.status, back.previous), (DeploymentStatus::RolledBack, None));
        assert!(answer.response.summary.contains("first release"), "{}", answer.response.summary);
    }
    assert_eq!(world.record().await, EnvironmentRecord::default());
    assert_eq!(world.folder().current(), None);
    assert!(world.running().is_empty());
    let address = live.url.expect("an address");
    assert!(TcpStream::connect(address.strip_prefix("http://").expect("http")).is_err());
    let (answer, _) = world.status(None, &site).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
}

#[tokio::test]
async fn what_was_never_begun_is_not_taken_back() {
    let world = World::new();
    world.deploy_well("r1", &site()).await;
    let (answer, none) = world.roll_back("r2", &site()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert!(answer.response.summary.starts_with("nothing to take back"));
    assert_eq!(none.status, DeploymentStatus::Failed);
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn a_build_that_fails_replaces_nothing() {
    let world = World::new();
    world.deploy_well("r1", &site()).await;
    let before = world.running();
    let broken = site_with(|t| {
        t.build.push(words(&["sh", "-c", "echo out; echo the reason >&2; exit 7"]));
    });
    for _ in 0..2 {
        let (answer, output) = world.deploy("r2", &broken).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Failed);
        assert_eq!(output.status, DeploymentStatus::Failed);
        let finding = &answer.response.findings[0];
        assert_eq!(finding.code, "build-failed");
        assert!(finding.message.ends_with("ended with exit code 7"), "{}", finding.message);
        assert!(finding.evidence.as_deref().is_some_and(|e| e.contains("out\nthe reason")));
        assert_eq!(world.running(), before);
        world.assert_in_effect("r1", None).await;
    }
}

#[tokio::test]
async fn a_service_that_ends_at_once_is_not_deployed_and_the_one_before_is_back() {
    let world = World::new();
    let good = site();
    world.deploy_well("r1", &good).await;
    let broken = site_with(|t| {
        t.service = Some(service(&["sh", "-c", "echo no database >&2; exit 3"], None));
    });
    for _ in 0..2 {
        let (answer, output) = world.deploy("r2", &broken).await.expect("no fault");
        assert_eq!(
            (answer.response.status, output.status),
            (StageStatus::Failed, DeploymentStatus::Failed)
        );
        let finding = &answer.response.findings[0];
        assert_eq!(finding.code, "service-exited");
        assert_eq!(finding.evidence.as_deref(), Some("no database"));
        world.assert_in_effect("r1", None).await;
    }
    let (_, none) = world.roll_back("r2", &broken).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    // A program that is missing is noticed before anything is stopped.
    let before = world.running();
    let missing = site_with(|t| t.service = Some(service(&["./nothing"], None)));
    let (answer, _) = world.deploy("r2", &missing).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "service-program-missing");
    assert_eq!(world.running(), before);
}

#[tokio::test]
async fn a_port_of_another_program_is_left_alone() {
    let world = World::new();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = other.local_addr().expect("an address").port();
    let taken = site_with(|t| t.service = Some(service(&["./server"], Some(port))));
    let (answer, output) = world.deploy("r1", &taken).await.expect("no fault");
    assert_eq!(
        (answer.response.status, output.status),
        (StageStatus::Failed, DeploymentStatus::Failed)
    );
    assert_eq!(
        answer.response.findings[0].message,
        format!("port {port} is in use by another program")
    );
    assert_eq!(world.record().await, EnvironmentRecord::default());
    drop(other);
    world.deploy_well("r1", &taken).await;
    world.deploy_well("r2", &taken).await;
    world.assert_in_effect("r2", Some("r1")).await;
}

#[tokio::test]
async fn old_releases_are_removed_but_never_the_one_before() {
    let world = World::new();
    for release in ["r1", "r2", "r3", "r4"] {
        world.deploy_well(release, &files(2)).await;
    }
    assert_eq!(world.folder().names().expect("names"), ["r3", "r4"]);
    assert_eq!(world.folder().current().as_deref(), Some("r4"));
    let (_, back) = world.roll_back("r4", &files(2)).await.expect("no fault");
    assert_eq!((back.previous.as_deref(), back.url), (Some("r3"), None));
    assert_eq!(world.folder().current().as_deref(), Some("r3"));
    let text = std::fs::read_to_string(world.folder().path().join("current/README.md"));
    assert_eq!(text.expect("is there"), "r3");
    world.end("run-r4").await;
    for release in ["r5", "r6", "r7"] {
        world.deploy_well(release, &files(3)).await;
    }
    assert_eq!(world.folder().names().expect("names"), ["r5", "r6", "r7"]);
}

#[tokio::test]
async fn an_environment_of_another_run_is_busy() {
    let world = World::new();
    let lease = Duration::from_secs(60);
    world.memory.lock(REPOSITORY, "staging", "run-other", lease).await.expect("locks");
    let error = world.deploy("r1", &files(2)).await.expect_err("is busy");
    assert_eq!(error.name, ErrorName::EnvironmentBusy);
    assert!(error.message.contains("run-other"), "{}", error.message);
    // Whoever lost the environment in the middle changes nothing any more.
    world.end("run-other").await;
    let steps = Steps::interrupted_after(1);
    world.deploy_with(steps, "run-r1", "r1", &files(2)).await.expect_err("is interrupted");
    world.end("run-r1").await;
    let fence = match world.memory.lock(REPOSITORY, "staging", "run-2", lease).await {
        Ok(Lock::Held { fence }) => fence,
        other => panic!("{other:?}"),
    };
    let stale = world.memory.store(REPOSITORY, "staging", &world.record().await, fence - 1).await;
    assert!(stale.is_err());
}

#[tokio::test]
async fn builds_and_services_get_no_secrets_and_a_cache() {
    let world = World::new();
    let target = site_with(|t| {
        t.build.insert(0, words(&["env"]));
        t.service = Some(Service {
            command: words(&["sh", "-c", "env; exec ./server"]),
            port: None,
            env: [("GREETING".to_owned(), "hello".to_owned())].into(),
        });
    });
    world.deploy_well("r1", &target).await;
    let notes = world.folder().notes("r1");
    for (file, own) in [("build.log", "PACT_CACHE="), ("service.log", "GREETING=hello")] {
        let text = std::fs::read_to_string(notes.join(file)).expect("a log");
        assert!(text.lines().any(|l| l.starts_with(own)), "{text}");
        // Set by cargo for every test, and not on the list.
        assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
        let ours = ["PACT_RELEASE", "PACT_COMMIT", "PACT_ENVIRONMENT", "PACT_SHARED", "PACT_CACHE"];
        for line in text.lines().filter(|l| l.starts_with("PACT_") || l.starts_with("AWS_")) {
            let name = line.split('=').next().expect("a name");
            assert!(ours.contains(&name) || name.ends_with("_FOLDER"), "{line}");
        }
    }
}

#[tokio::test]
async fn a_build_does_not_outlive_its_time_nor_its_agent() {
    let world = World::new();
    let marker = world.folder().marker();
    let slow = |seconds| {
        site_with(|t| {
            t.build = vec![words(&["sh", "-c", "sleep 300 & sleep 300"])];
            t.build_timeout_seconds = seconds;
        })
    };
    let (answer, _) = world.deploy("r1", &slow(1)).await.expect("no fault");
    assert!(answer.response.findings[0].message.ends_with("did not end within 1 s"));
    assert!(marked("PACT_BUILD_FOLDER", &marker).is_empty());

    // The function's deadline: the action is dropped in the middle.
    let endless = slow(600);
    let work = world.deploy_with(Steps::default(), "run-r2", "r2", &endless);
    let begun = async {
        while marked("PACT_BUILD_FOLDER", &marker).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = work => panic!("the build does not end"),
        () = begun => {}
    }
    // An agent that was killed leaves its build behind; the next one ends it.
    let mut orphan = std::process::Command::new("sleep")
        .arg("300")
        .env("PACT_BUILD_FOLDER", &marker)
        .spawn()
        .expect("starts");
    let good = site();
    world.deploy_with(Steps::default(), "run-r2", "r3", &good).await.expect("no fault");
    assert!(marked("PACT_BUILD_FOLDER", &marker).is_empty());
    orphan.wait().expect("has ended");
}

#[tokio::test]
async fn every_service_is_found_and_stopped_and_started_by_the_next_deployment() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    let running = world.running();
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].folder, world.folder().path());
    for count in [1, 0] {
        assert_eq!(services::stop_all(world.root.path()), Ok(count));
        assert!(world.running().is_empty());
    }
    let (answer, _) = world.status(Some("r1"), &site).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "service-not-running");
    world.deploy_well("r1", &site).await;
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn a_stranger_with_the_same_process_id_is_not_touched() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    services::stop_all(world.root.path()).expect("stops");
    let mut stranger = std::process::Command::new("sleep").arg("300").spawn().expect("starts");
    let file = world.folder().notes("r1").join("service.json");
    let mut note: service::Running = folder::read_json(&file).expect("reads").expect("is there");
    note.process.pid = stranger.id();
    folder::write_json(&file, &note).expect("writes");
    world.deploy_well("r2", &site).await;
    assert!(Identity::of(stranger.id()).is_some(), "the stranger lives");
    stranger.kill().expect("is killed");
    stranger.wait().expect("ends");
}

#[tokio::test]
async fn a_release_before_with_another_folder_comes_back_there() {
    let world = World::new();
    let old = site();
    let moved = site_with(|t| t.path = Some("elsewhere/web".to_owned()));
    world.deploy_well("r1", &old).await;
    world.deploy_well("r2", &moved).await;
    assert_eq!(world.running().len(), 1);
    assert_eq!(world.folder().current(), None);
    let (_, back) = world.roll_back("r2", &moved).await.expect("no fault");
    assert_eq!(back.previous.as_deref(), Some("r1"));
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_target_is_a_verdict_before_anything_is_done() {
    let world = World::new();
    let outside = environment(DirectoryTarget {
        path: Some("../outside".to_owned()),
        ..DirectoryTarget::default()
    });
    let (answer, output) = world.deploy("r1", &outside).await.expect("no fault");
    assert_eq!(
        (answer.response.status, output.status),
        (StageStatus::Failed, DeploymentStatus::Failed)
    );
    assert_eq!(answer.response.findings[0].code, "target-refused");
    let error = world.deploy("../r1", &files(2)).await.expect_err("is refused");
    assert_eq!(error.name, ErrorName::InvalidIntent);
    let (_, none) = world.roll_back("r1", &outside).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    // Nothing was kept of it.
    assert!(world.memory.exists("sources/r1").await.expect("answers"));
    assert_eq!(world.record().await, EnvironmentRecord::default());
    assert_eq!(std::fs::read_dir(world.root.path()).expect("reads").count(), 0);
    // A damaged source is a fault, and what was begun can be taken back.
    let wanted = Deploy {
        repository: repository(),
        release: "r2".to_owned(),
        source: SourceRef { key: "damaged".to_owned(), commit: "c".to_owned() },
        settings: files(2),
    };
    world.memory.put("damaged", b"no archive".to_vec().into()).await.expect("is kept");
    let parameters = serde_json::to_value(wanted).expect("json");
    let error = world
        .act(Steps::default(), "deploy.to_staging", "run-r2", parameters)
        .await
        .expect_err("is damaged");
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    let (_, back) = world.roll_back("r2", &files(2)).await.expect("no fault");
    assert_eq!((back.status, back.previous), (DeploymentStatus::RolledBack, None));
}
