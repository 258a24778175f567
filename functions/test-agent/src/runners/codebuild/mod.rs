//! A build of CodeBuild: the agent plans it, starts it and reads what it left. The commit's code runs
//! there and nowhere else, without anything of the agent's.

mod built;
mod ended;
mod overdue;
mod plan;
mod results;
mod script;
mod together;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use pact_agent::{
    AgentError,
    builds::{Access, Build, BuildStatus, NewBuild},
    buildspec::Signed,
};
use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use pact_contract::{ErrorName, settings::Instance};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::together::end_shared;
use self::{
    ended::said,
    plan::{Found, Plan, Settings},
    results::Results,
    script::Spec,
    together::{Joined, Next},
};
use super::{
    reports::{self, Wanted},
    runner::{Kind, Opened, Planned, Progress, Runner, Task},
};
use crate::{collector::Collector, news, services::Services};

/// This kind of runner.
pub(crate) const KIND: Kind = Kind { name: "codebuild", form, open };

/// Builds of one call: a build environment that fails is tried again in another.
const ATTEMPTS: u32 = 3;
/// Time of a build beyond that of its tests: for the fetching, and for handing over.
const OVERHEAD: Duration = Duration::from_secs(5 * 60);
/// How long a build may wait for its turn, and an address with it.
const QUEUED: Duration = Duration::from_secs(60 * 60);
/// Largest archive of results that is read.
const RESULTS: u64 = 128 << 20;

fn form() -> Form {
    Form {
        about: "A build of its own, apart from everything that judges it.".to_owned(),
        fields: vec![
            required(
                "command",
                "Program with arguments, or one line for the shell.",
                Shape::Command,
            ),
            field(
                "directory",
                "Directory to run in, below the repository's root.",
                Shape::Text(Rule::Inside),
            ),
            field("env", "Further environment variables.", Shape::variables()),
        ],
        ..Form::default()
    }
}

fn open(instance: Option<&Instance>, services: &Services) -> Opened {
    let settings = instance.map(Instance::parse::<Settings>).transpose();
    let settings = settings.map_err(|e| format!("the settings of the runner: {e}"))?;
    Ok(Box::new(CodeBuild { settings, services: services.clone() }))
}

struct CodeBuild {
    /// How the suite is run; none: that has to be found out.
    settings: Option<Settings>,
    services: Services,
}

/// How far a suite is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Work {
    plan: Plan,
    /// Counts from one.
    attempt: u32,
    /// The build, once it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    build: Option<String>,
    /// What another state waits for and follows in the same build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// Where the results are, where the build is another state's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    joined: Option<String>,
    /// Whether the build was stopped, as its suites went on after their time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overdue: bool,
}

impl Work {
    fn read(value: &Value) -> Result<Self, AgentError> {
        Self::deserialize(value)
            .map_err(|e| AgentError::internal(format!("work of another version: {e}")))
    }

    fn write(&self) -> Result<Value, AgentError> {
        serde_json::to_value(self)
            .map_err(|e| AgentError::internal(format!("cannot write down the work: {e}")))
    }

    /// Another try in another environment.
    fn again(self) -> Result<Progress, AgentError> {
        let next =
            Self { attempt: self.attempt + 1, build: None, joined: None, overdue: false, ..self };
        tracing::warn!(attempt = next.attempt, "the build is tried again");
        Ok(Progress::Goes(next.write()?))
    }

    /// What tells this attempt of this call from every other.
    fn token(&self, task: &Task<'_>) -> String {
        // A call has one build, and one more for each suite that is apart.
        let apart = if task.table == "tests.suites" { task.name } else { "" };
        hex::encode(Sha256::digest(format!("{}#{}{apart}", task.call.key, self.attempt)))
    }

    /// The phase of the build that runs its suites.
    fn phase(&self) -> &'static str {
        if self.joined.is_some() { together::SECOND } else { together::FIRST }
    }

    /// Where its results go.
    fn results(&self, task: &Task<'_>) -> String {
        if let Some(key) = &self.joined {
            return key.clone();
        }
        let token = self.token(task);
        let token = token.get(..32).unwrap_or(&token);
        format!("runs/{}/builds/{token}.tar.gz", task.call.scope())
    }

    /// What tells these results from those of every other build, and of every other bundle.
    fn of(results: &str, plan: &Plan) -> String {
        let digest = Sha256::digest(format!("{results}#{}", plan.digest));
        hex::encode(digest).chars().take(32).collect()
    }

    /// Where what it builds goes at first.
    fn release(&self, task: &Task<'_>, number: usize) -> String {
        let results = self.results(task);
        format!("{}-{number}.tar.gz", results.trim_end_matches(".tar.gz"))
    }
}

