//! `tests.run_unit`, `tests.run_integration`, `tests.run_e2e`: chooses a runner, and judges what it
//! brings back.

use std::{slice, time::Duration};

use pact_agent::{AgentError, Call, Outcome, Stand, built};
use pact_contract::{
    ErrorName, StageStatus,
    actions::{RunTests, RunTestsOutput, files_of},
    settings::{DEFAULT_TEST_TIMEOUT, Environment, Instance, NamedSuite, Suite},
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    collector::Collector,
    history::{self, History},
    lanes::{self, Lane, Looked},
    runners::{self, BUILD_SECONDS, Ended, Execution, Planned, Progress, Release, Shared, Task},
    services::Services,
    sum,
};

/// How often a caller that waits in person looks.
const LOOK: Duration = Duration::from_millis(300);

/// Which tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unit,
    Integration,
    EndToEnd,
}

impl Kind {
    /// The tests that an action runs.
    pub(crate) fn of(action: &str) -> Option<Self> {
        match action {
            "tests.run_unit" => Some(Self::Unit),
            "tests.run_integration" => Some(Self::Integration),
            "tests.run_e2e" => Some(Self::EndToEnd),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Integration => "integration",
            Self::EndToEnd => "end-to-end",
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Unit => "tests.unit",
            Self::Integration => "tests.integration",
            Self::EndToEnd => "tests.e2e",
        }
    }
}

/// Tests that are to be run.
pub(crate) struct Tests<'a> {
    services: &'a Services,
    call: &'a Call,
    kind: Kind,
    parameters: RunTests,
    /// What the targets want built: beside the tests, and by others.
    releases: Vec<Release>,
    releases_elsewhere: Vec<Release>,
    /// Files that services are started from, of environments that say nothing of a build.
    served: Vec<String>,
    /// Suites that are named: those that run beside the ones that are found, and those that others
    /// run, or the same runner apart from the rest.
    here: Vec<NamedSuite>,
    elsewhere: Vec<NamedSuite>,
}

impl<'a> Tests<'a> {
    /// What a call asks for.
    ///
    /// # Errors
    /// `ERR_INVALID_INTENT`.
    pub(crate) fn new(
        services: &'a Services,
        call: &'a Call,
        kind: Kind,
    ) -> Result<Self, AgentError> {
        let parameters: RunTests = call.parameters()?;
        let served = served(&parameters.environments);
        let releases = releases(&parameters.environments).into_iter();
        let (releases, releases_elsewhere) = releases.partition(|one| one.runner.is_none());
        let named =
            if kind == Kind::Unit { parameters.settings.suites.clone() } else { Vec::new() };
        let is_here = |suite: &NamedSuite| !suite.isolated && is_default(suite);
        let (here, elsewhere) = named.into_iter().partition(is_here);
        Ok(Self {
            services,
            call,
            kind,
            parameters,
            releases,
            releases_elsewhere,
            served,
            here,
            elsewhere,
        })
    }

    fn suite(&self) -> Option<&Suite> {
        self.suite_of(self.kind)
    }

    fn suite_of(&self, kind: Kind) -> Option<&Suite> {
        let settings = &self.parameters.settings;
        match kind {
            Kind::Unit => settings.unit.as_ref(),
            Kind::Integration => settings.integration.as_ref(),
            Kind::EndToEnd => settings.e2e.as_ref(),
        }
    }

