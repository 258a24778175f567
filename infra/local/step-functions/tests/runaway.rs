//! Expressions that ask for more than there is: their executions fail, everything else goes on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use local_step_functions::{
    Engine, EngineOptions, EvaluatorProgram, TaskExecutor, TaskFailure, TaskRequest,
};
use serde_json::{Value, json};

const FOLDER: &str = "SFN_RUNAWAY_FOLDER";

struct Echo;

#[async_trait]
impl TaskExecutor for Echo {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        Ok(task.arguments)
    }
}

fn options(folder: &Path, evaluator: EvaluatorProgram) -> EngineOptions {
    let mut options = EngineOptions::new(folder, "us-east-1", "111111111111");
    options.evaluator = Some(evaluator);
    options
}

async fn open(folder: &Path) -> Engine {
    let program = env!("CARGO_BIN_EXE_local-step-functions-evaluator").into();
    let evaluator = EvaluatorProgram { program, args: Vec::new() };
    Engine::open(options(folder, evaluator), Arc::new(Echo)).await.unwrap()
}

fn pass(expression: &str) -> Value {
    let output = json!({ "x": format!("{{% {expression} %}}") });
    json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": output, "End": true } } })
}

async fn start(engine: &Engine, name: &str, definition: &Value) -> String {
    let machine = engine.put_state_machine(name, &definition.to_string()).await.unwrap();
    let input = json!({ "text": "x".repeat(100_000), "items": vec![1; 10_000] }).to_string();
    let start = json!({ "stateMachineArn": machine, "name": "x", "input": input });
    let started = engine.call("StartExecution", start).await.unwrap();
    started["executionArn"].as_str().unwrap().to_owned()
}

async fn describe(engine: &Engine, arn: &str) -> Value {
    engine.call("DescribeExecution", json!({ "executionArn": arn })).await.unwrap()
}

async fn end(engine: &Engine, arn: &str) -> Value {
    let wait = async {
        loop {
            let state = describe(engine, arn).await;
            if state["status"] != "RUNNING" {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap()
}

/// The memory that this process holds, in MiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0) / 1_024
}

const RUNAWAY: [&str; 16] = [
    "$pad('', 100000000000, 'x')",
    "$pad('', -100000000000, $states.input.text)",
    "$count([1..873782].([1..873782]))",
    "$join($map([1..1000], function($i) { $states.input.text }), $states.input.text)",
    "$replace($states.input.text, 'x', $states.input.text)",
    "$string($map([1..100000], function($i) { $states.input.text }))",
    "$map($states.input.items, function($i) { $map($states.input.items, function($j) { $states.input.text & $i & $j }) })",
    "($f := function($s, $n) { $n = 0 ? $s : $f($base64encode($s), $n - 1) }; $f($states.input.text, 90))",
    "($f := function($s, $n) { $n = 0 ? $s : $f($s & $s, $n - 1) }; $f('x', 60))",
    "($f := function($s, $n) { $n = 0 ? $s : $f([[$s], [$s]], $n - 1) }; $string($f(1, 60)))",
    "$reduce([1..100000], function($a, $i) { $a & $states.input.text })",
    "$match($states.input.text, /(x{1,1000}){1,1000}y/)",
    "$split($pad('', 2000000000, 'ab'), 'a')",
    "$formatInteger(2000000000, 'I')",
    "$formatNumber(1, $pad('', 300000000, '0'))",
    "$distinct($map([1..800000], function($i) { [$i, $states.input.text] }))",
];

#[tokio::test]
async fn cost_their_executions_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let before = resident();
    for (index, expression) in RUNAWAY.iter().enumerate() {
        let began = Instant::now();
        let arn = start(&engine, &format!("m{index}"), &pass(expression)).await;
        let state = end(&engine, &arn).await;
        let took = began.elapsed();
        assert_eq!(state["status"], "FAILED", "{expression}: {state}");
        let error = state["error"].as_str().unwrap();
        assert!(
            ["States.QueryEvaluationError", "States.DataLimitExceeded"].contains(&error),
            "{expression}: {state}"
        );
        let cause = state["cause"].as_str().unwrap().rsplit(". ").next().unwrap().to_owned();
        eprintln!("{took:?} for {expression}: {cause}");
        assert!(took < Duration::from_secs(20), "{expression} took {took:?}");
    }
    assert!(resident() < before + 200, "{} MiB, {before} before", resident());
    // The processes are replaced: what is right goes on.
    let right = pass("$sum($reduce([1..100], function($a, $i) { $append($a, $i) }))");
    let arn = start(&engine, "right", &right).await;
    assert_eq!(end(&engine, &arn).await["output"], r#"{"x":5050}"#);
    engine.shutdown().await;
}

/// What is evaluated elsewhere says what it says here.
#[tokio::test]
async fn another_process_says_the_same() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut trusting = EngineOptions::new(folders[1].path(), "us-east-1", "111111111111");
    trusting.evaluator = None;
    let trusting = Engine::open(trusting, Arc::new(Echo)).await.unwrap();
    let engine = open(folders[0].path()).await;
    for (index, expression) in [
        "$reduce([1..3], function($a, $i) { $a + $i })",
        "$sort([3, 1, 2], function($l, $r) { $l > $r })",
        "$states.input.items[0] ~> function($x) { [$x, $states.context.State.Name] }",
        "$reduce(1)",
        "$sort([1, 'a'])",
        "$each({'a': 1 / 0}, function($v, $k) { $k & $v })",
        "function($x) { $x }",
        "$single([1, 2], function($x) { $x > 0 })",
        "$pad('ä', 5, '🙂')",
        "**.nothing",
        "$error('boom' & $pad('', 3, '!'))",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("m{index}");
        let definition = pass(expression);
        let mut states = Vec::new();
        for engine in [&engine, &trusting] {
            let arn = start(engine, &name, &definition).await;
            let state = end(engine, &arn).await;
            states.push(json!([state["status"], state["output"], state["error"], state["cause"]]));
        }
        assert_eq!(states[0], states[1], "{expression}");
    }
    engine.shutdown().await;
    trusting.shutdown().await;
}

#[tokio::test]
async fn can_be_stopped_and_hold_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).await;
    let endless = pass("($f := function($x) { $f($x + 1) }; $f(1))");
    let mut arns = Vec::new();
    for n in 0..6 {
        arns.push(start(&engine, &format!("endless{n}"), &endless).await);
    }
    let quick = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": { "Type": "Pass", "Output": "{% $states.context.State.Name %}", "End": true } } });
    for n in 0..5 {
        let began = Instant::now();
        let arn = start(&engine, &format!("quick{n}"), &quick).await;
        assert_eq!(end(&engine, &arn).await["output"], "\"A\"");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    for arn in &arns {
        let began = Instant::now();
        let stop = json!({ "executionArn": arn, "error": "Enough" });
        engine.call("StopExecution", stop).await.unwrap();
        let took = began.elapsed();
        let state = describe(&engine, arn).await;
        if state["status"] != "FAILED" {
            assert_eq!((&state["status"], &state["error"]), (&json!("ABORTED"), &json!("Enough")));
            assert!(took < Duration::from_secs(2), "a stop took {took:?}");
        }
    }
    // The first ones to be stopped were evaluated at that time.
    assert_eq!(describe(&engine, &arns[0]).await["status"], "ABORTED");
    engine.shutdown().await;
}

