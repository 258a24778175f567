//! The function that does what was accepted, invoked without waiting for it.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_lambda::{Client, primitives::Blob, types::InvocationType};
use pact_agent::{arrivals::Motor, ports::StoreError};
use serde_json::Value;

use crate::error::{failed, unavailable};

/// Longest wait for one attempt: whoever told of a push waits for it, and it is done without it.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Longest wait with all attempts.
const REQUEST: Duration = Duration::from_secs(2);
/// Attempts of one request.
const ATTEMPTS: u32 = 2;

/// A Lambda function as the motor.
pub struct LambdaMotor {
    client: Client,
    function: Option<String>,
}

impl LambdaMotor {
    /// The function of this name; without one, there is none to be told.
    #[must_use]
    pub fn new(client: Client, function: Option<String>) -> Self {
        Self { client, function }
    }

    pub(crate) fn from_sdk(sdk: &SdkConfig, function: Option<String>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(REQUEST)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(sdk)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        Self::new(Client::from_conf(config), function)
    }
}

#[async_trait]
impl Motor for LambdaMotor {
    async fn tell(&self, event: &Value) -> Result<(), StoreError> {
        let Some(function) = &self.function else {
            return Err(unavailable("cannot tell the reconciler: PACT_RECONCILER is not set"));
        };
        let sent = self
            .client
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event.to_string()))
            .send()
            .await;
        sent.map(drop).map_err(|error| failed("tell the reconciler", error))
    }
}
