//! What a channel is.

use async_trait::async_trait;
use pact_agent::{AgentError, secrets::Parameter};
use pact_config::form::Form;
use pact_contract::Capability;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    config::{Installed, Variable},
    delivery::{Delivery, DeliveryOutcome, Interrupted},
    http::LazyClient,
};

/// A way to tell people.
#[async_trait]
pub(crate) trait Channel: Send + Sync {
    /// The word for it: in `[notify.KIND]` and in the outbox.
    fn kind(&self) -> &'static str;

    /// Its name, as people write it.
    fn title(&self) -> &'static str;

    /// The action by which it is used.
    fn capability(&self) -> &'static Capability;

    /// Its settings in `pact.toml`.
    fn form(&self) -> Form;

    /// The secrets that the installation may have for it.
    fn parameters(&self) -> &'static [Parameter];

    /// The environment variables that set it up.
    fn variables(&self) -> &'static [Variable] {
        &[]
    }

    /// Whether it reaches people who can answer a question.
    fn reaches_people(&self) -> bool {
        false
    }

    /// Sends the message.
    ///
    /// # Errors
    /// It was not delivered, and may be later.
    async fn send(&self, work: &Work<'_>) -> Result<DeliveryOutcome, Interrupted>;
}

/// What a channel works with.
pub(crate) struct Work<'a> {
    /// The message, and what the outbox says of it.
    pub(crate) delivery: &'a Delivery<'a>,
    /// The repository's settings for the channel.
    pub(crate) settings: &'a Map<String, Value>,
    /// What the installation sets for it.
    pub(crate) installed: &'a Installed,
    /// For channels that are reached by HTTP.
    pub(crate) client: &'a LazyClient,
}

impl Work<'_> {
    /// The settings as the channel's own type.
    pub(crate) fn settings<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        T::deserialize(Value::Object(self.settings.clone())).map_err(|error| {
            AgentError::invalid(format!("the channel's settings are not valid: {error}"))
        })
    }
}
