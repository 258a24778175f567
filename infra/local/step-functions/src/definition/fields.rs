//! Fields that several types of state have.

use serde_json::Value;

use super::diagnostic::SCHEMA;
use super::reader::{Faults, Reader};
use super::template::{Template, expression_text};

/// The longest time, in seconds, and the highest count of tries.
pub(super) const LONGEST_WAIT: u64 = 99_999_999;

pub(super) fn read_assign(reader: &Reader<'_>, faults: &mut Faults) -> Vec<(String, Template)> {
    let Some(object) = reader.map("Assign", faults) else {
        return Vec::new();
    };
    let at = reader.path("Assign");
    object
        .iter()
        .map(|(name, value)| {
            let at = format!("{at}/{name}");
            let mut characters = name.chars();
            let well_formed = characters.next().is_some_and(char::is_alphabetic)
                && characters.all(|c| c.is_alphanumeric() || c == '_')
                && name.chars().count() <= 80
                && name != "states";
            if !well_formed && (reader.jsonata || !name.ends_with(".$")) {
                let message = format!("'{name}' is not a valid variable name");
                faults.add(SCHEMA, message, &at);
            }
            let inner = Reader { object, at: &at, jsonata: reader.jsonata, whole: reader.whole };
            (name.clone(), inner.template_of(value, &at, faults))
        })
        .collect()
}

/// A field that is a whole number of at least `least`, or an expression.
pub(super) fn number(
    reader: &Reader<'_>,
    name: &str,
    least: u64,
    faults: &mut Faults,
) -> Option<Template> {
    match reader.field(name)? {
        Value::String(text) if reader.jsonata && expression_text(text).is_some() => {
            reader.template(name, faults)
        }
        _ => reader
            .integer(name, least..=LONGEST_WAIT, faults)
            .map(|number| Template::Literal(Value::from(number))),
    }
}

/// `ToleratedFailurePercentage`.
pub(super) fn percentage(reader: &Reader<'_>, faults: &mut Faults) -> Option<Template> {
    const NAME: &str = "ToleratedFailurePercentage";
    match reader.field(NAME)? {
        Value::String(text) if reader.jsonata && expression_text(text).is_some() => {
            reader.template(NAME, faults)
        }
        _ => reader
            .number(NAME, 0.0..=100.0, faults)
            .map(|number| Template::Literal(Value::from(number))),
    }
}
