//! Releases side by side in a directory, one of them current, served by a program where there is
//! one.

pub(crate) mod layout;
mod log;
mod ports;
pub(crate) mod processes;
pub(crate) mod service;
pub mod services;
mod settings;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use pact_agent::{AgentError, built, bundle, ports::Artifacts};
use pact_contract::{
    EnvironmentKey, ErrorName, Finding, FindingCode, ReleaseId, Severity, actions::ReleaseRecord,
    codes, settings::Instance,
};

use self::{
    layout::{Layout, Note, Ownership, remove_dir},
    ports::{is_free, pick_port, port},
    service::{Start, Started},
};
use super::target::{
    Activated, Activation, Claimed, History, Kind, NewRelease, Opened, Prepared, Status,
    Surroundings, TakenBack, Target,
};
use crate::steps::Steps;

pub(crate) use settings::{Service, Settings};

/// This kind of target.
pub(crate) const KIND: Kind = Kind { name: "directory", form: settings::form, open };

/// The directory of one environment.
struct Directory {
    key: EnvironmentKey,
    root: PathBuf,
    layout: Layout,
    settings: Settings,
    artifacts: Arc<dyn Artifacts>,
    steps: Steps,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let Surroundings { key, root, artifacts, steps } = surroundings;
    let root = root.as_deref().ok_or(
        "this installation has no folder for releases: set PACT_DEPLOY_ROOT of the deploy agent",
    )?;
    let settings = Settings::read(instance)?;
    let layout = Layout::locate(root, key, settings.path.as_deref())?;
    Ok(Box::new(Directory {
        key: key.clone(),
        root: root.to_owned(),
        layout,
        settings,
        artifacts: Arc::clone(artifacts),
        steps: steps.clone(),
    }))
}

/// The target asks for a build, and the run has none.
fn not_built() -> Finding {
    Finding::new(
        codes::BUILD_FAILED,
        Severity::High,
        "what the target builds was not built in this run: its commands ran neither beside the unit \
         tests nor in their place",
    )
    .remedy("run the commit again: the release is built in the build of its unit tests")
}

#[async_trait]
impl Target for Directory {
    fn location(&self) -> String {
        format!("{} {}", KIND.name, self.layout.path().display())
    }

    async fn claim(&self, patience: Duration) -> Result<Claimed, AgentError> {
        let failed = |error| disk(&format!("use {}", self.layout.path().display()), error);
        self.layout.create().map_err(failed)?;
        let claim = self.layout.claim(patience).await.map_err(failed)?.ok_or_else(|| {
            AgentError::new(
                ErrorName::EnvironmentBusy,
                format!("another action is at work in {}", self.key.environment),
            )
        })?;
        match self.layout.own(&self.root, &self.key).map_err(|e| disk("mark the folder", e))? {
            Ownership::Ours => Ok(Claimed::Ours(Box::new(claim))),
            Ownership::Foreign(whose) => Ok(Claimed::Foreign(whose)),
        }
    }

    async fn status(&self, release: &ReleaseId) -> Result<Status, AgentError> {
        let mut problems = Vec::new();
        let linked = self.layout.current();
        if linked.as_ref() != Some(release) {
            let message = match linked {
                Some(other) => format!("the link leads to {other}, not to {release}"),
                None => format!("no link leads to {release}"),
            };
            problems.push(problem(codes::LINK_NOT_CURRENT, message));
        }
        let mut ready = true;
        if self.settings.service.is_some() {
            ready = service::answering(&self.layout, release).await.is_some();
            if !service::running(&self.layout).iter().any(|s| s.release == *release) {
                problems.push(problem(
                    codes::SERVICE_NOT_RUNNING,
                    format!("the service of {release} does not run"),
                ));
            }
        }
        Ok(Status { problems, ready })
    }

    async fn prepare(&self, release: &NewRelease<'_>) -> Result<Prepared, AgentError> {
        if !self.is_complete(release.record)? {
            let Some(bytes) = self.content(release).await? else {
                return Ok(Prepared::Refused(Box::new(not_built())));
            };
            self.unpack(&release.record.release, bytes).await?;
        }
        let note = Note {
            schema: Note::VERSION,
            record: release.record.clone(),
            replaces: release.replaces.cloned(),
            taken_back: None,
        };
        self.layout.write_note(&note).map_err(|e| disk("write the release's note", e))?;
        self.steps.reached("noted")?;
        Ok(Prepared::Ready)
    }

    async fn activate(
        &self,
        release: &ReleaseRecord,
        mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        let layout = &self.layout;
        let name = &release.release;
        if mode == Activation::New
            && let Some(service) = &self.settings.service
            && let Some(reason) = self.cannot_start(service, name, elsewhere.is_some())?
        {
            return Ok(Activated::Refused(reason));
        }
        let mut running = match (mode, &self.settings.service) {
            (Activation::Return, Some(_)) => service::answering(layout, name).await,
            _ => None,
        };
        service::trim_logs(layout);
        service::stop(layout, running.as_ref()).await?;
        if let Some(elsewhere) = elsewhere {
            elsewhere.stop().await?;
        }
        self.steps.reached("services stopped")?;
        if !layout.release(name).is_dir() {
            return Ok(Activated::Failed(
                Finding::new(
                    codes::RELEASE_NOT_RESTORED,
                    Severity::High,
                    format!("the files of release {name} are no longer there"),
                )
                .remedy("deploy a release that is known to be good"),
            ));
        }
        if let (Some(service), None) = (&self.settings.service, &running) {
            let start = Start {
                layout,
                environment: self.key.environment.as_str(),
                record: release,
                service,
                steps: &self.steps,
            };
            match service::start(&start).await? {
                Started::Running(started) => running = Some(started),
                Started::Failed(reason) => return Ok(Activated::Failed(reason)),
            }
            self.steps.reached("service started")?;
        }
        layout.switch(name).map_err(|e| disk("switch", e))?;
        self.steps.reached("switched")?;
        if let Some(elsewhere) = elsewhere {
            elsewhere.vacate().await?;
        }
        Ok(Activated::InEffect { url: running.map(|service| service.url) })
    }

