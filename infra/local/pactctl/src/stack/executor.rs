//! What the state machines' tasks do: Lambda functions and native DynamoDB calls.

use async_trait::async_trait;
use bytes::Bytes;
use local_lambda_host::{Host, InvocationType, InvokeError};
use local_step_functions::{TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

use super::{meter::Meter, store, traces::Traces};
use crate::{client::http_client, failure::Failure};

/// Carries out tasks.
pub(crate) struct Executor {
    host: Host,
    dynamodb: String,
    http: reqwest::Client,
    traces: Traces,
    meter: Meter,
}

impl Executor {
    /// Tasks on this host and this DynamoDB.
    pub(crate) fn new(
        host: Host,
        dynamodb: &str,
        traces: Traces,
        meter: Meter,
    ) -> Result<Self, Failure> {
        Ok(Self { host, dynamodb: dynamodb.to_owned(), http: http_client()?, traces, meter })
    }

    async fn invoke(
        &self,
        task: &TaskRequest,
        function: &str,
        payload: &Value,
    ) -> Result<Value, TaskFailure> {
        let trace = self.traces.of(&task.execution_arn);
        let payload = Bytes::from(payload.to_string());
        let answer = self
            .host
            .invoke_in_trace(function, payload, InvocationType::RequestResponse, trace.as_deref())
            .await
            .map_err(|error| refused(&error))?;
        let text = String::from_utf8_lossy(&answer.payload).into_owned();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text.clone()));
        if answer.function_error.is_none() {
            return Ok(value);
        }
        let error = value.get("errorType").and_then(Value::as_str).unwrap_or("Lambda.Unknown");
        Err(TaskFailure { error: error.to_owned(), cause: Some(text) })
    }

    async fn dynamodb(
        &self,
        prefix: &str,
        operation: &str,
        task: &TaskRequest,
    ) -> Result<Value, TaskFailure> {
        let name = pascal(operation);
        let fault = |error: String| TaskFailure {
            error: format!("{prefix}.SdkClientException"),
            cause: Some(error),
        };
        let mut request = task.arguments.clone();
        if let Some(object) = request.as_object_mut() {
            object.entry("ReturnConsumedCapacity").or_insert_with(|| "TOTAL".into());
        }
        let answer = store::call(&self.http, &self.dynamodb, &name, &request).await;
        // The execution has the name of its run.
        let run = task.execution_arn.rsplit(':').next().unwrap_or_default();
        let nothing = Value::Null;
        let said = answer.as_ref().ok().and_then(|said| said.as_ref().ok()).unwrap_or(&nothing);
        self.meter.note_for(run, &task.state, &name, said);
        match answer {
            Ok(Ok(mut answer)) => {
                // A task sees what it asked for only.
                if task.arguments.get("ReturnConsumedCapacity").is_none()
                    && let Some(object) = answer.as_object_mut()
                {
                    object.remove("ConsumedCapacity");
                }
                Ok(answer)
            }
            Ok(Err(error)) => {
                let kind = error.name();
                let kind = if kind.ends_with("Exception") {
                    kind.to_owned()
                } else {
                    format!("{kind}Exception")
                };
                Err(TaskFailure {
                    error: format!("{prefix}.{kind}"),
                    cause: Some(format!(
                        "{} (Service: {prefix}; Status Code: {})",
                        error.message, error.status
                    )),
                })
            }
            Err(_) => Err(fault(format!("DynamoDB did not answer {name}"))),
        }
    }
}

#[async_trait]
impl TaskExecutor for Executor {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        let resource = task.resource.as_str();
        if resource.starts_with("arn:aws:lambda:") {
            return self.invoke(&task, resource, &task.arguments).await;
        }
        if resource == "arn:aws:states:::lambda:invoke" {
            let Some(function) = task.arguments.get("FunctionName").and_then(Value::as_str) else {
                return Err(TaskFailure {
                    error: "States.Runtime".to_owned(),
                    cause: Some("lambda:invoke needs FunctionName".to_owned()),
                });
            };
            let nothing = json!({});
            let payload = task.arguments.get("Payload").unwrap_or(&nothing);
            let payload = self.invoke(&task, function, payload).await?;
            return Ok(json!({
                "ExecutedVersion": "$LATEST",
                "Payload": payload,
                "StatusCode": 200,
            }));
        }
        if let Some(operation) = resource.strip_prefix("arn:aws:states:::dynamodb:") {
            return self.dynamodb("DynamoDB", operation, &task).await;
        }
        if let Some(operation) = resource.strip_prefix("arn:aws:states:::aws-sdk:dynamodb:") {
            return self.dynamodb("DynamoDb", operation, &task).await;
        }
        Err(TaskFailure {
            error: "States.Runtime".to_owned(),
            cause: Some(format!("the local stack has no service for {resource}")),
        })
    }
}

fn refused(error: &InvokeError) -> TaskFailure {
    TaskFailure { error: format!("Lambda.{}", error.code()), cause: Some(error.to_string()) }
}

/// `updateItem` as the API names it: `UpdateItem`.
fn pascal(operation: &str) -> String {
    let mut chars = operation.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn operations_have_the_names_of_the_api() {
        assert_eq!(super::pascal("updateItem"), "UpdateItem");
        assert_eq!(super::pascal(""), "");
    }
}
