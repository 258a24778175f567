//! Where a setting stands in its file.

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

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
            // A wave stands in the environment whose name its own begins with.
            let whole = |(name, value): &(&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                let rest = part.strip_prefix(name.get_ref().as_ref());
                let waves = value.get_ref().get("waves").is_some();
                waves && rest.is_some_and(|rest| rest.starts_with('-'))
            };
            let named = table.iter().find(|(name, _)| name.get_ref() == part);
            let Some((name, value)) = named.or_else(|| table.iter().find(whole)) else {
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
