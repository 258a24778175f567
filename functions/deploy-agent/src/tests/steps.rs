//! A release that comes to its requests step by step: each recorded first, each repeatable, and the
//! way back one act from each of them.

use pact_contract::{
    Deployment,
    actions::{Rollback, WhyTakenBack},
    ledger::{Origin, Standing},
    run::DeploymentStatus,
};

use super::{world::World, *};

impl World {
    /// Gives `r2` a part of the requests.
    pub(super) async fn step(
        &self,
        steps: Steps,
        settings: &Environment,
        weight: u32,
    ) -> world::Answer {
        let mut wanted = self.wanted("r2", settings).await;
        wanted["weight"] = weight.into();
        let origin = Origin { branch: Some("main".to_owned()), place: Some(2), on_purpose: None };
        wanted["origin"] = serde_json::to_value(origin).expect("json");
        self.act(steps, "deploy.to_staging", "run-r2", wanted).await
    }

    pub(super) async fn step_well(&self, settings: &Environment, weight: u32) -> Deployment {
        let (answer, output) =
            self.step(Steps::default(), settings, weight).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        output
    }

    pub(super) async fn judged_bad(&self, settings: &Environment) -> Deployment {
        let wanted = Rollback {
            repository: world::repository(),
            environment: key().environment,
            release: "r2".parse().expect("a name"),
            settings: settings.clone(),
            why: Some(WhyTakenBack { judged: true, reason: "it answers 500".to_owned() }),
            to: None,
        };
        let wanted = serde_json::to_value(wanted).expect("json");
        let back = self.act(Steps::default(), "deploy.rollback", "run-r2", wanted).await;
        let (answer, output) = back.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        output
    }
}

fn shares(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(name, share)| ((*name).to_owned(), *share)).collect()
}

#[tokio::test]
async fn a_canary_goes_step_by_step_and_is_in_effect_at_the_end() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    let url = world.record().await.url;
    for (weight, now) in [(10, [("r1", 90), ("r2", 10)]), (50, [("r1", 50), ("r2", 50)])] {
        // The same again changes nothing.
        for _ in 0..2 {
            let partly = world.step_well(&site, weight).await;
            assert_eq!((partly.status, partly.weight), (DeploymentStatus::Pending, Some(weight)));
            let walked: &[u32] = if weight == 10 { &[10] } else { &[10, 50] };
            assert_eq!(partly.weights, walked);
            assert_eq!(partly.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
            assert_eq!(partly.url, url);
            // Whoever compares them asks each for itself.
            let apart = partly.apart.expect("both take requests");
            assert!(apart.new != apart.old && url.as_ref() != Some(&apart.new), "{apart:?}");
            assert_eq!(world.shares(), shares(&now));
        }
        let (answer, status) = world.status(Some("r2"), &site).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(status.weight, Some(weight));
        let record = world.record().await;
        assert_eq!(record.current.expect("r1").release.as_str(), "r1", "r1 is in effect still");
        assert_eq!(world.folder().current().as_ref().map(ReleaseId::as_str), Some("r1"));
    }
    let live = world.step_well(&site, 100).await;
    assert_eq!((live.status, live.weight), (DeploymentStatus::Live, Some(100)));
    assert_eq!(live.weights, [10, 50, 100]);
    assert!(live.apart.is_some(), "the one before is warm");
    world.assert_in_effect("r2", Some("r1")).await;
    assert_eq!(world.warm_and_running().len(), 2, "the one before is warm");
}

#[tokio::test]
async fn what_is_judged_bad_at_a_step_goes_back_at_once_and_does_not_come_again() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    world.step_well(&site, 10).await;
    let begun = std::time::Instant::now();
    for _ in 0..2 {
        let back = world.judged_bad(&site).await;
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        assert_eq!(world.shares(), shares(&[("r1", 100)]));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let record = world.record().await;
    let bad = record.ledger.of(&"r2".parse().expect("a name")).expect("is in the ledger");
    assert_eq!(bad.standing, Standing::Rejected);
    let good = record.ledger.of(&"r1".parse().expect("a name")).expect("is in the ledger");
    assert!(good.standing == Standing::Good && good.serving_since.is_some());
    let (answer, _) = world.step(Steps::default(), &site, 10).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "release-rejected");
    assert_eq!(world.shares(), shares(&[("r1", 100)]));
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn blue_stands_beside_green_without_a_request() {
    let world = World::new();
    let site = site();
    world.deploy_well("r1", &site).await;
    let warm = world.step_well(&site, 0).await;
    assert_eq!(warm.weight, Some(0));
    assert_eq!(world.shares(), shares(&[("r1", 100)]));
    assert_eq!(world.warm_and_running().len(), 2);
    let (answer, _) = world.status(Some("r2"), &site).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    // Dead before it got a request: it is seen, and nobody else notices.
    let blue = world.warm_and_running().into_iter().find(|r| r.release == "r2").expect("runs");
    send_kill(blue.pid);
    let until = std::time::Instant::now() + Duration::from_secs(10);
    loop {
        let (answer, _) = world.status(Some("r2"), &site).await.expect("no fault");
        if answer.response.status == StageStatus::Failed {
            break;
        }
        assert!(std::time::Instant::now() < until, "its end is not seen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.judged_bad(&site).await;
    world.assert_in_effect("r1", None).await;
}

#[tokio::test]
async fn the_first_release_gets_everything_and_files_are_not_shared() {
    let world = World::new();
    let site = site();
    let live = world.step_well(&site, 10).await;
    assert_eq!((live.status, live.weight), (DeploymentStatus::Live, Some(100)));
    world.assert_in_effect("r2", None).await;
    let world = World::new();
    let files = files(2);
    world.deploy_well("r1", &files).await;
    let (answer, none) = world.step(Steps::default(), &files, 10).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    assert_eq!(answer.response.findings[0].code, "target-refused");
    assert_eq!(world.record().await.pending, None);
}

/// The agent is killed after ever more steps of a shift: the same call again completes it; and so
/// does the way back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_cut_off_is_completed_or_taken_back() {
    let site = site();
    let mut cases = 0;
    'steps: for steps in 0.. {
        for again in [true, false] {
            let world = World::new();
            world.deploy_well("r1", &site).await;
            world.step_well(&site, 10).await;
            let cut = world.step(Steps::interrupted_after(steps), &site, 60).await;
            if cut.is_ok() {
                break 'steps;
            }
            cases += 1;
            if again {
                world.step_well(&site, 60).await;
                assert_eq!(world.shares(), shares(&[("r1", 40), ("r2", 60)]), "{steps}");
            } else {
                world.judged_bad(&site).await;
                assert_eq!(world.shares(), shares(&[("r1", 100)]), "{steps}");
                world.assert_in_effect("r1", None).await;
            }
        }
    }
    println!("kill matrix: directory, agent, a step of a shift: {cases} cases");
    assert!(cases >= 8, "only {cases} cases");
}
