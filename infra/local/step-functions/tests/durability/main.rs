//! What becomes of the data: when files are damaged, when the disk is full, when time passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic and print"
)]

mod damage;
mod full_disk;
mod paging;
mod retention;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

const ACCOUNT: &str = "111111111111";
const REGION: &str = "us-east-1";

/// Answers a task with its arguments.
struct Echo;

#[async_trait]
impl TaskExecutor for Echo {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        Ok(task.arguments)
    }
}

fn options(folder: &Path) -> EngineOptions {
    EngineOptions::new(folder, REGION, ACCOUNT)
}

async fn open(folder: &Path) -> Engine {
    Engine::open(options(folder), Arc::new(Echo)).await.unwrap()
}

/// The ARN of a machine, an execution: `arn("execution", "m:1")`.
fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:{kind}:{name}")
}

async fn start(engine: &Engine, machine: &str, name: &str) -> Result<Value, String> {
    let input = json!({ "stateMachineArn": machine, "name": name, "input": "{\"n\":1}" });
    engine.call("StartExecution", input).await.map_err(|error| error.to_string())
}

async fn describe(engine: &Engine, execution: &str) -> Value {
    engine.call("DescribeExecution", json!({ "executionArn": execution })).await.unwrap()
}

async fn history(engine: &Engine, execution: &str) -> Result<Vec<Value>, String> {
    let input = json!({ "executionArn": execution, "maxResults": 1000 });
    let answer = engine.call("GetExecutionHistory", input).await.map_err(|e| e.to_string())?;
    Ok(answer["events"].as_array().unwrap().clone())
}

/// Waits until `reached` holds.
async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    assert!(waited.is_ok(), "waited too long until {what}");
}

async fn idle(engine: &Engine) {
    until("nothing runs", async || engine.running() == 0).await;
}
