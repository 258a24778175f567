//! The way back: one release out of effect, the one before into effect again.

use pact_agent::AgentError;
use pact_contract::{actions::ReleaseRecord, error::ErrorName};

use crate::{
    DeployAgent, Place,
    service::{self, NotStarted, Start},
};

/// Why the release before could not be restored.
pub(crate) type NotRestored = NotStarted;

impl DeployAgent {
    /// Takes whatever is in effect at `place` out of effect and puts `back_to` into effect, with
    /// the settings that it was deployed with; with none, nothing is in effect after it. A
    /// service of `back_to` that still takes connections is not touched. Returns its address.
    ///
    /// # Errors
    /// The outer result: a fault. The inner one: `back_to` cannot be put into effect.
    pub(crate) async fn restore(
        &self,
        place: &Place,
        back_to: Option<&ReleaseRecord>,
    ) -> Result<Result<Option<String>, NotRestored>, AgentError> {
        let Some(old) = back_to else {
            service::stop(&place.folder, None).await?;
            self.steps.reached("services stopped")?;
            place.folder.switch_off().map_err(|e| disk("remove the link", e))?;
            self.steps.reached("switched off")?;
            return Ok(Ok(None));
        };
        let home = match self.place(&place.owner, &old.settings) {
            Ok(home) => home,
            Err(reason) => return Ok(Err(not_restored(reason))),
        };
        let same = home.folder == place.folder;
        let alive = match &home.target.service {
            Some(_) => service::answering(&home.folder, &old.release).await,
            None => None,
        };
        service::stop(&place.folder, alive.as_ref().filter(|_| same)).await?;
        if !same {
            service::stop(&home.folder, alive.as_ref()).await?;
        }
        self.steps.reached("services stopped")?;
        if !home.folder.release(&old.release).is_dir() {
            return Ok(Err(not_restored(format!(
                "the files of release {} are no longer there",
                old.release
            ))));
        }
        if !same {
            place.folder.switch_off().map_err(|e| disk("remove the link", e))?;
        }
        home.folder.switch(&old.release).map_err(|e| disk("switch back", e))?;
        self.steps.reached("switched back")?;
        let url = match (&home.target.service, alive) {
            (None, _) => None,
            (Some(_), Some(service)) => Some(service.url),
            (Some(service), None) => {
                let start = Start {
                    folder: &home.folder,
                    environment: home.owner.environment.as_str(),
                    record: old,
                    service,
                    steps: &self.steps,
                };
                match service::start(&start).await? {
                    Ok(service) => Some(service.url),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
        };
        self.steps.reached("service restored")?;
        Ok(Ok(url))
    }
}

fn not_restored(message: String) -> NotRestored {
    NotStarted {
        code: "release-not-restored",
        message,
        remedy: "deploy a release that is known to be good",
        log: None,
    }
}

fn disk(what: &str, error: std::io::Error) -> AgentError {
    AgentError::new(ErrorName::DeployFailed, format!("cannot {what}: {error}")).caused_by(error)
}