    async fn stop(&self) -> Result<(), AgentError> {
        service::stop(&self.layout, None).await
    }

    async fn vacate(&self) -> Result<(), AgentError> {
        self.stop().await?;
        self.steps.reached("services stopped")?;
        self.layout.switch_off().map_err(|e| disk("remove the link", e))?;
        self.steps.reached("switched off")
    }

    async fn tidy(&self, protected: &[&ReleaseId]) {
        let keep = usize::try_from(self.settings.keep.clamp(2, 100)).unwrap_or(2);
        match self.layout.prune(keep, protected) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!(?removed, "old releases removed"),
            Err(error) => tracing::warn!(%error, "cannot remove old releases"),
        }
    }
}

#[async_trait]
impl History for Directory {
    async fn before(&self, release: &ReleaseId) -> Result<Option<ReleaseRecord>, AgentError> {
        self.layout.before(release).map_err(|e| disk("read the notes", e))
    }

    async fn taken_back(&self, release: &ReleaseId) -> Result<Option<TakenBack>, AgentError> {
        Ok(self.note(release)?.and_then(|note| note.taken_back))
    }

    async fn mark_taken_back(&self, release: &ReleaseId, how: TakenBack) -> Result<(), AgentError> {
        // Without a note its files were never complete.
        let Some(note) = self.note(release)? else { return Ok(()) };
        let note = Note { taken_back: Some(how), ..note };
        self.layout.write_note(&note).map_err(|e| disk("write the release's note", e))
    }

    async fn discard(&self, release: &ReleaseId) -> Result<(), AgentError> {
        self.layout.forget(release).map_err(|e| disk("remove the note", e))
    }
}

impl Directory {
    fn note(&self, release: &ReleaseId) -> Result<Option<Note>, AgentError> {
        self.layout.note(release).map_err(|e| disk("read the release's note", e))
    }

    /// Whether the release's files are there, built as they would be now.
    fn is_complete(&self, new: &ReleaseRecord) -> Result<bool, AgentError> {
        Ok(self.note(&new.release)?.is_some_and(|note| {
            let before = Settings::read(&note.record.settings.target);
            note.record.commit == new.commit
                && before.is_ok_and(|before| before.build == self.settings.build)
        }))
    }

    /// The files of a release: those of its commit, or what was built of them. Nothing of a commit is
    /// run here but the service; none where it was to be built and was not.
    async fn content(&self, release: &NewRelease<'_>) -> Result<Option<Bytes>, AgentError> {
        let artifacts = &*self.artifacts;
        if self.settings.build.is_empty() {
            return bundle::fetch(artifacts, release.source).await.map(Some);
        }
        let commands = built::commands_id(&self.settings.build);
        match release.built.iter().find(|built| built.commands == commands) {
            Some(built) => built::fetch(artifacts, built).await.map(Some),
            None => Ok(None),
        }
    }

    async fn unpack(&self, release: &ReleaseId, bytes: Bytes) -> Result<(), AgentError> {
        let layout = self.layout.clone();
        let name = release.clone();
        let steps = self.steps.clone();
        tokio::task::spawn_blocking(move || {
            let temporary = layout.unpacking(&name);
            remove_dir(&temporary)
                .and_then(|()| std::fs::create_dir_all(&temporary))
                .map_err(|e| disk("make the release's folder", e))?;
            bundle::unpack(&bytes, &temporary)?;
            steps.reached("unpacked")?;
            layout
                .remove(&name)
                .and_then(|()| std::fs::rename(&temporary, layout.release(&name)))
                .map_err(|e| disk("move the release into place", e))?;
            steps.reached("in place")
        })
        .await
        .map_err(|e| AgentError::internal("unpacking was cut off").caused_by(e))?
    }

    /// Why the service of a release cannot be started, as far as that is known before anything is
    /// stopped for it. `moves`: the one before is elsewhere, and may have the same port.
    fn cannot_start(
        &self,
        service: &Service,
        release: &ReleaseId,
        moves: bool,
    ) -> Result<Option<Finding>, AgentError> {
        let layout = &self.layout;
        let missing = service::missing_program(&service.command, &layout.release(release));
        if missing.is_some() {
            return Ok(missing);
        }
        let picked = |error| disk("pick a port", error);
        let port = port(layout, service).map_err(picked)?;
        if !moves && service::processes(layout).is_empty() && !is_free(port) {
            if service.port.is_some() {
                return Ok(Some(service::port_in_use(port)));
            }
            pick_port(layout).map_err(picked)?;
        }
        Ok(None)
    }
}

fn problem(code: FindingCode, message: String) -> Finding {
    Finding::new(code, Severity::High, message).remedy("deploy the release again, or take it back")
}

fn disk(what: &str, error: io::Error) -> AgentError {
    AgentError::new(ErrorName::DeployFailed, format!("cannot {what}: {error}")).caused_by(error)
}
