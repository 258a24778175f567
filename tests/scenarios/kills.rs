//! The stack is killed (`kill -9`) again and again under a mixed load, through the real processes. It
//! is not one of the gate's tests, whose own kills are by calls (`routes/tests/load.rs` of the gateway):
//!
//! ```sh
//! PACT_KILLS=200 cargo test -p pact-e2e --test scenarios -- --ignored --nocapture kills
//! ```
//!
//! Pushes of several repositories, told by several senders, each again until somebody answers, one in
//! ten twice; runs that are cancelled by people; and all of it dies at random moments. In the end each
//! push has one run, each run at most one execution, and none is left open.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pact_e2e::Stack;
use serde_json::json;

use crate::{
    gateway::{payload, sign, up_running},
    load::{Delivery, Told, ended, names_of_executions, repositories, tell},
    text,
};

/// Repositories that are pushed to in turn.
const REPOSITORIES: usize = 5;
/// How long the stack may live after it is up, in milliseconds.
const LIFE: u64 = 2_500;
/// Pushes that are told by one call of [`tell`].
const CHUNK: usize = 16;

/// A number below the bound, by a seed that goes on.
fn below(seed: &mut u64, bound: u64) -> u64 {
    // SplitMix64.
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) % bound
}

#[test]
#[ignore = "minutes of kills: see the head of the file"]
fn kills_at_random_moments_lose_nothing_and_double_nothing() {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (kills, mut seed) = (read("PACT_KILLS").unwrap_or(200), read("PACT_SEED").unwrap_or(1));
    let commits = 400;
    let (_folder, folders, ids) = repositories(REPOSITORIES, commits);
    let stack = Stack::new();
    let (running, up) = up_running(&stack);
    let secret = up.webhook_secret().to_owned();
    let zero = "0".repeat(40);
    let push = |repository: usize, at: usize| {
        let before = at.checked_sub(1).map_or(&zero, |before| &ids[before]);
        let mut push = payload(&folders[repository], before, &ids[at]);
        push["repository"]["full_name"] = json!(format!("acme/k{repository}"));
        let body = push.to_string();
        let signature = sign(&secret, body.as_bytes());
        Delivery { id: format!("k-{repository}-{at}"), body, signature }
    };
    for (repository, folder) in folders.iter().enumerate() {
        let mut first = payload(folder, &zero, &ids[0]);
        first["repository"]["full_name"] = json!(format!("acme/k{repository}"));
        assert!(up.register(&first).is_success());
    }

    let up = Mutex::new(Arc::new(up));
    let (over, done, cancelled) =
        (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let told: Mutex<Vec<Told>> = Mutex::new(Vec::new());
    let began = Instant::now();
    let mut running = Some(running);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // In the order of each branch, as a host tells.
            for at in 0..commits {
                let mut all: Vec<_> = (0..REPOSITORIES).map(|number| push(number, at)).collect();
                if at % 10 == 0 {
                    all.extend((0..REPOSITORIES).map(|number| push(number, at)));
                }
                debug_assert!(all.len() <= CHUNK);
                let answers = tell(&up, &all, &done);
                told.lock().expect("no panic").extend(answers);
                if over.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        scope.spawn(|| {
            let mut seed = 7;
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(900));
                let some = {
                    let told = told.lock().expect("no panic");
                    let at = below(&mut seed, told.len().max(1) as u64);
                    told.get(usize::try_from(at).expect("a position")).cloned()
                };
                let Some(some) = some else { continue };
                let up = Arc::clone(&up.lock().expect("no panic"));
                let run = text(&some.body, "/run_id");
                let path = format!("{}/v1/runs/{run}/cancel", up.api);
                let answer = up.http.post(path).bearer_auth(&up.token);
                // What has ended, or deploys, says no; who is dead says nothing.
                if answer
                    .json(&json!({ "reason": "not wanted" }))
                    .send()
                    .is_ok_and(|a| a.status().is_success())
                {
                    cancelled.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(below(&mut seed, LIFE)));
            let killed = running.take().expect("it is up");
            killed.signal("KILL");
            drop(killed.wait());
            let (again, anew) = up_running(&stack);
            running = Some(again);
            *up.lock().expect("no panic") = Arc::new(anew);
        }
        over.store(true, Ordering::SeqCst);
    });
    let killing = began.elapsed();

    let (up, told) = (up.into_inner().expect("no panic"), told.into_inner().expect("no panic"));
    let mut runs: BTreeMap<String, String> = BTreeMap::new();
    for told in &told {
        assert_eq!(told.status, 202, "{}: {}", told.id, told.body);
        let run = text(&told.body, "/run_id").to_owned();
        let known = runs.insert(told.id.clone(), run.clone());
        assert!(known.is_none_or(|known| known == run), "{} has two runs", told.id);
    }
    let known: BTreeSet<String> = runs.values().cloned().collect();
    assert_eq!(known.len(), runs.len(), "each push has a run of its own");
    let reports = ended(&up, known.iter());
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for (run, report) in &reports {
        let status = text(report, "/status");
        *by_status.entry(status).or_default() += 1;
        assert!(["succeeded", "superseded", "cancelled"].contains(&status), "{run}: {report:#}");
    }
    let executions = names_of_executions(&up);
    let different: BTreeSet<_> = executions.iter().cloned().collect();
    assert_eq!(different.len(), executions.len(), "each has one execution at most");
    assert!(different.is_subset(&known), "nothing runs that nobody was told of");
    println!(
        "{kills} kills within {killing:.1?}: {} deliveries answered, {} runs ({by_status:?}), {} \
         executions, {} cancellations; everything ended within {:.1?}",
        told.len(),
        known.len(),
        executions.len(),
        cancelled.into_inner(),
        began.elapsed()
    );
    drop(running);
}
