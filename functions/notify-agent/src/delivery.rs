//! One message on its way, and what the outbox says of it.

use jiff::{SignedDuration, Timestamp};
use pact_agent::{
    AgentError, Call, Outcome,
    ports::{Outbox, OutboxEntry, SendLater},
};
use pact_contract::{
    Finding, RunRequest, Severity, StageStatus,
    actions::Notify,
    codes,
    run::{NotificationRecord, Outcome as RunOutcome},
};

use serde_json::{Map, Value};

use crate::message::Message;

/// What the outbox says while a message is being sent.
const CLAIMED: &str = "is being sent";

/// What came of a message: a verdict.
#[derive(Debug)]
pub(crate) enum DeliveryOutcome {
    /// It was delivered.
    Sent {
        /// To whom, for people.
        detail: String,
        /// By what the channel finds it again.
        reference: Option<String>,
        findings: Vec<Finding>,
    },
    /// It is not sent, for want of a channel, for this reason; it stays in the outbox.
    Skipped(String),
    /// The channel refuses it for good, for this reason.
    Refused(String),
}

/// The message was not delivered, and may be later.
#[derive(Debug)]
pub(crate) struct Interrupted {
    fault: AgentError,
    /// How far it came, where that has changed.
    reference: Option<String>,
    /// How long the channel asks to be left alone.
    wait: Option<SignedDuration>,
}

impl Interrupted {
    /// The same, when it had come so far.
    pub(crate) fn at(self, reference: String) -> Self {
        Self { reference: Some(reference), ..self }
    }

    /// The same, by a channel that asks to be left alone for so long.
    pub(crate) fn for_now(self, wait: Option<SignedDuration>) -> Self {
        Self { wait, ..self }
    }
}

impl From<AgentError> for Interrupted {
    fn from(fault: AgentError) -> Self {
        Self { fault, reference: None, wait: None }
    }
}

/// Whether there is something left to do.
pub(crate) enum Opened<'a> {
    /// The message was sent before: the answer.
    AlreadySent(Box<Outcome>),
    /// It is to be sent now.
    Pending(Box<Delivery<'a>>),
}

/// One message of a run on one channel.
pub(crate) struct Delivery<'a> {
    outbox: &'a dyn Outbox,
    channel: &'static str,
    /// What the outbox knows it by: the channel, and what else tells it from others of the run.
    key: String,
    before: Option<OutboxEntry>,
    /// With which parameters it is sent again where the channel does not take it now; none: it is not.
    resent: Option<Map<String, Value>>,
    body: String,
    pub(crate) call: &'a Call,
    /// What it is about; none but the run for a question.
    pub(crate) run: RunRequest,
    /// How the run ended; none for a question.
    pub(crate) outcome: Option<RunOutcome>,
    pub(crate) message: Message,
}

