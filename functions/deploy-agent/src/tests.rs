//! The agent with real processes, real files and real requests.
#![expect(clippy::print_stdout, reason = "how many cases the kill matrix has is printed")]

mod commands;
mod functions;
mod kills;
mod order;
mod seam;
mod steps;
mod world;

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    time::Duration,
};

use pact_agent::{
    Agent, Call,
    ports::{Artifacts, Environments, Lock},
};
use pact_contract::{
    ReleaseId, StageStatus,
    actions::{Deploy, EnvironmentRecord, SourceRef},
    codes,
    error::ErrorName,
    run::DeploymentStatus,
    settings::Environment,
};
use pact_processes::Identity;
use serde_json::Value;

use self::world::{
    NOT_BUILT, World, environment, files, get, key, repository, service, site, site_with, words,
};
use crate::{
    Config, DeployAgent,
    steps::{INTERRUPTED, Steps},
    targets::{
        Shifted,
        directory::{Service, Settings, layout, legacy::Running},
    },
};

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
    assert_eq!(second.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
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
        let back_to = back.previous.as_ref().map(ReleaseId::as_str);
        assert_eq!((back.release, back_to), ("r2".parse().ok(), Some("r1")));
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
            println!("kill matrix: directory, agent: {steps} cases");
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
        assert!(!world.folder().unpacking(&"r2".parse().unwrap()).exists());
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
            assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
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
            println!("kill matrix: directory, agent, a way back: {steps} cases");
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
            assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
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
    let record = world.record().await;
    assert_eq!(record.ledger.entries().len(), 1, "it is remembered");
    assert_eq!(EnvironmentRecord { ledger: <_>::default(), ..record }, <_>::default());
    assert_eq!(world.folder().current(), None);
    assert!(world.running().is_empty());
    let address = live.url.expect("an address");
    assert!(TcpStream::connect(address.strip_prefix("http://").expect("http")).is_err());
    let (answer, _) = world.status(None, &site).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Skipped, "nothing is deployed");
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
async fn what_was_not_built_or_is_not_what_was_built_replaces_nothing() {
    let world = World::new();
    world.deploy_well("r1", &site()).await;
    let before = world.running();
    // Nothing of the commit is run here in place of its build.
    let missing = site_with(|t| t.build.push(words(&NOT_BUILT)));
    for _ in 0..2 {
        let (answer, output) = world.deploy("r2", &missing).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Failed);
        assert_eq!(output.status, DeploymentStatus::Failed);
        assert_eq!(answer.response.findings[0].code, "build-failed");
        assert_eq!(world.running(), before);
        world.assert_in_effect("r1", None).await;
    }
    let wanted = world.wanted("r3", &site()).await;
    world.memory.put("built/r3", b"another".to_vec().into()).await.expect("is kept");
    let error = world
        .act(Steps::default(), "deploy.to_staging", "run-r3", wanted)
        .await
        .expect_err("it is another");
    assert_eq!(error.name, ErrorName::SourceUnavailable);
    assert!(error.message.contains("its digest is another"), "{}", error.message);
    assert_eq!(world.running(), before);
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
    assert_eq!(world.folder().current().as_ref().map(ReleaseId::as_str), Some("r4"));
    let (_, back) = world.roll_back("r4", &files(2)).await.expect("no fault");
    assert_eq!((back.previous.as_ref().map(ReleaseId::as_str), back.url), (Some("r3"), None));
    assert_eq!(world.folder().current().as_ref().map(ReleaseId::as_str), Some("r3"));
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
    world.memory.lock(&key(), &"run-other".parse().unwrap(), lease).await.expect("locks");
    let error = world.deploy("r1", &files(2)).await.expect_err("is busy");
    assert_eq!(error.name, ErrorName::EnvironmentBusy);
    assert!(error.message.contains("run-other"), "{}", error.message);
    // Whoever lost the environment in the middle changes nothing any more.
    world.end("run-other").await;
    let steps = Steps::interrupted_after(1);
    world.deploy_with(steps, "run-r1", "r1", &files(2)).await.expect_err("is interrupted");
    world.end("run-r1").await;
    let fence = match world.memory.lock(&key(), &"run-2".parse().unwrap(), lease).await {
        Ok(Lock::Held { fence }) => fence,
        other => panic!("{other:?}"),
    };
    let stale = world.memory.store(&key(), &world.record().await, fence - 1).await;
    assert!(stale.is_err());
}

