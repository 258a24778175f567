//! Only forward, and only back to what was judged good.

use pact_contract::{
    actions::WhyTakenBack,
    ledger::{OnPurpose, Origin, Standing},
};

use super::{world::Answer, *};

fn pushed(place: u64) -> Origin {
    Origin { branch: Some("main".to_owned()), place: Some(place), on_purpose: None }
}

/// Deploys a release of a push, without anybody judging it.
async fn deploy(world: &World, release: &str, commit: &str, origin: Origin) -> Answer {
    let mut wanted = world.wanted(release, &files(5)).await;
    wanted["source"]["commit"] = commit.into();
    wanted["origin"] = serde_json::to_value(origin).expect("json");
    let answer = world.act(Steps::default(), "deploy.to_staging", &run(release), wanted).await;
    world.abandon(&run(release)).await;
    answer
}

fn run(release: &str) -> String {
    format!("run-{release}")
}

/// The same, and it is judged good.
async fn deploy_good(world: &World, release: &str, commit: &str, place: u64) {
    let (answer, _) = deploy(world, release, commit, pushed(place)).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    world.end(&run(release)).await;
}

async fn take_back(world: &World, release: &str, judged: bool) -> Answer {
    let why = WhyTakenBack { judged, reason: "12 % of requests fail".to_owned() };
    let wanted = serde_json::json!({
        "repository": repository(),
        "environment": "staging",
        "release": release,
        "settings": files(5),
        "why": why,
    });
    let answer = world.act(Steps::default(), "deploy.rollback", &run(release), wanted).await;
    world.abandon(&run(release)).await;
    answer
}

async fn in_effect(world: &World) -> Option<String> {
    world.record().await.current.map(|release| release.release.to_string())
}

/// The code with which a deployment was refused, and that nothing was touched by it.
async fn refused(world: &World, release: &str, commit: &str, origin: Origin) -> String {
    let before = world.record().await;
    let (answer, output) = deploy(world, release, commit, origin).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed, "{}", answer.response.summary);
    assert_eq!(output.status, DeploymentStatus::Failed);
    assert_eq!(world.record().await, before, "a refusal changes nothing");
    let finding = &answer.response.findings[0];
    assert!(finding.remedy.as_ref().is_some_and(|remedy| remedy.contains("on purpose")));
    format!("{}: {}", finding.code, finding.message)
}

#[tokio::test]
async fn an_older_push_is_refused_and_a_newer_one_is_not() {
    let world = World::new();
    deploy_good(&world, "r2", "c2", 2).await;
    let why = refused(&world, "r1", "c1", pushed(1)).await;
    assert!(why.starts_with("release-outdated: commit c1 was pushed before commit c2"), "{why}");
    let person = OnPurpose { by: "ada".to_owned(), reason: "c2 lacks a licence".to_owned() };
    let insisted = Origin { on_purpose: Some(person), ..pushed(1) };
    let (answer, _) = deploy(&world, "r1", "c1", insisted).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    deploy_good(&world, "r3", "c1", 3).await;
    assert_eq!(in_effect(&world).await.as_deref(), Some("r3"));
}