    /// Everything that is asked for, of the default runner.
    fn task(&self) -> Task<'_> {
        Task { shared: self.shared(), ..self.task_of(self.kind) }
    }

    /// The build that unit and integration tests of a run share, unless one of them is to be apart or
    /// another runner's.
    fn shared(&self) -> Option<Shared<'_>> {
        let together = |suite: &Suite| !suite.isolated && runners::is_default(&suite.runner.kind);
        let integration = self.suite_of(Kind::Integration).filter(|suite| together(suite))?;
        self.call.run_id.as_ref()?;
        if !self.suite_of(Kind::Unit).is_none_or(together) {
            return None;
        }
        match self.kind {
            Kind::Unit if self.parameters.then_integration && self.parameters.skip.is_none() => {
                let next = Task { releases: &[], served: &[], ..self.task_of(Kind::Integration) };
                Some(Shared::First { instance: &integration.runner, next: Box::new(next) })
            }
            Kind::Integration => Some(Shared::Second),
            Kind::Unit | Kind::EndToEnd => None,
        }
    }

    fn task_of(&self, kind: Kind) -> Task<'_> {
        let suite = self.suite_of(kind);
        let seconds = suite.map_or(DEFAULT_TEST_TIMEOUT, |suite| suite.timeout_seconds);
        let leave_out = &self.parameters.settings.leave_out;
        let table = kind.table();
        let unit = kind == Kind::Unit;
        Task {
            table,
            name: table.rsplit('.').next().unwrap_or(table),
            call: self.call,
            artifacts: &*self.services.artifacts,
            source: &self.parameters.source,
            repository: &self.parameters.repository.name,
            reference: self.parameters.reference.as_deref(),
            url: self.parameters.url.as_deref().filter(|_| kind == Kind::EndToEnd),
            timeout: Duration::from_secs(seconds),
            reports: suite.map_or(&[], |suite| suite.reports.as_slice()),
            coverage: &self.parameters.settings.coverage,
            own: true,
            suites: if unit { &self.here } else { &[] },
            elsewhere: if unit { &self.elsewhere } else { &[] },
            leave_out: if unit { leave_out } else { &[] },
            releases: &self.releases,
            served: if unit { &self.served } else { &[] },
            skip: self.parameters.skip.as_deref(),
            shared: None,
        }
    }

    /// What each runner is to do: the one that the settings choose for the suite of the stage, the
    /// default one for everything that is not another's, and one for each suite that names another.
    fn lanes(&self) -> Vec<Lane<'_>> {
        let open = |instance: Option<&_>| runners::open(instance, self.services);
        let instance = self.suite().map(|suite| &suite.runner);
        let all = self.task();
        let default = instance.is_none_or(|instance| runners::is_default(&instance.kind));
        // What is not run is nobody else's affair; what is built all the same is the default one's.
        if all.skip.is_some() {
            let instance = instance.filter(|_| default);
            let mut lanes =
                vec![Lane { runner: open(instance), task: Task { own: default, ..all } }];
            lanes.extend(self.builds());
            return lanes;
        }
        let mut lanes = Vec::new();
        let alone = |table: &'static str| Task {
            table,
            suites: &[],
            elsewhere: &[],
            leave_out: &[],
            releases: &[],
            served: &[],
            ..self.task_of(self.kind)
        };
        if default {
            lanes.push(Lane { runner: open(instance), task: all });
        } else {
            lanes.push(Lane { runner: open(instance), task: alone(self.kind.table()) });
            let builds = !(self.releases.is_empty() && self.served.is_empty());
            if !self.here.is_empty() || builds {
                lanes.push(Lane { runner: open(None), task: Task { own: false, ..all } });
            }
        }
        for suite in &self.elsewhere {
            let seconds = suite.timeout_seconds.map(Duration::from_secs);
            let task = alone("tests.suites");
            if is_default(suite) {
                // It is planned as it would be beside the others.
                let task =
                    Task { name: &suite.name, own: false, suites: slice::from_ref(suite), ..task };
                lanes.push(Lane { runner: open(None), task });
                continue;
            }
            lanes.push(Lane {
                runner: open(suite.instance().as_ref()),
                task: Task {
                    name: &suite.name,
                    timeout: seconds.unwrap_or(task.timeout),
                    reports: &suite.reports,
                    ..task
                },
            });
        }
        lanes.extend(self.builds());
        lanes
    }

    /// What others build.
    fn builds(&self) -> impl Iterator<Item = Lane<'_>> {
        self.releases_elsewhere.iter().map(|release| Lane {
            runner: runners::open(release.runner.as_ref(), self.services),
            task: Task {
                table: "build",
                name: "build",
                timeout: Duration::from_secs(release.seconds),
                reports: &[],
                own: false,
                suites: &[],
                elsewhere: &[],
                leave_out: &[],
                releases: slice::from_ref(release),
                served: &[],
                skip: None,
                ..self.task_of(self.kind)
            },
        })
    }

    /// Plans them. Starts nothing.
    ///
    /// # Errors
    /// Those of the runner.
    pub(crate) async fn begin(&self) -> Result<Stand, AgentError> {
        let kind = self.kind;
        if self.suite().is_none() && kind != Kind::Unit {
            return done(skipped(format!(
                "no {} tests: set command in [{}] of pact.toml",
                kind.name(),
                kind.table()
            )));
        }
        if kind == Kind::EndToEnd && self.parameters.url.is_none() {
            return done(skipped("the environment has no address to run end-to-end tests against"));
        }
        let lanes = self.lanes();
        let [Lane { runner, task }] = &lanes[..] else {
            return match lanes::begin(&lanes).await? {
                Some(stand) => Ok(stand),
                None => {
                    let why = "no tests found by any of the runners".to_owned();
                    done(self.nothing(Execution::NoTests(why)).await)
                }
            };
        };
        let runner = match runner {
            Ok(runner) => runner,
            Err(reason) => {
                let table = kind.table();
                return done(skipped(format!("the tests were not run: [{table}]: {reason}")));
            }
        };
        match runner.plan(task).await? {
            Planned::Work(work) => Ok(Stand::Later(work)),
            Planned::Nothing(why) => done(self.nothing(why).await),
        }
    }

    /// Looks how they stand, and takes their next step.
    ///
    /// # Errors
    /// Those of the runner.
    pub(crate) async fn look(&self, work: &Value) -> Result<Stand, AgentError> {
        let looked = self.step(work).await;
        let over = match &looked {
            Ok(Stand::Done(outcome)) => {
                matches!(outcome.status, StageStatus::Failed | StageStatus::Error)
            }
            Ok(Stand::Later(_)) => false,
            Err(error) => !error.name.retryable(),
        };
        // Nobody will ask for what follows these in their build.
        if over && matches!(self.shared(), Some(Shared::First { .. })) {
            self.stop(work).await?;
        }
        looked
    }

    async fn step(&self, work: &Value) -> Result<Stand, AgentError> {
        let lanes = self.lanes();
        let collector = || Collector::new(&*self.services.artifacts, self.call);
        let [Lane { runner, task }] = &lanes[..] else {
            return match lanes::look(&lanes, work, collector).await? {
                (Looked::Goes(stand), _) => Ok(stand),
                (Looked::Ended(ended), collector) => done(self.conclude(ended, collector).await),
            };
        };
        let runner = runner.as_ref().map_err(|reason| AgentError::invalid(reason.clone()))?;
        let mut collector = collector();
        match runner.look(task, work, &mut collector).await? {
            Progress::Goes(work) => Ok(Stand::Later(work)),
            Progress::Ended(ended) => done(self.conclude(ended, collector).await),
        }
    }

    /// The verdict, in the light of what there was before.
    async fn conclude(
        &self,
        ended: Ended,
        mut collector: Collector<'_>,
    ) -> Result<Outcome, AgentError> {
        collector.keep().await?;
        let artifacts = &*self.services.artifacts;
        let (none, left_out) = (ended.none, ended.skipped.is_some() && !ended.none);
        let mut judged = sum::conclude(ended, &collector);
        let (listed, total) = judged.take_tests();
        if let Some(key) = collector.tests(listed, total).await? {
            judged.tests_are_at(key);
        }
        // Against an environment it is the release that counts, not the branch.
        if self.kind == Kind::EndToEnd || left_out {
            return judged.outcome();
        }
        let history = self.history().await?;
        let gone = history.gone(&judged.suites(), &self.parameters.settings.gone);
        judged.compare(&history, &gone);
        if let Some(said) = self.deleted(none && gone.is_empty()).await? {
            judged.miss(&said);
        }
        let passed = judged.passed();
        let suites = judged.suites();
        let outcome = judged.outcome()?;
        if passed && self.call.run_id.is_some() {
            history.keep(artifacts, &suites).await?;
        }
        Ok(outcome)
    }

    /// What is said of tests that the change deletes, where there are none left and nobody said so
    /// before.
    async fn deleted(&self, none: bool) -> Result<Option<String>, AgentError> {
        if !none || !self.parameters.settings.gone.is_empty() {
            return Ok(None);
        }
        let deleted = history::deleted(&*self.services.artifacts, &self.parameters).await?;
        Ok((!deleted.is_empty()).then(|| history::said(&deleted, None)))
    }

    async fn history(&self) -> Result<History, AgentError> {
        let run = self.call.scope().to_string();
        History::read(&*self.services.artifacts, &self.parameters, self.kind.name(), run).await
    }

    /// There was nothing to run, for this reason.
    async fn nothing(&self, why: Execution) -> Result<Outcome, AgentError> {
        let reason = match why {
            Execution::NoTests(reason) => reason,
            Execution::NotRun(reason) => return skipped(reason),
            Execution::SetupFailed { .. } | Execution::Ran(_) => {
                return Err(AgentError::internal("a plan is no execution"));
            }
        };
        let history = self.history().await?;
        let gone = history.gone(&[], &self.parameters.settings.gone);
        let said = match self.deleted(gone.is_empty()).await? {
            None if !gone.is_empty() => Some(history::said(&gone, Some(history.since()))),
            deleted => deleted,
        };
        let Some(said) = said else {
            return Ok(Outcome { not_applicable: true, ..skipped(reason)? });
        };
        let finding = history::finding(&said);
        Ok(skipped(format!("no tests found, and {said}"))?.with_findings(vec![finding]))
    }

    /// Ends them.
    ///
    /// # Errors
    /// They may go on.
    pub(crate) async fn stop(&self, work: &Value) -> Result<(), AgentError> {
        let lanes = self.lanes();
        let [Lane { runner, .. }] = &lanes[..] else { return lanes::stop(&lanes, work).await };
        let runner = runner.as_ref().map_err(|reason| AgentError::invalid(reason.clone()))?;
        runner.stop(work).await
    }

    /// Runs them to their end, for a caller who waits in person.
    ///
    /// # Errors
    /// Those of the runner, and `ERR_TIMEOUT` when the call's own time is over before.
    pub(crate) async fn run(&self) -> Result<Outcome, AgentError> {
        let mut stand = self.begin().await?;
        loop {
            let work = match stand {
                Stand::Done(outcome) => return Ok(outcome),
                Stand::Later(work) => work,
            };
            if self.call.time_left().is_zero() {
                self.stop(&work).await?;
                return Err(AgentError::new(
                    ErrorName::Timeout,
                    format!("{} has no time left; its build was stopped", self.call.action),
                ));
            }
            stand = self.look(&work).await?;
            if matches!(&stand, Stand::Later(next) if *next == work) {
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Longest time-out of a build command, in seconds.
const LONGEST_BUILD: u64 = 3_600;
/// Most lists of commands, and most commands of one.
const RELEASES: usize = 4;
const COMMANDS: usize = 50;

/// What the targets of these environments want built, each list of commands once.
fn releases(environments: &[Option<Environment>]) -> Vec<Release> {
    let mut found: Vec<Release> = Vec::new();
    for environment in environments.iter().flatten() {
        let of = |key: &str| environment.target.settings.get(key);
        let commands = of("build").and_then(|build| Vec::<Vec<String>>::deserialize(build).ok());
        let commands =
            commands.filter(|commands| !commands.is_empty() && commands.len() <= COMMANDS);
        let Some(commands) = commands else { continue };
        let id = built::commands_id(&commands);
        if found.len() < RELEASES && !found.iter().any(|release| release.id == id) {
            let seconds = of("build_timeout_seconds").and_then(Value::as_u64);
            let seconds = seconds.unwrap_or(BUILD_SECONDS).min(LONGEST_BUILD);
            let runner = of("build_runner").and_then(|one| Instance::deserialize(one).ok());
            let runner = runner.filter(|runner| !runners::is_default(&runner.kind));
            found.push(Release { id, commands, seconds, runner, serves: None });
        }
    }
    found
}

/// The files that services are started from, of environments that say nothing of a build.
fn served(environments: &[Option<Environment>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for environment in environments.iter().flatten() {
        let settings = &environment.target.settings;
        let builds = settings.get("build").and_then(Value::as_array).is_some_and(|b| !b.is_empty());
        let command = settings.get("service").and_then(|service| service.get("command"));
        let command = command.and_then(|words| Vec::<String>::deserialize(words).ok());
        if builds || found.len() > COMMANDS {
            continue;
        }
        found.extend(files_of(&command.unwrap_or_default()).into_iter().map(str::to_owned));
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether the suite is one of the runner that is meant where none is named.
fn is_default(suite: &NamedSuite) -> bool {
    suite.runner.as_deref().is_none_or(runners::is_default)
}

fn done(outcome: Result<Outcome, AgentError>) -> Result<Stand, AgentError> {
    outcome.map(Stand::Done)
}

/// Nothing was run; later states read the output all the same.
fn skipped(reason: impl Into<String>) -> Result<Outcome, AgentError> {
    Outcome::new(StageStatus::Skipped, reason, &RunTestsOutput::default())
}
