//! The host with real processes: `examples/fixture-function.rs` is the function.
#![expect(clippy::unwrap_used, reason = "the helpers of these tests may panic too")]
#![expect(clippy::print_stderr, reason = "what was skipped is said")]

mod api;
mod bash;
mod http_api;
mod instances;
mod managed;

use local_lambda_host::{FunctionSpec, Host, HostOptions, Invocation, InvokeRequest, RequestError};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let path = exe.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: build the workspace with its examples", path.display());
    path
}

fn spec(name: &str) -> FunctionSpec {
    let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{name}");
    FunctionSpec {
        env: BTreeMap::from([("OWN".to_owned(), "value".to_owned())]),
        timeout: Duration::from_secs(20),
        memory_mb: 256,
        ..FunctionSpec::new(name, arn, example("fixture-function"))
    }
}

async fn host(functions: Vec<FunctionSpec>) -> Host {
    Host::start(HostOptions::default(), functions).await.unwrap()
}

async fn call(host: &Host, function: &str, payload: Value) -> Result<Invocation, RequestError> {
    host.invoke(InvokeRequest::new(function, payload.to_string())).await
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

async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}
