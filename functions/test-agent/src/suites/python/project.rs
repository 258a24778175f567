//! What a Python project says that it depends on, and how an environment is made for it.

mod tox;

use toml::{Table, Value};

use crate::suites::{
    suite::{Setup, TOOLS},
    tree::{Tree, join},
};
use tox::Tox;

/// Names of extras, of groups and of files of requirements that tests need.
const TESTS: &[&str] = &["test", "testing", "tests", "unit", "unittest"];
/// Names of those that have what tests need among other things: taken where there is none for tests.
const MORE: &[&str] = &["ci", "dev", "develop", "development"];
/// Places of files with requirements; `*` is one of those names.
const REQUIREMENTS: &[&str] = &[
    "*-requirements.txt",
    "*_requirements.txt",
    "requirements-*.txt",
    "requirements/*.txt",
    "requirements_*.txt",
];
/// Groups in groups.
const DEEP: usize = 8;
/// Most requirements that are passed on.
const MOST: usize = 200;

/// A project.
pub(super) struct Project<'a> {
    root: &'a str,
    pyproject: Option<Table>,
    tox: Tox,
    /// Files with requirements.
    files: Vec<String>,
}

impl<'a> Project<'a> {
    pub(super) fn read(tree: &Tree<'_>, root: &'a str) -> Self {
        let text = |name: &str| tree.text(&join(root, name));
        let pyproject: Option<Table> = text("pyproject.toml").and_then(|text| text.parse().ok());
        let of_toml = || Some(Tox::toml(pyproject.as_ref()?.get("tool")?.get("tox")?));
        let tox = match (text("tox.ini"), text("tox.toml")) {
            (Some(text), _) => Tox::ini(&text),
            (None, Some(text)) => {
                text.parse().map(|table| Tox::toml(&Value::Table(table))).unwrap_or_default()
            }
            (None, None) => of_toml().unwrap_or_default(),
        };
        let files = requirements(tree, root, &tox.files);
        Self { root, pyproject, tox, files }
    }