impl<'a> Delivery<'a> {
    /// Reads the request and the outbox.
    pub(crate) async fn begin(
        outbox: &'a dyn Outbox,
        call: &'a Call,
        channel: &'static str,
        Notify { run, outcome, .. }: Notify,
    ) -> Result<Opened<'a>, AgentError> {
        let message = Message::new(&run, &outcome, Timestamp::now());
        let resent = Some(call.parameters.clone());
        let what = (run, Some(outcome), message);
        Self::open(outbox, call, channel, (channel.to_owned(), resent), what).await
    }

    /// The same for a question of the run before an environment; `key` tells it from others, and from
    /// what reminds of it. It is sent again with other parameters than the pipeline's.
    pub(crate) async fn ask(
        outbox: &'a dyn Outbox,
        call: &'a Call,
        channel: &'static str,
        key: String,
        resent: Map<String, Value>,
        (run, message): (RunRequest, Message),
    ) -> Result<Opened<'a>, AgentError> {
        Self::open(outbox, call, channel, (key, Some(resent)), (run, None, message)).await
    }

    /// The same for an incident, which stands in for a run; `key` tells its messages apart.
    pub(crate) async fn incident(
        outbox: &'a dyn Outbox,
        call: &'a Call,
        channel: &'static str,
        key: String,
        (run, message): (RunRequest, Message),
    ) -> Result<Opened<'a>, AgentError> {
        Self::open(outbox, call, channel, (key, None), (run, None, message)).await
    }

    async fn open(
        outbox: &'a dyn Outbox,
        call: &'a Call,
        channel: &'static str,
        (key, resent): (String, Option<Map<String, Value>>),
        (run, outcome, message): (RunRequest, Option<RunOutcome>, Message),
    ) -> Result<Opened<'a>, AgentError> {
        let before = outbox.notification(&run.run_id, &key).await?;
        if let Some(before) = &before
            && before.record.sent
        {
            let summary = format!("{channel}: {} before", before.record.detail);
            let answer = Outcome::new(StageStatus::Passed, summary, &before.record)?;
            return Ok(Opened::AlreadySent(Box::new(answer)));
        }
        let body = message.text();
        let delivery =
            Self { outbox, channel, key, before, resent, body, call, run, outcome, message };
        Ok(Opened::Pending(Box::new(delivery)))
    }

    /// How it is sent again, unless this attempt comes to an end.
    fn later(&self) -> Option<SendLater> {
        let known = self.before.as_ref().and_then(|before| before.later.clone());
        let parameters = self.resent.as_ref()?;
        let new = || SendLater::new(self.call.action.clone(), parameters.clone(), Timestamp::now());
        Some(known.unwrap_or_else(new))
    }

    async fn put(
        &self,
        (sent, later): (bool, Option<SendLater>),
        detail: String,
        reference: Option<String>,
    ) -> Result<NotificationRecord, AgentError> {
        let record = NotificationRecord { channel: self.key.clone(), sent, detail };
        let entry = OutboxEntry {
            later,
            record: record.clone(),
            body: self.body.clone(),
            reference,
            at: Timestamp::now(),
        };
        self.outbox.put_notification(&self.run.run_id, &entry).await?;
        Ok(record)
    }

    /// What was noted of an attempt before.
    pub(crate) fn reference(&self) -> Option<&str> {
        self.before.as_ref()?.reference.as_deref()
    }

    /// Says in the outbox that the message is being sent. True when an attempt before was
    /// interrupted, so that nobody knows whether it was delivered.
    pub(crate) async fn claim(&self) -> Result<bool, AgentError> {
        let unsure = self.before.as_ref().is_some_and(|b| b.record.detail == CLAIMED);
        self.put((false, self.later()), CLAIMED.to_owned(), self.reference().map(str::to_owned))
            .await?;
        Ok(unsure)
    }

    /// Notes how far the delivery is.
    pub(crate) async fn progress(&self, reference: &str) -> Result<(), AgentError> {
        self.put((false, self.later()), CLAIMED.to_owned(), Some(reference.to_owned()))
            .await
            .map(drop)
    }

    /// Records what came of the message, and gives the answer.
    ///
    /// # Errors
    /// The fault by which it was interrupted, or that of the outbox.
    pub(crate) async fn end(
        &self,
        end: Result<DeliveryOutcome, Interrupted>,
    ) -> Result<Outcome, AgentError> {
        match end {
            Ok(DeliveryOutcome::Sent { detail, reference, findings }) => {
                let summary = format!("{}: {detail}", self.channel);
                let record = self.put((true, None), detail, reference).await?;
                Ok(Outcome::new(StageStatus::Passed, summary, &record)?.with_findings(findings))
            }
            Ok(DeliveryOutcome::Skipped(reason)) => {
                let detail = not_sent(&reason);
                let record = self.put((false, None), detail.clone(), None).await?;
                Outcome::new(StageStatus::Skipped, detail, &record)
            }
            Ok(DeliveryOutcome::Refused(reason)) => {
                let detail = not_sent(&reason);
                let reference = self.reference().map(str::to_owned);
                let record = self.put((false, None), detail.clone(), reference).await?;
                let finding =
                    Finding::new(codes::NOTIFICATION_REFUSED, Severity::Medium, detail.clone())
                        .remedy("correct the channel's address or account in the installation");
                let answer = Outcome::new(StageStatus::Failed, detail, &record)?;
                Ok(answer.with_findings(vec![finding]))
            }
            Err(Interrupted { fault, reference, wait }) => {
                let reference = reference.or_else(|| self.reference().map(str::to_owned));
                let until = wait.and_then(|wait| {
                    Timestamp::now().checked_add(wait.min(SendLater::PATIENCE)).ok()
                });
                let later = self.later().map(|later| match until {
                    Some(until) => later.not_before(until),
                    None => later,
                });
                let kept = (false, later);
                if let Err(second) = self.put(kept, not_sent(&fault.message), reference).await {
                    tracing::error!(error = %second, "cannot record the notification");
                }
                Err(fault)
            }
        }
    }
}

fn not_sent(reason: &str) -> String {
    format!("not sent: {reason}")
}
