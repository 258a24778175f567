//! What a release can be measured by.

pub(crate) mod probe;

use pact_config::form::Form;

/// The forms of the sources' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    vec![probe::form()]
}
