//! Finds out how a repository's tests are run when it does not say so itself.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::files;

/// Folders deep that tests are looked for.
const DEPTH: usize = 6;
/// Folders deep that anything is looked for.
const DEEPEST: usize = 40;
/// Bytes of a file that are looked at.
const MAX_FILE: u64 = 1024 * 1024;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// Name of the tool, for people.
    pub(crate) runner: &'static str,
    /// What has to be done first, where anything has to be.
    pub(crate) preparation: Option<Vec<String>>,
    /// The command.
    pub(crate) command: Vec<String>,
    /// Variables that it needs.
    pub(crate) environment: BTreeMap<String, String>,
    /// For Python: the command that also works without pytest, where there is one.
    pub(crate) without_pytest: Option<Vec<String>>,
}

impl Detected {
    fn new(runner: &'static str, command: &[&str]) -> Self {
        Self {
            runner,
            preparation: None,
            command: words(command),
            environment: BTreeMap::new(),
            without_pytest: None,
        }
    }
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|w| (*w).to_owned()).collect()
}

/// How the tests of the repository at `root` are run. Where several tools are set up, the one of
/// the language that most files are written in. Reports that pytest is asked for go to `reports`.
pub(crate) fn detect(root: &Path, reports: &Path) -> Option<Detected> {
    let files = Files::list(root);
    let mut candidates: Vec<(usize, Detected)> = Vec::new();
    let mut add = |extensions: &[&str], detected: Option<Detected>| {
        if let Some(detected) = detected {
            candidates.push((files.count(extensions), detected));
        }
    };
    add(&["rs"], cargo(&files));
    add(&["go"], go(&files));
    add(&["java", "kt", "scala"], maven(&files));
    add(&["java", "kt", "groovy"], gradle(&files));
    add(
        &["js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"],
        npm(root, &files),
    );
    add(&["py"], python(root, &files, reports));
    // The first of the largest.
    let best = candidates.into_iter().rev().max_by_key(|(files, _)| *files);
    best.map(|(_, detected)| detected).or_else(|| make(root, &files))
}

/// Folders below the root whose tests are known how to run there, at most `limit` of them: not run
/// is not the same as not there.
pub(crate) fn below(root: &Path, limit: usize) -> Vec<String> {
    const MANIFESTS: &[&str] = &[
        "Cargo.toml",
        "GNUmakefile",
        "Makefile",
        "build.gradle",
        "build.gradle.kts",
        "go.mod",
        "makefile",
        "package.json",
        "pom.xml",
        "pyproject.toml",
        "settings.gradle",
        "settings.gradle.kts",
        "setup.cfg",
        "setup.py",
        "tox.ini",
    ];
    let mut folders = std::collections::BTreeSet::new();
    files::walk(root, DEEPEST, |path, _, _| {
        if let Some((folder, name)) = path.rsplit_once('/')
            && MANIFESTS.contains(&name)
        {
            folders.insert(folder.to_owned());
        }
    });
    let has_tests = |folder: &String| {
        let folder = root.join(folder);
        detect(&folder, Path::new("reports")).is_some() || unknown_tool(&folder).is_some()
    };
    folders.into_iter().filter(has_tests).take(limit).collect()
}

/// The file by which a tool builds the repository whose tests nothing here knows how to run: that
/// is not the same as having none.
pub(crate) fn unknown_tool(root: &Path) -> Option<String> {
    const TOOLS: &[&str] = &[
        "CMakeLists.txt",
        "Gemfile",
        "Package.swift",
        "Rakefile",
        "build.sbt",
        "composer.json",
        "configure.ac",
        "deno.json",
        "meson.build",
        "mix.exs",
        "pubspec.yaml",
        "rebar.config",
        "stack.yaml",
    ];
    const PROJECTS: &[&str] = &[".cabal", ".csproj", ".fsproj", ".gemspec", ".sln"];
    const FOLDERS: &[&str] = &["spec", "specs", "t", "test", "tests", "unittests"];
    let files = Files::list(root);
    let is_test = |file: &String| {
        let mut parts = file.split('/').rev();
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_folder = |part: &str| {
            let part = part.to_ascii_lowercase();
            FOLDERS.contains(&part.as_str()) || part.ends_with(".tests")
        };
        name.contains("test") || parts.any(is_folder)
    };
    let tool = files.0.iter().find(|file| {
        !file.contains('/')
            && (TOOLS.contains(&file.as_str()) || PROJECTS.iter().any(|end| file.ends_with(end)))
    })?;
    files.0.iter().any(is_test).then(|| tool.clone())
}