#[tokio::test]
async fn services_get_no_secrets() {
    let world = World::new();
    let target = site_with(|t| {
        t.service = Some(Service {
            command: words(&["sh", "-c", "env; exec ./server"]),
            env: [("GREETING".to_owned(), "hello".to_owned())].into(),
            ..service(&[], None)
        });
    });
    world.deploy_well("r1", &target).await;
    let notes = world.folder().notes(&"r1".parse().unwrap());
    let text = std::fs::read_to_string(notes.join("service.log")).expect("a log");
    assert!(text.lines().any(|l| l.starts_with("GREETING=hello")), "{text}");
    // Set by cargo for every test, and not on the list.
    assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
    let ours = ["PACT_RELEASE", "PACT_COMMIT", "PACT_ENVIRONMENT", "PACT_SHARED"];
    for line in text.lines().filter(|l| l.starts_with("PACT_") || l.starts_with("AWS_")) {
        let name = line.split('=').next().expect("a name");
        assert!(ours.contains(&name) || name.ends_with("_FOLDER"), "{line}");
    }
}

#[tokio::test]
async fn what_was_changed_by_hand_is_seen_and_mended_by_the_next_deployment() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    let code = async || {
        let (answer, _) = world.status(Some("r1"), &site).await.expect("no fault");
        answer.response.findings.first().map(|finding| finding.code.to_string())
    };
    assert_eq!(code().await, None);
    // The program is gone, and another is started: the release does not run well.
    let pid = world.running()[0].pid;
    send_kill(pid);
    let restarted = || world.running()[0].pid != pid && world.running()[0].pid != 0;
    wait_until(restarted).await;
    assert!(matches!(code().await.as_deref(), Some("service-restarted" | "service-not-running")));
    // A file of the release is gone.
    std::fs::remove_file(world.folder().release(&"r1".parse().unwrap()).join("README.md"))
        .expect("is there");
    assert_eq!(code().await.as_deref(), Some("release-files-missing"));
    // The link leads elsewhere.
    world.folder().switch_off().expect("switches");
    assert_eq!(code().await.as_deref(), Some("link-not-current"));
    world.deploy_well("r1", &site).await;
    world.assert_in_effect("r1", None).await;
}

async fn wait_until(condition: impl Fn() -> bool) {
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < until, "waited too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn send_kill(pid: u32) {
    let status = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("runs").success());
}

#[tokio::test]
async fn requests_are_shared_step_by_step_and_come_back_at_once() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    world.deploy_well("r2", &site).await;
    assert_eq!(world.warm_and_running().len(), 2, "the one before is warm");
    let record = world.record().await;
    let (new, old) = (record.current.expect("r2"), record.previous.expect("r1"));
    let target = world.agent(Steps::default()).target(&key(), &site).expect("a target");
    assert!(target.weights());
    for (percent, shares) in [(10, [("r1", 10), ("r2", 90)]), (50, [("r1", 50), ("r2", 50)])] {
        for _ in 0..2 {
            let shifted = target.shift(&old, percent).await.expect("no fault");
            assert!(matches!(&shifted, Shifted::Done { url } if *url == record.url));
            assert_eq!(world.shares(), shares.map(|(name, share)| (name.to_owned(), share)));
        }
    }
    let (answer, _) = world.status(Some("r2"), &site).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "requests-elsewhere");
    let before = world.warm_and_running();
    let begun = std::time::Instant::now();
    target.shift(&new, 100).await.expect("no fault");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(world.shares(), [("r2".to_owned(), 100)]);
    assert_eq!(world.warm_and_running(), before, "nothing was started for it");
    world.assert_in_effect("r2", Some("r1")).await;
    let files = world.agent(Steps::default()).target(&key(), &files(2)).expect("a target");
    assert!(!files.weights());
    let refused = files.shift(&new, 10).await.expect("no fault");
    assert!(matches!(refused, Shifted::Refused(reason) if reason.code == codes::TARGET_REFUSED));
}

/// Starts the service of a release as versions before did: by itself, noted beside the release.
fn start_as_before(world: &World, release: &str, port: u16) -> std::process::Child {
    let folder = world.folder();
    folder.create().expect("creates");
    let notes = folder.notes(&release.parse().unwrap());
    std::fs::create_dir_all(&notes).expect("creates");
    let child = std::process::Command::new(world::server())
        .env("PORT", port.to_string())
        .env("PACT_RELEASE", release)
        .env("PACT_SERVICE_FOLDER", folder.marker())
        .spawn()
        .expect("starts");
    let note = Running {
        release: release.parse().unwrap(),
        port,
        url: format!("http://127.0.0.1:{port}"),
        process: Identity::of(child.id()).expect("lives"),
    };
    layout::write_json(&notes.join("service.json"), &note).expect("writes");
    layout::write_json(&folder.run().join(".port"), &port).expect("writes");
    child
}

