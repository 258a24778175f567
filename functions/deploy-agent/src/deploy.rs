//! `deploy.to_staging`, `deploy.to_production`.
//!
//! Before anything is done, the store says what is about to be put into effect and what it
//! replaces. From then on the same call again completes what was begun, and a rollback takes it
//! back, wherever the agent was when it was killed.

use jiff::Timestamp;
use pact_agent::{AgentError, Call, Outcome, bundle};
use pact_contract::{
    Deployment, EnvironmentKey, EnvironmentName, Finding, SCHEMA_VERSION, Severity, StageStatus,
    actions::{Deploy, PendingDeployment, ReleaseRecord},
    error::ErrorName,
    run::DeploymentStatus,
};

use crate::{
    DeployAgent, Place,
    build::{self, Build},
    folder::{Note, check_release, remove_dir, slug},
    held::Held,
    service::{self, NotStarted, Start},
};

/// Why a release was not put into effect: a verdict.
struct NotDeployed {
    finding: Finding,
    /// Whether the release before had been stopped for it.
    touched: bool,
}

impl NotDeployed {
    fn new(code: &str, message: String, remedy: &str, log: Option<String>) -> Self {
        let mut finding = Finding::new(code, Severity::High, message).remedy(remedy);
        finding.evidence = log;
        Self { finding, touched: false }
    }
}

impl From<NotStarted> for NotDeployed {
    fn from(reason: NotStarted) -> Self {
        Self::new(reason.code, reason.message, reason.remedy, reason.log)
    }
}

/// One deployment.
struct Work<'a> {
    agent: &'a DeployAgent,
    call: &'a Call,
    wanted: &'a Deploy,
    place: Place,
    held: Held<'a>,
    /// The release as it is recorded.
    new: ReleaseRecord,
    /// The release that it replaces.
    replaces: Option<ReleaseRecord>,
}

pub(crate) async fn deploy(
    agent: &DeployAgent,
    call: &Call,
    environment: &EnvironmentName,
) -> Result<Outcome, AgentError> {
    let wanted: Deploy = call.parameters()?;
    check_release(&wanted.release).map_err(AgentError::invalid)?;
    let owner = EnvironmentKey::new(&wanted.repository.name, environment);
    let place = match agent.place(&owner, &wanted.settings) {
        Ok(place) => place,
        Err(reason) => {
            let reason = NotDeployed::new(
                "target-refused",
                reason,
                "correct the environment's target, or the installation's PACT_DEPLOY_ROOT",
                None,
            );
            let none = Deployment::new(environment, &wanted.release, DeploymentStatus::Failed);
            return verdict(reason.finding, none);
        }
    };
    let held = Held::take(&*agent.environments, call, owner).await?;
    let new = ReleaseRecord {
        release: wanted.release.clone(),
        commit: wanted.source.commit.clone(),
        run_id: call.scope(),
        deployed_at: Timestamp::now(),
        settings: wanted.settings.clone(),
    };
    let mut work = Work { agent, call, wanted: &wanted, place, held, new, replaces: None };
    let result = work.run().await;
    work.held.end().await;
    result
}

