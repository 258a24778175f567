//! Pushes, told once, many times, and at the worst moment.

use std::collections::BTreeSet;

use pact_contract::{RunStatus, log, policy::PolicyRecord};

use url::form_urlencoded;

use super::*;

#[tokio::test]
async fn a_push_starts_its_run_with_what_is_written() {
    let world = World::new();
    let (status, body) = send(&world.gateway(), push("d-1", &push_event('2'))).await;
    assert_eq!(status, 202, "{body}");
    let id = body["run_id"].as_str().unwrap();
    assert_eq!(
        body,
        json!({
            "run_id": id,
            "url": format!("http://127.0.0.1:8080/runs/{id}"),
            // It begins after the answer.
            "status": "queued",
            "execution_arn": format!("arn:execution:{id}"),
            "duplicate": false,
        })
    );
    let state = world.state();
    let run = &state.runs[id];
    assert_eq!(run.status, RunStatus::Running);
    assert_eq!(state.executions[id], serde_json::to_value(&run.request).unwrap());
    assert_eq!(run.request.base, None);
    drop(state);
    let entries = world.log(id);
    assert_eq!(log::verify(&entries), Ok(()));
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].body["trigger"]["delivery"], "d-1");
}

#[tokio::test]
async fn a_push_in_a_form_is_the_same_push() {
    let world = World::new();
    let json = push_event('2').to_string();
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("payload", &json).finish().into_bytes();
    for kind in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; x=y"] {
        let mut request = webhook("push", "d-1", body.clone());
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let (status, answer) = send(&world.gateway(), request).await;
        assert_eq!(status, 202, "{answer}");
    }
    let (_, answer) = send(&world.gateway(), push("d-1", &push_event('2'))).await;
    assert_eq!(answer["duplicate"], true);
    assert_eq!(world.state().executions.len(), 1);
}

#[tokio::test]
async fn an_execution_belongs_to_the_trace_of_the_call_that_starts_it() {
    let world = World::new();
    for (header, trace) in [("Root=1-a-b;Sampled=1", Some("Root=1-a-b;Sampled=1")), ("x", None)] {
        let mut request = push("d-1", &push_event('2'));
        request.headers_mut().insert("x-amzn-trace-id", header.parse().unwrap());
        let (status, body) = send(&world.gateway(), request).await;
        assert_eq!(status, 202, "{body}");
        assert_eq!(world.state().trace.as_deref(), trace);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_deliveries_at_once_start_one_run() {
    for different in [false, true] {
        let world = World::new();
        let sent = (0..10).map(|n| {
            let gateway = world.gateway();
            let delivery = if different { format!("d-{n}") } else { "d-1".to_owned() };
            tokio::spawn(async move { send(&gateway, push(&delivery, &push_event('2'))).await })
        });
        let answers = futures::future::join_all(sent.collect::<Vec<_>>()).await;
        let mut ids = BTreeSet::new();
        let mut new = 0;
        for answer in answers {
            let (status, body) = answer.unwrap();
            assert_eq!(status, 202, "{body}");
            assert!(["queued", "running"].contains(&body["status"].as_str().unwrap()), "{body}");
            new += usize::from(body["duplicate"] == json!(false));
            ids.insert(body["run_id"].as_str().unwrap().to_owned());
        }
        assert_eq!((ids.len(), new), (1, 1));
        let id = ids.first().unwrap();
        assert_eq!(world.state().executions.keys().collect::<Vec<_>>(), [id]);
        assert_eq!(world.log(id).len(), if different { 10 } else { 1 });
    }
}

#[tokio::test]
async fn whatever_step_fails_a_second_delivery_completes_the_work() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let gateway = world.gateway();
        world.fail_after(steps);
        let (first, body) = send(&gateway, push("d-1", &push_event('2'))).await;
        if world.no_fault_came() {
            assert_eq!(first, 202);
            break;
        }
        // What comes after the answer says nothing in it.
        if first != 202 {
            assert_eq!((first, error_code(&body)), (503, "unavailable"), "step {steps}");
        }
        let (second, body) = send(&gateway, push("d-1", &push_event('2'))).await;
        assert_eq!(second, 202, "step {steps}: {body}");
        let id = body["run_id"].as_str().unwrap();
        let state = world.state();
        assert_eq!(state.executions.len(), 1, "step {steps}");
        assert_eq!(state.runs.len(), 1, "step {steps}");
        assert_eq!(state.runs[id].status, RunStatus::Running);
        drop(state);
        assert_eq!(world.log(id).len(), 1, "step {steps}");
        steps += 1;
    }
    assert!(steps >= 6, "only {steps} steps");
}

