//! What a Python project says that it depends on, and how an environment is made for it.

use toml::{Table, Value};

use crate::suites::{
    suite::{Setup, TOOLS},
    tree::{Tree, join},
};

/// Names of extras and of groups that tests need.
const FOR_TESTS: &[&str] =
    &["ci", "dev", "develop", "development", "test", "testing", "tests", "unittest"];
/// Files with what is needed, besides `requirements.txt`.
const REQUIREMENTS: &[&str] = &[
    "dev-requirements.txt",
    "requirements-ci.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-testing.txt",
    "requirements-tests.txt",
    "requirements.txt",
    "requirements/ci.txt",
    "requirements/dev.txt",
    "requirements/development.txt",
    "requirements/test.txt",
    "requirements/testing.txt",
    "requirements/tests.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "test_requirements.txt",
    "tests/requirements.txt",
];
/// Groups in groups.
const DEEP: usize = 8;
/// Most requirements that are passed on.
const MOST: usize = 200;

/// A project.
pub(super) struct Project<'a> {
    root: &'a str,
    pyproject: Option<Table>,
}

impl<'a> Project<'a> {
    pub(super) fn read(tree: &Tree<'_>, root: &'a str) -> Self {
        let text = tree.text(&join(root, "pyproject.toml"));
        Self { root, pyproject: text.and_then(|text| text.parse().ok()) }
    }

    fn at(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.pyproject.as_ref()?.get(*first)?, |value, key| value.get(key))
    }

    /// What makes the environment; none: the project says nothing of what it needs.
    pub(super) fn setup(&self, tree: &Tree<'_>, pytest: bool) -> Option<Setup> {
        let script = match self.locked(tree) {
            Some(script) => script,
            None => self.with_pip(tree, pytest)?,
        };
        let make = format!(
            "python3 -m venv {TOOLS} || virtualenv -q {TOOLS} || exit\nexport VIRTUAL_ENV={TOOLS} \
             PATH=\"{TOOLS}/bin:$PATH\" PIP_DISABLE_PIP_VERSION_CHECK=1\n{script}"
        );
        let command = ["sh", "-c", &make].map(str::to_owned).to_vec();
        Some(Setup { directory: self.root.to_owned(), command })
    }

    /// By the tool that locked what is needed.
    fn locked(&self, tree: &Tree<'_>) -> Option<String> {
        let (tool, install) = if tree.any(self.root, &["uv.lock"]) {
            let extras = self.extras();
            let extras: String = extras.iter().map(|extra| format!(" --extra {extra}")).collect();
            ("uv", format!("uv sync --locked --active{extras}"))
        } else if tree.any(self.root, &["poetry.lock"]) {
            ("poetry", "poetry install --no-interaction --all-extras".to_owned())
        } else if tree.any(self.root, &["pdm.lock"]) {
            ("pdm", "pdm install --frozen-lockfile -G :all".to_owned())
        } else if tree.any(self.root, &["Pipfile.lock"]) {
            ("pipenv", "pipenv sync --dev".to_owned())
        } else {
            return None;
        };
        let has = format!(
            "command -v {tool} >/dev/null || python3 -m venv {TOOLS}.tool && {TOOLS}.tool/bin/python \
             -m pip install -q {tool} && ln -s {TOOLS}.tool/bin/{tool} {TOOLS}/bin/{tool} || exit"
        );
        // Without pytest among what was locked the tests say so.
        Some(format!("command -v {tool} >/dev/null || {{ {has}\n}}\n{install}"))
    }

    fn with_pip(&self, tree: &Tree<'_>, pytest: bool) -> Option<String> {
        let mut words: Vec<String> = Vec::new();
        for file in REQUIREMENTS.iter().filter(|file| tree.has(&join(self.root, file))) {
            words.extend(["-r".to_owned(), (*file).to_owned()]);
        }
        for requirement in self.groups().into_iter().chain(self.of_tools(tree)) {
            words.push(quoted(&requirement));
        }
        let own = self.is_package(tree);
        if words.is_empty() && !own {
            return None;
        }
        if pytest {
            words.push("pytest".to_owned());
        }
        let install = "python -m pip install -q";
        let words = words.join(" ");
        if !own {
            return Some(format!("{install} {words}"));
        }
        let extras = self.extras();
        let extras =
            if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
        Some(format!("{install} -e '.{extras}' {words} || {install} '.{extras}' {words}"))
    }

    /// Whether there is something to install besides what is needed.
    fn is_package(&self, tree: &Tree<'_>) -> bool {
        let off = |path: &[&str]| self.at(path).and_then(Value::as_bool) == Some(false);
        if off(&["tool", "poetry", "package-mode"]) || off(&["tool", "uv", "package"]) {
            return false;
        }
        tree.any(self.root, &["setup.py"])
            || self.at(&["project"]).is_some()
            || self.at(&["build-system"]).is_some()
    }

    fn extras(&self) -> Vec<String> {
        let tables = [&["project", "optional-dependencies"][..], &["tool", "poetry", "extras"]];
        let names = tables
            .into_iter()
            .filter_map(|path| self.at(path)?.as_table())
            .flat_map(Table::keys)
            .filter(|name| FOR_TESTS.contains(&name.as_str()));
        names.cloned().collect()
    }

    /// What the groups of PEP 735, and poetry's, have for tests.
    fn groups(&self) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(groups) = self.at(&["dependency-groups"]).and_then(Value::as_table) {
            for name in groups.keys().filter(|name| FOR_TESTS.contains(&name.as_str())) {
                add_group(groups, name, 0, &mut found);
            }
        }
        let poetry = self.at(&["tool", "poetry", "group"]).and_then(Value::as_table);
        let groups = poetry.into_iter().flatten().filter(|(n, _)| FOR_TESTS.contains(&n.as_str()));
        let tables = groups.filter_map(|(_, group)| group.get("dependencies")?.as_table());
        let old = self.at(&["tool", "poetry", "dev-dependencies"]).and_then(Value::as_table);
        for (name, version) in tables.chain(old).flatten() {
            found.push(poetry_requirement(name, version));
        }
        found.truncate(MOST);
        found
    }

    /// What the environments of hatch and tox have for tests.
    fn of_tools(&self, tree: &Tree<'_>) -> Vec<String> {
        let mut found = Vec::new();
        for environment in ["default", "test", "hatch-test"] {
            for key in ["dependencies", "extra-dependencies"] {
                let list = self.at(&["tool", "hatch", "envs", environment, key]);
                let list = list.and_then(Value::as_array).into_iter().flatten();
                found.extend(list.filter_map(Value::as_str).map(str::to_owned));
            }
        }
        if let Some(text) = tree.text(&join(self.root, "tox.ini")) {
            found.extend(tox_deps(&text));
        }
        found.truncate(MOST);
        found
    }
}

