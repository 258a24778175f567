//! A release is a version; the way back is one update of the alias.

use pact_contract::ReleaseId;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_versions_and_the_way_back_is_one_update_of_the_alias() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    functions.assert_in_effect("r1", None).await;
    let (answer, again) = world.deploy("r1", &shop).await.expect("no fault");
    assert_eq!(again.status, DeploymentStatus::Live);
    assert!(answer.response.summary.contains("as before"), "{}", answer.response.summary);
    world.deploy_well("r2", &shop).await;
    functions.assert_in_effect("r2", Some("r1")).await;
    assert_eq!(functions.versions().await, 4, "$LATEST, the one before all, r1 and r2");
    // Nothing but the code was changed.
    let now = functions.settled().await;
    assert_eq!(now["Environment"]["Variables"], json!({ "KEPT": "yes" }));
    assert_eq!(now["Timeout"], 20);
    let (answer, _) = world.status(Some("r2"), &shop).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Passed, "{}", answer.response.summary);

    let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
    let (codes, aliases) = (count(&functions.trouble.codes), count(&functions.trouble.aliases));
    for _ in 0..2 {
        let (answer, back) = world.roll_back("r2", &shop).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        functions.assert_in_effect("r1", None).await;
    }
    assert_eq!(count(&functions.trouble.codes), codes, "no upload");
    assert_eq!(count(&functions.trouble.aliases), aliases + 1);
    world.end("run-r2").await;
    // The first one is taken back to what was there before all deployments.
    world.roll_back("r1", &shop).await.expect("no fault");
    let alias = functions.alias().await;
    assert_eq!((&alias["FunctionVersion"], &alias["Description"]), (&json!("1"), &json!("")));
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_that_was_not_there_goes_with_the_first_release() {
    let functions = Functions::without_alias().await;
    let world = &functions.world;
    world.deploy_well("r1", &shop()).await;
    functions.assert_in_effect("r1", None).await;
    world.roll_back("r1", &shop()).await.expect("no fault");
    let page = functions.ask("GET", &format!("{SHOP}/aliases"), Value::Null).await;
    assert_eq!(page["Aliases"], json!([]));
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_with_the_same_code_is_the_same_version() {
    let functions = Functions::new().await;
    let world = &functions.world;
    world.deploy_well("same-1", &shop()).await;
    let versions = functions.versions().await;
    world.deploy_well("same-2", &shop()).await;
    assert_eq!(functions.versions().await, versions);
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging: same-2");
    let (_, back) = world.roll_back("same-2", &shop()).await.expect("no fault");
    assert_eq!(back.previous.as_ref().map(ReleaseId::as_str), Some("same-1"));
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging: same-1");
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_release_of_a_wave_goes_back_to_what_the_whole_had_there() {
    let functions = Functions::new().await;
    let world = &functions.world;
    let led = json!({ "FunctionVersion": "1", "Description": "pact acme/web:whole: r0" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), led).await;
    // Nobody else's alias is taken.
    let taken = finding(world.deploy("r1", &shop()).await);
    assert_eq!(taken.code, "folder-taken", "{taken:?}");
    let mut wave = shop();
    wave.wave_of = Some("another".parse().expect("a name"));
    assert_eq!(finding(world.deploy("r1", &wave).await).code, "folder-taken");
    wave.wave_of = Some("whole".parse().expect("a name"));
    world.deploy_well("r1", &wave).await;
    functions.assert_in_effect("r1", None).await;
    for _ in 0..2 {
        world.roll_back("r1", &wave).await.expect("no fault");
        assert_eq!(functions.alias().await["FunctionVersion"], "1", "what the whole had");
    }
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_has_no_waves_any_more_goes_back_to_what_they_had_there() {
    let functions = Functions::new().await;
    let world = &functions.world;
    // Before it had waves, it had a release of its own.
    world.deploy_well("r1", &shop()).await;
    functions.assert_in_effect("r1", None).await;
    let led =
        |whose: &str| json!({ "FunctionVersion": "1", "Description": format!("pact {whose}: r5") });
    for nobodys in ["acme/web:staging-eu of production", "acme/other:staging-eu of staging"] {
        functions.ask("PUT", &format!("{SHOP}/aliases/live"), led(nobodys)).await;
        assert_eq!(finding(world.deploy("r6", &shop()).await).code, "folder-taken", "{nobodys}");
    }
    let waves = led("acme/web:staging-eu of staging");
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), waves).await;
    world.deploy_well("r6", &shop()).await;
    functions.assert_in_effect("r6", None).await;
    for _ in 0..2 {
        world.roll_back("r6", &shop()).await.expect("no fault");
        assert_eq!(functions.alias().await["FunctionVersion"], "1", "what the waves had, not r1");
    }
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wave_says_of_what_it_is_one_and_is_known_as_it_was_said_before() {
    let functions = Functions::new().await;
    let world = &functions.world;
    let mut wave = shop();
    wave.wave_of = Some("whole".parse().expect("a name"));
    world.deploy_well("r1", &wave).await;
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging of whole: r1");
    let version = functions.alias().await["FunctionVersion"].clone();
    let before = json!({ "FunctionVersion": version, "Description": "pact acme/web:staging: r1" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), before).await;
    world.deploy_well("r2", &wave).await;
    world.roll_back("r2", &wave).await.expect("no fault");
    assert_eq!(functions.alias().await["Description"], "pact acme/web:staging of whole: r1");
    functions.end().await;
}
