//! Go: one suite for each module.

use super::{
    suite::{Candidate, Suite},
    tree::{Tree, above, join},
};

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let modules = tree.folders(|name| name == "go.mod");
    for module in &modules {
        // Without test files the command succeeds and has tested nothing.
        let tests = tree.own(module, &modules).any(|file| {
            let ignored = |part: &str| part == "testdata" || part.starts_with(['_', '.']);
            file.ends_with("_test.go") && !file.split('/').any(ignored)
        });
        if !tests {
            continue;
        }
        let mut suite = Suite::new("go", module, &["go", "test", "-v", "./..."]);
        if !in_workspace(tree, module) {
            suite = suite.with("GOWORK", "off");
        }
        candidates.push(Candidate { suite, tests });
    }
}

/// Whether the workspace that go finds from a module, if it finds one, has that module.
fn in_workspace(tree: &Tree<'_>, module: &str) -> bool {
    let own = std::iter::once(module).chain(above(module));
    let Some((folder, text)) =
        own.filter_map(|folder| Some((folder, tree.text(&join(folder, "go.work"))?))).next()
    else {
        return true;
    };
    let used = |line: &str| {
        let line = line.split("//").next().unwrap_or_default().trim();
        let path = line.strip_prefix("use ").unwrap_or(line).trim().trim_matches('"');
        !path.is_empty() && path != "(" && join(folder, path) == module
    };
    text.lines().any(used)
}
