//! What a suite says of its workflow.

use std::collections::BTreeMap;

use pact_agent::buildspec::quote;
use pact_config::{
    Rule,
    form::{Form, Shape, field},
};
use pact_contract::shell::word;
use serde::Deserialize;

use crate::runners::runner::{Execution, Part, Task};

/// The word that chooses this kind of runner.
pub(super) const NAME: &str = "github-actions";
/// The workflow where the settings name none.
const WORKFLOW: &str = "pact.yml";

pub(super) fn form() -> Form {
    let workflow = Rule::Pattern {
        pattern: r"^[A-Za-z0-9._-]+\.ya?ml$".to_owned(),
        wanted: "the name of a file in .github/workflows, as in ci.yml".to_owned(),
        max: 100,
    };
    Form {
        about: "A workflow of the repository on GitHub, begun for the run.".to_owned(),
        fields: vec![
            field(
                "workflow",
                "File in .github/workflows; pact.yml without it.",
                Shape::Text(workflow),
            ),
            field(
                "artifacts",
                "Names of the artifacts with reports; all without it.",
                Shape::globs(),
            ),
            field("command", "For the workflow's input `command`, as one line.", Shape::Command),
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

/// How a workflow is begun.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) workflow: Option<String>,
    #[serde(default)]
    pub(super) artifacts: Vec<String>,
    #[serde(default)]
    pub(super) setup: Vec<String>,
    #[serde(default)]
    pub(super) command: Vec<String>,
    #[serde(default)]
    pub(super) directory: Option<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn workflow(&self) -> &str {
        self.workflow.as_deref().unwrap_or(WORKFLOW)
    }

    /// What the workflow is to run, as one line for the shell; none: what it runs is its own affair.
    pub(super) fn line(&self) -> Option<String> {
        if self.command.is_empty() {
            return None;
        }
        let words = |command: &[String]| match command {
            // What was written as one line for the shell stays one.
            [sh, flag, line] if sh == "sh" && flag == "-c" => line.clone(),
            words => words.iter().map(|text| word(text)).collect::<Vec<_>>().join(" "),
        };
        let mut parts = Vec::new();
        if let Some(directory) = self.directory.as_deref().filter(|d| !matches!(*d, "" | ".")) {
            parts.push(format!("cd {}", word(directory)));
        }
        parts
            .extend(self.env.iter().map(|(name, value)| format!("export {name}={}", quote(value))));
        if !self.setup.is_empty() {
            parts.push(words(&self.setup));
        }
        parts.push(words(&self.command));
        Some(parts.join(" && "))
    }
}

/// What of it is the release, where it builds one.
pub(super) fn artifact(settings: &Settings) -> &str {
    settings.artifacts.first().map_or("release", String::as_str)
}

/// A suite of which nothing is known yet.
pub(super) fn part(task: &Task<'_>, execution: Execution) -> Part {
    Part {
        name: task.name.to_owned(),
        execution,
        timeout: task.timeout,
        reports: Vec::new(),
        counts: None,
        notes: Vec::new(),
        unread: Vec::new(),
        tools: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_workflow_is_to_run_is_one_line() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let settings = Settings {
            command: vec!["npm".to_owned(), "run".to_owned(), "it's".to_owned()],
            setup: words("npm ci"),
            directory: Some("web app".to_owned()),
            env: [("A".to_owned(), "b c".to_owned())].into(),
            ..Settings::default()
        };
        assert_eq!(
            settings.line().as_deref(),
            Some(r"cd 'web app' && export A='b c' && npm ci && npm run 'it'\''s'")
        );
        let line = ["sh", "-c", "make test | tee log"].map(str::to_owned);
        let settings = Settings { command: line.into(), ..Settings::default() };
        assert_eq!(settings.line().as_deref(), Some("make test | tee log"));
        assert_eq!(Settings::default().line(), None);
    }
}
