//! Commands: whatever can be deployed by a tool. They run in a build of their own, with the archive of the
//! release and its digest at hand, and with the credentials of the environment's role where it has one;
//! nothing of the agent's is there.
//!
//! What is in effect is asked of the status commands each time. Which archive a release is, and what it
//! replaced, is in a note.

mod deeds;
mod note;
mod script;
mod settings;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use pact_agent::{AgentError, built, bundle, ports::Artifacts, text::truncated};
use pact_contract::{
    EnvironmentKey, ErrorName, Finding, FindingCode, ReleaseId, Severity, actions::ReleaseRecord,
    codes, settings::Instance,
};

use self::{
    deeds::{Artifact, Deeds, Kind as Deed, Task},
    note::{Archive, Note},
    script::End,
    settings::Settings,
};
use super::{
    access::{Aws, Taken, credentials},
    notes::Notes,
    settings::Checked,
    target::{
        Activated, Activation, Claimed, History, Kind, NewRelease, Opened, Prepared, Status,
        Surroundings, Target, not_built,
    },
};
use crate::steps::Steps;

/// This kind of target.
pub(crate) const KIND: Kind = Kind { name: "command", form: settings::form, open };

/// The exit code of a status command where the release is not in effect.
const NOT_IN_EFFECT: i32 = 1;
/// Longest evidence of a finding, in bytes.
const EVIDENCE: usize = 2_000;

/// What commands deploy to.
struct Command {
    key: EnvironmentKey,
    settings: Settings,
    aws: Option<Aws>,
    notes: Notes<Archive>,
    deeds: Deeds,
    artifacts: Arc<dyn Artifacts>,
    steps: Steps,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let Surroundings { key, artifacts, steps, aws, builds, .. } = surroundings;
    let settings = Settings::read(instance)?;
    let builder = builds.as_ref().ok_or("this installation runs no commands")?.clone();
    if settings.role.is_some() && aws.is_none() {
        return Err("this installation takes on no roles".to_owned());
    }
    Ok(Box::new(Command {
        notes: Notes::of(artifacts, key, KIND.name),
        deeds: Deeds::of(builder, artifacts, key, steps),
        key: key.clone(),
        settings,
        aws: aws.clone(),
        artifacts: Arc::clone(artifacts),
        steps: steps.clone(),
    }))
}

/// What commands are run for.
struct Run<'a> {
    deed: Deed,
    /// The release that is to be in effect.
    release: Option<&'a ReleaseRecord>,
    /// The run that it is of.
    of: &'a str,
    /// The release whose archive it has at hand.
    note: &'a Note,
}

/// The role of the commands.
enum Role {
    /// They have none.
    None,
    Has(Credentials),
    /// It is refused.
    Refused(Finding),
}

/// How a run of commands ended.
enum Ran {
    Commands(End),
    /// The role is refused.
    Refused(Finding),
}

impl Command {
    fn commands(&self, deed: Deed) -> &[Vec<String>] {
        match deed {
            Deed::Deploy => &self.settings.deploy,
            Deed::Status => &self.settings.status,
            Deed::Rollback => &self.settings.rollback,
        }
    }

    /// What the commands find in their environment.
    fn variables(&self, run: &Run<'_>) -> BTreeMap<String, String> {
        let mut variables = self.settings.env.clone();
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            variables.extend(self.settings.region.clone().map(|region| (name.to_owned(), region)));
        }
        let (release, commit) = match run.release {
            Some(record) => (record.release.as_str(), record.commit.as_str()),
            None => ("", ""),
        };
        for (name, value) in [
            ("PACT_REPOSITORY", self.key.repository.as_str()),
            ("PACT_ENVIRONMENT", self.key.environment.as_str()),
            ("PACT_RELEASE", release),
            ("PACT_COMMIT", commit),
            ("PACT_ARTIFACT_SHA256", run.note.detail.artifact.digest.as_str()),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        variables
    }

    /// Takes on the environment's role, where it has one.
    async fn role(&self) -> Result<Role, AgentError> {
        let (Some(role), Some(aws)) = (&self.settings.role, &self.aws) else {
            return Ok(Role::None);
        };
        Ok(match credentials(aws, &self.key, role).await? {
            Taken::On(credentials) => Role::Has(credentials),
            Taken::Not(finding) => Role::Refused(finding),
        })
    }

    async fn run(&self, run: &Run<'_>) -> Result<Ran, AgentError> {
        let credentials = match self.role().await? {
            Role::None => None,
            Role::Has(credentials) => Some(credentials),
            Role::Refused(finding) => return Ok(Ran::Refused(finding)),
        };
        let task = self.task(run, credentials.as_ref());
        if run.deed == Deed::Status {
            return Ok(Ran::Commands(self.deeds.ask(&task).await?));
        }
        // Nobody can be asked whether nothing is in effect.
        let status = run.release.map(|_| Run { deed: Deed::Status, of: "status", ..*run });
        let status = status.as_ref().map(|run| self.task(run, credentials.as_ref()));
        Ok(Ran::Commands(self.deeds.perform(&task, status.as_ref()).await?))
    }

