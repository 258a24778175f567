//! What commands are to do, each in a build, one after another.
//!
//! A deed is written down before its build is started, with all that the build is started with: whoever
//! finds it begun starts the very same build again, which is the one that runs as long as the service knows
//! its token (CodeBuild: five minutes; after that the commands may run twice), and waits for it. Only the
//! last deed has a permit. One that another takes the place of loses it first and is stopped then, so
//! that a build which begins late does nothing.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use pact_agent::{
    AgentError,
    builds::{Access, Build, BuildStatus, NewBuild},
    buildspec::Signed,
    built,
    ports::Artifacts,
};
use pact_contract::{EnvironmentKey, ErrorName, ReleaseId, SchemaVersion};
use serde::{Deserialize, Serialize};

use super::script::{self, BUNDLE, End, PERMIT, RESULT, RESULT_BYTES, REVOKED, Spec};
use crate::{
    steps::Steps,
    targets::{
        builder::Builder,
        notes::{self, read, write},
    },
};

/// Time of a build beyond that of its commands: to fetch the release, and to hand over.
const OVERHEAD: Duration = Duration::from_secs(2 * 60);
/// How long its addresses are good besides: it may wait for its turn.
const QUEUED: Duration = Duration::from_secs(10 * 60);
/// The pause between two looks at a build, and the longest that it grows to.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Builds of one deed: an environment that fails before the commands have begun is tried again in another.
const ATTEMPTS: u32 = 3;

/// What commands are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Deploy,
    Status,
    Rollback,
}

/// Something that commands are to do.
pub(super) struct Task<'a> {
    pub(super) kind: Kind,
    /// The release that is to be in effect; none: that none is.
    pub(super) release: Option<&'a ReleaseId>,
    /// Further that tells it from others with the same commands: the run that it is of.
    pub(super) of: &'a str,
    pub(super) commands: &'a [Vec<String>],
    /// For all of them, in seconds.
    pub(super) seconds: u64,
    /// The release whose archive they have at hand, and that.
    pub(super) archive: &'a ReleaseId,
    pub(super) artifact: &'a Artifact,
    pub(super) variables: BTreeMap<String, String>,
    /// The role's credentials: key, secret, token.
    pub(super) credentials: Option<[&'a str; 3]>,
}

impl Task<'_> {
    /// What tells it from every other.
    fn id(&self) -> String {
        let mut text = String::new();
        let mut add = |part: &str| text.push_str(&format!("{} {part}\n", part.len()));
        add(&format!("{:?} {}", self.kind, self.seconds));
        add(self.release.map_or("", ReleaseId::as_str));
        add(self.of);
        add(&self.artifact.digest);
        add(&built::commands_id(self.commands));
        for (name, value) in &self.variables {
            add(name);
            add(value);
        }
        built::digest(text.as_bytes())
    }
}

/// The archive of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Artifact {
    /// Where it is in the artifact store.
    pub(super) key: String,
    /// SHA-256, in hexadecimal.
    pub(super) digest: String,
    pub(super) bytes: u64,
}

/// The last deed of an environment, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Deed {
    /// Version of this type.
    schema: SchemaVersion,
    /// Counts the deeds of the environment.
    number: u64,
    /// What it is: see [`Task::id`].
    id: String,
    kind: Kind,
    release: Option<ReleaseId>,
    /// The release whose archive it has at hand.
    pub(super) archive: ReleaseId,
    /// What its build is started with.
    new: NewBuild,
    /// Where its result goes.
    result: String,
    /// Its build, once it is known to be started.
    build: Option<String>,
    /// How it ended; none: nobody saw that yet.
    end: Option<Ended>,
}

/// How a deed ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ended {
    /// By its commands.
    Commands(End),
    /// Nobody can say what its commands did.
    Unknown(String),
    /// Another took its place.
    Overtaken,
}

impl Deed {
    /// Version in which it is written.
    const VERSION: SchemaVersion = SchemaVersion::FIRST;
}

/// What came of a build.
enum Came {
    Ended(Ended),
    /// Its commands were not begun, for this reason.
    Nothing(String),
}

/// The deeds of one environment.
pub(super) struct Deeds {
    pub(super) builder: Builder,
    pub(super) artifacts: Arc<dyn Artifacts>,
    folder: String,
    pub(super) steps: Steps,
}

impl Deeds {
    pub(super) fn of(
        builder: Builder,
        artifacts: &Arc<dyn Artifacts>,
        key: &EnvironmentKey,
        steps: &Steps,
    ) -> Self {
        Self {
            builder,
            artifacts: Arc::clone(artifacts),
            folder: notes::folder(key, "command"),
            steps: steps.clone(),
        }
    }

    fn key(&self) -> String {
        format!("{}/deeds/last", self.folder)
    }

    fn permit(&self, token: &str) -> String {
        format!("{}/deeds/{token}.permit", self.folder)
    }

