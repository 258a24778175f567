//! A repository's own secret, and what happens while a secret is changed.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use pact_agent::secrets::Cached;

use super::*;

const OWN: &str = "repositories/acme/web/webhook-secret";
const OLD: &str = "the-secret-before-0";
const NEW: &str = "the-secret-of-now-0";

/// A push of `acme/web`, sent to the webhook of `name` and signed with this secret.
fn signed(name: &str, secret: &str, delivery: &str, event: &Value) -> Request<Body> {
    let body = event.to_string().into_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&body);
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let mut request = push(delivery, event);
    *request.uri_mut() = format!("/webhooks/github{name}").parse().unwrap();
    request.headers_mut().insert("x-hub-signature-256", signature.parse().unwrap());
    request
}

fn in_hours(hours: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(hours)
}

#[tokio::test]
async fn two_secrets_count_at_a_time_and_none_that_has_expired() {
    for (name, parameter) in [("/acme/web", OWN), ("", "webhook-secret")] {
        let world = World::new();
        let gateway = world.gateway();
        let answer =
            async |secret| send(&gateway, signed(name, secret, "d-1", &push_event('2'))).await;
        world.set_secret(parameter, OLD);
        assert_eq!(answer(OLD).await.0, 202, "{parameter}");
        assert_eq!(answer(NEW).await.0, 401);
        world.set_secret(parameter, &format!("{NEW}\n{OLD} {}", in_hours(1)));
        for secret in [NEW, OLD] {
            let (status, body) = answer(secret).await;
            assert_eq!((status, &body["duplicate"]), (202, &json!(true)), "{body}");
        }
        world.set_secret(parameter, &format!("{NEW}\n{OLD} {}", in_hours(-1)));
        assert_eq!(answer(NEW).await.0, 202);
        assert_eq!(answer(OLD).await.0, 401, "it is over");
        assert_eq!(answer("the-third-secret-00").await.0, 401);
        world.set_secret(parameter, &format!("{NEW}\n{OLD}"));
        let (status, body) = answer(NEW).await;
        // Of the installation's it is said; of a repository's it would tell that there is one.
        let expected =
            if name.is_empty() { (503, "not_configured") } else { (401, "unauthorized") };
        assert_eq!((status, error_code(&body)), expected, "{body}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_registered_is_answered_as_a_wrong_signature_is() {
    let world = World::new();
    let gateway = world.gateway();
    world.set_secret(OWN, NEW);
    // It was taken out, and its parameter was left.
    world.set_secret("repositories/acme/gone/webhook-secret", NEW);
    world.set_secret("repositories/acme/odd/webhook-secret", "hunter2");
    let event = push_event('2');
    let wrong = send(&gateway, signed("/acme/web", OLD, "d-1", &event)).await;
    assert_eq!((wrong.0, error_code(&wrong.1)), (401, "unauthorized"));
    let deep = format!("/{}", ["a"; 90].join("/"));
    for name in ["/acme/gone", "/acme/none", "/acme/odd", "/acme/web/", "/..", "/a%20b", &deep] {
        for secret in [NEW, SECRET, "hunter2"] {
            let answer = send(&gateway, signed(name, secret, "d-1", &event)).await;
            assert_eq!(answer, wrong, "{name}");
        }
    }
    let mut bare = signed("/acme/web", NEW, "d-1", &event);
    bare.headers_mut().remove("x-hub-signature-256");
    let bare = send(&gateway, bare).await;
    for name in ["/acme/none", "/acme/none"] {
        let mut request = signed(name, NEW, "d-1", &event);
        request.headers_mut().remove("x-hub-signature-256");
        assert_eq!(send(&gateway, request).await, bare);
    }
    // However many are asked for, the registered one is let in.
    for number in 0..50 {
        let name = format!("/acme/none-{number}");
        assert_eq!(send(&gateway, signed(&name, NEW, "d-1", &event)).await, wrong);
    }
    assert!(world.state().executions.is_empty());
    assert_eq!(send(&gateway, signed("/acme/web", NEW, "d-1", &event)).await.0, 202);
    // Neither of the two secrets is the other.
    assert_eq!(send(&gateway, signed("/acme/web", SECRET, "d-2", &event)).await.0, 401);
    assert_eq!(send(&gateway, signed("", NEW, "d-2", &event)).await.0, 401);
}

#[tokio::test]
async fn whoever_knows_one_repositorys_secret_tells_of_no_other() {
    let world = World::new();
    let gateway = world.gateway();
    let entry = json!({ "name": "acme/api", "url": "https://git.example.com/acme/api.git" });
    let register = api("POST", "/v1/repositories", &entry.to_string());
    assert_eq!(send(&gateway, register).await.0, 200);
    world.set_secret("repositories/acme/api/webhook-secret", NEW);
    let (status, body) = send(&gateway, signed("/acme/api", NEW, "d-1", &push_event('2'))).await;
    assert_eq!((status, error_code(&body)), (403, "repository_elsewhere"), "{body}");
    let detail = body["detail"].as_str().unwrap();
    assert_eq!(detail, "the webhook is that of acme/api, and the delivery tells of acme/web");
    assert!(world.state().executions.is_empty() && world.state().claims.is_empty());
    // Nor does it take the place of a delivery of another by its id.
    let mut own = push_event('2');
    own["repository"]["full_name"] = json!("acme/api");
    own["repository"]["clone_url"] = json!("https://git.example.com/acme/api.git");
    let (status, first) = send(&gateway, signed("/acme/api", NEW, "d-1", &own)).await;
    assert_eq!(status, 202, "{first}");
    let (status, second) = send(&gateway, push("d-1", &push_event('2'))).await;
    assert_eq!((status, &second["duplicate"]), (202, &json!(false)), "{second}");
    assert_ne!(first["run_id"], second["run_id"]);
    // A host is asked what it is, whatever follows.
    let (status, body) = send(&gateway, api("POST", "/webhooks/sourceforge/acme/web", "")).await;
    assert_eq!((status, error_code(&body)), (404, "not_found"));
    assert_eq!(send(&gateway, api("GET", "/webhooks/github/acme/web", "")).await.0, 405);
}

#[tokio::test]
async fn gitlab_knows_a_repositorys_secret_as_its_token_and_as_its_key() {
    let world = World::new();
    let gateway = world.gateway();
    let body = json!({ "object_kind": "note" }).to_string();
    let post = || Request::post("/webhooks/gitlab/acme/web").header("idempotency-key", "u-1");
    world.set_secret(OWN, NEW);
    for (token, status) in [(NEW, 202), (OLD, 401)] {
        let request = post().header("x-gitlab-token", token).body(body.clone().into()).unwrap();
        assert_eq!(send(&gateway, request).await.0, status);
    }
    let time = Timestamp::now().as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(NEW.as_bytes()).unwrap();
    mac.update(format!("m-1.{time}.{body}").as_bytes());
    let signature = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
    };
    let request = post()
        .header("webhook-id", "m-1")
        .header("webhook-timestamp", time)
        .header("webhook-signature", format!("v1,{signature}"));
    assert_eq!(send(&gateway, request.body(body.clone().into()).unwrap()).await.0, 202);
    // A signing token that is none is nobody's business but its keeper's.
    world.set_secret(OWN, "whsec_not-base-64-at-all");
    let request = post()
        .header("webhook-id", "m-1")
        .header("webhook-timestamp", "1")
        .header("webhook-signature", "v1,AAAA");
    let (status, answer) = send(&gateway, request.body(body.into()).unwrap()).await;
    assert_eq!((status, error_code(&answer)), (401, "unauthorized"), "{answer}");
}

/// The clock of the secrets, in seconds.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn set(&self, seconds: i64) {
        self.0.store(seconds, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_secret_that_was_changed_counts_at_once() {
    let world = World::new();
    let clock = Clock::default();
    let mut gateway = world.gateway();
    let now = clock.clone();
    gateway.ports.secrets = Arc::new(Cached::with_clock(Arc::clone(&world.memory), move || {
        Timestamp::from_second(1_790_000_000 + now.0.load(Ordering::SeqCst)).unwrap()
    }));
    for (name, parameter, from) in [("/acme/web", OWN, 0_i64), ("", "webhook-secret", 1_000)] {
        let answer = async |secret, seconds: i64| {
            clock.set(from + seconds);
            send(&gateway, signed(name, secret, "d-1", &push_event('2'))).await.0
        };
        world.set_secret(parameter, OLD);
        assert_eq!(answer(OLD, 0).await, 202, "{parameter}");
        world.set_secret(parameter, &format!("{NEW}\n{OLD} {}", in_hours(1)));
        assert_eq!(answer(NEW, 1).await, 401, "it is not read for every delivery");
        assert_eq!(answer(NEW, 3).await, 202, "nor five minutes late");
        assert_eq!(answer(OLD, 4).await, 202);
        world.set_secret(parameter, NEW);
        assert_eq!(answer(OLD, 7).await, 401, "the one before was ended");
        assert_eq!(answer(NEW, 8).await, 202);
    }
}
