//! `TestState`: one state run by itself, outside of any execution.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::input::Input;
use crate::definition::{Definition, Diagnostic, validate};
use crate::engine::Inner;
use crate::error::ApiError;
use crate::evaluator::Interrupt;
use crate::execution::{Completion, Effect, Execution, Identity, LARGEST_DATA, Verdict, verdict};
use crate::task::{TaskFailure, TaskRequest};

/// How long a test may take; AWS's quota.
const LONGEST: Duration = Duration::from_secs(300);
/// What the state is called when nothing else says so.
const NAME: &str = "State";

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(
        "InvalidDefinition",
        format!("Invalid State Machine Definition: '{}'", message.into()),
    )
}

/// JSON text in a field.
fn json_field(input: &Input, name: &str, code: &str) -> Result<Option<Value>, ApiError> {
    input
        .optional(name)?
        .map(|text| {
            serde_json::from_str(text)
                .map_err(|error| ApiError::new(code, format!("Invalid {name}: '{error}'")))
        })
        .transpose()
}

/// A JSON object, as text, in a field; empty where there is none.
fn object_field(input: &Input, name: &str) -> Result<Map<String, Value>, ApiError> {
    match json_field(input, name, "ValidationException")? {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(ApiError::validation(format!("'{name}' must be a JSON object"))),
    }
}

pub(super) async fn test_state(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let text = input.required("definition")?;
    let whole: Value = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let name = input.optional("stateName")?.unwrap_or(NAME).to_owned();
    let state = match whole.get("States") {
        Some(_) => find(&whole, &name)
            .ok_or_else(|| ApiError::validation(format!("There is no state '{name}'")))?,
        None => whole.clone(),
    };
    let mut definition = checked(&alone(&whole, &name, &state)?)?;
    let level = input.choice("inspectionLevel", &["INFO", "DEBUG", "TRACE"])?.unwrap_or("INFO");
    let mock = mock(&input)?;
    let fans = matches!(state.get("Type").and_then(Value::as_str), Some("Map" | "Parallel"));
    let resource = state.get("Resource").and_then(Value::as_str).unwrap_or_default();
    let waits = [".waitForTaskToken", ".sync", ".sync:2"].iter().any(|end| resource.ends_with(end));
    if matches!(mock, Outcome::Performed) && (fans || waits) {
        return Err(ApiError::validation(
            "A Map or Parallel state, or a task that waits for its end, can only be tested with a mock",
        ));
    }
    if fans {
        // What the mock stands for is not run.
        definition = checked(&alone(&whole, &name, &hollow(state))?)?;
    }
    let given = input.optional("input")?.unwrap_or("{}");
    if given.len() > LARGEST_DATA || serde_json::from_str::<Value>(given).is_err() {
        return Err(ApiError::new(
            "InvalidExecutionInput",
            "Invalid State Machine Execution Input: it must be JSON of at most 262144 bytes",
        ));
    }
    let variables = object_field(&input, "variables")?;
    let context = object_field(&input, "context")?;
    let configuration = input.0.get("stateConfiguration");
    let retries = configuration
        .and_then(|configuration| configuration.get("retrierRetryCount"))
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let role = input.optional("roleArn")?.unwrap_or_default().to_owned();
    let machine_arn = inner.machine_arn("TestState");
    let identity = Identity {
        arn: format!("{}:test", machine_arn.replacen(":stateMachine:", ":execution:", 1)),
        name: "test".to_owned(),
        machine_name: "TestState".to_owned(),
        machine_arn,
        role,
    };
    let evaluator = inner.evaluator.for_execution(Interrupt::default());
    let mut execution = Execution::new(identity, definition, evaluator);
    execution.start(given.to_owned(), inner.now());
    execution.preset(variables);
    execution.give_context(context);
    let catchers = execution.catchers(&name);
    let found = inner.drive(run(Arc::clone(inner), execution, mock, retries), LONGEST).await?;
    let found = found.unwrap_or_else(|| Verdict {
        status: "FAILED",
        error: Some("States.Timeout".to_owned()),
        cause: Some("The test took longer than 300 seconds.".to_owned()),
        ..Verdict::default()
    });
    // A test tells what happened without saying where.
    let place = format!(
        "An error occurred while executing the state '{name}' (entered at the event id #2). "
    );
    let cause = found.cause.map(|cause| match cause.strip_prefix(&place) {
        Some(rest) => rest.to_owned(),
        None => cause,
    });
    let error = found.error.as_deref().filter(|_| found.status == "CAUGHT_ERROR");
    let catcher = error.and_then(|error| catchers.of(error));
    Ok(answer(Verdict { cause, catcher, ..found }, given, level))
}

