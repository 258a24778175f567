//! The reconciler: opens approvals, counts runs, ends those whose execution ended from outside, and
//! looks after what no event told of.

use jiff::Timestamp;
use pact_agent::{
    AgentError,
    telemetry::{self, SpanFields},
};
use pact_contract::RunId;
use serde_json::{Value, json};
use tracing::Span;

use crate::{
    alarms, approvals, ending, incidents, motor, pass,
    ports::Ports,
    settle::{Changed, settle},
};

/// The event that an execution changed its status.
const STATUS_CHANGE: &str = "Step Functions Execution Status Change";

/// Answers one event of the reconciler: `{"approval": …}` from the pipeline, the event that one of its
/// executions began or ended, or that an alarm of the pipeline changed its state, `{"accepted": …}` from the gateway, `{"watched": …}` and `{"incidents": …}` from the scheduled watch, or
/// `{"pass": …}` from the schedule.
///
/// # Errors
/// `ERR_INVALID_INTENT` for any other event, `ERR_STORE_UNAVAILABLE` when a store does not
/// answer; the same event may then be sent again.
pub(crate) async fn reconcile(ports: &Ports, mut event: Value) -> Result<Value, AgentError> {
    if let Some(approval) = event.get_mut("approval") {
        return approvals::open(ports, read(approval.take())?).await;
    }
    if event.get("detail-type").and_then(Value::as_str) == Some(STATUS_CHANGE) {
        let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
        return change(ports, read(detail)?).await;
    }
    if event.get("detail-type").and_then(Value::as_str) == Some(alarms::STATE_CHANGE) {
        let detail = event.get_mut("detail").map(Value::take).unwrap_or_default();
        return alarms::changed(ports, &read(detail)?).await;
    }
    if let Some(accepted) = event.get_mut("accepted") {
        let news = read(accepted.take())?;
        return Ok(json!({ "begun": motor::take_up(ports, &news).await? }));
    }
    if let Some(watched) = event.get_mut("watched") {
        let seen: Vec<_> = read(watched.take())?;
        return incidents::watched(ports, &seen, Timestamp::now()).await;
    }
    if event.get("incidents").is_some() {
        return incidents::due(ports, Timestamp::now()).await;
    }
    if event.get("pass").is_some() {
        telemetry::record(
            &Span::current(),
            &SpanFields { action: Some("gateway.pass"), ..SpanFields::default() },
        );
        return Ok(json!({ "pass": pass::pass(ports).await? }));
    }
    Err(AgentError::invalid(
        "the event is no approval, no status of an execution, no alarm, nothing accepted or watched and no pass",
    ))
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, AgentError> {
    serde_json::from_value(value)
        .map_err(|error| AgentError::invalid(format!("the event is not valid: {error}")))
}

/// Writes on every line of the log what the event is about.
fn about(run_id: &RunId, action: &str) {
    let fields = SpanFields { run_id: Some(run_id.as_str()), action: Some(action), attempt: None };
    telemetry::record(&Span::current(), &fields);
}

/// An execution began or ended.
async fn change(ports: &Ports, changed: Changed) -> Result<Value, AgentError> {
    if let Some((run_id, _)) = ending::run_of(&changed.name) {
        about(&run_id, "gateway.keep_run");
    }
    Ok(settle(ports, changed).await?)
}
