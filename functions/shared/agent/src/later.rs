//! Answers that come later: an action is begun, its caller waits with a task token, and whoever
//! notices that it may be done looks and answers.
//!
//! Any of these may happen more than once, at the same time, or not at all: the state machine asks
//! again under the same key, an event arrives twice or late, a process ends halfway. What is begun
//! is kept first; one at a time looks; an answer that was given is given again as it was.

use std::time::Duration;

use jiff::Timestamp;
use pact_contract::{
    RunId, StageStatus, StateName,
    envelope::{Context, IntentEnvelope},
};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::Span;

use crate::{
    agent::{Agent, Call, News, Outcome, Stand},
    error::{AgentError, StoreError},
    metrics::MetricEvent,
    ports::Listed,
    recording::{Later, Recording},
    stage::Stage,
    telemetry::{self, SpanFields},
    waiting::WaitingCall,
};

/// Steps that a call may take at one look.
const STEPS: usize = 16;
/// How much longer than its process whoever looks keeps others from it.
const MARGIN: Duration = Duration::from_secs(5);
/// Longest cause that an execution is given.
const CAUSE: usize = 8_000;

/// What is returned to whoever invokes an agent and is not the one who waits.
fn noted(what: &str) -> Value {
    json!({ "noted": what })
}

/// Begins an action, or looks how it stands if it was begun before.
///
/// # Errors
/// A fault that may pass: the same intent may be sent again.
pub(crate) async fn begin(
    agent: &dyn Agent,
    recording: &Recording,
    intent: &IntentEnvelope,
    task_token: &str,
    deadline: Instant,
) -> Result<Value, AgentError> {
    let later = later(recording)?;
    let context = intent.intent.context.clone();
    let (Some(run_id), Some(state), Some(key)) =
        (&context.run_id, &context.state, &intent.metadata.idempotency_key)
    else {
        return Err(AgentError::invalid(
            "an intent with a task token names its run, its state and its idempotency key",
        ));
    };
    let known = later.calls.waiting(run_id, state).await?.filter(|(call, _)| call.key == *key);
    let call = match known {
        Some((call, _)) => call,
        None => {
            let stage = Stage::begin(agent, recording, intent).await?;
            let record = stage.record.clone();
            let call = Call {
                action: intent.intent.action.clone(),
                parameters: intent.intent.parameters.clone(),
                run_id: Some(run_id.clone()),
                state: state.clone(),
                key: key.clone(),
                deadline,
            };
            let progress = match started(agent, &call, &context).await {
                Ok(Stand::Later(progress)) => progress,
                Ok(Stand::Done(outcome)) => {
                    let status = outcome.status;
                    let answer = stage.finish(recording, outcome, Some(key)).await?;
                    recording.idempotency.complete(key, &answer).await?;
                    count(agent, recording, &call, record.started_at, status, None);
                    succeed(later, task_token, &answer).await?;
                    return Ok(noted("answered"));
                }
                Err(error) => {
                    stage.fail(recording, &error).await;
                    return Err(error);
                }
            };
            WaitingCall {
                schema: WaitingCall::VERSION,
                run_id: run_id.clone(),
                state: state.clone(),
                key: key.clone(),
                action: call.action,
                parameters: call.parameters,
                context: context.clone(),
                stage: record,
                progress,
            }
        }
    };
    let call = later.calls.keep(&call, task_token).await?;
    advance(agent, recording, call, task_token, deadline).await
}

fn later(recording: &Recording) -> Result<&Later, AgentError> {
    recording.later.as_ref().ok_or_else(|| {
        AgentError::invalid("this agent answers at once, and the intent has a task token")
    })
}

async fn started(agent: &dyn Agent, call: &Call, context: &Context) -> Result<Stand, AgentError> {
    match &context.skip {
        Some(reason) => Ok(Stand::Done(Outcome::skipped(reason))),
        None => in_time(call, agent.begin(call)).await,
    }
}

