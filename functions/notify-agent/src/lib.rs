//! The notify agent: tells people how a run ended, by every channel that the repository chose.
//!
//! What has no channel goes to the run's outbox and is reported as not sent. A message that was
//! sent is not sent again; what remains possible after a kill is said where each channel is.

pub mod channels;
mod config;
mod delivery;
mod http;
mod incident;
mod later;
mod message;
mod past;
mod questions;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Outbox, secrets::Secrets};
use pact_contract::{
    Capability, StageStatus,
    actions::{AskApproversOutput, Notify},
    agents,
    error::ErrorName,
};
use serde_json::{Map, Value};

pub use config::Variable;
pub use past::{Kept, Past, Pushed, Question, Since};

use channels::{Channel, Work};
use config::Installation;
use delivery::{Delivery, DeliveryOutcome, Opened};
use http::LazyClient;

/// The notify agent.
pub struct NotifyAgent {
    installation: Installation,
    outbox: Arc<dyn Outbox>,
    past: Arc<dyn Past>,
    client: LazyClient,
}

impl NotifyAgent {
    /// An agent whose channels are set up by these variables and secrets. What a question is about is
    /// read from `past`.
    #[must_use]
    pub fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        secrets: Arc<dyn Secrets>,
        outbox: Arc<dyn Outbox>,
        past: Arc<dyn Past>,
    ) -> Self {
        let installation = Installation::new(variables, secrets);
        Self { installation, outbox, past, client: LazyClient::default() }
    }

    /// Tells how the run ended on one channel.
    async fn deliver(&self, channel: &dyn Channel, call: &Call) -> Result<Outcome, AgentError> {
        let kind = channel.kind();
        let notify: Notify = call.parameters()?;
        let settings = notify.settings.clone();
        let delivery = match Delivery::begin(&*self.outbox, call, kind, notify).await? {
            Opened::AlreadySent(answer) => return Ok(*answer),
            Opened::Pending(delivery) => delivery,
        };
        let Some(settings) = settings.get(kind) else {
            let mut reason = format!("the repository's settings have no [notify.{kind}]");
            for other in settings.channels.keys() {
                if !channels::is_known(other) {
                    reason = format!("{reason}; {}", channels::unknown(other));
                }
            }
            return delivery.end(Ok(DeliveryOutcome::Skipped(reason))).await;
        };
        self.send(channel, &delivery, settings).await
    }

    async fn send(
        &self,
        channel: &dyn Channel,
        delivery: &Delivery<'_>,
        settings: &Map<String, Value>,
    ) -> Result<Outcome, AgentError> {
        let installed = self.installation.read(channel.parameters(), channel.variables()).await?;
        let work = Work { delivery, settings, installed: &installed, client: &self.client };
        delivery.end(channel.send(&work).await).await
    }
}

/// What came of several messages, as one answer; where there was none, `nobody` says why.
fn together(told: Vec<Result<Outcome, AgentError>>, nobody: &str) -> Result<Outcome, AgentError> {
    let (mut output, mut findings) = (AskApproversOutput::default(), Vec::new());
    let (mut summaries, mut fault) = (Vec::new(), None);
    for told in told {
        match told {
            Ok(outcome) => {
                output.told.push(serde_json::from_value(outcome.output).map_err(|error| {
                    AgentError::internal("a channel's answer is none").caused_by(error)
                })?);
                findings.extend(outcome.findings);
                summaries.push(outcome.summary);
            }
            Err(error) => fault = Some(error),
        }
    }
    if let Some(fault) = fault {
        // Asked again, whoever was told is not told again.
        return Err(fault);
    }
    let status = match output.told.iter().any(|record| record.sent) {
        true => StageStatus::Passed,
        false if findings.is_empty() => StageStatus::Skipped,
        false => StageStatus::Failed,
    };
    let summary = if summaries.is_empty() { nobody.to_owned() } else { summaries.join("; ") };
    Ok(Outcome::new(status, summary, &output)?.with_findings(findings))
}

#[async_trait]
impl Agent for NotifyAgent {
    fn id(&self) -> &'static str {
        "notify-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        static ALL: LazyLock<Vec<Capability>> = LazyLock::new(channels::capabilities);
        &ALL
    }

    async fn pass(&self, deadline: tokio::time::Instant) -> Option<Result<Value, AgentError>> {
        let report = self.send_due(deadline).await;
        Some(report.map(|report| serde_json::json!({ "pass": report })))
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        if call.action == agents::NOTIFY_APPROVERS.action {
            return self.ask(call).await;
        }
        if call.action == agents::NOTIFY_INCIDENT.action {
            return self.tell_incident(call).await;
        }
        match channels::by_action(&call.action) {
            Some(channel) => self.deliver(channel, call).await,
            None => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("the notify agent does not offer {:?}", call.action),
            )),
        }
    }
}

/// Runs the agent as a Lambda function until the environment ends it.
///
/// # Errors
/// Wrong configuration, or a Lambda Runtime API that cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let recording = services.recording(&artifacts);
    let secrets = services.secrets();
    let past = Arc::new(Kept(Arc::clone(&services.store)));
    let agent =
        NotifyAgent::new(|name| std::env::var(name).ok(), secrets, services.store.clone(), past);
    pact_agent::serve(agent, recording).await
}