    fn task<'a>(&'a self, run: &Run<'a>, credentials: Option<&'a Credentials>) -> Task<'a> {
        Task {
            kind: run.deed,
            release: run.release.map(|record| &record.release),
            of: run.of,
            commands: self.commands(run.deed),
            seconds: self.settings.limit_seconds,
            archive: &run.note.record.release,
            artifact: &run.note.detail.artifact,
            variables: self.variables(run),
            credentials: credentials.map(|own| {
                let token = own.session_token().unwrap_or_default();
                [own.access_key_id(), own.secret_access_key(), token]
            }),
        }
    }

    /// Why a deed did not succeed.
    fn failed(&self, code: FindingCode, deed: Deed, end: &End) -> Finding {
        let command = self.commands(deed).get(end.command).map(|words| words.join(" "));
        let command = truncated(&command.unwrap_or_default(), 200);
        let message = format!("`{command}` {}", end.said(self.settings.limit_seconds));
        let finding = Finding::new(code, Severity::High, message)
            .remedy("correct the command or what it reaches; its build has what it wrote");
        match end.output.as_str() {
            "" => finding,
            output => finding.evidence(last(output)),
        }
    }

    /// Where a release stands, by the status commands.
    async fn look(&self, record: &ReleaseRecord) -> Result<Status, AgentError> {
        let not = |finding: Finding| Status { problems: vec![finding], ready: false };
        let Some(note) = self.notes.get(&record.release).await? else {
            let message = format!("{} was never deployed here, or long ago", record.release);
            return Ok(not(Finding::new(codes::RELEASE_NOT_CURRENT, Severity::High, message)));
        };
        let run = Run { deed: Deed::Status, release: Some(record), of: "status", note: &note };
        let end = match self.run(&run).await? {
            Ran::Commands(end) => end,
            Ran::Refused(finding) => return Ok(not(finding)),
        };
        match end.code {
            0 => Ok(Status { problems: Vec::new(), ready: true }),
            NOT_IN_EFFECT => {
                let message = format!("the status command says that {} is not", record.release);
                let finding = Finding::new(codes::RELEASE_NOT_CURRENT, Severity::High, message)
                    .remedy("deploy the release again, or take it back");
                let finding = match end.output.as_str() {
                    "" => finding,
                    output => finding.evidence(last(output)),
                };
                Ok(not(finding))
            }
            _ => {
                let finding = self.failed(codes::COMMAND_FAILED, Deed::Status, &end);
                let output = finding.evidence.map(|o| format!(": {o}")).unwrap_or_default();
                Err(AgentError::new(
                    ErrorName::TargetUnavailable,
                    format!("cannot say what is in effect: {}{output}", finding.message),
                ))
            }
        }
    }

    /// The archive of a new release, as it was built.
    async fn archive(&self, release: &NewRelease<'_>) -> Result<Option<Artifact>, AgentError> {
        if self.settings.build.is_empty() {
            let bytes = bundle::fetch(&*self.artifacts, release.source).await?;
            return Ok(Some(Artifact {
                key: release.source.key.clone(),
                digest: built::digest(&bytes),
                bytes: bytes.len() as u64,
            }));
        }
        let commands = built::commands_id(&self.settings.build);
        let Some(made) = release.built.iter().find(|built| built.commands == commands) else {
            return Ok(None);
        };
        // Its digest is checked each time.
        built::fetch(&*self.artifacts, made).await?;
        Ok(Some(Artifact { key: made.key.clone(), digest: made.digest.clone(), bytes: made.bytes }))
    }

    /// Why an archive is not what it was; none: it is.
    async fn damaged(&self, artifact: &Artifact) -> Result<Option<&'static str>, AgentError> {
        Ok(match self.artifacts.get(&artifact.key).await? {
            None => Some("its archive is no longer there"),
            Some(bytes) if built::digest(&bytes) != artifact.digest => {
                Some("its archive is not what was deployed: its digest is another")
            }
            Some(_) => None,
        })
    }

    async fn return_to(&self, record: &ReleaseRecord) -> Result<Activated, AgentError> {
        let not = |why: String| {
            Finding::new(codes::RELEASE_NOT_RESTORED, Severity::High, why)
                .remedy("deploy a release that is known to be good")
        };
        if !self.returns() {
            let why = "the target has no rollback command: nothing takes a release back";
            return Ok(Activated::Refused(not(why.to_owned())));
        }
        let Some(note) = self.notes.get(&record.release).await? else {
            let why = format!("nothing is known of {} any more", record.release);
            return Ok(Activated::Refused(not(why)));
        };
        if let Some(why) = self.damaged(&note.detail.artifact).await? {
            return Ok(Activated::Refused(not(format!("{}: {why}", record.release))));
        }
        self.bring_into_effect(Deed::Rollback, record, &note, codes::RELEASE_NOT_RESTORED).await
    }

    async fn put_into_effect(&self, record: &ReleaseRecord) -> Result<Activated, AgentError> {
        let Some(note) = self.notes.get(&record.release).await? else {
            return Err(AgentError::internal("the release was not prepared"));
        };
        // When it fails, who knows how far it came.
        self.bring_into_effect(Deed::Deploy, record, &note, codes::COMMAND_FAILED).await
    }

    /// Runs the commands that have a release in effect at their end; `failed` is the finding otherwise.
    async fn bring_into_effect(
        &self,
        deed: Deed,
        record: &ReleaseRecord,
        note: &Note,
        failed: FindingCode,
    ) -> Result<Activated, AgentError> {
        let run = Run { deed, release: Some(record), of: record.run_id.as_str(), note };
        Ok(match self.run(&run).await? {
            Ran::Refused(finding) => Activated::Refused(finding),
            Ran::Commands(end) if end.is_well() => {
                Activated::InEffect { url: self.settings.address.clone() }
            }
            Ran::Commands(end) => Activated::Failed(self.failed(failed, deed, &end)),
        })
    }
}