/// The process that an expression ends; nothing unless a test below started it.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // It trusts the expressions that it evaluates.
        let options = EngineOptions::new(Path::new(&folder), "us-east-1", "111111111111");
        let engine = Engine::open(options, Arc::new(Echo)).await.unwrap();
        if engine.call("DescribeExecution", json!({ "executionArn": DEADLY })).await.is_err() {
            let wait = json!({ "QueryLanguage": "JSONata", "StartAt": "A", "States": {
                "A": { "Type": "Wait", "Seconds": 3600, "End": true } } });
            start(&engine, "other", &wait).await;
            start(&engine, "deadly", &pass("$pad('', 100000000000, 'x')")).await;
        }
        end(&engine, DEADLY).await;
        engine.shutdown().await;
    });
}

const DEADLY: &str = "arn:aws:states:us-east-1:111111111111:execution:deadly:x";
const OTHER: &str = "arn:aws:states:us-east-1:111111111111:execution:other:x";

/// Runs the child with less address space than the text would take. Answers whether it came to its
/// end.
fn survives(folder: &Path) -> bool {
    let status = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -v 1500000; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        // Each arena would reserve 64 MiB.
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    status.success()
}

/// An engine that trusted too much is opened again by one that does not.
#[tokio::test]
async fn what_ended_the_process_once_is_evaluated_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    assert!(!survives(folder.path()), "the expression ends the process");
    let engine = open(folder.path()).await;
    let state = end(&engine, DEADLY).await;
    let found = (&state["status"], &state["error"]);
    assert_eq!(found, (&json!("FAILED"), &json!("States.QueryEvaluationError")), "{state}");
    assert!(state["cause"].as_str().unwrap().contains("memory limit exceeded"), "{state}");
    assert_eq!(describe(&engine, OTHER).await["status"], "RUNNING");
    engine.shutdown().await;
}

#[tokio::test]
async fn what_ends_the_process_each_time_is_not_tried_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut ends = 0;
    while !survives(folder.path()) {
        ends += 1;
        assert!(ends <= 5, "it ends the process again and again");
    }
    assert_eq!(ends, 5);
    let engine = open(folder.path()).await;
    let state = describe(&engine, DEADLY).await;
    assert_eq!((&state["status"], &state["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert!(state["cause"].as_str().unwrap().contains("process ended five times"), "{state}");
    assert_eq!(describe(&engine, OTHER).await["status"], "RUNNING");
    engine.shutdown().await;
}
