//! One message on its way, and what the outbox says of it.

use jiff::Timestamp;
use pact_agent::{
    AgentError, Call, Outcome,
    ports::{Outbox, OutboxEntry},
};
use pact_contract::{Finding, Severity, StageStatus, actions::Notify, run::NotificationRecord};

use crate::{NotifyAgent, message::Message};

/// What the outbox says while a message is being sent.
const CLAIMED: &str = "is being sent";

/// One message of a run on one channel.
pub(crate) struct Delivery<'a> {
    outbox: &'a dyn Outbox,
    channel: &'static str,
    before: Option<OutboxEntry>,
    body: String,
    pub(crate) notify: Notify,
    pub(crate) message: Message,
}

impl<'a> Delivery<'a> {
    /// Reads the request and the outbox. The inner error is the answer, when the message was
    /// sent before.
    pub(crate) async fn begin(
        agent: &'a NotifyAgent,
        call: &Call,
        channel: &'static str,
    ) -> Result<Result<Self, Outcome>, AgentError> {
        let notify: Notify = call.parameters()?;
        let before = agent.outbox.notification(&notify.run.run_id, channel).await?;
        if let Some(before) = &before
            && before.record.sent
        {
            let summary = format!("{channel}: {} before", before.record.detail);
            return Outcome::new(StageStatus::Passed, summary, &before.record).map(Err);
        }
        let message = Message::new(&notify, Timestamp::now());
        let body = message.text();
        Ok(Ok(Self { outbox: &*agent.outbox, channel, before, body, notify, message }))
    }

    async fn put(
        &self,
        sent: bool,
        detail: String,
        reference: Option<String>,
    ) -> Result<NotificationRecord, AgentError> {
        let record = NotificationRecord { channel: self.channel.to_owned(), sent, detail };
        let entry = OutboxEntry {
            record: record.clone(),
            body: self.body.clone(),
            reference,
            at: Timestamp::now(),
        };
        self.outbox.put_notification(&self.notify.run.run_id, &entry).await?;
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
        self.put(false, CLAIMED.to_owned(), self.reference().map(str::to_owned)).await?;
        Ok(unsure)
    }

    /// Notes how far the delivery is.
    pub(crate) async fn progress(&self, reference: &str) -> Result<(), AgentError> {
        self.put(false, CLAIMED.to_owned(), Some(reference.to_owned())).await.map(drop)
    }

    /// The message is not sent, for want of a channel; it stays in the outbox.
    pub(crate) async fn skip(&self, reason: &str) -> Result<Outcome, AgentError> {
        let detail = format!("not sent: {reason}");
        let record = self.put(false, detail.clone(), None).await?;
        Outcome::new(StageStatus::Skipped, detail, &record)
    }

    /// The channel refuses the message for good.
    pub(crate) async fn refused(&self, reason: &str) -> Result<Outcome, AgentError> {
        let detail = format!("not sent: {reason}");
        let record = self.put(false, detail.clone(), self.reference().map(str::to_owned)).await?;
        let finding = Finding::new("notification-refused", Severity::Medium, detail.clone())
            .remedy("correct the channel's address or account in the installation");
        Ok(Outcome::new(StageStatus::Failed, detail, &record)?.with_findings(vec![finding]))
    }

    /// The message was not delivered, and may be later. Returns the fault to raise.
    pub(crate) async fn interrupted(&self, fault: AgentError) -> AgentError {
        self.interrupted_at(fault, self.reference().map(str::to_owned)).await
    }

    /// As [`Self::interrupted`], with how far it came.
    pub(crate) async fn interrupted_at(
        &self,
        fault: AgentError,
        reference: Option<String>,
    ) -> AgentError {
        let detail = format!("not sent: {}", fault.message);
        match self.put(false, detail, reference).await {
            Ok(_) => fault,
            Err(second) => {
                tracing::error!(error = %second, "cannot record the notification");
                fault
            }
        }
    }

    /// The message was delivered.
    pub(crate) async fn sent(
        &self,
        detail: String,
        reference: Option<String>,
        findings: Vec<Finding>,
    ) -> Result<Outcome, AgentError> {
        let summary = format!("{}: {detail}", self.channel);
        let record = self.put(true, detail, reference).await?;
        Ok(Outcome::new(StageStatus::Passed, summary, &record)?.with_findings(findings))
    }
}
