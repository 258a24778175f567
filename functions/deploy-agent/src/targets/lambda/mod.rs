//! A function of AWS Lambda. A release is a published version, an alias leads to the one in effect, and
//! another one gets a share by a weight. Nothing but code, versions and that alias is changed.
//!
//! What is in effect is asked of the alias each time. Which version a release is, and what it replaced,
//! is in a note, and the version says in its description of which release it is.

mod access;
mod api;
mod artifact;
mod note;
mod probe;
mod settings;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use pact_agent::{AgentError, built, bundle, ports::Artifacts};
use pact_contract::{
    EnvironmentKey, ErrorName, Finding, FindingCode, ReleaseId, Severity,
    actions::ReleaseRecord,
    codes,
    run::{Apart, VERSION_OF_FUNCTION},
    settings::Instance,
    shift::WHOLE,
};
use tokio::{sync::OnceCell, time::Instant};

use self::{
    access::Access,
    api::{Alias, Function, Trouble},
    artifact::{Code, Packed},
    note::{Note, Version},
};
use super::access::{Aws, external_id, refused, role};
use super::notes::Notes;
use super::settings::Checked;
use super::target::{
    Activated, Activation, Claimed, History, Kind, NewRelease, Opened, Prepared, Shifted, Status,
    Surroundings, Target, not_built,
};
use crate::steps::Steps;

pub(super) use api::said;
pub(crate) use settings::Settings;

/// This kind of target.
pub(crate) const KIND: Kind = Kind { name: "lambda", form: settings::form, open };

/// How long an update of the function may take, one of somebody else too.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often something is tried again that somebody changed at the same time.
const TRIES: usize = 3;
/// How the description of an alias begins that is led by deployments.
const OURS: &str = "pact ";
/// What stands there between a wave and its environment.
const WAVE_OF: &str = " of ";

/// The function of one environment.
struct Lambda {
    key: EnvironmentKey,
    /// The environment of which this is a wave.
    whole: Option<EnvironmentKey>,
    settings: Settings,
    role: String,
    aws: Aws,
    function: OnceCell<Function>,
    /// The alias's address, where it has one: no deployment changes it.
    url: OnceCell<Option<String>>,
    /// The version that this action published, and what release it is.
    published: OnceCell<(ReleaseId, String)>,
    notes: Notes<Version>,
    artifacts: Arc<dyn Artifacts>,
    steps: Steps,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let Surroundings { key, whole, artifacts, steps, aws, .. } = surroundings;
    let settings = Settings::read(instance)?;
    let aws = aws.as_ref().ok_or("this installation deploys to no functions")?.clone();
    let role = role(&aws, key, settings.role.as_deref())?;
    let place = place(&settings);
    Ok(Box::new(Lambda {
        notes: Notes::of(artifacts, key, &place),
        key: key.clone(),
        whole: whole.clone(),
        settings,
        role,
        aws,
        function: OnceCell::new(),
        url: OnceCell::new(),
        published: OnceCell::new(),
        artifacts: Arc::clone(artifacts),
        steps: steps.clone(),
    }))
}

/// Where the releases go: the same for every setting of the same function and alias.
fn place(settings: &Settings) -> String {
    let Settings { function, alias, region, role, .. } = settings;
    // The account is the role's.
    let account = role.as_deref().and_then(|role| role.split(':').nth(4)).unwrap_or_default();
    format!("{account}/{}/{function}/{alias}", region.as_deref().unwrap_or_default())
}

/// Why it cannot go on: the release, the settings or the account is at fault.
enum Stop {
    Finding(Box<Finding>),
    Fault(AgentError),
}

impl From<AgentError> for Stop {
    fn from(error: AgentError) -> Self {
        Self::Fault(error)
    }
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Finding(Box::new(finding))
    }
}

/// A version of the function, and what the alias was when it was made.
struct Made {
    version: String,
    found: Option<Alias>,
}