    /// The deed that was begun last.
    pub(super) async fn last(&self) -> Result<Option<Deed>, AgentError> {
        let schema = |deed: &Deed| deed.schema;
        read(&*self.artifacts, &self.key(), (schema, Deed::VERSION)).await
    }

    async fn keep(&self, deed: &Deed) -> Result<(), AgentError> {
        write(&*self.artifacts, &self.key(), deed).await
    }

    /// Does something once. What was begun before is completed when it is the same, and ended when it is
    /// not. Where the very same was done before, `status` asks whether that still holds.
    ///
    /// # Errors
    /// `ERR_TARGET_UNAVAILABLE` where nobody can say what the commands did, and those of the ports.
    pub(super) async fn perform(
        &self,
        task: &Task<'_>,
        status: Option<&Task<'_>>,
    ) -> Result<End, AgentError> {
        let id = task.id();
        let mut number = 0;
        let mut begun = None;
        if let Some(last) = self.last().await? {
            number = last.number;
            match &last.end {
                None if last.id == id => begun = Some(last),
                None => self.overtake(last).await?,
                Some(Ended::Commands(end)) if last.id == id && end.is_well() => {
                    let holds = match status {
                        Some(status) => self.ask(status).await?.is_well(),
                        // Nothing was done since.
                        None => true,
                    };
                    if holds {
                        return Ok(end.clone());
                    }
                }
                Some(_) => {}
            }
        }
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let deed = match begun.take() {
                Some(deed) => deed,
                None => {
                    number += 1;
                    let deed = self.write_down(task, &id, number).await?;
                    self.steps.reached("deed recorded")?;
                    deed
                }
            };
            match self.carry_out(deed).await? {
                Came::Ended(Ended::Commands(end)) => return Ok(end),
                Came::Ended(Ended::Unknown(reason)) => return Err(unavailable(reason)),
                Came::Ended(Ended::Overtaken) => {
                    return Err(unavailable("another took its place".to_owned()));
                }
                Came::Nothing(reason) => why = reason,
            }
        }
        Err(unavailable(format!("{ATTEMPTS} builds did not come to the commands; the last: {why}")))
    }

    /// Asks something of the world: nothing is changed by it, and nothing kept. A build that was begun for
    /// it ends by itself.
    pub(super) async fn ask(&self, task: &Task<'_>) -> Result<End, AgentError> {
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let now = jiff::Timestamp::now().as_nanosecond();
            let token = built::digest(format!("{} {now}", task.id()).as_bytes());
            let (new, result) = self.new_build(task, &token).await?;
            let build = self.builder.builds.start(&new).await?;
            let build = self.wait(&build).await?;
            let came = self.came(build.as_ref(), &result).await?;
            self.revoke(&token).await?;
            match came {
                Came::Ended(Ended::Commands(end)) => return Ok(end),
                Came::Ended(Ended::Unknown(reason)) => return Err(unavailable(reason)),
                Came::Ended(Ended::Overtaken) => return Err(unavailable("it was stopped".into())),
                Came::Nothing(reason) => why = reason,
            }
        }
        Err(unavailable(format!("{ATTEMPTS} builds did not come to the commands; the last: {why}")))
    }

    async fn write_down(&self, task: &Task<'_>, id: &str, number: u64) -> Result<Deed, AgentError> {
        let token = built::digest(format!("{} {number} {id}", self.folder).as_bytes());
        let (new, result) = self.new_build(task, &token).await?;
        let deed = Deed {
            schema: Deed::VERSION,
            number,
            id: id.to_owned(),
            kind: task.kind,
            release: task.release.cloned(),
            archive: task.archive.clone(),
            new,
            result,
            build: None,
            end: None,
        };
        self.keep(&deed).await?;
        Ok(deed)
    }

    /// What a build is started with; its permit is given.
    async fn new_build(
        &self,
        task: &Task<'_>,
        token: &str,
    ) -> Result<(NewBuild, String), AgentError> {
        let timeout = Duration::from_secs(task.seconds) + OVERHEAD;
        let valid = timeout + QUEUED;
        let permit = self.permit(token);
        let result = format!("{}/deeds/{token}.result", self.folder);
        let text = script::permit(token, task.credentials);
        self.artifacts.put(&permit, text.into()).await?;
        let urls = &self.builder.urls;
        let permit = Signed::new(&urls.signed_url(Access::Get, &permit, valid).await?);
        let bundle = &task.artifact.key;
        let bundle = Signed::new(&urls.signed_url(Access::Get, bundle, valid).await?);
        let signed = Signed::new(&urls.signed_url(Access::Put, &result, valid).await?);
        let spec = Spec {
            commands: task.commands,
            seconds: task.seconds,
            token,
            permit: &permit,
            bundle: &bundle,
            digest: &task.artifact.digest,
            result: &signed,
        };
        let buildspec = spec.text();
        let mut variables = task.variables.clone();
        let addresses = [(PERMIT, permit), (BUNDLE, bundle), (RESULT, signed)];
        variables.extend(addresses.map(|(name, signed)| (name.to_owned(), signed.address)));
        let token = token.to_owned();
        Ok((NewBuild { token, buildspec, variables, timeout, cache: None }, result))
    }

    /// Starts the build of a deed, if that was not done, and sees it to its end.
    async fn carry_out(&self, mut deed: Deed) -> Result<Came, AgentError> {
        let build = match &deed.build {
            Some(build) => build.clone(),
            None => {
                let build = self.builder.builds.start(&deed.new).await?;
                self.steps.reached("build started")?;
                deed.build = Some(build.clone());
                self.keep(&deed).await?;
                self.steps.reached("build noted")?;
                build
            }
        };
        let build = self.wait(&build).await?;
        let came = self.came(build.as_ref(), &deed.result).await?;
        self.steps.reached("build ended")?;
        self.revoke(&deed.new.token).await?;
        let end = match &came {
            Came::Ended(end) => end.clone(),
            Came::Nothing(reason) => Ended::Unknown(reason.clone()),
        };
        self.keep(&Deed { end: Some(end), ..deed }).await?;
        self.steps.reached("deed ended")?;
        Ok(came)
    }

    async fn revoke(&self, token: &str) -> Result<(), AgentError> {
        Ok(self.artifacts.put(&self.permit(token), REVOKED.into()).await?)
    }

    /// Ends a deed whose place another takes.
    async fn overtake(&self, deed: Deed) -> Result<(), AgentError> {
        // From here on it does not begin any more.
        self.revoke(&deed.new.token).await?;
        let build = match &deed.build {
            Some(build) => build.clone(),
            // It may have begun all the same: starting it again says which it is.
            None => self.builder.builds.start(&deed.new).await?,
        };
        self.builder.builds.stop(&build).await?;
        self.wait(&build).await?;
        self.keep(&Deed { end: Some(Ended::Overtaken), build: Some(build), ..deed }).await?;
        self.steps.reached("deed overtaken")
    }

    /// Waits until a build has ended; none: there is no such build any more.
    async fn wait(&self, id: &str) -> Result<Option<Build>, AgentError> {
        let (mut pause, longest) = LOOK;
        loop {
            let build = self.builder.builds.build(id).await?;
            if build.as_ref().is_none_or(|build| build.status != BuildStatus::InProgress) {
                return Ok(build);
            }
            tokio::time::sleep(pause).await;
            // By a quarter each time: what is short is not waited for much longer than it takes.
            pause = (pause + pause / 4).min(longest);
        }
    }

    /// What came of a build that has ended.
    async fn came(&self, build: Option<&Build>, result: &str) -> Result<Came, AgentError> {
        let Some(build) = build else {
            let gone = "its build is gone, and nobody saw how it ended".to_owned();
            return Ok(Came::Ended(Ended::Unknown(gone)));
        };
        let begun = build.phase("BUILD").is_some();
        let unknown = |what: String| Came::Ended(Ended::Unknown(what));
        let said = said(build);
        Ok(match build.status {
            BuildStatus::Succeeded | BuildStatus::Failed if begun => {
                match self.end(result).await? {
                    Some(end) if end.is_well() == (build.status == BuildStatus::Succeeded) => {
                        Came::Ended(Ended::Commands(end))
                    }
                    _ => unknown(format!("the build did not hand over how it ended{said}")),
                }
            }
            _ if !begun => Came::Nothing(format!("the build {}{said}", word(build.status))),
            status => unknown(format!("the build {}{said}", word(status))),
        })
    }

    async fn end(&self, result: &str) -> Result<Option<End>, AgentError> {
        match self.artifacts.size(result).await? {
            Some(bytes) if bytes <= RESULT_BYTES => {}
            _ => return Ok(None),
        }
        Ok(self.artifacts.get(result).await?.and_then(|bytes| End::read(&bytes)))
    }
}

fn word(status: BuildStatus) -> &'static str {
    match status {
        BuildStatus::TimedOut => "took too long",
        BuildStatus::Stopped => "was stopped by somebody else",
        BuildStatus::Fault => "could not be carried out",
        BuildStatus::Succeeded | BuildStatus::Failed | BuildStatus::InProgress => "failed",
    }
}

/// What the build service says of it.
fn said(build: &Build) -> String {
    let messages: Vec<_> = build
        .phases
        .iter()
        .filter_map(|phase| Some(format!("{}: {}", phase.name, phase.message.as_ref()?)))
        .collect();
    if messages.is_empty() { String::new() } else { format!(" ({})", messages.join("; ")) }
}

fn unavailable(what: String) -> AgentError {
    AgentError::new(ErrorName::TargetUnavailable, what)
}
