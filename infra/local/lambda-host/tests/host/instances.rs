//! Instances: started, used again, killed, ended with their host.

use super::{alive, body, call, example, host, spec, until};
use local_lambda_host::{
    Host, HostOptions, InvocationType, InvokeRequest, Policy, RequestError, Throttle,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::json;
use std::{
    path::Path,
    time::{Duration, Instant},
};

#[tokio::test(flavor = "multi_thread")]
async fn echo_reuse_and_environment() {
    let host = host(vec![spec("f")]).await;
    let first = call(&host, "f", json!({"a": 1})).await.unwrap();
    let second =
        call(&host, "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST", json!([1]))
            .await
            .unwrap();
    let (one, two) = (body(&first), body(&second));
    assert_eq!((&one["echo"], &two["echo"]), (&json!({"a": 1}), &json!([1])));
    assert_eq!(one["pid"], two["pid"]);
    assert_eq!((&one["count"], &two["count"]), (&json!(1), &json!(2)));
    assert_eq!(one["request_id"], json!(first.request_id));
    assert_eq!(one["arn"], "arn:aws:lambda:us-east-1:000000000000:function:f");
    let left = one["left_ms"].as_u64().unwrap();
    assert!((10_000..=20_000).contains(&left), "{left}");
    let environment = body(&call(&host, "f", json!({"do": "environment"})).await.unwrap());
    for (name, value) in [
        ("OWN", "value"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert!(environment.get("CARGO_MANIFEST_DIR").is_none(), "the environment is not clean");
    host.shutdown().await;
    assert!(!alive(one["pid"].as_u64().unwrap()));
    assert!(matches!(call(&host, "f", json!({})).await, Err(RequestError::Service(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_worded_as_aws_words_them() {
    let host = host(vec![spec("f")]).await;
    let failed = call(&host, "f", json!({"do": "fail"})).await.unwrap();
    assert_eq!(failed.function_error.as_deref(), Some("Unhandled"));
    assert_eq!(body(&failed)["errorMessage"], "it failed");
    assert!(body(&failed)["errorType"].is_string());
    let panicked = call(&host, "f", json!({"do": "panic"})).await.unwrap();
    assert_eq!(panicked.function_error.as_deref(), Some("Unhandled"));
    assert!(body(&panicked)["errorMessage"].as_str().unwrap().contains("it panicked"));
    for (what, how) in [
        ("exit", "Runtime exited with error: exit status 3"),
        ("abort", "Runtime exited with error: signal: aborted"),
    ] {
        let crashed = call(&host, "f", json!({"do": what})).await.unwrap();
        let id = &crashed.request_id;
        let expected = json!({"errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: {id} Error: {how}")});
        assert_eq!(
            (body(&crashed), crashed.function_error.as_deref()),
            (expected, Some("Unhandled"))
        );
        assert!(crashed.log_tail.contains(&format!("handling \"{what}\"")), "{}", crashed.log_tail);
    }
    let large = call(&host, "f", json!({"do": "large"})).await.unwrap();
    assert_eq!(body(&large)["errorType"], "Function.ResponseSizeTooLarge");
    // The function still works.
    let next = call(&host, "f", json!({"n": 1})).await.unwrap();
    assert_eq!(body(&next)["echo"]["n"], 1, "{next:?}");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused() {
    let mut off = spec("off");
    off.max_concurrency = Some(0);
    let host = host(vec![spec("f"), off]).await;
    assert!(matches!(call(&host, "nope", json!({})).await, Err(RequestError::NotFound(_))));
    let other = "arn:aws:lambda:eu-west-1:000000000000:function:f";
    assert!(matches!(call(&host, other, json!({})).await, Err(RequestError::NotFound(_))));
    assert_eq!(
        call(&host, "off", json!({})).await,
        Err(RequestError::TooManyRequests(Throttle::Reserved))
    );
    let large = json!("x".repeat(6 * 1024 * 1024 + 1));
    assert!(matches!(call(&host, "f", large).await, Err(RequestError::TooLarge { .. })));
    let text = host.invoke(InvokeRequest::new("f", "not json")).await;
    assert!(matches!(text, Err(RequestError::NotJson(_))));
    assert!(host.instances().is_empty());
    let twice = Host::start(HostOptions::default(), vec![spec("f"), spec("f")]).await;
    assert!(twice.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_kills_everything_the_function_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut function = spec("f");
    function.timeout = Duration::from_secs(2);
    let host = host(vec![function]).await;
    let start = Instant::now();
    let timed_out = call(&host, "f", json!({"do": "spawn", "file": file})).await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2));
    let id = &timed_out.request_id;
    assert_eq!(
        body(&timed_out),
        json!({"errorType": "Sandbox.Timedout",
               "errorMessage": format!("RequestId: {id} Error: Task timed out after 2.00 seconds")})
    );
    let grandchild: u64 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    until("the end of the grandchild", || !alive(grandchild)).await;
    assert!(host.instances().is_empty());
    assert!(body(&call(&host, "f", json!({})).await.unwrap())["count"] == 1);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_an_invocation_left_behind_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut function = spec("f");
    function.timeout = Duration::from_secs(1);
    let host = host(vec![function]).await;
    let detach = json!({"do": "detach", "file": file});
    assert_eq!(call(&host, "f", detach.clone()).await.unwrap().function_error, None);
    let service = |file: &Path| std::fs::read_to_string(file).unwrap().parse::<u64>().unwrap();
    let first = service(&file);
    let timed_out = call(&host, "f", json!({"do": "sleep"})).await.unwrap();
    assert_eq!(body(&timed_out)["errorType"], "Sandbox.Timedout");
    assert!(host.instances().is_empty());
    assert!(alive(first), "it fell with a later invocation");
    call(&host, "f", detach).await.unwrap();
    let second = service(&file);
    host.shutdown().await;
    assert!(alive(second), "it fell with the idle instance");
    for pid in [first, second] {
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_is_limited_and_the_queue_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut function = spec("f");
    function.max_concurrency = Some(2);
    let policy = Policy { queue: 1, ..Policy::default() };
    let host = Host::start_with(HostOptions::default(), policy, vec![function]).await.unwrap();
    let mut calls = Vec::new();
    for _ in 0..4 {
        let (host, payload) = (host.clone(), json!({"do": "wait", "file": go}));
        calls.push(tokio::spawn(async move { call(&host, "f", payload).await }));
    }
    // Two run, one waits, one is refused.
    until("the refusal", || calls.iter().any(tokio::task::JoinHandle::is_finished)).await;
    assert!(host.instances().iter().filter(|i| i.busy).count() <= 2);
    std::fs::write(&go, "").unwrap();
    let (mut served, mut refused) = (std::collections::BTreeSet::new(), 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(invocation) => {
                served.insert(body(&invocation)["pid"].as_u64().unwrap());
            }
            Err(RequestError::TooManyRequests(Throttle::Reserved)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((served.len(), refused), (2, 1));
    host.shutdown().await;
    assert!(served.iter().all(|pid| !alive(*pid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_the_queue_takes_its_invocation_along() {
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let mut function = spec("f");
    function.max_concurrency = Some(1);
    let host = host(vec![function]).await;
    let running = {
        let (host, payload) = (host.clone(), json!({"do": "wait", "file": go}));
        tokio::spawn(async move { call(&host, "f", payload).await })
    };
    until("the start", || host.instances().iter().any(|i| i.busy)).await;
    let waits = tokio::time::timeout(Duration::from_millis(20), call(&host, "f", json!({}))).await;
    assert!(waits.is_err());
    std::fs::write(&go, "").unwrap();
    running.await.unwrap().unwrap();
    let next = body(&call(&host, "f", json!({})).await.unwrap());
    assert_eq!(next["count"], 2, "the one that left was run");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_from_outside_is_a_crash_when_busy_and_unnoticed_when_idle() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut function = spec("f");
    function.log = Some(log.clone());
    let host = host(vec![function]).await;
    let busy = {
        let host = host.clone();
        tokio::spawn(async move { call(&host, "f", json!({"do": "sleep"})).await })
    };
    until("the start", || std::fs::read_to_string(&log).unwrap().contains("handling")).await;
    let pid = i32::try_from(host.instances()[0].pid).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    let crashed = busy.await.unwrap().unwrap();
    assert_eq!(body(&crashed)["errorType"], "Runtime.ExitError");
    assert!(body(&crashed)["errorMessage"].as_str().unwrap().ends_with("signal: killed"));

    let first = body(&call(&host, "f", json!({})).await.unwrap());
    let pid = first["pid"].as_i64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    until("its end", || !alive(pid.unsigned_abs())).await;
    let second = call(&host, "f", json!({})).await.unwrap();
    assert_eq!(second.function_error, None);
    assert_ne!(body(&second)["pid"], first["pid"]);
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_does_not_start() {
    let mut missing = spec("missing");
    missing.program = "/does/not/exist".into();
    let mut exits = spec("exits");
    exits.env.insert("FIXTURE_INIT".to_owned(), "exit".to_owned());
    let mut hangs = spec("hangs");
    hangs.env.insert("FIXTURE_INIT".to_owned(), "hang".to_owned());
    let policy = Policy { init: Duration::from_secs(2), ..Policy::default() };
    let functions = vec![missing, exits, hangs];
    let host = Host::start_with(HostOptions::default(), policy, functions).await.unwrap();
    for (function, kind) in [
        ("missing", "Runtime.InvalidEntrypoint"),
        ("exits", "Runtime.ExitError"),
        ("hangs", "Sandbox.Timedout"),
    ] {
        let failed = call(&host, function, json!({})).await.unwrap();
        assert_eq!(body(&failed)["errorType"], kind);
        assert_eq!(failed.function_error.as_deref(), Some("Unhandled"));
    }
    assert!(host.instances().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_instances_end_and_events_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("f.log");
    let mut function = spec("f");
    function.log = Some(log.clone());
    let policy = Policy {
        idle: Duration::from_millis(100),
        retries: vec![Duration::from_millis(10); 2],
        ..Policy::default()
    };
    let host = Host::start_with(HostOptions::default(), policy, vec![function]).await.unwrap();
    let payload = json!({"do": "fail"}).to_string();
    let event = InvokeRequest::new("f", payload).kind(InvocationType::Event);
    let taken = host.invoke(event).await.unwrap();
    assert!(taken.payload.is_empty());
    let starts = |log: &Path| {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        text.matches(&format!("START RequestId: {}", taken.request_id)).count()
    };
    until("the third try", || starts(&log) == 3).await;
    until("the end of the idle instance", || host.instances().is_empty()).await;
    assert_eq!(starts(&log), 3);
    let dry = InvokeRequest::new("f", "{}").kind(InvocationType::DryRun);
    let dry = host.invoke(dry).await.unwrap();
    assert!(dry.payload.is_empty() && host.instances().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_end_with_a_host_that_is_killed() {
    ends_with_its_host(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_know_nothing_of_their_host_end_with_it_too() {
    ends_with_its_host(&["watched"]).await;
}

async fn ends_with_its_host(args: &[&str]) {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut child = tokio::process::Command::new(example("fixture-host"))
        .arg(example("fixture-function"))
        .arg(json!({"do": "spawn", "file": file}).to_string())
        .args(args)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid: u64 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    let number = || std::fs::read_to_string(&file).ok()?.parse::<u64>().ok();
    until("the grandchild", || number().is_some()).await;
    let grandchild = number().unwrap();
    assert!(alive(pid) && alive(grandchild));
    child.kill().await.unwrap();
    until("the end of the function", || !alive(pid)).await;
    until("the end of what it started", || !alive(grandchild)).await;
}
