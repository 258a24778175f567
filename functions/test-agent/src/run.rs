//! `tests.run_unit`, `tests.run_integration`, `tests.run_e2e`.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use pact_agent::{AgentError, Call, Outcome, bundle, ports::Artifacts};
use pact_config::form::Seam;
use pact_contract::{
    ErrorName, Finding, Severity,
    actions::{RunTests, RunTestsOutput},
    settings::{DEFAULT_TEST_TIMEOUT, Suite},
};
use tokio::time::Instant;

use crate::{
    capture::{Capture, Captured, last_lines},
    config::Config,
    detect, junit,
    places::Root,
    process::{self, End, Spec},
    reports::{self, Place, Snapshot},
    runners,
    verdict::{self, Evidence},
    workspace::Workspace,
};

/// Time kept before the agent's deadline to store what was captured.
const MARGIN: Duration = Duration::from_secs(4);
/// Most JUnit reports that are read, and most bytes of one.
const JUNIT_FILES: usize = 2_000;
const JUNIT_BYTES: u64 = 16 * 1024 * 1024;
/// Most LCOV reports that are kept, and most bytes of one.
const LCOV_FILES: usize = 16;
pub(crate) const LCOV_BYTES: u64 = 32 * 1024 * 1024;
/// Folders deep that reports are looked for.
const DEPTH: usize = 8;

/// Which tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Unit,
    Integration,
    EndToEnd,
}

