//! What the state machines' tasks do: Lambda functions and native DynamoDB calls.

use async_trait::async_trait;
use local_lambda_host::{Host, Invocation, InvocationType, InvokeRequest, RequestError};
use local_step_functions::{TaskExecutor, TaskFailure, TaskRequest};
use serde_json::{Value, json};

use super::{
    meter::Meter,
    store::{self, Answer},
    traces::Traces,
};
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

    /// Invokes a function in the trace of the execution. An error of the function is the task's.
    async fn invoke(
        &self,
        task: &TaskRequest,
        request: InvokeRequest,
    ) -> Result<Invocation, TaskFailure> {
        let trace = self.traces.of(&task.execution_arn);
        let answer = self.host.invoke(InvokeRequest { trace, ..request }).await;
        let answer = answer.map_err(|error| refused(&error))?;
        if answer.function_error.is_none() {
            return Ok(answer);
        }
        let value = payload(&answer);
        let error = value.get("errorType").and_then(Value::as_str).unwrap_or("Lambda.Unknown");
        let cause = String::from_utf8_lossy(&answer.payload).into_owned();
        Err(TaskFailure { error: error.to_owned(), cause: Some(cause) })
    }

    async fn lambda_invoke(&self, task: &TaskRequest) -> Result<Value, TaskFailure> {
        let request = lambda_request(&task.arguments)?;
        let kind = request.kind;
        let answer = self.invoke(task, request).await?;
        let mut output = json!({
            "Payload": payload(&answer),
            "SdkHttpMetadata": {"HttpStatusCode": kind.status()},
            "SdkResponseMetadata": {"RequestId": answer.request_id},
            "StatusCode": kind.status(),
        });
        if kind == InvocationType::RequestResponse
            && let Some(output) = output.as_object_mut()
        {
            output.insert("ExecutedVersion".to_owned(), answer.version.into());
        }
        Ok(output)
    }

    async fn dynamodb(
        &self,
        prefix: &str,
        operation: &str,
        task: &TaskRequest,
    ) -> Result<Value, TaskFailure> {
        let name = pascal(operation);
        let mut request = task.arguments.clone();
        if let Some(object) = request.as_object_mut() {
            object.entry("ReturnConsumedCapacity").or_insert_with(|| "TOTAL".into());
        }
        let answer = store::call(&self.http, &self.dynamodb, &name, &request).await;
        // The execution has the name of its run.
        let run = task.execution_arn.rsplit(':').next().unwrap_or_default();
        let said = match &answer {
            Ok(Answer::Done(said)) => said,
            Ok(Answer::Refused(_)) | Err(_) => &Value::Null,
        };
        self.meter.note_for(run, &task.state, &name, said);
        match answer {
            Ok(Answer::Done(mut answer)) => {
                // A task sees what it asked for only.
                if task.arguments.get("ReturnConsumedCapacity").is_none()
                    && let Some(object) = answer.as_object_mut()
                {
                    object.remove("ConsumedCapacity");
                }
                Ok(answer)
            }
            Ok(Answer::Refused(error)) if error.name() == "UnknownOperationException" => {
                Err(TaskFailure {
                    error: "States.Runtime".to_owned(),
                    cause: Some(format!("the local DynamoDB does not do {name}")),
                })
            }
            Ok(Answer::Refused(error)) => {
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
            Err(failure) => Err(TaskFailure {
                error: format!("{prefix}.SdkClientException"),
                cause: Some(format!("DynamoDB did not answer {name}: {failure}")),
            }),
        }
    }
}

#[async_trait]
impl TaskExecutor for Executor {
    async fn execute(&self, task: TaskRequest) -> Result<Value, TaskFailure> {
        match Call::of(&task.resource) {
            Some(Call::Function) => {
                let request = InvokeRequest::new(&task.resource, task.arguments.to_string());
                Ok(payload(&self.invoke(&task, request).await?))
            }
            Some(Call::Invoke) => self.lambda_invoke(&task).await,
            Some(Call::DynamoDb { prefix, operation }) => {
                self.dynamodb(prefix, operation, &task).await
            }
            None => Err(TaskFailure {
                error: "States.Runtime".to_owned(),
                cause: Some(format!("the local stack has no service for {}", task.resource)),
            }),
        }
    }

    fn performs(&self, resource: &str) -> bool {
        Call::of(resource).is_some()
    }
}

