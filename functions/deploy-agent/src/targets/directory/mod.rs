//! Releases side by side in a directory, one of them current, served by a program behind a reverse
//! proxy where there is one.

mod content;
pub(crate) mod layout;
pub(crate) mod legacy;
mod log;
mod ports;
pub(crate) mod proxy;
pub(crate) mod service;
pub mod services;
mod settings;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use pact_agent::{AgentError, built, bundle, ports::Artifacts};
use pact_contract::{
    EnvironmentKey, ErrorName, Finding, FindingCode, ReleaseId, Severity,
    actions::{BuiltRelease, ReleaseRecord, files_of},
    codes,
    run::Apart,
    settings::Instance,
    shift::WHOLE,
};

use self::{
    layout::{Layout, Note, Ownership, remove_dir},
    proxy::{Asked, Proxy},
    service::{Served, Shared, Started},
};
use super::settings::Checked;
use super::target::{
    Activated, Activation, Claimed, History, Kind, NewRelease, Opened, Prepared, Shifted, Status,
    Surroundings, TakenBack, Target, not_built,
};
use crate::steps::Steps;

#[cfg(test)]
pub(crate) use settings::Service;
pub(crate) use settings::Settings;

/// This kind of target.
pub(crate) const KIND: Kind = Kind { name: "directory", form: settings::form, open };

/// The directory of one environment.
struct Directory {
    key: EnvironmentKey,
    root: PathBuf,
    layout: Layout,
    settings: Settings,
    /// What services are behind; none: there are none here.
    proxy: Option<Proxy>,
    artifacts: Arc<dyn Artifacts>,
    steps: Steps,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let Surroundings { key, root, proxy, artifacts, steps, .. } = surroundings;
    let root = root.as_deref().ok_or(
        "this installation has no folder for releases: set PACT_DEPLOY_ROOT of the deploy agent",
    )?;
    let settings = Settings::read(instance)?;
    if settings.service.is_some() && proxy.is_none() {
        return Err(
            "a service needs a machine that goes on running and a reverse proxy on it, and \
                    this installation has neither (PACT_SERVICE_PROXY of the deploy agent is not \
                    set); on AWS leave [service] out, or use another target"
                .to_owned(),
        );
    }
    let layout = Layout::locate(root, key, settings.path.as_deref())?;
    Ok(Box::new(Directory {
        key: key.clone(),
        root: root.to_owned(),
        layout,
        settings,
        proxy: proxy.as_deref().map(Proxy::new),
        artifacts: Arc::clone(artifacts),
        steps: steps.clone(),
    }))
}

#[async_trait]
impl Target for Directory {
    fn location(&self) -> String {
        format!("{} {}", KIND.name, self.layout.path().display())
    }

