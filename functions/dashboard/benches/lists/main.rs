//! What pages and lists take over 100,000 runs of 100 repositories, and what they read:
//! `cargo bench -p pact-dashboard`; `PACT_RUNS` is another number of runs.
//!
//! The dashboard's own router over the real store, on a table that a DynamoDB implementation serves
//! from a file. Each page is asked for again and again, in no order; at the end stands how long the
//! 95th of a hundred took, and the read units of the dearest. More than [`UNITS`] is an error.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark over data of its own"
)]

#[path = "../../examples/support/doors.rs"]
mod doors;
#[path = "../../examples/support/logs.rs"]
mod logs;
#[path = "../../examples/support/sources.rs"]
mod sources;
#[path = "../../examples/support/table.rs"]
mod table;
mod units;

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use dynoxide::Database;
use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use pact_agent::ports::{Environments as _, Recorder as _, Runs as _};
use pact_aws::DynamoStore;
use pact_contract::{EnvironmentKey, RunRequest, RunStatus, StageRecord, run::Outcome};
use serde_json::json;
use tower::ServiceExt as _;
use units::Units;

/// Read units that a page may take.
const UNITS: f64 = 30.0;
/// How often each page is asked for.
const TIMES: usize = 40;
const REPOSITORIES: usize = 100;
const AUTHORS: usize = 50;
/// The newest of them have stages: what is asked about one run, and about the latest of a repository.
const WITH_STAGES: usize = 1_000;
/// What a run with two environments has.
const STAGES: usize = 24;
const WORDS: [&str; 8] = ["cart", "sums", "orders", "login", "search", "mail", "prices", "stock"];

fn repository(n: usize) -> String {
    format!("acme/shop-{:02}", n % REPOSITORIES)
}

/// One of the runs; what it is found by follows from its number.
fn request(n: usize, first: Timestamp) -> RunRequest {
    let branch =
        if n.is_multiple_of(4) { format!("feature/{}", n % 997) } else { "main".to_owned() };
    let words = format!("{} and {}", WORDS[n % 8], WORDS[(n / 8) % 8]);
    let started = first + SignedDuration::from_millis(i64::try_from(n).unwrap_or(0) * 60_000);
    let request = json!({
        "schema": 1, "run_id": format!("shop-{n:010x}-{n:08x}"), "branch": branch,
        "reference": format!("refs/heads/{branch}"),
        "repository": {
            "name": repository(n), "url": "https://git.example/x.git", "default_branch": "main",
        },
        "commit": format!("{n:040x}"), "message": format!("Teach {words} number {n}"),
        "author": format!("Author {}", n % AUTHORS), "trigger": { "kind": "push" },
        "url": "https://pact.example/runs/x", "started_at": started.to_string(),
    });
    serde_json::from_value(request).expect("a request")
}

/// One in a thousand is held, one in eleven failed.
fn status(n: usize) -> RunStatus {
    match n {
        n if n % 1_000 == 3 => RunStatus::Held,
        n if n % 11 == 0 => RunStatus::Failed,
        n if n % 13 == 0 => RunStatus::Rejected,
        _ => RunStatus::Succeeded,
    }
}

async fn fill(store: &DynamoStore, n: usize, first: Timestamp) {
    let request = request(n, first);
    store.create_run(&request, "arn", RunStatus::Running, None).await.expect("is written");
    if n.is_multiple_of(3) {
        let name = if n.is_multiple_of(2) { "staging" } else { "production" };
        let key: EnvironmentKey =
            format!("{}#{name}", request.repository.name).parse().expect("a key");
        let lease = Duration::from_hours(1);
        store.lock(&key, &request.run_id, lease).await.expect("is locked");
        store.unlock(&key, &request.run_id).await.expect("is free");
    }
    let outcome = Outcome {
        status: status(n),
        reason: "2 of 14 unit tests failed (test_cart, test_total)".to_owned(),
        template: None,
        decision: None,
        deployments: Vec::new(),
        fault: None,
    };
    let ended = request.started_at + SignedDuration::from_secs(60);
    store.finish_run(&request.run_id, &outcome, ended).await.expect("is ended");
}

/// A stage with a dozen findings.
fn stage(run: &RunRequest, number: usize) -> StageRecord {
    let finding = |n: usize| {
        json!({
            "code": "high-complexity", "severity": "medium", "path": format!("src/part-{n}.rs"), "line": n + 1,
            "message": "the function checkout has a cyclomatic complexity of 17; at most 15",
        })
    };
    let findings: Vec<_> = (0..12).map(finding).collect();
    let begun = run.started_at + SignedDuration::from_secs(2 * i64::try_from(number).unwrap_or(0));
    let record = json!({
        "schema": 1, "run_id": run.run_id, "state": format!("Check{number}"), "agent": "code-agent",
        "action": "code.calculate_quality_score", "status": "passed", "attempt": 1,
        "summary": "quality 87 of 100: 12 findings in 9 changed files", "started_at": begun.to_string(),
        "finished_at": (begun + SignedDuration::from_secs(2)).to_string(), "duration_ms": 2_000,
        "findings": findings, "findings_total": 12, "output": { "score": 87 },
    });
    serde_json::from_value(record).expect("a stage")
}

