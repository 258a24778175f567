//! The notify agent: tells people how a run ended, by Slack, e-mail and Jira.
//!
//! What has no channel goes to the run's outbox and is reported as not sent. A message that was
//! sent is not sent again; what remains possible after a kill is said where each channel is.

mod config;
mod delivery;
mod email;
mod http;
mod jira;
mod message;
mod slack;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use pact_agent::{Agent, AgentError, Call, Outcome, ports::Outbox, secrets::Secrets};
use pact_contract::{Capability, error::ErrorName};

pub use config::{Config, Jira, Smtp, Tls, Unconfigured};

/// What the agent can do.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::NOTIFY;

type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The notify agent.
pub struct NotifyAgent {
    variables: Variables,
    secrets: Arc<dyn Secrets>,
    outbox: Arc<dyn Outbox>,
    client: OnceLock<reqwest::Client>,
}

impl NotifyAgent {
    /// An agent whose channels are set up by these variables and secrets.
    #[must_use]
    pub fn new(
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        secrets: Arc<dyn Secrets>,
        outbox: Arc<dyn Outbox>,
    ) -> Self {
        Self { variables: Box::new(variables), secrets, outbox, client: OnceLock::new() }
    }

    /// The channels as they are now set up, as far as this one secret says.
    async fn config(&self, secret: &str) -> Result<Config, AgentError> {
        let value = self.secrets.secret(secret).await?;
        Ok(Config::read(|name| match &value {
            _ if name != secret => (self.variables)(name).ok_or_else(|| config::unset(name)),
            Some(secret) => Ok(secret.reveal().to_owned()),
            None => Err(self.secrets.missing(name)),
        }))
    }

    /// The client of all channels. It reads the machine's root certificates, so it is made when
    /// the first message is sent.
    fn client(&self) -> Result<&reqwest::Client, AgentError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http::client().map_err(|error| {
            AgentError::internal("cannot make an HTTP client").caused_by(error.without_url())
        })?;
        Ok(self.client.get_or_init(|| client))
    }
}

#[async_trait]
impl Agent for NotifyAgent {
    fn id(&self) -> &'static str {
        "notify-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "notify.slack_team" => slack::notify(self, call).await,
            "notify.email_stakeholders" => email::notify(self, call).await,
            "notify.update_jira" => jira::notify(self, call).await,
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("the notify agent does not offer {other:?}"),
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
