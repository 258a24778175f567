//! The agent, and how its actions come to the target of an environment.

use std::{sync::Arc, time::Duration};

use pact_agent::{
    AgentError,
    ports::{Artifacts, Environments},
};
use pact_contract::{EnvironmentKey, EnvironmentName, Tier, settings::Environment};

use crate::{
    config::Config,
    steps::Steps,
    targets::{self, Aws, Builder, Surroundings, Target},
};

/// How long to wait for another action that has the target.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The deploy agent.
pub struct DeployAgent {
    config: Config,
    pub(crate) environments: Arc<dyn Environments>,
    artifacts: Arc<dyn Artifacts>,
    aws: Option<Aws>,
    builds: Option<Builder>,
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
        Self { config, environments, artifacts, aws: None, builds: None, steps: Steps::default() }
    }

    /// The same, for an installation that deploys to the account's services too.
    #[must_use]
    pub fn with_aws(self, aws: Aws) -> Self {
        Self { aws: Some(aws), ..self }
    }

    /// The same, for an installation in which commands can run.
    #[must_use]
    pub fn with_builds(self, builds: Builder) -> Self {
        Self { builds: Some(builds), ..self }
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
            whole: settings.wave_of.as_ref().map(|name| EnvironmentKey::new(&key.repository, name)),
            root: self.config.root.clone(),
            proxy: self.config.proxy.clone(),
            artifacts: Arc::clone(&self.artifacts),
            aws: self.aws.clone(),
            builds: self.builds.clone(),
            steps: self.steps.clone(),
        };
        targets::open(&settings.target, &surroundings)
    }
}

/// The environment that an action of a tier is about; without a name the one that is called as its
/// tier.
///
/// # Errors
/// `ERR_INVALID_INTENT` when the name is that of another tier.
pub(crate) fn of_tier(
    name: Option<&EnvironmentName>,
    tier: Tier,
) -> Result<EnvironmentName, AgentError> {
    let own = match tier {
        Tier::Staging => EnvironmentName::STAGING,
        Tier::Production => EnvironmentName::PRODUCTION,
    };
    let name = name.cloned().unwrap_or(own);
    match Tier::of(&name) {
        Some(other) if other != tier => Err(AgentError::invalid(format!(
            "environment {name} is of the tier {other}: deploy to it with deploy.to_{other}"
        ))),
        _ => Ok(name),
    }
}
