//! Lists of runs, page by page.

use jiff::Timestamp;
use pact_agent::ports::{RunQuery, RunReader as _, Runs as _, StoreError};
use pact_contract::{RunStatus, run::Outcome};

use super::{request, store};
use crate::DynamoStore;

/// 30 runs, every third of them in another repository, every second on another branch; every
/// fifth has failed.
async fn filled() -> (DynamoStore, Vec<String>) {
    let store = store().await;
    let mut ids = Vec::new();
    for n in 0..30 {
        let repository = if n % 3 == 0 { "acme/api" } else { "acme/web" };
        let branch = if n % 2 == 0 { "main" } else { "dev" };
        let request = request(repository, branch, n);
        store.create_run(&request, "arn", RunStatus::Running, None).await.unwrap();
        if n % 5 == 0 {
            let outcome = Outcome {
                status: RunStatus::Failed,
                reason: "x".to_owned(),
                template: None,
                decision: None,
                deployments: Vec::new(),
                fault: None,
            };
            store.finish_run(&request.run_id, &outcome, Timestamp::now()).await.unwrap();
        }
        ids.push(request.run_id.as_str().to_owned());
    }
    (store, ids)
}

/// Every run of a query, read in pages of `limit`.
async fn read(store: &DynamoStore, query: &RunQuery) -> Vec<String> {
    let mut query = query.clone();
    let mut ids = Vec::new();
    for _ in 0..100 {
        let page = store.latest_runs(&query).await.unwrap();
        assert!(page.runs.len() <= query.limit);
        ids.extend(page.runs.iter().map(|run| run.request.run_id.as_str().to_owned()));
        match page.cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return ids,
        }
    }
    panic!("the pages do not end");
}

#[tokio::test]
async fn no_page_size_loses_or_repeats_a_run() {
    let (store, ids) = filled().await;
    let newest_first = |keep: &dyn Fn(usize) -> bool| -> Vec<String> {
        (0..30).rev().filter(|n| keep(*n)).map(|n| ids[n].clone()).collect()
    };
    for limit in [1, 2, 3, 7, 29, 30, 31, 200] {
        let all = RunQuery { limit, ..<_>::default() };
        assert_eq!(read(&store, &all).await, newest_first(&|_| true), "all by {limit}");
        let web = RunQuery { repository: Some("acme/web".parse().unwrap()), ..all.clone() };
        assert_eq!(read(&store, &web).await, newest_first(&|n| n % 3 != 0), "web by {limit}");
        let dev = RunQuery { branch: Some("dev".to_owned()), ..all.clone() };
        assert_eq!(read(&store, &dev).await, newest_first(&|n| n % 2 == 1), "dev by {limit}");
        let failed = RunQuery {
            status: Some(RunStatus::Failed),
            branch: Some("main".to_owned()),
            repository: Some("acme/web".parse().unwrap()),
            ..all
        };
        let expected = newest_first(&|n| n % 5 == 0 && n % 2 == 0 && n % 3 != 0);
        assert_eq!(read(&store, &failed).await, expected, "failed by {limit}");
    }
}

#[tokio::test]
async fn an_empty_list_has_no_further_page_and_a_wrong_cursor_is_refused() {
    let store = store().await;
    let page = store.latest_runs(&RunQuery::default()).await.unwrap();
    assert!(page.runs.is_empty() && page.cursor.is_none());
    for cursor in ["", "zz", "00", "2323", "ffff", &"61".repeat(4_000)] {
        let query = RunQuery { cursor: Some(cursor.to_owned()), ..<_>::default() };
        let page = store.latest_runs(&query).await;
        assert!(matches!(page, Err(StoreError::Invalid(_))), "{cursor:?}: {page:?}");
    }
}