impl Lambda {
    /// What Lambda said, as it is told.
    fn stop(&self, trouble: Trouble) -> Stop {
        let Settings { function, alias, region, .. } = &self.settings;
        let where_ = region.as_ref().map_or_else(String::new, |region| format!(" in {region}"));
        let high = |code: FindingCode, text: String| Finding::new(code, Severity::High, text);
        match trouble {
            Trouble::Missing(text) => high(codes::FUNCTION_MISSING, text)
                .remedy(format!(
                    "create the function {function}{where_} with its role, runtime and handler, as by `aws \
                     lambda create-function`; a deployment changes its code alone"
                ))
                .into(),
            Trouble::Denied(text) => refused(&self.role, &external_id(&self.key), &text).into(),
            Trouble::Full(text) => high(codes::FUNCTION_STORAGE_FULL, text)
                .remedy("delete versions of functions that no alias leads to")
                .into(),
            Trouble::Refused(text) => {
                high(codes::FUNCTION_REFUSED, text).remedy("correct what Lambda names").into()
            }
            // Whoever it is may be done in a while.
            Trouble::Busy(text) | Trouble::Changed(text) => Stop::Fault(AgentError::new(
                ErrorName::EnvironmentBusy,
                format!(
                    "{function} or its alias {alias} is being changed by somebody else: {text}"
                ),
            )),
            Trouble::Fault(error) => Stop::Fault(error),
        }
    }

    /// The function, as the role reaches it: taken on once for an action, which is far shorter than the
    /// role lasts.
    async fn function(&self) -> Result<&Function, Stop> {
        let open =
            async || match access::open(&self.aws, &self.key, &self.settings, &self.role).await? {
                Access::Granted(client) => Ok(Function {
                    client,
                    function: self.settings.function.clone(),
                    alias: self.settings.alias.clone(),
                }),
                Access::Refused(finding) => Err(Stop::from(*finding)),
            };
        self.function.get_or_try_init(open).await
    }

    /// The alias's address, where it has one.
    async fn url(&self) -> Result<Option<String>, Stop> {
        let function = self.function().await?;
        let url = self.url.get_or_try_init(|| function.url()).await;
        url.cloned().map_err(|trouble| self.stop(trouble))
    }

    /// Whose an alias is, as its description says.
    fn description(&self, release: &ReleaseId) -> String {
        format!("{OURS}{}: {release}", self.name())
    }

    /// The environment, and the one of which it is a wave.
    fn name(&self) -> String {
        let own = external_id(&self.key);
        match &self.whole {
            Some(whole) => format!("{own}{WAVE_OF}{}", whole.environment),
            None => own,
        }
    }

    /// What is said of a version: which release it is of.
    fn version_text(record: &ReleaseRecord) -> String {
        format!("release {} of commit {}, run {}", record.release, record.commit, record.run_id)
    }

    /// Whether the alias is led by the environment of which this is a wave, before it had waves; or by a
    /// wave of this one, which has none any more.
    fn inherited(&self, alias: &Alias) -> bool {
        let whole = self.whole.as_ref();
        whole.is_some_and(|whole| led_by(alias) == Some(&external_id(whole)))
            || self.is_of_a_wave(alias)
    }

    /// Whether the alias is led by a wave of this environment.
    fn is_of_a_wave(&self, alias: &Alias) -> bool {
        let wave = led_by(alias).and_then(|whose| whose.split_once(WAVE_OF));
        wave.is_some_and(|(wave, whole)| {
            let EnvironmentKey { repository, environment } = &self.key;
            let same = wave.rsplit_once(':').map(|(repository, _)| repository);
            same == Some(repository.as_str()) && whole == environment.as_str()
        })
    }

    /// Whether this is this environment, also as it was said before waves said of what they are one.
    fn is_own(&self, whose: &str) -> bool {
        whose == self.name() || whose == external_id(&self.key)
    }

    /// Whether the alias is another environment's.
    fn foreign(&self, alias: &Alias) -> Option<Finding> {
        let whose = led_by(alias)?;
        (!self.is_own(whose) && !self.inherited(alias)).then(|| {
            let message = format!(
                "the alias {} of {} belongs to {whose}",
                self.settings.alias, self.settings.function
            );
            Finding::new(codes::FOLDER_TAKEN, Severity::High, message)
                .remedy("give each environment an alias or a function of its own")
        })
    }

