//! Who begins, who waits, and in which order.

use std::collections::BTreeSet;

use pact_agent::room::Room as _;
use pact_contract::{RunStatus, room::Limits};

use super::*;
use crate::reconciler::reconcile;

/// Has so many runs go on at once.
fn room(world: &World, runs: usize, per_repository: usize) {
    world.state().limits = Limits { runs, per_repository };
}

/// A push of a branch of a repository, which is registered.
async fn pushed(world: &Arc<World>, repository: &str, branch: &str) -> (u16, Value) {
    let mut event = push_event('2');
    event["ref"] = json!(format!("refs/heads/{branch}"));
    event["repository"]["full_name"] = json!(repository);
    let name = repository.parse().unwrap();
    {
        let mut state = world.state();
        let mut entry = state.registry.values().next().unwrap().clone();
        entry.name = name;
        state.registry.insert(entry.name.clone(), entry);
    }
    let delivery = format!("{}-{branch}", repository.replace('/', "-"));
    send(&world.gateway(), push(&delivery, &event)).await
}

/// The same, which is accepted; its run and the status after it was taken up.
async fn accepted(world: &Arc<World>, repository: &str, branch: &str) -> (String, String) {
    let (status, body) = pushed(world, repository, branch).await;
    assert_eq!(status, 202, "{body}");
    let id = body["run_id"].as_str().unwrap().to_owned();
    let status = world.state().runs[id.as_str()].status.as_str().to_owned();
    (id, status)
}

/// The execution of a run ends, as the state machine has it end; its event comes.
async fn end(world: &Arc<World>, id: &str) {
    {
        let mut state = world.state();
        state.runs.get_mut(id).unwrap().status = RunStatus::Succeeded;
        state.closed.insert(id.parse().unwrap());
        state.states.insert(id.to_owned(), crate::testing::status("SUCCEEDED"));
    }
    told(world, id).await.unwrap();
}

/// The event of its end.
async fn told(world: &Arc<World>, id: &str) -> Result<Value, pact_agent::AgentError> {
    let event = json!({
        "detail-type": "Step Functions Execution Status Change",
        "detail": { "name": id, "status": "SUCCEEDED" },
    });
    reconcile(&world.ports(), event).await
}

async fn pass(world: &Arc<World>) -> Result<Value, pact_agent::AgentError> {
    // Whoever had it before has died.
    world.state().pass.0 = false;
    reconcile(&world.ports(), json!({ "pass": {} })).await
}

/// Runs that are running.
fn running(world: &World) -> BTreeSet<String> {
    let state = world.state();
    let running = state.runs.values().filter(|run| run.status == RunStatus::Running);
    running.map(|run| run.request.run_id.to_string()).collect()
}

#[tokio::test]
async fn what_finds_no_room_waits_and_begins_at_the_next_end() {
    let world = World::new();
    room(&world, 1, 1);
    let (first, status) = accepted(&world, "acme/web", "a").await;
    assert_eq!(status, "running");
    let (second, status) = accepted(&world, "acme/web", "b").await;
    assert_eq!(status, "queued");
    assert!(!world.state().executions.contains_key(&second));
    // Told again, it waits once.
    assert_eq!(accepted(&world, "acme/web", "b").await, (second.clone(), "queued".to_owned()));
    end(&world, &first).await;
    assert_eq!(running(&world), [second.clone()].into());
    let request = json!(world.state().runs[second.as_str()].request);
    assert_eq!(world.state().executions[&second], request);
    end(&world, &second).await;
    // Nobody waits any more, and who comes now begins at once.
    assert!(world.state().queues.is_empty());
    assert!(world.state().queued.values().all(BTreeSet::is_empty));
    assert!(world.room().await.unwrap().0.is_empty());
    assert_eq!(accepted(&world, "acme/web", "c").await.1, "running");
}

#[tokio::test]
async fn a_repository_that_has_all_its_room_holds_up_no_other() {
    let world = World::new();
    room(&world, 3, 2);
    for (branch, expected) in [("a", "running"), ("b", "running"), ("c", "queued"), ("d", "queued")]
    {
        assert_eq!(accepted(&world, "acme/slow", branch).await.1, expected, "{branch}");
    }
    assert_eq!(accepted(&world, "acme/web", "main").await.1, "running");
    assert_eq!(accepted(&world, "acme/other", "main").await.1, "queued", "there is no more");
}

