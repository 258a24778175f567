//! The port through which Task states reach the outside.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

/// Performs the work of Task states.
///
/// The future is dropped when the state times out, when a sibling branch fails or when the
/// execution is stopped. After a crash an unfinished task is executed again, so effects should be
/// idempotent.
#[async_trait]
pub trait TaskExecutor: Send + Sync {
    /// Performs one task and returns its result.
    ///
    /// For a task that waits for a token the result is that of the call which hands the token on;
    /// the state ends when the token is completed.
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure>;

    /// Whether tasks of this resource are performed here; it is named as in
    /// [`TaskRequest::resource`]. Whatever AWS has may stand in a definition. What of that is not
    /// performed here brings a warning then, and fails an execution with `States.Runtime`, which no
    /// `Catch` takes.
    fn performs(&self, resource: &str) -> bool {
        let _ = resource;
        true
    }
}

/// One task to perform.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRequest {
    /// The resource, without the suffix `.waitForTaskToken`: `arn:aws:states:::lambda:invoke`,
    /// the ARN of a function, `arn:aws:states:::aws-sdk:dynamodb:query`.
    pub resource: String,
    /// The evaluated arguments.
    pub arguments: Value,
    /// Whether the state ends when its task token is completed, not when this call returns.
    pub wait_for_token: bool,
    /// The execution that this task belongs to.
    pub execution_arn: String,
    /// The name of the state.
    pub state: String,
    /// How long the state may take.
    pub timeout: Option<Duration>,
}

impl TaskFailure {
    /// The failure of a task that is not performed here.
    pub(crate) fn not_performed(resource: &str) -> Self {
        Self { error: "States.Runtime".to_owned(), cause: Some(not_performed(resource)) }
    }
}

/// Says that AWS has an integration, and this machine does not.
pub(crate) fn not_performed(resource: &str) -> String {
    format!("{resource} is an integration that AWS has and that is not performed locally.")
}

/// A task that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// The error's name, which `Retry` and `Catch` match.
    pub error: String,
    /// What happened, for people.
    pub cause: Option<String>,
}
