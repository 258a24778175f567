//! What can be deployed to.

pub(crate) mod directory;

use pact_config::form::Form;

/// The forms of the targets' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    vec![directory::form()]
}
