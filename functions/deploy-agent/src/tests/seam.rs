//! A second target is one file and a line of the registry: it is chosen, checked, documented and
//! named like the first.

use pact_config::{Forms, form::Seam};
use pact_contract::{
    ReleaseId, StageStatus,
    run::DeploymentStatus,
    settings::{Environment, Settings},
};

use super::world::{World, environment_of, site};
use crate::targets::{directory, forms};

fn parse(text: &str) -> Result<Settings, String> {
    let forms = Forms::published().expect("is readable").clone().with(Seam::Target, forms());
    forms.parse(text, "pact.toml").map_err(|errors| errors.to_string())
}

fn staging(settings: &str) -> Environment {
    let text = format!("[environments.staging]\n{settings}");
    let settings = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    settings.environments.get("staging").expect("is there").settings.clone()
}

#[tokio::test]
async fn the_settings_choose_the_target() {
    let world = World::new();
    let marker = staging("target = 'marker'\nfile = 'staging'\nrefuses = 'r9'");
    for release in ["r1", "r2"] {
        world.deploy_well(release, &marker).await;
    }
    let text = std::fs::read_to_string(world.root.path().join("staging")).expect("is there");
    assert_eq!(text.lines().count(), 2);
    let (answer, status) = world.status(Some("r2"), &marker).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
    assert_eq!(status.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
    let (answer, _) = world.deploy("r9", &marker).await.expect("no fault");
    assert_eq!(answer.response.findings[0].message, "the settings say so");
    let (_, back) = world.roll_back("r2", &marker).await.expect("no fault");
    assert_eq!(
        (back.status, back.previous.as_ref().map(ReleaseId::as_str)),
        (DeploymentStatus::RolledBack, Some("r1"))
    );
    world.end("run-r2").await;
    // An environment can move from one kind of target to another, and back.
    world.deploy_well("r3", &site()).await;
    world.assert_in_effect("r3", Some("r1")).await;
    let (_, back) = world.roll_back("r3", &site()).await.expect("no fault");
    assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("r1"));
    assert!(world.running().is_empty(), "nothing of the other target is left");
    let (answer, _) = world.status(Some("r1"), &marker).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);
}

#[tokio::test]
async fn a_target_that_is_not_known_is_refused_with_those_that_are() {
    let world = World::new();
    let unknown = environment_of("markers", serde_json::json!({}));
    let (answer, none) = world.deploy("r1", &unknown).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "target-refused");
    let known =
        format!("known are {:?}, \"lambda\", \"command\", \"marker\"", directory::KIND.name);
    assert!(finding.message.ends_with(&known), "{}", finding.message);
    // The settings are the target's own affair, and it checks them.
    let wrong = environment_of("marker", serde_json::json!({ "file": 7 }));
    let (answer, _) = world.deploy("r1", &wrong).await.expect("no fault");
    assert!(answer.response.findings[0].message.contains("invalid type"));
}

#[test]
fn a_file_is_checked_by_the_form_of_the_target() {
    let errors = |text: &str| parse(text).expect_err("is refused");
    assert_eq!(
        errors("[environments.staging]\ntarget = 'makrer'\nfile = 'a'\n"),
        "pact.toml:2:10: environments.staging.target has the unknown value \"makrer\"; \
         did you mean \"marker\"?"
    );
    assert_eq!(
        errors("[environments.staging]\ntarget = 'x'\n"),
        "pact.toml:2:10: environments.staging.target has the unknown value \"x\"; \
         use one of \"directory\", \"lambda\", \"command\", \"marker\""
    );
    assert_eq!(
        errors("[environments.staging]\ntarget = 'marker'\nfille = '../a'\n"),
        "pact.toml:1:1: [environments.staging] has no \"file\"; add file = …\n\
         pact.toml:3:1: unknown key \"fille\" in [environments.staging]; did you mean \"file\"?"
    );
    let two = "[environments.staging]\ntarget = 'marker'\nfile = 'a'\n\
               [environments.production]\ntarget = 'marker'\nfile = './a'\nhealth = [{}]\n";
    assert_eq!(
        errors(two),
        "pact.toml:6:8: staging and production must not have the same file; use two files\n\
         pact.toml:7:11: environments.production.health[0] has nothing to ask: there is no \
         address; add [environments.production.address] or a whole http address"
    );
}

#[test]
fn the_schema_documents_the_target() {
    let forms = Forms::published().expect("is readable").clone().with(Seam::Target, forms());
    let schema = forms.schema();
    let staging = &schema["properties"]["environments"]["$defs"]["environment"]["oneOf"][3];
    assert_eq!(staging["title"], "marker");
    assert_eq!(staging["properties"]["file"]["description"], "File below the root.");
    assert_eq!(staging["required"], serde_json::json!(["target", "file"]));
}
