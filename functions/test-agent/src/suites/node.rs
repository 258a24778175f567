//! npm, pnpm, yarn and bun: a suite for each package with a test script, but for members of a
//! workspace whose tests the script at its root runs already.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde_json::Value;

use super::{
    suite::{Candidate, Setup, Suite, words},
    tree::{Tree, above, is_aside, is_below, join, split},
};

/// In a script: what runs the tests of every member, or finds all tests below it.
const WHOLE: &[&str] = &[
    "--recursive",
    "--workspaces",
    "-ws",
    "ava",
    "bun test",
    "foreach",
    "jest",
    "lerna",
    "node --test",
    "nx ",
    "pnpm -r",
    "rush",
    "turbo",
    "vitest",
    "wsrun",
];
/// Scripts that a script may name, one after another.
const DEEP: usize = 8;

/// The package of npm with the yarn that came after the classic one.
pub(crate) const MODERN_YARN: &str = "@yarnpkg/cli-dist";

/// What installs packages and runs scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Npm,
    Pnpm,
    YarnClassic,
    Yarn,
    Bun,
}

impl Manager {
    const fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::YarnClassic | Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }

    /// The package of npm that brings it. That of today's yarn is another than that of the classic one.
    const fn package(self) -> Option<&'static str> {
        match self {
            Self::Npm => None,
            Self::Pnpm => Some("pnpm"),
            Self::YarnClassic => Some("yarn"),
            Self::Yarn => Some(MODERN_YARN),
            Self::Bun => Some("bun"),
        }
    }

    const fn test(self) -> &'static [&'static str] {
        match self {
            Self::Npm => &["npm", "test"],
            Self::Pnpm => &["pnpm", "test"],
            Self::YarnClassic | Self::Yarn => &["yarn", "test"],
            Self::Bun => &["bun", "run", "test"],
        }
    }

    /// How packages are installed: as locked, where something is.
    const fn install(self, locked: bool) -> &'static [&'static str] {
        match (self, locked) {
            (Self::Npm, true) => &["npm", "ci", "--no-audit", "--no-fund"],
            (Self::Npm, false) => {
                &["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
            }
            (Self::Pnpm, true) => &["pnpm", "install", "--frozen-lockfile"],
            (Self::Pnpm, false) => &["pnpm", "install", "--no-lockfile"],
            (Self::YarnClassic, true) => &["yarn", "install", "--frozen-lockfile"],
            (Self::YarnClassic, false) => &["yarn", "install", "--no-lockfile"],
            (Self::Yarn, true) => &["yarn", "install", "--immutable"],
            (Self::Yarn, false) => &["yarn", "install"],
            (Self::Bun, true) => &["bun", "install", "--frozen-lockfile"],
            (Self::Bun, false) => &["bun", "install", "--no-save"],
        }
    }
}

/// A package.
struct Package {
    folder: String,
    manifest: Value,
    script: Option<String>,
    /// Which folders are its members; none: it is no workspace.
    members: Option<GlobSet>,
}

pub(super) fn find(tree: &Tree<'_>, candidates: &mut Vec<Candidate>) {
    let folders = tree.folders(|name| name == "package.json");
    let packages: Vec<Package> =
        folders.into_iter().filter_map(|folder| package(tree, folder)).collect();
    for package in &packages {
        if package.script.is_none() {
            continue;
        }
        let around = above(&package.folder)
            .filter_map(|folder| packages.iter().find(|other| other.folder == folder));
        let workspace = around.into_iter().find(|other| {
            other.members.as_ref().is_some_and(|members| members.is_match(&package.folder))
        });
        if workspace.is_some_and(|root| root.script.as_ref().is_some_and(|s| runs_all(root, s))) {
            continue;
        }
        let root = workspace.unwrap_or(package);
        let (manager, locked) = manager(tree, root);
        let mut suite = Suite::new(manager.name(), &package.folder, manager.test());
        suite.brought_by = manager.package().map(|package| match version(root, manager.name()) {
            Some(version) => format!("{package}@{version}"),
            None => package.to_owned(),
        });
        let asks = needs(&root.manifest) || needs(&package.manifest);
        if asks && !tree.below(&join(&root.folder, "node_modules")).any(|_| true) {
            let command = words(manager.install(locked));
            suite.setup.push(Setup { directory: root.folder.clone(), command });
        }
        candidates.push(Candidate { suite, tests: true });
    }
}

