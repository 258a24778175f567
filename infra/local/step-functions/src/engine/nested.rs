//! State machines started by the tasks of others: `states:startExecution` and its `.sync` forms.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::inner::Inner;
use super::names::{check_name, execution_arn, name_for};
use super::run::{Command, Run, Stage};
use crate::error::ApiError;
use crate::execution::LARGEST_DATA;
use crate::task::{TaskFailure, TaskRequest};

/// How far the task goes with the execution that it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It only starts it.
    Start,
    /// It waits for its end; the output stays text.
    Wait,
    /// It waits for its end; the output is JSON.
    WaitForJson,
}

impl Mode {
    /// The mode that a resource asks for, if it starts an execution.
    pub(super) fn of(resource: &str) -> Option<Self> {
        let (_, rest) = resource.strip_prefix("arn:")?.split_once(':')?;
        match rest.strip_prefix("states:::states:")? {
            "startExecution" => Some(Self::Start),
            "startExecution.sync" => Some(Self::Wait),
            "startExecution.sync:2" => Some(Self::WaitForJson),
            _ => None,
        }
    }
}

/// The execution that a task waits for, so that giving up the task can stop it.
pub(super) type Child = Arc<OnceLock<Arc<Run>>>;

/// Starts an execution for a task and, unless the mode is [`Mode::Start`], waits for its end.
///
/// `by` identifies the task: performed again after a crash, it finds the execution that it had
/// started. `submitted` hears what the start answered.
pub(super) async fn perform(
    inner: &Arc<Inner>,
    mode: Mode,
    by: String,
    task: &TaskRequest,
    child: &Child,
    submitted: impl FnOnce(Value),
) -> Result<Value, TaskFailure> {
    let run = start(inner, by, &task.arguments).await.map_err(|error| explain(&error))?;
    if run.wait(|stage| stage != Stage::Starting).await == Stage::Lost {
        return Err(explain(&ApiError::internal("the execution's start could not be written")));
    }
    let answer = json!({ "ExecutionArn": run.arn, "StartDate": run.started });
    if mode == Mode::Start {
        return Ok(answer);
    }
    // Nobody else sets it.
    drop(child.set(Arc::clone(&run)));
    submitted(answer);
    if run.wait(|stage| matches!(stage, Stage::Ended | Stage::Lost)).await == Stage::Lost {
        return Err(explain(&ApiError::internal("the execution was lost")));
    }
    let state = inner.snapshot(&run).map_err(|error| explain(&error))?;
    let json = mode == Mode::WaitForJson;
    let data = |text: String| match serde_json::from_str(&text) {
        Ok(value) if json => value,
        _ => Value::String(text),
    };
    let succeeded = state.status == "SUCCEEDED";
    let standing = run.standing();
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    let included = json!({ "Included": true });
    put("Cause", state.cause.map(Value::String));
    put("Error", state.error.map(Value::String));
    put("ExecutionArn", Some(json!(run.arn)));
    // A failure is told as text, whatever the mode.
    put("Input", Some(if succeeded { data(state.input) } else { json!(state.input) }));
    put("InputDetails", Some(included.clone()));
    put("Name", Some(json!(run.name)));
    put("OutputDetails", state.output.is_some().then_some(included));
    put("Output", state.output.map(data));
    put("RedriveCount", Some(json!(standing.redrives)));
    let reason = run.not_redrivable(inner.now());
    let redrivable = if reason.is_some() { "NOT_REDRIVABLE" } else { "REDRIVABLE" };
    put("RedriveStatus", Some(json!(redrivable)));
    put("RedriveStatusReason", reason.map(Value::String));
    put("StartDate", Some(json!(run.started)));
    put("StateMachineArn", Some(json!(run.machine_arn)));
    put("Status", Some(json!(state.status)));
    put("StopDate", standing.stopped.map(|at| json!(at)));
    let whole = Value::Object(members);
    if succeeded {
        Ok(whole)
    } else {
        Err(TaskFailure { error: "States.TaskFailed".to_owned(), cause: Some(whole.to_string()) })
    }
}

async fn start(inner: &Arc<Inner>, by: String, arguments: &Value) -> Result<Arc<Run>, ApiError> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let arn = text("StateMachineArn")
        .ok_or_else(|| ApiError::validation("The parameter StateMachineArn is missing"))?;
    let machine = inner.machine(arn)?;
    let input = arguments.get("Input").map_or_else(|| "{}".to_owned(), Value::to_string);
    if input.len() > LARGEST_DATA {
        return Err(ApiError::new("InvalidExecutionInput", "The input is too large"));
    }
    let name = match text("Name") {
        Some(name) => {
            check_name(name)?;
            name.to_owned()
        }
        None => name_for(&by),
    };
    // An Express execution has no name of its own to be found by.
    let arn = execution_arn(&machine, &name, Some(&by));
    let (run, new) = inner.start(&machine, name, arn, input.clone(), Some(by.clone())).await?;
    if new || run.by.as_ref() == Some(&by) {
        return Ok(run);
    }
    run.wait(|stage| stage != Stage::Starting).await;
    if inner.started_by(&run, &input)? {
        return Ok(run);
    }
    Err(ApiError::new("ExecutionAlreadyExists", format!("Execution Already Exists: '{}'", run.arn)))
}

/// The failure as the optimised integration tells it.
fn explain(error: &ApiError) -> TaskFailure {
    let code = error.code.strip_suffix("Exception").unwrap_or(&error.code);
    TaskFailure {
        error: format!("StepFunctions.{code}Exception"),
        cause: Some(format!(
            "{} (Service: AWSStepFunctions; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)",
            error.message,
            error.status,
            error.code,
            Uuid::new_v4()
        )),
    }
}

/// Stops the execution that a task given up was waiting for.
pub(super) fn stop(inner: &Inner, child: &Child) {
    if let Some(run) = child.get().map(Arc::clone) {
        inner.drivers.spawn(async move {
            let (reply, _done) = tokio::sync::oneshot::channel();
            let command = Command::Stop { error: None, cause: None, reply };
            // It may have ended by itself.
            let _sent: bool = run.send(command).await;
        });
    }
}
