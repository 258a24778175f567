//! What a lock file gives, and what its readers share.

use std::collections::HashMap;

use crate::deps::Package;

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Packages out of the public registry, with the line where one is known.
    pub(crate) packages: Vec<(Package, Option<u32>)>,
    /// What cannot be compared with advisories.
    pub(crate) unchecked: Vec<Unchecked>,
}

/// A dependency that cannot be compared with advisories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unchecked {
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    pub(crate) why: &'static str,
}

/// A range stands where a version should.
pub(crate) const NOT_PINNED: &str = "not pinned, not checked";

/// Out of a place where versions say nothing.
pub(super) const NOT_FROM_REGISTRY: &str = "not from the public registry, not checked";

/// Number of the line at `index`.
pub(super) fn number(index: usize) -> Option<u32> {
    u32::try_from(index + 1).ok()
}

/// Lines of `name = "…"` by name and the `version = "…"` that follows, as in `Cargo.lock` and
/// `poetry.lock`.
pub(super) fn toml_lines(text: &str) -> HashMap<(&str, &str), u32> {
    let mut out = HashMap::new();
    let mut name: Option<(&str, u32)> = None;
    for (index, line) in text.lines().enumerate() {
        let value = |key: &str| {
            line.strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')?
                .trim()
                .strip_prefix('"')?
                .strip_suffix('"')
        };
        if line.starts_with("[[") {
            name = None;
        } else if let (Some(value), Some(line)) = (value("name"), number(index)) {
            name = Some((value, line));
        } else if let Some((name, line)) = name
            && let Some(version) = value("version")
        {
            out.entry((name, version)).or_insert(line);
        }
    }
    out
}