/// What the local stack performs.
#[derive(Debug, PartialEq, Eq)]
enum Call<'a> {
    /// A function, which gets the arguments as they are.
    Function,
    /// `lambda:invoke`.
    Invoke,
    /// An operation of DynamoDB, and what its errors begin with.
    DynamoDb { prefix: &'static str, operation: &'a str },
}

impl<'a> Call<'a> {
    fn of(resource: &'a str) -> Option<Self> {
        let (_partition, rest) = resource.strip_prefix("arn:")?.split_once(':')?;
        if rest.starts_with("lambda:") {
            return Some(Self::Function);
        }
        let rest = rest.strip_prefix("states:::")?;
        if rest == "lambda:invoke" {
            return Some(Self::Invoke);
        }
        if let Some(operation) = rest.strip_prefix("aws-sdk:dynamodb:") {
            return Some(Self::DynamoDb { prefix: "DynamoDb", operation });
        }
        let operation = rest.strip_prefix("dynamodb:")?;
        ["deleteItem", "getItem", "putItem", "updateItem"]
            .contains(&operation)
            .then_some(Self::DynamoDb { prefix: "DynamoDB", operation })
    }
}

/// The request that the arguments of `lambda:invoke` make.
fn lambda_request(arguments: &Value) -> Result<InvokeRequest, TaskFailure> {
    let invalid = |message: String| TaskFailure {
        error: "States.Runtime".to_owned(),
        cause: Some(format!("lambda:invoke: {message}")),
    };
    let text = |key: &str| match arguments.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(format!("{key} must be a text, not {other}"))),
    };
    let function =
        text("FunctionName")?.ok_or_else(|| invalid("FunctionName is missing".into()))?;
    let kind = match text("InvocationType")? {
        None => InvocationType::default(),
        Some(kind) => InvocationType::parse(&kind)
            .ok_or_else(|| invalid(format!("{kind:?} is no InvocationType")))?,
    };
    let payload = arguments.get("Payload").map_or_else(|| "{}".to_owned(), Value::to_string);
    Ok(InvokeRequest {
        qualifier: text("Qualifier")?,
        kind,
        client_context: text("ClientContext")?,
        ..InvokeRequest::new(function, payload)
    })
}

/// What a function answered: as JSON, or as text where it is none.
fn payload(answer: &Invocation) -> Value {
    serde_json::from_slice(&answer.payload)
        .unwrap_or_else(|_| String::from_utf8_lossy(&answer.payload).into())
}

fn refused(error: &RequestError) -> TaskFailure {
    TaskFailure { error: format!("Lambda.{}", error.code()), cause: Some(error.to_string()) }
}

/// `updateItem` as the API names it: `UpdateItem`.
fn pascal(operation: &str) -> String {
    let mut chars = operation.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_the_names_of_the_api() {
        assert_eq!(pascal("updateItem"), "UpdateItem");
        assert_eq!(pascal(""), "");
    }

    #[test]
    fn only_what_there_is_is_performed() {
        for known in [
            "arn:aws:lambda:us-east-1:000000000000:function:f",
            "arn:aws:states:::lambda:invoke",
            "arn:aws-cn:states:::dynamodb:putItem",
            "arn:aws:states:::aws-sdk:dynamodb:query",
        ] {
            assert!(Call::of(known).is_some(), "{known}");
        }
        for other in [
            "arn:aws:states:::dynamodb:query",
            "arn:aws:states:::sqs:sendMessage",
            "arn:aws:states:us-east-1:000000000000:activity:a",
            "",
        ] {
            assert_eq!(Call::of(other), None, "{other}");
        }
    }

    #[test]
    fn every_argument_of_an_invocation_counts() {
        let request = lambda_request(&json!({
            "FunctionName": "f", "Qualifier": "live", "InvocationType": "Event",
            "Payload": {"a": 1},
        }));
        let request = request.expect("a request");
        assert_eq!((request.function.as_str(), request.qualifier.as_deref()), ("f", Some("live")));
        assert_eq!(request.kind, InvocationType::Event);
        assert_eq!(request.payload, r#"{"a":1}"#);
        for wrong in [
            json!({}),
            json!({"FunctionName": 1}),
            json!({"FunctionName": "f", "Qualifier": 7}),
            json!({"FunctionName": "f", "InvocationType": "Later"}),
        ] {
            assert_eq!(lambda_request(&wrong).expect_err("refused").error, "States.Runtime");
        }
    }
}
