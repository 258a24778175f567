//! Git hosts, by what they really send.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pact_e2e::{Repo, Stack};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::{gateway, text};

/// What the gateway answers to the examples of these events; none, with a word, where node or the
/// libraries are not there.
fn octokit(api: &str, secret: &str, events: &str) -> Option<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/octokit_payloads.cjs");
    let mut node = Command::new("node");
    let looked = ["@octokit/webhooks-examples", "@octokit/webhooks-methods/package.json"]
        .map(|name| format!("require.resolve('{name}')"))
        .join(";");
    node.args(["-e", &looked]).stdout(Stdio::null()).stderr(Stdio::null());
    if !node.status().is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: no payload of GitHub was delivered, node finds no @octokit/webhooks-examples \
             and @octokit/webhooks-methods (npm install, NODE_PATH)"
        );
        return None;
    }
    let mut node = Command::new("node");
    let node = node.arg(script).env("GATEWAY", api).env("SECRET", secret).env("EVENTS", events);
    let output = node.output().expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("a list"))
}

#[test]
fn every_payload_of_github_ends_as_its_event_says() {
    let stack = Stack::new();
    let up = gateway::up(&stack);
    let Some(answers) = octokit(&up.api, up.webhook_secret(), "") else { return };
    assert!(answers.len() > 300, "{}", answers.len());
    let mut runs = 0;
    for delivered in &answers {
        let (name, action) = (text(delivered, "/name"), text(delivered, "/action"));
        let deleted = delivered["deleted"] == json!(true);
        let right = match (name, action) {
            ("ping", _) => (200, "/status", "pong"),
            ("push", _) if !deleted => (403, "/code", "repository_unknown"),
            ("pull_request", "opened" | "synchronize" | "reopened") => {
                (403, "/code", "repository_unknown")
            }
            _ => (202, "/status", "ignored"),
        };
        let (status, field, said) = right;
        runs += usize::from(status == 403);
        let got = (&delivered["status"], text(&delivered["answer"], field));
        assert_eq!(got, (&json!(status), said), "{delivered:#}");
    }
    assert!(runs >= 8, "{runs}");

    // Registered, the same ones run; told again, they do not run again.
    let payload = json!({ "repository": {
        "full_name": "Codertocat/Hello-World",
        "clone_url": "https://github.com/Codertocat/Hello-World.git",
    } });
    assert!(up.register(&payload).is_success());
    let push = |_: usize| {
        let answers = octokit(&up.api, up.webhook_secret(), "push").expect("node is there");
        let of_branch = |one: &Value| text(one, "/ref") == "refs/heads/master";
        answers.into_iter().find(of_branch).expect("a push of a branch")
    };
    let [first, again] = [0, 1].map(push);
    assert_eq!(first["status"], 202, "{first:#}");
    assert_eq!(first["answer"]["duplicate"], json!(false), "{first:#}");
    assert_eq!(again["answer"]["duplicate"], json!(true), "{again:#}");
    assert_eq!(first["answer"]["run_id"], again["answer"]["run_id"]);
}

#[test]
fn gitlab_tells_of_pushes_by_its_token_and_by_its_signature() {
    let (token, key) = ("token-of-gitlab-0123", "key-of-gitlab-0123456789");
    let stack = Stack::new().with("PACT_GITLAB_TOKEN", token).with("PACT_GITLAB_SIGNING", key);
    let (up, repo) = (gateway::up(&stack), Repo::new());
    repo.write("README.md", "# A shop\n");
    let commit = repo.commit("Say what it is");
    let url = format!("file://{}", repo.path().display());
    let add = ["repos", "add", "acme/shops/web", &url, "--host", "gitlab"];
    let added = stack.pactctl(&add);
    assert_eq!(added.code, Some(0), "{added:?}");
    let body = json!({
        "object_kind": "push", "ref": "refs/heads/main",
        "before": "0".repeat(40), "after": commit, "checkout_sha": commit,
        "user_username": "ada",
        "project": {
            "id": 15, "path_with_namespace": "acme/shops/web", "git_http_url": url,
            "default_branch": "main",
        },
        "commits": [{ "id": commit, "message": "Say what it is", "author": { "name": "Ada" } }],
    })
    .to_string();
    let deliver = |id: &str, headers: &[(&str, &str)]| -> (StatusCode, Value) {
        let request = up.http.post(format!("{}/webhooks/gitlab", up.api));
        let request = request.header("content-type", "application/json");
        let mut request =
            request.header("x-gitlab-event", "Push Hook").header("idempotency-key", id);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.clone()).send().expect("an answer");
        (answer.status(), answer.json().unwrap_or_default())
    };
    let (status, _) = deliver("u-1", &[("x-gitlab-token", "token-of-gitlab-0124")]);
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, answer) = deliver("u-1", &[("x-gitlab-token", token)]);
    assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
    assert_eq!(answer["duplicate"], json!(false), "{answer:#}");

    let time = jiff::Timestamp::now().as_second().to_string();
    let signed = gateway::sign(key, format!("u-1.{time}.{body}").as_bytes());
    let signed = hex::decode(signed.trim_start_matches("sha256=")).expect("hexadecimal");
    let signature = format!("v1,{}", STANDARD.encode(signed));
    let all =
        [("webhook-id", "u-1"), ("webhook-timestamp", &*time), ("webhook-signature", &*signature)];
    let (status, again) = deliver("u-1", &all);
    assert_eq!((status, &again["run_id"]), (StatusCode::ACCEPTED, &answer["run_id"]), "{again:#}");
    assert_eq!(again["duplicate"], json!(true), "the same delivery, however it is proven");
    let (status, _) = deliver("u-1", &[all[0], ("webhook-timestamp", "1614265330"), all[2]]);
    assert_eq!(status, StatusCode::UNAUTHORIZED, "of another time");

    // It is registered as one of GitLab: nobody else tells of it.
    let mut payload = gateway::payload(repo.path(), &"0".repeat(40), &commit);
    payload["repository"]["full_name"] = json!("acme/shops/web");
    let payload = payload.to_string();
    let signature = gateway::sign(up.webhook_secret(), payload.as_bytes());
    let (status, refused) = up.deliver("d-1", &signature, payload);
    assert_eq!((status, text(&refused, "/code")), (StatusCode::FORBIDDEN, "repository_elsewhere"));
    let detail = text(&refused, "/detail");
    assert!(detail.contains("is registered as one of gitlab, not of github"), "{refused:#}");
}