#[tokio::test]
async fn another_commit_or_branch_is_another_run() {
    let world = World::new();
    let gateway = world.gateway();
    let mut dev = push_event('2');
    dev["ref"] = json!("refs/heads/dev");
    for (delivery, event) in [("1", push_event('2')), ("2", push_event('3')), ("3", dev)] {
        let (_, body) = send(&gateway, push(delivery, &event)).await;
        assert_eq!(body["duplicate"], false);
    }
    assert_eq!(world.state().executions.len(), 3);
}

fn start(rerun: bool) -> Request<Body> {
    let body = json!({
        "repository": { "name": "acme/web", "url": "https://git.example.com/acme/web.git" },
        "branch": "main",
        "commit": "2".repeat(40),
        "author": "Ada",
        "rerun": rerun,
    });
    api("POST", "/v1/pipelines", &body.to_string())
}

fn finish(world: &World, id: &str, status: RunStatus) {
    world.state().runs.get_mut(id).unwrap().status = status;
}

#[tokio::test]
async fn webhook_and_api_are_two_ways_to_tell_one_push() {
    let world = World::new();
    let gateway = world.gateway();
    let id = started(&world).await;
    let (status, body) = send(&gateway, start(false)).await;
    assert_eq!((status, &body["run_id"], &body["duplicate"]), (202, &json!(id), &json!(true)));
    finish(&world, &id, RunStatus::Succeeded);
    let (status, body) = send(&gateway, start(false)).await;
    assert_eq!((status, &body["status"]), (202, &json!("succeeded")));
    assert_eq!(world.state().executions.len(), 1);

    let (status, body) = send(&gateway, api("GET", &format!("/v1/runs/{id}"), "")).await;
    assert_eq!((status, &body["status"]), (200, &json!("succeeded")));
    assert_eq!(body["commit"], "2".repeat(40));
}

