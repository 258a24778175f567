//! What can run a suite of tests.

pub(crate) mod process;

use pact_config::form::Form;

/// The forms of the runners' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    vec![process::form()]
}