    fn history(&self) -> &dyn History {
        self
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

    async fn status(&self, release: &ReleaseId, percent: u32) -> Result<Status, AgentError> {
        let mut problems = Vec::new();
        let linked = self.layout.current();
        if percent >= WHOLE && linked.as_ref() != Some(release) {
            let message = match linked {
                Some(other) => format!("the link leads to {other}, not to {release}"),
                None => format!("no link leads to {release}"),
            };
            problems.push(problem(codes::LINK_NOT_CURRENT, message));
        }
        if let Some(reason) = self.gone(release)? {
            problems.push(problem(codes::RELEASE_FILES_MISSING, reason));
        }
        let mut ready = true;
        if let Some(served) = self.served() {
            let (found, takes_requests) = served.problems(release, percent).await?;
            problems.extend(found);
            ready = takes_requests;
        }
        Ok(Status { problems, ready })
    }

    async fn way_back(&self, release: &ReleaseRecord) -> Result<Option<Finding>, AgentError> {
        let name = &release.release;
        Ok(self.gone(name)?.map(|reason| {
            Finding::new(
                codes::NO_WAY_BACK,
                Severity::High,
                format!("{reason}: there would be no way back to {name}, so nothing was touched"),
            )
            .remedy(
                "put the files back, or deploy without a way back: start the run with `on_purpose` \
                 and the reason",
            )
        }))
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
        match self.served() {
            Some(served) => self.activate_service(&served, release, mode, elsewhere).await,
            None => self.activate_files(release, elsewhere).await,
        }
    }

    fn weights(&self) -> bool {
        self.settings.service.is_some()
    }

    async fn shift(&self, release: &ReleaseRecord, percent: u32) -> Result<Shifted, AgentError> {
        let Some(served) = self.served() else {
            return Ok(Shifted::Refused(no_shares()));
        };
        if let Some(reason) = self.start_beside(&served, release, Activation::New, false).await? {
            return Ok(Shifted::Refused(reason));
        }
        self.steps.reached("service started")?;
        if percent == 0 {
            let there = served.look().await?;
            return Ok(Shifted::Done { url: there.map(|service| service.url) });
        }
        let shared = served.share(release, percent.min(WHOLE)).await?;
        self.steps.reached("traffic shared")?;
        Ok(match shared {
            Shared::Done(service) => Shifted::Done { url: Some(service.url) },
            Shared::Refused(reason) => Shifted::Refused(reason),
        })
    }

    async fn apart(&self, new: &ReleaseId, old: &ReleaseId) -> Result<Option<Apart>, AgentError> {
        match self.served() {
            Some(served) => served.apart(new, old).await,
            None => Ok(None),
        }
    }

    async fn stop(&self) -> Result<(), AgentError> {
        legacy::stop(&self.layout).await?;
        match (self.served(), &self.proxy) {
            (Some(served), _) => served.end().await,
            // The settings before may have had one.
            (None, Some(proxy)) => service::end(proxy, &self.key, &self.layout).await,
            (None, None) => Ok(()),
        }
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
        if let Some(served) = self.served()
            && let Err(error) = served.let_go(protected).await
        {
            tracing::warn!(error = error.chain(), "cannot let old releases go");
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
            // Nobody said how to build, and what the service is started from was built all the same.
            let command = self.settings.service.as_ref().map(|service| &*service.command);
            let files = files_of(command.unwrap_or_default());
            let serves = |built: &&BuiltRelease| {
                built.serves.as_deref().is_some_and(|file| files.contains(&file))
            };
            return match release.built.iter().find(serves) {
                Some(built) => built::fetch(artifacts, built).await.map(Some),
                None => bundle::fetch(artifacts, release.source).await.map(Some),
            };
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
                .and_then(|()| content::list(&temporary))
                .and_then(|files| content::keep(&layout, &name, &files))
                .and_then(|()| std::fs::rename(&temporary, layout.release(&name)))
                .map_err(|e| disk("move the release into place", e))?;
            steps.reached("in place")
        })
        .await
        .map_err(|e| AgentError::internal("unpacking was cut off").caused_by(e))?
    }