/// What runs the scripts of the package at the root, and what has to be installed before.
pub(super) fn installed(
    tree: &Tree<'_>,
    manifest: Value,
) -> (&'static str, Option<&'static [&'static str]>) {
    let asks = needs(&manifest);
    let package = Package { folder: String::new(), manifest, script: None, members: None };
    let (manager, locked) = manager(tree, &package);
    (manager.name(), asks.then(|| manager.install(locked)))
}

fn package(tree: &Tree<'_>, folder: String) -> Option<Package> {
    let manifest: Value = serde_json::from_str(&tree.text(&join(&folder, "package.json"))?).ok()?;
    let script = manifest.pointer("/scripts/test").and_then(Value::as_str).map(str::to_owned);
    let script = script.filter(|script| does_something(script));
    let members = members(tree, &folder, &manifest);
    Some(Package { folder, manifest, script, members })
}

/// Packages whose test script does nothing although they have files of tests, which no suite around them
/// runs: those are not run.
pub(super) fn emptied(tree: &Tree<'_>, suites: &[Suite]) -> Vec<String> {
    let folders = tree.folders(|name| name == "package.json");
    let is_emptied = |folder: &&String| {
        let text = tree.text(&join(folder, "package.json")).unwrap_or_default();
        let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
        let script = manifest.pointer("/scripts/test").and_then(Value::as_str);
        // What `npm init` writes says that there are none yet.
        let nothing = script
            .is_some_and(|script| !does_something(script) && !script.contains("no test specified"));
        let managers = ["npm", "pnpm", "yarn", "bun"];
        let around = suites.iter().any(|suite| {
            managers.contains(&suite.tool.as_str()) && is_below(folder, &suite.directory)
        });
        nothing && !around && !is_aside(folder) && tree.own(folder, &folders).any(is_test)
    };
    folders.iter().filter(is_emptied).map(|folder| join(folder, "package.json")).collect()
}

/// Whether the tools of the language take a file for one of tests by its name.
fn is_test(file: &str) -> bool {
    const ENDS: &[&str] = &["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"];
    let name = split(file).1;
    name.rsplit_once('.').is_some_and(|(name, end)| {
        ENDS.contains(&end) && (name.ends_with(".test") || name.ends_with(".spec"))
    })
}

/// Whether a script is more than what `npm init` writes, or a word that there is nothing to do: its
/// success would be that of no test.
fn does_something(script: &str) -> bool {
    let script = script.trim();
    let only_says =
        script.starts_with("echo ") && !script.contains(['&', '|', ';', '`', '$', '\n']);
    !(matches!(script, "" | ":" | "exit" | "exit 0" | "true")
        || only_says
        || script.contains("no test specified"))
}

fn members(tree: &Tree<'_>, folder: &str, manifest: &Value) -> Option<GlobSet> {
    let list = manifest.get("workspaces");
    let list = list.and_then(|w| w.as_array().or_else(|| w.get("packages")?.as_array()));
    let mut patterns: Vec<String> =
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if let Some(text) = tree.text(&join(folder, "pnpm-workspace.yaml")) {
        let items = text.lines().filter_map(|line| line.trim_start().strip_prefix("- "));
        patterns.extend(items.map(|item| item.trim().trim_matches(['"', '\'']).to_owned()));
    }
    if let Some(text) = tree.text(&join(folder, "lerna.json"))
        && let Ok(lerna) = serde_json::from_str::<Value>(&text)
        && let Some(list) = lerna.get("packages").and_then(Value::as_array)
    {
        patterns.extend(list.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let mut set = GlobSetBuilder::new();
    let mut some = false;
    for pattern in patterns.iter().filter(|pattern| !pattern.starts_with('!')).take(500) {
        let glob = GlobBuilder::new(&join(folder, pattern)).literal_separator(true).build();
        if let Ok(glob) = glob {
            set.add(glob);
            some = true;
        }
    }
    some.then(|| set.build().unwrap_or_default())
}

/// Whether a script at the root of a workspace runs the tests of its members, by itself or by
/// scripts that it names.
fn runs_all(root: &Package, script: &str) -> bool {
    let mut texts = vec![script.to_owned()];
    let mut seen = 0;
    while let Some(text) = texts.pop() {
        let padded = format!("{text} ");
        if WHOLE.iter().any(|word| padded.contains(word)) {
            return true;
        }
        seen += 1;
        if seen > DEEP {
            break;
        }
        let scripts = root.manifest.get("scripts").and_then(Value::as_object);
        let named = scripts.into_iter().flatten().filter(|(name, _)| {
            *name != "test" && text.split([' ', '&', ';']).any(|word| word == name.as_str())
        });
        texts.extend(named.filter_map(|(_, script)| script.as_str().map(str::to_owned)));
    }
    false
}

/// Which manager a package is for, and whether it has locked what it depends on.
fn manager(tree: &Tree<'_>, package: &Package) -> (Manager, bool) {
    let has = |names: &[&str]| tree.any(&package.folder, names);
    let named = package.manifest.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    if has(&["package-lock.json", "npm-shrinkwrap.json"]) {
        return (Manager::Npm, true);
    }
    if has(&["pnpm-lock.yaml"]) || named.starts_with("pnpm") {
        return (Manager::Pnpm, has(&["pnpm-lock.yaml"]));
    }
    if has(&["yarn.lock"]) || named.starts_with("yarn") {
        let lock = join(&package.folder, "yarn.lock");
        let modern = tree.says(&lock, &["__metadata:"])
            || has(&[".yarnrc.yml"])
            || (named.starts_with("yarn@") && !named.starts_with("yarn@1"));
        let manager = if modern { Manager::Yarn } else { Manager::YarnClassic };
        return (manager, has(&["yarn.lock"]));
    }
    if has(&["bun.lock", "bun.lockb"]) || named.starts_with("bun") {
        return (Manager::Bun, has(&["bun.lock", "bun.lockb"]));
    }
    (Manager::Npm, false)
}

/// The version of the manager that a package names; no other kind of text.
fn version<'p>(package: &'p Package, manager: &str) -> Option<&'p str> {
    let named = package.manifest.get("packageManager").and_then(Value::as_str)?;
    let version = named.strip_prefix(manager)?.strip_prefix('@')?.split('+').next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is = version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(plain);
    is.then_some(version)
}

fn needs(manifest: &Value) -> bool {
    let some = |key: &str| match manifest.get(key) {
        Some(Value::Object(map)) => !map.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        _ => false,
    };
    ["dependencies", "devDependencies", "optionalDependencies", "workspaces"].into_iter().any(some)
}
