//! A repository's webhook has a secret of its own, which is changed while deliveries come.

use pact_e2e::{Repo, Stack, wait_for};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{
    gateway::{payload, sign, up},
    text,
};

#[test]
fn a_secret_is_changed_without_losing_a_push_and_ended_at_once() {
    let stack = Stack::new();
    let (up, repo) = (up(&stack), Repo::new());
    repo.write("README.md", "# A shop\n");
    let first = repo.commit("Say what it is");
    repo.write("README.md", "# Another shop\n");
    let second = repo.commit("Say it better");
    let url = format!("file://{}", repo.path().display());
    let none = stack.pactctl(&["repos", "rotate", "acme/shop", "--json"]);
    assert_ne!(none.code, Some(0), "it is not registered: {none:?}");
    assert_eq!(stack.pactctl(&["repos", "add", "acme/shop", &url]).code, Some(0));

    let rotate = |more: &[&str]| -> Value {
        let args = [&["repos", "rotate", "acme/shop", "--json"], more].concat();
        let made = stack.pactctl(&args);
        assert_eq!(made.code, Some(0), "{made:?}");
        made.json()
    };
    let deliver = |made: &Value, id: &str, before: &str, after: &str| -> (StatusCode, Value) {
        let body = payload(repo.path(), before, after).to_string();
        let answer = up
            .http
            .post(text(made, "/url"))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", id)
            .header("x-hub-signature-256", sign(text(made, "/secret"), body.as_bytes()))
            .body(body)
            .send()
            .expect("the gateway answers");
        (answer.status(), answer.json().unwrap_or_default())
    };
    let zero = "0".repeat(40);
    let old = rotate(&[]);
    assert_eq!(text(&old, "/url"), format!("{}/webhooks/github/acme/shop", up.api));
    assert_eq!(old["before_until"], json!(null), "there was none");
    let new = rotate(&["--keep-hours", "1"]);
    assert!(!text(&new, "/before_until").is_empty(), "{new:#}");

    let (status, by_new) = deliver(&new, "d-1", &zero, &first);
    assert_eq!((status, &by_new["duplicate"]), (StatusCode::ACCEPTED, &json!(false)), "{by_new:#}");
    let (status, by_old) = deliver(&old, "d-2", &first, &second);
    assert_eq!((status, &by_old["duplicate"]), (StatusCode::ACCEPTED, &json!(false)), "{by_old:#}");
    assert_ne!(by_new["run_id"], by_old["run_id"]);

    // What was done and never shown is shown by the same command again; the host's counts all along.
    for _ in 0..2 {
        let unheard = stack.pactctl_unheard(&["repos", "rotate", "acme/shop", "--json"]);
        assert_ne!(unheard, Some(0), "its secret was printed nowhere");
    }
    let shown = rotate(&[]);
    // What the gateway has read is at most three seconds old where something does not fit.
    let taken = |made: &Value| {
        wait_for("the secret to count", 30, || {
            let (status, answer) = deliver(made, "d-1", &zero, &first);
            (status == StatusCode::ACCEPTED).then_some(answer)
        })
    };
    assert_eq!(taken(&shown)["run_id"], by_new["run_id"]);
    let (status, by_host) = deliver(&new, "d-1", &zero, &first);
    assert_eq!((status, &by_host["run_id"]), (StatusCode::ACCEPTED, &by_new["run_id"]));
    // By the API: whoever asks makes the secret, and the same again is the same change.
    let own = "a-secret-of-my-own-making-0123456789";
    let by_api = || {
        let answer = up
            .http
            .post(format!("{}/v1/webhook-secrets/acme/shop", up.api))
            .bearer_auth(&up.token)
            .json(&json!({ "secret": own }))
            .send()
            .expect("the gateway answers");
        let status = answer.status();
        (status, answer.json::<Value>().unwrap_or_default())
    };
    let (status, once) = by_api();
    assert_eq!((status, &once["changed"]), (StatusCode::OK, &json!(true)), "{once:#}");
    let (status, twice) = by_api();
    assert_eq!((status, &twice["changed"]), (StatusCode::OK, &json!(false)), "{twice:#}");
    assert_eq!(twice["before_until"], once["before_until"]);
    for secret in [json!(own), shown["secret"].clone()] {
        let made = json!({ "url": shown["url"], "secret": secret });
        assert_eq!(taken(&made)["run_id"], by_new["run_id"]);
    }

    let latest = rotate(&["--now"]);
    assert_eq!(latest["before_until"], json!(null));
    let again = wait_for("the latest secret to count", 30, || {
        let (status, answer) = deliver(&latest, "d-2", &first, &second);
        (status == StatusCode::ACCEPTED).then_some(answer)
    });
    assert_eq!(again["run_id"], by_old["run_id"], "{again:#}");
    // A delivery by the latest ends the one before.
    let before = json!({ "url": shown["url"], "secret": own });
    let (status, refused) = deliver(&before, "d-2", &first, &second);
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{refused:#}");
    assert_eq!(text(&refused, "/code"), "unauthorized");
    let (status, _) = deliver(&new, "d-1", &zero, &first);
    assert_eq!(status, StatusCode::UNAUTHORIZED, "it was ended by the latest one");

    assert_eq!(stack.pactctl(&["repos", "remove", "acme/shop"]).code, Some(0));
    let kept = std::fs::read_to_string(stack.data().join("parameters.json")).expect("the list");
    assert!(!kept.contains("webhook-secret"), "it is forgotten: {kept}");
    let (status, answer) = deliver(&latest, "d-2", &first, &second);
    assert_eq!((status, &answer), (StatusCode::UNAUTHORIZED, &refused), "as a wrong signature is");
}
