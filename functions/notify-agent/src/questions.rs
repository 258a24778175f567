//! Questions of runs that wait for a person: told when the run begins to wait, told again where a
//! channel did not take it, and reminded of once, by each channel, before the time for an answer is over.
//!
//! The reminder stands in the outbox as soon as the question was told, and is sent by the schedule only
//! while the question is open. Whoever is killed in between is followed by the pipeline's next attempt,
//! which finds what was told, or by the schedule's.

use futures::future;
use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    AgentError, Call, Outcome,
    ports::{OutboxEntry, SendLater},
};
use pact_contract::{
    actions::{AskAgain, AskApprovers},
    agents::NOTIFY_APPROVERS,
    run::NotificationRecord,
};
use serde_json::{Map, Value};

use crate::{
    NotifyAgent,
    channels::{self, Channel},
    delivery::{Delivery, Opened},
    message::Message,
    past::Question,
    together,
};

/// The reminder comes when a quarter of the time is left, …
const LEFT: i32 = 4;
/// … and no later than this before its end: the schedule comes by every five minutes.
const LEAST_LEFT: SignedDuration = SignedDuration::from_mins(10);

/// What is to be done about a message that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is sent.
    Send,
    /// It is looked at by the next pass.
    Wait,
    /// Nobody waits for an answer to it.
    Needless,
}

impl NotifyAgent {
    /// Tells those who can answer that a run waits for them, by every channel that reaches people.
    /// None holds another up; what was told is not told again.
    pub(crate) async fn ask(&self, call: &Call) -> Result<Outcome, AgentError> {
        let asked: AskApprovers = call.parameters()?;
        let since = match self.past.since(&asked.run, &asked.environment).await {
            Ok(since) => Some(since),
            Err(error) => {
                tracing::warn!(%error, "what would change is not told");
                None
            }
        };
        let now = Timestamp::now();
        let until = match &asked.again {
            Some(again) => again.until,
            None => until(&asked, now),
        };
        let message = Message::asking(&asked, since.as_ref(), until);
        let wanted = |kind: &str| asked.again.as_ref().is_none_or(|again| again.channel == kind);
        let channels = channels::ALL.iter().copied();
        let channels =
            channels.filter(|channel| channel.reaches_people() && wanted(channel.kind()));
        let tells = channels.filter_map(|channel| {
            let settings = asked.settings.get(channel.kind())?;
            Some(self.ask_by(channel, call, &asked, settings, message.clone(), (now, until)))
        });
        let told = future::join_all(tells).await;
        let nobody = "nobody is told: the settings have neither [notify.slack] nor [notify.email]";
        together(told, nobody)
    }

    async fn ask_by(
        &self,
        channel: &dyn Channel,
        call: &Call,
        asked: &AskApprovers,
        settings: &Map<String, Value>,
        message: Message,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<Outcome, AgentError> {
        let reminder = asked.again.as_ref().is_some_and(|again| again.reminder);
        let kind = channel.kind();
        let again = |reminder| AskAgain { channel: kind.to_owned(), until, reminder };
        let key = match reminder {
            true => reminder_of(kind, asked),
            false => key(kind, asked),
        };
        let resent = parameters(asked, again(reminder))?;
        let what = (asked.run.clone(), message);
        let answer = match Delivery::ask(&*self.outbox, call, kind, key, resent, what).await? {
            Opened::AlreadySent(answer) => *answer,
            Opened::Pending(delivery) => self.send(channel, &delivery, settings).await?,
        };
        if !reminder && sent(&answer) {
            self.remind(kind, asked, again(true), now).await?;
        }
        Ok(answer)
    }

    /// Keeps a reminder of what a channel has told, unless there is one.
    async fn remind(
        &self,
        kind: &str,
        asked: &AskApprovers,
        again: AskAgain,
        now: Timestamp,
    ) -> Result<(), AgentError> {
        let Some(due) = reminded_at(now, again.until) else { return Ok(()) };
        let (channel, run_id) = (reminder_of(kind, asked), &asked.run.run_id);
        if self.outbox.notification(run_id, &channel).await?.is_some() {
            return Ok(());
        }
        let detail = format!("reminds at {due:.0}, unless there is an answer");
        let action = NOTIFY_APPROVERS.action.to_owned();
        let entry = OutboxEntry {
            record: NotificationRecord { channel, sent: false, detail },
            body: String::new(),
            reference: None,
            at: now,
            later: Some(SendLater::at(due, action, parameters(asked, again)?)),
        };
        Ok(self.outbox.put_notification(run_id, &entry).await?)
    }

    /// Whether what is due is sent: of a question only while it is open.
    pub(crate) async fn due(&self, later: &SendLater, now: Timestamp) -> Result<Due, AgentError> {
        if later.action != NOTIFY_APPROVERS.action {
            return Ok(Due::Send);
        }
        let asked: AskApprovers = serde_json::from_value(Value::Object(later.parameters.clone()))
            .map_err(|error| {
            AgentError::internal("a kept question is none").caused_by(error)
        })?;
        let over = asked.again.is_some_and(|again| again.until <= now);
        if over {
            return Ok(Due::Needless);
        }
        Ok(match self.past.question(&asked.run.run_id, &asked.environment, now).await? {
            Question::Open => Due::Send,
            Question::NotYet => Due::Wait,
            Question::Over => Due::Needless,
        })
    }
}

/// Until when about an answer is waited for, where the run begins to wait now.
fn until(asked: &AskApprovers, now: Timestamp) -> Timestamp {
    let wait = SignedDuration::from_mins(i64::from(asked.timeout_minutes));
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// When is reminded of a question that was told now; none where the time is so short that whoever was
/// told would be told again at once.
fn reminded_at(now: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let time = until.duration_since(now);
    let left = (time / LEFT).max(LEAST_LEFT);
    if left > time / 2 {
        return None;
    }
    until.checked_sub(left).ok()
}

fn key(kind: &str, asked: &AskApprovers) -> String {
    format!("{kind}/{}", asked.environment)
}

fn reminder_of(kind: &str, asked: &AskApprovers) -> String {
    format!("{}{}", key(kind, asked), NotificationRecord::REMINDER)
}

/// What the question is told again with.
fn parameters(asked: &AskApprovers, again: AskAgain) -> Result<Map<String, Value>, AgentError> {
    let asked = AskApprovers { again: Some(again), ..asked.clone() };
    match serde_json::to_value(asked) {
        Ok(Value::Object(parameters)) => Ok(parameters),
        Ok(_) => Err(AgentError::internal("a question is no object")),
        Err(error) => Err(AgentError::internal("a question cannot be kept").caused_by(error)),
    }
}

fn sent(answer: &Outcome) -> bool {
    answer.output.get("sent").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_leaves_time_to_answer_and_to_forget() {
        let now: Timestamp = "2026-11-27T10:00:00Z".parse().expect("a time");
        let at = |minutes| {
            let until = now.checked_add(SignedDuration::from_mins(minutes)).expect("a time");
            reminded_at(now, until).map(|due| due.duration_since(now).as_mins())
        };
        for (minutes, due) in [
            (60, Some(45)),
            (24 * 60, Some(18 * 60)),
            (30, Some(20)),
            (20, Some(10)),
            (19, None),
            (1, None),
            (0, None),
            (-5, None),
        ] {
            assert_eq!(at(minutes), due, "{minutes}");
        }
    }
}