    /// The code of a release; a finding where it was to be built and was not, or is not in it.
    async fn code(&self, release: &NewRelease<'_>) -> Result<Code, Stop> {
        let artifacts = &*self.artifacts;
        let bytes = if self.settings.build.is_empty() {
            bundle::fetch(artifacts, release.source).await?
        } else {
            let commands = built::commands_id(&self.settings.build);
            match release.built.iter().find(|built| built.commands == commands) {
                // Its digest is checked each time.
                Some(built) => built::fetch(artifacts, built).await?,
                None => return Err(not_built().into()),
            }
        };
        let artifact = self.settings.artifact.clone();
        let packed = tokio::task::spawn_blocking(move || artifact::of(&bytes, artifact.as_deref()));
        let packed = packed
            .await
            .map_err(|e| AgentError::internal("packing the code was cut off").caused_by(e))??;
        match packed {
            Packed::Code(code) => Ok(code),
            Packed::Not(finding) => Err(finding.into()),
        }
    }

    /// Publishes the code as a version. What was done already is not done again.
    async fn make(&self, record: &ReleaseRecord, code: &Code) -> Result<Made, Stop> {
        let function = self.function().await?;
        let told = |trouble| self.stop(trouble);
        let until = Instant::now() + PATIENCE;
        // Nothing of this changes anything.
        let (found, latest, _) =
            tokio::join!(function.alias(), function.settled(until), self.url());
        let found = found.map_err(told)?;
        if let Some(finding) = found.as_ref().and_then(|alias| self.foreign(alias)) {
            return Err(finding.into());
        }
        let mut latest = Some(latest.map_err(told)?);
        for again in (0..TRIES).rev() {
            let latest = match latest.take() {
                Some(latest) => latest,
                None => function.settled(until).await.map_err(told)?,
            };
            let changed = if latest.sha256 == code.sha256 {
                Ok(())
            } else {
                let changed = function.update(code.zip.clone(), &latest).await;
                self.steps.reached("code given")?;
                match changed {
                    Ok(()) => function.settled(until).await.map(drop),
                    other => other,
                }
            };
            let text = Self::version_text(record);
            let published = match changed {
                Ok(()) => function.publish(&code.sha256, &text).await,
                Err(trouble) => Err(trouble),
            };
            match published {
                Ok(version) => {
                    self.steps.reached("published")?;
                    return Ok(Made { version, found });
                }
                // Somebody else gave it other code meanwhile; theirs is not published as ours.
                Err(Trouble::Changed(_) | Trouble::Busy(_) | Trouble::Refused(_)) if again > 0 => {}
                Err(trouble) => return Err(told(trouble)),
            }
        }
        Err(AgentError::internal("the function is changed again and again").into())
    }

    /// The version of a release; none: nobody knows one any more.
    async fn version_of(
        &self,
        function: &Function,
        release: &ReleaseId,
        record: Option<&ReleaseRecord>,
    ) -> Result<Option<String>, Stop> {
        if let Some((_, version)) = self.published.get().filter(|(known, _)| known == release) {
            return Ok(Some(version.clone()));
        }
        if let Some(note) = self.notes.get(release).await? {
            let Version { version, code, .. } = note.detail;
            let now = function.code_of(&version).await.map_err(|t| self.stop(t))?;
            return Ok((now.as_ref() == Some(&code)).then_some(version));
        }
        let Some(record) = record else { return Ok(None) };
        let text = Self::version_text(record);
        function.described(&text).await.map_err(|trouble| self.stop(trouble))
    }

    /// Lets the alias lead to where `to` says, given where it leads now.
    async fn lead(
        &self,
        function: &Function,
        to: impl Fn(Option<&Alias>) -> Result<Alias, Stop>,
    ) -> Result<(), Stop> {
        for again in (0..TRIES).rev() {
            let now = function.alias().await.map_err(|trouble| self.stop(trouble))?;
            if let Some(finding) = now.as_ref().and_then(|alias| self.foreign(alias)) {
                return Err(finding.into());
            }
            let wanted = to(now.as_ref())?;
            let same = now.as_ref().is_some_and(|now| {
                now.version == wanted.version
                    && now.weight == wanted.weight
                    && now.description == wanted.description
            });
            if same {
                return Ok(());
            }
            match function.lead(&wanted, now.as_ref()).await {
                Ok(()) => return Ok(()),
                // Somebody changed it, or made it, in the same moment.
                Err(Trouble::Changed(_) | Trouble::Busy(_)) if again > 0 => {}
                Err(trouble) => return Err(self.stop(trouble)),
            }
        }
        Err(AgentError::internal("the alias is changed again and again").into())
    }

