//! What tox installs for tests: `[testenv]` of `tox.ini`, and its TOML in `pyproject.toml`.

use toml::Value;

/// Factors of environments in which the tests are run.
const FACTORS: &[&str] = &["py", "py3", "pytest", "test", "testing", "tests", "unit"];

/// What tox installs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tox {
    pub(super) requirements: Vec<String>,
    /// Files with requirements.
    pub(super) files: Vec<String>,
    pub(super) extras: Vec<String>,
    pub(super) groups: Vec<String>,
}

impl Tox {
    /// What `[testenv]` of `tox.ini` says, but for what is of other factors than those for tests, and
    /// what has variables.
    pub(super) fn ini(text: &str) -> Self {
        let mut found = Self::default();
        let (mut section, mut key) = (false, String::new());
        for line in text.lines() {
            if line.starts_with('[') {
                (section, key) = (line.trim() == "[testenv]", String::new());
                continue;
            }
            let indented = line.starts_with([' ', '\t']);
            let value = match line.split_once('=') {
                Some((name, value)) if !indented => {
                    name.trim().clone_into(&mut key);
                    value
                }
                _ => line,
            };
            if section {
                found.add(&key, value);
            }
        }
        found
    }

    /// What `[tool.tox]` says: the environments' common part.
    pub(super) fn toml(table: &Value) -> Self {
        let mut found = Self::default();
        for key in ["deps", "extras", "dependency_groups"] {
            let values = table.get("env_run_base").and_then(|base| base.get(key));
            for value in values.and_then(Value::as_array).into_iter().flatten() {
                found.add(key, value.as_str().unwrap_or_default());
            }
        }
        if let Some(ini) = table.get("legacy_tox_ini").and_then(Value::as_str) {
            let old = Self::ini(ini);
            found.requirements.extend(old.requirements);
            found.files.extend(old.files);
            found.extras.extend(old.extras);
            found.groups.extend(old.groups);
        }
        found
    }

    fn add(&mut self, key: &str, line: &str) {
        let value = line.split(" #").next().unwrap_or_default().trim();
        let value = match value.split_once(": ") {
            // A requirement has a marker behind a semicolon, and none before its name.
            Some((factors, value)) if !factors.contains([';', ' ']) => {
                let for_tests = factors.split([',', '-']).any(|f| FACTORS.contains(&f));
                if for_tests { value.trim() } else { return }
            }
            _ => value,
        };
        if value.is_empty() || value.starts_with(['#', '.']) || value.contains(['{', '}']) {
            return;
        }
        let names = || value.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty());
        match key {
            "deps" => match value.strip_prefix("-r") {
                Some(file) => self.files.push(file.trim_start_matches([' ', '=']).to_owned()),
                None if value.starts_with('-') => {}
                None => self.requirements.push(value.to_owned()),
            },
            "extras" => self.extras.extend(names().map(str::to_owned)),
            "dependency_groups" => self.groups.extend(names().map(str::to_owned)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &[&str]) -> Vec<String> {
        list.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn what_an_environment_for_tests_installs_is_read() {
        let text = "[tox]\nextras = no\n[testenv]\ndeps =\n    pytest>=7 # newest\n    py38: old\n    \
                    unit: railroad; python_version <= '3.15'\n    -r req.txt\n    -c c.txt\n    mock\n    \
                    -e .\nextras = unit: diagrams, more\n  docs: sphinx\ndependency_groups = dev\n\
                    commands = pytest\n[testenv:lint]\ndeps = ruff\n";
        let expected = Tox {
            requirements: all(&["pytest>=7", "railroad; python_version <= '3.15'", "mock"]),
            files: all(&["req.txt"]),
            extras: all(&["diagrams", "more"]),
            groups: all(&["dev"]),
        };
        assert_eq!(Tox::ini(text), expected);
        let table: Value = toml::from_str(
            "[env_run_base]\ndeps = ['pytest', { replace = 'x' }]\ndependency_groups = ['tests']\n",
        )
        .expect("a table");
        let expected =
            Tox { requirements: all(&["pytest"]), groups: all(&["tests"]), ..Tox::default() };
        assert_eq!(Tox::toml(&table), expected);
    }
}
