//! Maven and Gradle: one suite for each build that is no part of another.

use super::{
    suite::{Candidate, Suite},
    tree::{Tree, in_any, join, split},
};

const GRADLE: &[&str] =
    &["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];
const SETTINGS: &[&str] = &["settings.gradle", "settings.gradle.kts"];

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    maven(tree, candidates);
    gradle(tree, candidates);
}

fn has_tests(tree: &Tree<'_>, root: &str, others: &[String]) -> bool {
    tree.own(root, others).any(|file| {
        let file = file.strip_prefix(root).unwrap_or(file).trim_start_matches('/');
        file.starts_with("src/test/") || file.contains("/src/test/")
    })
}

fn maven(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let folders = tree.folders(|name| name == "pom.xml");
    let mut modules: Vec<String> = Vec::new();
    let mut roots: Vec<String> = Vec::new();
    // Shallow ones first: a module is known before it is come to, but for one that lies above.
    for folder in &folders {
        if !modules.contains(folder) {
            roots.push(folder.clone());
        }
        let text = tree.text(&join(folder, "pom.xml")).unwrap_or_default();
        let parts = text.split("<module>").skip(1).filter_map(|rest| rest.split_once('<'));
        modules.extend(parts.take(1_000).map(|(name, _)| {
            let module = join(folder, name.trim());
            // A module may be named by its file.
            if tree.has(&module) { split(&module).0.to_owned() } else { module }
        }));
    }
    roots.retain(|root| !modules.contains(root));
    for root in &roots {
        let wrapper = tree.has(&join(root, "mvnw"));
        let program: &[&str] = if wrapper { &["sh", "./mvnw"] } else { &["mvn"] };
        let command = [program, &["-q", "-B", "--fail-at-end", "test"]].concat();
        let tests = has_tests(tree, root, &roots);
        candidates.push(Candidate { suite: Suite::new("maven", root, &command), tests });
    }
}

fn gradle(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let folders = tree.folders(|name| GRADLE.contains(&name));
    let mut roots: Vec<String> = Vec::new();
    for folder in &folders {
        // A build of its own has its own settings; what has none is part of the build around it.
        if tree.any(folder, SETTINGS) || !in_any(folder, &roots) {
            roots.push(folder.clone());
        }
    }
    for root in &roots {
        if !has_tests(tree, root, &roots) {
            continue;
        }
        // A wrapper that was committed from Windows is not executable.
        let wrapper = tree.has(&join(root, "gradlew"));
        let program: &[&str] = if wrapper { &["sh", "./gradlew"] } else { &["gradle"] };
        let options: &[&str] = &["--no-daemon", "--console=plain", "--continue", "test"];
        let suite = Suite::new("gradle", root, &[program, options].concat());
        candidates.push(Candidate { suite, tests: true });
    }
}
