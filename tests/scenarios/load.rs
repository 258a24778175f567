//! A burst of pushes through the whole stack, and what it took. It is not one of the gate's tests:
//!
//! ```sh
//! cargo test -p pact-e2e --test scenarios -- --ignored --nocapture load
//! ```
//!
//! `PACT_PROGRAM` is the `pactctl` that is tried (a release build), otherwise the one beside the tests.
//! `PACT_LOAD` is `PUSHES/REPOSITORIES` (1000/50). One push in ten is told twice, one in a hundred is
//! malformed, one git host never answers, and the stack is killed (`kill -9`) once in between. Whoever
//! gets no answer tells the same again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pact_e2e::{Repo, Stack, percentile, steady, wait_for};
use serde_json::{Value, json};

use crate::{
    aws_clients::{block_on, client, machines},
    gateway::{Up, payload, sign, up_running},
    text,
};

/// Who tells of pushes, side by side.
const SENDERS: usize = 16;
/// Pushes of one second, where the answers are measured.
const RATE: u32 = 200;
/// How long what has begun may take, in seconds: on a debug build, and a machine that has other work.
const PATIENCE: u64 = 3_600;

/// One delivery.
pub(crate) struct Delivery {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) signature: String,
}

/// What was answered.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) status: u16,
    pub(crate) body: Value,
    took: Duration,
    attempts: usize,
}

fn line(what: &str, mut times: Vec<Duration>) -> Duration {
    let (count, half) = (times.len(), percentile(&mut times, 50));
    let (most, last) = (percentile(&mut times, 99), times.last().copied().unwrap_or_default());
    println!("{what:<44} {count:>6} {half:>12.1?} {most:>12.1?} {last:>12.1?}");
    most
}

/// A folder for each repository, all with the same commits, the oldest first.
pub(crate) fn repositories(
    count: usize,
    commits: usize,
) -> (tempfile::TempDir, Vec<PathBuf>, Vec<String>) {
    let (first, folder) = (Repo::new(), tempfile::tempdir().expect("a folder"));
    let ids = (0..commits).map(|number| {
        first.write("a.json", &format!("{{\"n\": {number}}}")).commit(&format!("Change {number}"))
    });
    let ids: Vec<_> = ids.collect();
    let copy = |number: usize| {
        let to = folder.path().join(format!("r{number}"));
        let copied = Command::new("cp").arg("-r").arg(first.path()).arg(&to).status();
        assert!(copied.expect("cp runs").success());
        to
    };
    let folders = (0..count).map(copy).collect();
    (folder, folders, ids)
}

pub(crate) fn names_of_executions(up: &Up) -> Vec<String> {
    block_on(async {
        let client = client(&up.aws).await;
        let pipeline = machines(&client).await.into_iter().find(|m| m.name.ends_with("-pipeline"));
        let arn = pipeline.expect("a pipeline").state_machine_arn;
        let list = client.list_executions().state_machine_arn(arn).into_paginator().items();
        let mut list = list.send();
        let mut names = Vec::new();
        while let Some(execution) = list.next().await {
            names.push(execution.expect("a page").name);
        }
        names
    })
}

fn show(up: &Up, run: &str) -> Value {
    let path = format!("{}/v1/runs/{run}", up.api);
    let answer = up.http.get(path).bearer_auth(&up.token).send();
    answer.and_then(|answer| answer.json()).unwrap_or_default()
}

/// The status of every run, once none goes on.
pub(crate) fn ended<'r>(
    up: &Up,
    runs: impl Iterator<Item = &'r String>,
) -> BTreeMap<String, Value> {
    let mut open: BTreeSet<String> = runs.cloned().collect();
    let mut done = BTreeMap::new();
    wait_for("the end of every run", PATIENCE, || {
        for id in open.clone() {
            let run = show(up, &id);
            let status = text(&run, "/status");
            if !["queued", "running", ""].contains(&status) {
                open.remove(&id);
                done.insert(id, run);
            }
        }
        std::thread::sleep(Duration::from_secs(1));
        open.is_empty().then_some(())
    });
    done
}

