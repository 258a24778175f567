//! What could not be sent is sent again, as a schedule asks: by the channel that did not take it, until
//! it does or a day is over.
//!
//! An attempt is written down before it is made, with when the next one is: whoever is killed meanwhile
//! is followed by that, and nobody makes the same attempt. What reminds of a question waits here too. What each channel does about a message that
//! may have arrived is said where it is.

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use pact_agent::{
    Agent as _, AgentError, Call,
    ports::{OutboxEntry, SendLater},
};
use pact_contract::{RunId, StateName};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::{NotifyAgent, questions::Due};

/// Most messages of one pass, and those that are sent side by side: a channel that hangs holds up no
/// other.
const MOST: usize = 100;
const AT_ONCE: usize = 16;
/// The state that attempts are made for.
const STATE: &str = "SendLater";

/// What a pass came to.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Report {
    /// Messages that were due.
    pub(crate) due: usize,
    /// Those that are sent, refused for good, or not needed any more.
    pub(crate) ended: usize,
    /// Those that are tried again.
    pub(crate) again: usize,
    /// Those that are given up.
    pub(crate) given_up: usize,
}

/// What became of one message.
enum Done {
    /// Somebody else has it.
    Nothing,
    Ended,
    Again,
    GivenUp,
}

impl NotifyAgent {
    /// Sends what is due.
    pub(crate) async fn send_due(&self, deadline: Instant) -> Result<Report, AgentError> {
        pass(self, deadline).await
    }
}

async fn pass(agent: &NotifyAgent, deadline: Instant) -> Result<Report, AgentError> {
    let now = Timestamp::now();
    let due = agent.outbox.due_notifications(now, MOST).await?;
    let mut report = Report { due: due.len(), ..Report::default() };
    let one = |(run_id, channel)| one(agent, run_id, channel, deadline);
    let mut all = stream::iter(due).map(one).buffer_unordered(AT_ONCE);
    while let Some(done) = all.next().await {
        match done {
            Ok(Done::Nothing) => {}
            Ok(Done::Ended) => report.ended += 1,
            Ok(Done::Again) => report.again += 1,
            Ok(Done::GivenUp) => report.given_up += 1,
            // One's trouble holds up no other.
            Err(error) => {
                report.again += 1;
                tracing::error!(error = error.chain(), "a message is looked at later");
            }
        }
    }
    Ok(report)
}

async fn one(
    agent: &NotifyAgent,
    run_id: RunId,
    channel: String,
    deadline: Instant,
) -> Result<Done, AgentError> {
    let now = Timestamp::now();
    let Some(entry) = agent.outbox.notification(&run_id, &channel).await? else {
        return Ok(Done::Nothing);
    };
    let Some(later) = entry.later.clone().filter(|later| later.due <= now) else {
        return Ok(Done::Nothing);
    };
    if later.is_over(now) {
        let given_up = given_up(&entry, &later);
        tracing::error!(
            run_id = run_id.as_str(),
            channel,
            detail = given_up.record.detail,
            "given up"
        );
        let written = agent.outbox.replace_notification(&run_id, &entry, &given_up).await?;
        return Ok(if written { Done::GivenUp } else { Done::Nothing });
    }
    match agent.due(&later, now).await? {
        Due::Send => {}
        Due::Wait => return Ok(Done::Again),
        Due::Needless => {
            let needless = needless(&entry, now);
            let written = agent.outbox.replace_notification(&run_id, &entry, &needless).await?;
            return Ok(if written { Done::Ended } else { Done::Nothing });
        }
    }
    let SendLater { action, parameters, .. } = later.clone();
    let taken = OutboxEntry { later: Some(later.taken(now)), ..entry.clone() };
    if !agent.outbox.replace_notification(&run_id, &entry, &taken).await? {
        return Ok(Done::Nothing);
    }
    let state = StateName::parse(STATE).map_err(|error| AgentError::invalid(error.to_string()))?;
    let key = format!("outbox/{run_id}/{channel}");
    let call = Call { action, parameters, run_id: Some(run_id.clone()), state, key, deadline };
    let run_id = run_id.as_str();
    Ok(match timeout_at(deadline, agent.act(&call)).await {
        Ok(Ok(outcome)) => {
            tracing::info!(run_id, channel, summary = outcome.summary, "sent later");
            Done::Ended
        }
        Ok(Err(error)) => {
            tracing::warn!(run_id, channel, error = error.chain(), "not sent yet");
            Done::Again
        }
        Err(_) => {
            tracing::warn!(run_id, channel, "not sent yet: there was no more time");
            Done::Again
        }
    })
}

/// What is said of a question that nobody has to be told any more.
fn needless(entry: &OutboxEntry, now: Timestamp) -> OutboxEntry {
    let mut needless = OutboxEntry { later: None, at: now, ..entry.clone() };
    needless.record.detail = "not sent: nobody waits for the answer any more".to_owned();
    needless
}

/// The word on the run.
fn given_up(entry: &OutboxEntry, later: &SendLater) -> OutboxEntry {
    let mut given_up = OutboxEntry { later: None, at: Timestamp::now(), ..entry.clone() };
    let hours = SendLater::PATIENCE.as_hours();
    let detail = &entry.record.detail;
    given_up.record.detail =
        format!("{detail}; given up after {} attempts in {hours} hours", later.attempts);
    given_up
}
