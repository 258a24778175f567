//! Where a setting stands in its file.

use toml::de::{DeTable, DeValue};

use crate::errors::place;

/// Line and column of a setting, named as in `gate.min_coverage`, an entry of a list by its number
/// from 0 as in `conditions.0.when`; of the nearest table above it
/// where it is not there; none where that is not either, or the text is no TOML.
#[must_use]
pub fn place_of(text: &str, key: &str) -> Option<(u32, u32)> {
    let tree = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut below: Option<&DeValue<'_>> = None;
    for part in key.split('.') {
        let table = match below {
            None => Some(tree.get_ref()),
            Some(value) => value.as_table(),
        };
        below = if let Some(table) = table {
            let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else {
                break;
            };
            found = Some(name.span().start);
            Some(value.get_ref())
        } else {
            let list = below.and_then(DeValue::as_array);
            let Some(entry) = part.parse().ok().and_then(|index: usize| list?.get(index)) else {
                break;
            };
            found = Some(entry.span().start);
            Some(entry.get_ref())
        };
    }
    place(text, found?)
}
