//! Python: a suite for each project that has tests, in an environment of its own where the project
//! says what it depends on.

mod project;

use super::{
    suite::{Candidate, REPORTS, Suite, TOOLS, words},
    tree::{Tree, above, is_aside, is_below, join, split},
};
use project::Project;

/// Files by which a folder is a project, whatever it lies in.
const STRONG: &[&str] = &["pyproject.toml", "setup.py"];
/// Those by which it is one unless a folder around it is.
const WEAK: &[&str] =
    &["setup.cfg", "tox.ini", "pytest.ini", "noxfile.py", "Pipfile", "requirements.txt"];
/// Tests that are read.
const READ: usize = 200;

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let tests: Vec<&str> = tree.below("").filter(|file| is_test(file)).collect();
    let mut roots: Vec<String> = vec![String::new()];
    for (names, strong) in [(STRONG, true), (WEAK, false)] {
        for folder in tree.folders(|name| names.contains(&name)) {
            let inside = above(&folder)
                .any(|around| roots.iter().any(|root| root == around) && tree.any(around, STRONG));
            if !folder.is_empty() && !is_of_tests(&folder) && (strong || !inside) {
                roots.push(folder);
            }
        }
    }
    roots.sort();
    roots.dedup();
    // What another project's tests cover is none of its own.
    let covered: Vec<String> = roots
        .iter()
        .filter(|root| above(root).any(|around| named_in_paths(tree, around, root)))
        .cloned()
        .collect();
    roots.retain(|root| !covered.contains(root));
    for root in &roots {
        let own = |file: &&&str| {
            let nearest = roots.iter().filter(|root| is_below(file, root)).max_by_key(|r| r.len());
            nearest == Some(root)
        };
        let own: Vec<&str> = tests.iter().filter(own).copied().collect();
        let configured = is_configured(tree, root);
        if own.is_empty() && !configured {
            continue;
        }
        let inner: Vec<&String> =
            roots.iter().filter(|other| *other != root && is_below(other, root)).collect();
        let suite = suite(tree, root, &own, &inner);
        candidates.push(Candidate { suite, tests: !own.is_empty() || configured });
    }
}

fn is_test(file: &str) -> bool {
    let (folder, name) = split(file);
    let is = name.ends_with("_test.py") || (name.starts_with("test") && name.ends_with(".py"));
    is && !is_aside(folder)
}

/// Whether a folder is for tests: what lies there is about them, and makes no project of it.
fn is_of_tests(folder: &str) -> bool {
    let name = split(folder).1;
    matches!(name, "test" | "tests" | "testing" | "docs" | "doc" | "requirements")
}

fn is_configured(tree: &Tree<'_>, root: &str) -> bool {
    let says = |name: &str, section: &str| tree.says(&join(root, name), &[section]);
    tree.any(root, &["pytest.ini"])
        || says("pyproject.toml", "[tool.pytest")
        || says("setup.cfg", "[tool:pytest]")
        || says("tox.ini", "[pytest]")
}

/// Whether the settings of the project around a folder name it among the paths of tests.
fn named_in_paths(tree: &Tree<'_>, around: &str, folder: &str) -> bool {
    let Some(text) = tree.text(&join(around, "pyproject.toml")) else { return false };
    let Ok(table) = text.parse::<toml::Table>() else { return false };
    let paths = ["tool", "pytest", "ini_options", "testpaths"];
    let paths =
        paths.iter().try_fold(&toml::Value::Table(table), |value, key| value.get(key)).cloned();
    let paths = paths.as_ref().and_then(toml::Value::as_array);
    paths.into_iter().flatten().filter_map(toml::Value::as_str).any(|path| {
        let path = join(around, path);
        path != around && is_below(&path, folder)
    })
}

fn suite(tree: &Tree<'_>, root: &str, tests: &[&str], inner: &[&String]) -> Suite {
    let reads = |words: &[&str]| tests.iter().take(READ).any(|file| tree.says(file, words));
    let unittest = reads(&["import unittest", "from unittest"]);
    let project = Project::read(tree, root);
    let asks_for_pytest = reads(&["import pytest", "from pytest"])
        || is_configured(tree, root)
        || project.names_pytest(tree);
    let python = format!("{}/bin/python", TOOLS);
    let setup = project.setup(tree, !unittest || asks_for_pytest);
    let program = if setup.is_some() { python.as_str() } else { "python3" };
    let report = format!("--junitxml={}/pytest.xml", REPORTS);
    let mut suite = Suite::new("pytest", root, &[program, "-m", "pytest", "-q", &report]);
    for other in inner {
        let below = other.strip_prefix(root).unwrap_or(other).trim_start_matches('/');
        suite.command.push(format!("--ignore={below}"));
    }
    // Sources in `src` are importable only once installed; this spares the installation.
    if tree.below(&join(root, "src")).any(|_| true) && setup.is_none() {
        suite = suite.with("PYTHONPATH", "src");
    }
    suite = suite.with("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(setup) = setup {
        suite.setup.push(setup);
    }
    if unittest && !asks_for_pytest {
        let discover = discover(tree, root, tests, program);
        if suite.setup.is_empty() {
            suite.otherwise = Some(discover);
        } else {
            suite.tool = "unittest".to_owned();
            suite.command = discover;
        }
    }
    suite
}

fn discover(tree: &Tree<'_>, root: &str, tests: &[&str], program: &str) -> Vec<String> {
    let mut command = words(&[program, "-m", "unittest", "discover"]);
    let below =
        |file: &str| file.strip_prefix(root).unwrap_or(file).trim_start_matches('/').to_owned();
    // Discovery only enters packages: a folder of tests that is none has to be named.
    let folders: Vec<String> =
        tests.iter().filter_map(|f| below(f).split_once('/').map(|(f, _)| f.to_owned())).collect();
    let at_root = tests.iter().any(|f| !below(f).contains('/'));
    if let Some(folder) = folders.first().filter(|_| !at_root) {
        command.extend(words(&["-s", folder]));
        if tree.has(&join(root, &format!("{folder}/__init__.py"))) {
            command.extend(words(&["-t", "."]));
        }
    }
    command
}
