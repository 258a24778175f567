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

/// The units that a page may take.
const UNITS: f64 = 30.0;

/// A run as large as those that a gate decided.
fn ended(status: RunStatus, environment: Option<&str>) -> Outcome {
    let deployment = environment.map(|name| pact_contract::Deployment {
        environment: name.parse().unwrap(),
        tier: None,
        release: None,
        previous: None,
        status: pact_contract::run::DeploymentStatus::Live,
        url: None,
        weight: None,
        weights: Vec::new(),
        apart: None,
        wave_of: None,
    });
    Outcome {
        status,
        reason: "a rule was not met; ".repeat(150),
        template: None,
        decision: None,
        deployments: deployment.into_iter().collect(),
        fault: None,
    }
}

/// One of 240 runs: what it is found by stands in its number.
fn numbered(n: i64) -> pact_contract::RunRequest {
    let repository = ["acme/api", "acme/web", "acme/docs"][usize::try_from(n % 3).unwrap()];
    let branch = if n % 40 == 0 { "feature/rare" } else { "main" };
    let author = if n % 60 == 1 { "Grace Hopper" } else { "Ada Lovelace" };
    let message = if n == 7 { "Teach the cart Esperanto" } else { "Teach the cart sums" };
    pact_contract::RunRequest {
        author: Some(author.to_owned()),
        message: Some(message.to_owned()),
        ..request(repository, branch, n)
    }
}

fn status(n: i64) -> RunStatus {
    match n {
        3 | 130 => RunStatus::Held,
        239 => RunStatus::Running,
        n if n % 9 == 0 => RunStatus::Failed,
        _ => RunStatus::Succeeded,
    }
}

async fn numbered_runs() -> DynamoStore {
    use pact_agent::ports::Environments as _;

    let store = store().await;
    for n in 0..240 {
        let request = numbered(n);
        store.create_run(&request, "arn", RunStatus::Running, None).await.unwrap();
        let deploys = (n % 50 == 2).then_some("production");
        if let Some(environment) = deploys {
            let key = super::environment(&format!("{}#{environment}", request.repository.name));
            let hour = std::time::Duration::from_hours(1);
            store.lock(&key, &request.run_id, hour).await.unwrap();
            store.unlock(&key, &request.run_id).await.unwrap();
        }
        let status = status(n);
        if status.is_final() {
            let outcome = ended(status, deploys);
            assert!(store.finish_run(&request.run_id, &outcome, Timestamp::now()).await.unwrap());
        }
    }
    store
}

#[tokio::test]
async fn whatever_is_asked_for_is_found_in_bounded_reads() {
    let store = numbered_runs().await;
    let all = || RunQuery { limit: 20, ..<_>::default() };
    let name = |text: &str| Some(text.parse().unwrap());
    let text = |text: &str| Some(text.to_owned());
    type Wanted = fn(i64) -> bool;
    // What is asked for, what it finds, and on how many pages at most.
    let table: Vec<(RunQuery, Wanted, usize)> = vec![
        (all(), |_| true, 13),
        (RunQuery { status: Some(RunStatus::Held), ..all() }, |n| n == 3 || n == 130, 1),
        (RunQuery { status: Some(RunStatus::Running), ..all() }, |n| n == 239, 1),
        (RunQuery { status: Some(RunStatus::Cancelled), ..all() }, |_| false, 1),
        (RunQuery { branch: text("feature/rare"), ..all() }, |n| n % 40 == 0, 1),
        (RunQuery { author: text("grace HOPPER "), ..all() }, |n| n % 60 == 1, 1),
        (RunQuery { environment: name("production"), ..all() }, |n| n % 50 == 2, 1),
        (RunQuery { environment: name("staging"), ..all() }, |_| false, 1),
        (RunQuery { text: text("esperanto"), ..all() }, |n| n == 7, 1),
        (RunQuery { text: text("CART, Esperanto"), ..all() }, |n| n == 7, 1),
        (RunQuery { text: text("quaternion"), ..all() }, |_| false, 1),
        (RunQuery { repository: Some("acme/web".parse().unwrap()), ..all() }, |n| n % 3 == 1, 5),
        (
            RunQuery {
                repository: Some("acme/api".parse().unwrap()),
                status: Some(RunStatus::Held),
                ..all()
            },
            |n| n == 3,
            1,
        ),
        (
            RunQuery { branch: text("feature/rare"), status: Some(RunStatus::Failed), ..all() },
            |n| n % 360 == 0,
            2,
        ),
        (
            RunQuery { branch: text("main"), author: text("Grace Hopper"), ..all() },
            |n| n % 60 == 1 && n % 40 != 0,
            2,
        ),
    ];
    for (mut query, wanted, most) in table {
        let expected: Vec<_> =
            (0..240).rev().filter(|n| wanted(*n)).map(|n| numbered(n).run_id).collect();
        let (mut found, mut pages) = (Vec::new(), 0);
        loop {
            let (page, units) = store.page_of_runs(&query).await.unwrap();
            assert!(units > 0.0 && units <= UNITS, "{units} units: {query:?}");
            found.extend(page.runs.into_iter().map(|run| run.request.run_id));
            pages += 1;
            query.cursor = page.cursor;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "{query:?}");
        assert!(pages <= most, "{pages} pages of {query:?}");
    }
    let empty = RunQuery { text: Some("? - !".to_owned()), ..all() };
    assert!(matches!(store.latest_runs(&empty).await, Err(StoreError::Invalid(_))));
}