#[tokio::test]
async fn repositories_take_turns_and_each_keeps_its_order() {
    let world = World::new();
    room(&world, 1, 1);
    let (mut current, _) = accepted(&world, "acme/busy", "0").await;
    let mut names = std::collections::BTreeMap::new();
    for (repository, branches) in [("acme/busy", 4), ("acme/late", 2), ("acme/last", 1)] {
        for branch in 1..=branches {
            let (id, status) = accepted(&world, repository, &branch.to_string()).await;
            assert_eq!(status, "queued");
            names.insert(id, format!("{repository} {branch}"));
        }
    }
    let mut order = Vec::new();
    for _ in 0..names.len() {
        end(&world, &current).await;
        let now = running(&world);
        assert_eq!(now.len(), 1);
        current = now.into_iter().next().unwrap();
        order.push(names[&current].clone());
    }
    let expected = [
        "acme/busy 1",
        "acme/late 1",
        "acme/last 1",
        "acme/busy 2",
        "acme/late 2",
        "acme/busy 3",
        "acme/busy 4",
    ];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn what_is_cancelled_or_superseded_in_its_queue_never_begins() {
    let world = World::new();
    room(&world, 1, 1);
    let (first, _) = accepted(&world, "acme/web", "a").await;
    let (cancelled, _) = accepted(&world, "acme/web", "b").await;
    let (status, body) =
        send(&world.gateway(), api("POST", &format!("/v1/runs/{cancelled}/cancel"), "")).await;
    assert_eq!((status, &body["status"]), (200, &json!("cancelled")), "{body}");
    let (older, _) = accepted(&world, "acme/web", "main").await;
    let mut event = push_event('3');
    event["before"] = json!("2".repeat(40));
    let (_, body) = send(&world.gateway(), push("newer", &event)).await;
    let newer = body["run_id"].as_str().unwrap().to_owned();
    assert_eq!(world.state().runs[older.as_str()].status, RunStatus::Superseded);
    assert_eq!(world.state().queued.values().map(BTreeSet::len).sum::<usize>(), 1);
    end(&world, &first).await;
    assert_eq!(running(&world), [newer.clone()].into());
    assert_eq!(world.state().executions.len(), 2);
    // They have no execution whose end would tell of them: the pass counts them.
    pass(&world).await.unwrap();
    assert_eq!(world.metric_events().len(), 3);
}

#[tokio::test]
async fn who_waits_for_a_person_gives_room_to_others() {
    let world = World::new();
    room(&world, 1, 1);
    let (first, _) = accepted(&world, "acme/web", "a").await;
    let (second, _) = accepted(&world, "acme/web", "b").await;
    let approval = json!({ "approval": {
        "run_id": first, "state": "AwaitApproval", "question": "?", "expires_seconds": 60,
        "task_token": "t",
    } });
    reconcile(&world.ports(), approval).await.unwrap();
    assert_eq!(running(&world), [first, second].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_find_as_much_room_as_there_is_and_all_begin_in_the_end() {
    let world = World::new();
    room(&world, 5, 3);
    let sent = (0..60).map(|n| {
        let world = Arc::clone(&world);
        let repository = format!("acme/r{}", n % 4);
        tokio::spawn(async move { pushed(&world, &repository, &format!("b{n}")).await.0 })
    });
    for status in futures::future::join_all(sent.collect::<Vec<_>>()).await {
        assert_eq!(status.unwrap(), 202);
    }
    let mut begun = BTreeSet::new();
    for _ in 0..60 {
        let now = running(&world);
        assert!((1..=5).contains(&now.len()), "{now:?}");
        begun.extend(now.iter().cloned());
        let ends = now.into_iter().take(2).map(|id| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { end(&world, &id).await })
        });
        for ended in futures::future::join_all(ends.collect::<Vec<_>>()).await {
            ended.unwrap();
        }
        if begun.len() == 60 && running(&world).is_empty() {
            break;
        }
    }
    assert_eq!(begun.len(), 60);
    assert_eq!(world.state().executions.len(), 60);
    assert!(world.room().await.unwrap().0.is_empty());
}

#[tokio::test]
async fn hundreds_wait_and_begin_in_their_order() {
    let world = World::new();
    room(&world, 10, 10);
    let mut expected = Vec::new();
    for n in 0..300 {
        expected.push(accepted(&world, "acme/web", &format!("b{n}")).await.0);
    }
    for ids in expected.chunks(10) {
        assert_eq!(running(&world), ids.iter().cloned().collect());
        for id in ids {
            end(&world, id).await;
        }
    }
    assert!(world.state().queues.is_empty());
}

#[tokio::test]
async fn a_crash_at_any_write_loses_no_run_and_no_room() {
    // Where it waits, and where there is room for both.
    for (runs, calls) in [1, 2].into_iter().flat_map(|runs| (0..80).map(move |n| (runs, n))) {
        let world = World::new();
        room(&world, runs, runs);
        let (first, _) = accepted(&world, "acme/web", "a").await;
        world.fail_after(calls);
        // The rest of what happens may be cut short at any of its calls.
        let (status, body) = pushed(&world, "acme/web", "b").await;
        let known = body["run_id"].as_str().map(str::to_owned);
        {
            let mut state = world.state();
            state.runs.get_mut(first.as_str()).unwrap().status = RunStatus::Succeeded;
            state.states.insert(first.clone(), crate::testing::status("SUCCEEDED"));
        }
        // Its event is not told again: that it was lost is what is tried here.
        let event = told(&world, &first).await;
        let tried = pass(&world).await;
        if world.no_fault_came() {
            assert_eq!((status, event.is_ok(), tried.is_ok()), (202, true, true));
            assert!(calls > 25, "{calls} calls");
            continue;
        }
        pass(&world).await.unwrap();
        let second: Vec<_> = running(&world).into_iter().collect();
        if let Some(known) = known {
            assert_eq!(second, [known], "after {calls} calls");
        }
        for id in &second {
            assert!(world.state().executions.contains_key(id), "after {calls} calls");
        }
        let held: Vec<_> = world.room().await.unwrap().0.runs().map(ToString::to_string).collect();
        assert_eq!(held, second, "after {calls} calls");
        assert_eq!(world.metric_events().len(), 1, "after {calls} calls");
        let state = world.state();
        let open = state.runs.values().filter(|run| run.status == RunStatus::Queued).count();
        assert_eq!(open, 0, "after {calls} calls");
    }
}
