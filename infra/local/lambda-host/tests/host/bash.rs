//! An ordinary custom runtime: a script in bash that speaks to the Runtime API with curl.

use super::{body, call, host, until};
use local_lambda_host::{FunctionSpec, Host, InvocationType, InvokeRequest};
use serde_json::json;
use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// What AWS shows for custom runtimes: the handler is a function in a file beside, the header is
/// cut out of what curl writes down. It looks for the header as Lambda spells it.
const BOOTSTRAP: &str = r#"#!/usr/bin/env bash
set -euo pipefail
source "$LAMBDA_TASK_ROOT/${_HANDLER%.*}.sh"
while true
do
  headers="$(mktemp)"
  event=$(curl -sS -f -D "$headers" \
    "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")
  id=$(grep -F Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  rm "$headers"
  if answer=$("${_HANDLER#*.}" "$event"); then
    curl -sS -f -o /dev/null -d "$answer" \
      "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$id/response"
  else
    curl -sS -f -o /dev/null -d '{"errorType": "Handler", "errorMessage": "it failed"}' \
      "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$id/error"
  fi
done
"#;

/// Says who it is, from which folder, and what it was given; it waits for a file that is named.
const HANDLER: &str = r#"function handle () {
  case "$1" in
    *fail*) return 1 ;;
    *wait*) while [ ! -e "${1//\"/}" ]; do sleep 0.01; done ;;
  esac
  echo "{\"pid\": $$, \"folder\": \"$PWD\", \"name\": \"$AWS_LAMBDA_FUNCTION_NAME\", \"event\": $1}"
}
"#;

/// Whether the tools of the script are there; says so where they are not.
fn skipped() -> bool {
    let missing: Vec<_> = ["bash", "curl"]
        .into_iter()
        .filter(|tool| {
            let run = Command::new(tool).arg("--version").stdout(Stdio::null()).status();
            !run.is_ok_and(|status| status.success())
        })
        .collect();
    if missing.is_empty() {
        return false;
    }
    eprintln!("skipped: {} is not installed", missing.join(", "));
    true
}

fn function(folder: &Path, name: &str) -> FunctionSpec {
    let write = |name: &str, text: &str| {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o755);
        options.open(folder.join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("bootstrap", BOOTSTRAP);
    write("function.sh", HANDLER);
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    FunctionSpec {
        handler: "function.handle".to_owned(),
        timeout: Duration::from_secs(30),
        ..FunctionSpec::new(name, arn, folder.join("bootstrap"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_in_bash_serves_events_in_its_own_folder() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let host = host(vec![function(folder.path(), "f")]).await;
    let first = call(&host, "f", json!({"n": 1})).await.unwrap();
    assert_eq!(first.function_error, None, "{}", first.log_tail);
    let first = body(&first);
    assert_eq!((&first["event"], &first["name"]), (&json!({"n": 1}), &json!("f")));
    assert_eq!(first["folder"], json!(folder.path().canonicalize().unwrap()));
    let failed = call(&host, "f", json!("fail")).await.unwrap();
    assert_eq!(failed.function_error.as_deref(), Some("Unhandled"));
    assert_eq!(body(&failed), json!({"errorType": "Handler", "errorMessage": "it failed"}));
    let next = body(&call(&host, "f", json!({"n": 2})).await.unwrap());
    assert_eq!((&next["pid"], &next["event"]["n"]), (&first["pid"], &json!(2)), "not used again");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_at_work_at_once_get_each_their_own_event() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let functions = vec![function(folder.path(), "f"), function(folder.path(), "g")];
    let host = host(functions).await;
    let waiting = |host: &Host, function: &str, n: usize| {
        let file = folder.path().join(format!("wait-{function}-{n}"));
        let (host, function) = (host.clone(), function.to_owned());
        let event = json!(file);
        let answer = tokio::spawn({
            let event = event.clone();
            async move { call(&host, &function, event).await }
        });
        (file, event, answer)
    };
    let mut calls: Vec<_> =
        ["f", "g"].iter().flat_map(|f| (0..3).map(|n| (*f, waiting(&host, f, n)))).collect();
    until("six at work", || host.instances().iter().filter(|i| i.busy).count() == 6).await;
    // In another order than they were begun.
    calls.reverse();
    let mut pids = std::collections::BTreeSet::new();
    for (function, (file, event, answer)) in calls {
        std::fs::write(file, "").unwrap();
        let answer = body(&answer.await.unwrap().unwrap());
        assert_eq!((&answer["event"], &answer["name"]), (&event, &json!(function)));
        assert!(pids.insert(answer["pid"].as_u64().unwrap()), "two events in one instance");
    }
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_run_after_the_caller_was_answered() {
    if skipped() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut function = function(folder.path(), "f");
    let log = folder.path().join("f.log");
    function.log = Some(log.clone());
    let host = host(vec![function]).await;
    let file = folder.path().join("wait");
    let event = InvokeRequest::new("f", json!(file).to_string()).kind(InvocationType::Event);
    let taken = host.invoke(event).await.unwrap();
    std::fs::write(file, "").unwrap();
    let end = format!("END RequestId: {}", taken.request_id);
    until("its end", || std::fs::read_to_string(&log).unwrap().contains(&end)).await;
    host.shutdown().await;
}
