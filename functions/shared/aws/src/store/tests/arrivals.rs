//! Pushes at the door.

use std::time::Duration;

use jiff::Timestamp;
use pact_agent::{
    arrivals::{Arrival, ArrivalKeys, Arrivals as _, NewPush, TakenUp},
    ports::{Branches as _, Claim, Registry as _, Runs as _, TransactionLog as _},
};
use pact_contract::{
    RunRequest, RunStatus,
    log::{self, LogKind, NewEntry},
    pushes::{BranchRecord, PlacedPush},
    registry::RepositoryEntry,
};
use serde_json::json;

use super::{DynamoStore, request, store};

const KEEP: Duration = Duration::from_secs(3_600);

fn keys<'a>(run: &'a RunRequest, push: &'a str, delivery: Option<&'a str>) -> ArrivalKeys<'a> {
    ArrivalKeys { repository: &run.repository.name, reference: &run.reference, push, delivery }
}

/// The branch with the run's push after what it has.
fn with(mut branch: BranchRecord, run: &RunRequest) -> BranchRecord {
    branch.add(PlacedPush {
        place: branch.next_place(Timestamp::now()),
        before: None,
        after: run.commit.clone(),
        run_id: run.run_id.clone(),
        found: false,
    });
    branch
}

async fn take_up(
    store: &DynamoStore,
    run: &RunRequest,
    keys: ArrivalKeys<'_>,
    (branch, version): (&BranchRecord, u64),
) -> TakenUp {
    let new = NewPush {
        keys,
        request: run,
        execution_arn: "arn",
        branch,
        version,
        entry: NewEntry {
            timestamp: Timestamp::UNIX_EPOCH,
            actor: "pact.gateway".to_owned(),
            kind: LogKind::Event,
            action: "gateway.accept_push".to_owned(),
            body: json!({}),
        },
    };
    store.take_up(&new, KEEP).await.unwrap()
}

#[tokio::test]
async fn a_push_is_taken_up_as_a_whole_and_all_of_it_is_known_then() {
    let store = store().await;
    let run = request("acme/web", "main", 1);
    let keys = keys(&run, "push", Some("delivery"));
    assert_eq!(store.arrival(&keys).await.unwrap(), Arrival::default());
    let entry = RepositoryEntry {
        schema: RepositoryEntry::VERSION,
        name: run.repository.name.clone(),
        url: run.repository.url.clone(),
        local: None,
        default_branch: None,
        branches: Vec::new(),
        floor: Default::default(),
        forks: Default::default(),
        host: None,
        statuses: None,
        rotation: None,
        registered_by: "Ada".to_owned(),
        registered_at: Timestamp::UNIX_EPOCH,
    };
    assert!(store.put_repository(&entry, None).await.unwrap());

    let branch = with(BranchRecord::default(), &run);
    assert_eq!(take_up(&store, &run, keys, (&branch, 0)).await, TakenUp::Written);
    let known = store.arrival(&keys).await.unwrap();
    let expected = Arrival {
        entry: Some(entry),
        branch: (branch.clone(), 1),
        push: Some(run.run_id.clone()),
        delivery: Some(run.run_id.clone()),
        ..Arrival::default()
    };
    assert_eq!(known, expected);
    let found = store.run(&run.run_id).await.unwrap().unwrap();
    assert_eq!((found.request, found.status), (run.clone(), RunStatus::Queued));
    let entries = store.entries(&run.run_id).await.unwrap().items;
    assert_eq!((entries.len(), log::verify(&entries)), (1, Ok(())));
    let claim = store.claim("push", &run.run_id, KEEP).await.unwrap();
    assert_eq!(claim, Claim::Seen { run_id: run.run_id.clone() });

    // Of the same commit told by a program there is no delivery.
    let keys = ArrivalKeys { delivery: None, ..keys };
    assert_eq!(store.arrival(&keys).await.unwrap().delivery, None);
}

#[tokio::test]
async fn who_knows_an_older_branch_or_a_run_that_is_there_writes_nothing() {
    let store = store().await;
    let (first, second) = (request("acme/web", "main", 1), request("acme/web", "main", 2));
    let branch = with(BranchRecord::default(), &first);
    let of = |run| keys(run, "push", Some("delivery"));
    assert_eq!(take_up(&store, &first, of(&first), (&branch, 0)).await, TakenUp::Written);

    let other = keys(&second, "push-2", Some("delivery-2"));
    let mine = with(BranchRecord::default(), &second);
    assert_eq!(take_up(&store, &second, other, (&mine, 0)).await, TakenUp::Changed);
    assert_eq!(
        store.arrival(&other).await.unwrap(),
        store
            .arrival(&of(&first))
            .await
            .map(|known| { Arrival { push: None, delivery: None, ..known } })
            .unwrap()
    );
    assert_eq!(store.run(&second.run_id).await.unwrap(), None);

    // The branch is read as it is, and the run is there.
    let again = with(branch.clone(), &first);
    let other = keys(&first, "push-3", None);
    assert_eq!(take_up(&store, &first, other, (&again, 1)).await, TakenUp::RunIsThere);
    let (kept, version) = store.branch(&first.repository.name, &first.reference).await.unwrap();
    assert_eq!((kept, version), (branch, 1));
    assert_eq!(store.claimed("push-3").await.unwrap(), None);
}

#[tokio::test]
async fn a_delivery_that_is_called_as_the_push_is_no_fault() {
    let store = store().await;
    let run = request("acme/web", "main", 1);
    let keys = keys(&run, "same", Some("same"));
    assert_eq!(store.arrival(&keys).await.unwrap(), Arrival::default());
    let branch = with(BranchRecord::default(), &run);
    assert_eq!(take_up(&store, &run, keys, (&branch, 0)).await, TakenUp::Written);
    assert_eq!(store.arrival(&keys).await.unwrap().delivery, Some(run.run_id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_take_up_the_same_push_at_once_one_does() {
    let store = std::sync::Arc::new(store().await);
    let run = request("acme/web", "main", 1);
    let branch = with(BranchRecord::default(), &run);
    let each = (0..8).map(|_| {
        let (store, run, branch) = (std::sync::Arc::clone(&store), run.clone(), branch.clone());
        tokio::spawn(
            async move { take_up(&store, &run, keys(&run, "push", None), (&branch, 0)).await },
        )
    });
    let all = futures::future::join_all(each.collect::<Vec<_>>()).await;
    let written = all.into_iter().filter(|one| *one.as_ref().unwrap() == TakenUp::Written).count();
    assert_eq!(written, 1);
}
