//! The quality agent: it plans which checks run and how far a release may go, decides the gate,
//! and judges a release after it has been watched.
//!
//! It measures nothing itself: all three actions are judgements over what the repository, the
//! push, the scheduled watch and the other agents say, and give the same answer for the same evidence. There is
//! nothing to configure but what every agent has.

mod budgets;
mod conditions;
mod documentation;
mod gate;
mod judge;
mod plan;
mod reverse;
mod rules;
mod target;
mod trial;
mod waves;

use std::sync::Arc;

use async_trait::async_trait;
use pact_agent::{
    Agent, AgentError, Call, Outcome,
    incidents::Incidents,
    ports::{Artifacts, Environments},
};
use pact_contract::{Capability, ErrorName};

use budgets::Budgets;
pub use gate::{decide, decide_at};
pub use judge::judge;
pub use plan::plan;
pub use trial::{Evidence, NoEvidence};

/// Identity of the agent.
pub const ID: &str = "quality-agent";

/// What the agent does.
pub const CAPABILITIES: &[Capability] = pact_contract::agents::QUALITY;

/// The quality agent.
pub struct QualityAgent {
    artifacts: Arc<dyn Artifacts>,
    environments: Arc<dyn Environments>,
    incidents: Arc<dyn Incidents>,
}

impl QualityAgent {
    /// An agent that reads change sets from `artifacts`, and there what is in effect and what was counted
    /// of it.
    #[must_use]
    pub fn new(
        artifacts: Arc<dyn Artifacts>,
        environments: Arc<dyn Environments>,
        incidents: Arc<dyn Incidents>,
    ) -> Self {
        Self { artifacts, environments, incidents }
    }
}

#[async_trait]
impl Agent for QualityAgent {
    fn id(&self) -> &'static str {
        ID
    }

    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }

    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        match call.action.as_str() {
            "quality.plan_pipeline" => {
                let (environments, incidents) = (&*self.environments, &*self.incidents);
                plan::act(&*self.artifacts, &Budgets { environments, incidents }, call).await
            }
            "quality.evaluate_gate" => gate::act(call),
            "quality.judge_release" => judge::act(call),
            other => Err(AgentError::new(
                ErrorName::UnknownAction,
                format!("{ID} does not offer {other:?}"),
            )),
        }
    }
}

/// Runs the agent as a Lambda function until the environment ends it.
///
/// # Errors
/// When the environment is not set up, or the Lambda Runtime API cannot be reached.
pub async fn serve() -> Result<(), lambda_runtime::Error> {
    pact_agent::telemetry::init();
    let services = pact_aws::Services::from_env()?;
    let artifacts = services.artifacts()?;
    let agent =
        QualityAgent::new(Arc::clone(&artifacts), services.store.clone(), services.store.clone());
    pact_agent::serve(agent, services.recording(&artifacts)).await
}

#[cfg(test)]
mod tests;
