//! The agent, and how its actions come to the target of an environment.

use std::{sync::Arc, time::Duration};

use pact_agent::{
    AgentError,
    ports::{Artifacts, Environments},
};
use pact_contract::{
    EnvironmentKey, EnvironmentName,
    settings::{ENVIRONMENTS, Environment},
};

use crate::{
    config::Config,
    steps::Steps,
    targets::{self, Surroundings, Target},
};

/// How long to wait for another action that has the target.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The deploy agent.
pub struct DeployAgent {
    config: Config,
    pub(crate) environments: Arc<dyn Environments>,
    artifacts: Arc<dyn Artifacts>,
    pub(crate) steps: Steps,
}

impl DeployAgent {
    /// An agent that works as `config` says.
    #[must_use]
    pub fn new(
        config: Config,
        environments: Arc<dyn Environments>,
        artifacts: Arc<dyn Artifacts>,
    ) -> Self {
        Self { config, environments, artifacts, steps: Steps::default() }
    }

    /// The target of an environment with these settings.
    ///
    /// # Errors
    /// Why the settings are refused.
    pub(crate) fn target(
        &self,
        key: &EnvironmentKey,
        settings: &Environment,
    ) -> Result<Box<dyn Target>, String> {
        let surroundings = Surroundings {
            key: key.clone(),
            root: self.config.root.clone(),
            proxy: self.config.proxy.clone(),
            artifacts: Arc::clone(&self.artifacts),
            steps: self.steps.clone(),
        };
        targets::open(&settings.target, &surroundings)
    }
}

/// Checks the name of an environment.
///
/// # Errors
/// `ERR_INVALID_INTENT` with those that there are.
pub(crate) fn check_environment(name: &EnvironmentName) -> Result<(), AgentError> {
    if ENVIRONMENTS.contains(name) {
        return Ok(());
    }
    let known: Vec<_> = ENVIRONMENTS.iter().map(EnvironmentName::as_str).collect();
    Err(AgentError::invalid(format!("environment is {name}, not one of {}", known.join(", "))))
}