async fn in_time<T>(
    call: &Call,
    work: impl Future<Output = Result<T, AgentError>>,
) -> Result<T, AgentError> {
    tokio::time::timeout_at(call.deadline, work).await.map_err(|_| {
        AgentError::new(
            pact_contract::ErrorName::Timeout,
            format!("{} did not end before the function's deadline", call.action),
        )
    })?
}

/// Takes note of an event from outside.
///
/// # Errors
/// A fault that may pass: the same event may be delivered again.
pub(crate) async fn news(
    agent: &dyn Agent,
    recording: &Recording,
    news: News,
    deadline: Instant,
) -> Result<Value, AgentError> {
    match news {
        News::Nothing => Ok(noted("nothing to do")),
        News::Changed { run_id, states } => {
            changed(agent, recording, &run_id, &states, deadline).await
        }
        News::RunEnded { run_id } => run_ended(agent, recording, &run_id).await,
    }
}

async fn changed(
    agent: &dyn Agent,
    recording: &Recording,
    run_id: &RunId,
    states: &[StateName],
    deadline: Instant,
) -> Result<Value, AgentError> {
    let mut answer = Ok(noted("nobody waits for it"));
    for state in states {
        let Some((call, token)) = later(recording)?.calls.waiting(run_id, state).await? else {
            continue;
        };
        about(&call);
        // The others are looked after all the same; an event with an error is delivered again.
        let next = advance(agent, recording, call, &token, deadline).await;
        if answer.is_ok() {
            answer = next;
        }
    }
    answer
}

async fn run_ended(
    agent: &dyn Agent,
    recording: &Recording,
    run_id: &RunId,
) -> Result<Value, AgentError> {
    let calls = &later(recording)?.calls;
    let (mut stopped, mut failed) = (0, None);
    let Listed { items, unreadable } = calls.of_run(run_id).await?;
    for one in &unreadable {
        tracing::error!(error = %one, "what goes on outside for it cannot be stopped");
    }
    for call in items {
        about(&call);
        match agent.stop(&call.call(Instant::now()), &call.progress).await {
            Ok(()) => {
                calls.close(&call).await?;
                stopped += 1;
            }
            // The others are stopped all the same.
            Err(error) => failed = Some(error),
        }
    }
    if let Err(error) = agent.run_ended(run_id).await {
        failed = Some(error);
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(json!({ "run_id": run_id, "stopped": stopped, "unreadable": unreadable })),
    }
}

/// Writes on every line of the log what it is about.
fn about(call: &WaitingCall) {
    let (run_id, action) = (Some(call.run_id.as_str()), Some(call.action.as_str()));
    telemetry::record(&Span::current(), &SpanFields { run_id, action, attempt: None });
}

/// Looks how a call stands until it is answered or goes on outside.
async fn advance(
    agent: &dyn Agent,
    recording: &Recording,
    mut waiting: WaitingCall,
    task_token: &str,
    deadline: Instant,
) -> Result<Value, AgentError> {
    let later = later(recording)?;
    let lease = deadline.saturating_duration_since(Instant::now()) + MARGIN;
    if !later.calls.claim(&waiting, lease).await? {
        return Ok(noted("another looks"));
    }
    loop {
        let stand = match steps(agent, later, &mut waiting, deadline).await {
            Ok(stand) => stand,
            Err(error) if error.name.retryable() => {
                later.calls.unclaim(&waiting).await?;
                return Err(error);
            }
            Err(error) => return fail(agent, recording, &waiting, task_token, error).await,
        };
        match stand {
            Some(outcome) => return finish(agent, recording, waiting, task_token, outcome).await,
            // What happened while this looked is seen at another look.
            None if later.calls.unclaim(&waiting).await? => return Ok(noted("it goes on")),
            None => {}
        }
    }
}