#[async_trait]
impl Runner for CodeBuild {
    async fn plan(&self, task: &Task<'_>) -> Result<Planned, AgentError> {
        match plan::plan(self.settings.as_ref(), task).await? {
            Found::Plan(plan) => {
                let (next, joined) = together::plan(&self.services, task, &plan).await?;
                let (build, joined) =
                    joined.map(|Joined { build, results }| (build, results)).unzip();
                let (attempt, overdue) = (1, false);
                let work = Work { plan: *plan, attempt, build, next, joined, overdue };
                Ok(Planned::Work(work.write()?))
            }
            Found::Nothing(why) => Ok(Planned::Nothing(why)),
        }
    }

    async fn look(
        &self,
        task: &Task<'_>,
        work: &Value,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let mut work = Work::read(work)?;
        let Some(id) = work.build.clone() else {
            let id = self.start(task, &work).await?;
            if let Some(next) = &work.next {
                together::note(task, &id, next, &work.results(task)).await?;
            }
            work.build = Some(id);
            return Ok(Progress::Goes(work.write()?));
        };
        let build = self.services.builds.build(&id).await?;
        if work.joined.is_some() && !together::comes(build.as_ref()) {
            tracing::info!(
                build = id,
                "it did not come to these tests: they get a build of their own"
            );
            let own = Work { build: None, joined: None, ..work };
            return Ok(Progress::Goes(own.write()?));
        }
        let Some(build) = build else {
            return Err(AgentError::tool(format!("there is no build {id} any more")));
        };
        let time = work.plan.time(task.timeout);
        let now = Timestamp::now();
        if !work.overdue && overdue::is_overdue(&build, work.phase(), time, now) {
            tracing::warn!(build = id, "its suites go on after their time: it is stopped");
            self.services.builds.stop(&id).await?;
            work.overdue = true;
            return Ok(Progress::Goes(work.write()?));
        }
        let build = if work.overdue { overdue::out_of_time(build) } else { build };
        let shared = work.joined.is_some() || work.next.is_some();
        let build = if shared { together::until(build, work.phase()) } else { build };
        self.ended(task, work, &build, collector).await
    }

    async fn stop(&self, work: &Value) -> Result<(), AgentError> {
        match Work::read(work)?.build {
            Some(id) => Ok(self.services.builds.stop(&id).await?),
            None => Ok(()),
        }
    }
}