fn add_group(groups: &Table, name: &str, deep: usize, found: &mut Vec<String>) {
    let list = groups.get(name).and_then(Value::as_array);
    for item in list.into_iter().flatten() {
        if let Some(requirement) = item.as_str() {
            found.push(requirement.to_owned());
        } else if let Some(other) = item.get("include-group").and_then(Value::as_str)
            && deep < DEEP
            && found.len() < MOST
        {
            add_group(groups, other, deep + 1, found);
        }
    }
}

/// A requirement of poetry's as others write it; its own signs for ranges have none, and the newest
/// is taken.
fn poetry_requirement(name: &str, version: &Value) -> String {
    let text = version.as_str().or_else(|| version.get("version")?.as_str()).unwrap_or_default();
    if let Some(least) = text.strip_prefix('^').or_else(|| text.strip_prefix('~')) {
        return format!("{name}>={least}");
    }
    if text.starts_with(['<', '>', '=', '!']) { format!("{name}{text}") } else { name.to_owned() }
}

/// Requirements of `[testenv]`, but for those of a factor and those with variables.
fn tox_deps(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut section, mut inside) = (false, false);
    for line in text.lines() {
        if line.starts_with('[') {
            (section, inside) = (line.trim() == "[testenv]", false);
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        let value = match line.split_once('=') {
            Some((key, value)) if !indented => {
                inside = key.trim() == "deps";
                value
            }
            _ => line,
        };
        let value = value.split(" #").next().unwrap_or_default().trim();
        let plain = !value.is_empty() && !value.starts_with(['-', '#', '.']);
        if section && inside && plain && !value.contains(['{', '}']) && !value.contains(": ") {
            found.push(value.to_owned());
        }
    }
    found
}

/// A word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_need_is_read_from_where_tools_have_it() {
        let text = "[testenv]\ndeps =\n    pytest>=7 # newest\n    py38: old\n    -rreq.txt\n    mock\ncommands = pytest\n[testenv:lint]\ndeps = ruff\n";
        assert_eq!(tox_deps(text), ["pytest>=7", "mock"]);
        assert_eq!(poetry_requirement("a", &Value::String("^1.2".to_owned())), "a>=1.2");
        assert_eq!(poetry_requirement("a", &Value::String("*".to_owned())), "a");
        let groups: Table =
            "test = ['pytest', { include-group = 'more' }]\nmore = ['mock', { include-group = 'test' }]\n"
                .parse()
                .expect("a table");
        let mut found = Vec::new();
        add_group(&groups, "test", 0, &mut found);
        assert_eq!(found.iter().take(2).collect::<Vec<_>>(), ["pytest", "mock"]);
        assert!(found.len() < 40, "a circle has an end");
    }
}
