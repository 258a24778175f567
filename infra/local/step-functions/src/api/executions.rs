//! Operations on executions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::input::{Input, LONGEST_CAUSE, LONGEST_ERROR, next_token};
use crate::engine::{
    Command, Inner, Machine, Run, Stage, StatusChange, Wanted, check_name, execution_arn,
};
use crate::error::ApiError;
use crate::execution::{LARGEST_DATA, instant_seconds};
use crate::sync::read;

/// How long a stop waits before it interrupts what the execution evaluates.
const PATIENCE: Duration = Duration::from_millis(50);

/// The machine, the name and the input that a start asks for.
fn asked(inner: &Inner, input: &Input) -> Result<(Arc<Machine>, String, String), ApiError> {
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    let name = match input.optional("name")? {
        Some(name) => {
            check_name(name)?;
            name.to_owned()
        }
        None => Uuid::new_v4().to_string(),
    };
    let text = input.optional("input")?.unwrap_or("{}");
    if text.len() > LARGEST_DATA {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to {LARGEST_DATA}"
        )));
    }
    if let Err(error) = serde_json::from_str::<Value>(text) {
        return Err(ApiError::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        ));
    }
    Ok((inner.machine(arn)?, name, text.to_owned()))
}

pub(super) async fn start(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let (machine, name, text) = asked(inner, &Input(input))?;
    let arn = execution_arn(&machine, &name, None);
    let (run, new) = inner.start(&machine, name, arn, text.clone(), None).await?;
    // Another request may have been first.
    let stage = run.wait(|stage| stage != Stage::Starting).await;
    if stage == Stage::Lost {
        return Err(ApiError::internal("the execution's start could not be written"));
    }
    if !new && !inner.started_by(&run, &text)? {
        return Err(ApiError::new(
            "ExecutionAlreadyExists",
            format!("Execution Already Exists: '{}'", run.arn),
        ));
    }
    Ok(json!({
        "executionArn": run.arn,
        "startDate": instant_seconds(run.started),
    }))
}

pub(super) async fn start_sync(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let (machine, name, text) = asked(inner, &Input(input))?;
    if !machine.express {
        return Err(ApiError::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let arn = execution_arn(&machine, &name, None);
    let (run, _) = inner.start(&machine, name, arn, text, None).await?;
    run.wait(|stage| matches!(stage, Stage::Ended | Stage::Lost)).await;
    let state = inner.snapshot(&run)?;
    let mut answer = facts(&run, &state);
    let took = state.stop_date.unwrap_or(run.started) - run.started;
    // Billed by the tenth of a second.
    let billed = (took.max(1) + 99) / 100 * 100;
    answer.insert(
        "billingDetails".to_owned(),
        json!({ "billedDurationInMilliseconds": billed, "billedMemoryUsedInMB": 64 }),
    );
    answer.insert("outputDetails".to_owned(), json!({ "included": true }));
    Ok(Value::Object(answer))
}

/// What describing and starting synchronously both tell.
fn facts(run: &Run, state: &StatusChange) -> Map<String, Value> {
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            answer.insert(name.to_owned(), value);
        }
    };
    put("executionArn", json!(run.arn));
    put("stateMachineArn", json!(run.machine_arn));
    put("name", json!(run.name));
    put("status", json!(state.status));
    put("startDate", instant_seconds(run.started));
    put("stopDate", state.stop_date.map_or(Value::Null, instant_seconds));
    // It is not there when the execution's start was lost.
    if !state.input.is_empty() {
        put("input", json!(state.input));
        put("inputDetails", json!({ "included": true }));
    }
    put("output", json!(state.output));
    put("error", json!(state.error));
    put("cause", json!(state.cause));
    answer
}

pub(super) fn describe(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let run = inner.run(input.arn("executionArn", "execution")?)?;
    let state = inner.snapshot(&run)?;
    let mut answer = facts(&run, &state);
    if state.output.is_some() {
        answer.insert("outputDetails".to_owned(), json!({ "included": true }));
    }
    let standing = run.standing();
    answer.insert("redriveCount".to_owned(), json!(standing.redrives));
    if let Some(at) = standing.redriven {
        answer.insert("redriveDate".to_owned(), instant_seconds(at));
    }
    if let Some(reason) = run.not_redrivable(inner.now()) {
        answer.insert("redriveStatus".to_owned(), json!("NOT_REDRIVABLE"));
        answer.insert("redriveStatusReason".to_owned(), json!(reason));
    } else {
        answer.insert("redriveStatus".to_owned(), json!("REDRIVABLE"));
    }
    Ok(Value::Object(answer))
}