#[tokio::test]
async fn a_run_moves_with_its_status_and_a_second_time_changes_nothing() {
    let store = store().await;
    let request = numbered(1);
    let of = async |status| {
        let query = RunQuery { status: Some(status), ..<_>::default() };
        store.latest_runs(&query).await.unwrap().runs.len()
    };
    for _ in 0..2 {
        store.create_run(&request, "arn", RunStatus::Queued, None).await.unwrap();
    }
    assert_eq!((of(RunStatus::Queued).await, of(RunStatus::Running).await), (1, 0));
    assert!(store.begin_run(&request.run_id).await.unwrap());
    assert_eq!((of(RunStatus::Queued).await, of(RunStatus::Running).await), (0, 1));
    for first in [true, false] {
        let outcome = ended(RunStatus::Cancelled, None);
        let done = store.finish_run(&request.run_id, &outcome, Timestamp::now()).await.unwrap();
        assert_eq!(done, first);
    }
    assert_eq!((of(RunStatus::Running).await, of(RunStatus::Cancelled).await), (0, 1));
    let all = store.latest_runs(&RunQuery::default()).await.unwrap();
    assert_eq!(all.runs.len(), 1);
}

/// 70 environments, the first half of them with all that may be remembered.
#[tokio::test]
async fn environments_come_in_pages_that_cost_no_more_however_much_served_there() {
    use pact_agent::ports::{Environments as _, Lock};
    use pact_contract::{
        actions::EnvironmentRecord,
        ledger::{LedgerEntry, MAX_LEDGER, Standing},
    };

    let store = store().await;
    let empty = store.page_of_environments(None).await.unwrap().0;
    assert!(empty.listed.items.is_empty() && empty.cursor.is_none());
    let mut keys = Vec::new();
    for n in 0..70 {
        let key = super::environment(&format!("acme/shop-{n:02}#production"));
        let mut record = EnvironmentRecord::default();
        for at in 0..if n < 35 { MAX_LEDGER } else { 1 } {
            record.ledger.deployed(LedgerEntry {
                release: format!("20261121-0900{at:02}-00aa01c2d3").parse().unwrap(),
                commit: "3f9c2ab17d5e4f60819a2b3c4d5e6f7081920a1b".to_owned(),
                run_id: super::id(&format!("web-shop-3f9c2ab17d-{at}")),
                origin: Default::default(),
                standing: Standing::Good,
                reason: Some("12 of 400 requests failed".to_owned()),
                deployed_at: Timestamp::now(),
                judged_at: Some(Timestamp::now()),
                serving_since: None,
                served_seconds: 7,
            });
        }
        let run = super::id("some-run");
        let hour = std::time::Duration::from_hours(1);
        let Lock::Held { fence } = store.lock(&key, &run, hour).await.unwrap() else { panic!() };
        store.store(&key, &record, fence).await.unwrap();
        keys.push(key);
    }
    let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let (page, units) = store.page_of_environments(cursor.as_deref()).await.unwrap();
        assert!(units > 0.0 && units <= UNITS, "{units} units");
        assert!(page.listed.unreadable.is_empty());
        found.extend(page.listed.items.into_iter().map(|view| view.key));
        pages += 1;
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, keys);
    assert!((2..=8).contains(&pages), "{pages} pages");
    let wrong = store.page_of_environments(Some("zz")).await;
    assert!(matches!(wrong, Err(StoreError::Invalid(_))), "{wrong:?}");
}
