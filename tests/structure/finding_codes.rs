//! The catalogue of codes against the code: what is explained is said somewhere, by its name.
//! That nothing else is said, the types see to: a code can be made in the catalogue only.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use pact_contract::{catalogue, explain::Kind};

use crate::{root, source};

/// The sources of every function, without the contract that has the catalogue, and of the program that has
/// them all on one machine.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join("functions"), root().join("infra/local/pactctl")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("is listed").path();
            if path.is_dir() && !path.ends_with("shared/contract") {
                open.push(path);
            } else if is_source(&path) {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 100, "{found:?}");
    found
}

/// Whether it is part of a program: neither a test nor an example.
fn is_source(path: &Path) -> bool {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.extension().is_some_and(|e| e == "rs")
        && path.components().any(|part| part.as_os_str() == "src")
        && !path.components().any(|part| part.as_os_str() == "tests")
        && path.file_stem().is_some_and(|name| name != "tests" && name != "testing")
}

/// The names that the sources take from the catalogue's module `module`.
fn said(module: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).expect("a source");
        let said = source::read(&text, &[]);
        let paths = said.paths.iter().map(|(_, path)| path);
        let imports = said.imports.values().chain(said.inline.values().flat_map(|i| i.values()));
        for path in paths.chain(imports) {
            if let [.., parent, name] = &path[..]
                && parent == module
                && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
            {
                names.insert(name.clone());
            }
        }
    }
    names
}

/// The names of the constants whose codes are explained.
fn explained(kind: Kind) -> BTreeSet<String> {
    let all = catalogue::all().into_iter().filter(|one| one.kind == kind);
    all.map(|one| one.code.to_uppercase().replace('-', "_")).collect()
}

#[test]
fn every_finding_of_the_catalogue_can_be_found() {
    let mut said = said("codes");
    // What rules are made of.
    assert!(said.remove("SECRETS") && said.remove("RULES"), "the families are used");
    // Those of others are explained as families.
    let mut explained = explained(Kind::Finding);
    for (family, shown) in [("OWN_RULES", "OWN_…"), ("SARIF", "SARIF_…")] {
        assert!(said.remove(family) && explained.remove(shown), "{family}");
    }
    assert_eq!(said, explained);
}

#[test]
fn every_problem_of_the_catalogue_can_be_answered() {
    assert_eq!(said("problems"), explained(Kind::Problem));
}
