//! What can be deployed to: one file or folder for each kind, and the registry of the kinds.

mod access;
mod builder;
pub(crate) mod command;
pub(crate) mod directory;
pub(crate) mod lambda;
#[cfg(test)]
mod marker;
mod notes;
mod settings;
mod target;

use pact_config::form::{Form, Seam};
use pact_contract::settings::Instance;

pub use access::Aws;
pub use builder::Builder;
pub use directory::services;
pub(crate) use target::{
    Activated, Activation, Claimed, NewRelease, Prepared, Shifted, Surroundings, TakenBack, Target,
};

/// The kinds of targets.
const KINDS: &[target::Kind] = &[
    directory::KIND,
    lambda::KIND,
    command::KIND,
    #[cfg(test)]
    marker::KIND,
];

/// The forms of the targets' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    KINDS.iter().map(|kind| Form { kind: kind.name.to_owned(), ..(kind.form)() }).collect()
}

/// Whether a target's first release goes back to what was there before it.
pub(crate) fn restores(kind: &str) -> bool {
    KINDS.iter().find(|one| one.name == kind).is_some_and(|kind| (kind.form)().restores)
}

/// The target that the settings of an environment choose.
///
/// # Errors
/// Why the settings are refused.
pub(crate) fn open(settings: &Instance, surroundings: &Surroundings) -> target::Opened {
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == settings.kind)
        .ok_or_else(|| Seam::Target.unknown(&settings.kind, KINDS.iter().map(|kind| kind.name)))?;
    (kind.open)(settings, surroundings)
}