    /// Asks a version what the health probes ask, before anybody else does; why it is not well, where it
    /// is not. A function without an address answers no requests, and is not asked.
    async fn prove(&self, record: &ReleaseRecord, version: &str) -> Result<Option<Finding>, Stop> {
        let probes = &record.settings.health;
        if !probes.iter().any(|probe| probe.path.starts_with('/')) {
            return Ok(None);
        }
        let function = self.function().await?;
        let told = |trouble| self.stop(trouble);
        let Some(address) = self.url().await? else { return Ok(None) };
        probe::prove(function, version, &address, probes).await.map_err(told)
    }

    async fn put_into_effect(
        &self,
        record: &ReleaseRecord,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, Stop> {
        let function = self.function().await?;
        let release = &record.release;
        let Some(version) = self.version_of(function, release, Some(record)).await? else {
            return Ok(Activated::Failed(
                Finding::new(
                    codes::RELEASE_NOT_RESTORED,
                    Severity::High,
                    format!("the version of release {release} is no longer there"),
                )
                .remedy("deploy a release that is known to be good"),
            ));
        };
        let description = self.description(release);
        let alias = Alias { version, description, weight: None, revision: None };
        self.lead(function, |_| Ok(alias.clone())).await?;
        self.steps.reached("alias leads")?;
        if let Some(elsewhere) = elsewhere {
            elsewhere.vacate().await?;
        }
        Ok(Activated::InEffect { url: self.url().await? })
    }

    async fn look(&self, release: &ReleaseId, percent: u32) -> Result<Status, Stop> {
        let function = self.function().await?;
        let alias = function.alias().await.map_err(|trouble| self.stop(trouble))?;
        let Settings { function: name, alias: alias_name, .. } = &self.settings;
        let moved = |message: String| {
            let finding = Finding::new(codes::ALIAS_MOVED, Severity::High, message)
                .remedy("deploy the release again, or take it back");
            Status { problems: vec![finding], ready: false }
        };
        let Some(alias) = alias else {
            return Ok(moved(format!("the function {name} has no alias {alias_name}")));
        };
        let Some(version) = self.version_of(function, release, None).await? else {
            return Ok(moved(format!("no version of {name} is known to be release {release}")));
        };
        if percent < WHOLE {
            let has = match &alias.weight {
                Some((other, weight)) if *other == version => in_percent(*weight),
                Some((_, weight)) if alias.version == version => WHOLE - in_percent(*weight),
                _ if alias.version == version => WHOLE,
                _ => 0,
            };
            let status = Status { problems: Vec::new(), ready: percent > 0 };
            return Ok(if has == percent {
                status
            } else {
                moved(format!(
                    "{has} % of what is asked of the alias {alias_name} of {name} go to release \
                     {release}, not {percent} %"
                ))
            });
        }
        if alias.version != version {
            return Ok(moved(format!(
                "the alias {alias_name} of {name} leads to version {}, not to version {version} of \
                 release {release}",
                alias.version
            )));
        }
        if let Some((other, weight)) = &alias.weight {
            return Ok(moved(format!(
                "version {other} gets {:.0} % of what is asked of the alias {alias_name} of {name}",
                weight * 100.0
            )));
        }
        Ok(Status { problems: Vec::new(), ready: true })
    }

    /// Takes the release out of effect that the alias says it leads to: what it led to before the
    /// first release comes back, or there is no alias any more.
    async fn clear(&self) -> Result<(), Stop> {
        let function = self.function().await?;
        let Some(now) = function.alias().await.map_err(|t| self.stop(t))? else { return Ok(()) };
        // What is not ours stays as it is.
        let Some(whose) = led_by(&now).filter(|whose| self.is_own(whose)) else { return Ok(()) };
        let release = now.description.strip_prefix(&format!("{OURS}{whose}: ")).unwrap_or_default();
        let release = ReleaseId::parse(release)
            .map_err(|e| AgentError::internal("the alias names no release").caused_by(e))?;
        let found = self.first_found(&release).await?;
        match found {
            Some(version) => {
                let before =
                    Alias { version, description: String::new(), weight: None, revision: None };
                self.lead(function, |_| Ok(before.clone())).await
            }
            None => function.remove_alias().await.map_err(|trouble| self.stop(trouble)),
        }
    }

    /// What the alias led to before a deployment ever led it.
    async fn first_found(&self, release: &ReleaseId) -> Result<Option<String>, AgentError> {
        Ok(self.notes.get(release).await?.and_then(|note| note.detail.found))
    }

    async fn share(&self, record: &ReleaseRecord, percent: u32) -> Result<Shifted, Stop> {
        let function = self.function().await?;
        let release = &record.release;
        let Some(version) = self.version_of(function, release, Some(record)).await? else {
            return Ok(Shifted::Refused(
                Finding::new(
                    codes::RELEASE_NOT_RESTORED,
                    Severity::High,
                    format!("no version of {} is release {release}", self.settings.function),
                )
                .remedy("deploy the release again"),
            ));
        };
        let whole = percent >= WHOLE;
        if !whole && percent > 0 && function.is_provisioned().await.map_err(|t| self.stop(t))? {
            return Ok(Shifted::Refused(weights_refused(&format!(
                "the alias {} has provisioned concurrency, beside which AWS takes no weights",
                self.settings.alias
            ))));
        }
        let description = self.description(release);
        let shared = |now: Option<&Alias>| {
            let Some(now) = now.filter(|now| !whole && now.version != version) else {
                return Ok(Alias {
                    version: version.clone(),
                    description: description.clone(),
                    weight: None,
                    revision: None,
                });
            };
            if now.version == "$LATEST" {
                let why = "the alias leads to $LATEST, beside which AWS takes no weights";
                return Err(weights_refused(why).into());
            }
            let weight = (percent > 0).then(|| (version.clone(), f64::from(percent) / 100.0));
            Ok(Alias { weight, ..now.clone() })
        };
        self.lead(function, shared).await?;
        self.steps.reached("traffic shared")?;
        Ok(Shifted::Done { url: self.url().await? })
    }
}

/// Whose an alias is: of the environment that its description names.
fn led_by(alias: &Alias) -> Option<&str> {
    alias.description.strip_prefix(OURS)?.split(": ").next()
}

/// A weight as AWS has it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn in_percent(weight: f64) -> u32 {
    (weight.clamp(0.0, 1.0) * 100.0).round() as u32
}