impl Work<'_> {
    async fn run(&mut self) -> Result<Outcome, AgentError> {
        let _claim = self.agent.claim(&self.place, self.call).await?;
        // The same request may have been at work until now.
        self.held.reload().await?;
        self.replaces = self.what_it_replaces();
        if let Err(reason) = self.place.own().map_err(|e| disk("mark the folder", e))? {
            let reason = NotDeployed::new(
                "folder-taken",
                format!("the target cannot be used: {reason}"),
                "give each environment a folder of its own",
                None,
            );
            return self.not_deployed(reason).await;
        }
        if let Some(outcome) = self.in_effect().await? {
            return Ok(outcome);
        }
        if let Some(reason) = self.other_commit() {
            return self.not_deployed(reason).await;
        }

        self.held.record.pending = Some(PendingDeployment {
            release: self.new.clone(),
            replaces: self.replaces.clone(),
            fence: self.held.fence(),
        });
        self.held.write().await?;
        self.agent.steps.reached("recorded")?;

        if let Err(reason) = self.prepare().await? {
            return self.not_deployed(reason).await;
        }
        self.held.renew().await?;
        let url = match self.replace().await? {
            Ok(url) => url,
            Err(reason) => return self.not_deployed(reason).await,
        };

        let record = &mut self.held.record;
        record.current = Some(ReleaseRecord { deployed_at: Timestamp::now(), ..self.new.clone() });
        record.previous = self.replaces.clone();
        record.pending = None;
        record.url = url;
        self.held.write().await?;
        self.agent.steps.reached("completed")?;
        self.tidy();
        self.deployed("")
    }

    /// The release to return to. Whoever was interrupted goes on with what it found when it began.
    fn what_it_replaces(&self) -> Option<ReleaseRecord> {
        let record = &self.held.record;
        let new = &self.new;
        match (&record.pending, &record.current) {
            (Some(p), _) if p.release.release == new.release && p.release.commit == new.commit => {
                p.replaces.clone()
            }
            (_, Some(current)) if current.release == new.release => record.previous.clone(),
            (_, current) => current.clone(),
        }
    }

    /// The answer, when the release is in effect already.
    async fn in_effect(&self) -> Result<Option<Outcome>, AgentError> {
        let record = &self.held.record;
        let Some(current) = &record.current else { return Ok(None) };
        let recorded = record.pending.is_none()
            && current.release == self.new.release
            && current.commit == self.new.commit
            && current.settings.target == self.new.settings.target;
        let folder = &self.place.folder;
        if !recorded || folder.current().as_deref() != Some(&self.new.release) {
            return Ok(None);
        }
        if self.place.target.service.is_some()
            && service::answering(folder, &self.new.release).await.is_none()
        {
            return Ok(None);
        }
        self.deployed(", as before").map(Some)
    }

    /// A release's name stands for one commit as long as the release may be needed.
    fn other_commit(&self) -> Option<NotDeployed> {
        let record = &self.held.record;
        let other = [&record.current, &record.previous]
            .into_iter()
            .flatten()
            .find(|r| r.release == self.new.release && r.commit != self.new.commit)?;
        Some(NotDeployed::new(
            "release-name-taken",
            format!(
                "release {} is commit {} already, and cannot become commit {}",
                other.release, other.commit, self.new.commit
            ),
            "give the release another name",
            None,
        ))
    }

    /// Unpacks and builds the release beside the others.
    async fn prepare(&self) -> Result<Result<(), NotDeployed>, AgentError> {
        let folder = &self.place.folder;
        let name = &self.new.release;
        build::stop_left_behind(folder).await?;
        let note = folder.note(name).map_err(|e| disk("read the release's note", e))?;
        let complete = note.is_some_and(|n| {
            let (old, new) = (&n.record, &self.new);
            let Ok(before) = self.agent.place(&self.place.owner, &old.settings) else {
                return false;
            };
            old.commit == new.commit && before.target.build == self.place.target.build
        });
        if !complete {
            self.unpack().await?;
            let build = Build {
                folder,
                environment: self.place.owner.environment.as_str(),
                record: &self.new,
                target: &self.place.target,
                cache: self
                    .agent
                    .config
                    .cache
                    .as_ref()
                    .map(|c| c.join(slug(self.place.owner.repository.as_str())).join("deploy")),
            };
            if let Err(reason) = build::run(&build).await? {
                return Ok(Err(NotDeployed::new(
                    "build-failed",
                    reason.message,
                    "run the target's build commands in a checkout of the commit",
                    reason.log,
                )));
            }
            self.agent.steps.reached("built")?;
        }
        let note = Note {
            schema: SCHEMA_VERSION,
            record: self.new.clone(),
            replaces: self.replaces.as_ref().map(|r| r.release.clone()),
            taken_back: None,
        };
        folder.write_note(&note).map_err(|e| disk("write the release's note", e))?;
        self.agent.steps.reached("noted")?;
        Ok(Ok(()))
    }

    async fn unpack(&self) -> Result<(), AgentError> {
        let folder = self.place.folder.clone();
        let name = self.new.release.clone();
        let bytes = bundle::fetch(&*self.agent.artifacts, &self.wanted.source).await?;
        let steps = self.agent.steps.clone();
        tokio::task::spawn_blocking(move || {
            let temporary = folder.unpacking(&name);
            remove_dir(&temporary)
                .and_then(|()| std::fs::create_dir_all(&temporary))
                .map_err(|e| disk("make the release's folder", e))?;
            bundle::unpack(&bytes, &temporary)?;
            steps.reached("unpacked")?;
            folder
                .remove(&name)
                .and_then(|()| std::fs::rename(&temporary, folder.release(&name)))
                .map_err(|e| disk("move the release into place", e))?;
            steps.reached("in place")
        })
        .await
        .map_err(|e| AgentError::internal(format!("unpacking was cut off: {e}")))?
    }

    /// Puts the release into effect in place of whatever is. Returns its address.
    async fn replace(&self) -> Result<Result<Option<String>, NotDeployed>, AgentError> {
        let folder = &self.place.folder;
        // The release before may live in another folder: its settings were others.
        let home = match &self.replaces {
            Some(old) => self.agent.place(&self.place.owner, &old.settings).ok(),
            None => None,
        };
        let home = home.filter(|h| h.folder != *folder);
        if let Some(service) = &self.place.target.service {
            let release = folder.release(&self.new.release);
            if let Err(reason) = service::check_program(&service.command, &release) {
                return Ok(Err(reason.into()));
            }
            let port = service::port(folder, service).map_err(|e| disk("pick a port", e))?;
            let mut ours = service::processes(folder);
            if let Some(home) = &home {
                ours.extend(service::processes(&home.folder));
            }
            if ours.is_empty() && !service::is_free(port) {
                if service.port.is_some() {
                    return Ok(Err(service::port_in_use(port).into()));
                }
                service::pick_port(folder).map_err(|e| disk("pick a port", e))?;
            }
        }
        service::trim_logs(folder);
        service::stop(folder, None).await?;
        if let Some(home) = &home {
            service::stop(&home.folder, None).await?;
        }
        self.agent.steps.reached("services stopped")?;
        let mut url = None;
        if let Some(service) = &self.place.target.service {
            let start = Start {
                folder,
                environment: self.place.owner.environment.as_str(),
                record: &self.new,
                service,
                steps: &self.agent.steps,
            };
            match service::start(&start).await? {
                Ok(running) => url = Some(running.url),
                Err(reason) => {
                    return Ok(Err(NotDeployed { touched: true, ..reason.into() }));
                }
            }
            self.agent.steps.reached("service started")?;
        }
        folder.switch(&self.new.release).map_err(|e| disk("switch", e))?;
        self.agent.steps.reached("switched")?;
        if let Some(home) = &home {
            home.folder.switch_off().map_err(|e| disk("remove the link before", e))?;
        }
        Ok(Ok(url))
    }

    /// Leaves the environment as it was, and says why the release was not put into effect.
    async fn not_deployed(&mut self, reason: NotDeployed) -> Result<Outcome, AgentError> {
        let mut none = Deployment::new(
            &self.place.owner.environment,
            &self.new.release,
            DeploymentStatus::Failed,
        );
        none.previous = self.replaces.as_ref().map(|r| r.release.clone());
        none.url.clone_from(&self.held.record.url);
        if self.held.record.pending.is_none() {
            return verdict(reason.finding, none);
        }
        // What is in effect is this very release, deployed again, and was not touched.
        let again =
            self.held.record.current.as_ref().is_some_and(|c| c.release == self.new.release);
        if !again || reason.touched {
            self.go_back(&reason, again).await?;
            none.url.clone_from(&self.held.record.url);
        }
        self.held.record.pending = None;
        self.held.write().await?;
        verdict(reason.finding, none)
    }

    /// Puts the release before into effect again, if it is not: an interrupted attempt before
    /// this one may have stopped it.
    async fn go_back(&mut self, reason: &NotDeployed, again: bool) -> Result<(), AgentError> {
        match self.agent.restore(&self.place, self.replaces.as_ref()).await? {
            Ok(url) => self.held.record.url = url,
            Err(second) if reason.touched => {
                return Err(AgentError::new(
                    ErrorName::DeployFailed,
                    format!(
                        "{}; and the release before could not be restored: {}",
                        reason.finding.message, second.message
                    ),
                ));
            }
            Err(second) => {
                tracing::warn!(reason = second.message, "the release before does not run");
            }
        }
        let folder = &self.place.folder;
        if again {
            let record = &mut self.held.record;
            record.current.clone_from(&self.replaces);
            record.previous = match &self.replaces {
                Some(old) => folder.before(&old.release).map_err(|e| disk("read the notes", e))?,
                None => None,
            };
        }
        // What could not be put into effect is made anew next time.
        folder.forget(&self.new.release).map_err(|e| disk("remove the note", e))
    }

    /// Removes old releases. What cannot be removed is removed another time.
    fn tidy(&self) {
        let record = &self.held.record;
        let protected: Vec<&str> = [&record.current, &record.previous]
            .into_iter()
            .flatten()
            .map(|r| r.release.as_str())
            .collect();
        let keep = usize::try_from(self.place.target.keep.clamp(2, 100)).unwrap_or(2);
        match self.place.folder.prune(keep, &protected) {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => tracing::info!(?removed, "old releases removed"),
            Err(error) => tracing::warn!(%error, "cannot remove old releases"),
        }
    }

    fn deployed(&self, how: &str) -> Result<Outcome, AgentError> {
        let record = &self.held.record;
        let environment = &self.place.owner.environment;
        let mut live = Deployment::new(environment, &self.new.release, DeploymentStatus::Live);
        live.previous = record.previous.as_ref().map(|r| r.release.clone());
        live.url.clone_from(&record.url);
        let at = record.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
        let before = match &live.previous {
            Some(previous) => format!("; the release before is {previous}"),
            None => "; it is the first release there".to_owned(),
        };
        let summary =
            format!("release {} is in effect in {environment}{at}{how}{before}", self.new.release);
        Outcome::new(StageStatus::Passed, summary, &live)
    }
}

fn verdict(finding: Finding, none: Deployment) -> Result<Outcome, AgentError> {
    let summary = format!(
        "release {} was not deployed to {}, nothing was replaced: {}",
        none.release, none.environment, finding.message
    );
    Ok(Outcome::new(StageStatus::Failed, summary, &none)?.with_findings(vec![finding]))
}

fn disk(what: &str, error: std::io::Error) -> AgentError {
    AgentError::new(ErrorName::DeployFailed, format!("cannot {what}: {error}")).caused_by(error)
}
