//! The doors, on the wire: tokens of people, and browsers that are signed in.

use pact_e2e::Stack;
use reqwest::{StatusCode, blocking::Client, redirect::Policy};
use serde_json::{Value, json};

use crate::{gateway::up, text};

/// The value of a field of a page.
fn field<'p>(page: &'p str, name: &str) -> &'p str {
    let marker = format!("name=\"{name}\" value=\"");
    let rest = page.split_once(&*marker).unwrap_or_else(|| panic!("no {name} in {page}")).1;
    rest.split('"').next().expect("a value")
}

#[test]
fn the_printed_link_signs_a_browser_in_and_its_buttons_work() {
    let stack = Stack::new().with("USER", "grace");
    let up = up(&stack);
    let browser = Client::builder().redirect(Policy::none()).build().expect("a client");
    let get = |path: &str, cookie: &str| {
        let request = browser.get(format!("{}{path}", up.api)).header("cookie", cookie);
        let answer = request.send().expect("an answer");
        (answer.status(), answer.text().expect("a text"))
    };
    let form = |path: &str, cookie: &str, fields: &[(&str, &str)]| {
        let mut body = String::new();
        for (name, value) in fields {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            body.push_str(&format!("{name}={value}&"));
        }
        let request = browser.post(format!("{}{path}", up.api)).header("origin", &up.api);
        let kind = "application/x-www-form-urlencoded";
        let request = request.header("content-type", kind).header("cookie", cookie);
        let answer = request.body(body.trim_end_matches('&').to_owned()).send().expect("an answer");
        let header = |name: &str| {
            let value = answer.headers().get(name).map(|value| value.to_str().expect("text"));
            value.unwrap_or_default().to_owned()
        };
        (answer.status(), header("location"), header("set-cookie"))
    };
    assert_eq!(get("/", "").0, StatusCode::SEE_OTHER);

    let printed = stack.pactctl(&["sign-in"]).stdout;
    let path = printed.trim().strip_prefix(&*up.api).expect("a link to the dashboard");
    let (status, page) = get(path, "");
    assert_eq!(status, StatusCode::OK);
    let code = field(&page, "code");
    let (status, to, set) = form("/v1/session", "", &[("code", code), ("next", "/environments")]);
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/environments"));
    let cookie = set.split(';').next().expect("a cookie").to_owned();
    let (_, to, set) = form("/v1/session", "", &[("code", code)]);
    assert!(to.starts_with("/sign-in?refused=unauthorized") && set.is_empty(), "once: {to}");

    let repository = json!({ "name": "acme/shop", "url": "http://127.0.0.1:9/shop.git" });
    let start = json!({ "repository": repository, "branch": "main", "commit": "1".repeat(40) });
    let ask = |path: &str, body: &Value| -> Value {
        let request = up.http.post(format!("{}{path}", up.api)).bearer_auth(&up.token);
        request.json(body).send().expect("an answer").json().expect("JSON")
    };
    ask("/v1/repositories", &repository);
    let started = ask("/v1/pipelines", &start);
    let id = text(&started, "/run_id");
    let (status, page) = get(&format!("/runs/{id}"), &cookie);
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("installation for grace") && page.contains("Cancel it"), "{page}");
    let fields = [("csrf", field(&page, "csrf")), ("next", "/"), ("reason", "no use")];
    let (status, to, _) = form(&format!("/v1/runs/{id}/cancel"), &cookie, &fields);
    assert_eq!((status, to), (StatusCode::SEE_OTHER, format!("/runs/{id}")));
    let (_, page) = get(&format!("/runs/{id}"), &cookie);
    assert!(page.contains("cancelled on request of installation for grace: no use"), "{page}");

    assert_eq!(form("/v1/session/end", &cookie, &[]).1, "/sign-in");
    assert_eq!(get("/", &cookie).0, StatusCode::SEE_OTHER);
}

#[test]
fn a_token_is_handed_out_used_listed_and_revoked() {
    let stack = Stack::new();
    let up = up(&stack);
    let made = stack.pactctl(&["tokens", "add", "ada", "--scope", "read", "--json"]).json();
    let token = text(&made, "/token");
    let read = || {
        let request = up.http.get(format!("{}/api/runs", up.api)).bearer_auth(token);
        request.send().expect("an answer").status()
    };
    assert_eq!(read(), StatusCode::OK);
    let caller = up.http.get(format!("{}/v1/caller", up.api)).bearer_auth(token).send();
    let caller: Value = caller.expect("an answer").json().expect("JSON");
    assert_eq!((text(&caller, "/owner"), &caller["scopes"]), ("ada", &json!(["read"])));
    let pipelines = up.http.post(format!("{}/v1/pipelines", up.api)).bearer_auth(token);
    let refused = pipelines.json(&json!({})).send().expect("an answer");
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let listed = stack.pactctl(&["tokens", "list"]).stdout;
    assert!(listed.contains("ada  read") && listed.contains("used "), "{listed}");
    let kept = std::fs::read_dir(stack.data()).expect("the data folder");
    let secret = token.rsplit('_').next().expect("a secret").as_bytes().to_vec();
    for file in kept.flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).expect("a file");
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "the token is in {}", file.path().display());
    }
    assert_eq!(stack.pactctl(&["tokens", "revoke", text(&made, "/id")]).code, Some(0));
    assert_eq!(read(), StatusCode::UNAUTHORIZED);
}