impl Kind {
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

/// A command that is ready to be run.
struct Job {
    runner: String,
    preparation: Option<Vec<String>>,
    command: Vec<String>,
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    timeout: Duration,
    reports: Vec<String>,
}

/// Either a job, or the reason why there is none.
type JobOrReason = Result<Job, Reason>;

/// Why nothing is run.
enum Reason {
    /// The repository has no tests.
    NoTests(&'static str),
    /// It has, but they cannot be run here.
    NotRun(String),
}

pub(crate) async fn run(
    artifacts: &dyn Artifacts,
    config: &Config,
    call: &Call,
    kind: Kind,
) -> Result<Outcome, AgentError> {
    let parameters: RunTests = call.parameters()?;
    let settings = &parameters.settings;
    let configured = match kind {
        Kind::Unit => &settings.unit,
        Kind::Integration => &settings.integration,
        Kind::EndToEnd => &settings.e2e,
    };
    if configured.is_none() && kind != Kind::Unit {
        return skipped(format!(
            "no {} tests: set command in [{}] of pact.toml",
            kind.name(),
            kind.table()
        ));
    }
    if kind == Kind::EndToEnd && parameters.url.is_none() {
        return skipped("the environment has no address to run end-to-end tests against");
    }

    let cache = config.cache().map(Path::to_owned);
    let name = parameters.repository.name.clone();
    let workspace = blocking(move || Workspace::prepare(cache.as_deref(), &name)).await??;
    bundle::checkout(artifacts, &parameters.source, workspace.source()).await?;

    let mut environment = config.environment();
    if let Some(cache) = workspace.cache() {
        environment.insert("PACT_CACHE".to_owned(), cache.display().to_string());
    }
    if kind == Kind::EndToEnd
        && let Some(url) = &parameters.url
    {
        environment.insert("PACT_URL".to_owned(), url.clone());
    }
    let job = match configured {
        Some(suite) => configured_job(suite, &workspace, environment, kind),
        None => detected_job(&workspace, environment).await?,
    };
    let job = match job {
        Ok(job) => job,
        Err(Reason::NotRun(reason)) => return skipped(reason),
        Err(Reason::NoTests(reason)) => {
            return Ok(Outcome { not_applicable: true, ..skipped(reason)? });
        }
    };
    carry_out(artifacts, call, &workspace, job, &settings.coverage).await
}

/// Nothing was run; later states read the output all the same.
fn skipped(reason: impl Into<String>) -> Result<Outcome, AgentError> {
    Outcome::new(pact_contract::StageStatus::Skipped, reason, &RunTestsOutput::default())
}

fn configured_job(
    suite: &Suite,
    workspace: &Workspace,
    mut environment: BTreeMap<String, String>,
    kind: Kind,
) -> JobOrReason {
    let table = kind.table();
    if suite.runner.kind != runners::process::KIND {
        let known = [runners::process::KIND];
        return Err(Reason::NotRun(format!(
            "[{table}]: {}",
            Seam::Runner.unknown(&suite.runner.kind, known)
        )));
    }
    let settings: runners::process::Settings =
        suite.runner.parse().map_err(|e| Reason::NotRun(format!("[{table}]: {e}")))?;
    let directory = settings.directory.as_deref().unwrap_or(".");
    let inside = Path::new(directory)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let directory = workspace
        .source()
        .join(directory)
        .canonicalize()
        .ok()
        .filter(|d| inside && d.is_dir() && d.starts_with(workspace.source()))
        .ok_or_else(|| {
            Reason::NotRun(format!(
                "the directory {directory:?} of [{table}] is not in the repository"
            ))
        })?;
    cargo_target(&settings.command, workspace, &mut environment);
    environment.extend(settings.env);
    Ok(Job {
        runner: "configured".to_owned(),
        preparation: None,
        command: settings.command,
        directory,
        environment,
        timeout: Duration::from_secs(suite.timeout_seconds),
        reports: suite.reports.clone(),
    })
}

async fn detected_job(
    workspace: &Workspace,
    mut environment: BTreeMap<String, String>,
) -> Result<JobOrReason, AgentError> {
    let (source, reports) = (workspace.source().to_owned(), workspace.reports().to_owned());
    let found = blocking(move || {
        detect::detect(&source, &reports).ok_or_else(|| detect::unknown_tool(&source))
    });
    let mut detected = match found.await? {
        Ok(detected) => detected,
        Err(Some(file)) => {
            return Ok(Err(Reason::NotRun(format!(
                "the tests were not run: how is not known for {file}; set command in [tests.unit] \
                 of pact.toml"
            ))));
        }
        Err(None) => {
            return Ok(Err(Reason::NoTests(
                "no tests found: no Cargo.toml, package.json with a test script, Python tests, \
                 go.mod with tests, pom.xml, Gradle build with tests or Makefile with a test \
                 target at the root; set command in [tests.unit] of pact.toml",
            )));
        }
    };
    environment.append(&mut detected.environment);
    if detected.runner == "pytest" && !has_pytest(workspace, &environment).await? {
        let Some(command) = detected.without_pytest.take() else {
            return Ok(Err(Reason::NotRun(
                "the tests need pytest, which python3 cannot import here: install it, or set \
                 command in [tests.unit] of pact.toml"
                    .to_owned(),
            )));
        };
        detected.runner = "unittest";
        detected.command = command;
    }
    cargo_target(&detected.command, workspace, &mut environment);
    Ok(Ok(Job {
        runner: detected.runner.to_owned(),
        preparation: detected.preparation,
        command: detected.command,
        directory: workspace.source().to_owned(),
        environment,
        timeout: Duration::from_secs(DEFAULT_TEST_TIMEOUT),
        reports: Vec::new(),
    }))
}

/// Cargo finds its cache by a variable of its own.
fn cargo_target(
    command: &[String],
    workspace: &Workspace,
    environment: &mut BTreeMap<String, String>,
) {
    let is_cargo = command.first().is_some_and(|p| p.rsplit('/').next() == Some("cargo"));
    if is_cargo && let Some(target) = target(workspace) {
        environment.insert("CARGO_TARGET_DIR".to_owned(), target.display().to_string());
    }
}

fn target(workspace: &Workspace) -> Option<PathBuf> {
    workspace.cache().map(|cache| cache.join("cargo"))
}

async fn has_pytest(
    workspace: &Workspace,
    environment: &BTreeMap<String, String>,
) -> Result<bool, AgentError> {
    let command = ["python3", "-c", "import pytest"].map(str::to_owned);
    let spec = Spec {
        command: &command,
        directory: workspace.reports(),
        environment,
        until: Instant::now() + Duration::from_secs(30),
    };
    match process::run(&spec, &mut Capture::default()).await {
        Ok(end) => Ok(end == End::Exited(Some(0))),
        // The command itself will say that python3 is missing.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(AgentError::tool("cannot run python3").caused_by(error)),
    }
}

/// A step of a job: how it ended, or that its program is not there.
enum Step {
    Done(End, Captured, Duration),
    Missing,
}

async fn step(job: &Job, command: &[String], until: Instant) -> Result<Step, AgentError> {
    let mut capture = Capture::default();
    let begun = Instant::now();
    let spec = Spec { command, directory: &job.directory, environment: &job.environment, until };
    match process::run(&spec, &mut capture).await {
        Ok(end) => Ok(Step::Done(end, capture.finish(), begun.elapsed())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Step::Missing),
        Err(error) => {
            Err(AgentError::tool(format!("cannot run `{}`", line(command))).caused_by(error))
        }
    }
}

async fn carry_out(
    artifacts: &dyn Artifacts,
    call: &Call,
    workspace: &Workspace,
    job: Job,
    coverage: &[String],
) -> Result<Outcome, AgentError> {
    let shown = |text: &str| readable(text, workspace);
    let command = shown(&line(&job.command));
    let begun = Instant::now();
    let own = begun + job.timeout;
    let last = call.deadline.checked_sub(MARGIN).unwrap_or(call.deadline);
    let until = own.min(last);
    let mut log = String::new();

    let program = |command: &[String]| {
        let path = job.environment.get("PATH").map(String::as_str);
        let program = command.first().map_or("", String::as_str);
        process::locate(program, &job.directory, path).map(|_| ()).ok_or_else(|| missing(program))
    };
    if let Err(reason) = program(&job.command) {
        return skipped(reason);
    }
    if let Some(preparation) = &job.preparation {
        match step(&job, preparation, until).await? {
            Step::Missing => {
                return skipped(missing(preparation.first().map_or("", String::as_str)));
            }
            Step::Done(End::Exited(Some(0)), captured, _) => {
                log.push_str(&format!("$ {}\n{}\n", line(preparation), shown(&captured.text)));
            }
            Step::Done(End::TimedOut, captured, _) if last < own => {
                log.push_str(&shown(&captured.text));
                let key = put_log(artifacts, call, log).await?;
                return Err(out_of_time(call, &job, &key));
            }
            Step::Done(_, captured, _) => {
                let text = shown(&captured.text);
                let finding = Finding::new(
                    "test-setup-failed",
                    Severity::Medium,
                    format!("`{}` did not succeed", line(preparation)),
                )
                .remedy("make the command succeed, or set command in [tests.unit] of pact.toml")
                .evidence(last_lines(&text, 20, 2_000));
                log.push_str(&format!("$ {}\n{text}\n", line(preparation)));
                let output = RunTestsOutput {
                    runner: job.runner.clone(),
                    command,
                    evidence: "exit_code".to_owned(),
                    log_key: Some(put_log(artifacts, call, log).await?),
                    ..RunTestsOutput::default()
                };
                let summary =
                    format!("the tests were not run: `{}` did not succeed", line(preparation));
                return Ok(Outcome::new(pact_contract::StageStatus::Skipped, summary, &output)?
                    .with_findings(vec![finding]));
            }
        }
    }

    let (places, faults) = Places::new(workspace, &job, coverage);
    let before = places.look().await?;
    let (end, mut captured, took) = match step(&job, &job.command, until).await? {
        Step::Done(end, captured, took) => (end, captured, took),
        Step::Missing => {
            return skipped(missing(job.command.first().map_or("", String::as_str)));
        }
    };
    captured.text = shown(&captured.text);
    let ended = match end {
        End::Exited(Some(code)) => format!("exit code {code}"),
        End::Exited(None) => "ended by a signal".to_owned(),
        End::TimedOut => "stopped: out of time".to_owned(),
    };
    log.push_str(&format!("$ {command}\n{}\n[{ended}]\n", captured.text));
    let log_key = put_log(artifacts, call, log).await?;
    if end == End::TimedOut && last < own {
        return Err(out_of_time(call, &job, &log_key));
    }

    let after = places.look().await?;
    let root = Root::new(workspace.source(), &job.directory);
    let written = after.0.since(&before.0);
    let (mut junit, mut notes) = blocking(move || read_junit(&written)).await?;
    let told = junit.iter_mut().flat_map(|j| j.failures.iter_mut());
    for failure in told.chain(captured.summary.failures.iter_mut()) {
        failure.detail = shown(&failure.detail);
    }
    if junit.is_none() && !job.reports.is_empty() {
        notes.push(format!("no JUnit report was written that matches {}", job.reports.join(", ")));
    }
    notes.extend(faults);
    let mut judgement = verdict::judge(&Evidence {
        runner: &job.runner,
        command: &command,
        end,
        took,
        timeout: job.timeout,
        captured: &captured,
        junit,
        root: &root,
    });
    for note in notes {
        let note = shown(&note);
        judgement.findings.push(Finding::new("report-unreadable", Severity::Low, note));
    }
    judgement.output.log_key = Some(log_key);
    judgement.output.coverage_keys =
        keep_coverage(artifacts, call, after.1.since(&before.1)).await?;
    Ok(Outcome::new(judgement.status, judgement.summary, &judgement.output)?
        .with_findings(judgement.findings))
}

fn missing(program: &str) -> String {
    format!("the tests were not run: `{program}` is not installed")
}

fn out_of_time(call: &Call, job: &Job, log_key: &str) -> AgentError {
    AgentError::new(
        ErrorName::Timeout,
        format!(
            "{} has no time left; the tests may take {} s. What they wrote is in {log_key}",
            call.action,
            job.timeout.as_secs()
        ),
    )
}

/// Where reports are looked for.
struct Places {
    junit: Vec<Place>,
    lcov: Vec<Place>,
}

impl Places {
    fn new(workspace: &Workspace, job: &Job, coverage: &[String]) -> (Self, Vec<String>) {
        let mut faults = Vec::new();
        let mut place = |root: &Path, patterns: &[String], depth: usize| {
            let (place, mut wrong) = Place::new(root, patterns, depth);
            faults.append(&mut wrong);
            place
        };
        let usual =
            |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        let source = workspace.source();
        let mut junit = vec![place(workspace.reports(), &usual(&["*.xml"]), 0)];
        let mut lcov = Vec::new();
        if job.reports.is_empty() {
            junit.push(place(source, &usual(reports::JUNIT), DEPTH));
        } else {
            junit.push(place(source, &job.reports, DEPTH));
        }
        if coverage.is_empty() {
            lcov.push(place(source, &usual(reports::LCOV), DEPTH));
        } else {
            lcov.push(place(source, coverage, DEPTH));
        }
        if job.directory != source {
            // A pattern may also be meant from where the command runs.
            junit.push(place(&job.directory, &job.reports, DEPTH));
            lcov.push(place(&job.directory, coverage, DEPTH));
        }
        if let Some(target) = target(workspace) {
            junit.push(place(&target.join("nextest"), &usual(&["**/junit.xml"]), 3));
            lcov.push(place(&target, &usual(&["lcov.info", "*/lcov.info"]), 1));
        }
        (Self { junit, lcov }, faults)
    }

