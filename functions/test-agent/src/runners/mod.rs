//! What can run a suite of tests: one file or folder for each kind of runner, and their registry.

mod process;
#[cfg(test)]
mod recorder;
mod runner;

use pact_config::form::{Form, Seam};
use pact_contract::settings::Instance;

use crate::config::Config;

pub(crate) use runner::{End, Execution, Run, Task};

/// The kinds of runners. The first is meant where the settings name none.
const KINDS: &[runner::Kind] = &[
    process::KIND,
    #[cfg(test)]
    recorder::KIND,
];

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
pub(crate) fn open(settings: Option<&Instance>, config: &Config) -> runner::Opened {
    let kind = match settings {
        None => KINDS.first().ok_or("there is no runner")?,
        Some(settings) => {
            KINDS.iter().find(|kind| kind.name == settings.kind).ok_or_else(|| {
                Seam::Runner.unknown(&settings.kind, KINDS.iter().map(|kind| kind.name))
            })?
        }
    };
    (kind.open)(settings, config)
}