/// Paths of the repository's files, bounded in depth and number.
struct Files(Vec<String>);

impl Files {
    fn list(root: &Path) -> Self {
        let mut files = Vec::new();
        files::walk(root, DEPTH, |path, _, _| files.push(path.to_owned()));
        Self(files)
    }

    fn has(&self, path: &str) -> bool {
        self.0.iter().any(|f| f == path)
    }

    fn count(&self, extensions: &[&str]) -> usize {
        let matches =
            |file: &&String| file.rsplit_once('.').is_some_and(|(_, e)| extensions.contains(&e));
        self.0.iter().filter(matches).count()
    }
}

fn text(root: &Path, path: &str) -> Option<String> {
    files::read(&root.join(path), MAX_FILE).ok().map(|b| String::from_utf8_lossy(&b).into_owned())
}

fn cargo(files: &Files) -> Option<Detected> {
    files
        .has("Cargo.toml")
        .then(|| Detected::new("cargo", &["cargo", "test", "--workspace", "--no-fail-fast"]))
}

fn go(files: &Files) -> Option<Detected> {
    // Without test files the command succeeds and has tested nothing.
    let tests = files.0.iter().any(|f| f.ends_with("_test.go"));
    (files.has("go.mod") && tests).then(|| Detected::new("go", &["go", "test", "-v", "./..."]))
}

fn maven(files: &Files) -> Option<Detected> {
    files.has("pom.xml").then(|| Detected::new("maven", &["mvn", "-q", "-B", "test"]))
}

fn gradle(files: &Files) -> Option<Detected> {
    let builds = ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];
    let tests = files.0.iter().any(|f| f.starts_with("src/test/") || f.contains("/src/test/"));
    if !tests || !builds.into_iter().any(|f| files.has(f)) {
        return None;
    }
    // A wrapper that was committed from Windows is not executable.
    let program: &[&str] = if files.has("gradlew") { &["sh", "./gradlew"] } else { &["gradle"] };
    let options: &[&str] = &["--no-daemon", "--console=plain", "--continue", "test"];
    Some(Detected::new("gradle", &[program, options].concat()))
}

fn npm(root: &Path, files: &Files) -> Option<Detected> {
    let package: Value = serde_json::from_str(&text(root, "package.json")?).ok()?;
    let script = package.get("scripts")?.get("test")?.as_str()?;
    // What `npm init` writes.
    if script.trim().is_empty() || script.contains("no test specified") {
        return None;
    }
    let npm_locked = files.has("package-lock.json") || files.has("npm-shrinkwrap.json");
    let pnpm = !npm_locked && files.has("pnpm-lock.yaml");
    let mut detected = if pnpm {
        Detected::new("pnpm", &["pnpm", "test"])
    } else {
        Detected::new("npm", &["npm", "test"])
    };
    let some = |key: &str| match package.get(key) {
        Some(Value::Object(map)) => !map.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        _ => false,
    };
    let needs = ["dependencies", "devDependencies", "optionalDependencies", "workspaces"];
    if needs.into_iter().any(some) && !root.join("node_modules").is_dir() {
        detected.preparation = Some(if pnpm {
            words(&["pnpm", "install", "--frozen-lockfile"])
        } else if npm_locked {
            words(&["npm", "ci", "--no-audit", "--no-fund"])
        } else {
            words(&["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"])
        });
    }
    Some(detected)
}

