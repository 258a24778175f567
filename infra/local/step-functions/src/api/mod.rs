//! The AWS JSON API.

mod executions;
mod http;
mod input;
mod machines;
mod tasks;
mod test_state;

use serde_json::Value;

pub(crate) use executions::{execution_arn, started_by};
pub(crate) use http::router;
pub(crate) use input::check_name;

use crate::engine::Engine;
use crate::error::ApiError;

/// Performs one operation.
pub(crate) async fn call(
    engine: &Engine,
    operation: &str,
    input: Value,
) -> Result<Value, ApiError> {
    let inner = &engine.inner;
    match operation {
        "CreateStateMachine" => machines::create(inner, input).await,
        "UpdateStateMachine" => machines::update(inner, input).await,
        "DescribeStateMachine" => machines::describe(inner, input),
        "DescribeStateMachineForExecution" => machines::describe_for_execution(inner, input),
        "ListStateMachines" => machines::list(inner, input),
        "DeleteStateMachine" => machines::delete(inner, input).await,
        "ValidateStateMachineDefinition" => machines::validate_definition(input),
        "StartExecution" => executions::start(inner, input).await,
        "StartSyncExecution" => executions::start_sync(inner, input).await,
        "DescribeExecution" => executions::describe(inner, input),
        "ListExecutions" => executions::list(inner, input),
        "StopExecution" => executions::stop(inner, input).await,
        "RedriveExecution" => executions::redrive(inner, input).await,
        "TestState" => test_state::test_state(inner, input).await,
        "GetExecutionHistory" => executions::history(inner, input),
        "SendTaskSuccess" => tasks::success(inner, input).await,
        "SendTaskFailure" => tasks::failure(inner, input).await,
        "SendTaskHeartbeat" => tasks::heartbeat(inner, input).await,
        "ListTagsForResource" => machines::tags(inner, input),
        _ => Err(ApiError::new(
            "UnknownOperationException",
            format!("The operation '{operation}' is not supported."),
        )),
    }
}
