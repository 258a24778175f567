//! The rules of a repository, and who agrees to less.

use pact_contract::policy::PolicyRecord;

use super::{
    people::{answer, opened},
    *,
};

/// What a run's commit asks for.
fn proposal(run_id: &str, place: u64) -> PolicyRecord {
    PolicyRecord {
        schema: PolicyRecord::VERSION,
        commit: "2".repeat(40),
        branch: "main".to_owned(),
        place,
        run_id: run_id.parse().unwrap(),
        path: Some("pact.toml".to_owned()),
        text: Some("[gate]\nmin_coverage = 10\n".to_owned()),
        loosened: vec!["gate.min_coverage = 10 is less than 80".to_owned()],
        agreed_by: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

async fn agreed(world: &Arc<World>) -> Option<(u64, Option<String>)> {
    let record = world.ports().policies.policy(&"acme/web".parse().unwrap()).await.unwrap()?;
    Some((record.place, record.agreed_by))
}

async fn accept(world: &Arc<World>, body: Value) -> (u16, Value) {
    send(&world.gateway(), api("POST", "/v1/policies/acme/web", &body.to_string())).await
}

#[tokio::test]
async fn whoever_approves_a_run_agrees_to_its_rules_and_whoever_refuses_does_not() {
    for (approved, expected) in
        [(false, None), (true, Some((7, Some("installation for Ada".to_owned()))))]
    {
        let world = World::new();
        let id = started(&world).await;
        world.ports().policies.propose(&proposal(&id, 7)).await.unwrap();
        let callback = opened(&world, &id, "token").await;
        assert_eq!(answer(&world, &callback, approved, "Ada").await.0, 200);
        assert_eq!(agreed(&world).await, expected);
        let agreed = world.log(&id).iter().any(|e| e.action == "gateway.agree_to_rules");
        assert_eq!(agreed, approved, "it stands in the log");
    }
}

#[tokio::test]
async fn one_alone_takes_no_rule_away_that_asks_for_two() {
    let world = World::new();
    let id = started(&world).await;
    world.ports().policies.propose(&proposal(&id, 7)).await.unwrap();
    // While the run waits for an answer, and when it has had one.
    let callback = opened(&world, &id, "token").await;
    let (status, body) = accept(&world, json!({ "run_id": id, "by": "Ada" })).await;
    assert_eq!((status, error_code(&body)), (409, "rules_asked"));
    assert_eq!(answer(&world, &callback, false, "Ada").await.0, 200);
    let (status, body) = accept(&world, json!({ "run_id": id, "by": "Ada" })).await;
    assert_eq!((status, error_code(&body)), (409, "rules_asked"));
    assert!(body.to_string().contains("said no"), "{body}");
    assert_eq!(agreed(&world).await, None);
}

#[tokio::test]
async fn rules_are_accepted_without_a_deployment_and_never_older_ones() {
    let world = World::new();
    let id = started(&world).await;
    let path = "/v1/policies/acme/web";
    let (status, body) = send(&world.gateway(), api("GET", path, "")).await;
    assert_eq!((status, error_code(&body)), (404, "not_found"));
    let (status, body) = accept(&world, json!({ "run_id": id, "by": "Ada" })).await;
    assert_eq!((status, error_code(&body)), (409, "nothing_to_agree"));

    world.ports().policies.propose(&proposal(&id, 7)).await.unwrap();
    for (body, field) in
        [(json!({ "run_id": id, "by": 7 }), "by"), (json!({ "by": "Ada" }), "run_id")]
    {
        assert_eq!(accept(&world, body).await.1["field"], field);
    }
    let unknown = accept(&world, json!({ "run_id": "another-run", "by": "Ada" })).await;
    assert_eq!((unknown.0, error_code(&unknown.1)), (404, "not_found"));
    // Twice, as everything may be.
    for _ in 0..2 {
        let (status, body) = accept(&world, json!({ "run_id": id, "by": "Ada" })).await;
        assert_eq!((status, &body["agreed_by"]), (200, &json!("installation for Ada")));
    }
    let (status, body) = send(&world.gateway(), api("GET", path, "")).await;
    assert_eq!((status, &body["place"]), (200, &json!(7)));

    let later = PolicyRecord { agreed_by: None, ..proposal(&id, 8) };
    let name = "acme/web".parse().unwrap();
    assert!(world.ports().policies.put_policy(&name, &later).await.unwrap());
    let (status, body) = accept(&world, json!({ "run_id": id, "by": "Eve" })).await;
    assert_eq!((status, error_code(&body)), (409, "rules_outdated"));
    assert_eq!(agreed(&world).await, Some((8, None)));
}

#[tokio::test]
async fn nobody_agrees_without_the_token() {
    let world = World::new();
    for method in ["GET", "POST"] {
        let request = Request::builder().method(method).uri("/v1/policies/acme/web");
        let (status, _) = send(&world.gateway(), request.body("{}".into()).unwrap()).await;
        assert_eq!(status, 401, "{method}");
    }
}
