//! No circle between the files of a crate, and no `Result` of a `Result`.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::{
    graph::{Edges, Graph, circle},
    root,
};

/// Uses that close a circle and are still to be opened: from file, to file. Each is taken out of
/// here with the circle: what stands here and closes none is a fault too.
const ALLOWED: &[(&str, &str)] = &[];

/// Files that still have a result of a result.
const NESTED: &[&str] = &[];

/// The files of every crate of the workspace, the tests aside.
static GRAPHS: LazyLock<Vec<Graph>> =
    LazyLock::new(|| roots().iter().map(|root| Graph::read(root)).collect());

fn roots() -> Vec<PathBuf> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("the manifest");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("the members of the workspace")
        .0;
    let mut roots = Vec::new();
    for member in members.split('"').skip(1).step_by(2) {
        let source = root().join(member).join("src");
        let programs = std::fs::read_dir(source.join("bin")).into_iter().flatten();
        let programs = programs.map(|entry| entry.expect("is listed").path());
        roots.extend(
            [source.join("lib.rs"), source.join("main.rs")]
                .into_iter()
                .chain(programs)
                .filter(|file| file.is_file() && file.extension().is_some_and(|e| e == "rs")),
        );
    }
    assert!(roots.len() > 20, "{roots:?}");
    roots
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// What remains of the edges without those that are still allowed; and those that were there.
fn without(edges: Edges, found: &mut BTreeSet<(String, String)>) -> Edges {
    edges
        .into_iter()
        .map(|(file, mut uses)| {
            uses.retain(|other, _| {
                let edge = (shown(&file), shown(other));
                let allowed = ALLOWED.iter().any(|(a, b)| (*a, *b) == (&*edge.0, &*edge.1));
                if allowed {
                    found.insert(edge);
                }
                !allowed
            });
            (file, uses)
        })
        .collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = BTreeSet::new();
    let mut circles = Vec::new();
    for graph in GRAPHS.iter() {
        let mut edges = without(graph.edges(), &mut found);
        while let Some(way) = circle(&edges) {
            let mut text = String::from("a circle:\n");
            for pair in way.windows(2) {
                let [from, to] = pair else { continue };
                let path = edges.get(from).and_then(|uses| uses.get(to));
                let path = path.map(String::as_str).unwrap_or_default();
                text.push_str(&format!("  {} uses {path} of {}\n", shown(from), shown(to)));
            }
            circles.push(text);
            // The others of the crate are shown too.
            if let [.., from, to] = &way[..]
                && let Some(uses) = edges.get_mut(from)
            {
                uses.remove(to);
            }
        }
    }
    assert!(
        circles.is_empty(),
        "{}\nmove what both need into a third file, or hand it over as an argument",
        circles.join("\n")
    );
    let open: Vec<_> = ALLOWED
        .iter()
        .filter(|(from, to)| !found.contains(&((*from).to_owned(), (*to).to_owned())))
        .collect();
    assert!(open.is_empty(), "these are open: take them out of the list: {open:#?}");
}

#[test]
fn a_use_that_is_allowed_closes_a_circle() {
    let all: Vec<Edges> = GRAPHS.iter().map(Graph::edges).collect();
    for (from, to) in ALLOWED {
        let closes = all.iter().any(|edges| {
            let back = edges.keys().find(|file| shown(file) == *to);
            back.is_some_and(|back| reaches(edges, back, from, &mut BTreeSet::new()))
        });
        assert!(closes, "{from} -> {to} closes no circle: take it out of the list");
    }
}

fn reaches(edges: &Edges, from: &Path, to: &str, seen: &mut BTreeSet<PathBuf>) -> bool {
    shown(from) == to
        || (seen.insert(from.to_owned())
            && edges.get(from).is_some_and(|uses| uses.keys().any(|n| reaches(edges, n, to, seen))))
}

#[test]
fn no_result_holds_a_result() {
    let mut nested = BTreeSet::new();
    for graph in GRAPHS.iter() {
        nested.extend(graph.nested_results().map(shown));
    }
    let open: Vec<_> = NESTED.iter().filter(|file| !nested.remove(**file)).collect();
    assert!(
        nested.is_empty(),
        "a result of a result: name what may happen by an enum: {nested:#?}"
    );
    assert!(open.is_empty(), "these have none any more: take them out of the list: {open:#?}");
}

/// The check itself, on files that are written for it.
#[test]
fn a_circle_is_found_through_every_kind_of_path() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("is made");
        std::fs::write(file, text).expect("is written");
    };
    let find = || circle(&Graph::read(&folder.path().join("lib.rs")).edges()).is_some();
    write("lib.rs", "mod a; mod b; mod c; pub use a::A; pub(crate) struct Own;");
    write("c.rs", "pub(crate) struct C;");
    for (a, b, expected) in [
        ("pub struct A;", "use crate::a::A; fn f(_: A) {}", false),
        ("pub struct A; use crate::b::B;", "use crate::{a::A, c::C}; pub struct B;", true),
        ("pub struct A; use super::b::*;", "fn f() { crate::a::g() }", true),
        // By a name that the root only passes on.
        ("pub struct A; use crate::b::B;", "pub struct B; use crate::A;", true),
        // By an alias of a module.
        (
            "pub struct A; use crate::b; fn f() { b::g() }",
            "use crate::a as x; fn g(_: x::A) {}",
            true,
        ),
        // Naming a module uses nothing of it, and a test may go any way.
        ("pub struct A; use crate::b;", "use crate::a::A;", false),
        ("pub struct A; #[cfg(test)] mod tests { use crate::b::B; }", "use crate::a::A;", false),
        (
            "pub struct A;",
            "// use crate::b::B\n/* crate::b::B */ const X: &str = \"crate::a::A\";",
            false,
        ),
        // The root and what it declares.
        ("pub struct A; use crate::Own;", "", true),
    ] {
        write("a.rs", a);
        write("b.rs", b);
        assert_eq!(find(), expected, "{a} | {b}");
    }
    write("a.rs", "pub struct A; fn f() -> std::io::Result<Result<u8, u8>> { todo!() }");
    let graph = Graph::read(&folder.path().join("lib.rs"));
    assert_eq!(graph.nested_results().count(), 1);
    write("a.rs", "pub struct A; fn f() -> Result<Vec<Result<u8, u8>>, u8> { todo!() }");
    assert_eq!(Graph::read(&folder.path().join("lib.rs")).nested_results().count(), 0);
}
