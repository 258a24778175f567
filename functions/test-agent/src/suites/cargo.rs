//! Rust: one suite for each workspace and for each package that is in none.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use toml::{Table, Value};

use super::{
    suite::{Candidate, Suite},
    tree::{Tree, above, is_aside, is_below, join, split},
};

/// Sources in which a test is looked for.
const SOURCES: usize = 5_000;
/// Settings of cargo-nextest.
const NEXTEST: &str = ".config/nextest.toml";

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let folders = tree.folders(|name| name == "Cargo.toml");
    let manifests: Vec<(&String, Option<Table>)> = folders
        .iter()
        .map(|folder| {
            let text = tree.text(&join(folder, "Cargo.toml"));
            (folder, text.and_then(|text| text.parse().ok()))
        })
        .collect();
    let table = |folder: &str| {
        manifests.iter().find(|(f, _)| *f == folder).and_then(|(_, table)| table.as_ref())
    };
    let is_workspace =
        |folder: &str| table(folder).is_some_and(|table| table.contains_key("workspace"));
    let mut roots: Vec<String> = Vec::new();
    for (folder, manifest) in &manifests {
        // What does not parse is run at the root, where cargo says so.
        let fuzz = manifest
            .as_ref()
            .is_some_and(|m| at(m, &["package", "metadata", "cargo-fuzz"]).is_some());
        let workspace = above(folder).find(|folder| is_workspace(folder));
        let member = workspace.is_some_and(|root| {
            !is_workspace(folder) && table(root).is_some_and(|m| !is_excluded(m, root, folder))
        });
        // What is neither a member nor excluded cargo refuses to test by itself.
        if !member && !fuzz {
            roots.push((*folder).clone());
        }
    }
    for root in &roots {
        let test = tree.own(root, &roots).filter(|file| file.ends_with(".rs"));
        let tests = test.take(SOURCES).any(|file| is_tested(tree, file));
        let locked = tree.has(&join(root, "Cargo.lock")) && !is_aside(root);
        let locked: &[&str] = if locked { &["--locked"] } else { &[] };
        let suite = |tool: &str, command: &[&str]| {
            let command = [command, &["--workspace", "--no-fail-fast"], locked].concat();
            Suite::new(tool, root, &command)
        };
        let all = suite("cargo", &["cargo", "test"]);
        if !tree.has(&join(root, NEXTEST)) {
            candidates.push(Candidate { suite: all, tests });
            continue;
        }
        // Whoever has settings for it means it: its retries, groups and limits. It leaves the tests
        // in documentation out.
        let mut nextest = suite("nextest", &["cargo", "nextest", "run"]);
        nextest.otherwise = Some(all.command);
        candidates.push(Candidate { suite: nextest, tests });
        let mut sources = tree.own(root, &roots).filter(|file| file.ends_with(".rs"));
        // Without a library there is nothing whose documentation could be tested.
        let library = tree.own(root, &roots).any(|file| split(file).1 == "lib.rs");
        if library && sources.by_ref().take(SOURCES).any(|file| has_examples(tree, file)) {
            let suite = suite("cargo", &["cargo", "test", "--doc"]);
            candidates.push(Candidate { suite, tests: true });
        }
    }
}

fn is_tested(tree: &Tree<'_>, file: &str) -> bool {
    const SIGNS: &[&str] =
        &["#[test", "::test]", "::test(", "#[cfg(test)]", "#[rstest", "proptest!", "quickcheck!"];
    tree.says(file, SIGNS) || has_examples(tree, file)
}

/// Whether the documentation in a file has examples, which are tests.
fn has_examples(tree: &Tree<'_>, file: &str) -> bool {
    let Some(text) = tree.text(file) else { return false };
    text.lines().any(|line| {
        let line = line.trim_start();
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).is_some_and(|doc| {
            matches!(doc.trim(), "```" | "```rust" | "```no_run" | "```should_panic")
        })
    })
}

/// The value at a path of keys.
fn at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn is_excluded(workspace: &Table, root: &str, folder: &str) -> bool {
    let list = |key| {
        let list = at(workspace, &["workspace", key]).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str)
    };
    // Members that are named are members, whatever is excluded.
    let members = globs(list("members"), root);
    !members.is_match(folder)
        && list("exclude").any(|excluded| is_below(folder, &join(root, excluded)))
}

fn globs<'p>(patterns: impl Iterator<Item = &'p str>, root: &str) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns.take(1_000) {
        if let Ok(glob) = GlobBuilder::new(&join(root, pattern)).literal_separator(true).build() {
            set.add(glob);
        }
    }
    set.build().unwrap_or_default()
}