/// Takes steps until nothing changes. None: it goes on outside.
async fn steps(
    agent: &dyn Agent,
    later: &Later,
    waiting: &mut WaitingCall,
    deadline: Instant,
) -> Result<Option<Outcome>, AgentError> {
    let call = waiting.call(deadline);
    for _ in 0..STEPS {
        match in_time(&call, agent.look(&call, &waiting.progress)).await? {
            Stand::Done(outcome) => return Ok(Some(outcome)),
            Stand::Later(progress) if progress == waiting.progress => return Ok(None),
            Stand::Later(progress) => {
                waiting.progress = progress;
                match later.calls.progress(waiting).await {
                    Ok(()) => {}
                    // The run has ended meanwhile: what was begun for it ends too.
                    Err(StoreError::Conflict(_)) => {
                        agent.stop(&call, &waiting.progress).await?;
                        return Ok(None);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Err(AgentError::internal(format!("{} takes no end of steps", waiting.action)))
}

async fn finish(
    agent: &dyn Agent,
    recording: &Recording,
    waiting: WaitingCall,
    task_token: &str,
    outcome: Outcome,
) -> Result<Value, AgentError> {
    let later = later(recording)?;
    let status = outcome.status;
    let stage =
        Stage::resume(agent, waiting.context.clone(), waiting.stage.clone(), &waiting.parameters);
    let answer = stage.finish(recording, outcome, Some(&waiting.key)).await?;
    recording.idempotency.complete(&waiting.key, &answer).await?;
    let call = waiting.call(Instant::now());
    count(agent, recording, &call, waiting.stage.started_at, status, None);
    succeed(later, task_token, &answer).await?;
    later.calls.close(&waiting).await?;
    Ok(noted("answered"))
}

async fn fail(
    agent: &dyn Agent,
    recording: &Recording,
    waiting: &WaitingCall,
    task_token: &str,
    error: AgentError,
) -> Result<Value, AgentError> {
    let later = later(recording)?;
    let name = error.name.as_str();
    tracing::error!(error = name, cause = error.chain(), "fault");
    let stage =
        Stage::resume(agent, waiting.context.clone(), waiting.stage.clone(), &waiting.parameters);
    stage.fail(recording, &error).await;
    let call = waiting.call(Instant::now());
    let status = StageStatus::Error;
    count(agent, recording, &call, waiting.stage.started_at, status, Some(name));
    // As Lambda would word it, so that there is one way to read a fault.
    let message = crate::text::truncated(&error.chain(), CAUSE);
    let cause = json!({ "errorType": name, "errorMessage": message }).to_string();
    if !later.tokens.fail(task_token, name, &cause).await? {
        tracing::info!("nobody waits for the fault any more");
    }
    later.calls.close(waiting).await?;
    Ok(noted("failed"))
}

/// Answers an execution, in the form in which Lambda's integration would.
///
/// # Errors
/// The executions cannot be reached.
pub(crate) async fn succeed(
    later: &Later,
    task_token: &str,
    answer: &Value,
) -> Result<(), AgentError> {
    if !later.tokens.succeed(task_token, &json!({ "Payload": answer })).await? {
        tracing::info!("nobody waits for the answer any more");
    }
    Ok(())
}

/// Answers an execution again, as it was answered before.
///
/// # Errors
/// The executions cannot be reached.
pub(crate) async fn succeed_again(
    recording: &Recording,
    task_token: &str,
    answer: &Value,
) -> Result<Value, AgentError> {
    succeed(later(recording)?, task_token, answer).await?;
    Ok(noted("answered before"))
}

fn count(
    agent: &dyn Agent,
    recording: &Recording,
    call: &Call,
    started_at: Timestamp,
    status: StageStatus,
    error: Option<&'static str>,
) {
    let action = agent.capabilities().iter().find(|c| c.action == call.action).map(|c| c.action);
    let took = Timestamp::now().duration_since(started_at);
    recording.metrics.emit(&MetricEvent::Action {
        agent: agent.id(),
        action,
        status,
        error,
        duration: took.try_into().unwrap_or_default(),
        run_id: call.run_id.clone(),
    });
}
