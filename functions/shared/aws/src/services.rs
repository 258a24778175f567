//! Everything that a function needs from outside, made once at its start.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use pact_agent::{
    Recording,
    metrics::{EmbeddedMetrics, Metrics},
    ports::Artifacts,
    secrets::{Cached, Secrets},
};

use crate::{
    Config, DynamoStore, ObjectArtifacts, ParameterStore, SfnExecutions,
    artifacts::UnconfiguredArtifacts,
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for one attempt of one request.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Longest wait for one request with all its attempts.
const REQUEST: Duration = Duration::from_secs(25);
/// Attempts of one request.
const ATTEMPTS: u32 = 4;

/// The run store, the artifact store and the pipeline's executions.
#[derive(Clone)]
pub struct Services {
    /// The run store; implements every store port.
    pub store: Arc<DynamoStore>,
    /// The artifact store.
    pub artifacts: Arc<dyn Artifacts>,
    /// The pipeline's executions.
    pub executions: Arc<SfnExecutions>,
    /// What is counted and timed.
    pub metrics: Arc<dyn Metrics>,
    sdk: SdkConfig,
    secrets_path: Option<String>,
}

impl Services {
    /// Reads the environment and makes the clients. Nothing is connected to.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    pub async fn from_env() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let config = Config::from_env()?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(REQUEST)
            .build();
        let sdk = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .load()
            .await;
        let artifacts: Arc<dyn Artifacts> = match &config.artifacts {
            Some(url) => Arc::new(ObjectArtifacts::open(url)?),
            None => Arc::new(UnconfiguredArtifacts),
        };
        Ok(Self {
            store: Arc::new(DynamoStore::new(aws_sdk_dynamodb::Client::new(&sdk), config.table)),
            artifacts,
            executions: Arc::new(SfnExecutions::new(
                aws_sdk_sfn::Client::new(&sdk),
                config.state_machine,
            )),
            metrics: Arc::new(EmbeddedMetrics::new(config.metrics)),
            sdk,
            secrets_path: config.secrets,
        })
    }

    /// The secrets of the installation, kept for a bounded time. Only a function that asks for them
    /// carries what reads them.
    #[must_use]
    pub fn secrets(&self) -> Arc<dyn Secrets> {
        Arc::new(Cached::new(ParameterStore::from_sdk(&self.sdk, self.secrets_path.clone())))
    }

    /// The ports of the agents' adapter.
    #[must_use]
    pub fn recording(&self) -> Recording {
        Recording {
            recorder: Arc::clone(&self.store) as _,
            idempotency: Arc::clone(&self.store) as _,
            artifacts: Arc::clone(&self.artifacts),
            metrics: Arc::clone(&self.metrics),
        }
    }
}
