//! How fast the engine is, with every event on disk before it counts.
//!
//! A transition is a state entered and left. Run with `cargo bench -p local-step-functions`; the
//! data are in the folder for temporary files, so put that on a real disk.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark may panic and print")]
#![allow(missing_docs, reason = "the benchmark macros generate items")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use divan::Bencher;
use divan::counter::ItemsCount;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

struct Echo;

#[async_trait]
impl TaskExecutor for Echo {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        Ok(task.arguments)
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn open(folder: &Path) -> Engine {
    let options = EngineOptions::new(folder, "us-east-1", "111111111111");
    Engine::open(options, Arc::new(Echo)).await.unwrap()
}

/// A chain of `count` states made by `state`.
fn chain(count: usize, state: impl Fn() -> Value) -> String {
    let mut states = Map::new();
    for index in 0..count {
        let mut one = state();
        let object = one.as_object_mut().unwrap();
        if index + 1 == count {
            object.insert("End".into(), json!(true));
        } else {
            object.insert("Next".into(), json!(format!("S{}", index + 1)));
        }
        states.insert(format!("S{index}"), one);
    }
    json!({ "QueryLanguage": "JSONata", "StartAt": "S0", "States": states }).to_string()
}

fn passes() -> String {
    chain(20, || json!({ "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" } }))
}

fn tasks() -> String {
    chain(20, || {
        json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": { "FunctionName": "f", "n": "{% $states.input.n + 1 %}" } })
    })
}

/// Counts to `most`, one Choice and one Pass, four events, for each.
fn counting(most: usize) -> String {
    let condition = format!("{{% $states.input.n < {most} %}}");
    json!({ "QueryLanguage": "JSONata", "StartAt": "More", "States": {
        "More": { "Type": "Choice", "Choices": [{ "Condition": condition, "Next": "Add" }], "Default": "Enough" },
        "Add": { "Type": "Pass", "Output": { "n": "{% $states.input.n + 1 %}" }, "Next": "More" },
        "Enough": { "Type": "Succeed" } } })
    .to_string()
}

fn waiting() -> String {
    json!({ "QueryLanguage": "JSONata", "StartAt": "First", "States": {
        "First": { "Type": "Pass", "Assign": { "order": "{% $states.input.n %}" }, "Next": "Wait" },
        "Wait": { "Type": "Wait", "Seconds": 86400, "End": true } } })
    .to_string()
}

async fn machine(engine: &Engine, definition: &str) -> String {
    engine.put_state_machine("bench", definition).await.unwrap()
}

/// Starts `count` executions and waits for all that end.
async fn run(engine: &Engine, machine: &str, count: usize, ends: bool) {
    let mut changes = engine.status_changes();
    let starts = (0..count).map(|_| {
        engine.call("StartExecution", json!({ "stateMachineArn": machine, "input": "{\"n\":0}" }))
    });
    for started in futures::future::join_all(starts).await {
        started.unwrap();
    }
    while ends && engine.running() > 0 {
        // Falling behind does no harm: the count is asked again.
        drop(changes.recv().await);
    }
}

/// A folder with `count` executions in it.
fn filled(definition: &str, count: usize, ends: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let engine = open(folder.path()).await;
        let machine = machine(&engine, definition).await;
        for _ in 0..count.div_ceil(1_000) {
            run(&engine, &machine, count.min(1_000), ends).await;
        }
        engine.shutdown().await;
    });
    folder
}

