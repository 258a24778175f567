//! A process of the agent itself, in a clean checkout.

mod command;
mod job;
mod reports;
mod workspace;

use std::{collections::HashSet, path::Path, time::Duration};

use async_trait::async_trait;
use pact_agent::{AgentError, bundle};
use pact_config::{
    Rule,
    form::{Form, Shape, field, required},
};
use pact_contract::settings::Instance;
use tokio::time::Instant;

use self::{
    command::locate,
    job::{Job, Planned, Settings, Step, line, step},
    reports::{Search, Snapshot},
    workspace::Workspace,
};
use super::runner::{End, Execution, Kind, Opened, Run, Runner, Task};
use crate::{
    capture::last_lines,
    collector::{Collector, JUNIT_BYTES, LCOV_BYTES},
    config::Config,
    files,
    locations::Checkout,
};

/// This kind of runner.
pub(crate) const KIND: Kind = Kind { name: "process", form, open };

/// Time kept before the agent's deadline to store what was captured.
const MARGIN: Duration = Duration::from_secs(4);
/// Folders deep that reports are looked for.
const DEPTH: usize = 8;
/// Folders deep that the repository's files are known.
const SOURCE_DEPTH: usize = 32;

fn form() -> Form {
    Form {
        about: "A process of the test agent, in a clean checkout.".to_owned(),
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

fn open(instance: Option<&Instance>, config: &Config) -> Opened {
    let settings = instance.map(Instance::parse::<Settings>).transpose();
    let settings = settings.map_err(|e| format!("the settings of the runner: {e}"))?;
    Ok(Box::new(Process { settings, config: config.clone() }))
}

struct Process {
    /// How the suite is run; none: that has to be found out.
    settings: Option<Settings>,
    config: Config,
}

#[async_trait]
impl Runner for Process {
    async fn run(
        &self,
        task: &Task<'_>,
        collector: &mut Collector<'_>,
    ) -> Result<Execution, AgentError> {
        let cache = self.config.cache().map(Path::to_owned);
        let name = task.repository.clone();
        let workspace = blocking(move || Workspace::prepare(cache.as_deref(), &name)).await??;
        bundle::checkout(task.artifacts, task.source, workspace.source()).await?;
        let mut environment = self.config.environment();
        if let Some(cache) = workspace.cache() {
            environment.insert("PACT_CACHE".to_owned(), cache.display().to_string());
        }
        if let Some(url) = task.url {
            environment.insert("PACT_URL".to_owned(), url.to_owned());
        }
        let planned = match &self.settings {
            Some(settings) => job::configured(settings, task, &workspace, environment),
            None => job::detected(&workspace, environment).await?,
        };
        match planned {
            Planned::Job(job) => carry_out(task, collector, &workspace, &job).await,
            Planned::Nothing(why) => Ok(why),
        }
    }
}

async fn carry_out(
    task: &Task<'_>,
    collector: &mut Collector<'_>,
    workspace: &Workspace,
    job: &Job,
) -> Result<Execution, AgentError> {
    let checkout = checkout(workspace, job).await?;
    let command = checkout.readable(&line(&job.command));
    // The agent's own time may be over before that of the tests is.
    let own = Instant::now() + task.timeout;
    let last = task.deadline.checked_sub(MARGIN).unwrap_or(task.deadline);
    let until = own.min(last);
    let mut log = String::new();

    let path = job.environment.get("PATH").map(String::as_str);
    let program = job.command.first().map_or("", String::as_str);
    if locate(program, &job.directory, path).is_none() {
        return Ok(missing(program));
    }
    if let Some(setup) = &job.setup {
        let (end, captured) = match step(job, setup, until).await? {
            Step::Missing(program) => return Ok(missing(&program)),
            Step::Done { end, captured, .. } => (end, captured),
        };
        let text = checkout.readable(&captured.text);
        let setup = line(setup);
        log.push_str(&format!("$ {setup}\n{text}\n"));
        if end == End::TimedOut && last < own {
            collector.log(log).await?;
            return Ok(Execution::OutOfTime);
        }
        if end != End::Exited(Some(0)) {
            collector.log(log).await?;
            let (tool, output) = (job.tool.clone(), last_lines(&text, 20, 2_000));
            return Ok(Execution::SetupFailed { tool, command, setup, output });
        }
    }

    let (searches, faults) = Searches::new(task, workspace, job);
    let before = searches.look().await?;
    let (end, mut captured, took) = match step(job, &job.command, until).await? {
        Step::Missing(program) => return Ok(missing(&program)),
        Step::Done { end, captured, took } => (end, captured, took),
    };
    captured.text = checkout.readable(&captured.text);
    let ended = match end {
        End::Exited(Some(code)) => format!("exit code {code}"),
        End::Exited(None) => "ended by a signal".to_owned(),
        End::TimedOut => "stopped: out of time".to_owned(),
    };
    log.push_str(&format!("$ {command}\n{}\n[{ended}]\n", captured.text));
    collector.log(log).await?;
    if end == End::TimedOut && last < own {
        return Ok(Execution::OutOfTime);
    }
    let after = searches.look().await?;
    collect(collector, &before, &after).await?;
    faults.into_iter().for_each(|fault| collector.note(fault));
    Ok(Execution::Ran(Run { tool: job.tool.clone(), command, end, took, captured, checkout }))
}

fn missing(program: &str) -> Execution {
    Execution::NotRun(format!("the tests were not run: `{program}` is not installed"))
}

/// What is known of the checkout before anything runs in it.
async fn checkout(workspace: &Workspace, job: &Job) -> Result<Checkout, AgentError> {
    let source = workspace.source().to_owned();
    let directory = job.directory.strip_prefix(&source).unwrap_or(Path::new(""));
    let directory = directory.to_string_lossy().into_owned();
    let (root, scratch) = (source.display().to_string(), workspace.reports().display().to_string());
    let files = blocking(move || {
        let mut files = HashSet::new();
        files::walk(&source, SOURCE_DEPTH, |path, _, _| {
            files.insert(path.to_owned());
        });
        files
    })
    .await?;
    Ok(Checkout { root, directory, scratch: vec![scratch], files })
}

/// Hands over the reports that were written since `before`.
async fn collect(
    collector: &mut Collector<'_>,
    before: &Found,
    after: &Found,
) -> Result<(), AgentError> {
    for file in after.junit.since(&before.junit) {
        if !collector.wants_junit() {
            break;
        }
        let name = file.display().to_string();
        collector.junit(&name, blocking(move || files::read(&file, JUNIT_BYTES)).await?);
    }
    for file in after.coverage.since(&before.coverage) {
        if !collector.wants_coverage() {
            break;
        }
        let name = file.display().to_string();
        match blocking(move || files::read(&file, LCOV_BYTES)).await? {
            Ok(content) => collector.coverage(content).await?,
            Err(reason) => tracing::warn!(report = name, reason, "coverage report left out"),
        }
    }
    Ok(())
}

/// Where reports are looked for.
struct Searches {
    junit: Vec<Search>,
    coverage: Vec<Search>,
}

/// The reports that are there.
struct Found {
    junit: Snapshot,
    coverage: Snapshot,
}

impl Searches {
    fn new(task: &Task<'_>, workspace: &Workspace, job: &Job) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let mut search = |root: &Path, patterns: &[String], depth: usize| {
            let (search, mut wrong) = Search::new(root, patterns, depth);
            faults.append(&mut wrong);
            search
        };
        let usual =
            |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let or_usual = |configured: &[String], patterns: &[&str]| {
            if configured.is_empty() { usual(patterns) } else { configured.to_vec() }
        };
        let source = workspace.source();
        let mut junit = vec![
            search(workspace.reports(), &usual(&["*.xml"]), 0),
            search(source, &or_usual(task.reports, reports::JUNIT), DEPTH),
        ];
        let mut coverage = vec![search(source, &or_usual(task.coverage, reports::LCOV), DEPTH)];
        if job.directory != source {
            // A pattern may also be meant from where the command runs.
            junit.push(search(&job.directory, task.reports, DEPTH));
            coverage.push(search(&job.directory, task.coverage, DEPTH));
        }
        if let Some(target) = job::cargo_target(workspace) {
            junit.push(search(&target.join("nextest"), &usual(&["**/junit.xml"]), 3));
            coverage.push(search(&target, &usual(&["lcov.info", "*/lcov.info"]), 1));
        }
        (Self { junit, coverage }, faults)
    }

    async fn look(&self) -> Result<Found, AgentError> {
        let (junit, coverage) = (self.junit.clone(), self.coverage.clone());
        blocking(move || Found {
            junit: Snapshot::take(&junit),
            coverage: Snapshot::take(&coverage),
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal("a piece of work stopped").caused_by(e))
}
