//! Who has room, and who waits.

use jiff::Timestamp;
use pact_agent::{
    ports::Runs as _,
    room::{QueuedRun, Room as _},
};
use pact_contract::{
    RepositoryName, RunStatus,
    room::{Limits, RoomRecord},
};

use super::{request, store};

fn place(repository: &str, number: i64) -> QueuedRun {
    let request = request(repository, "main", number);
    QueuedRun {
        repository: request.repository.name,
        run_id: request.run_id,
        since: request.started_at,
    }
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

#[tokio::test]
async fn who_has_room_is_changed_by_its_version_alone() {
    let store = store().await;
    let (mut room, version) = store.room().await.unwrap();
    assert_eq!((&room, version), (&RoomRecord::default(), 0));
    let run = place("acme/web", 1);
    assert!(room.take(Limits::default(), &run.repository, &run.run_id));
    assert!(store.store_room(&room, version).await.unwrap());
    assert!(!store.store_room(&RoomRecord::default(), version).await.unwrap(), "somebody did");
    let (found, version) = store.room().await.unwrap();
    assert_eq!((&found, version), (&room, 1));
    assert!(!store.store_room(&room, 7).await.unwrap());
    assert!(store.store_room(&RoomRecord::default(), 1).await.unwrap());
}

#[tokio::test]
async fn a_queue_keeps_the_order_of_pushes_and_each_run_once() {
    let store = store().await;
    assert!(!store.somebody_waits().await.unwrap());
    for number in [3, 1, 2, 1] {
        store.enqueue(&place("acme/web", number)).await.unwrap();
    }
    assert!(store.somebody_waits().await.unwrap());
    let web = name("acme/web");
    let expected = [1, 2, 3].map(|number| place("acme/web", number));
    assert_eq!(store.queue(&web, 10).await.unwrap(), expected);
    assert_eq!(store.queue(&web, 2).await.unwrap(), expected[..2]);
    for (ahead, run) in expected.iter().enumerate() {
        assert_eq!(store.waits_before(run, 10).await.unwrap(), Some(ahead));
        assert!(store.is_queued(run).await.unwrap());
    }
    assert_eq!(store.waits_before(&expected[2], 1).await.unwrap(), Some(1), "no more than asked");
    store.dequeue(&expected[0]).await.unwrap();
    store.dequeue(&expected[0]).await.unwrap();
    assert!(!store.is_queued(&expected[0]).await.unwrap());
    assert_eq!(store.waits_before(&expected[0], 10).await.unwrap(), None);
    assert_eq!(store.queue(&web, 10).await.unwrap(), expected[1..]);
}

#[tokio::test]
async fn repositories_take_turns_and_a_queue_goes_only_while_it_is_empty() {
    let store = store().await;
    for (repository, number) in [("acme/b", 1), ("acme/a", 2), ("acme/c", 3)] {
        store.enqueue(&place(repository, number)).await.unwrap();
    }
    let names = async |limit| {
        let queues = store.queues(limit).await.unwrap();
        queues.into_iter().map(|queue| queue.repository.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(10).await, ["acme/b", "acme/a", "acme/c"], "who waits longest is first");
    store.had_its_turn(&name("acme/b"), Timestamp::now()).await.unwrap();
    assert_eq!(names(10).await, ["acme/a", "acme/c", "acme/b"]);
    assert_eq!(names(2).await, ["acme/a", "acme/c"]);
    // One that has no queue gets none by its turn.
    store.had_its_turn(&name("acme/d"), Timestamp::now()).await.unwrap();
    assert_eq!(names(10).await.len(), 3);

    let queue = store.queues(1).await.unwrap().remove(0);
    store.enqueue(&place("acme/a", 4)).await.unwrap();
    assert!(!store.remove_queue(&queue).await.unwrap(), "somebody came since");
    let queue = store.queues(1).await.unwrap().remove(0);
    assert!(store.remove_queue(&queue).await.unwrap());
    assert!(!store.remove_queue(&queue).await.unwrap());
    assert_eq!(names(10).await, ["acme/c", "acme/b"]);
    assert!(!store.is_queued(&place("acme/a", 4)).await.unwrap(), "it has to be told again");
}

#[tokio::test]
async fn a_run_begins_once_and_not_after_its_end() {
    let store = store().await;
    for (number, ended) in [(1, false), (2, true)] {
        let request = request("acme/web", "main", number);
        store.create_run(&request, "arn", RunStatus::Queued, None).await.unwrap();
        let id = &request.run_id;
        assert_eq!(store.run(id).await.unwrap().unwrap().status, RunStatus::Queued);
        if ended {
            let outcome =
                pact_contract::run::Outcome::unknown(RunStatus::Superseded, "newer".to_owned());
            let now = Timestamp::now();
            assert!(store.finish_before_deploying(id, &outcome, now).await.unwrap());
        }
        assert_eq!(store.begin_run(id).await.unwrap(), !ended);
        assert!(!store.begin_run(id).await.unwrap());
        let expected = if ended { RunStatus::Superseded } else { RunStatus::Running };
        assert_eq!(store.run(id).await.unwrap().unwrap().status, expected);
    }
}
