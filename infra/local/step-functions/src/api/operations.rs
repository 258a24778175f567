//! Which operation is which.

use serde_json::Value;

use super::{executions, machines, tags, tasks, test_state};
use crate::engine::Engine;
use crate::error::ApiError;

impl Engine {
    /// Performs an API operation in process: `StartExecution`, `DescribeExecution`, …
    ///
    /// # Errors
    ///
    /// What AWS answers instead of a result.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let inner = &self.inner;
        match operation {
            "CreateStateMachine" => machines::create(inner, input).await,
            "UpdateStateMachine" => machines::update(inner, input).await,
            "DescribeStateMachine" => machines::describe(inner, input),
            "DescribeStateMachineForExecution" => machines::describe_for_execution(inner, input),
            "ListStateMachines" => machines::list(inner, input),
            "DeleteStateMachine" => machines::delete(inner, input).await,
            "ValidateStateMachineDefinition" => machines::validate_definition(inner, input),
            "StartExecution" => executions::start(inner, input).await,
            "StartSyncExecution" => executions::start_sync(inner, input).await,
            "DescribeExecution" => executions::describe(inner, input),
            "ListExecutions" => executions::list(inner, input),
            "StopExecution" => executions::stop(inner, input).await,
            "RedriveExecution" => executions::redrive(inner, input).await,
            "TestState" => test_state::test_state(inner, input).await,
            "GetExecutionHistory" => executions::history(inner, input).await,
            "SendTaskSuccess" => tasks::success(inner, input).await,
            "SendTaskFailure" => tasks::failure(inner, input).await,
            "SendTaskHeartbeat" => tasks::heartbeat(inner, input).await,
            "ListTagsForResource" => tags::list(inner, input),
            "TagResource" => tags::tag(inner, input).await,
            "UntagResource" => tags::untag(inner, input).await,
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("The operation '{operation}' is not supported."),
            )),
        }
    }
}
