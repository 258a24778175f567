//! Runs that are interrupted go on.

use pact_e2e::{Repo, Running, Stack, serves, wait_for};
use serde_json::Value;

use crate::{gate::Gate, get, text};

/// A run that waits in its tests until the gate is opened.
fn waiting_run(stack: &Stack, repo: &Repo) -> (Running, Gate) {
    let gate = Gate::new();
    repo.write("test.sh", &gate.script());
    repo.write("app.py", "a = 1\n");
    repo.commit("Wait in the tests");
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    gate.wait(1);
    (running, gate)
}

fn ends_well(stack: &Stack, repo: &Repo, gate: &Gate) {
    let (running, endpoints) = stack.up();
    // The build ended with its host: the tests begin anew.
    gate.open();
    let (api, secrets) = (text(&endpoints, "/api"), stack.secrets());
    let url = wait_for("the run goes on to its end", 90, || {
        let list = stack.pactctl(&["runs", "list", "--json"]).json();
        let runs = list["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 1, "one run, nothing lost, nothing twice: {list:#}");
        let id = text(&runs[0], "/run_id").to_owned();
        if text(&runs[0], "/status") == "running" {
            return None;
        }
        let answer = reqwest::blocking::Client::new()
            .get(format!("{api}/v1/runs/{id}"))
            .bearer_auth(text(&secrets, "/api_token"))
            .send()
            .expect("the gateway answers");
        let run: Value = answer.json().expect("JSON");
        assert_eq!(text(&run, "/status"), "succeeded", "{run:#}");
        let report = stack.pactctl(&["runs", "show", &id, "--json"]).json();
        let production = report["deployments"]
            .as_array()
            .and_then(|d| d.iter().find(|d| d["environment"] == "production"))
            .and_then(|d| d["url"].as_str())
            .expect("production has an address")
            .to_owned();
        Some(production)
    });
    assert_eq!(get(&url).as_deref(), Some("one"), "{}", repo.path().display());
    running.signal("TERM");
    let ended = running.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn ctrl_c_in_the_middle_then_up_goes_on() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let (running, gate) = waiting_run(&stack, &repo);
    running.signal("INT");
    let interrupted = running.wait();
    assert_eq!(interrupted.code, Some(130), "{interrupted:?}");
    assert!(interrupted.stderr.contains("pactctl up"), "{}", interrupted.stderr);
    gate.gone(10);
    ends_well(&stack, &repo, &gate);
}

#[test]
fn kill_9_in_the_middle_then_up_goes_on() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let (running, gate) = waiting_run(&stack, &repo);
    let children = running.functions("TestAgentFunction");
    assert!(!children.is_empty(), "the agent is a process of its own");
    running.signal("KILL");
    let killed = running.wait();
    assert_eq!(killed.code, None, "{killed:?}");
    wait_for("the functions die with their host", 10, || {
        children.iter().all(|pid| !serves(*pid, "TestAgentFunction")).then_some(())
    });
    gate.gone(10);
    ends_well(&stack, &repo, &gate);
}

#[test]
fn a_run_that_is_cancelled_ends_at_once_and_deploys_nothing() {
    let (stack, repo) = (Stack::new(), Repo::shop());
    let (running, gate) = waiting_run(&stack, &repo);
    let endpoints: Value = serde_json::from_slice(
        &std::fs::read(stack.data().join("stack.json")).expect("the stack is announced"),
    )
    .expect("JSON");
    let list = stack.pactctl(&["runs", "list", "--json"]).json();
    let id = text(&list["runs"][0], "/run_id").to_owned();
    let answer = reqwest::blocking::Client::new()
        .post(format!("{}/v1/runs/{id}/cancel", text(&endpoints, "/api")))
        .bearer_auth(text(&stack.secrets(), "/api_token"))
        .json(&serde_json::json!({ "by": "Ada", "reason": "wrong branch" }))
        .send()
        .expect("the gateway answers");
    assert_eq!(answer.status(), 200, "{:?}", answer.text());
    // The stop reaches what the tests have started.
    gate.gone(5);
    let ended = running.wait();
    let report = ended.json();
    assert_eq!((ended.code, text(&report, "/status")), (Some(1), "cancelled"), "{report:#}");
    assert!(text(&report, "/reason").contains("wrong branch"), "{report:#}");
    crate::nothing_deployed(&report);
}
