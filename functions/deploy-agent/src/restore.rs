//! The way back: one release out of effect, the one before into effect again.

use pact_agent::AgentError;
use pact_contract::{EnvironmentKey, Finding, Severity, actions::ReleaseRecord, codes};

use crate::{
    agent::DeployAgent,
    targets::{Activated, Activation, Target},
};

/// How the way back ended.
pub(crate) enum Restored {
    /// The release before is in effect again, or none where there was none.
    Done { url: Option<String> },
    /// It cannot be put into effect.
    Failed(Finding),
}

impl DeployAgent {
    /// Takes whatever is in effect at `target` out of effect and puts `back_to` into effect, with
    /// the settings that it was deployed with; with none, nothing is in effect after it.
    ///
    /// # Errors
    /// Those of the targets.
    pub(crate) async fn restore(
        &self,
        key: &EnvironmentKey,
        target: &dyn Target,
        back_to: Option<&ReleaseRecord>,
    ) -> Result<Restored, AgentError> {
        let Some(old) = back_to else {
            target.vacate().await?;
            return Ok(Restored::Done { url: None });
        };
        let own = match self.target(key, &old.settings) {
            Ok(own) => own,
            Err(reason) => return Ok(Restored::Failed(not_restored(reason))),
        };
        // Where its own settings lead one way, those of what is taken back may lead back.
        let same = own.location() == target.location();
        let home = if same && !own.returns() { target } else { &*own };
        let elsewhere = (home.location() != target.location()).then_some(target);
        Ok(match home.activate(old, Activation::Return, elsewhere).await? {
            Activated::InEffect { url } => Restored::Done { url },
            Activated::Refused(reason) | Activated::Failed(reason) => Restored::Failed(reason),
        })
    }
}

fn not_restored(message: String) -> Finding {
    Finding::new(codes::RELEASE_NOT_RESTORED, Severity::High, message)
        .remedy("deploy a release that is known to be good")
}
