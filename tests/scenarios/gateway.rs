//! What the gateway refuses, on the wire, and that nothing is started by it.

use hmac::{Hmac, KeyInit, Mac};
use pact_e2e::{Aws, Running, Stack};
use reqwest::{StatusCode, blocking::Client};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::text;

/// A stack that is up, and how to talk to it.
pub(crate) struct Up {
    pub(crate) api: String,
    pub(crate) aws: Aws,
    webhook_secret: String,
    pub(crate) token: String,
    pub(crate) http: Client,
    /// Ends with this.
    _running: Option<Running>,
}

pub(crate) fn up(stack: &Stack) -> Up {
    let (running, up) = up_running(stack);
    Up { _running: Some(running), ..up }
}

/// The same, with the process, which the stack ends with.
pub(crate) fn up_running(stack: &Stack) -> (Running, Up) {
    let (running, endpoints) = stack.up();
    let secrets = stack.secrets();
    let up = Up {
        api: text(&endpoints, "/api").to_owned(),
        aws: stack.aws(),
        webhook_secret: text(&secrets, "/webhook").to_owned(),
        token: text(&secrets, "/api_token").to_owned(),
        http: Client::new(),
        _running: None,
    };
    (running, up)
}

impl Up {
    /// Binds the repository's name to its address, as its owner does before its host may push.
    pub(crate) fn register(&self, payload: &Value) -> StatusCode {
        let body = json!({
            "name": payload["repository"]["full_name"],
            "url": payload["repository"]["clone_url"],
            "replace": true,
        });
        let request = self.http.post(format!("{}/v1/repositories", self.api));
        let answer = request.bearer_auth(&self.token).json(&body).send();
        answer.expect("the gateway answers").status()
    }

    /// Delivers a signed push of a repository that is registered with that.
    pub(crate) fn push(&self, delivery: &str, payload: &Value) -> (StatusCode, Value) {
        self.register(payload);
        let body = payload.to_string();
        let signature = sign(&self.webhook_secret, body.as_bytes());
        self.deliver(delivery, &signature, body)
    }

    /// What webhooks are signed with.
    pub(crate) fn webhook_secret(&self) -> &str {
        &self.webhook_secret
    }

    pub(crate) fn deliver(
        &self,
        delivery: &str,
        signature: &str,
        body: String,
    ) -> (StatusCode, Value) {
        self.deliver_event("push", delivery, signature, body)
    }

    /// The same of another event.
    pub(crate) fn deliver_event(
        &self,
        event: &str,
        delivery: &str,
        signature: &str,
        body: String,
    ) -> (StatusCode, Value) {
        let answer = self
            .http
            .post(format!("{}/webhooks/github", self.api))
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", delivery)
            .header("x-hub-signature-256", signature)
            .body(body)
            .send()
            .expect("the gateway answers");
        (answer.status(), answer.json().unwrap_or_default())
    }

    /// Every execution of the pipeline.
    pub(crate) fn executions(&self) -> usize {
        crate::aws_clients::executions(&self.aws).len()
    }
}

pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A push event of a repository on this machine.
pub(crate) fn payload(path: &std::path::Path, before: &str, after: &str) -> Value {
    json!({
        "ref": "refs/heads/main",
        "before": before,
        "after": after,
        "deleted": false,
        "repository": {
            "full_name": "acme/shop",
            "clone_url": format!("file://{}", path.display()),
            "default_branch": "main",
        },
        "pusher": { "name": "ada" },
        "head_commit": { "id": after, "message": "A push", "author": { "name": "Ada" } },
    })
}

