//! What a build is to run: as it is configured, or as the repository itself suggests.

use std::{
    collections::BTreeMap,
    path::{Component, Path},
};

use pact_agent::{AgentError, bundle};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    detect,
    runners::runner::{Execution, Task},
};

/// Where pytest is asked to write its report, from the root of the checkout.
pub(super) const REPORTS: &str = "../pact/reports";

/// Folders that are named in a sentence.
const NAMED: usize = 5;

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

/// What is run, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `configured`, or the name of the detected tool.
    pub(crate) tool: String,
    /// What has to be done before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) setup: Option<Vec<String>>,
    pub(crate) command: Vec<String>,
    /// What can be run where pytest is not installed; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) without_pytest: Option<Vec<String>>,
    /// Where, relative to the root of the repository.
    pub(crate) directory: String,
    pub(crate) environment: BTreeMap<String, String>,
    /// SHA-256 of the bundle, in hexadecimal.
    pub(crate) digest: String,
}

impl Plan {
    /// Whether pytest has to be looked for.
    pub(crate) fn needs_pytest(&self) -> bool {
        self.tool == "pytest"
    }

    /// Whether cargo is what is run.
    pub(crate) fn is_cargo(&self) -> bool {
        self.command.first().is_some_and(|p| p.rsplit('/').next() == Some("cargo"))
    }
}

/// What planning finds.
pub(crate) enum Found {
    /// There is this to do.
    Plan(Box<Plan>),
    /// There is nothing to do, and this is why.
    Nothing(Execution),
}

/// Finds out what is to be run.
///
/// # Errors
/// The bundle cannot be had, or not be unpacked.
pub(crate) async fn plan(
    settings: Option<&Settings>,
    task: &Task<'_>,
) -> Result<Found, AgentError> {
    let bytes = bundle::fetch(task.artifacts, task.source).await?;
    let (settings, table) = (settings.cloned(), task.table);
    let work = move || {
        let digest = hex::encode(Sha256::digest(&bytes));
        let folder = tempfile::Builder::new().prefix("pact-plan-").tempdir();
        let folder = folder
            .map_err(|e| AgentError::internal("cannot make a folder for the plan").caused_by(e))?;
        bundle::unpack(&bytes, folder.path())?;
        Ok(match settings {
            Some(settings) => configured(&settings, table, folder.path(), digest),
            None => detected(folder.path(), digest),
        })
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| AgentError::internal("planning stopped").caused_by(e))?
}

fn configured(settings: &Settings, table: &str, root: &Path, digest: String) -> Found {
    let directory = settings.directory.as_deref().unwrap_or(".");
    let inside = Path::new(directory)
        .components()
        .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    let whole = root.canonicalize().ok();
    let found = root.join(directory).canonicalize().ok();
    let there = found.zip(whole).is_some_and(|(d, root)| d.is_dir() && d.starts_with(root));
    if !inside || !there {
        return Found::Nothing(Execution::NotRun(format!(
            "the directory {directory:?} of [{table}] is not in the repository"
        )));
    }
    Found::Plan(Box::new(Plan {
        tool: "configured".to_owned(),
        setup: None,
        command: settings.command.clone(),
        without_pytest: None,
        directory: directory.to_owned(),
        environment: settings.env.clone(),
        digest,
    }))
}

fn detected(root: &Path, digest: String) -> Found {
    let Some(detected) = detect::detect(root, Path::new(REPORTS)) else {
        return Found::Nothing(match detect::unknown_tool(root) {
            Some(file) => Execution::NotRun(format!(
                "the tests were not run: how is not known for {file}; set command in [tests.unit] \
                 of pact.toml"
            )),
            None if let below = detect::below(root, NAMED + 1)
                && !below.is_empty() =>
            {
                let more = if below.len() > NAMED { " and more" } else { "" };
                let named: Vec<_> = below.iter().take(NAMED).map(String::as_str).collect();
                Execution::NotRun(format!(
                    "the tests were not run: they are below the root, in {}{more}; set command in \
                     [tests.unit] of pact.toml",
                    named.join(", ")
                ))
            }
            None => Execution::NoTests(
                "no tests found: no Cargo.toml, package.json with a test script, Python tests, \
                 go.mod with tests, pom.xml, Gradle build with tests or Makefile with a test \
                 target at the root; set command in [tests.unit] of pact.toml"
                    .to_owned(),
            ),
        });
    };
    Found::Plan(Box::new(Plan {
        tool: detected.runner.to_owned(),
        setup: detected.preparation,
        command: detected.command,
        without_pytest: detected.without_pytest,
        directory: ".".to_owned(),
        environment: detected.environment,
        digest,
    }))
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