impl CodeBuild {
    async fn start(&self, task: &Task<'_>, work: &Work) -> Result<String, AgentError> {
        let next = work.next.as_ref();
        let follows = next.map(|next| next.plan.time(next.time())).unwrap_or_default();
        let timeout = work.plan.time(task.timeout) + follows + OVERHEAD;
        let valid = timeout + QUEUED;
        let urls = &self.services.urls;
        let bundle = Signed::new(&urls.signed_url(Access::Get, &task.source.key, valid).await?);
        let key = work.results(task);
        let of = Work::of(&key, &work.plan);
        let results = Signed::new(&urls.signed_url(Access::Put, &key, valid).await?);
        let (_, coverage) = reports::patterns(&[], task.coverage);
        let mut releases = Vec::new();
        for number in 0..work.plan.releases.len() {
            let key = work.release(task, number);
            releases.push(Signed::new(&urls.signed_url(Access::Put, &key, valid).await?));
        }
        let mut next_results = None;
        let mut next_of = String::new();
        if let Some(next) = next {
            let key = together::results(&key);
            next_of = Work::of(&key, &next.plan);
            next_results = Some(Signed::new(&urls.signed_url(Access::Put, &key, valid).await?));
        }
        let spec = Spec {
            plan: &work.plan,
            of: &of,
            seconds: task.timeout.as_secs().max(1),
            bundle: &bundle,
            results: &results,
            variable: script::RESULTS,
            coverage: &coverage,
            commit: &task.source.commit,
            releases: &releases,
        };
        let then = next.zip(next_results.as_ref()).map(|(next, results)| Spec {
            plan: &next.plan,
            of: &next_of,
            seconds: next.time().as_secs(),
            results,
            variable: script::NEXT_RESULTS,
            releases: &[],
            ..spec
        });
        let mut variables: BTreeMap<String, String> =
            [("CI", "true"), ("PACT", "true")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        for (name, value) in [
            (script::BUNDLE, Some(bundle.address.as_str())),
            (script::RESULTS, Some(results.address.as_str())),
            (news::RUN, Some(task.call.scope().as_str())),
            (news::STATE, Some(task.call.state.as_str())),
            ("PACT_URL", task.url),
            (news::NEXT, next.map(|_| together::STATE)),
            (script::NEXT_RESULTS, next_results.as_ref().map(|signed| signed.address.as_str())),
        ] {
            variables.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        }
        for (number, signed) in releases.iter().enumerate() {
            variables.insert(format!("{}{number}", script::RELEASE), signed.address.clone());
        }
        // Nobody's builds write what others read: not another repository's, and not those of
        // another branch or of a pull request.
        let cache = format!("{}#{}", task.repository, task.reference.unwrap_or("by-hand"));
        let build = NewBuild {
            token: work.token(task),
            buildspec: spec.text(then.as_ref()),
            variables,
            timeout,
            cache: Some(cache),
        };
        Ok(self.services.builds.start(&build).await?)
    }

    /// What came of a build; it may go on.
    async fn ended(
        &self,
        task: &Task<'_>,
        work: Work,
        build: &Build,
        collector: &mut Collector<'_>,
    ) -> Result<Progress, AgentError> {
        let again = work.attempt < ATTEMPTS;
        let phase = work.phase();
        let begun = build.phase(phase).is_some();
        match build.status {
            BuildStatus::InProgress => return Ok(Progress::Goes(work.write()?)),
            BuildStatus::Stopped => {
                return Err(AgentError::tool("the build was stopped by somebody else"));
            }
            BuildStatus::TimedOut if !begun => {
                return Err(AgentError::new(
                    ErrorName::Timeout,
                    format!("the build did not come to the tests: {}", said(build)),
                ));
            }
            BuildStatus::Fault => {
                // What has begun may have had effects: it is repeated only where it is known that
                // the environment went away with its host.
                if again && (!begun || said(build).contains("ended with its host")) {
                    return work.again();
                }
                return Err(AgentError::tool(format!(
                    "the build environment failed: {}",
                    said(build)
                )));
            }
            BuildStatus::Failed if !begun => {
                if again {
                    return work.again();
                }
                return Err(AgentError::tool(format!(
                    "the build could not be prepared: {}",
                    said(build)
                )));
            }
            BuildStatus::Succeeded if !begun => {
                return Err(AgentError::tool(
                    "the build service says that the build succeeded, and nothing of a phase that \
                     ran the tests",
                ));
            }
            BuildStatus::TimedOut | BuildStatus::Failed | BuildStatus::Succeeded => {}
        }
        ended::note_environment(build, collector);
        let results = self.results(task, &work, collector).await?;
        let keys = (0..work.plan.releases.len()).map(|number| work.release(task, number));
        let keys: Vec<String> = keys.collect();
        let plan = work.plan;
        let build = (build, phase);
        ended::ended(task, plan, &keys, build, results, collector).await.map(Progress::Ended)
    }

    /// What was handed over; none when nothing that can be read was.
    async fn results(
        &self,
        task: &Task<'_>,
        work: &Work,
        collector: &mut Collector<'_>,
    ) -> Result<Option<Results>, AgentError> {
        let key = work.results(task);
        let Some(size) = task.artifacts.size(&key).await? else { return Ok(None) };
        if size > RESULTS {
            let limit = RESULTS >> 20;
            collector.note(format!("the results have {} MiB; at most {limit}", size >> 20));
            return Ok(None);
        }
        let Some(archive) = task.artifacts.get(&key).await? else { return Ok(None) };
        let suites = work.plan.suites.iter();
        let mut wanted: Vec<Wanted> = suites
            .map(|suite| Wanted::new(&suite.reports, task.coverage, &suite.directory))
            .collect();
        wanted.extend(work.plan.releases.iter().map(|_| Wanted::new(&[], &[], "")));
        let faults = wanted.iter().flat_map(|wanted| &wanted.faults);
        let faults: std::collections::BTreeSet<&String> = faults.collect();
        faults.into_iter().for_each(|fault| collector.note(fault.clone()));
        let read = tokio::task::spawn_blocking(move || results::read(&archive, &wanted));
        let results = read
            .await
            .map_err(|e| AgentError::internal("reading the results stopped").caused_by(e))?;
        match results {
            Ok(results)
                if results.of.as_ref().is_some_and(|of| *of != Work::of(&key, &work.plan)) =>
            {
                Err(AgentError::tool("the results are those of another build"))
            }
            Ok(results) => Ok(Some(results)),
            Err(reason) => {
                collector.note(reason);
                Ok(None)
            }
        }
    }
}
