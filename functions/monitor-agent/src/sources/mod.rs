//! What a release can be measured by: one file for each kind of source, and their registry.

mod asked;
mod cloudwatch;
#[cfg(test)]
mod counter;
mod histogram;
mod json;
mod probe;
mod prometheus;
mod samples;
mod source;
mod traffic;

use pact_config::form::{Form, Seam};
use pact_contract::settings::Instance;

pub(crate) use source::{Measured, Surroundings, Watcher, Watching, Window};

/// What the agent's own requests are called.
pub(crate) const PROBE: &str = probe::KIND.name;

/// The kinds of sources. The first is meant where the settings name none.
const KINDS: &[source::Kind] = &[
    probe::KIND,
    prometheus::KIND,
    cloudwatch::KIND,
    json::KIND,
    #[cfg(test)]
    counter::KIND,
];

/// The forms of the sources' settings.
#[must_use]
pub fn forms() -> Vec<Form> {
    let form = |(index, kind): (usize, &source::Kind)| Form {
        kind: kind.name.to_owned(),
        default: index == 0,
        ..(kind.form)()
    };
    KINDS.iter().enumerate().map(form).collect()
}

/// The source that the settings choose.
///
/// # Errors
/// Why they are refused.
pub(crate) fn open(settings: Option<&Instance>, surroundings: &Surroundings) -> source::Opened {
    let Some(settings) = settings else {
        let kind = KINDS.first().ok_or("there is no source")?;
        return (kind.open)(&Instance::new(kind.name), surroundings);
    };
    let kind = KINDS
        .iter()
        .find(|kind| kind.name == settings.kind)
        .ok_or_else(|| Seam::Source.unknown(&settings.kind, KINDS.iter().map(|kind| kind.name)))?;
    (kind.open)(settings, surroundings)
}
