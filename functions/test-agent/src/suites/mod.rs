//! Which suites of tests a commit has, and how each is run, when its settings do not say so: every
//! manifest at any depth, members of a workspace once.

mod builds;
mod cargo;
mod go;
mod jvm;
mod native;
mod node;
mod others;
mod python;
mod suite;
mod tree;

use std::{collections::BTreeMap, path::Path};

use self::{
    suite::Candidate,
    tree::{Tree, is_aside},
};

pub use builds::DetectedBuild;
pub(crate) use node::MODERN_YARN;
pub(crate) use suite::{MOST, REPORTS, Setup, Suite, TOOLS};

/// What a commit has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) suites: Vec<Suite>,
    /// Tests that are there and cannot be run, each as a sentence's end: "… for x/y".
    pub(crate) unknown: Vec<String>,
    /// Manifests with tests in folders that are no part of the product.
    pub(crate) aside: Vec<String>,
}

/// One tool, or several of one language.
type Kind = fn(&Tree<'_>, &mut Vec<Candidate>);

/// In the order in which they are named where they are in one folder.
const KINDS: &[Kind] = &[cargo::find, go::find, jvm::find, node::find, python::find, others::find];

/// Finds the suites of the commit at `root`. Runs nothing of it.
pub(crate) fn find(root: &Path) -> Found {
    let tree = Tree::list(root);
    let mut candidates = Vec::new();
    for kind in KINDS {
        kind(&tree, &mut candidates);
    }
    native::find(&tree, &mut candidates);
    let (aside, candidates): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|found| is_aside(&found.suite.directory));
    let mut found = Found::default();
    found.aside = aside
        .into_iter()
        .filter(|found| found.tests)
        .map(|found| format!("{} ({})", found.suite.directory, found.suite.tool))
        .collect();
    // Without a test in sight a tool is asked only where no other has one.
    let seen = candidates.iter().any(|found| found.tests);
    let candidates = candidates.into_iter().filter(|found| found.tests || !seen);
    found.suites = candidates.map(|found| found.suite).collect();
    found
        .suites
        .sort_by_key(|suite| (suite.directory.matches('/').count(), suite.directory.clone()));
    found.unknown = others::unknown(&tree, &found.suites);
    found.unknown.extend(node::emptied(&tree, &found.suites));
    if !tree.complete {
        found.unknown.push("all that was committed: it is too much to look through".to_owned());
    }
    if found.suites.is_empty() && found.unknown.is_empty() {
        found.unknown = found.aside.iter().map(|suite| format!("what is in {suite}")).collect();
    }
    name(&mut found.suites);
    found
}

/// How the release of the commit at `root` would be built. Runs nothing of it.
pub(crate) fn build(root: &Path) -> Option<DetectedBuild> {
    builds::find(&Tree::list(root))
}

/// Gives each suite a name of its own: its folder, or its tool, or both.
fn name(suites: &mut [Suite]) {
    let mut in_folder = BTreeMap::<String, usize>::new();
    for suite in suites.iter() {
        *in_folder.entry(suite.directory.clone()).or_default() += 1;
    }
    let mut taken = BTreeMap::<String, usize>::new();
    for suite in suites {
        let alone = in_folder.get(&suite.directory) == Some(&1);
        let name = match suite.directory.as_str() {
            "" => suite.tool.clone(),
            folder if alone => folder.to_owned(),
            folder => format!("{folder} ({})", suite.tool),
        };
        let number = taken.entry(name.clone()).or_default();
        *number += 1;
        suite.name = if *number == 1 { name } else { format!("{name} {number}") };
    }
}

#[cfg(test)]
mod tests;
