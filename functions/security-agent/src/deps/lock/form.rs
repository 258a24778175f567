//! What a lock file gives, and what its readers share.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::graph::Graph;
use crate::deps::{Ecosystem, Package};

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Packages out of the public registry, with the line where one is known; each once.
    pub(crate) packages: Vec<(Package, Option<u32>)>,
    /// What cannot be compared with advisories.
    pub(crate) unchecked: Vec<Unchecked>,
    /// Who asks for whom, as far as the file says so.
    pub(crate) graph: Graph,
    /// What it says of packages besides their versions.
    pub(crate) about: BTreeMap<Package, About>,
    seen: HashSet<Package>,
}

/// What a lock file says of a package besides its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    /// As it is written down.
    pub(crate) license: Option<String>,
    /// When the version was published.
    pub(crate) published: Option<Timestamp>,
}

impl Parsed {
    /// A package out of the public registry.
    pub(super) fn push(
        &mut self,
        ecosystem: Ecosystem,
        name: &str,
        version: &str,
        line: Option<u32>,
    ) {
        let name = ecosystem.normal_name(name);
        let package = Package { ecosystem, name, version: version.to_owned() };
        if self.seen.insert(package.clone()) {
            self.packages.push((package, line));
        }
    }

    /// What the file says of a package.
    pub(super) fn about(&mut self, ecosystem: Ecosystem, name: &str, version: &str, about: About) {
        if about != About::default() {
            let name = ecosystem.normal_name(name);
            self.about.insert(Package { ecosystem, name, version: version.to_owned() }, about);
        }
    }

    /// One out of a place where versions say nothing.
    pub(super) fn elsewhere(&mut self, name: &str, line: Option<u32>) {
        self.unchecked.push(Unchecked { name: name.to_owned(), line, why: NOT_FROM_REGISTRY });
    }

    /// Names of the graph get the form that those of the packages have.
    pub(super) fn normalised(mut self, ecosystem: Ecosystem) -> Self {
        self.graph.rename(|name| ecosystem.normal_name(name));
        self
    }
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