/// The end of what a command wrote.
fn last(output: &str) -> String {
    let from = output.len().saturating_sub(EVIDENCE);
    let from = (from..=output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(0);
    output.get(from..).unwrap_or_default().to_owned()
}

#[async_trait]
impl Target for Command {
    /// Whatever its commands are: they are the same environment's.
    fn location(&self) -> String {
        format!("{} {}", KIND.name, self.key)
    }

    fn history(&self) -> &dyn History {
        &self.notes
    }

    /// The environment's lease keeps its deployments apart.
    async fn claim(&self, _patience: Duration) -> Result<Claimed, AgentError> {
        Ok(Claimed::Ours(Box::new(())))
    }

    async fn status(&self, release: &ReleaseId, _percent: u32) -> Result<Status, AgentError> {
        match self.notes.get(release).await? {
            Some(note) => self.look(&note.record).await,
            None => {
                let message = format!("{release} was never deployed here, or long ago");
                let finding = Finding::new(codes::RELEASE_NOT_CURRENT, Severity::High, message)
                    .remedy("deploy the release again");
                Ok(Status { problems: vec![finding], ready: false })
            }
        }
    }

    async fn prepare(&self, release: &NewRelease<'_>) -> Result<Prepared, AgentError> {
        // A role that is refused is seen before anything is done.
        if let Role::Refused(finding) = self.role().await? {
            return Ok(Prepared::Refused(Box::new(finding)));
        }
        let Some(artifact) = self.archive(release).await? else {
            return Ok(Prepared::Refused(Box::new(not_built())));
        };
        self.notes.put(&Note::of(release, Archive { artifact })).await?;
        self.steps.reached("noted")?;
        Ok(Prepared::Ready)
    }

    async fn activate(
        &self,
        release: &ReleaseRecord,
        mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        let activated = match mode {
            Activation::New => self.put_into_effect(release).await?,
            Activation::Return => self.return_to(release).await?,
        };
        if let (Activated::InEffect { .. }, Some(elsewhere)) = (&activated, elsewhere) {
            elsewhere.vacate().await?;
        }
        Ok(activated)
    }

    fn returns(&self) -> bool {
        !self.settings.rollback.is_empty()
    }

    async fn way_back(&self, release: &ReleaseRecord) -> Result<Option<Finding>, AgentError> {
        let why = match self.notes.get(&release.release).await? {
            None => Some("nothing is known of it any more"),
            Some(note) => self.damaged(&note.detail.artifact).await?,
        };
        Ok(why.map(|why| {
            let message = format!("there would be no way back to {}: {why}", release.release);
            Finding::new(codes::NO_WAY_BACK, Severity::High, message)
                .remedy("start the run with `on_purpose` and the reason to deploy all the same")
        }))
    }

    /// What answers is not the target's: there is nothing to stop.
    async fn stop(&self) -> Result<(), AgentError> {
        Ok(())
    }

    /// The rollback commands, with no release that is to be in effect, in the archive of the last one.
    async fn vacate(&self) -> Result<(), AgentError> {
        let failed = |why: String| AgentError::new(ErrorName::DeployFailed, why);
        let Some(last) = self.deeds.last().await? else { return Ok(()) };
        let Some(note) = self.notes.get(&last.archive).await? else {
            return Err(failed(format!("nothing is known of {} any more", last.archive)));
        };
        if !self.returns() {
            let why = "the target has no rollback command: nothing takes its release away";
            return Err(failed(why.to_owned()));
        }
        let run = Run {
            deed: Deed::Rollback,
            release: None,
            of: note.record.run_id.as_str(),
            note: &note,
        };
        match self.run(&run).await? {
            Ran::Refused(finding) => Err(failed(finding.message)),
            Ran::Commands(end) if end.is_well() => Ok(()),
            Ran::Commands(end) => {
                let finding = self.failed(codes::COMMAND_FAILED, Deed::Rollback, &end);
                let output = finding.evidence.map(|o| format!(": {o}")).unwrap_or_default();
                Err(failed(format!("{}{output}", finding.message)))
            }
        }
    }

    /// What was deployed is the tool's, and archives go by themselves.
    async fn tidy(&self, _protected: &[&ReleaseId]) {}
}
