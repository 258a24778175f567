//! From a Lambda event to an agent's action and back.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use pact_contract::{Capability, RunId, StageStatus, envelope::IntentEnvelope, error::ErrorName};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::{
    admission,
    agent::{Agent, Call, Outcome},
    error::AgentError,
    later,
    metrics::MetricEvent,
    recording::Recording,
    stage::Stage,
    telemetry::{self, SpanFields},
};

/// The largest output that an action may hand to the state machine.
const MAX_OUTPUT_BYTES: usize = 64 * 1024;
/// Time kept before the function's deadline to record a time-out.
const DEADLINE_MARGIN: Duration = Duration::from_millis(1_500);

/// Runs `agent` as a Lambda function until the environment ends it.
///
/// # Errors
/// When the Lambda Runtime API cannot be reached.
pub async fn serve(agent: impl Agent, recording: Recording) -> Result<(), lambda_runtime::Error> {
    let agent = Arc::new(agent);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let agent = Arc::clone(&agent);
        let recording = recording.clone();
        async move {
            let left = event.context.deadline().duration_since(std::time::SystemTime::now());
            let deadline = Instant::now() + left.unwrap_or_default();
            let span = telemetry::invocation_span(agent.id(), &event.context);
            handle(&*agent, &recording, event.payload, deadline)
                .instrument(span)
                .await
                .map_err(Diagnostic::from)
        }
    }))
    .await
}

/// Takes one intent envelope to `agent` and its answer back; records, logs and counts both.
///
/// A request that was completed before gets the same answer again and is not carried out. One with
/// a task token is answered by it, perhaps later; an event that concerns such a one is taken, too.
///
/// # Errors
/// A fault with its stable name. It has been recorded, where the intent names a run.
pub async fn handle(
    agent: &dyn Agent,
    recording: &Recording,
    event: Value,
    deadline: Instant,
) -> Result<Value, AgentError> {
    let begun = Instant::now();
    let named = Named::in_event(&event);
    telemetry::record(&Span::current(), &named.span_fields());
    let result = attend(agent, recording, event, deadline).await;
    let (status, error) = match &result {
        Ok(attended) => (attended.status, None),
        Err(error) => {
            tracing::error!(error = error.name.as_str(), cause = error.chain(), "fault");
            (Some(StageStatus::Error), Some(error.name.as_str()))
        }
    };
    if let Some(status) = status {
        recording.metrics.emit(&MetricEvent::Action {
            agent: agent.id(),
            action: named.action.and_then(|action| capability(agent, &action)).map(|c| c.action),
            status,
            error,
            duration: begun.elapsed(),
            run_id: named.run_id.and_then(|id| RunId::parse(&id).ok()),
        });
    }
    result.map(|attended| attended.answer)
}

/// What an event says of itself, before it was checked: so that also a refusal names its run.
struct Named {
    run_id: Option<String>,
    action: Option<String>,
    attempt: u64,
}

impl Named {
    fn in_event(event: &Value) -> Self {
        let text = |at: &str| event.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let retry = event.pointer("/intent/context/retry").and_then(Value::as_u64);
        Self {
            run_id: text("/intent/context/run_id"),
            action: text("/intent/action"),
            attempt: retry.unwrap_or(0).saturating_add(1),
        }
    }

    fn span_fields(&self) -> SpanFields<'_> {
        SpanFields {
            run_id: self.run_id.as_deref(),
            action: self.action.as_deref(),
            attempt: Some(self.attempt),
        }
    }
}

/// An answer, with its verdict unless it was given before.
struct Attended {
    answer: Value,
    status: Option<StageStatus>,
}

