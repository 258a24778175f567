//! Approvals: the question that an execution waits with, and a person's answer to it.

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    AgentError,
    ports::{ApprovalAnswer, ApprovalRecord, StoreError},
    telemetry::{self, SpanFields},
    text::truncated,
};
use pact_contract::{
    RunId, StateName,
    log::{LogEntry, LogKind, NewEntry},
    problems,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::Span;

use crate::{
    admission,
    error::{Answer, ApiError},
    ports::Ports,
    rules,
};

/// Longest question, with all that whoever says yes agrees to.
const MAX_QUESTION: usize = 4_000;
/// Longest wait for a person, in seconds: a year, the longest an execution may take.
const MAX_WAIT: u64 = 365 * 24 * 3_600;

/// An execution waits for a person.
#[derive(Deserialize)]
pub(crate) struct Question {
    run_id: RunId,
    state: StateName,
    question: String,
    expires_seconds: u64,
    #[serde(default)]
    people: Option<u32>,
    task_token: String,
}

/// Opens the question, once for the run's state, and answers with its callback.
pub(crate) async fn open(ports: &Ports, question: Question) -> Result<Value, AgentError> {
    let fields = SpanFields {
        run_id: Some(question.run_id.as_str()),
        action: Some("gateway.open_approval"),
        attempt: None,
    };
    telemetry::record(&Span::current(), &fields);
    if question.task_token.is_empty() {
        return Err(AgentError::invalid("the approval has no task token"));
    }
    let wait = question.expires_seconds.clamp(1, MAX_WAIT);
    let wait = SignedDuration::from_secs(i64::try_from(wait).unwrap_or(i64::MAX));
    let people = question.people.unwrap_or(1).max(1);
    let mut asked = truncated(&question.question, MAX_QUESTION);
    if people > 1 {
        asked.push_str(&format!(" {people} people have to say yes."));
    }
    let record = ApprovalRecord {
        schema: ApprovalRecord::VERSION,
        callback: new_callback(),
        run_id: question.run_id,
        state: question.state,
        question: asked,
        expires_at: Timestamp::now().checked_add(wait).unwrap_or(Timestamp::MAX),
        people,
        agreed: Vec::new(),
        answer: None,
    };
    let opened = ports.callbacks.open_approval(&record, &question.task_token).await?;
    // Who waits for a person needs no room meanwhile.
    if admission::free(ports, &opened.run_id).await? {
        admission::admit(ports, admission::FEW).await?;
    }
    if let Some(answer) = &opened.answer {
        // The person spoke to an attempt before this one.
        tell(ports, &opened.run_id, false, entry_of_answer(&opened, answer)).await?;
        ports.executions.task_success(&question.task_token, &output(answer)).await?;
    }
    if opened.callback == record.callback {
        let entry = NewEntry {
            timestamp: Timestamp::now(),
            actor: "pact.gateway".to_owned(),
            kind: LogKind::Event,
            action: "gateway.open_approval".to_owned(),
            body: json!({
                "state": opened.state,
                "question": opened.question,
                "expires_at": opened.expires_at,
            }),
        };
        ports.recorder.append_log(&opened.run_id, entry).await?;
    }
    tracing::info!(state = opened.state.as_str(), "waiting for a person");
    Ok(json!({ "callback": opened.callback }))
}

/// 32 bytes of the operating system's randomness, in hexadecimal.
fn new_callback() -> String {
    use sha2::{Digest, Sha256};
    // Three UUIDs carry 366 random bits; the hash makes 256 of them.
    let mut hash = Sha256::new();
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hex::encode(hash.finalize())
}

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
            return Err(ApiError::gone(problems::EXPIRED, "the question was not answered in time"));
        }
        first = ports.callbacks.answer_approval(callback, answer).await?;
        record = load(ports, callback).await?.0;
    }
    if record.answer.is_none() {
        return waits_for_more(ports, record, answer, first).await;
    }
    let given =
        record.answer.as_ref().filter(|given| same(given, answer, &record)).ok_or_else(|| {
            let by = record.answer.as_ref().map_or("somebody", |given| given.by.as_str());
            let message = format!("the question has another answer already, of {by}");
            ApiError::conflict(problems::ANSWERED, message)
        })?;
    if given.approved {
        rules::agree(ports, &record.run_id, &given.by).await?;
    }
    // Told before it counts: whoever was ended between both tells it when the answer is sent again.
    tell(ports, &record.run_id, first, entry_of_answer(&record, given)).await?;
    let passed_on = ports.executions.task_success(&token, &output(given)).await?;
    if first && !passed_on {
        let body = json!({ "state": record.state, "question": record.question });
        let entry = entry_of(given, "gateway.answer_not_heard", body);
        ports.recorder.append_log(&record.run_id, entry).await?;
    }
    match (passed_on, first) {
        (true, _) => Ok(record),
        (false, true) => Err(ApiError::gone(
            problems::NOT_WAITING,
            "the run does not wait for this answer any more",
        )),
        (false, false) => {
            Err(ApiError::conflict(problems::ANSWERED, "the question was answered already"))
        }
    }
}

