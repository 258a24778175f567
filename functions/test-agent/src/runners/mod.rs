//! What can run a suite of tests: one file or folder for each kind of runner, and their registry.

pub(crate) mod codebuild;
mod github_actions;
#[cfg(test)]
mod recorder;
mod release;
mod reports;
mod runner;

use pact_config::form::{Form, Seam};
use pact_contract::settings::Instance;

use crate::services::Services;

pub(crate) use release::BUILD_SECONDS;
#[cfg(test)]
pub(crate) use runner::Run;
pub(crate) use runner::{
    Built, End, Ended, Execution, Part, Planned, Progress, Release, Runner, Shared, Task,
};

/// The kinds of runners. The first is meant where the settings name none.
const KINDS: &[runner::Kind] = &[
    codebuild::KIND,
    github_actions::KIND,
    #[cfg(test)]
    recorder::KIND,
];

/// The kind that is meant where the settings name none: it runs several suites at once, and what is
/// built beside them.
pub(crate) fn is_default(kind: &str) -> bool {
    KINDS.first().is_some_and(|first| first.name == kind)
}

/// The forms of the runners' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    let form = |(index, kind): (usize, &runner::Kind)| Form {
        kind: kind.name.to_owned(),
        default: index == 0,
        ..(kind.form)()
    };
    KINDS.iter().enumerate().map(form).collect()
}

/// The runner that the settings choose.
///
/// # Errors
/// Why they are refused.
pub(crate) fn open(settings: Option<&Instance>, services: &Services) -> runner::Opened {
    let kind = match settings {
        None => KINDS.first().ok_or("there is no runner")?,
        Some(settings) => {
            KINDS.iter().find(|kind| kind.name == settings.kind).ok_or_else(|| {
                Seam::Runner.unknown(&settings.kind, KINDS.iter().map(|kind| kind.name))
            })?
        }
    };
    (kind.open)(settings, services)
}