/// What is asked for: pages, their filters and combinations of them, the JSON beside them.
fn paths(runs: usize) -> Vec<String> {
    let last = runs.saturating_sub(7);
    let run = request(last, Timestamp::UNIX_EPOCH).run_id;
    let filters = [
        String::new(),
        "?status=held".to_owned(),
        "?status=succeeded".to_owned(),
        "?status=cancelled".to_owned(),
        "?repository=acme/shop-42".to_owned(),
        "?repository=acme/nothing".to_owned(),
        "?branch=main".to_owned(),
        "?branch=feature/12".to_owned(),
        "?author=Author+7".to_owned(),
        "?environment=production".to_owned(),
        "?text=cart".to_owned(),
        "?text=quaternion".to_owned(),
        "?repository=acme/shop-42&status=failed".to_owned(),
        "?branch=main&author=Author+7".to_owned(),
        "?status=failed&branch=feature/12".to_owned(),
        "?text=cart&author=Author+7&status=rejected".to_owned(),
        "?environment=production&author=Author+7".to_owned(),
    ];
    let lists =
        filters.iter().flat_map(|filter| [format!("/{filter}"), format!("/api/runs{filter}")]);
    let others = [
        "/environments".to_owned(),
        "/incidents".to_owned(),
        "/feed".to_owned(),
        "/repositories/acme/shop-42".to_owned(),
        "/badge.svg?repository=acme/shop-42".to_owned(),
        "/insights?repository=acme/shop-42&environment=production".to_owned(),
        "/durations?repository=acme/shop-42".to_owned(),
        "/tests?repository=acme/shop-42".to_owned(),
        "/api/version".to_owned(),
        "/api/environments".to_owned(),
        format!("/runs/{run}"),
        format!("/api/runs/{run}"),
        format!("/runs/{run}/tests"),
    ];
    lists.chain(others).collect()
}

async fn ask(router: &Router, path: &str) -> (StatusCode, Duration) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let begin = Instant::now();
    let answer = router.clone().oneshot(request).await.expect("an answer");
    let status = answer.status();
    to_bytes(answer.into_body(), 10_000_000).await.expect("a body");
    (status, begin.elapsed())
}

#[tokio::main]
async fn main() {
    let runs = std::env::var("PACT_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = std::env::temp_dir().join(format!("pact-lists-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("dynamodb.sqlite");
    let units = Units::default();
    let database = Database::new(file.to_str().expect("UTF-8")).expect("a database");
    let config = table::served(database).await.interceptor(units.clone()).build();
    let store = DynamoStore::new(Client::from_conf(config), table::TABLE);
    // The last one has just begun.
    let first =
        Timestamp::now() - SignedDuration::from_millis(i64::try_from(runs).unwrap_or(0) * 60_000);
    let begin = Instant::now();
    stream::iter(0..runs).for_each_concurrent(8, |n| fill(&store, n, first)).await;
    for n in runs.saturating_sub(WITH_STAGES)..runs {
        let run = request(n, first);
        for number in 0..STAGES {
            store.record_stage(&stage(&run, number)).await.expect("is written");
        }
    }
    println!("{runs} runs written in {:.0} s", begin.elapsed().as_secs_f64());

    let router = pact_dashboard::router(sources::sources(store), doors::doors());
    let router = doors::signed_in(router);
    let paths = paths(runs);
    let mut took: Vec<(Vec<Duration>, f64)> = vec![(Vec::new(), 0.0); paths.len()];
    // The first time warms the connection.
    for time in 0..=TIMES {
        for at in 0..paths.len() {
            // In another order each time.
            let at = (at * 31 + time * 7) % paths.len();
            units.reset();
            let (status, elapsed) = ask(&router, &paths[at]).await;
            assert!(status.is_success(), "{}: {status}", paths[at]);
            if time > 0 {
                took[at].0.push(elapsed);
                took[at].1 = took[at].1.max(units.read());
            }
        }
    }
    println!("{:>8} {:>8} {:>6}  page", "p50 ms", "p95 ms", "units");
    let (mut all, mut dear) = (Vec::new(), Vec::new());
    for (path, (times, units)) in paths.iter().zip(&mut took) {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!("{:>8.1} {:>8.1} {units:>6.1}  {path}", at(50), at(95));
        all.extend_from_slice(times);
        if *units > UNITS {
            dear.push(path);
        }
    }
    all.sort_unstable();
    println!("p95 of all: {:.1} ms", all[(all.len() - 1) * 95 / 100].as_secs_f64() * 1e3);
    std::fs::remove_dir_all(&folder).expect("is removed");
    assert!(took.iter().any(|(_, units)| *units > 0.0), "no unit was counted");
    assert!(dear.is_empty(), "more than {UNITS} units: {dear:?}");
}
