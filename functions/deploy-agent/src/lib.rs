//! The deploy agent: puts releases into effect, takes them back and says where they stand.
//!
//! Every effect is recorded before it is begun and can be repeated: the same call after a kill
//! completes or repeats harmlessly, and a rollback finds what a dead deployment began.

mod build;
mod config;
mod deploy;
mod folder;
mod held;
mod log;
mod process;
mod restore;
mod rollback;
mod service;
pub mod services;
mod status;
mod steps;
pub mod targets;
#[cfg(test)]
mod tests;

use std::{fs::File, sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_agent::{
    Agent, AgentError, Call, Outcome,
    ports::{Artifacts, Environments},
};
use pact_config::form::Seam;
use pact_contract::{
    Capability, EnvironmentKey, EnvironmentName,
    error::ErrorName,
    settings::{ENVIRONMENTS, Environment},
};

pub use config::Config;
use folder::Folder;
use steps::Steps;
use targets::directory;

/// What the agent can do.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::DEPLOY;

/// How long to wait for another action that has the folder.
const CLAIM: Duration = Duration::from_secs(30);

/// The deploy agent.
pub struct DeployAgent {
    config: Config,
    environments: Arc<dyn Environments>,
    artifacts: Arc<dyn Artifacts>,
    steps: Steps,
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

    /// Where the environment of `owner` is, with these settings.
    ///
    /// # Errors
    /// Why the settings are refused.
    fn place(&self, owner: &EnvironmentKey, settings: &Environment) -> Result<Place, String> {
        let root = self.config.root.as_deref().ok_or(
            "this installation has no folder for releases: set PACT_DEPLOY_ROOT of the deploy agent",
        )?;
        if settings.target.kind != directory::KIND {
            return Err(Seam::Target.unknown(&settings.target.kind, [directory::KIND]));
        }
        let target: directory::Settings =
            settings.target.parse().map_err(|e| format!("the target's settings: {e}"))?;
        directory::check(&target)?;
        let folder = Folder::locate(root, owner, &target)?;
        Ok(Place { root: root.to_owned(), folder, target, owner: owner.clone() })
    }

    /// Makes the place's folder and takes it for this action alone.
    async fn claim(&self, place: &Place, call: &Call) -> Result<File, AgentError> {
        let failed = |error: std::io::Error| {
            let path = place.folder.path().display();
            AgentError::new(ErrorName::DeployFailed, format!("cannot use {path}: {error}"))
                .caused_by(error)
        };
        place.folder.create().map_err(failed)?;
        place.folder.claim(CLAIM.min(call.time_left())).await.map_err(failed)?.ok_or_else(|| {
            AgentError::new(
                ErrorName::EnvironmentBusy,
                format!("another action is at work in {}", place.owner.environment),
            )
        })
    }
}

/// Where one environment of one repository is.
struct Place {
    root: std::path::PathBuf,
    folder: Folder,
    target: directory::Settings,
    owner: EnvironmentKey,
}

impl Place {
    /// Makes the folder this environment's own; the inner error says whose it is.
    fn own(&self) -> std::io::Result<Result<(), String>> {
        self.folder.own(&self.root, &self.owner)
    }
}

fn check_environment(name: &EnvironmentName) -> Result<(), AgentError> {
    if ENVIRONMENTS.contains(name) {
        return Ok(());
    }
    let known: Vec<_> = ENVIRONMENTS.iter().map(EnvironmentName::as_str).collect();
    Err(AgentError::invalid(format!("environment is {name}, not one of {}", known.join(", "))))
}

#[async_trait]
impl Agent for DeployAgent {
    fn id(&self) -> &'static str {
        "deploy-agent"
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "deploy.to_staging" => deploy::deploy(self, call, &EnvironmentName::STAGING).await,
            "deploy.to_production" => {
                deploy::deploy(self, call, &EnvironmentName::PRODUCTION).await
            }
            "deploy.rollback" => rollback::rollback(self, call).await,
            "deploy.check_status" => status::check(self, call).await,
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("the deploy agent does not offer {other:?}"),
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
    let config = Config::read(|name| std::env::var(name).ok())?;
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let recording = services.recording(&artifacts);
    let store: Arc<dyn Environments> = services.store;
    let agent = DeployAgent::new(config, store, artifacts);
    pact_agent::serve(agent, recording).await
}