fn checked(machine: &str) -> Result<Definition, ApiError> {
    validate(machine).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(Diagnostic::quoted).collect();
        invalid(faults.join(", "))
    })
}

/// A Map or Parallel state whose children only wait.
fn hollow(mut state: Value) -> Value {
    let idle = json!({ "StartAt": "Idle", "States": {
        "Idle": { "Type": "Wait", "Seconds": 86_400, "End": true } } });
    if let Some(object) = state.as_object_mut() {
        if object.contains_key("ItemProcessor") {
            object.insert("ItemProcessor".to_owned(), idle);
        } else {
            object.insert("Branches".to_owned(), json!([idle]));
        }
    }
    state
}

/// The state called `name`, wherever it is.
fn find(graph: &Value, name: &str) -> Option<Value> {
    let states = graph.get("States")?.as_object()?;
    if let Some(state) = states.get(name) {
        return Some(state.clone());
    }
    states.values().find_map(|state| {
        let branches = state.get("Branches").and_then(Value::as_array).into_iter().flatten();
        branches.chain(state.get("ItemProcessor")).find_map(|graph| find(graph, name))
    })
}

/// A machine of the state and of stubs for the states that it leads to.
fn alone(whole: &Value, name: &str, state: &Value) -> Result<String, ApiError> {
    let object =
        state.as_object().ok_or_else(|| invalid("Definition must be a valid JSON object"))?;
    let mut states = Map::new();
    states.insert(name.to_owned(), state.clone());
    let rules = ["Choices", "Catch"].iter().filter_map(|field| object.get(*field)?.as_array());
    let targets = rules
        .flatten()
        .filter_map(|rule| rule.get("Next"))
        .chain(object.get("Next"))
        .chain(object.get("Default"));
    for target in targets.filter_map(Value::as_str) {
        states.entry(target).or_insert_with(|| json!({ "Type": "Succeed" }));
    }
    let mut machine = json!({ "StartAt": name, "States": states });
    let language = whole.get("QueryLanguage").or_else(|| object.get("QueryLanguage"));
    if let (Some(language), Some(machine)) = (language, machine.as_object_mut()) {
        machine.insert("QueryLanguage".to_owned(), language.clone());
    }
    Ok(machine.to_string())
}

/// Where the outcome of a task comes from.
#[derive(Clone)]
enum Outcome {
    /// The task is performed.
    Performed,
    /// The test gives the result.
    Result(Value),
    /// The test gives the failure.
    Failure(TaskFailure),
}

impl Outcome {
    /// What the test gives, where it gives something.
    fn given(&self) -> Option<Completion> {
        match self.clone() {
            Self::Performed => None,
            Self::Result(value) => Some(Completion::Succeeded(value)),
            Self::Failure(failure) => Some(Err(failure).into()),
        }
    }
}