async fn attend(
    agent: &dyn Agent,
    recording: &Recording,
    event: Value,
    deadline: Instant,
) -> Result<Attended, AgentError> {
    if event.get("pass").is_some()
        && let Some(passed) = agent.pass(margin(deadline)).await
    {
        return Ok(Attended { answer: passed?, status: None });
    }
    if let Some(news) = agent.news(&event) {
        let answer = later::news(agent, recording, news, margin(deadline)).await?;
        return Ok(Attended { answer, status: None });
    }
    let mut intent = parse(agent, event)?;
    let task_token = intent.intent.context.task_token.take();
    let key = intent.metadata.idempotency_key.clone();
    if let Some(key) = &key
        && let Some(answer) = recording.idempotency.completed(key).await?
    {
        tracing::info!(key, "answered before");
        let answer = match &task_token {
            Some(token) => later::succeed_again(recording, token, &answer).await?,
            None => answer,
        };
        return Ok(Attended { answer, status: None });
    }
    admission::admit(&*recording.recorder, &intent).await?;
    if let Some(token) = &task_token {
        let answer = later::begin(agent, recording, &intent, token, margin(deadline)).await?;
        return Ok(Attended { answer, status: None });
    }
    let stage = Stage::begin(agent, recording, &intent).await?;
    match carry_out(agent, &intent, &stage, deadline).await {
        Ok(outcome) => {
            let status = outcome.status;
            let answer = stage.finish(recording, outcome, key.as_deref()).await?;
            if let Some(key) = &key {
                recording.idempotency.complete(key, &answer).await?;
            }
            Ok(Attended { answer, status: Some(status) })
        }
        Err(error) => {
            stage.fail(recording, &error).await;
            Err(error)
        }
    }
}

fn capability(agent: &dyn Agent, action: &str) -> Option<&'static Capability> {
    agent.capabilities().iter().find(|c| c.action == action)
}

/// Reads and checks the envelope.
fn parse(agent: &dyn Agent, event: Value) -> Result<IntentEnvelope, AgentError> {
    let intent: IntentEnvelope = serde_json::from_value(event)
        .map_err(|e| AgentError::invalid(format!("the event is not a PACT intent: {e}")))?;
    let capability = capability(agent, &intent.intent.action).ok_or_else(|| {
        let known: Vec<_> = agent.capabilities().iter().map(|c| c.action).collect();
        AgentError::new(
            ErrorName::UnknownAction,
            format!(
                "{} does not offer {:?}; it offers {}",
                agent.id(),
                intent.intent.action,
                known.join(", ")
            ),
        )
    })?;
    admission::check(&intent, capability, Timestamp::now())?;
    // A skipped action needs no parameters: what they would hold may not exist.
    if intent.intent.context.skip.is_none() {
        let missing: Vec<_> = capability
            .required
            .iter()
            .filter(|name| intent.intent.parameters.get(**name).is_none_or(Value::is_null))
            .copied()
            .collect();
        if !missing.is_empty() {
            return Err(AgentError::new(
                ErrorName::MissingParameters,
                format!("{} needs {}", capability.action, missing.join(", ")),
            ));
        }
    }
    Ok(intent)
}

/// When an action has to be done, so that there is time to record it.
fn margin(deadline: Instant) -> Instant {
    deadline.checked_sub(DEADLINE_MARGIN).unwrap_or(deadline)
}

async fn carry_out(
    agent: &dyn Agent,
    intent: &IntentEnvelope,
    stage: &Stage,
    deadline: Instant,
) -> Result<Outcome, AgentError> {
    if let Some(reason) = &intent.intent.context.skip {
        return Ok(Outcome::skipped(reason));
    }
    let call = Call {
        action: intent.intent.action.clone(),
        parameters: intent.intent.parameters.clone(),
        run_id: stage.context.run_id.clone(),
        state: stage.record.state.clone(),
        key: intent
            .metadata
            .idempotency_key
            .clone()
            .unwrap_or_else(|| format!("by-hand/{}", stage.record.started_at)),
        deadline: margin(deadline),
    };
    let outcome =
        tokio::time::timeout_at(call.deadline, agent.act(&call)).await.map_err(|_| {
            AgentError::new(
                ErrorName::Timeout,
                format!("{} did not end before the function's deadline", call.action),
            )
        })??;
    let size = outcome.output.to_string().len();
    if size > MAX_OUTPUT_BYTES {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("the output of {} has {size} bytes; at most {MAX_OUTPUT_BYTES}", call.action),
        ));
    }
    Ok(outcome)
}
