//! An engine for every input that is tried.

use std::sync::{Arc, Once, OnceLock};

use async_trait::async_trait;
use local_step_functions::{Engine, EngineOptions, TaskExecutor, TaskFailure, TaskRequest};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Answers a task with its arguments, or fails it where they say so.
struct Echo;

#[async_trait]
impl TaskExecutor for Echo {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        match task.arguments.get("fail") {
            Some(Value::String(error)) => Err(TaskFailure { error: error.clone(), cause: None }),
            _ => Ok(task.arguments),
        }
    }
}

/// A panic ends the fuzzer, but for those of the library that evaluates expressions: the engine makes
/// each a fault of its expression, and that it does so is fuzzed with the rest.
fn let_the_library_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ends = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|at| at.file().contains("/jsonata-core-")) {
                ends(info);
            }
        }));
    });
}

/// Runs `attempt` with a new engine in a folder of its own, and ends both.
pub fn with_engine<F: Future<Output = ()>>(attempt: impl FnOnce(Engine) -> F) {
    let_the_library_panic();
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime =
        RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().unwrap());
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions::new(folder.path(), "us-east-1", "123456789012");
        let engine = Engine::open(options.clone(), Arc::new(Echo)).await.unwrap();
        attempt(engine.clone()).await;
        engine.shutdown().await;
        drop(engine);
        // What was written is read again, whatever it was.
        let again = Engine::open(options, Arc::new(Echo)).await.unwrap();
        again.shutdown().await;
    });
}
