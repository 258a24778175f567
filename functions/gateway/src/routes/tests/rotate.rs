//! Another secret for a repository's webhook, by the API.

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    rotation::Rotating,
    secrets::{Secret, SecretKeeper as _},
};
use pact_contract::{access::Scope, registry::Rotation};

use super::{
    doors::{bearing, token},
    *,
};

const PARAMETER: &str = "repositories/acme/web/webhook-secret";
const OLD: &str = "the-secret-before-000000000000000";
const NEW: &str = "the-secret-of-now-000000000000000";

fn wanted(secret: &str, keep: Value) -> Request<Body> {
    let body = json!({ "secret": secret, "keep_hours": keep });
    api("POST", "/v1/webhook-secrets/acme/web", &body.to_string())
}

async fn kept(world: &World) -> Option<Rotating> {
    let text = world.memory.latest(PARAMETER).await.unwrap();
    text.map(|text| Rotating::parse(&text).unwrap())
}

fn rotation(world: &World) -> Option<Rotation> {
    world.state().registry.values().next().and_then(|entry| entry.rotation.clone())
}

#[tokio::test]
async fn a_secret_is_changed_in_the_callers_name_and_is_told_to_nobody() {
    let world = World::new();
    let gateway = world.gateway();
    let (operator, _) = token(&world, &[Scope::Operate], 1).await;
    let body = json!({ "secret": OLD }).to_string();
    let request = bearing(&operator, "POST", "/v1/webhook-secrets/acme/web", &body);
    let (status, first) = send(&gateway, request).await;
    assert_eq!((status, &first["by"], &first["changed"]), (200, &json!("ada"), &json!(true)));
    assert_eq!(first["path"], "/webhooks/github/acme/web");
    assert_eq!(first["before_until"], Value::Null, "there was none");
    let (status, second) = send(&gateway, wanted(NEW, json!(2))).await;
    assert_eq!((status, &second["by"]), (200, &json!("installation")), "{second}");
    let known = kept(&world).await.unwrap();
    assert_eq!(known.current().reveal(), NEW);
    let in_hours = |hours| Timestamp::now() + SignedDuration::from_hours(hours);
    assert_eq!(known.before(in_hours(1)).map(Secret::reveal), Some(OLD));
    assert_eq!(known.before(in_hours(3)), None);
    assert_eq!(second["before_until"], json!(known.before_until()));
    let entry = send(&gateway, api("GET", "/v1/repositories/acme/web", "")).await.1;
    assert_eq!(
        (&entry["rotation"]["by"], &entry["rotation"]["done"]),
        (&json!("installation"), &json!(true))
    );
    for told in [&first, &second, &entry] {
        assert!(!told.to_string().contains("the-secret"), "{told}");
    }
    // Whoever registers it anew changes none.
    let again = json!({ "name": "acme/web", "url": "https://git.example.com/acme/web.git" });
    assert_eq!(send(&gateway, api("POST", "/v1/repositories", &again.to_string())).await.0, 200);
    assert!(rotation(&world).is_some());
    let (_, ended) = send(&gateway, wanted(OLD, json!(0))).await;
    assert_eq!(ended["before_until"], Value::Null);
    assert_eq!(kept(&world).await.unwrap().before_until(), None);
}

#[tokio::test]
async fn whatever_it_was_cut_off_at_the_same_again_ends_it_and_the_hosts_secret_counts() {
    // What is registered is read, the change is begun, and written down as done.
    for calls in 0..3 {
        let world = World::new();
        let gateway = world.gateway();
        world.set_secret(PARAMETER, OLD);
        world.fail_after(calls);
        let (first, _) = send(&gateway, wanted(NEW, Value::Null)).await;
        assert_eq!(first, 503, "{calls}");
        for _ in 0..3 {
            let (status, body) = send(&gateway, wanted(NEW, Value::Null)).await;
            assert_eq!(status, 200, "{calls}: {body}");
            let known = kept(&world).await.unwrap();
            let before = known.before(Timestamp::now()).map(Secret::reveal);
            assert_eq!((known.current().reveal(), before), (NEW, Some(OLD)), "{calls}");
            assert_eq!(body["before_until"], json!(known.before_until()), "{calls}");
            assert!(rotation(&world).unwrap().done, "{calls}");
        }
    }
}

#[tokio::test]
async fn of_two_changes_at_once_one_is_refused_until_a_minute_has_gone() {
    let world = World::new();
    let gateway = world.gateway();
    world.set_secret(PARAMETER, OLD);
    let name: pact_contract::RepositoryName = "acme/web".parse().unwrap();
    let begun = |seconds| Rotation {
        by: "eve".to_owned(),
        at: Timestamp::now() - SignedDuration::from_secs(seconds),
        before_until: None,
        mark: "00000000".to_owned(),
        done: false,
    };
    let set = |rotation: Rotation| {
        world.state().registry.get_mut(&name).unwrap().rotation = Some(rotation);
    };
    set(begun(30));
    let (status, body) = send(&gateway, wanted(NEW, Value::Null)).await;
    assert_eq!((status, error_code(&body)), (409, "rotation_active"), "{body}");
    assert_eq!(kept(&world).await.unwrap().current().reveal(), OLD);
    set(begun(61));
    assert_eq!(send(&gateway, wanted(NEW, Value::Null)).await.0, 200);
    assert_eq!(rotation(&world).unwrap().by, "installation");
}

#[tokio::test]
async fn what_is_no_secret_is_refused() {
    let world = World::new();
    let gateway = world.gateway();
    let long = "x".repeat(201);
    for secret in
        ["", "short", &"x".repeat(31), &long, &format!("{NEW}\n{OLD}"), &format!("{NEW} ")]
    {
        let (status, body) = send(&gateway, wanted(secret, Value::Null)).await;
        assert_eq!((status, &body["field"]), (400, &json!("secret")), "{secret:?}");
    }
    for hours in [json!(-1), json!(721), json!(1.5), json!("1"), json!(true)] {
        let (status, body) = send(&gateway, wanted(NEW, hours.clone())).await;
        assert_eq!((status, &body["field"]), (400, &json!("keep_hours")), "{hours}");
    }
    let body = json!({ "secret": NEW }).to_string();
    for name in ["acme/none", "..", "acme/web/", &["a"; 90].join("/")] {
        let path = format!("/v1/webhook-secrets/{name}");
        let (status, _) = send(&gateway, api("POST", &path, &body)).await;
        assert_eq!(status, 404, "{name}");
    }
    assert_eq!(kept(&world).await, None);
}

#[tokio::test]
async fn what_is_taken_out_takes_its_secret_along() {
    let world = World::new();
    let gateway = world.gateway();
    assert_eq!(send(&gateway, wanted(OLD, json!(0))).await.0, 200);
    world.memory.keep("repositories/acme/other/webhook-secret", &Secret::new(NEW)).await.unwrap();
    assert!(kept(&world).await.is_some());
    let (status, _) = send(&gateway, api("DELETE", "/v1/repositories/acme/web", "")).await;
    assert_eq!(status, 200);
    assert_eq!(kept(&world).await, None);
    // What belongs to others stays.
    let other = world.memory.latest("repositories/acme/other/webhook-secret").await.unwrap();
    assert_eq!(other, Some(Secret::new(NEW)));
    assert_eq!(send(&gateway, api("DELETE", "/v1/repositories/acme/web", "")).await.0, 404);
}