#[tokio::test]
async fn a_service_of_a_version_before_serves_until_the_next_release_takes_its_port() {
    let world = World::new();
    let port = (20_000..30_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a port");
    let mut before = start_as_before(&world, "r0", port);
    wait_until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()).await;
    // A release that never gets up does not touch it.
    let broken = site_with(|t| t.service = Some(service(&["sh", "-c", "exit 3"], None)));
    let (answer, _) = world.deploy("r1", &broken).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "service-exited");
    world.deploy_well("r2", &site()).await;
    world.assert_in_effect("r2", None).await;
    assert_eq!(world.running()[0].port, port, "the address is stable");
    assert!(before.try_wait().expect("waits").is_some(), "it has ended");
}

#[tokio::test]
async fn a_stranger_with_the_same_process_id_is_not_touched() {
    let world = World::new();
    let mut stranger = std::process::Command::new("sleep").arg("300").spawn().expect("starts");
    let mut before = start_as_before(&world, "r0", 20_001);
    let file = world.folder().notes(&"r0".parse().unwrap()).join("service.json");
    before.kill().expect("is killed");
    before.wait().expect("ends");
    let mut note: Running = layout::read_json(&file).expect("reads").expect("is there");
    note.process.pid = stranger.id();
    // Both may have been started in the same tick.
    note.process.started.push('1');
    layout::write_json(&file, &note).expect("writes");
    world.deploy_well("r2", &site()).await;
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
    assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn what_is_wrong_with_the_target_is_a_verdict_before_anything_is_done() {
    let world = World::new();
    let outside =
        environment(Settings { path: Some("../outside".to_owned()), ..Settings::default() });
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
    assert!(world.memory.has_recent("sources/r1").await.expect("answers"));
    assert_eq!(world.record().await, EnvironmentRecord::default());
    assert_eq!(std::fs::read_dir(world.root.path()).expect("reads").count(), 0);
    // A damaged source is a fault, and what was begun can be taken back.
    let wanted = Deploy {
        repository: repository(),
        release: "r2".parse().unwrap(),
        source: SourceRef { key: "damaged".to_owned(), commit: "c".to_owned() },
        environment: None,
        settings: files(2),
        origin: None,
        built: Vec::new(),
        weight: None,
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

/// Where the agent that is killed works.
const KILLED_ROOT: &str = "PACT_TEST_KILLED_ROOT";
/// How it reaches the proxy.
const KILLED_PROXY: &str = "PACT_TEST_KILLED_PROXY";

#[tokio::test]
#[ignore = "run by the test below, in a process that is killed"]
async fn an_agent_that_deploys_and_waits_to_be_killed() {
    let root = std::env::var(KILLED_ROOT).expect("set by the test below");
    let world = World::new();
    let agent_root = PathBuf::from(root);
    let proxy = std::env::var(KILLED_PROXY).expect("set by the test below");
    let config = Config { root: Some(agent_root.clone()), proxy: Some(proxy.into()), roles: None };
    let agent = DeployAgent::new(config, world.memory.clone() as _, world.memory.clone() as _);
    let Value::Object(parameters) = world.wanted("r1", &site()).await else {
        panic!("parameters are an object");
    };
    let call = Call {
        action: "deploy.to_staging".to_owned(),
        parameters,
        run_id: Some("run-r1".parse().unwrap()),
        state: "State".parse().unwrap(),
        key: "key".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
    };
    agent.act(&call).await.expect("no fault");
    std::fs::write(agent_root.join("deployed"), "").expect("writes");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_service_goes_on_when_its_agent_is_killed_and_is_known_to_the_next_one() {
    let world = World::new();
    let root = world.root.path();
    let mut agent = std::process::Command::new(std::env::current_exe().expect("a test"))
        .args(["--exact", "--ignored", "tests::an_agent_that_deploys_and_waits_to_be_killed"])
        .env(KILLED_ROOT, root)
        .env(KILLED_PROXY, world.config().proxy.expect("a proxy"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("starts");
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while !root.join("deployed").exists() {
        assert!(agent.try_wait().expect("waits").is_none(), "the agent ended by itself");
        assert!(std::time::Instant::now() < until, "the agent does not deploy");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.kill().expect("is killed");
    agent.wait().expect("ends");
    let running = world.running();
    assert_eq!(running.len(), 1);
    let url = format!("http://127.0.0.1:{}", running[0].port);
    assert!(get(&url, "/health").contains("\"release\":\"r1\""));

    // The proxy is killed too: the next one knows it.
    world.kill_proxy();
    world.start_proxy();
    world.deploy_well("r2", &site()).await;
    world.assert_in_effect("r2", None).await;
    assert_eq!(world.running()[0].port, running[0].port, "the address is stable");
}