#[test]
fn refusals_start_nothing() {
    let stack = Stack::new();
    let up = up(&stack);
    let good = payload(std::path::Path::new("/nowhere"), &"1".repeat(40), &"2".repeat(40));
    let body = good.to_string();

    let (status, _) = up.deliver("d1", &sign("another secret", body.as_bytes()), body.clone());
    assert_eq!(status, StatusCode::UNAUTHORIZED, "wrong signature");
    let (status, _) = up.deliver("d1", "", body.clone());
    assert_eq!(status, StatusCode::UNAUTHORIZED, "no signature");
    let signature = sign(&up.webhook_secret, body.as_bytes());
    let (status, _) = up.deliver("d1", &signature, body.replace("shop", "shup"));
    assert_eq!(status, StatusCode::UNAUTHORIZED, "altered body");

    let (status, answer) = up.push("d2", &json!({ "ref": 7 }));
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    assert!(answer.to_string().contains("ref"), "the field is named: {answer}");

    let mut large = good.clone();
    // On its way to the function a quote of this text becomes four characters.
    large["ref"] = json!("refs/tags/v1");
    large["padding"] = json!("");
    let spare = 3_000_000 - large.to_string().len();
    large["padding"] = json!("\"".repeat(spare / 2) + &"x".repeat(spare % 2));
    let (status, answer) = up.push("d3", &large);
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    for more in [3_000_000, 7_000_000] {
        large["padding"] = json!("x".repeat(more));
        let (status, _) = up.push("d3", &large);
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    let status = |method: reqwest::Method, path: &str, token: Option<&str>, body: &str| {
        let mut request =
            up.http.request(method, format!("{}{path}", up.api)).body(body.to_owned());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().expect("the gateway answers").status()
    };
    use reqwest::Method;
    assert_eq!(status(Method::POST, "/v1/pipelines", None, "{}"), StatusCode::UNAUTHORIZED);
    assert_eq!(status(Method::POST, "/v1/pipelines", Some("no"), "{}"), StatusCode::UNAUTHORIZED);
    assert_eq!(
        status(Method::POST, "/v1/pipelines", Some(&up.token), "{"),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(status(Method::GET, "/v1/runs/none", Some(&up.token), ""), StatusCode::NOT_FOUND);
    assert_eq!(status(Method::GET, "/v1/nothing", Some(&up.token), ""), StatusCode::NOT_FOUND);
    assert_eq!(status(Method::POST, "/webhooks/sourceforge", None, ""), StatusCode::NOT_FOUND);
    assert_eq!(status(Method::GET, "/health", None, ""), StatusCode::OK);
    for path in ["/health", "/v1/agents", "/", "/runs", "/api/runs", "/assets/app.css"] {
        assert_eq!(status(Method::HEAD, path, Some(&up.token), ""), StatusCode::OK, "{path}");
    }
    for path in ["/api/runs", "/api/environments", "/api/runs/none", "/v1/runs/none"] {
        assert_eq!(status(Method::GET, path, None, ""), StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/?cursor=W10", "/api/runs?cursor=W10", "/api/runs?cursor=5a237765622d31%23"] {
        let answered = status(Method::GET, path, Some(&up.token), "");
        assert_eq!(answered, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(status(Method::GET, "/v1/agents", None, ""), StatusCode::OK);

    // A push is of the address that its name was bound to, and of no other, however well it is signed.
    up.register(&good);
    let signed = |change: &dyn Fn(&mut Value)| {
        let mut push = good.clone();
        change(&mut push);
        let body = push.to_string();
        up.deliver("d4", &sign(&up.webhook_secret, body.as_bytes()), body)
    };
    let elsewhere =
        ["file:///elsewhere", "file:///nowhere/../elsewhere", "https://evil.example/shop"];
    for url in elsewhere {
        let (status, answer) = signed(&|push| push["repository"]["clone_url"] = json!(url));
        assert_eq!(status, StatusCode::FORBIDDEN, "{url}: {answer}");
        assert_eq!(text(&answer, "/code"), "repository_elsewhere", "{url}");
    }
    let (status, answer) = signed(&|push| push["repository"]["full_name"] = json!("acme/Shop"));
    assert_eq!((status, text(&answer, "/code")), (StatusCode::FORBIDDEN, "repository_unknown"));
    // A commit may ask for nothing.
    for message in ["Notes [skip ci]", "Notes [Actions Skip]", "Notes\n\nskip-checks: true"] {
        let (status, answer) = signed(&|push| push["head_commit"]["message"] = json!(message));
        assert_eq!(
            (status, text(&answer, "/status")),
            (StatusCode::ACCEPTED, "ignored"),
            "{message}"
        );
    }

    let odd = up.http.get(format!("{}/v1/runs/%FF", up.api)).bearer_auth(&up.token);
    let answer = odd.header("x-forwarded-proto", "no scheme").send().expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");

    assert_eq!(up.executions(), 0, "nothing was started");
}
