//! A person's answer to the question that an execution waits with.

use jiff::Timestamp;
use pact_agent::ports::{ApprovalAnswer, ApprovalRecord};
use pact_contract::log::{LogKind, NewEntry};
use serde_json::{Value, json};

use crate::{
    Ports,
    error::{Answer, ApiError},
};

/// Takes the answer and passes it to the execution.
///
/// The answer is written before it is passed on: of two people one is heard. The same answer of
/// the same person may be sent again, in case it was written but not passed on.
pub(crate) async fn answer(
    ports: &Ports,
    callback: &str,
    answer: &ApprovalAnswer,
) -> Answer<ApprovalRecord> {
    let (mut record, token) = load(ports, callback).await?;
    let mut first = false;
    if record.answer.is_none() {
        if record.expires_at <= Timestamp::now() {
            return Err(ApiError::gone("expired", "the question was not answered in time"));
        }
        first = ports.callbacks.answer_approval(callback, answer).await?;
        record = load(ports, callback).await?.0;
    }
    let given =
        record.answer.as_ref().filter(|given| same(given, answer)).ok_or_else(|| {
            ApiError::conflict("answered", "the question has another answer already")
        })?;
    let passed_on = ports.executions.task_success(&token, &output(given)).await?;
    if first {
        let entry = NewEntry {
            timestamp: given.at,
            actor: given.by.clone(),
            kind: LogKind::Event,
            action: "gateway.answer_approval".to_owned(),
            body: json!({
                "state": record.state,
                "question": record.question,
                "approved": given.approved,
                "reason": given.reason,
                "heard": passed_on,
            }),
        };
        ports.recorder.append_log(&record.run_id, entry).await?;
    }
    match (passed_on, first) {
        (true, _) => Ok(record),
        (false, true) => {
            Err(ApiError::gone("not_waiting", "the run does not wait for this answer any more"))
        }
        (false, false) => Err(ApiError::conflict("answered", "the question was answered already")),
    }
}

async fn load(ports: &Ports, callback: &str) -> Answer<(ApprovalRecord, String)> {
    ports
        .callbacks
        .approval(callback)
        .await?
        .ok_or_else(|| ApiError::not_found("nothing waits under this address"))
}

fn same(given: &ApprovalAnswer, answer: &ApprovalAnswer) -> bool {
    given.approved == answer.approved && given.by == answer.by
}

/// What the execution gets.
pub(crate) fn output(answer: &ApprovalAnswer) -> Value {
    json!({ "approved": answer.approved, "by": answer.by, "reason": answer.reason })
}
