//! Several git hosts beside each other: the second one is known to this crate's tests alone.

use axum::http::HeaderName;
use pact_agent::secrets::Secret;
use pact_contract::Repository;

use super::*;
use crate::hosts::{ALL, Composed, PushNotice, WebhookHost};

const KEY: &str = "key-of-the-forge-0123";

fn forge() -> &'static dyn WebhookHost {
    *ALL.iter().find(|host| host.name() == "forge").unwrap()
}

/// A delivery of the forge, signed with this key.
fn composed(digit: char, key: &str) -> Composed {
    let repository = Repository {
        name: "acme/web".parse().unwrap(),
        url: "https://git.example.com/acme/web.git".to_owned(),
        default_branch: "main".to_owned(),
    };
    let commit = digit.to_string().repeat(40);
    let notice = PushNotice {
        repository: &repository,
        reference: "refs/heads/main",
        commit: &commit,
        base: None,
        message: None,
        author: None,
    };
    forge().compose(&notice, "f-1", &Secret::new(key)).unwrap()
}

fn request(composed: Composed) -> Request<Body> {
    let mut request = Request::post(&composed.path);
    for (name, value) in composed.headers {
        request = request.header(name.parse::<HeaderName>().unwrap(), value);
    }
    request.body(composed.body.into()).unwrap()
}

/// A delivery with the forge's token in place of a signature.
fn with_token(body: &str, token: &str) -> Request<Body> {
    Request::post("/webhooks/forge")
        .header("x-forge-id", "f-2")
        .header("x-forge-token", token)
        .body(body.to_owned().into())
        .unwrap()
}

fn line(branch: &str, digit: char) -> String {
    let commit = digit.to_string().repeat(40);
    format!("acme/web https://git.example.com/acme/web.git main refs/heads/{branch} {commit} -\n")
}

#[tokio::test]
async fn a_host_is_open_where_the_installation_has_its_secret() {
    let world = World::new();
    let gateway = world.gateway();
    let (status, body) = send(&gateway, request(composed('2', KEY))).await;
    assert_eq!((status, error_code(&body)), (503, "not_configured"));
    assert!(body.to_string().contains("--name /memory/forge-key"), "{body}");
    assert_eq!(send(&gateway, push("d-1", &push_event('3'))).await.0, 202, "the others are open");

    world.set_secret("forge-key", "hunter2");
    let (status, body) = send(&gateway, request(composed('2', "hunter2"))).await;
    assert_eq!((status, error_code(&body)), (503, "not_configured"), "a key that can be guessed");

    world.set_secret("forge-key", KEY);
    let (status, body) = send(&gateway, request(composed('2', KEY))).await;
    assert_eq!((status, &body["duplicate"]), (202, &json!(false)), "{body}");
    let (status, body) = send(&gateway, request(composed('2', crate::testing::SECRET))).await;
    assert_eq!((status, error_code(&body)), (401, "unauthorized"), "another host's secret");
    let (status, body) = send(&gateway, with_token(&line("main", '2'), KEY)).await;
    assert_eq!((status, error_code(&body)), (503, "not_configured"), "each secret is its own");
    assert!(body.to_string().contains("forge-token"), "{body}");
}

#[tokio::test]
async fn one_delivery_may_tell_of_several_pushes() {
    let world = World::new();
    let gateway = world.gateway();
    world.set_secret("forge-token", KEY);
    let both = line("main", '2') + &line("dev", '3');
    for duplicate in [false, true] {
        let (status, body) = send(&gateway, with_token(&both, KEY)).await;
        assert_eq!(status, 202, "{body}");
        let runs = body["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        for run in runs {
            assert_eq!(run["duplicate"], duplicate);
            let id = run["run_id"].as_str().unwrap();
            assert_eq!(world.log(id).len(), 1, "each run's log has the delivery once");
        }
    }
    assert_eq!(world.state().executions.len(), 2);
    let (status, body) = send(&gateway, with_token("", KEY)).await;
    assert_eq!((status, &body["status"]), (202, &json!("ignored")));
}

#[tokio::test]
async fn a_host_has_a_limit_of_its_own() {
    let world = World::new();
    let gateway = world.gateway();
    world.set_secret("forge-token", KEY);
    let body = |bytes: usize| with_token(&" ".repeat(bytes), KEY);
    assert_eq!(send(&gateway, body(1_000)).await.0, 400);
    let (status, answer) = send(&gateway, body(1_001)).await;
    assert_eq!((status, error_code(&answer)), (413, "too_large"));
}

#[tokio::test]
async fn an_unknown_host_is_told_which_are_known() {
    let gateway = World::new().gateway();
    for method in ["GET", "POST"] {
        let (status, body) = send(&gateway, api(method, "/webhooks/sourceforge", "")).await;
        assert_eq!((status, error_code(&body)), (404, "not_found"));
        assert!(
            body.to_string().contains("webhooks are taken from github, gitlab, forge"),
            "{body}"
        );
    }
}
