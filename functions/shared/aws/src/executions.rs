//! Step Functions, from the gateway's side.

use async_trait::async_trait;
use aws_sdk_sfn::{
    Client,
    operation::{
        describe_execution::DescribeExecutionError, send_task_failure::SendTaskFailureError,
        send_task_success::SendTaskSuccessError, start_execution::StartExecutionError,
        stop_execution::StopExecutionError,
    },
};
use pact_agent::{
    ports::{ExecutionState, Executions, StoreError},
    waiting::TaskTokens,
};
use serde_json::Value;

use crate::error::{failed, unavailable};

/// Longest cause that Step Functions accepts.
const MAX_CAUSE: usize = 32_768;

/// Longest trace header that Step Functions accepts.
const MAX_TRACE: usize = 256;

/// Executions of one state machine.
pub struct SfnExecutions {
    client: Client,
    state_machine: Option<String>,
}

impl SfnExecutions {
    /// Executions of the state machine with this ARN; without one, nothing can be started.
    #[must_use]
    pub fn new(client: Client, state_machine: Option<String>) -> Self {
        Self { client, state_machine }
    }
}

#[async_trait]
impl Executions for SfnExecutions {
    fn execution_arn(&self, name: &str) -> String {
        let machine = self.state_machine.as_deref().unwrap_or_default();
        format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1))
    }

    async fn start(
        &self,
        name: &str,
        input: &Value,
        trace: Option<&str>,
    ) -> Result<String, StoreError> {
        let Some(machine) = &self.state_machine else {
            return Err(unavailable(
                "cannot start the pipeline: PACT_STATE_MACHINE_ARN is not set",
            ));
        };
        let started = self
            .client
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input.to_string())
            .set_trace_header(trace.filter(|header| header.len() <= MAX_TRACE).map(str::to_owned))
            .send()
            .await;
        match started {
            Ok(execution) => Ok(execution.execution_arn),
            // The name is the identity of the run: whatever has it is this run.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StartExecutionError::is_execution_already_exists) =>
            {
                Ok(self.execution_arn(name))
            }
            Err(error) => Err(failed("start the pipeline", error)),
        }
    }

    async fn state(&self, execution_arn: &str) -> Result<Option<ExecutionState>, StoreError> {
        let described = self.client.describe_execution().execution_arn(execution_arn).send().await;
        match described {
            Ok(execution) => Ok(Some(ExecutionState {
                status: execution.status.as_str().to_owned(),
                error: execution.error,
                cause: execution.cause,
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed("ask how an execution stands", error)),
        }
    }

    async fn stop(&self, execution_arn: &str, cause: &str) -> Result<(), StoreError> {
        let stopped = self
            .client
            .stop_execution()
            .execution_arn(execution_arn)
            .error("Cancelled")
            .cause(pact_agent::text::truncated(cause, MAX_CAUSE - 4))
            .send()
            .await;
        match stopped {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(StopExecutionError::is_execution_does_not_exist) =>
            {
                tracing::info!(execution_arn, "there is no execution to stop");
                Ok(())
            }
            Err(error) => Err(failed("stop the execution", error)),
        }
    }

    async fn task_success(&self, task_token: &str, output: &Value) -> Result<bool, StoreError> {
        let sent = self
            .client
            .send_task_success()
            .task_token(task_token)
            .output(output.to_string())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    matches!(
                        error,
                        SendTaskSuccessError::TaskTimedOut(_)
                            | SendTaskSuccessError::TaskDoesNotExist(_)
                            | SendTaskSuccessError::InvalidToken(_)
                    )
                }) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("answer the task", error)),
        }
    }
}

#[async_trait]
impl TaskTokens for SfnExecutions {
    async fn succeed(&self, task_token: &str, output: &Value) -> Result<bool, StoreError> {
        self.task_success(task_token, output).await
    }