fn weights_refused(message: &str) -> Finding {
    Finding::new(codes::WEIGHTS_REFUSED, Severity::High, message)
        .remedy("deploy at once, or take away what stands in the way")
}

#[async_trait]
impl Target for Lambda {
    fn location(&self) -> String {
        format!("{} {}", KIND.name, place(&self.settings))
    }

    fn history(&self) -> &dyn History {
        &self.notes
    }

    /// The environment's lease keeps its deployments apart; what others do to the function is seen
    /// by its revision.
    async fn claim(&self, _patience: Duration) -> Result<Claimed, AgentError> {
        Ok(Claimed::Ours(Box::new(())))
    }

    /// A version has no address of its own; what CloudWatch counts of the alias it counts for each.
    async fn apart(&self, new: &ReleaseId, old: &ReleaseId) -> Result<Option<Apart>, AgentError> {
        let versions = async {
            let function = self.function().await?;
            let new = self.version_of(function, new, None).await?;
            Ok::<_, Stop>(new.zip(self.version_of(function, old, None).await?))
        };
        let name =
            |version: String| format!("{VERSION_OF_FUNCTION}{}:{version}", self.settings.function);
        match versions.await {
            Ok(both) => Ok(both.map(|(new, old)| Apart { new: name(new), old: name(old) })),
            Err(Stop::Finding(_)) => Ok(None),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn status(&self, release: &ReleaseId, percent: u32) -> Result<Status, AgentError> {
        match self.look(release, percent).await {
            Ok(status) => Ok(status),
            Err(Stop::Finding(finding)) => Ok(Status { problems: vec![*finding], ready: false }),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn prepare(&self, release: &NewRelease<'_>) -> Result<Prepared, AgentError> {
        let made = match self.code(release).await {
            Ok(code) => self.make(release.record, &code).await.map(|made| (made, code.sha256)),
            Err(stop) => Err(stop),
        };
        let (made, code) = match made {
            Ok(made) => made,
            Err(Stop::Finding(finding)) => return Ok(Prepared::Refused(finding)),
            Err(Stop::Fault(error)) => return Err(error),
        };
        let found = match (&made.found, release.replaces) {
            (_, Some(before)) => self.first_found(before).await?,
            (Some(alias), None)
                if !alias.description.starts_with(OURS) || self.inherited(alias) =>
            {
                Some(alias.version.clone())
            }
            // Its own note from before: it was killed after the alias was led.
            (Some(_), None) => self.first_found(&release.record.release).await?,
            (None, None) => None,
        };
        let note = Note::of(release, Version { version: made.version, code, found });
        self.notes.put(&note).await?;
        self.steps.reached("noted")?;
        let known = (release.record.release.clone(), note.detail.version.clone());
        self.published.set(known).unwrap_or_default();
        match self.prove(release.record, &note.detail.version).await {
            Ok(None) => {}
            Ok(Some(finding)) => return Ok(Prepared::Refused(Box::new(finding))),
            Err(Stop::Finding(finding)) => return Ok(Prepared::Refused(finding)),
            Err(Stop::Fault(error)) => return Err(error),
        }
        self.steps.reached("proven")?;
        Ok(Prepared::Ready)
    }

    async fn activate(
        &self,
        release: &ReleaseRecord,
        _mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        told(self.put_into_effect(release, elsewhere).await)
    }

    fn weights(&self) -> bool {
        true
    }

    async fn is_led_by_waves(&self) -> Result<bool, AgentError> {
        let function = match self.function().await {
            Ok(function) => function,
            // It is said when something is done.
            Err(Stop::Finding(_)) => return Ok(false),
            Err(Stop::Fault(error)) => return Err(error),
        };
        match function.alias().await.map_err(|trouble| self.stop(trouble)) {
            Ok(alias) => Ok(alias.is_some_and(|alias| self.is_of_a_wave(&alias))),
            Err(Stop::Finding(_)) => Ok(false),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn shift(&self, release: &ReleaseRecord, percent: u32) -> Result<Shifted, AgentError> {
        match self.share(release, percent).await {
            Ok(shifted) => Ok(shifted),
            Err(Stop::Finding(finding)) => Ok(Shifted::Refused(*finding)),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn way_back(&self, release: &ReleaseRecord) -> Result<Option<Finding>, AgentError> {
        let there = match self.function().await {
            Ok(function) => self.version_of(function, &release.release, Some(release)).await,
            Err(stop) => Err(stop),
        };
        let why = match there {
            Ok(Some(_)) => return Ok(None),
            Ok(None) => "its version is no longer there".to_owned(),
            Err(Stop::Finding(finding)) => finding.message,
            Err(Stop::Fault(error)) => return Err(error),
        };
        let message = format!("there would be no way back to {}: {why}", release.release);
        Ok(Some(
            Finding::new(codes::NO_WAY_BACK, Severity::High, message)
                .remedy("start the run with `on_purpose` and the reason to deploy all the same"),
        ))
    }

    /// What answers is Lambda's: there is nothing to stop.
    async fn stop(&self) -> Result<(), AgentError> {
        Ok(())
    }

    async fn vacate(&self) -> Result<(), AgentError> {
        match self.clear().await {
            Ok(()) => self.steps.reached("alias cleared"),
            Err(Stop::Finding(finding)) => {
                Err(AgentError::new(ErrorName::DeployFailed, finding.message.clone()))
            }
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    /// Versions cost nothing but room, and each may be returned to.
    async fn tidy(&self, _protected: &[&ReleaseId]) {}
}

fn told(activated: Result<Activated, Stop>) -> Result<Activated, AgentError> {
    match activated {
        Ok(activated) => Ok(activated),
        Err(Stop::Finding(finding)) => Ok(Activated::Refused(*finding)),
        Err(Stop::Fault(error)) => Err(error),
    }
}
