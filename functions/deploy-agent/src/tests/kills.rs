//! The kill matrix: whoever is killed, after whichever step, the new release is confirmed or the good
//! one serves, and the same again changes nothing.

use std::sync::{Arc, Mutex};

use super::{world::World, *};

/// Who is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// The reverse proxy; another takes its place, as the stack sees to it.
    Proxy,
    /// Every program of the environment's releases.
    Services,
}

fn kill(world: &World, victim: Victim) {
    match victim {
        Victim::Proxy => {
            world.kill_proxy();
            world.start_proxy();
        }
        Victim::Services => {
            // One that is being started has none yet.
            for release in world.warm_and_running().into_iter().filter(|r| r.pid != 0) {
                send_kill(release.pid);
            }
        }
    }
}

/// Asserts that a release answers, and that nobody else gets requests.
async fn assert_serves(world: &World, release: &str, what: &str) {
    let url = world.record().await.url.expect("an address");
    let until = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let answer = world::try_get(&url, "/health").unwrap_or_default();
        if answer.contains(&format!("\"release\":\"{release}\"")) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{what}: {release} does not answer: {answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let shares = world.shares();
    assert_eq!(shares, [(release.to_owned(), 100)], "{what}");
    assert_eq!(world.folder().current().as_ref().map(ReleaseId::as_str), Some(release), "{what}");
}

/// Deploys `r2` over `r1` and kills after ever more steps; the agent too where `agent` says so.
async fn matrix(victim: Victim, agent: bool) {
    let site = site();
    for steps in 0.. {
        let world = Arc::new(World::new());
        world.deploy_well("r1", &site).await;
        let killed = Arc::new(Mutex::new(false));
        let act = {
            let (world, killed) = (Arc::downgrade(&world), Arc::clone(&killed));
            move || {
                kill(&world.upgrade().expect("it is there"), victim);
                *killed.lock().expect("no panic") = true;
            }
        };
        let what = format!("{victim:?} after {steps} steps, agent too: {agent}");
        let step = if agent {
            Steps::interrupted_after(steps)
        } else {
            Steps::meanwhile_after(steps, act)
        };
        let first = world.deploy_with(step, "run-r2", "r2", &site).await;
        if agent && first.is_err() {
            kill(&world, victim);
        } else if agent || !*killed.lock().expect("no panic") {
            let who = if agent { "agent and " } else { "" };
            println!("kill matrix: directory, {who}{victim:?}: {steps} cases");
            assert!(steps > 8, "only {steps} cases");
            return;
        }
        // Lambda, or the state machine, asks again after a fault.
        let answer = match first {
            Ok(answer) => Ok(answer),
            Err(_) => world.deploy_with(Steps::default(), "run-r2", "r2", &site).await,
        };
        let (answer, _) = answer.unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
        let serves = if answer.response.status == StageStatus::Passed { "r2" } else { "r1" };
        assert_serves(&world, serves, &what).await;
        if serves == "r1" {
            let code = answer.response.findings[0].code.to_string();
            assert!(code.starts_with("service-"), "{what}: {code}");
        }
        // And back, twice.
        for _ in 0..2 {
            let (answer, _) = world.roll_back("r2", &site).await.expect("no fault");
            assert_eq!(answer.response.status, StageStatus::Passed, "{what}");
            assert_serves(&world, "r1", &what).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_is_killed_at_every_step() {
    matrix(Victim::Proxy, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_are_killed_at_every_step() {
    matrix(Victim::Services, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_and_the_proxy_are_killed_at_every_step() {
    matrix(Victim::Proxy, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agent_and_the_services_are_killed_at_every_step() {
    matrix(Victim::Services, true).await;
}

#[tokio::test]
async fn without_a_way_back_nothing_is_touched_unless_a_person_says_so() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    let before = world.warm_and_running();
    std::fs::remove_dir_all(world.folder().release(&"r1".parse().unwrap())).expect("is there");
    let (answer, none) = world.deploy("r2", &site).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "no-way-back");
    assert!(finding.message.contains("its files are no longer there"), "{}", finding.message);
    assert_eq!(world.warm_and_running(), before);
    let mut wanted = world.wanted("r2", &site).await;
    wanted["origin"] = serde_json::json!({ "on_purpose": { "by": "ada", "reason": "a fix" } });
    let answer = world.act(Steps::default(), "deploy.to_staging", "run-r2", wanted).await;
    assert_eq!(answer.expect("no fault").0.response.status, StageStatus::Passed);
    assert_serves(&world, "r2", "on purpose").await;
    // The one before is warm: it needs no files.
    let (_, back) = world.roll_back("r2", &site).await.expect("no fault");
    assert_eq!(back.status, DeploymentStatus::RolledBack);
    assert_serves(&world, "r1", "back").await;
    assert_eq!(world.running(), before, "it is the same process");
}

#[tokio::test]
async fn a_service_without_a_proxy_is_refused_with_the_reason() {
    let world = World::new();
    let config = Config { proxy: None, ..world.config() };
    let agent = DeployAgent::new(config, world.memory.clone() as _, world.memory.clone() as _);
    let refused = agent.target(&key(), &site()).err().expect("is refused");
    assert!(refused.contains("on AWS leave [service] out"), "{refused}");
    assert!(agent.target(&key(), &files(2)).is_ok());
}
