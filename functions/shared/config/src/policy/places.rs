//! Where a setting stands in its file.

use toml::de::{DeTable, DeValue};

use crate::errors::place;

/// Line and column of a setting, named as in `gate.min_coverage`; of the nearest table above it
/// where it is not there; none where that is not either, or the text is no TOML.
#[must_use]
pub fn place_of(text: &str, key: &str) -> Option<(u32, u32)> {
    let tree = DeTable::parse(text).ok()?;
    let mut table: &DeTable<'_> = tree.get_ref();
    let mut found = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == part) else {
            break;
        };
        found = Some(name.span().start);
        match value.get_ref() {
            DeValue::Table(below) => table = below,
            _ => break,
        }
    }
    place(text, found?)
}
