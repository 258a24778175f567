//! The host with real processes: `examples/fixture-function.rs` is the function.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests may panic too")]

use local_lambda_host::{
    FunctionSpec, Host, HostOptions, Invocation, InvocationType, InvokeError, Policy, http_api,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: build the workspace with its examples", path.display());
    path
}

fn spec(name: &str) -> FunctionSpec {
    FunctionSpec {
        name: name.to_owned(),
        arn: format!("arn:aws:lambda:us-east-1:000000000000:function:{name}"),
        program: example("fixture-function"),
        args: Vec::new(),
        env: BTreeMap::from([("OWN".to_owned(), "value".to_owned())]),
        timeout: Duration::from_secs(20),
        memory_mb: 256,
        max_concurrency: None,
        log: None,
    }
}

async fn host(functions: Vec<FunctionSpec>) -> Host {
    Host::start(HostOptions::default(), functions).await.unwrap()
}

async fn call(host: &Host, function: &str, payload: Value) -> Result<Invocation, InvokeError> {
    host.invoke(function, payload.to_string().into(), InvocationType::RequestResponse).await
}

fn body(invocation: &Invocation) -> Value {
    serde_json::from_slice(&invocation.payload).unwrap()
}

fn alive(pid: u64) -> bool {
    // A zombie that nobody has waited for is dead.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

async fn until(what: &str, mut test: impl FnMut() -> bool) {
    let start = Instant::now();
    while !test() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

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
    assert!(matches!(call(&host, "f", json!({})).await, Err(InvokeError::Service(_))));
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
    assert!(matches!(call(&host, "nope", json!({})).await, Err(InvokeError::NotFound(_))));
    let other = "arn:aws:lambda:eu-west-1:000000000000:function:f";
    assert!(matches!(call(&host, other, json!({})).await, Err(InvokeError::NotFound(_))));
    assert_eq!(call(&host, "off", json!({})).await, Err(InvokeError::TooManyRequests));
    let large = json!("x".repeat(6 * 1024 * 1024 + 1));
    assert!(matches!(call(&host, "f", large).await, Err(InvokeError::TooLarge { .. })));
    let kind = InvocationType::RequestResponse;
    let text = host.invoke("f", "not json".into(), kind).await;
    assert!(matches!(text, Err(InvokeError::NotJson(_))));
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
            Err(InvokeError::TooManyRequests) => refused += 1,
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
    let taken = host.invoke("f", payload.into(), InvocationType::Event).await.unwrap();
    assert!(taken.payload.is_empty());
    let starts = |log: &Path| {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        text.matches(&format!("START RequestId: {}", taken.request_id)).count()
    };
    until("the third try", || starts(&log) == 3).await;
    until("the end of the idle instance", || host.instances().is_empty()).await;
    assert_eq!(starts(&log), 3);
    let dry = host.invoke("f", "{}".into(), InvocationType::DryRun).await.unwrap();
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

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn the_invoke_api() {
    let host = host(vec![spec("f")]).await;
    let url = serve(host.router()).await;
    let client = reqwest::Client::new();
    let to = |name: &str| client.post(format!("{url}/2015-03-31/functions/{name}/invocations"));
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af";
    let ok = to(arn).header("X-Amz-Log-Type", "Tail").body(r#"{"a":1}"#).send().await.unwrap();
    assert_eq!(ok.status(), 200);
    assert_eq!(ok.headers()["x-amz-executed-version"], "$LATEST");
    assert!(ok.headers().contains_key("x-amz-log-result"));
    assert!(!ok.headers().contains_key("x-amz-function-error"));
    assert_eq!(ok.json::<Value>().await.unwrap()["echo"], json!({"a": 1}));
    let failed = to("f").body(r#"{"do":"fail"}"#).send().await.unwrap();
    assert_eq!(
        (failed.status().as_u16(), &failed.headers()["x-amz-function-error"]),
        (200, &"Unhandled".parse().unwrap())
    );
    let event = to("f").header("X-Amz-Invocation-Type", "Event").body("{}").send().await.unwrap();
    assert_eq!(event.status(), 202);
    let dry = to("f").header("X-Amz-Invocation-Type", "DryRun").body("{}").send().await.unwrap();
    assert_eq!(dry.status(), 204);
    for (response, status, code) in [
        (to("g").body("{}").send().await.unwrap(), 404, "ResourceNotFoundException"),
        (to("f").body("{").send().await.unwrap(), 400, "InvalidRequestContentException"),
        (to("f").body(vec![b' '; 7 << 20]).send().await.unwrap(), 413, "RequestTooLargeException"),
    ] {
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["x-amzn-errortype"], code);
        assert!(response.json::<Value>().await.unwrap()["Message"].is_string());
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_events() {
    let mut slow = spec("slow");
    slow.env.insert("FIXTURE_INIT".to_owned(), "hang".to_owned());
    let mut crash = spec("crash");
    crash.env.insert("FIXTURE_INIT".to_owned(), "exit".to_owned());
    let host = host(vec![spec("f"), slow, crash]).await;
    let route = |method: &str, path: &str, function: &str| http_api::HttpRoute {
        method: method.to_owned(),
        path: path.to_owned(),
        function: function.to_owned(),
    };
    let routes = vec![
        route("POST", "/v1/runs/{id}", "f"),
        route("GET", "/slow", "slow"),
        route("GET", "/crash", "crash"),
    ];
    let options =
        http_api::Options { timeout: Duration::from_secs(4), max_body: 1000, ..Default::default() };
    let url = serve(http_api::router(host.clone(), routes, options)).await;
    let client = reqwest::Client::new();
    let ok = client
        .post(format!("{url}/v1/runs/a%20b?x=1"))
        .header("content-type", "application/json")
        .header("X-Hub-Signature-256", "sha256=ab")
        .body(r#"{"a":1}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (ok.status().as_u16(), &ok.headers()["x-path"]),
        (201, &"/v1/runs/a%20b".parse().unwrap())
    );
    let event: Value = ok.json().await.unwrap();
    assert_eq!(event["pathParameters"]["id"], "a b");
    assert_eq!(event["headers"]["x-hub-signature-256"], "sha256=ab");
    assert_eq!(event["body"], r#"{"a":1}"#);
    for (request, status, message) in [
        (client.get(format!("{url}/nowhere")), 404, "Not Found"),
        (client.get(format!("{url}/v1/runs/1")), 404, "Not Found"),
        (
            client.post(format!("{url}/v1/runs/1")).body("x".repeat(1001)),
            413,
            "Request Entity Too Large",
        ),
        (client.get(format!("{url}/slow")), 503, "Service Unavailable"),
        (client.get(format!("{url}/crash")), 500, "Internal Server Error"),
    ] {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.json::<Value>().await.unwrap(), json!({"message": message}));
    }
    host.shutdown().await;
}
