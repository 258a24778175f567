//! Pull requests: verified as they would be merged; those of forks after an approver's word.

use pact_contract::{registry::Forks, statuses::StatusSettings};

use super::*;

fn event(action: &str, digit: char, fork: bool) -> Value {
    json!({
        "action": action,
        "pull_request": {
            "number": 12,
            "title": "A basket",
            "user": { "login": "eve" },
            "head": {
                "sha": digit.to_string().repeat(40), "repo": { "id": if fork { 9 } else { 7 } },
            },
            "base": { "ref": "main", "sha": "1".repeat(40), "repo": { "id": 7 } },
        },
        "repository": {
            "id": 7,
            "full_name": "acme/web",
            "clone_url": "https://git.example.com/acme/web.git",
            "default_branch": "main",
        },
        "sender": { "login": "eve" },
    })
}

async fn told(world: &Arc<World>, delivery: &str, event: &Value) -> Value {
    let body = event.to_string().into_bytes();
    let (status, body) = send(&world.gateway(), webhook("pull_request", delivery, body)).await;
    assert_eq!(status, 202, "{body}");
    body
}

fn forks(world: &World, forks: Forks) {
    world.state().registry.values_mut().next().unwrap().forks = forks;
}

async fn allow(world: &Arc<World>, number: u64, digit: char) -> (u16, Value) {
    let body = json!({ "number": number, "commit": digit.to_string().repeat(40) }).to_string();
    send(&world.gateway(), api("POST", "/v1/pulls/acme/web", &body)).await
}

#[tokio::test]
async fn one_of_the_repository_runs_once_and_is_never_deployed() {
    let world = World::new();
    let first = told(&world, "d-1", &event("opened", '2', false)).await;
    let again = told(&world, "d-1", &event("opened", '2', false)).await;
    let reopened = told(&world, "d-2", &event("reopened", '2', false)).await;
    assert_eq!(first["run_id"], again["run_id"]);
    assert_eq!(first["run_id"], reopened["run_id"]);
    let id = first["run_id"].as_str().unwrap();
    let request = world.state().runs[id].request.clone();
    assert_eq!((&*request.reference, &*request.branch), ("refs/pull/12/head", "pull/12"));
    assert_eq!(request.trigger.kind, "pull_request");
    assert!(request.verify_only.is_some_and(|why| why.contains("a pull request")));
    assert_eq!(request.pull.unwrap().merge.as_deref(), Some("refs/pull/12/merge"));
    // The next commit takes its place.
    let next = told(&world, "d-3", &event("synchronize", '3', false)).await;
    assert_ne!(first["run_id"], next["run_id"]);
    let before = world.state().runs[id].status;
    assert_eq!(before, pact_contract::RunStatus::Superseded);
    // What runs once more is a pull request still.
    let path = format!("/v1/runs/{id}/rerun");
    let (status, body) = send(&world.gateway(), api("POST", &path, "")).await;
    assert_eq!(status, 202, "{body}");
    let rerun = world.state().runs[body["run_id"].as_str().unwrap()].request.clone();
    assert!(rerun.pull.is_some() && rerun.verify_only.is_some());
    assert_eq!(rerun.reference, "refs/pull/12/head");
}

#[tokio::test]
async fn one_into_a_branch_that_is_not_run_starts_nothing() {
    let world = World::new();
    world.state().registry.values_mut().next().unwrap().branches = vec!["release/*".to_owned()];
    let body = told(&world, "d-1", &event("opened", '2', false)).await;
    assert_eq!(body["status"], "ignored", "{body}");
    assert!(world.state().runs.is_empty());
}

#[tokio::test]
async fn a_forks_commit_waits_for_a_word_that_counts_for_it_alone() {
    let world = World::new();
    let settings =
        StatusSettings { host: "github".to_owned(), api: "http://127.0.0.1:9".to_owned() };
    world.state().registry.values_mut().next().unwrap().statuses = Some(settings);
    let body = told(&world, "d-1", &event("opened", '2', true)).await;
    assert_eq!(body["status"], "waiting", "{body}");
    let command = format!("pactctl repos pulls acme/web --allow 12 --commit {}", "2".repeat(40));
    assert!(body["reason"].as_str().unwrap().contains(&command), "{body}");
    assert!(world.state().runs.is_empty());
    let shown = world.statuses.all().remove(0);
    assert_eq!(shown.key.context, "pact/pull-request");
    assert!(shown.wanted.description.contains("waits for an approver"), "{shown:?}");

    let (status, body) = send(&world.gateway(), api("GET", "/v1/pulls/acme/web", "")).await;
    assert_eq!((status, body["pulls"][0]["number"].as_u64()), (200, Some(12)), "{body}");
    assert_eq!(body["pulls"][0]["allowed"], Value::Null);

    // Its author pushes while somebody looks at what was there.
    told(&world, "d-2", &event("synchronize", '3', true)).await;
    assert_eq!(allow(&world, 12, '2').await.0, 404);
    assert_eq!(allow(&world, 13, '3').await.0, 404);
    let (status, run) = allow(&world, 12, '3').await;
    assert_eq!(status, 202, "{run}");
    let id = run["run_id"].as_str().unwrap().to_owned();
    {
        let state = world.state();
        let request = &state.runs[id.as_str()].request;
        assert_eq!((request.commit.clone(), state.runs.len()), ("3".repeat(40), 1));
        assert_eq!(request.trigger.actor.as_deref(), Some("installation"));
        assert!(request.pull.as_ref().unwrap().fork && request.verify_only.is_some());
    }
    // The same word, and the same delivery, again.
    assert_eq!(allow(&world, 12, '3').await.1["run_id"], run["run_id"]);
    assert_eq!(
        told(&world, "d-2", &event("synchronize", '3', true)).await["run_id"],
        run["run_id"]
    );
    assert_eq!(world.state().runs.len(), 1);
    // And what comes after it waits anew.
    assert_eq!(told(&world, "d-3", &event("synchronize", '4', true)).await["status"], "waiting");
}

#[tokio::test]
async fn the_registry_says_what_happens_to_forks() {
    let world = World::new();
    forks(&world, Forks::Refuse);
    assert_eq!(told(&world, "d-1", &event("opened", '2', true)).await["status"], "ignored");
    forks(&world, Forks::Run);
    assert!(told(&world, "d-2", &event("opened", '2', true)).await["run_id"].is_string());
    let entry = json!({
        "name": "acme/web", "url": "https://git.example.com/acme/web", "forks": "perhaps",
    });
    let (status, body) =
        send(&world.gateway(), api("POST", "/v1/repositories", &entry.to_string())).await;
    assert_eq!((status, body["field"].as_str()), (400, Some("forks")), "{body}");
}

#[tokio::test]
async fn a_word_that_was_interrupted_is_completed_by_the_same_word() {
    for calls in 0.. {
        let world = World::new();
        told(&world, "d-1", &event("opened", '2', true)).await;
        world.fail_after(calls);
        let (status, _) = allow(&world, 12, '2').await;
        let done = world.no_fault_came();
        // What comes after the answer says nothing in it.
        if status != 202 || world.state().executions.is_empty() {
            assert_eq!(allow(&world, 12, '2').await.0, 202, "after {calls} calls");
        }
        assert_eq!(world.state().runs.len(), 1, "after {calls} calls");
        assert_eq!(world.state().executions.len(), 1, "after {calls} calls");
        if done {
            assert!(calls > 5, "{calls}");
            break;
        }
    }
}
