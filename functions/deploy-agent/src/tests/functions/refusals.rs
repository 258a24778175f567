//! What stands in the way is named, and replaces nothing.

use pact_contract::{EnvironmentKey, ErrorName, settings::Probe};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_by_hand_is_said() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    let by_hand = json!({ "FunctionVersion": "1" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), by_hand).await;
    let (answer, _) = world.status(Some("r1"), &shop).await.expect("no fault");
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "alias-moved");
    assert!(
        finding.message.contains("leads to version 1, not to version 2"),
        "{}",
        finding.message
    );
    // The next deployment leads it again; another environment's alias is left alone.
    world.deploy_well("r2", &shop).await;
    functions.assert_in_effect("r2", Some("r1")).await;
    let other = json!({ "Description": "pact acme/web:production: r9" });
    functions.ask("PUT", &format!("{SHOP}/aliases/live"), other).await;
    let taken = self::finding(world.deploy("r3", &shop).await);
    assert_eq!(taken.code, "folder-taken");
    assert!(taken.message.contains("acme/web:production"), "{}", taken.message);
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_named_and_replaces_nothing() {
    let functions = Functions::new().await;
    let (world, shop) = (&functions.world, shop());
    world.deploy_well("r1", &shop).await;
    for (settings, code) in [
        (shop_with(json!({ "function": "nobody" })), "function-missing"),
        (shop_with(json!({ "artifact": "target" })), "artifact-missing"),
        (shop_with(json!({ "build": [["not-built"]] })), "build-failed"),
        (
            shop_with(json!({ "role": "arn:aws:iam::999999999999:role/pact-deploy-other" })),
            "role-refused",
        ),
    ] {
        let refused = finding(world.deploy("r2", &settings).await);
        assert_eq!(refused.code, code, "{}", refused.message);
        assert!(refused.remedy.is_some(), "{code}");
        functions.assert_in_effect("r1", None).await;
    }
    let mut artifact = functions.world.wanted("r2", &shop).await;
    artifact["source"]["key"] = "sources/none".into();
    let gone = world.act(Steps::default(), "deploy.to_staging", "run-r2", artifact).await;
    assert_eq!(gone.expect_err("is gone").name, ErrorName::SourceUnavailable);
    world.end("run-r2").await;
    // A passing throttle is waited for; one that stays is a fault, and nothing is changed.
    functions.trouble.throttled.store(2, Ordering::SeqCst);
    world.deploy_well("r3", &shop).await;
    functions.trouble.throttled.store(1000, Ordering::SeqCst);
    let throttled = world.deploy("r4", &shop).await.expect_err("is throttled");
    assert_eq!(throttled.name, ErrorName::TargetUnavailable, "{}", throttled.message);
    functions.trouble.throttled.store(0, Ordering::SeqCst);
    functions.assert_serves("r3").await;
    functions.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_not_well_gets_no_request() {
    let functions = Functions::new().await;
    let (world, mut shop) = (&functions.world, shop());
    let address = "/2021-10-31/functions/shop/url?Qualifier=live";
    functions.ask("POST", address, json!({ "AuthType": "NONE" })).await;
    let wanted = |contains: Option<&str>| Probe {
        path: "/health".to_owned(),
        contains: contains.map(str::to_owned),
        interval_ms: 50,
        deadline_seconds: 5,
        ..Probe::default()
    };
    shop.health = vec![wanted(Some("r1"))];
    world.deploy_well("r1", &shop).await;
    let changes = functions.trouble.aliases.load(Ordering::SeqCst);
    for (release, probe, says) in [
        ("broken-1", wanted(None), "an error of the function (Unhandled)"),
        ("r2", wanted(Some("r3")), "answers /health with 200, without \"r3\""),
        // As with every step of a strategy, so before the first one too.
        ("broken-2", wanted(None), "on purpose"),
    ] {
        let settings = Environment { health: vec![probe], ..shop.clone() };
        let mut wanted = world.wanted(release, &settings).await;
        if release == "broken-2" {
            wanted["weight"] = 0.into();
        }
        let run = format!("run-{release}");
        let answer = world.act(Steps::default(), "deploy.to_staging", &run, wanted).await;
        world.end(&run).await;
        let refused = finding(answer);
        assert_eq!(refused.code, "function-unhealthy", "{}", refused.message);
        assert!(refused.message.contains(says), "{}", refused.message);
        assert_eq!(functions.trouble.aliases.load(Ordering::SeqCst), changes);
        functions.assert_in_effect("r1", None).await;
    }
    functions.end().await;
}

#[tokio::test]
async fn an_installation_without_services_says_so() {
    let world = World::new();
    let refused = finding(world.deploy("r1", &shop()).await);
    assert_eq!(refused.code, "target-refused");
    assert!(refused.message.contains("no functions"), "{}", refused.message);
    let _: EnvironmentKey = key();
}