fn throughput(bencher: Bencher<'_, '_>, definition: &str, count: usize, transitions: usize) {
    let runtime = runtime();
    let folder = tempfile::tempdir().unwrap();
    let engine = runtime.block_on(open(folder.path()));
    let machine = runtime.block_on(machine(&engine, definition));
    bencher
        .counter(ItemsCount::new(count * transitions))
        .bench_local(|| runtime.block_on(run(&engine, &machine, count, true)));
    runtime.block_on(engine.shutdown());
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn one_execution_of_4001_transitions(bencher: Bencher<'_, '_>) {
    throughput(bencher, &counting(2_000), 1, 4_001);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn thousand_executions_of_20_passes(bencher: Bencher<'_, '_>) {
    throughput(bencher, &passes(), 1_000, 20);
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn thousand_executions_of_20_tasks(bencher: Bencher<'_, '_>) {
    throughput(bencher, &tasks(), 1_000, 20);
}

#[divan::bench(sample_count = 100, sample_size = 1)]
fn start_to_end_of_20_passes(bencher: Bencher<'_, '_>) {
    throughput(bencher, &passes(), 1, 20);
}

#[divan::bench(sample_count = 50, sample_size = 1)]
fn start_to_end_of_20_tasks(bencher: Bencher<'_, '_>) {
    throughput(bencher, &tasks(), 1, 20);
}

fn recovery(bencher: Bencher<'_, '_>, definition: &str, ends: bool) {
    let folder = filled(definition, 10_000, ends);
    let runtime = runtime();
    bencher.counter(ItemsCount::new(10_000_usize)).bench_local(|| {
        runtime.block_on(async {
            let engine = open(folder.path()).await;
            assert_eq!(engine.running(), if ends { 0 } else { 10_000 });
            engine.shutdown().await;
        });
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn recovery_of_10000_waiting(bencher: Bencher<'_, '_>) {
    recovery(bencher, &waiting(), false);
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn recovery_of_10000_ended_of_20_passes(bencher: Bencher<'_, '_>) {
    recovery(bencher, &passes(), true);
}

/// What this process holds in memory, in KiB.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The memory of executions that wait, and of those that have ended.
fn memory(definition: &str, ends: bool) {
    let folder = filled(definition, 10_000, ends);
    let runtime = runtime();
    let before = resident();
    let engine = runtime.block_on(open(folder.path()));
    if let (Some(before), Some(after)) = (before, resident()) {
        let what = if ends { "ended" } else { "waiting" };
        let more = after.saturating_sub(before);
        println!("memory of 10,000 {what} executions: {:.1} MiB", more as f64 / 1024.0);
    }
    runtime.block_on(engine.shutdown());
}

/// All pages of an execution's history, one after another. Answers how many events they hold.
async fn page_through(engine: &Engine, execution: &str) -> usize {
    let (mut events, mut token) = (0, Value::Null);
    loop {
        let mut input = json!({ "executionArn": execution, "maxResults": 1_000 });
        if let (Value::String(_), Some(input)) = (&token, input.as_object_mut()) {
            input.insert("nextToken".into(), token.take());
        }
        let mut page = engine.call("GetExecutionHistory", input).await.unwrap();
        events += page.get("events").and_then(Value::as_array).map_or(0, Vec::len);
        match page.get_mut("nextToken").map(Value::take) {
            Some(next) => token = next,
            None => return events,
        }
    }
}

/// How long a short call takes on a runtime of two threads, in milliseconds, in order.
async fn latencies(engine: &Engine, machine: &str) -> Vec<f64> {
    let mut taken = Vec::new();
    let until = Instant::now() + Duration::from_secs(10);
    while taken.len() < 2_000 && Instant::now() < until {
        let (engine, input) = (engine.clone(), json!({ "stateMachineArn": machine }));
        let begun = Instant::now();
        let call = async move { engine.call("DescribeStateMachine", input).await.map(drop) };
        tokio::spawn(call).await.unwrap().unwrap();
        taken.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    taken.sort_by(f64::total_cmp);
    taken
}

/// What others notice of four clients that page through a long history, over and over.
async fn paging() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let machine = machine(&engine, &counting(6_000)).await;
    run(&engine, &machine, 1, true).await;
    let executions = engine.call("ListExecutions", json!({ "stateMachineArn": machine }));
    let executions = executions.await.unwrap();
    let execution = executions.pointer("/executions/0/executionArn").and_then(Value::as_str);
    let execution = execution.unwrap().to_owned();
    let tell = |what: &str, taken: &[f64]| {
        let at = |part: usize| taken.get(taken.len() * part / 1_000).copied().unwrap_or_default();
        let most = taken.last().copied().unwrap_or_default();
        println!(
            "DescribeStateMachine, {what}: p50 {:.3} ms, p99 {:.3} ms, max {most:.3} ms",
            at(500),
            at(990)
        );
    };
    tell("idle", &latencies(&engine, &machine).await);
    let done = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (engine, execution, done) = (engine.clone(), execution.clone(), done.clone());
            tokio::spawn(async move {
                let mut events = 0;
                while !done.load(Ordering::Relaxed) {
                    events += page_through(&engine, &execution).await;
                }
                events
            })
        })
        .collect();
    tell("four clients page", &latencies(&engine, &machine).await);
    done.store(true, Ordering::Relaxed);
    let mut events = 0;
    for client in clients {
        events += client.await.unwrap();
    }
    println!("events paged: {:.0}/s", events as f64 / begun.elapsed().as_secs_f64());
    engine.shutdown().await;
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    // In a process of its own, so that nothing else counts.
    match (arguments.next().as_deref(), arguments.next().as_deref()) {
        (Some("--memory-of"), Some("ended")) => return memory(&passes(), true),
        (Some("--memory-of"), _) => return memory(&waiting(), false),
        (Some("--paging"), _) => return runtime().block_on(paging()),
        _ => {}
    }
    divan::main();
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let runs: [&[&str]; 3] =
        [&["--memory-of", "waiting"], &["--memory-of", "ended"], &["--paging"]];
    for arguments in runs {
        std::process::Command::new(&program).args(arguments).status().unwrap();
    }
}
