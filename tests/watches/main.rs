//! How long one scheduled watch takes, of so many environments of which a twentieth is ill: half of those
//! are dead, half hang. Nothing may be missed, nothing doubled, and no good one be called ill.
//!
//! `cargo build --workspace && cargo run -p pact-e2e --example watches -- [ENVIRONMENTS]`. The whole stack is
//! at work; one server answers for all of them, so that it is the watch that is measured.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that cannot be made should say so at once"
)]

#[path = "../scenarios/aws_clients.rs"]
#[expect(dead_code, unused_imports, reason = "most of it is for scenarios")]
mod aws_clients;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use aws_clients::{av, block_on, client, config, machines};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use pact_contract::actions::EnvironmentRecord;
use pact_e2e::{Aws, Stack};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Environments, where nothing else is said.
const ENVIRONMENTS: usize = 1_000;
/// Of so many one is ill.
const ILL: usize = 20;
/// Longest that a watch of a thousand may take.
const LONGEST: Duration = Duration::from_secs(60);
/// Most events that an execution's history may have.
const MOST_EVENTS: usize = 25_000;

fn main() -> ExitCode {
    let count = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(ENVIRONMENTS);
    let url = server();
    let stack = Stack::new();
    let (_running, endpoints) = stack.up();
    let aws = stack.aws();
    let table = text(&endpoints, "/table").to_owned();
    block_on(deploy(&aws, &table, &url, count));
    let begun = Instant::now();
    let events = block_on(watch(&aws));
    let took = begun.elapsed();
    let seen = block_on(seen(&aws, &table));
    let mut wrong: Vec<String> = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..count {
        let health = seen.get(&key(number)).map_or("missed", String::as_str);
        *counts.entry(health).or_default() += 1;
        let expected = if path(number) == "/well" { "healthy" } else { "unhealthy" };
        if health != expected {
            wrong.push(format!("{} is {health}, not {expected}", key(number)));
        }
    }
    println!("{count} environments in {:.1} s, {events} events: {counts:?}", took.as_secs_f64());
    for one in wrong.iter().take(10) {
        println!("  {one}");
    }
    let late = count <= ENVIRONMENTS && took > LONGEST;
    let right = wrong.is_empty() && events < MOST_EVENTS && !late;
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn key(number: usize) -> String {
    format!("acme/shop{}#production", number)
}

/// What is asked of an environment.
fn path(number: usize) -> &'static str {
    match number % (2 * ILL) {
        7 => "/dead",
        27 => "/hangs",
        _ => "/well",
    }
}

/// Answers at once, with a fault, or not at all, by what is asked.
fn server() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { continue };
                tokio::spawn(async move {
                    let mut request = [0; 1_024];
                    let read = stream.read(&mut request).await.unwrap_or(0);
                    let request = &request[..read];
                    let answer: &[u8] = if request.starts_with(b"GET /dead") {
                        b"HTTP/1.1 500 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    } else if request.starts_with(b"GET /hangs") {
                        return tokio::time::sleep(Duration::from_secs(600)).await;
                    } else {
                        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    };
                    drop(stream.write_all(answer).await);
                });
            }
        });
    });
    format!("http://{address}")
}

/// As if each had been deployed long ago.
async fn deploy(aws: &Aws, table: &str, url: &str, count: usize) {
    let client = aws_sdk_dynamodb::Client::new(&config(aws).await);
    let request = |number: usize| {
        let current = serde_json::from_value(json!({
            "release": "r1", "commit": "1", "run_id": "web-1", "deployed_at": "2026-01-01T00:00:00Z",
            "settings": { "target": { "kind": "directory" }, "health": [{ "path": path(number) }] },
        }));
        let current = Some(current.expect("a release"));
        let url = Some(url.to_owned());
        let record = EnvironmentRecord { current, url, ..EnvironmentRecord::default() };
        let record = serde_json::to_string(&record).expect("json");
        let schema = serde_json::to_string(&EnvironmentRecord::VERSION).expect("json");
        let put = PutRequest::builder()
            .item("pk", av(&format!("ENV#{}", key(number))))
            .item("sk", av("ENV"))
            .item("schema", AttributeValue::N(schema))
            .item("record", av(&record))
            .item("gsi1pk", av("ENVIRONMENTS"))
            .item("gsi1sk", av(&key(number)));
        WriteRequest::builder().put_request(put.build().expect("an item")).build()
    };
    for first in (0..count).step_by(25) {
        let batch = (first..count.min(first + 25)).map(request).collect();
        let written = client.batch_write_item().request_items(table, batch).send().await;
        let left = written.expect("is written").unprocessed_items;
        assert!(left.is_none_or(|left| left.is_empty()), "all of it is written");
    }
}

/// One watch, to its end: how many events it had.
async fn watch(aws: &Aws) -> usize {
    let client = client(aws).await;
    let monitor = machines(&client).await.into_iter().find(|m| m.name.ends_with("-monitor"));
    let arn = monitor.expect("a watch").state_machine_arn;
    let started = client.start_execution().state_machine_arn(arn).name("watch").send().await;
    let arn = started.expect("starts").execution_arn;
    loop {
        let execution = client.describe_execution().execution_arn(&arn).send().await;
        match execution.expect("is there").status.as_str() {
            "RUNNING" => tokio::time::sleep(Duration::from_millis(100)).await,
            "SUCCEEDED" => break,
            end => panic!("the watch ended as {end}"),
        }
    }
    let mut pages = client
        .get_execution_history()
        .execution_arn(&arn)
        .max_results(1_000)
        .into_paginator()
        .send();
    let mut events = 0;
    while let Some(page) = pages.next().await {
        events += page.expect("a page").events.len();
    }
    events
}

/// What was kept of each.
async fn seen(aws: &Aws, table: &str) -> BTreeMap<String, String> {
    let client = aws_sdk_dynamodb::Client::new(&config(aws).await);
    let mut pages = client
        .query()
        .table_name(table)
        .index_name("gsi1")
        .key_condition_expression("gsi1pk = :all")
        .expression_attribute_values(":all", av("ENVIRONMENTS"))
        .into_paginator()
        .send();
    let mut seen = BTreeMap::new();
    while let Some(page) = pages.next().await {
        for item in page.expect("a page").items.unwrap_or_default() {
            let read = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
            let Some(key) = read("gsi1sk") else { continue };
            let health = read("watch_health").map_or("missed", String::as_str).to_owned();
            assert!(seen.insert(key.clone(), health).is_none(), "{key} is there once");
        }
    }
    seen
}

/// A text of a document.
fn text<'r>(document: &'r Value, pointer: &str) -> &'r str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