/// Tells of all, by several senders, each again until somebody answers.
pub(crate) fn tell(up: &Mutex<Arc<Up>>, all: &[Delivery], done: &AtomicUsize) -> Vec<Told> {
    let next = AtomicUsize::new(0);
    let one = |delivery: &Delivery| {
        for attempts in 1..=2_000 {
            let up = Arc::clone(&up.lock().expect("no panic"));
            let began = Instant::now();
            let request = up
                .http
                .post(format!("{}/webhooks/github", up.api))
                .header("content-type", "application/json")
                .header("x-github-event", "push")
                .header("x-github-delivery", &delivery.id)
                .header("x-hub-signature-256", &delivery.signature);
            let answer = request.body(delivery.body.clone()).send();
            let answer = answer.and_then(|a| Ok((a.status().as_u16(), a.bytes()?)));
            match answer {
                Ok((status, body)) if status < 500 => {
                    done.fetch_add(1, Ordering::SeqCst);
                    let body = serde_json::from_slice(&body).unwrap_or_default();
                    let (id, took) = (delivery.id.clone(), began.elapsed());
                    return Told { id, status, body, took, attempts };
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        panic!("nobody answers {}", delivery.id);
    };
    std::thread::scope(|scope| {
        let senders = (0..SENDERS).map(|_| {
            scope.spawn(|| {
                let mut told = Vec::new();
                while let Some(delivery) = all.get(next.fetch_add(1, Ordering::SeqCst)) {
                    told.push(one(delivery));
                }
                told
            })
        });
        let senders: Vec<_> = senders.collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("no panic")).collect()
    })
}

#[test]
#[ignore = "minutes of load: see the head of the file"]
fn load_of_a_thousand_pushes_loses_nothing() {
    let given = std::env::var("PACT_LOAD").unwrap_or_else(|_| "1000/50".to_owned());
    let (pushes, count) = given.split_once('/').expect("PUSHES/REPOSITORIES");
    let (pushes, count): (usize, usize) =
        (pushes.parse().expect("a number"), count.parse().expect("a number"));
    let each = pushes / count;
    let (_folder, folders, commits) = repositories(count, each);
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let slow = format!("http://{}/slow.git", hanging.local_addr().expect("an address"));
    // It takes every call, and never answers.
    std::thread::spawn(move || {
        let calls: Vec<_> = hanging.incoming().flatten().collect();
        calls.into_iter().for_each(|mut call| drop(call.read(&mut [0])));
    });

    let stack = Stack::new();
    let (running, up) = up_running(&stack);
    let secret = up.webhook_secret().to_owned();
    let delivery = |id: String, push: &Value| {
        let body = push.to_string();
        let signature = sign(&secret, body.as_bytes());
        Delivery { id, body, signature }
    };
    let zero = "0".repeat(40);
    let push = |number: usize, at: usize| {
        let before = at.checked_sub(1).map_or(&zero, |before| &commits[before]);
        let mut push = payload(&folders[number], before, &commits[at]);
        push["repository"]["full_name"] = json!(format!("acme/r{number}"));
        push
    };
    for number in 0..count {
        assert!(up.register(&push(number, 0)).is_success());
    }
    let mut all = Vec::new();
    for at in 0..each {
        for number in 0..count {
            let push = push(number, at);
            let id = format!("d-{number}-{at}");
            all.push(delivery(id.clone(), &push));
            match all.len() % 100 {
                99 => {
                    // Signed, and no push.
                    let mut odd = push;
                    odd["after"] = json!("no commit");
                    all.push(delivery(format!("odd-{number}-{at}"), &odd));
                }
                n if n % 10 == 0 => all.push(delivery(id, &push)),
                _ => {}
            }
        }
    }
    let mut hangs = payload(&folders[0], &zero, &commits[0]);
    hangs["repository"]["full_name"] = json!("acme/slow");
    hangs["repository"]["clone_url"] = json!(slow);
    assert!(up.register(&hangs).is_success());
    for number in 0..20 {
        hangs["ref"] = json!(format!("refs/heads/b{number}"));
        all.insert(number * all.len() / 20, delivery(format!("slow-{number}"), &hangs));
    }

    let (done, began) = (AtomicUsize::new(0), Instant::now());
    let up = Mutex::new(Arc::new(up));
    let mut running = Some(running);
    let told = std::thread::scope(|scope| {
        let telling = scope.spawn(|| tell(&up, &all, &done));
        wait_for("half of the pushes", PATIENCE, || {
            (done.load(Ordering::SeqCst) > all.len() / 2).then_some(())
        });
        let killed = running.take().expect("it is up");
        killed.signal("KILL");
        drop(killed.wait());
        let (again, anew) = up_running(&stack);
        running = Some(again);
        *up.lock().expect("no panic") = Arc::new(anew);
        telling.join().expect("no panic")
    });
    let burst = began.elapsed();
    let up = up.into_inner().expect("no panic");

    // Every push has one run, however often it was told, and what is no push has none.
    let mut runs: BTreeMap<String, String> = BTreeMap::new();
    for told in &told {
        if told.id.starts_with("odd-") {
            assert_eq!(told.status, 400, "{}: {}", told.id, told.body);
            continue;
        }
        assert_eq!(told.status, 202, "{}: {}", told.id, told.body);
        let run = text(&told.body, "/run_id").to_owned();
        let known = runs.insert(told.id.clone(), run.clone());
        assert!(known.is_none_or(|known| known == run), "{} has two runs", told.id);
    }
    let (slow, healthy): (Vec<_>, Vec<_>) = runs.iter().partition(|(id, _)| id.starts_with("slow"));
    let ended_runs = ended(&up, healthy.iter().map(|(_, run)| *run));
    let all_done = began.elapsed();
    for (_, run) in &slow {
        let cancel = up.http.post(format!("{}/v1/runs/{run}/cancel", up.api));
        let cancelled = cancel.bearer_auth(&up.token).json(&json!({ "reason": "enough" })).send();
        cancelled.expect("an answer");
    }
    ended(&up, slow.iter().map(|(_, run)| *run));

    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for (run, report) in &ended_runs {
        let status = text(report, "/status");
        *by_status.entry(status).or_default() += 1;
        assert!(["succeeded", "superseded"].contains(&status), "{run}: {report:#}");
    }
    for number in 0..count {
        let last = &runs[&format!("d-{number}-{}", each - 1)];
        assert_eq!(text(&ended_runs[last], "/status"), "succeeded", "the newest of r{number}");
    }
    let known: BTreeSet<_> = runs.values().collect();
    let executions = names_of_executions(&up);
    let different: BTreeSet<_> = executions.iter().collect();
    assert_eq!(different.len(), executions.len(), "each has one execution at most");
    assert!(different.is_subset(&known), "nothing runs that nobody was told of");

    println!("\n{given}: {} deliveries, {} runs: {by_status:?}", all.len(), known.len());
    println!("told within {burst:.1?}, everything ended within {all_done:.1?}");
    println!("{:<44} {:>6} {:>12} {:>12} {:>12}", "answers", "count", "p50", "p99", "longest");
    let taken = |first: bool| {
        let times = told.iter().filter(|told| (told.attempts == 1) == first);
        times.map(|told| told.took).collect::<Vec<_>>()
    };
    line("a push, 16 senders at once", taken(true));
    line("a push, told again after the kill", taken(false));

    // Without other work: new pushes at a steady rate, beside a route that only answers.
    let health = format!("{}/health", up.api);
    let only = steady(RATE, RATE * 3, |_| {
        up.http.get(&health).send().expect("an answer").status().as_u16()
    });
    let only = line("GET /health, 200 a second", only.0);
    let (_other, folders, _) = repositories(1, 1);
    let mut steady_push = payload(&folders[0], &zero, &commits[0]);
    steady_push["repository"]["full_name"] = json!("acme/steady");
    assert!(up.register(&steady_push).is_success());
    let pushed = Mutex::new(BTreeSet::new());
    let (times, turned_away) = steady(RATE, RATE * 3, |number| {
        let mut push = steady_push.clone();
        push["ref"] = json!(format!("refs/heads/s{}", number % 20));
        push["after"] = json!(format!("{number:040x}").replace('0', "a"));
        let Delivery { id, body, signature } = delivery(format!("s-{number}"), &push);
        let (status, answer) = up.deliver(&id, &signature, body);
        pushed.lock().expect("no panic").insert(text(&answer, "/run_id").to_owned());
        status.as_u16()
    });
    let most = line("a push, 200 a second", times);
    println!("{turned_away} of {} were turned away (503)", RATE * 3);
    println!(
        "p99 of a push: {:.1} times that of a route that only answers",
        most.div_duration_f64(only)
    );
    for run in pushed.into_inner().expect("no panic") {
        let cancel = up.http.post(format!("{}/v1/runs/{run}/cancel", up.api));
        cancel
            .bearer_auth(&up.token)
            .json(&json!({ "reason": "enough" }))
            .send()
            .expect("an answer");
    }
    drop(running);
}
