//! Completing tasks by their tokens.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::input::{Input, LONGEST_CAUSE, LONGEST_ERROR};
use crate::engine::{Command, Inner, Run};
use crate::error::ApiError;
use crate::execution::{Completion, LARGEST_DATA, ScopeId};
use crate::sync::lock;

/// The longest task token that AWS takes.
const LONGEST: usize = 2_048;

fn task(inner: &Inner, token: &str) -> Result<(Arc<Run>, ScopeId), ApiError> {
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Err(ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"));
    }
    lock(&inner.tokens).get(token).cloned().ok_or_else(gone)
}

fn gone() -> ApiError {
    ApiError::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
}

async fn complete(inner: &Inner, token: &str, completion: Completion) -> Result<Value, ApiError> {
    let (run, scope) = task(inner, token)?;
    let (reply, known) = oneshot::channel();
    let command = Command::Complete { scope, token: token.to_owned(), completion, reply };
    settle(&run, command, known).await
}

async fn settle(
    run: &Run,
    command: Command,
    known: oneshot::Receiver<Result<bool, ApiError>>,
) -> Result<Value, ApiError> {
    if run.send(command).await
        && let Ok(known) = known.await
        && known?
    {
        return Ok(json!({}));
    }
    Err(gone())
}

pub(super) async fn success(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let token = input.required("taskToken")?;
    let output = input.required("output")?;
    if output.len() > LARGEST_DATA {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'output' failed to satisfy constraint: Member must have length less than or equal to {LARGEST_DATA}"
        )));
    }
    let value: Value = serde_json::from_str(output)
        .map_err(|error| ApiError::new("InvalidOutput", format!("Invalid Output: '{error}'")))?;
    complete(inner, token, Completion::Succeeded(value)).await
}

pub(super) async fn failure(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let completion = Completion::Failed {
        error: input.bounded("error", LONGEST_ERROR)?.map(str::to_owned),
        cause: input.bounded("cause", LONGEST_CAUSE)?.map(str::to_owned),
    };
    complete(inner, input.required("taskToken")?, completion).await
}

pub(super) async fn heartbeat(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let token = input.required("taskToken")?;
    let (run, scope) = task(inner, token)?;
    let (reply, known) = oneshot::channel();
    let command = Command::Heartbeat { scope, token: token.to_owned(), reply };
    settle(&run, command, known).await
}
