//! How the release of a commit would be built, where its settings do not say so. It is said to people,
//! who write it down; nothing is built that nobody asked for. Who has a service started from a file
//! that the commit lacks, and that this build makes, asks for it.

use serde_json::Value;

use super::{node, tree::Tree};

/// A build that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectedBuild {
    /// The tool that builds.
    pub tool: &'static str,
    /// Its commands, in their order.
    pub commands: Vec<Vec<String>>,
    /// The folders that it writes into.
    pub into: &'static [&'static str],
}

impl DetectedBuild {
    /// The first of these files that the repository lacks and that is where the build writes.
    #[must_use]
    pub fn makes<'f>(&self, root: &std::path::Path, files: &[&'f str]) -> Option<&'f str> {
        let is_made = |file: &&&str| self.into.iter().any(|folder| file.starts_with(folder));
        let lacks = |file: &&&str| root.join(file).symlink_metadata().is_err();
        files.iter().filter(lacks).find(is_made).copied()
    }
}

/// The build at the root of the repository, the first of these that it has: Maven's or Gradle's wrapper,
/// a script `build` of npm and its like, a program of Rust, one of Go.
pub(crate) fn find(tree: &Tree<'_>) -> Option<DetectedBuild> {
    [jvm, npm, cargo, go].into_iter().find_map(|kind| kind(tree))
}

fn build(
    tool: &'static str,
    into: &'static [&'static str],
    commands: &[&[&str]],
) -> Option<DetectedBuild> {
    let commands = commands.iter().map(|command| super::suite::words(command)).collect();
    Some(DetectedBuild { tool, commands, into })
}

/// Tests are run beside it.
fn jvm(tree: &Tree<'_>) -> Option<DetectedBuild> {
    if tree.has("mvnw") && tree.has("pom.xml") {
        return build(
            "maven",
            &["target/"],
            &[&["sh", "./mvnw", "-q", "-B", "-DskipTests", "package"]],
        );
    }
    if tree.has("gradlew") {
        let command = ["sh", "./gradlew", "--no-daemon", "--console=plain", "assemble"];
        return build("gradle", &["build/"], &[&command]);
    }
    None
}

/// Where scripts of npm and its like build into, by the custom of their tools.
const WEB: &[&str] = &["dist/", "build/", "out/", "lib/", ".next/", ".output/"];

fn npm(tree: &Tree<'_>) -> Option<DetectedBuild> {
    let manifest: Value = serde_json::from_str(&tree.text("package.json")?).ok()?;
    let script = manifest.pointer("/scripts/build").and_then(Value::as_str)?;
    if script.trim().is_empty() {
        return None;
    }
    let (tool, install) = node::installed(tree, manifest);
    let run: &[&str] = &[tool, "run", "build"];
    match install {
        Some(install) => build(tool, WEB, &[install, run]),
        None => build(tool, WEB, &[run]),
    }
}

/// A library is no release.
fn cargo(tree: &Tree<'_>) -> Option<DetectedBuild> {
    let manifest: toml::Table = tree.text("Cargo.toml")?.parse().ok()?;
    let program = tree.any("src", &["main.rs"])
        || tree.below("src/bin").any(|file| file.ends_with(".rs"))
        || manifest.contains_key("bin")
        || (manifest.contains_key("workspace")
            && tree.folders(|name| name == "main.rs").iter().any(|f| f.ends_with("src")));
    let locked = tree.has("Cargo.lock");
    let command = ["cargo", "build", "--release", "--locked"];
    let command = if locked { &command[..] } else { &command[..3] };
    if program { build("cargo", &["target/release/"], &[command]) } else { None }
}

fn go(tree: &Tree<'_>) -> Option<DetectedBuild> {
    if !tree.has("go.mod") {
        return None;
    }
    let program = tree.folders(|name| name == "main.go").into_iter().find(|folder| {
        let file = super::tree::join(folder, "main.go");
        tree.says(&file, &["package main"]) && !super::tree::is_aside(folder)
    })?;
    let package = if program.is_empty() { ".".to_owned() } else { format!("./{program}") };
    build("go", &["bin/"], &[&["go", "build", "-o", "bin/", &package]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Option<(&'static str, String)> {
        let root = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        let found = find(&Tree::list(root.path()))?;
        let commands = found.commands.iter().map(|command| command.join(" "));
        Some((found.tool, commands.collect::<Vec<_>>().join("; ")))
    }

    #[test]
    fn a_file_is_made_where_the_commit_lacks_it_and_the_build_writes_there() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(root.path().join("bin")).expect("a folder");
        std::fs::write(root.path().join("bin/serve"), "").expect("a file");
        let go = build("go", &["bin/"], &[]).expect("a build");
        for (files, made) in [
            (&["bin/shop"][..], Some("bin/shop")),
            (&["bin/serve"], None),
            (&["target/release/shop"], None),
            (&["bin/serve", "bin/shop"], Some("bin/shop")),
            (&[], None),
        ] {
            assert_eq!(go.makes(root.path(), files), made, "{files:?}");
        }
    }

    #[test]
    fn the_build_of_a_repository_is_known_and_a_library_has_none() {
        let package = "[package]\nname = \"a\"\nversion = \"0.1.0\"\n";
        let scripts = r#"{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}"#;
        for (files, expected) in [
            (&[("Cargo.toml", package), ("src/lib.rs", "")][..], None),
            (
                &[("Cargo.toml", package), ("src/main.rs", ""), ("Cargo.lock", "")],
                Some(("cargo", "cargo build --release --locked")),
            ),
            (
                &[("Cargo.toml", "[workspace]\nmembers=[\"a\"]\n"), ("a/src/main.rs", "")],
                Some(("cargo", "cargo build --release")),
            ),
            (
                &[("package.json", scripts), ("package-lock.json", "{}")],
                Some(("npm", "npm ci --no-audit --no-fund; npm run build")),
            ),
            (&[("package.json", r#"{"scripts":{"test":"x"}}"#)], None),
            (
                &[("package.json", scripts), ("pnpm-lock.yaml", "")],
                Some(("pnpm", "pnpm install --frozen-lockfile; pnpm run build")),
            ),
            (
                &[("go.mod", ""), ("cmd/shop/main.go", "package main\n")],
                Some(("go", "go build -o bin/ ./cmd/shop")),
            ),
            (&[("go.mod", ""), ("a.go", "package a\n")], None),
            (
                &[("mvnw", ""), ("pom.xml", ""), ("package.json", scripts)],
                Some(("maven", "sh ./mvnw -q -B -DskipTests package")),
            ),
            (
                &[("gradlew", "")],
                Some(("gradle", "sh ./gradlew --no-daemon --console=plain assemble")),
            ),
            (&[("README.md", "")], None),
        ] {
            let expected = expected.map(|(tool, commands)| (tool, commands.to_owned()));
            assert_eq!(found(files), expected, "{files:?}");
        }
    }
}
