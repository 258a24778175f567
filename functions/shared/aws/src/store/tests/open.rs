//! Runs that have not ended, and the pass over them.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use pact_agent::{
    open::{OpenPlace, OpenRuns as _},
    ports::Runs as _,
};
use pact_contract::{RunId, RunStatus, run::Outcome};

use super::{request, store};
use crate::DynamoStore;

/// Every open run, by pages of this size.
async fn open(store: &DynamoStore, limit: usize) -> Vec<RunId> {
    let (mut runs, mut from) = (Vec::new(), None::<OpenPlace>);
    loop {
        let page = store.open_runs(RunStatus::Running, from.as_ref(), limit).await.unwrap();
        assert!(page.runs.len() <= limit && page.unreadable.is_empty());
        runs.extend(page.runs);
        match page.next {
            Some(next) => from = Some(next),
            None => return runs,
        }
    }
}

#[tokio::test]
async fn a_run_is_open_until_nothing_is_left_to_be_done_for_it() {
    let store = store().await;
    let mut expected = BTreeSet::new();
    for number in 0..20 {
        let request = request("acme/web", "main", number);
        store.create_run(&request, "arn", RunStatus::Running, None).await.unwrap();
        expected.insert(request.run_id);
    }
    for limit in [1, 3, 100] {
        let found = open(&store, limit).await;
        assert_eq!(found.len(), 20, "each once, by {limit}");
        assert_eq!(BTreeSet::from_iter(found), expected, "by {limit}");
    }
    for run_id in &expected {
        store.close_run(run_id).await.unwrap();
    }
    assert_eq!(open(&store, 100).await.len(), 20, "none that goes on is closed");
    let outcome = Outcome::unknown(RunStatus::Cancelled, "on request".to_owned());
    for (number, run_id) in expected.iter().enumerate() {
        let at = Timestamp::now();
        let ended = match number % 2 {
            0 => store.finish_run(run_id, &outcome, at).await,
            _ => store.finish_before_deploying(run_id, &outcome, at).await,
        };
        assert!(ended.unwrap());
        // Until whoever ended it has done everything else, or somebody does.
        assert_eq!(open(&store, 100).await.len(), 20 - number);
        store.close_run(run_id).await.unwrap();
    }
    assert_eq!(open(&store, 100).await, Vec::<RunId>::new());
}

#[tokio::test]
async fn one_has_the_pass_at_a_time_and_the_next_goes_on_where_it_stopped() {
    let store = store().await;
    let hour = Duration::from_secs(3_600);
    let first = store.begin_pass(hour).await.unwrap().unwrap();
    assert_eq!(first.from, None);
    assert_eq!(store.begin_pass(hour).await.unwrap(), None);
    let place = OpenPlace { status: RunStatus::Queued, at: "2#x".to_owned() };
    assert!(store.end_pass(&first, Some(&place)).await.unwrap());
    // This one's lease is over at once: it is taken over, and writes nothing any more.
    let second = store.begin_pass(Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(second.from.as_ref(), Some(&place));
    let third = store.begin_pass(hour).await.unwrap().unwrap();
    assert!(third.fence > second.fence && second.fence > first.fence);
    assert!(!store.end_pass(&second, Some(&place)).await.unwrap());
    assert!(store.end_pass(&third, None).await.unwrap());
    assert_eq!(store.begin_pass(hour).await.unwrap().unwrap().from, None);
}

#[tokio::test]
async fn a_place_that_cannot_be_read_is_the_beginning() {
    let store = store().await;
    store
        .create_run(&request("acme/web", "main", 1), "arn", RunStatus::Running, None)
        .await
        .unwrap();
    for odd in ["", "x", "9#", "0#no place"] {
        let mut from = Some(OpenPlace { status: RunStatus::Running, at: odd.to_owned() });
        let mut found = 0;
        while let Some(place) = from {
            let page = store.open_runs(RunStatus::Running, Some(&place), 10).await.unwrap();
            found += page.runs.len();
            from = page.next;
        }
        assert_eq!(found, 1, "{odd:?}");
    }
}

#[tokio::test]
async fn the_input_of_an_execution_is_kept_with_its_run() {
    let store = store().await;
    let (plain, more) = (request("acme/web", "main", 1), request("acme/web", "main", 2));
    let input = serde_json::json!({ "take_back": { "by": "Ada" } });
    store.create_run(&plain, "arn", RunStatus::Running, None).await.unwrap();
    store.create_run(&more, "arn", RunStatus::Running, Some(&input)).await.unwrap();
    assert_eq!(store.input(&plain.run_id).await.unwrap(), None);
    assert_eq!(store.input(&more.run_id).await.unwrap(), Some(input));
}
