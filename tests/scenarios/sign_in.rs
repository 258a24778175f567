//! People sign in at a certified OpenID Connect provider: npm's `oidc-provider`.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use pact_e2e::Stack;
use reqwest::{
    blocking::{Client, Response},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::{gateway, text};

/// The provider; it ends with its standard input.
struct Provider {
    child: Child,
    issuer: String,
    /// What it says is read by nobody, but may be said.
    _out: BufReader<ChildStdout>,
}

impl Provider {
    /// None, with a word, where node or the library is not there.
    fn start() -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/oidc_provider.cjs");
        let mut node = Command::new("node");
        let node = node.args(["-e", "require('oidc-provider')"]).stderr(Stdio::null());
        if !node.status().is_ok_and(|status| status.success()) {
            eprintln!(
                "skipped: nobody signed in at a real provider, node finds no oidc-provider \
                 (npm install oidc-provider, NODE_PATH)"
            );
            return None;
        }
        let mut node = Command::new("node");
        node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = node.spawn().expect("node starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("standard output is piped");
        let mut out = BufReader::new(out);
        out.read_line(&mut line).expect("it says where it is");
        Some(Self { child, issuer: line.trim().to_owned(), _out: out })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A browser: it keeps cookies, follows where it is sent, and remembers where it was.
struct Browser {
    http: Client,
    cookies: BTreeMap<String, String>,
    seen: Vec<String>,
}

impl Browser {
    fn new() -> Self {
        let http = Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { http, cookies: BTreeMap::new(), seen: Vec::new() }
    }

    fn cookie(&self) -> String {
        let all: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.join("; ")
    }

    fn get(&mut self, url: &str) -> Response {
        let answer = self.http.get(url).header("cookie", self.cookie()).send().expect("an answer");
        self.seen.push(url.to_owned());
        for set in answer.headers().get_all("set-cookie") {
            let set = set.to_str().expect("text").split(';').next().unwrap_or_default().to_owned();
            let (name, value) = set.split_once('=').expect("a cookie");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Goes on until there is a page, and says which.
    fn follow(&mut self, url: &str) -> (String, String) {
        let mut url = reqwest::Url::parse(url).expect("an address");
        for _ in 0..20 {
            let answer = self.get(url.as_str());
            let Some(to) = answer.headers().get("location") else {
                let page = url.to_string();
                return (page, answer.text().expect("a text"));
            };
            url = url.join(to.to_str().expect("text")).expect("an address");
        }
        panic!("sent on for ever: {:?}", self.seen);
    }
}

#[test]
fn people_sign_in_at_a_certified_provider_and_act_in_their_own_name() {
    let Some(provider) = Provider::start() else { return };
    let stack = Stack::new()
        .with("PACT_SIGN_IN_ISSUER", &provider.issuer)
        .with("PACT_SIGN_IN_CLIENT", "pact")
        .with("PACT_SIGN_IN_SECRET", "s+cr:t")
        .with("PACT_SIGN_IN_ALLOW", "@example.org=read,group:ops=approve+operate");
    let up = gateway::up(&stack);
    let at = |path: &str| format!("{}{path}", up.api);
    let control = |path: &str| {
        let answer = reqwest::blocking::get(format!("{}{path}", provider.issuer));
        assert!(answer.expect("the provider answers").status().is_success(), "{path}");
    };
    control(&format!("/client?redirect={}", at("/v1/sign-in/callback")));

    let mut ada = Browser::new();
    let (_, page) = ada.follow(&at("/environments"));
    assert!(page.contains("Sign in with 127.0.0.1"), "{page}");
    assert!(page.contains("href=\"/v1/sign-in?next=%2Fenvironments\""), "{page}");
    let (url, page) = ada.follow(&at("/v1/sign-in?next=%2Fenvironments"));
    assert_eq!(url, at("/environments"), "{page}");
    let caller: Value = ada.get(&at("/v1/caller")).json().expect("JSON");
    assert_eq!(caller["owner"], "ada@example.org");
    assert_eq!(caller["scopes"], json!(["read", "approve", "operate"]));

    // What she does is recorded as hers.
    let repository = json!({ "name": "acme/shop", "url": "http://127.0.0.1:9/shop.git" });
    let start = json!({ "repository": repository, "branch": "main", "commit": "1".repeat(40) });
    let ask = |path: &str, body: &Value| -> Value {
        let request = up.http.post(at(path)).bearer_auth(&up.token);
        request.json(body).send().expect("an answer").json().expect("JSON")
    };
    ask("/v1/repositories", &repository);
    let started = ask("/v1/pipelines", &start);
    let run = at(&format!("/runs/{}", text(&started, "/run_id")));
    let page = ada.get(&run).text().expect("a page");
    let csrf = page.split_once("name=\"csrf\" value=\"").expect("a button").1;
    let csrf = csrf.split('"').next().expect("a value");
    let cancel = at(&format!("/v1/runs/{}/cancel", text(&started, "/run_id")));
    let cancelled = ada
        .http
        .post(cancel)
        .header("cookie", ada.cookie())
        .header("origin", &up.api)
        .header("x-pact-csrf", csrf)
        .json(&json!({ "reason": "no use" }))
        .send()
        .expect("an answer");
    assert_eq!(cancelled.status(), 200, "{cancelled:?}");
    let page = ada.get(&run).text().expect("a page");
    assert!(page.contains("cancelled on request of ada@example.org: no use"), "{page}");

    // Her provider's answer is of no use to anybody else, or again.
    let callback = ada.seen.iter().find(|url| url.contains("/callback?")).expect("one").clone();
    assert!(callback.contains("iss="), "RFC 9207: {callback}");
    for browser in [&mut Browser::new(), &mut ada] {
        let (url, _) = browser.follow(&callback);
        assert!(url.contains("/sign-in?refused=sign_in_failed"), "{url}");
    }
    // Nor with a state, or an issuer, that is another one's.
    for (part, other) in [("state=", "state=0"), ("iss=", "iss=x")] {
        let mut browser = Browser::new();
        let mut url = at("/v1/sign-in");
        while !url.starts_with(&at("/v1/sign-in/callback?")) {
            let here = reqwest::Url::parse(&url).expect("an address");
            let answer = browser.get(&url);
            let to = answer.headers().get("location").expect("it is sent on").to_str();
            url = here.join(to.expect("text")).expect("an address").to_string();
        }
        let (url, _) = browser.follow(&url.replace(part, other));
        assert!(url.contains("/sign-in?refused=sign_in_failed"), "{url}");
    }
    for nobody in ["eve", "mallory"] {
        control(&format!("/as?who={nobody}"));
        let mut browser = Browser::new();
        let (url, page) = browser.follow(&at("/v1/sign-in"));
        assert!(url.contains("/sign-in?refused=no_grant"), "{nobody}: {url}");
        assert!(page.contains("SignInAllow"), "{page}");
        assert_eq!(browser.get(&at("/v1/caller")).status(), 401, "{nobody}");
    }
}

#[test]
fn rules_that_let_nobody_in_are_refused_before_the_stack_is_up() {
    let stack = Stack::new();
    let issuer = "https://id.example.org";
    let up = stack.pactctl(&["up", "--port", "0", "--aws-port", "0", "--sign-in-issuer", issuer]);
    assert_eq!(up.code, Some(2), "{up:?}");
    for missing in ["PACT_SIGN_IN_CLIENT", "PACT_SIGN_IN_ALLOW"] {
        assert!(up.stderr.contains(missing), "{up:?}");
    }
}