fn python(root: &Path, files: &Files, reports: &Path) -> Option<Detected> {
    let is_test = |file: &&String| {
        let name = file.rsplit('/').next().unwrap_or_default();
        name.ends_with("_test.py") || (name.starts_with("test") && name.ends_with(".py"))
    };
    let tests: Vec<&String> = files.0.iter().filter(is_test).collect();
    let mentions =
        |file: &str, section: &str| text(root, file).is_some_and(|t| t.contains(section));
    let configured = files.has("pytest.ini")
        || mentions("pyproject.toml", "[tool.pytest")
        || mentions("setup.cfg", "[tool:pytest]")
        || mentions("tox.ini", "[pytest]");
    if tests.is_empty() && !configured {
        return None;
    }
    let mut detected = Detected::new("pytest", &["python3", "-m", "pytest", "-q"]);
    let report = reports.join("pytest.xml");
    detected.command.push(format!("--junitxml={}", report.display()));
    // Sources in `src` are importable only once installed; this spares the installation.
    if root.join("src").is_dir() {
        // Relative to the root, where the tests are run.
        detected.environment.insert("PYTHONPATH".to_owned(), "src".to_owned());
    }
    detected.environment.insert("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned());
    let unittest = tests.iter().take(200).any(|file| {
        text(root, file)
            .is_some_and(|t| t.contains("import unittest") || t.contains("from unittest"))
    });
    let asks_for_pytest = tests.iter().take(200).any(|file| {
        text(root, file).is_some_and(|t| t.contains("import pytest") || t.contains("from pytest"))
    });
    if unittest && !asks_for_pytest && !configured {
        let mut command = words(&["python3", "-m", "unittest", "discover"]);
        // Discovery only enters packages: a folder of tests that is none has to be named.
        let folder = tests.iter().find_map(|f| f.split_once('/').map(|(folder, _)| folder));
        let at_root = tests.iter().any(|f| !f.contains('/'));
        if let Some(folder) = folder.filter(|_| !at_root) {
            command.extend(words(&["-s", folder]));
            if files.has(&format!("{folder}/__init__.py")) {
                command.extend(words(&["-t", "."]));
            }
        }
        detected.without_pytest = Some(command);
    }
    Some(detected)
}

fn make(root: &Path, files: &Files) -> Option<Detected> {
    let file = ["GNUmakefile", "makefile", "Makefile"].into_iter().find(|f| files.has(f))?;
    let is_target = |line: &str| {
        line.split_once(':').is_some_and(|(names, rest)| {
            !rest.starts_with('=') && names.split_whitespace().any(|n| n == "test")
        }) && !line.starts_with(['\t', ' ', '#', '.'])
    };
    text(root, file)?.lines().any(is_target).then(|| Detected::new("make", &["make", "test"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, content).expect("a file");
        }
        dir
    }

    fn command(files: &[(&str, &str)]) -> Option<String> {
        let dir = repository(files);
        detect(dir.path(), Path::new("/r")).map(|d| {
            let mut steps: Vec<_> = d.preparation.iter().map(|p| p.join(" ")).collect();
            steps.push(d.command.join(" "));
            steps.join(" && ")
        })
    }

    #[test]
    fn each_tool_is_recognised() {
        let npm = |more: &str| format!("{{\"scripts\":{{\"test\":\"node --test\"}}{more}}}");
        for (files, expected) in [
            (vec![("Cargo.toml", "")], "cargo test --workspace --no-fail-fast"),
            (vec![("package.json", npm("").as_str())], "npm test"),
            (
                vec![
                    ("package.json", npm(",\"dependencies\":{\"a\":\"1\"}").as_str()),
                    ("package-lock.json", "{}"),
                ],
                "npm ci --no-audit --no-fund && npm test",
            ),
            (
                vec![("package.json", npm(",\"devDependencies\":{\"a\":\"1\"}").as_str())],
                "npm install --no-audit --no-fund --no-package-lock && npm test",
            ),
            (
                vec![
                    ("package.json", npm(",\"devDependencies\":{\"a\":\"1\"}").as_str()),
                    ("pnpm-lock.yaml", ""),
                ],
                "pnpm install --frozen-lockfile && pnpm test",
            ),
            (vec![("tests/test_a.py", "")], "python3 -m pytest -q --junitxml=/r/pytest.xml"),
            (
                vec![("pyproject.toml", "[tool.pytest.ini_options]")],
                "python3 -m pytest -q --junitxml=/r/pytest.xml",
            ),
            (vec![("go.mod", ""), ("a/a_test.go", "")], "go test -v ./..."),
            (vec![("pom.xml", "")], "mvn -q -B test"),
            (
                vec![("build.gradle", ""), ("gradlew", ""), ("app/src/test/java/A.java", "")],
                "sh ./gradlew --no-daemon --console=plain --continue test",
            ),
            (
                vec![("settings.gradle.kts", ""), ("src/test/kotlin/A.kt", "")],
                "gradle --no-daemon --console=plain --continue test",
            ),
            (vec![("Makefile", "all:\n\ttrue\nbuild test: all\n\ttrue\n")], "make test"),
        ] {
            assert_eq!(command(&files).as_deref(), Some(expected), "{files:?}");
        }
    }

    #[test]
    fn nothing_is_made_up() {
        for files in [
            vec![("README.md", "# test: x")],
            vec![(
                "package.json",
                "{\"scripts\":{\"test\":\"echo \\\"Error: no test specified\\\" && exit 1\"}}",
            )],
            vec![("package.json", "not json")],
            vec![("go.mod", ""), ("a.go", "")],
            vec![("Makefile", "test := 1\n.PHONY: test\n# test:\n\ttest: x\n")],
            vec![("a.py", "import unittest")],
            vec![("build.gradle", ""), ("src/main/java/A.java", "")],
        ] {
            assert_eq!(command(&files), None, "{files:?}");
        }
    }

    #[test]
    fn the_main_language_wins_and_make_comes_last() {
        let package = "{\"scripts\":{\"test\":\"jest\"}}";
        let files = [
            ("Cargo.toml", ""),
            ("package.json", package),
            ("a.js", ""),
            ("b.js", ""),
            ("c.rs", ""),
            ("Makefile", "test:\n"),
        ];
        assert_eq!(command(&files).as_deref(), Some("npm test"));
        let files = [("Cargo.toml", ""), ("package.json", package), ("Makefile", "test:\n")];
        assert_eq!(command(&files).as_deref(), Some("cargo test --workspace --no-fail-fast"));
    }

    #[test]
    fn tests_of_a_tool_that_is_not_known_are_not_taken_for_none() {
        let tool = |files: &[(&str, &str)]| unknown_tool(repository(files).path());
        assert_eq!(tool(&[("Gemfile", ""), ("spec/a_spec.rb", "")]).as_deref(), Some("Gemfile"));
        assert_eq!(tool(&[("a.sln", ""), ("A.Tests/B.cs", "")]).as_deref(), Some("a.sln"));
        assert_eq!(tool(&[("a.sln", ""), ("A/BTest.cs", "")]).as_deref(), Some("a.sln"));
        assert_eq!(tool(&[("Gemfile", ""), ("lib/a.rb", "")]), None);
        assert_eq!(tool(&[("test/a.sh", ""), ("docs/Gemfile", "")]), None);
    }

    #[test]
    fn tests_below_the_root_are_found_at_any_depth() {
        let deep = "a/b/c/d/e/f/g/h/go.mod";
        let files = [
            ("web/package.json", "{\"scripts\":{\"test\":\"jest\"}}"),
            (deep, ""),
            ("a/b/c/d/e/f/g/h/a_test.go", ""),
            ("docs/package.json", "{}"),
            ("web/node_modules/x/package.json", "{\"scripts\":{\"test\":\"jest\"}}"),
        ];
        let dir = repository(&files);
        assert_eq!(below(dir.path(), 9), ["a/b/c/d/e/f/g/h", "web"]);
        assert_eq!(below(dir.path(), 1).len(), 1);
    }

    #[test]
    fn unittest_is_the_way_without_pytest_where_the_tests_allow_it() {
        let way = |files: &[(&str, &str)]| {
            let dir = repository(files);
            detect(dir.path(), Path::new("/r")).and_then(|d| d.without_pytest).map(|c| c.join(" "))
        };
        let unittest = "import unittest\n";
        assert_eq!(
            way(&[("test_a.py", unittest)]).as_deref(),
            Some("python3 -m unittest discover")
        );
        assert_eq!(
            way(&[("tests/test_a.py", unittest)]).as_deref(),
            Some("python3 -m unittest discover -s tests")
        );
        assert_eq!(
            way(&[("tests/test_a.py", unittest), ("tests/__init__.py", "")]).as_deref(),
            Some("python3 -m unittest discover -s tests -t .")
        );
        assert_eq!(way(&[("test_a.py", "import unittest\nimport pytest\n")]), None);
        assert_eq!(way(&[("test_a.py", "def test_x(): pass\n")]), None);
    }
}