#[tokio::test]
async fn what_nobody_judged_is_never_returned_to() {
    let world = World::new();
    deploy_good(&world, "r1", "c1", 1).await;
    // Its run is cancelled while it is watched, and nobody takes it back.
    deploy(&world, "r2", "c2", pushed(2)).await.expect("no fault");
    let (_, third) = deploy(&world, "r3", "c3", pushed(3)).await.expect("no fault");
    assert_eq!(third.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
    let (answer, back) = take_back(&world, "r3", true).await.expect("no fault");
    assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
    assert_eq!(answer.response.status, StageStatus::Passed);
    assert_eq!(in_effect(&world).await.as_deref(), Some("r1"));
    let standings: Vec<_> = world
        .record()
        .await
        .ledger
        .entries()
        .iter()
        .map(|e| (e.release.to_string(), e.standing, e.serving_since.is_some()))
        .collect();
    let entry = |name: &str, standing, serves| (name.to_owned(), standing, serves);
    assert_eq!(
        standings,
        [
            entry("r3", Standing::Rejected, false),
            entry("r2", Standing::Candidate, false),
            entry("r1", Standing::Good, true),
        ]
    );
}

#[tokio::test]
async fn a_deployment_that_fails_leaves_what_nobody_judged_as_it_was() {
    let world = World::new();
    deploy(&world, "r1", "c1", pushed(1)).await.expect("no fault");
    let broken = environment(Settings { build: vec![words(&NOT_BUILT)], ..Settings::default() });
    let (answer, _) = world.deploy("r2", &broken).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert_eq!(in_effect(&world).await.as_deref(), Some("r1"));
    assert_eq!(world.folder().current().as_ref().map(ReleaseId::as_str), Some("r1"));
}

#[tokio::test]
async fn what_was_rejected_is_refused_with_the_reason_and_comes_back_on_purpose() {
    let world = World::new();
    deploy_good(&world, "r1", "c1", 1).await;
    deploy(&world, "r2", "c2", pushed(2)).await.expect("no fault");
    take_back(&world, "r2", true).await.expect("no fault");
    let why = refused(&world, "r3", "c2", pushed(3)).await;
    assert!(why.starts_with("release-rejected: commit c2 was deployed as r2"), "{why}");
    assert!(why.ends_with("12 % of requests fail"), "{why}");
    let person = OnPurpose { by: "ada".to_owned(), reason: "the database was down".to_owned() };
    let insisted = Origin { on_purpose: Some(person), ..pushed(3) };
    let (answer, _) = deploy(&world, "r3", "c2", insisted).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
}

#[tokio::test]
async fn what_was_withdrawn_may_be_tried_again() {
    let world = World::new();
    deploy_good(&world, "r1", "c1", 1).await;
    deploy(&world, "r2", "c2", pushed(2)).await.expect("no fault");
    take_back(&world, "r2", false).await.expect("no fault");
    assert_eq!(in_effect(&world).await.as_deref(), Some("r1"));
    deploy_good(&world, "r3", "c2", 2).await;
}

#[tokio::test]
async fn what_was_judged_good_stays_where_its_run_was_cut_short_and_goes_where_it_is_bad() {
    let world = World::new();
    deploy_good(&world, "r1", "c1", 1).await;
    deploy_good(&world, "r2", "c2", 2).await;
    let (answer, there) = take_back(&world, "r2", false).await.expect("no fault");
    assert!(answer.response.summary.contains("r2 stays in staging"), "{}", answer.response.summary);
    assert_eq!(
        (answer.response.status, there.status),
        (StageStatus::Passed, DeploymentStatus::Live)
    );
    assert_eq!(in_effect(&world).await.as_deref(), Some("r2"));
    // It was bad for the users of a later environment.
    let (_, back) = take_back(&world, "r2", true).await.expect("no fault");
    assert_eq!(back.status, DeploymentStatus::RolledBack);
    assert_eq!(in_effect(&world).await.as_deref(), Some("r1"));
}

#[tokio::test]
async fn a_name_that_is_a_tier_is_deployed_to_as_that_tier_only() {
    let world = World::new();
    let mut wanted = world.wanted("r1", &files(5)).await;
    for (name, action) in [("production", "deploy.to_staging"), ("staging", "deploy.to_production")]
    {
        wanted["environment"] = name.into();
        let answer = world.act(Steps::default(), action, "run-r1", wanted.clone()).await;
        let error = answer.expect_err("is refused");
        assert_eq!(error.name, ErrorName::InvalidIntent);
        assert!(error.to_string().contains(&format!("deploy.to_{name}")), "{error}");
    }
    wanted["environment"] = "eu-west".into();
    for action in ["deploy.to_production", "deploy.to_staging"] {
        let answer = world.act(Steps::default(), action, "run-r1", wanted.clone()).await;
        let (answer, there) = answer.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(there.environment, "eu-west");
    }
}

#[tokio::test]
async fn a_person_returns_to_a_good_release_further_back_and_to_no_other() {
    let world = World::new();
    for (release, commit, place) in [("r1", "c1", 1), ("r2", "c2", 2)] {
        deploy_good(&world, release, commit, place).await;
    }
    deploy(&world, "bad", "cx", pushed(3)).await.expect("no fault");
    take_back(&world, "bad", true).await.expect("no fault");
    deploy_good(&world, "r3", "c3", 4).await;
    let before = world.record().await;
    let back_to = async |to: &str| {
        let wanted = serde_json::json!({
            "repository": repository(),
            "environment": "staging",
            "release": "r3",
            "settings": files(5),
            "why": WhyTakenBack { judged: true, reason: "Ada: slow".to_owned() },
            "to": to,
        });
        let answer = world.act(Steps::default(), "deploy.rollback", "run-back", wanted).await;
        world.abandon("run-back").await;
        answer
    };
    for no_place in ["bad", "never"] {
        let error = back_to(no_place).await.expect_err("it is no place to return to");
        assert!(error.message.contains(&format!("{no_place} is not there any more")), "{error}");
        assert_eq!(world.record().await, before, "a refusal changes nothing");
    }
    // Twice, as everything may be.
    for _ in 0..2 {
        let (answer, back) = back_to("r1").await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
        assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
        assert_eq!(in_effect(&world).await.as_deref(), Some("r1"));
    }
}