    /// Whether what the project says that it needs has pytest in it.
    pub(super) fn names_pytest(&self, tree: &Tree<'_>) -> bool {
        let words = self.requirements();
        let extras = self.extras();
        let of_extras = extras.iter().flat_map(|extra| self.needed(&["project"], extra));
        words.iter().chain(of_extras.collect::<Vec<_>>().iter()).any(|word| is_pytest(word))
            || self.files.iter().any(|file| {
                let text = tree.text(&join(self.root, file)).unwrap_or_default();
                text.lines().any(is_pytest)
            })
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
            let options = |option: &str, names: Vec<String>| -> String {
                names.iter().map(|name| format!(" --{option} {}", quoted(name))).collect()
            };
            let (extras, groups) = (self.extras(), self.own_groups());
            let options = options("extra", extras) + &options("group", groups);
            ("uv", format!("uv sync --locked --active{options}"))
        } else if tree.any(self.root, &["poetry.lock"]) {
            let groups = self.poetry_groups().map(|(name, _)| name.as_str());
            let groups: Vec<&str> = groups.filter(|name| is_name(name)).collect();
            let with = if groups.is_empty() {
                String::new()
            } else {
                format!(" --with {}", groups.join(","))
            };
            ("poetry", format!("poetry install --no-interaction --all-extras{with}"))
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
        for file in &self.files {
            words.extend(["-r".to_owned(), quoted(file)]);
        }
        for requirement in self.requirements() {
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
        let itself = format!("{{ {install} -e '.{extras}' || {install} '.{extras}'; }}");
        if words.is_empty() {
            return Some(itself);
        }
        // What a file pins may be another release of the project than this: one after the other,
        // the later word counts.
        Some(format!("{install} -e '.{extras}' {words} || {{ {install} {words} && {itself}; }}"))
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

    /// Extras of the project that tests need.
    fn extras(&self) -> Vec<String> {
        let of = |path: &[&str]| {
            let table = self.at(path).and_then(Value::as_table);
            let names: Vec<String> = table.into_iter().flat_map(Table::keys).cloned().collect();
            chosen(&names, |name| self.needed(path.get(..1).unwrap_or_default(), name))
        };
        let known = |name: &String| {
            let there = |path| self.at(path).is_some_and(|extras| extras.get(name).is_some());
            there(&["project", "optional-dependencies"]) || there(&["tool", "poetry", "extras"])
        };
        let mut found = of(&["project", "optional-dependencies"]);
        found.extend(of(&["tool", "poetry", "extras"]));
        found.extend(self.tox.extras.iter().filter(|name| known(name)).cloned());
        found.retain(|name| is_name(name));
        found.sort();
        found.dedup();
        found
    }

    /// What an extra has, or a group of PEP 735.
    fn needed(&self, path: &[&str], name: &str) -> Vec<String> {
        let mut found = Vec::new();
        if path == ["dependency-groups"] {
            if let Some(groups) = self.at(path).and_then(Value::as_table) {
                add_group(groups, name, 0, &mut found);
            }
        } else if path == ["project"]
            && let Some(list) = self.at(&["project", "optional-dependencies", name])
        {
            let list = list.as_array().into_iter().flatten();
            found.extend(list.filter_map(Value::as_str).map(str::to_owned));
        }
        found
    }

    /// Groups of PEP 735 that tests need.
    fn own_groups(&self) -> Vec<String> {
        let path = &["dependency-groups"];
        let groups = self.at(path).and_then(Value::as_table);
        let names: Vec<String> = groups.into_iter().flat_map(Table::keys).cloned().collect();
        let mut found = chosen(&names, |name| self.needed(path, name));
        found.extend(self.tox.groups.iter().filter(|name| names.contains(name)).cloned());
        found.retain(|name| is_name(name));
        found.sort();
        found.dedup();
        found
    }

    /// Poetry's own groups that tests need.
    fn poetry_groups(&self) -> impl Iterator<Item = (&String, &Value)> {
        let groups = self.at(&["tool", "poetry", "group"]).and_then(Value::as_table);
        let of_tests = |name: &str| TESTS.contains(&name) || MORE.contains(&name);
        groups.into_iter().flatten().filter(move |(name, _)| of_tests(name))
    }

    /// What the groups of PEP 735 have for tests, poetry's, and the environments of hatch and tox.
    fn requirements(&self) -> Vec<String> {
        let mut found = Vec::new();
        for name in self.own_groups() {
            found.extend(self.needed(&["dependency-groups"], &name));
        }
        let tables =
            self.poetry_groups().filter_map(|(_, group)| group.get("dependencies")?.as_table());
        let old = self.at(&["tool", "poetry", "dev-dependencies"]).and_then(Value::as_table);
        for (name, version) in tables.chain(old).flatten() {
            found.push(poetry_requirement(name, version));
        }
        for environment in ["default", "test", "hatch-test"] {
            for key in ["dependencies", "extra-dependencies"] {
                let list = self.at(&["tool", "hatch", "envs", environment, key]);
                let list = list.and_then(Value::as_array).into_iter().flatten();
                found.extend(list.filter_map(Value::as_str).map(str::to_owned));
            }
        }
        // A reference to the project itself is none to what is to be had elsewhere.
        found.extend(self.tox.requirements.iter().cloned());
        found.retain(|requirement| !requirement.contains("{root"));
        found.truncate(MOST);
        found
    }
}

/// Files with what tests need: those for tests, others only where there are none.
fn requirements(tree: &Tree<'_>, root: &str, named: &[String]) -> Vec<String> {
    let places = |names: &[&str]| -> Vec<String> {
        let of = |name: &&str| REQUIREMENTS.iter().map(|place| place.replace('*', name)).collect();
        let files = names.iter().flat_map(|name| -> Vec<String> { of(name) });
        files.filter(|file| tree.has(&join(root, file))).collect()
    };
    let mut found = places(TESTS);
    let beside = ["tests/requirements.txt", "test/requirements.txt"].map(str::to_owned);
    found.extend(beside.into_iter().chain(named.iter().cloned()));
    found.retain(|file| tree.has(&join(root, file)));
    if found.is_empty() {
        found = places(MORE);
    }
    found.extend(Some("requirements.txt".to_owned()).filter(|file| tree.has(&join(root, file))));
    found.sort();
    found.dedup();
    found
}

/// Of lists with these names, those that tests need: that for tests where it has what runs them;
/// otherwise all that may, and whichever has it.
fn chosen(names: &[String], needed: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let is_of = |list: &[&str], name: &str| list.contains(&name.to_ascii_lowercase().as_str());
    let runs = |name: &str| needed(name).iter().any(|word| is_pytest(word));
    let found = |is: &dyn Fn(&str) -> bool| -> Vec<String> {
        names.iter().filter(|name| is(name)).cloned().collect()
    };
    if names.iter().any(|name| is_of(TESTS, name) && runs(name)) {
        return found(&|name| is_of(TESTS, name));
    }
    if names.iter().any(|name| is_of(MORE, name) && runs(name)) {
        return found(&|name| is_of(TESTS, name) || is_of(MORE, name));
    }
    // One that has it among others, whatever it is called; the shortest, as it has the least else.
    let other = names.iter().filter(|name| runs(name)).min_by_key(|name| needed(name).len());
    found(&|name| is_of(TESTS, name) || is_of(MORE, name) || other.is_some_and(|o| o == name))
}

/// Whether a requirement is pytest, or something for it.
fn is_pytest(requirement: &str) -> bool {
    let name = requirement.trim_start().split(|c: char| !c.is_alphanumeric()).next();
    name.is_some_and(|name| name.eq_ignore_ascii_case("pytest"))
}

/// Whether this is a name of an extra or a group, and nothing else.
fn is_name(text: &str) -> bool {
    let is = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is)
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

/// A word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_need_is_read_from_where_tools_have_it() {
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
