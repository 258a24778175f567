//! What is run, and how one command of it is.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use pact_agent::AgentError;
use serde::Deserialize;
use tokio::time::Instant;

use super::{
    command::{self, Spec},
    workspace::Workspace,
};
use crate::{
    capture::{Capture, Captured},
    detect,
    runners::runner::{End, Execution, Task},
};

/// How a suite is run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Settings {
    /// Program and arguments; not a shell line.
    command: Vec<String>,
    /// Directory to run in, relative to the root of the repository.
    #[serde(default)]
    directory: Option<String>,
    /// Further environment variables.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// A command that is ready to be run.
pub(crate) struct Job {
    /// `configured`, or the name of the detected tool.
    pub(crate) tool: String,
    /// What has to be done before.
    pub(crate) setup: Option<Vec<String>>,
    pub(crate) command: Vec<String>,
    pub(crate) directory: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
}

/// Either a job, or what the suite comes to without one.
pub(crate) enum Planned {
    Job(Job),
    Nothing(Execution),
}

/// The job that the settings describe.
pub(crate) fn configured(
    settings: &Settings,
    task: &Task<'_>,
    workspace: &Workspace,
    mut environment: BTreeMap<String, String>,
) -> Planned {
    let directory = settings.directory.as_deref().unwrap_or(".");
    let inside = Path::new(directory)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let found = workspace.source().join(directory).canonicalize().ok();
    let Some(directory) =
        found.filter(|d| inside && d.is_dir() && d.starts_with(workspace.source()))
    else {
        return Planned::Nothing(Execution::NotRun(format!(
            "the directory {directory:?} of [{}] is not in the repository",
            task.table
        )));
    };
    share_cargo_target(&settings.command, workspace, &mut environment);
    environment.extend(settings.env.clone());
    Planned::Job(Job {
        tool: "configured".to_owned(),
        setup: None,
        command: settings.command.clone(),
        directory,
        environment,
    })
}

/// The job that the repository itself suggests.
///
/// # Errors
/// What was found cannot be tried.
pub(crate) async fn detected(
    workspace: &Workspace,
    mut environment: BTreeMap<String, String>,
) -> Result<Planned, AgentError> {
    let (source, reports) = (workspace.source().to_owned(), workspace.reports().to_owned());
    let found = tokio::task::spawn_blocking(move || {
        detect::detect(&source, &reports).ok_or_else(|| detect::unknown_tool(&source))
    })
    .await
    .map_err(|e| AgentError::internal("looking for tests stopped").caused_by(e))?;
    let mut detected = match found {
        Ok(detected) => detected,
        Err(Some(file)) => {
            return Ok(Planned::Nothing(Execution::NotRun(format!(
                "the tests were not run: how is not known for {file}; set command in [tests.unit] \
                 of pact.toml"
            ))));
        }
        Err(None) => {
            return Ok(Planned::Nothing(Execution::NoTests(
                "no tests found: no Cargo.toml, package.json with a test script, Python tests, \
                 go.mod with tests, pom.xml, Gradle build with tests or Makefile with a test \
                 target at the root; set command in [tests.unit] of pact.toml"
                    .to_owned(),
            )));
        }
    };
    environment.append(&mut detected.environment);
    if detected.runner == "pytest" && !has_pytest(workspace, &environment).await? {
        let Some(command) = detected.without_pytest.take() else {
            return Ok(Planned::Nothing(Execution::NotRun(
                "the tests need pytest, which python3 cannot import here: install it, or set \
                 command in [tests.unit] of pact.toml"
                    .to_owned(),
            )));
        };
        detected.runner = "unittest";
        detected.command = command;
    }
    share_cargo_target(&detected.command, workspace, &mut environment);
    Ok(Planned::Job(Job {
        tool: detected.runner.to_owned(),
        setup: detected.preparation,
        command: detected.command,
        directory: workspace.source().to_owned(),
        environment,
    }))
}

/// Cargo finds its cache by a variable of its own.
fn share_cargo_target(
    command: &[String],
    workspace: &Workspace,
    environment: &mut BTreeMap<String, String>,
) {
    let is_cargo = command.first().is_some_and(|p| p.rsplit('/').next() == Some("cargo"));
    if is_cargo && let Some(target) = cargo_target(workspace) {
        environment.insert("CARGO_TARGET_DIR".to_owned(), target.display().to_string());
    }
}

/// Where cargo builds, when there is a cache.
pub(crate) fn cargo_target(workspace: &Workspace) -> Option<PathBuf> {
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
    match command::run(&spec, &mut Capture::default()).await {
        Ok(end) => Ok(end == End::Exited(Some(0))),
        // The command itself will say that python3 is missing.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
        Err(error) => Err(AgentError::tool("cannot run python3").caused_by(error)),
    }
}

/// How a command of a job ended.
pub(crate) enum Step {
    Done {
        end: End,
        captured: Captured,
        took: Duration,
    },
    /// This program is not there.
    Missing(String),
}

/// Runs one command of a job.
///
/// # Errors
/// It cannot be started, for another reason than that it is not there.
pub(crate) async fn step(
    job: &Job,
    command: &[String],
    until: Instant,
) -> Result<Step, AgentError> {
    let mut capture = Capture::default();
    let begun = Instant::now();
    let spec = Spec { command, directory: &job.directory, environment: &job.environment, until };
    match command::run(&spec, &mut capture).await {
        Ok(end) => Ok(Step::Done { end, captured: capture.finish(), took: begun.elapsed() }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(Step::Missing(command.first().cloned().unwrap_or_default()))
        }
        Err(error) => {
            Err(AgentError::tool(format!("cannot run `{}`", line(command))).caused_by(error))
        }
    }
}

/// The command as a person would write it.
pub(crate) fn line(command: &[String]) -> String {
    let quoted = |word: &String| {
        if word.is_empty() || word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word.clone()
        }
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_shown_as_written() {
        let words = ["sh", "-c", "exit 1"].map(str::to_owned);
        assert_eq!(line(&words), "sh -c 'exit 1'");
    }
}
