//! Everything that a function needs from outside, made once at its start.

use std::sync::Arc;

use aws_config::SdkConfig;
use pact_agent::{
    Later, Recording,
    arrivals::Motor,
    builds::{Builds, SignedUrls},
    logs::StageLogs,
    metrics::{EmbeddedMetrics, Metrics},
    ports::{Artifacts, StoreError},
    secrets::{Cached, SecretKeeper, Secrets},
};

use crate::{
    CodeBuild, Config, DynamoStore, LambdaMotor, Logs, ObjectArtifacts, ParameterStore,
    SfnExecutions,
    artifacts::{UnconfiguredArtifacts, unconfigured},
    http::Connections,
    sdk,
};

/// The run store; and, for the functions that need them, the artifact store and the pipeline's
/// executions. What a function does not ask for is not part of its program.
#[derive(Clone)]
pub struct Services {
    /// The run store; implements every store port.
    pub store: Arc<DynamoStore>,
    /// What is counted and timed.
    pub metrics: Arc<dyn Metrics>,
    secrets: Option<Arc<dyn Secrets>>,
    config: Config,
    sdk: SdkConfig,
    connections: Connections,
}

impl Services {
    /// Reads the environment and makes the clients. Nothing is connected to, and no file is read.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong.
    pub fn from_env() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let config = Config::from_env()?;
        let connections = Connections::default();
        let sdk = sdk::config(&connections);
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        let store = DynamoStore::new(client, config.table.clone()).keeping(config.retention);
        let secrets: Option<Arc<dyn Secrets>> = config
            .secrets
            .clone()
            .map(|path| Arc::new(Cached::new(ParameterStore::from_sdk(&sdk, Some(path)))) as _);
        let store = Arc::new(match &secrets {
            Some(secrets) => store.sealing_by(Arc::clone(secrets)),
            None => store,
        });
        let metrics = Arc::new(EmbeddedMetrics::new(config.metrics.clone()));
        Ok(Self { store, metrics, secrets, config, sdk, connections })
    }

    /// What clients of further services are made from.
    #[must_use]
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The artifact store.
    ///
    /// # Errors
    /// When it is a folder that cannot be made.
    pub fn artifacts(&self) -> Result<Arc<dyn Artifacts>, StoreError> {
        Ok(match &self.config.artifacts {
            Some(url) => Arc::new(ObjectArtifacts::open(url, &self.connections)?),
            None => Arc::new(UnconfiguredArtifacts),
        })
    }

    /// Addresses of single objects of the artifact store.
    ///
    /// # Errors
    /// When there is no artifact store, or one that signs nothing.
    pub fn signed_urls(&self) -> Result<Arc<dyn SignedUrls>, StoreError> {
        match &self.config.artifacts {
            Some(url) => Ok(Arc::new(ObjectArtifacts::open(url, &self.connections)?)),
            None => Err(unconfigured()),
        }
    }

    /// Builds of the installation's project.
    #[must_use]
    pub fn builds(&self) -> Arc<dyn Builds> {
        let client = aws_sdk_codebuild::Client::new(&self.sdk);
        Arc::new(CodeBuild::new(client, self.config.build_project.clone()))
    }

    /// The logs of stages.
    ///
    /// # Errors
    /// Those of [`Self::artifacts`].
    pub fn logs(&self) -> Result<Arc<dyn StageLogs>, StoreError> {
        Ok(Arc::new(Logs::new(Arc::clone(&self.store), &self.sdk, self.artifacts()?)))
    }

    /// What an agent needs whose answers may come later.
    #[must_use]
    pub fn later(&self) -> Later {
        Later { calls: Arc::clone(&self.store) as _, tokens: self.executions() }
    }

    /// The secrets of the installation, kept for a bounded time.
    #[must_use]
    pub fn secrets(&self) -> Arc<dyn Secrets> {
        // Without a path, whoever asks for one is told so.
        self.secrets.clone().unwrap_or_else(|| Arc::new(ParameterStore::from_sdk(&self.sdk, None)))
    }

    /// The same, to change one of them.
    #[must_use]
    pub fn secret_keeper(&self) -> Arc<dyn SecretKeeper> {
        Arc::new(ParameterStore::from_sdk(&self.sdk, self.config.secrets.clone()))
    }

    /// The pipeline's executions.
    #[must_use]
    pub fn executions(&self) -> Arc<SfnExecutions> {
        let client = aws_sdk_sfn::Client::new(&self.sdk);
        Arc::new(SfnExecutions::new(client, self.config.state_machine.clone()))
    }

    /// The function that does what was accepted.
    #[must_use]
    pub fn motor(&self) -> Arc<dyn Motor> {
        Arc::new(LambdaMotor::from_sdk(&self.sdk, self.config.reconciler.clone()))
    }

    /// The ports of the agents' adapter, over this artifact store.
    #[must_use]
    pub fn recording(&self, artifacts: &Arc<dyn Artifacts>) -> Recording {
        Recording {
            recorder: Arc::clone(&self.store) as _,
            idempotency: Arc::clone(&self.store) as _,
            artifacts: Arc::clone(artifacts),
            metrics: Arc::clone(&self.metrics),
            later: None,
        }
    }
}