/// Somebody said yes, and more are asked for.
async fn waits_for_more(
    ports: &Ports,
    record: ApprovalRecord,
    answer: &ApprovalAnswer,
    first: bool,
) -> Answer<ApprovalRecord> {
    let agreed = record.agreed.iter().position(|agreed| agreed.is_of(answer));
    if let Some((place, given)) = agreed.and_then(|at| Some((at, record.agreed.get(at)?))) {
        let body = json!({
            "state": record.state,
            "question": record.question,
            "reason": given.reason,
            "agreed": place + 1,
            "people": record.people,
        });
        tell(ports, &record.run_id, first, entry_of(given, "gateway.agree_approval", body)).await?;
    }
    Ok(record)
}

fn entry_of_answer(record: &ApprovalRecord, given: &ApprovalAnswer) -> NewEntry {
    let body = json!({
        "state": record.state,
        "question": record.question,
        "approved": given.approved,
        "reason": given.reason,
    });
    entry_of(given, "gateway.answer_approval", body)
}

fn entry_of(given: &ApprovalAnswer, action: &str, body: Value) -> NewEntry {
    NewEntry {
        timestamp: given.at,
        actor: given.by.clone(),
        kind: LogKind::Event,
        action: action.to_owned(),
        body,
    }
}

/// Writes the entry to the run's log; one that may be there already only where it is not.
async fn tell(
    ports: &Ports,
    run_id: &RunId,
    is_new: bool,
    entry: NewEntry,
) -> Result<(), StoreError> {
    let is_there = |known: &LogEntry| {
        known.action == entry.action
            && known.actor == entry.actor
            && known.timestamp == entry.timestamp
            && known.body.get("state") == entry.body.get("state")
    };
    if is_new || !ports.log.entries(run_id).await?.items.iter().any(is_there) {
        ports.recorder.append_log(run_id, entry).await?;
    }
    Ok(())
}

/// Takes the answer to the question of a run: of this state, or the only one that is open.
pub(crate) async fn answer_of(
    ports: &Ports,
    run_id: &RunId,
    state: Option<&StateName>,
    given: &ApprovalAnswer,
) -> Answer<ApprovalRecord> {
    let all = ports.callbacks.questions(run_id).await?.items;
    let mut asked: Vec<_> = match state {
        Some(state) => all.into_iter().filter(|question| question.state == *state).collect(),
        None if all.iter().any(|question| question.answer.is_none()) => {
            all.into_iter().filter(|question| question.answer.is_none()).collect()
        }
        // Sent again, or late: what was answered last says how.
        None => all.into_iter().max_by_key(|question| question.expires_at).into_iter().collect(),
    };
    match (asked.pop(), asked.is_empty()) {
        (None, _) => Err(ApiError::not_found("the run asks no such question")),
        (Some(question), true) => answer(ports, &question.callback, given).await,
        (Some(_), false) => Err(ApiError::conflict(
            problems::SEVERAL_QUESTIONS,
            "the run waits for several answers: name the state of the question",
        )),
    }
}

async fn load(ports: &Ports, callback: &str) -> Answer<(ApprovalRecord, String)> {
    ports
        .callbacks
        .approval(callback)
        .await?
        .ok_or_else(|| ApiError::not_found("nothing waits under this address"))
}

fn same(given: &ApprovalAnswer, answer: &ApprovalAnswer, record: &ApprovalRecord) -> bool {
    let among = || record.agreed.iter().any(|agreed| agreed.by == answer.by);
    given.approved == answer.approved && (given.by == answer.by || (given.approved && among()))
}

/// What the execution gets.
pub(crate) fn output(answer: &ApprovalAnswer) -> Value {
    json!({ "approved": answer.approved, "by": answer.by, "reason": answer.reason })
}
