//! How long the answer to a push takes, beside a route that only answers, at 200 a second, through the
//! whole stack:
//!
//! ```sh
//! cargo build --release -p pactctl && cargo bench -p pact-e2e --bench pushes
//! ```
//!
//! `PACT_PROGRAM` names another `pactctl`. What is shown is the median and the 99th percentile of
//! three seconds each, and how many times the second is that of the route that only answers.
#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench is read by people")]

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use pact_e2e::{Stack, percentile, steady};
use serde_json::{Value, json};
use sha2::Sha256;

/// Pushes of a second, and how many in all.
const RATE: u32 = 200;
const COUNT: u32 = 600;
/// Repositories and branches of each that are pushed to in turn.
const REPOSITORIES: u32 = 10;
const BRANCHES: u32 = 20;

fn line(what: &str, mut times: Vec<Duration>, turned_away: usize) -> Duration {
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    println!(
        "{what:<28} p50 {half:>10.1?} p99 {most:>10.1?} turned away {turned_away:>4} of {COUNT}"
    );
    most
}

fn main() {
    let stack = Stack::new();
    let (running, endpoints) = stack.up();
    let secrets = stack.secrets();
    let text = |of: &Value, name: &str| -> String {
        of.get(name).and_then(Value::as_str).expect("a text").to_owned()
    };
    let api = text(&endpoints, "api");
    let (secret, token) = (text(&secrets, "webhook"), text(&secrets, "api_token"));
    let http = reqwest::blocking::Client::new();
    // Nothing is there to be fetched: what begins ends soon.
    let address = |repository: u32| format!("file:///nowhere/r{repository}");
    for repository in 0..REPOSITORIES {
        let body = json!({ "name": format!("acme/r{repository}"), "url": address(repository) });
        let request = http.post(format!("{api}/v1/repositories")).bearer_auth(&token);
        let answer = request.json(&body).send().expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }
    let push = |number: u32| {
        let repository = number % REPOSITORIES;
        let commit = format!("{:040x}", u64::from(number) + 1);
        let body = json!({
            "ref": format!("refs/heads/b{}", number / REPOSITORIES % BRANCHES),
            "before": "0".repeat(40),
            "after": commit,
            "repository": {
                "full_name": format!("acme/r{repository}"),
                "clone_url": address(repository),
                "default_branch": "main",
            },
            "head_commit": {
                "id": commit,
                "message": "Let the cart keep what a guest put in",
                "author": { "name": "Ada" },
            },
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let request = http
            .post(format!("{api}/webhooks/github"))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", format!("d-{number}"))
            .header("x-hub-signature-256", signature);
        request.body(body).send().expect("an answer").status().as_u16()
    };
    let health = || http.get(format!("{api}/health")).send().expect("an answer").status().as_u16();
    // Whoever answers is there before it counts.
    for number in 0..20 {
        push(COUNT + number);
        health();
    }
    let (times, turned_away) = steady(RATE, COUNT, |_| health());
    let only = line("GET /health, 200 a second", times, turned_away);
    let (times, turned_away) = steady(RATE, COUNT, push);
    let most = line("a push, 200 a second", times, turned_away);
    println!(
        "p99 of a push: {:.1} times that of a route that only answers",
        most.div_duration_f64(only)
    );
    drop(running);
}