    async fn fail(&self, task_token: &str, error: &str, cause: &str) -> Result<bool, StoreError> {
        let sent = self
            .client
            .send_task_failure()
            .task_token(task_token)
            .error(error)
            .cause(pact_agent::text::truncated(cause, MAX_CAUSE - 4))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    matches!(
                        error,
                        SendTaskFailureError::TaskTimedOut(_)
                            | SendTaskFailureError::TaskDoesNotExist(_)
                            | SendTaskFailureError::InvalidToken(_)
                    )
                }) =>
            {
                Ok(false)
            }
            Err(error) => Err(failed("fail the task", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    use serde_json::json;
    use wiremock::{
        Mock, MockServer, ResponseTemplate,
        matchers::{body_partial_json, header},
    };

    use super::*;

    const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:pipeline";
    const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:execution:pipeline:web-1";

    /// Executions against a server that gives `answer` to `operation`.
    async fn executions(operation: &str, answer: ResponseTemplate) -> (SfnExecutions, MockServer) {
        let server = MockServer::start().await;
        Mock::given(header("x-amz-target", format!("AWSStepFunctions.{operation}").as_str()))
            .respond_with(answer)
            .mount(&server)
            .await;
        let config = aws_sdk_sfn::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(server.uri())
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .build();
        (SfnExecutions::new(Client::from_conf(config), Some(MACHINE.to_owned())), server)
    }

    fn fault(name: &str) -> ResponseTemplate {
        ResponseTemplate::new(400).set_body_json(json!({ "__type": name, "message": "why" }))
    }

    #[tokio::test]
    async fn a_start_names_machine_and_execution_and_a_second_one_does_nothing() {
        let answer = ResponseTemplate::new(200)
            .set_body_json(json!({ "executionArn": EXECUTION, "startDate": 1.0 }));
        let (executions, server) = executions("StartExecution", answer).await;
        let input = json!({ "a": 1 });
        assert_eq!(executions.start("web-1", &input, None).await.unwrap(), EXECUTION);
        let expected = json!({ "stateMachineArn": MACHINE, "name": "web-1", "input": "{\"a\":1}" });
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests[0].body_json::<Value>().unwrap(), expected);

        // The execution belongs to the trace of who starts it; a header it refuses is left out.
        for (header, sent) in [("Root=1-a-b", json!("Root=1-a-b")), (&"x".repeat(257), json!(null))]
        {
            executions.start("web-1", &input, Some(header)).await.unwrap();
            let body: Value =
                server.received_requests().await.unwrap().pop().unwrap().body_json().unwrap();
            assert_eq!(body["traceHeader"], sent);
        }

        let (executions, _server) =
            self::executions("StartExecution", fault("ExecutionAlreadyExists")).await;
        assert_eq!(executions.start("web-1", &json!({}), None).await.unwrap(), EXECUTION);
    }

    #[tokio::test]
    async fn a_refused_start_says_why_without_the_input() {
        let (executions, _server) = executions("StartExecution", fault("InvalidArn")).await;
        let error =
            executions.start("web-1", &json!({ "key": "hunter2" }), None).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot start the pipeline: InvalidArn: why");
        assert!(!format!("{error:?}").contains("hunter2"));
        // The SDK's own error is kept; what people read says nothing twice.
        let source = std::error::Error::source(&error).unwrap();
        let source =
            source.downcast_ref::<aws_sdk_sfn::operation::start_execution::StartExecutionError>();
        assert!(source.is_some_and(|source| source.is_invalid_arn()), "{error:?}");
        let fault = pact_agent::AgentError::from(error);
        assert_eq!(fault.chain(), "cannot start the pipeline: InvalidArn: why");

        let client = executions.client.clone();
        let error =
            SfnExecutions::new(client, None).start("web-1", &json!({}), None).await.unwrap_err();
        assert!(error.to_string().contains("PACT_STATE_MACHINE_ARN"), "{error}");
    }

    #[tokio::test]
    async fn an_execution_is_there_or_not_and_a_fault_is_neither() {
        let answer = json!({
            "executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": "ABORTED",
            "startDate": 1.0, "error": "Cancelled", "cause": "on request",
        });
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        let (executions, _server) = executions("DescribeExecution", answer).await;
        let state = executions.state(EXECUTION).await.unwrap().unwrap();
        assert_eq!(
            (state.status.as_str(), state.cause.as_deref()),
            ("ABORTED", Some("on request"))
        );
        let (executions, _server) =
            self::executions("DescribeExecution", fault("ExecutionDoesNotExist")).await;
        assert_eq!(executions.state(EXECUTION).await.unwrap(), None);
        let (executions, _server) =
            self::executions("DescribeExecution", fault("InvalidArn")).await;
        executions.state(EXECUTION).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_is_not_there_need_not_be_stopped() {
        let (executions, _server) =
            executions("StopExecution", fault("ExecutionDoesNotExist")).await;
        executions.stop(EXECUTION, "on request").await.unwrap();
        let (executions, _server) = self::executions("StopExecution", fault("InvalidArn")).await;
        executions.stop(EXECUTION, "on request").await.unwrap_err();
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_is_told() {
        for gone in ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"] {
            let (executions, _server) = executions("SendTaskSuccess", fault(gone)).await;
            assert!(!executions.task_success("token", &json!({})).await.unwrap(), "{gone}");
        }
        let (executions, server) =
            executions("SendTaskSuccess", ResponseTemplate::new(200).set_body_json(json!({})))
                .await;
        assert!(executions.task_success("token", &json!({ "approved": true })).await.unwrap());
        server.verify().await;
        let matcher = body_partial_json(json!({ "taskToken": "token" }));
        let requests = server.received_requests().await.unwrap();
        assert!(wiremock::Match::matches(&matcher, &requests[0]));
    }
}