#[tokio::test]
async fn a_push_can_run_again_when_its_latest_run_has_ended() {
    let world = World::new();
    let gateway = world.gateway();
    // The first one needs no other before it.
    let (status, first) = send(&gateway, start(true)).await;
    assert_eq!((status, &first["duplicate"]), (202, &json!(false)));
    let (status, body) = send(&gateway, start(true)).await;
    assert_eq!((status, error_code(&body)), (409, "run_active"));
    let id = first["run_id"].as_str().unwrap();
    for number in 1..=3 {
        let latest = if number == 1 { id.to_owned() } else { format!("{id}-{}", number - 1) };
        finish(&world, &latest, RunStatus::Failed);
        let (status, again) = send(&gateway, start(true)).await;
        assert_eq!((status, &again["run_id"]), (202, &json!(format!("{id}-{number}"))));
        assert!(again["url"].as_str().unwrap().starts_with("https://pact.example.com/runs/"));
    }
    assert_eq!(world.state().executions.len(), 4);
    assert_eq!(send(&gateway, start(true)).await.0, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_ask_for_another_run_at_once_get_one() {
    let world = World::new();
    let id = started(&world).await;
    finish(&world, &id, RunStatus::Failed);
    let sent = (0..2).map(|_| {
        let gateway = world.gateway();
        tokio::spawn(async move { send(&gateway, start(true)).await.0 })
    });
    for status in futures::future::join_all(sent.collect::<Vec<_>>()).await {
        assert!(matches!(status.unwrap(), 202 | 409));
    }
    assert_eq!(world.state().executions.len(), 2);
}

/// A push of the branch `main` from one commit to another.
fn from_to(before: char, after: char) -> Value {
    let mut event = push_event(after);
    event["before"] = json!(before.to_string().repeat(40));
    event
}

async fn told(world: &Arc<World>, delivery: &str, event: &Value) -> (String, bool) {
    let (status, body) = send(&world.gateway(), push(delivery, event)).await;
    assert_eq!(status, 202, "{body}");
    (body["run_id"].as_str().unwrap().to_owned(), body["duplicate"] == json!(true))
}

fn place(world: &World, id: &str) -> u64 {
    world.state().runs[id].request.place.unwrap()
}

#[tokio::test]
async fn forward_back_and_forward_again_are_four_runs_in_their_order() {
    let world = World::new();
    let mut places = Vec::new();
    let ways = [('0', '1'), ('1', '2'), ('2', '1'), ('1', '2')];
    for (number, (before, after)) in (1..).zip(ways) {
        let event = from_to(before, after);
        let (id, duplicate) = told(&world, &format!("d-{number}"), &event).await;
        assert!(!duplicate, "push {number}");
        places.push(place(&world, &id));
        // The host tells once more.
        assert_eq!(told(&world, &format!("d-{number}"), &event).await, (id, true));
    }
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    // The second delivery of all is known, however often the branch went the same way since.
    let (_, duplicate) = told(&world, "d-2", &from_to('1', '2')).await;
    assert!(duplicate);
    assert_eq!(world.state().executions.len(), 4);
}

#[tokio::test]
async fn a_delivery_that_comes_late_has_its_place_before_what_went_on_from_it() {
    let world = World::new();
    let (second, _) = told(&world, "d-2", &from_to('1', '2')).await;
    let (first, duplicate) = told(&world, "d-1", &from_to('0', '1')).await;
    assert!(!duplicate);
    assert!(place(&world, &first) < place(&world, &second));
}

#[tokio::test]
async fn what_ended_by_a_fault_runs_again_when_its_host_tells_of_it_again() {
    let world = World::new();
    let (id, _) = told(&world, "d-1", &from_to('0', '1')).await;
    finish(&world, &id, RunStatus::Failed);
    // A verdict stays.
    assert_eq!(told(&world, "d-1", &from_to('0', '1')).await, (id.clone(), true));
    let fault = serde_json::json!({ "state": "AnalyzeChanges", "error": "ERR_SOURCE_UNAVAILABLE" });
    for number in 1..=2 {
        let latest = if number == 1 { id.clone() } else { format!("{id}-{}", number - 1) };
        {
            let mut state = world.state();
            let run = state.runs.get_mut(latest.as_str()).unwrap();
            run.status = RunStatus::Failed;
            let mut outcome =
                pact_contract::run::Outcome::unknown(RunStatus::Failed, "away".to_owned());
            outcome.fault = serde_json::from_value(fault.clone()).unwrap();
            run.outcome = Some(outcome);
        }
        let (again, duplicate) = told(&world, "d-1", &from_to('0', '1')).await;
        assert_eq!((again.clone(), duplicate), (format!("{id}-{number}"), false));
        assert_eq!(place(&world, &again), place(&world, &id), "it is the same push");
        assert_eq!(told(&world, "d-1", &from_to('0', '1')).await, (again, true), "once");
    }
}

#[tokio::test]
async fn what_is_wanted_on_purpose_comes_after_everything() {
    let world = World::new();
    let (first, _) = told(&world, "d-1", &from_to('0', '1')).await;
    let (second, _) = told(&world, "d-2", &from_to('1', '2')).await;
    let mut body = json!({
        "repository": { "name": "acme/web", "url": "https://git.example.com/acme/web.git" },
        "branch": "main",
        "commit": "1".repeat(40),
        "on_purpose": "the second loses orders",
    });
    body["author"] = json!("Ada");
    let (status, answer) =
        send(&world.gateway(), api("POST", "/v1/pipelines", &body.to_string())).await;
    assert_eq!(status, 202, "{answer}");
    let id = answer["run_id"].as_str().unwrap();
    assert!(place(&world, &first) < place(&world, &second));
    assert!(place(&world, &second) < place(&world, id));
    let run = world.state().runs[id].clone();
    let word = run.request.on_purpose.unwrap();
    assert_eq!(
        (word.by.as_str(), word.reason.as_str()),
        ("installation for Ada", "the second loses orders")
    );
}

#[tokio::test]
async fn a_message_can_ask_for_nothing() {
    let world = World::new();
    for message in ["A note [skip ci]", "A note\n\n[CI Skip]\nmore", "[no ci] x"] {
        let mut event = push_event('3');
        event["head_commit"]["message"] = json!(message);
        let (status, body) = send(&world.gateway(), push("d-9", &event)).await;
        assert_eq!((status, body["status"].as_str()), (202, Some("ignored")), "{body}");
    }
    assert_eq!(world.state().executions.len(), 0);
}

/// Has these settings agreed to as the rules of the repository.
async fn agreed(world: &Arc<World>, text: &str) {
    let record = PolicyRecord {
        schema: PolicyRecord::VERSION,
        commit: "f".repeat(40),
        branch: "main".to_owned(),
        place: 1,
        run_id: "first".parse().unwrap(),
        path: Some("pact.toml".to_owned()),
        text: Some(text.to_owned()),
        loosened: Vec::new(),
        agreed_by: None,
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let name = "acme/web".parse().unwrap();
    assert!(world.ports().policies.put_policy(&name, &record).await.unwrap());
}

#[tokio::test]
async fn branches_and_tags_are_run_by_the_rules_that_were_agreed_to() {
    let world = World::new();
    let tell = async |delivery: &str, reference: &str| {
        let mut event = push_event('2');
        event["ref"] = json!(reference);
        // What an annotated tag points to is an object of its own.
        event["after"] = json!("a".repeat(40));
        let (status, body) = send(&world.gateway(), push(delivery, &event)).await;
        assert_eq!(status, 202, "{body}");
        body
    };
    let ignored = |body: &Value, why: &str| {
        let reason = body["reason"].as_str().unwrap_or_default();
        assert_eq!((body["status"].as_str(), reason), (Some("ignored"), why));
    };
    // Without rules every branch is run, and no tag.
    assert_eq!(tell("d-1", "refs/heads/wip").await["status"], "queued");
    ignored(
        &tell("d-2", "refs/tags/v1").await,
        "a push of a tag starts nothing: on.tags names none",
    );
    agreed(&world, "on = { branches = [\"main\"], tags = [\"v*\"] }").await;
    ignored(
        &tell("d-3", "refs/heads/wip2").await,
        &format!(
            "the branch wip2 starts nothing: on.branches = [\"main\"] (pact.toml of {})",
            "f".repeat(40)
        ),
    );
    assert_eq!(tell("d-4", "refs/heads/main").await["status"], "queued");
    let tagged = tell("d-5", "refs/tags/v1").await;
    assert_eq!(tagged["status"], "queued", "{tagged}");
    let request = world.state().runs[tagged["run_id"].as_str().unwrap()].request.clone();
    assert_eq!((request.reference.as_str(), request.branch.as_str()), ("refs/tags/v1", "v1"));
    // Its commit is run, not the tag's own object.
    assert_eq!((request.commit, request.base), ("2".repeat(40), None));
    assert_eq!(tell("d-6", "refs/tags/v1").await["duplicate"], true);
    // Who registered the repository has the last word.
    let name = "acme/web".parse().unwrap();
    world.state().registry.get_mut::<pact_contract::RepositoryName>(&name).unwrap().branches =
        vec!["main".to_owned()];
    ignored(&tell("d-7", "refs/tags/v2").await, "acme/web runs main only");
}

#[tokio::test]
async fn rules_that_are_not_valid_any_more_stop_no_branch() {
    let world = World::new();
    agreed(&world, "on = { branches = 7 }").await;
    let (id, _) = told(&world, "d-1", &push_event('2')).await;
    assert_eq!(world.state().runs[id.as_str()].status, RunStatus::Running);
}

#[tokio::test]
async fn a_newer_push_takes_the_place_of_older_ones_that_have_not_begun_to_deploy() {
    let world = World::new();
    let (first, _) = told(&world, "d-1", &from_to('0', '1')).await;
    let (second, _) = told(&world, "d-2", &from_to('1', '2')).await;
    let run = world.state().runs[first.as_str()].clone();
    assert_eq!(run.status, RunStatus::Superseded);
    let reason = run.outcome.unwrap().reason;
    assert_eq!(reason, format!("a newer push of main took its place: run {second}"));
    assert!(world.state().stopped.contains(&format!("arn:execution:{first}")));
    let actions: Vec<_> = world.log(&first).into_iter().map(|entry| entry.action).collect();
    assert_eq!(actions.last().map(String::as_str), Some("gateway.supersede_run"));

    // One that has begun to deploy goes on, and so do those of other branches.
    let staging = "staging".parse().unwrap();
    world.state().runs.get_mut(second.as_str()).unwrap().deploying = Some(staging);
    let mut dev = from_to('2', '3');
    dev["ref"] = json!("refs/heads/dev");
    let (other, _) = told(&world, "d-3", &dev).await;
    let (third, _) = told(&world, "d-4", &from_to('2', '3')).await;
    for id in [&second, &other, &third] {
        assert_eq!(world.state().runs[id.as_str()].status, RunStatus::Running, "{id}");
    }
}

#[tokio::test]
async fn where_it_is_switched_off_every_push_runs_to_its_end() {
    let world = World::new();
    world.state().supersede = crate::config::Supersede::No;
    let gateway = world.gateway();
    for (delivery, event) in [("d-1", from_to('0', '1')), ("d-2", from_to('1', '2'))] {
        assert_eq!(send(&gateway, push(delivery, &event)).await.0, 202);
    }
    assert!(world.state().runs.values().all(|run| run.status == RunStatus::Running));
}

#[tokio::test]
async fn a_superseding_that_failed_halfway_is_completed_by_the_same_push() {
    let mut steps = 0;
    loop {
        let world = World::new();
        let (first, _) = told(&world, "d-1", &from_to('0', '1')).await;
        let gateway = world.gateway();
        world.fail_after(steps);
        let (status, _) = send(&gateway, push("d-2", &from_to('1', '2'))).await;
        if world.no_fault_came() {
            assert_eq!(status, 202);
            break;
        }
        assert!([202, 503].contains(&status));
        let (status, body) = send(&gateway, push("d-2", &from_to('1', '2'))).await;
        assert_eq!(status, 202, "step {steps}: {body}");
        let state = world.state();
        assert_eq!(state.runs.len(), 2, "step {steps}");
        assert_eq!(state.runs[first.as_str()].status, RunStatus::Superseded, "step {steps}");
        steps += 1;
    }
    assert!(steps > 10, "only {steps} steps");
}

#[tokio::test]
async fn an_answer_costs_one_read_one_write_and_a_word() {
    let world = World::new();
    let gateway = world.gateway();
    // The first push of a repository also has its heads noted.
    told(&world, "d-1", &from_to('0', '1')).await;
    world.fail_after(usize::MAX);
    let (status, body) = answered(&gateway, push("d-2", &from_to('1', '2'))).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(world.calls(), 3, "known, taken up, told");
}

#[tokio::test]
async fn what_was_answered_and_told_nobody_is_taken_up_by_the_pass() {
    let world = World::new();
    let (first, _) = told(&world, "d-1", &from_to('0', '1')).await;
    // Killed right after the answer.
    let (status, body) = answered(&world.gateway(), push("d-2", &from_to('1', '2'))).await;
    assert_eq!(status, 202, "{body}");
    let second = body["run_id"].as_str().unwrap();
    assert_eq!(world.state().runs[second].status, RunStatus::Queued);
    world.told.lock().unwrap().clear();
    reconcile(&world.ports(), json!({ "pass": {} })).await.unwrap();
    let state = world.state();
    assert_eq!(state.runs[second].status, RunStatus::Running);
    assert!(state.executions.contains_key(second));
    assert_eq!(state.runs[first.as_str()].status, RunStatus::Superseded);
}

#[tokio::test]
async fn a_newer_push_that_is_taken_up_first_leaves_nothing_to_the_older_one() {
    let world = World::new();
    let gateway = world.gateway();
    let (_, first) = answered(&gateway, push("d-1", &from_to('0', '1'))).await;
    let (_, second) = answered(&gateway, push("d-2", &from_to('1', '2'))).await;
    let mut events = std::mem::take(&mut *world.told.lock().unwrap());
    events.reverse();
    for event in events {
        reconcile(&world.ports(), event).await.unwrap();
    }
    let state = world.state();
    let status = |body: &Value| state.runs[body["run_id"].as_str().unwrap()].status;
    assert_eq!((status(&first), status(&second)), (RunStatus::Superseded, RunStatus::Running));
    assert_eq!(state.executions.len(), 1);
}
