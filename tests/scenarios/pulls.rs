//! Pull requests through the whole stack: verified as they would be merged, shown on their host, a
//! fork's after somebody's word, and never deployed.

use pact_e2e::{Repo, Stack, wait_for};
use serde_json::{Value, json};

use crate::{
    gateway::{self, Up},
    has_stage, nothing_deployed,
    statuses::{Host, register},
    text,
};

/// A pull request as GitHub tells of it.
fn event(repo: &Repo, action: &str, (number, fork): (u64, bool), head: &str, base: &str) -> Value {
    json!({
        "action": action,
        "number": number,
        "pull_request": {
            "number": number, "title": "A basket", "user": { "login": "eve" },
            "head": { "ref": "basket", "sha": head, "repo": { "id": if fork { 9 } else { 7 } } },
            "base": { "ref": "main", "sha": base, "repo": { "id": 7 } },
        },
        "repository": {
            "id": 7, "full_name": "acme/shop", "default_branch": "main",
            "clone_url": format!("file://{}", repo.path().display()),
        },
        "sender": { "login": "eve" },
    })
}

fn told(up: &Up, delivery: &str, event: &Value) -> Value {
    let body = event.to_string();
    let signature = gateway::sign(up.webhook_secret(), body.as_bytes());
    let (status, answer) = up.deliver_event("pull_request", delivery, &signature, body);
    assert_eq!(status, 202, "{answer}");
    answer
}

/// How the run of an answer ended, once it did, with all that is known of it.
fn ended(stack: &Stack, answer: &Value) -> Value {
    let id = text(answer, "/run_id");
    assert!(!id.is_empty(), "{answer}");
    wait_for("the end of the run", 120, || {
        let report = stack.pactctl(&["runs", "show", id, "--json"]).json();
        (!["running", "queued"].contains(&text(&report, "/status"))).then_some(report)
    })
}

fn verdict(host: &Host, commit: &str) -> String {
    wait_for("the verdict on the commit", 60, || {
        let shown = host.shows(commit);
        let (context, state, _) = shown.last().filter(|(_, state, _)| state != "pending")?;
        assert_eq!(context, "pact/pull-request", "{shown:?}");
        Some(state.clone())
    })
}

#[test]
fn a_pull_request_is_verified_as_it_would_be_merged_and_never_deployed() {
    let (stack, repo, host) = (Stack::new(), Repo::shop(), Host::default());
    let api = host.serve();
    let (_running, up) = gateway::up_running(&stack);
    register(&stack, &format!("file://{}", repo.path().display()), &api);
    let fork_point = repo.git(&["rev-parse", "HEAD"]);
    // Main goes on; each of the two parses, and so does what comes of merging them.
    let main = repo.write("other.py", "a = 1\n").commit("Main goes on");
    repo.git(&["checkout", "-q", "-b", "basket", &fork_point]);
    let head = repo.write("app.py", "def total(items):\n    return 3\n").commit("A basket");
    let merges = |head: &str| {
        repo.git(&["checkout", "-q", "--detach", "main"]);
        repo.git(&["merge", "-q", "--no-ff", "-m", "Merge", head]);
        repo.git(&["update-ref", "refs/pull/12/head", head]);
        repo.git(&["update-ref", "refs/pull/12/merge", "HEAD"]);
    };
    merges(&head);
    let opened = told(&up, "p-1", &event(&repo, "opened", (12, false), &head, &main));
    let report = ended(&stack, &opened);
    assert_eq!(text(&report, "/status"), "succeeded", "{report:#}");
    nothing_deployed(&report);
    assert!(has_stage(&report, "RunUnitTests"), "{report:#}");
    assert_eq!(verdict(&host, &head), "success");
    // A commit that breaks it, told twice.
    repo.git(&["checkout", "-q", "basket"]);
    let broken = repo.write("app.py", "def total(:\n").commit("Break it");
    merges(&broken);
    let synchronised = event(&repo, "synchronize", (12, false), &broken, &main);
    let answer = told(&up, "p-2", &synchronised);
    assert_eq!(told(&up, "p-2", &synchronised)["run_id"], answer["run_id"]);
    let report = ended(&stack, &answer);
    assert_eq!(text(&report, "/status"), "rejected", "{report:#}");
    nothing_deployed(&report);
    assert_eq!(verdict(&host, &broken), "failure");

    // Of a fork nothing runs before somebody says so, and then this commit alone.
    repo.git(&["update-ref", "refs/pull/13/head", &head]);
    let before = up.executions();
    let waits = told(&up, "p-3", &event(&repo, "opened", (13, true), &head, &main));
    assert_eq!(text(&waits, "/status"), "waiting", "{waits}");
    assert_eq!(up.executions(), before);
    let list = stack.pactctl(&["repos", "pulls", "acme/shop", "--json"]).json();
    assert_eq!(list["pulls"][0]["number"], 13, "{list:#}");
    let other = ["repos", "pulls", "acme/shop", "--allow", "13", "--commit", &broken];
    assert_ne!(stack.pactctl(&other).code, Some(0), "another commit than the one that waits");
    let word = ["repos", "pulls", "acme/shop", "--allow", "13", "--commit", &head, "--json"];
    let allowed = stack.pactctl(&word);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    let report = ended(&stack, &allowed.json());
    assert_eq!(text(&report, "/status"), "succeeded", "{report:#}");
    nothing_deployed(&report);
}