    /// The environment's service, where it has one.
    fn served(&self) -> Option<Served<'_>> {
        Some(Served {
            key: &self.key,
            layout: &self.layout,
            proxy: self.proxy.as_ref()?,
            settings: self.settings.service.as_ref()?,
        })
    }

    /// What of the release's files is gone, for people.
    fn gone(&self, release: &ReleaseId) -> Result<Option<String>, AgentError> {
        let missing = content::missing(&self.layout, release)
            .map_err(|e| disk("look at the release's files", e))?;
        Ok(missing.map(|what| format!("release {release}: {what}")))
    }

    /// Puts files into effect that no program serves.
    async fn activate_files(
        &self,
        release: &ReleaseRecord,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        let name = &release.release;
        if !self.layout.release(name).is_dir() {
            return Ok(Activated::Refused(not_there(name)));
        }
        self.layout.switch(name).map_err(|e| disk("switch", e))?;
        self.steps.reached("switched")?;
        // The settings before may have had a service.
        self.stop().await?;
        self.steps.reached("services stopped")?;
        if let Some(elsewhere) = elsewhere {
            elsewhere.vacate().await?;
        }
        Ok(Activated::InEffect { url: None })
    }

    /// Starts the service beside the one before, and gives it the requests once it takes them. Until
    /// then nothing is touched.
    async fn activate_service(
        &self,
        served: &Served<'_>,
        release: &ReleaseRecord,
        mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        let name = &release.release;
        let moves = elsewhere.is_some();
        if let Some(reason) = self.start_beside(served, release, mode, moves).await? {
            return Ok(Activated::Refused(reason));
        }
        self.steps.reached("service started")?;
        // Both may have the port; what follows takes no longer than the shift.
        legacy::stop(&self.layout).await?;
        if let Some(elsewhere) = elsewhere {
            elsewhere.stop().await?;
        }
        self.steps.reached("port free")?;
        let mut service = match served.share(release, WHOLE).await? {
            Shared::Done(service) => service,
            Shared::Refused(reason) => return Ok(Activated::Failed(reason)),
        };
        self.steps.reached("shifted")?;
        self.layout.switch(name).map_err(|e| disk("switch", e))?;
        self.steps.reached("switched")?;
        if let Some(port) = served.settings.port.filter(|port| *port != service.port) {
            service = match served.proxy.put_service(&served.name(), Some(port)).await? {
                Asked::Done(moved) => moved,
                Asked::Refused(problem) => {
                    return Ok(Activated::Failed(service::port_in_use(&problem.detail)));
                }
            };
            self.steps.reached("moved")?;
        }
        if let Some(elsewhere) = elsewhere {
            elsewhere.vacate().await?;
        }
        if mode == Activation::Return {
            // What was taken back is no place to return to.
            served.let_go(&[name]).await?;
            self.steps.reached("others let go")?;
        }
        Ok(Activated::InEffect { url: Some(service.url) })
    }

    /// Starts the service of a release beside the one before, which goes on, until it takes requests;
    /// or says why it does not. `moves`: the one before is elsewhere.
    async fn start_beside(
        &self,
        served: &Served<'_>,
        release: &ReleaseRecord,
        mode: Activation,
        moves: bool,
    ) -> Result<Option<Finding>, AgentError> {
        let name = &release.release;
        if mode == Activation::Return && served.ready(release).await?.is_some() {
            return Ok(None);
        }
        if !self.layout.release(name).is_dir() {
            return Ok(Some(not_there(name)));
        }
        if mode == Activation::New
            && let Some(reason) = self.cannot_start(served, name, moves).await?
        {
            return Ok(Some(reason));
        }
        if let Some(reason) = self.make_service(served).await? {
            return Ok(Some(reason));
        }
        Ok(match served.start(release).await? {
            Started::Ready => None,
            Started::Failed(reason) => Some(*reason),
        })
    }

    /// Makes the environment's service, with the port that is its own.
    async fn make_service(&self, served: &Served<'_>) -> Result<Option<Finding>, AgentError> {
        if served.look().await?.is_some() {
            return Ok(None);
        }
        let kept = ports::kept(&self.layout).map_err(|e| disk("read the port", e))?;
        let wanted = served.settings.port.or(kept);
        let service = match served.proxy.put_service(&served.name(), wanted).await? {
            Asked::Done(service) => service,
            Asked::Refused(problem) if problem.code == "port-in-use" && wanted.is_some() => {
                return Ok(Some(service::port_in_use(&problem.detail)));
            }
            Asked::Refused(problem) => return Err(problem.fault("make the service")),
        };
        if served.settings.port.is_none() {
            ports::keep(&self.layout, service.port).map_err(|e| disk("keep the port", e))?;
        }
        self.steps.reached("service made")?;
        Ok(None)
    }

    /// Why the service of a release cannot be started, as far as that is known before anything is
    /// done for it. `moves`: the one before is elsewhere, and may have the same port.
    async fn cannot_start(
        &self,
        served: &Served<'_>,
        release: &ReleaseId,
        moves: bool,
    ) -> Result<Option<Finding>, AgentError> {
        let layout = &self.layout;
        let missing = service::missing_program(&served.settings.command, &layout.release(release));
        if missing.is_some() {
            return Ok(missing);
        }
        let there = served.look().await?;
        let listens = there.as_ref().filter(|service| service.listening).map(|s| s.port);
        let own = |port| moves || listens == Some(port) || legacy::is_there(layout);
        if let Some(port) = served.settings.port {
            let taken = !own(port) && !ports::is_free(port);
            return Ok(taken.then(|| {
                service::port_in_use(&format!("port {port} is in use by another program"))
            }));
        }
        let kept = ports::kept(layout).map_err(|e| disk("read the port", e))?;
        if let Some(port) = kept
            && !own(port)
            && !ports::is_free(port)
        {
            // Another is picked; nothing was served at that one.
            served.end().await?;
            ports::forget(layout).map_err(|e| disk("forget the port", e))?;
        }
        Ok(None)
    }
}

fn not_there(release: &ReleaseId) -> Finding {
    Finding::new(
        codes::RELEASE_NOT_RESTORED,
        Severity::High,
        format!("the files of release {release} are no longer there"),
    )
    .remedy("deploy a release that is known to be good")
}

fn no_shares() -> Finding {
    Finding::new(
        codes::TARGET_REFUSED,
        Severity::High,
        "requests can be shared between releases of a service only",
    )
    .remedy("add [service] to the environment, or use the strategy all-at-once")
}

fn problem(code: FindingCode, message: String) -> Finding {
    Finding::new(code, Severity::High, message).remedy("deploy the release again, or take it back")
}

fn disk(what: &str, error: io::Error) -> AgentError {
    AgentError::new(ErrorName::DeployFailed, format!("cannot {what}: {error}")).caused_by(error)
}
