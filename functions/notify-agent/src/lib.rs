//! The notify agent: tells people how a run ended, by every channel that the repository chose.
//!
//! What has no channel goes to the run's outbox and is reported as not sent. A message that was
//! sent is not sent again; what remains possible after a kill is said where each channel is.

pub mod channels;
mod config;
mod delivery;
mod http;
mod message;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Outbox, secrets::Secrets};
use pact_contract::{Capability, error::ErrorName};

pub use config::Variable;

use channels::{Channel, Work};
use config::Installation;
use delivery::{Delivery, DeliveryOutcome, Opened};
use http::LazyClient;

/// The notify agent.
pub struct NotifyAgent {
    installation: Installation,
    outbox: Arc<dyn Outbox>,
    client: LazyClient,
}

impl NotifyAgent {
    /// An agent whose channels are set up by these variables and secrets.
    #[must_use]
    pub fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        secrets: Arc<dyn Secrets>,
        outbox: Arc<dyn Outbox>,
    ) -> Self {
        let installation = Installation::new(variables, secrets);
        Self { installation, outbox, client: LazyClient::default() }
    }

    /// Tells how the run ended on one channel.
    async fn deliver(&self, channel: &dyn Channel, call: &Call) -> Result<Outcome, AgentError> {
        let kind = channel.kind();
        let delivery = match Delivery::begin(&*self.outbox, call, kind).await? {
            Opened::AlreadySent(answer) => return Ok(*answer),
            Opened::Pending(delivery) => delivery,
        };
        let Some(settings) = delivery.notify.settings.get(kind) else {
            let mut reason = format!("the repository's settings have no [notify.{kind}]");
            for other in delivery.notify.settings.channels.keys() {
                if !channels::is_known(other) {
                    reason = format!("{reason}; {}", channels::unknown(other));
                }
            }
            return delivery.end(Ok(DeliveryOutcome::Skipped(reason))).await;
        };
        let installed = self.installation.read(channel.parameters(), channel.variables()).await?;
        let work =
            Work { delivery: &delivery, settings, installed: &installed, client: &self.client };
        delivery.end(channel.send(&work).await).await
    }
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

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
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
    let agent = NotifyAgent::new(|name| std::env::var(name).ok(), secrets, services.store);
    pact_agent::serve(agent, recording).await
}