pub(super) fn list(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    const KIND: &str = "executions";
    let input = Input(input);
    let machine = inner.machine(input.arn("stateMachineArn", "stateMachine")?)?;
    if machine.express {
        return Err(ApiError::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let size = input.page_size(1_000)?;
    let before = input.after(KIND)?.unwrap_or(u64::MAX);
    let statuses = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"];
    let wanted = input.choice("statusFilter", &statuses)?;
    let redriven = input
        .choice("redriveFilter", &["REDRIVEN", "NOT_REDRIVEN"])?
        .map(|filter| filter == "REDRIVEN");
    let now = inner.now();
    let runs = read(&inner.runs);
    let mut page = Vec::new();
    let mut last = None;
    let mut more = false;
    for run in runs.by_machine.get(&machine.arn).into_iter().flatten().rev() {
        if run.order >= before || run.is_forgotten(now) {
            continue;
        }
        let state = run.standing();
        if wanted.is_some_and(|wanted| wanted != state.status.text())
            || redriven.is_some_and(|redriven| redriven != (state.redrives > 0))
        {
            continue;
        }
        if page.len() == size {
            more = true;
            break;
        }
        last = Some(run.order);
        let mut item = json!({
            "executionArn": run.arn,
            "stateMachineArn": run.machine_arn,
            "name": run.name,
            "status": state.status.text(),
            "startDate": instant_seconds(run.started),
            "redriveCount": state.redrives,
        });
        if let Some(object) = item.as_object_mut() {
            for (name, at) in [("stopDate", state.stopped), ("redriveDate", state.redriven)] {
                if let Some(at) = at {
                    object.insert(name.to_owned(), instant_seconds(at));
                }
            }
        }
        page.push(item);
    }
    let mut answer = json!({ "executions": page });
    if let (true, Some(last), Some(object)) = (more, last, answer.as_object_mut()) {
        object.insert("nextToken".to_owned(), next_token(KIND, last));
    }
    Ok(answer)
}

pub(super) async fn stop(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let run = inner.run(input.arn("executionArn", "execution")?)?;
    let (reply, done) = oneshot::channel();
    let command = Command::Stop {
        error: input.bounded("error", LONGEST_ERROR)?.map(str::to_owned),
        cause: input.bounded("cause", LONGEST_CAUSE)?.map(str::to_owned),
        reply,
    };
    let stopped = run.send(command).await && answered(&run, done).await?.is_some();
    match run.standing().stopped {
        Some(at) => Ok(json!({ "stopDate": instant_seconds(at) })),
        None if stopped => Err(ApiError::internal("the execution did not stop")),
        None => Err(ApiError::internal("the execution is not being run")),
    }
}

/// The answer to a stop; none when the execution ended before it was obeyed. Nobody waits for what
/// the execution evaluates meanwhile.
async fn answered(
    run: &Run,
    mut answer: oneshot::Receiver<Result<(), ApiError>>,
) -> Result<Option<()>, ApiError> {
    let answered = match tokio::time::timeout(PATIENCE, &mut answer).await {
        Ok(answered) => answered,
        Err(_) => {
            run.interrupt.interrupt();
            answer.await
        }
    };
    answered.ok().transpose()
}

pub(super) async fn history(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let run = inner.run(input.arn("executionArn", "execution")?)?;
    let reverse = input.flag("reverseOrder").unwrap_or(false);
    // A page of one order cannot be followed by one of the other.
    let kind = if reverse { "reverse history" } else { "history" };
    let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let wanted = Wanted {
        after: input.after(kind)?.map(short),
        reverse,
        count: short(input.page_size(1_000)? as u64),
        data: input.flag("includeExecutionData").unwrap_or(true),
    };
    let page = inner.page(&run, wanted).await?;
    let mut answer = Map::new();
    // Not through `json!`, which copies: a page may be megabytes.
    answer.insert("events".to_owned(), Value::Array(page.events));
    if let Some(id) = page.more {
        answer.insert("nextToken".to_owned(), next_token(kind, u64::from(id)));
    }
    Ok(Value::Object(answer))
}

pub(super) async fn redrive(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let run = inner.run(input.arn("executionArn", "execution")?)?;
    let at = inner.redrive(&run).await?;
    Ok(json!({ "redriveDate": instant_seconds(at) }))
}