    async fn look(&self) -> Result<(Snapshot, Snapshot), AgentError> {
        let (junit, lcov) = (self.junit.clone(), self.lcov.clone());
        blocking(move || (Snapshot::take(&junit), Snapshot::take(&lcov))).await
    }
}

/// Counts over the reports, none when there was no readable one, and what is wrong with the rest.
fn read_junit(files: &[PathBuf]) -> (Option<junit::Counts>, Vec<String>) {
    let mut counts = None;
    let mut notes = Vec::new();
    for file in files.iter().take(JUNIT_FILES) {
        let mut so_far: junit::Counts = counts.clone().unwrap_or_default();
        let added = reports::read(file, JUNIT_BYTES).and_then(|content| so_far.add(&content));
        match added {
            Ok(()) => counts = Some(so_far),
            Err(reason) if notes.len() < 20 => {
                notes.push(format!("cannot read the report {}: {reason}", file.display()));
            }
            Err(_) => {}
        }
    }
    if files.len() > JUNIT_FILES {
        notes.push(format!("{} reports; only {JUNIT_FILES} were read", files.len()));
    }
    (counts, notes)
}

async fn keep_coverage(
    artifacts: &dyn Artifacts,
    call: &Call,
    files: Vec<PathBuf>,
) -> Result<Vec<String>, AgentError> {
    let mut keys = Vec::new();
    for file in files.into_iter().take(LCOV_FILES) {
        let shown = file.display().to_string();
        match blocking(move || reports::read(&file, LCOV_BYTES)).await? {
            Ok(content) if !content.is_empty() => {
                let number = keys.len() + 1;
                let key =
                    format!("runs/{}/coverage/{}-{number}.info", call.scope(), safe(&call.state));
                artifacts.put(&key, content.into()).await?;
                keys.push(key);
            }
            Ok(_) => {}
            Err(reason) => tracing::warn!(report = shown, reason, "coverage report left out"),
        }
    }
    Ok(keys)
}

async fn put_log(
    artifacts: &dyn Artifacts,
    call: &Call,
    log: String,
) -> Result<String, AgentError> {
    let key = format!("runs/{}/logs/{}.txt", call.scope(), safe(&call.state));
    artifacts.put(&key, log.into()).await?;
    Ok(key)
}

/// The command as a person would write it.
fn line(command: &[String]) -> String {
    let quoted = |word: &String| {
        if word.is_empty() || word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word.clone()
        }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// `text` without the folders of this run, which mean nothing to a reader.
fn readable(text: &str, workspace: &Workspace) -> String {
    let text = text.replace(&format!("{}/", workspace.source().display()), "");
    let text = text.replace(&workspace.source().display().to_string(), ".");
    text.replace(&format!("{}/", workspace.reports().display()), "")
}

/// A name that is one level of a key.
fn safe(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().take(100).map(|c| if allowed(c) { c } else { '-' }).collect();
    if name.trim_matches('.').is_empty() { "unnamed".to_owned() } else { name }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal("a piece of work stopped").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_levels_of_their_own() {
        assert_eq!(safe("RunUnitTests"), "RunUnitTests");
        assert_eq!(safe("../x"), "..-x");
        assert_eq!(safe(".."), "unnamed");
    }

    #[test]
    fn commands_are_shown_as_written() {
        let words = ["sh", "-c", "exit 1"].map(str::to_owned);
        assert_eq!(line(&words), "sh -c 'exit 1'");
    }
}
