//! CMake with CTest, and Make: the outermost of them, and only where no other tool is set up that
//! may call them, or that they may call.

use super::{
    suite::{Candidate, REPORTS, Suite, TOOLS},
    tree::{Tree, in_any, is_below, join},
};

const MAKEFILES: &[&str] = &["GNUmakefile", "Makefile", "makefile"];

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let apart = |folder: &String, candidates: &[Candidate]| {
        !candidates.iter().any(|found| {
            let other = &found.suite.directory;
            found.tests && (is_below(folder, other) || is_below(other, folder))
        })
    };
    let mut roots: Vec<String> = Vec::new();
    for folder in tree.folders(|name| name == "CMakeLists.txt") {
        if in_any(&folder, &roots) || !apart(&folder, candidates) {
            continue;
        }
        let described = |file: &&str| file.ends_with("CMakeLists.txt") || file.ends_with(".cmake");
        let signs = [
            "add_test(",
            "add_test (",
            "gtest_discover_tests",
            "catch_discover_tests",
            "doctest_discover_tests",
            "gtest_add_tests",
        ];
        let tests = tree.below(&folder).filter(described).any(|file| tree.says(file, &signs));
        roots.push(folder.clone());
        if !tests {
            continue;
        }
        let build = format!("{}/cmake", TOOLS);
        let report = format!("{}/ctest.xml", REPORTS);
        let test =
            ["ctest", "--test-dir", &build, "--output-on-failure", "--output-junit", &report];
        let suite = Suite::new("ctest", &folder, &test)
            .after(&folder, &["cmake", "-S", ".", "-B", &build, "-DBUILD_TESTING=ON"])
            .after(&folder, &["cmake", "--build", &build, "--parallel", "2"]);
        candidates.push(Candidate { suite, tests });
    }
    let mut roots: Vec<String> = Vec::new();
    for folder in tree.folders(|name| MAKEFILES.contains(&name)) {
        if in_any(&folder, &roots) || !apart(&folder, candidates) {
            continue;
        }
        if has_target(tree, &folder) {
            let suite = Suite::new("make", &folder, &["make", "test"]);
            candidates.push(Candidate { suite, tests: true });
            roots.push(folder);
        }
    }
}

fn has_target(tree: &Tree<'_>, folder: &str) -> bool {
    let text = MAKEFILES.iter().find_map(|name| tree.text(&join(folder, name)));
    // Assignments and special targets are none.
    let is_target = |line: &str| {
        line.split_once(':').is_some_and(|(names, rest)| {
            !rest.starts_with('=') && names.split_whitespace().any(|n| n == "test")
        }) && !line.starts_with(['\t', ' ', '#', '.'])
    };
    text.is_some_and(|text| text.lines().any(is_target))
}
