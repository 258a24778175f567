//! What is known from a file's path.

/// What is known from a file's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Full of hashes by nature.
    pub(crate) is_lock_file: bool,
    /// Tests and examples, where made-up keys are at home.
    pub(crate) is_test: bool,
    pub(crate) style: Style,
}

/// How values stand in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// Settings: a value needs no quotes.
    #[default]
    Config,
    /// A shell's: a value needs no quotes, and ends with the word.
    Shell,
    /// A program: a value is in quotes.
    Code,
    /// Prose and pages.
    Prose,
}

const LOCK_FILES: &[&str] = &[
    "bun.lock",
    "cargo.lock",
    "cargo.toml.orig",
    "checksums.txt",
    "composer.lock",
    "deno.lock",
    "flake.lock",
    "gemfile.lock",
    "go.sum",
    "go.work.sum",
    "gradle.lockfile",
    "mix.lock",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.resolved",
    "packages.lock.json",
    "pdm.lock",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "podfile.lock",
    "poetry.lock",
    "pubspec.lock",
    "sha256sums",
    "uv.lock",
    "yarn.lock",
    "record",
    ".cargo-checksum.json",
    ".cargo_vcs_info.json",
];

const TEST_FOLDERS: &[&str] = &[
    "__fixtures__",
    "__mocks__",
    "__tests__",
    "bench",
    "benches",
    "demo",
    "demos",
    "e2e",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "mock",
    "mocks",
    "sample",
    "samples",
    "spec",
    "specs",
    "test",
    "test-data",
    "test_data",
    "testdata",
    "testing",
    "tests",
    "testutil",
    "testutils",
    "cassettes",
    "snapshots",
    "__snapshots__",
    "acceptance",
    "fuzz",
    "corpus",
];

const CODE: &[&str] = &[
    "py", "pyw", "pyi", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "go", "java", "rs",
    "rb", "php", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "cs", "kt", "kts", "swift", "scala",
    "groovy", "gradle", "m", "mm", "dart", "ex", "exs", "erl", "hs", "lua", "pl", "pm", "r", "jl",
    "clj", "fs", "vb", "vue", "svelte", "sql", "tf", "hcl", "proto", "css", "scss", "less", "map",
    "zig", "nim", "sol", "ml", "mli", "pas", "asm", "s", "wasm", "cmake", "nix", "bzl", "toml",
    "json", "json5", "jsonc", "ipynb", "jsonl", "ndjson", "har", "snap", "graphql", "pyx",
];
const SHELL: &[&str] =
    &["sh", "bash", "zsh", "fish", "ksh", "ps1", "psm1", "bat", "cmd", "mk", "dockerfile"];
const PROSE: &[&str] = &[
    "md", "markdown", "rst", "adoc", "asciidoc", "html", "htm", "xhtml", "tex", "org", "textile",
    "mdx", "svg", "po", "pot", "tmpl", "csv", "tsv", "srt", "rtf",
];

impl Place {
    pub(crate) fn of(path: &str) -> Self {
        let path = path.to_ascii_lowercase();
        let name = path.rsplit(['/', '!']).next().unwrap_or(&path);
        let stem = name.split('.').next().unwrap_or(name);
        let mut folders: Vec<&str> = path.split(['/', '!']).collect();
        folders.pop();
        let is_test = folders.iter().any(|f| TEST_FOLDERS.contains(f) || is_test_set(f))
            || name.contains(".test.")
            || name.contains(".spec.")
            || name.contains(".example")
            || name.contains(".sample")
            || name.ends_with(".snap")
            || ["test", "tests", "conftest", "example", "sample"].contains(&stem)
            || stem.starts_with("test_")
            || stem.starts_with("test-")
            || stem.starts_with("example")
            || stem.starts_with("sample")
            || stem.ends_with("_test")
            || stem.ends_with("_tests")
            || stem.ends_with("_spec")
            || stem.ends_with("-test")
            || path.rsplit('/').next().is_some_and(|n| n.len() > 8)
                && (stem.ends_with("test") || stem.ends_with("tests"))
                && ["java", "kt", "cs", "scala", "groovy", "swift", "php"]
                    .iter()
                    .any(|e| name.ends_with(&format!(".{e}")));
        Self { is_lock_file: LOCK_FILES.contains(&name), is_test, style: Style::of(name) }
    }
}

impl Style {
    fn of(name: &str) -> Self {
        if name.starts_with("dockerfile") || name.ends_with("makefile") || name == "jenkinsfile" {
            return Self::Shell;
        }
        if name.starts_with("readme")
            || name.starts_with("changelog")
            || name.starts_with("license")
        {
            return Self::Prose;
        }
        if name.starts_with(".env") || name.contains(".env.") {
            return Self::Config;
        }
        let Some((_, ending)) = name.rsplit_once('.') else { return Self::Config };
        let among = |list: &[&str]| list.contains(&ending);
        if among(CODE) {
            Self::Code
        } else if among(SHELL) {
            Self::Shell
        } else if among(PROSE) {
            Self::Prose
        } else {
            Self::Config
        }
    }
}

/// `integration-tests`, `load_test`, `Shop.Tests`, `signing-test-suite`, `dockerTest`: a name of
/// which a word says so.
fn is_test_set(folder: &str) -> bool {
    let mut words = folder.split(['-', '_', '.']);
    let whole = words.clone().count() > 1
        && words.any(|w| ["test", "tests", "testing", "testsuite", "testdata"].contains(&w));
    let end = folder.strip_suffix('s').unwrap_or(folder);
    whole
        || end
            .strip_suffix("test")
            .is_some_and(|rest| ["docker", "integration", "unit", "smoke", "load"].contains(&rest))
}

/// Whether `path` is that of a test or an example.
pub(crate) fn is_test(path: &str) -> bool {
    Place::of(path).is_test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert!(Place::of("a/package-lock.json").is_lock_file);
        assert!(Place::of("Cargo.lock").is_lock_file);
        for path in [
            "tests/a.rs",
            "src/foo_test.go",
            "web/a.spec.ts",
            "x/testdata/key.pem",
            "integration-test/app/src/main/resources/a.key",
            "sni-integration-tests/a.key",
            "src/dockerTest/resources/client.key",
            "Shop.Tests/a.pfx",
            "src/UserServiceTest.java",
            ".env.example",
            "data/examples-1.json",
        ] {
            assert!(Place::of(path).is_test, "{path}");
        }
        for path in
            ["src/latest.rs", "contest/a.py", "config/production.env", "latests/a", "a/Attest/b"]
        {
            assert!(!Place::of(path).is_test, "{path}");
        }
        for (path, style) in [
            ("a.zip!x/.env", Style::Config),
            ("deploy.sh", Style::Shell),
            ("Dockerfile", Style::Shell),
            ("a/b.py", Style::Code),
            ("README.md", Style::Prose),
            ("secret", Style::Config),
            ("my.ini", Style::Config),
        ] {
            assert_eq!(Place::of(path).style, style, "{path}");
        }
    }
}
