//! A small function with every behaviour a host must cope with, for the tests.
#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "its output and its panic are what a test looks at"
)]

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use std::{
    os::unix::process::CommandExt,
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let init = std::env::var("FIXTURE_INIT");
    if init.as_deref() != Ok("stay") {
        local_lambda_host::die_with_parent();
    }
    match init.as_deref() {
        Ok("exit") => std::process::exit(7),
        Ok("hang") => std::future::pending::<()>().await,
        _ => {}
    }
    lambda_runtime::run(service_fn(handle)).await
}

static SERVED: AtomicU32 = AtomicU32::new(0);

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let count = SERVED.fetch_add(1, Ordering::SeqCst) + 1;
    let (payload, context) = event.into_parts();
    if payload.get("rawPath").is_some() {
        return Ok(json!({
            "statusCode": 201, "headers": {"x-path": payload["rawPath"]},
            "body": payload.to_string(), "isBase64Encoded": false
        }));
    }
    println!("handling {}", payload["do"]);
    match payload["do"].as_str() {
        Some("fail") => Err("it failed".into()),
        Some("panic") => panic!("it panicked"),
        Some("exit") => std::process::exit(3),
        Some("abort") => std::process::abort(),
        Some("sleep") => {
            std::future::pending::<()>().await;
            Ok(Value::Null)
        }
        Some(what @ ("spawn" | "detach")) => {
            // Into a process group of its own, and without this process's environment.
            let child = std::process::Command::new("sleep")
                .arg("1000")
                .env_clear()
                .process_group(0)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            std::fs::write(payload["file"].as_str().unwrap_or_default(), child.id().to_string())?;
            if what == "spawn" {
                std::future::pending::<()>().await;
            }
            Ok(Value::Null)
        }
        Some("wait") => {
            let file = payload["file"].as_str().unwrap_or_default().to_owned();
            while !std::path::Path::new(&file).exists() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            Ok(json!({"pid": std::process::id()}))
        }
        Some("large") => Ok(Value::String("x".repeat(7 * 1024 * 1024))),
        Some("environment") => {
            let environment: std::collections::BTreeMap<String, String> =
                std::env::vars().collect();
            Ok(json!(environment))
        }
        _ => {
            let now = std::time::SystemTime::now();
            let left = context.deadline().duration_since(now)?.as_millis();
            Ok(json!({
                "echo": payload, "pid": std::process::id(), "count": count, "left_ms": left as u64,
                "request_id": context.request_id, "arn": context.invoked_function_arn
            }))
        }
    }
}