/// The outcome to use instead of performing the task.
fn mock(input: &Input) -> Result<Outcome, ApiError> {
    let Some(mock) = input.0.get("mock").filter(|mock| !mock.is_null()) else {
        return Ok(Outcome::Performed);
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    match (mock.get("result"), mock.get("errorOutput")) {
        (Some(Value::String(result)), None) => {
            let value = serde_json::from_str(result)
                .map_err(|error| ApiError::validation(format!("Invalid mock result: '{error}'")))?;
            Ok(Outcome::Result(value))
        }
        (None, Some(failure)) => Ok(Outcome::Failure(TaskFailure {
            error: text(failure.get("error")).unwrap_or_default(),
            cause: text(failure.get("cause")),
        })),
        _ => Err(ApiError::validation("A mock has either a result or an errorOutput")),
    }
}

async fn run(inner: Arc<Inner>, mut execution: Execution, mock: Outcome, retries: u64) -> Verdict {
    let mut events = Vec::new();
    loop {
        execution.run(inner.now());
        if let Some(outcome) = mock.given().filter(|_| execution.is_fanned_out()) {
            execution.count_retries(retries);
            execution.end_fan(inner.now(), outcome);
        }
        events.extend(execution.take_events());
        if let Some(found) = verdict(&events) {
            return found;
        }
        let mut busy = execution.is_ready();
        for effect in execution.take_effects() {
            let Effect::Invoke {
                scope,
                attempt,
                resource,
                state,
                arguments,
                timeout_seconds,
                token,
            } = effect
            else {
                continue;
            };
            let timeout = timeout_seconds.map(Duration::from_secs);
            let outcome: Option<Completion> = match mock.given() {
                Some(outcome) => Some(outcome),
                None => {
                    let request = TaskRequest {
                        resource,
                        arguments: (*arguments).clone(),
                        wait_for_token: token.is_some(),
                        execution_arn: execution.identity.arn.clone(),
                        state,
                        timeout,
                    };
                    let work = inner.perform(request);
                    tokio::time::timeout(timeout.unwrap_or(LONGEST), work)
                        .await
                        .ok()
                        .map(Completion::from)
                }
            };
            busy = true;
            execution.count_retries(retries);
            match (outcome, token) {
                (Some(outcome), Some(token)) => {
                    execution.complete_token(inner.now(), scope, &token, outcome);
                }
                (Some(outcome), None) => execution.invoked(inner.now(), scope, attempt, outcome),
                (None, _) => execution.fire(inner.now()),
            }
        }
        if busy {
            continue;
        }
        match execution.next_due() {
            Some(due) => {
                let wait = u64::try_from(due.saturating_sub(inner.now())).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(wait)).await;
                execution.fire(inner.now());
            }
            None => return Verdict { status: "FAILED", ..Verdict::default() },
        }
    }
}

fn answer(found: Verdict, input: &str, level: &str) -> Value {
    let mut answer = Map::new();
    let text = |value: &Value| Value::String(value.to_string());
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            answer.insert(name.to_owned(), value);
        }
    };
    put("output", found.output.as_ref().map(text));
    put("error", found.error.map(Value::String));
    put("cause", found.cause.map(Value::String));
    put("nextState", found.next.map(Value::String));
    put("status", Some(json!(found.status)));
    if level != "INFO" {
        let mut inspection = Map::new();
        inspection.insert("input".to_owned(), json!(input));
        let details = [("afterArguments", &found.arguments), ("result", &found.result)];
        for (name, value) in details {
            if let Some(value) = value {
                inspection.insert(name.to_owned(), text(value));
            }
        }
        if let Some(variables) = found.assigned {
            inspection.insert("variables".to_owned(), text(&Value::Object(variables)));
        }
        if let Some(index) = found.catcher {
            inspection.insert("errorDetails".to_owned(), json!({ "catchIndex": index }));
        }
        if let Some((index, milliseconds)) = found.retry {
            let details = json!({
                "retryIndex": index,
                "retryBackoffIntervalSeconds": milliseconds / 1_000,
            });
            inspection.insert("errorDetails".to_owned(), details);
        }
        put("inspectionData", Some(Value::Object(inspection)));
    }
    Value::Object(answer)
}
