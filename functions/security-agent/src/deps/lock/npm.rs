//! `package-lock.json`, versions 1 to 3.

use std::collections::HashMap;

use pact_contract::nesting;
use serde::Deserialize;
use serde_json::Value;

use super::form::{About, Parsed, number};
use crate::deps::{Ecosystem, verdict::short};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    lockfile_version: Option<u64>,
    #[serde(default)]
    packages: Option<serde_json::Map<String, Value>>,
    #[serde(default)]
    dependencies: Option<serde_json::Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    resolved: Option<Value>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    dev: bool,
    /// An expression of SPDX; old packages have an object, or a list of them.
    #[serde(default)]
    license: Option<Value>,
    /// In version 1 the packages within this one.
    #[serde(default)]
    dependencies: Option<Value>,
    #[serde(default)]
    optional_dependencies: Option<Value>,
    #[serde(default)]
    peer_dependencies: Option<Value>,
    #[serde(default)]
    dev_dependencies: Option<Value>,
    /// What version 1 says of needs.
    #[serde(default)]
    requires: Option<Value>,
}

impl Entry {
    /// What it asks for to work.
    fn needs(&self) -> impl Iterator<Item = &str> {
        [&self.dependencies, &self.optional_dependencies, &self.peer_dependencies, &self.requires]
            .into_iter()
            .flat_map(names)
    }
}

fn names(map: &Option<Value>) -> impl Iterator<Item = &str> {
    map.as_ref().and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str())
}

pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    // A list would be taken for the fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err("it is no JSON object".to_owned());
    }
    let file: File =
        serde_json::from_str(text).map_err(|e| nesting::said(&e.to_string(), nesting::JSON))?;
    let lines = key_lines(text);
    let mut out = Parsed::default();
    let mut aliases = HashMap::new();
    match (file.lockfile_version.unwrap_or(1), file.packages, file.dependencies) {
        (2 | 3, Some(packages), _) => {
            for (key, value) in packages {
                let entry = entry(&key, value)?;
                // What lies outside `node_modules` is part of the repository.
                let Some((_, name)) = key.rsplit_once("node_modules/") else {
                    entry.needs().for_each(|name| out.graph.direct(name, false));
                    names(&entry.dev_dependencies).for_each(|name| out.graph.direct(name, true));
                    continue;
                };
                if entry.link {
                    continue;
                }
                let own = entry.name.as_deref().unwrap_or(name);
                if own != name {
                    aliases.insert(name.to_owned(), own.to_owned());
                }
                entry.needs().for_each(|other| out.graph.needs(own, other));
                if entry.dev {
                    out.graph.development(own);
                }
                let line = lines.get(key.as_str()).copied().flatten();
                let name = entry.name.clone().unwrap_or_else(|| name.to_owned());
                if let (Some(license), Some(version)) = (entry.license.as_ref(), &entry.version) {
                    let license = license.as_str().or_else(|| license.get("type")?.as_str());
                    let license = license.map(str::to_owned);
                    let about = About { license, published: None };
                    out.about(Ecosystem::Npm, &name, version, about);
                }
                out.add(name, entry.version.as_deref(), entry.resolved.as_ref(), line);
            }
        }
        (1, None, None) | (2 | 3, None, None) => {}
        (1..=3, _, Some(dependencies)) => nested(&mut out, dependencies, &lines)?,
        (version, ..) => return Err(format!("lockfileVersion {version} is not understood")),
    }
    if !aliases.is_empty() {
        out.graph.rename(|name| aliases.get(name).cloned().unwrap_or_else(|| name.to_owned()));
    }
    Ok(out)
}

/// Version 1: packages within packages. JSON nests at most 128 deep, so this ends.
fn nested(
    out: &mut Parsed,
    dependencies: serde_json::Map<String, Value>,
    lines: &HashMap<&str, Option<u32>>,
) -> Result<(), String> {
    for (name, value) in dependencies {
        let mut entry = entry(&name, value)?;
        let line = lines.get(name.as_str()).copied().flatten();
        let inner = entry.dependencies.take();
        // `npm:real-name@1.2.3` is an alias.
        let alias = entry.version.as_deref().and_then(|v| v.strip_prefix("npm:")?.rsplit_once('@'));
        let (name, version) = match alias {
            Some((real, version)) => (real.to_owned(), Some(version)),
            None => (name, entry.version.as_deref()),
        };
        names(&entry.requires).for_each(|other| out.graph.needs(&name, other));
        if entry.dev {
            out.graph.development(&*name);
        }
        out.add(name, version, entry.resolved.as_ref(), line);
        if let Some(Value::Object(inner)) = inner {
            nested(out, inner, lines)?;
        }
    }
    Ok(())
}

fn entry(key: &str, value: Value) -> Result<Entry, String> {
    serde_json::from_value(value).map_err(|e| short(&format!("{key}: {e}"), 300))
}

impl Parsed {
    fn add(
        &mut self,
        name: String,
        version: Option<&str>,
        resolved: Option<&Value>,
        line: Option<u32>,
    ) {
        let resolved = resolved.and_then(Value::as_str).unwrap_or_default();
        let elsewhere =
            ["git+", "git:", "git@", "github:", "file:"].iter().any(|p| resolved.starts_with(p));
        match version {
            Some(version) if !elsewhere && node_semver::Version::parse(version).is_ok() => {
                self.push(Ecosystem::Npm, &name, version, line);
            }
            _ => self.elsewhere(&name, line),
        }
    }
}

/// Lines of the keys that open an object; none for a key that occurs more than once.
fn key_lines(text: &str) -> HashMap<&str, Option<u32>> {
    let mut out = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let key = line.trim().strip_suffix('{').and_then(|l| {
            l.trim_end().strip_suffix(':')?.trim_end().strip_prefix('"')?.strip_suffix('"')
        });
        if let Some(key) = key {
            out.entry(key).and_modify(|line| *line = None).or_insert(number(index));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = (String, String, Option<u32>);

    fn packages(text: &str) -> (Vec<Found>, Vec<String>) {
        let parsed = parse(text).expect("a lock file");
        (
            parsed.packages.into_iter().map(|(p, l)| (p.name, p.version, l)).collect(),
            parsed.unchecked.into_iter().map(|u| u.name).collect(),
        )
    }

    fn of(name: &str, version: &str, line: u32) -> Found {
        (name.to_owned(), version.to_owned(), Some(line))
    }

    #[test]
    fn version_1_nests() {
        let text = r#"{
  "name": "app", "lockfileVersion": 1,
  "dependencies": {
    "a": {
      "version": "1.0.0",
      "resolved": "https://registry.example.org/a/-/a-1.0.0.tgz",
      "requires": { "b": "^1.0.0" },
      "dependencies": {
        "@s/b": {
          "version": "1.2.0"
        }
      }
    },
    "alias": {
      "version": "npm:@s/real@3.0.0"
    },
    "g": {
      "version": "git+ssh://git@github.com/x/g.git#0123",
      "from": "g@github:x/g"
    }
  }
}"#;
        let (found, unchecked) = packages(text);
        assert_eq!(
            found,
            [of("a", "1.0.0", 4), of("@s/b", "1.2.0", 9), of("@s/real", "3.0.0", 14)]
        );
        assert_eq!(unchecked, ["g"]);
    }

    #[test]
    fn versions_2_and_3_are_flat() {
        for version in [2, 3] {
            let text = r#"{
  "lockfileVersion": VERSION,
  "packages": {
    "": { "name": "app", "version": "1.0.0" },
    "packages/inner": { "version": "0.0.1" },
    "node_modules/inner": { "resolved": "packages/inner", "link": true },
    "node_modules/a": {
      "version": "1.0.0",
      "resolved": "https://registry.example.org/a/-/a-1.0.0.tgz"
    },
    "node_modules/a/node_modules/@s/b": {
      "version": "1.2.0-rc.1"
    },
    "node_modules/alias": {
      "name": "real",
      "version": "3.0.0"
    },
    "node_modules/g": {
      "version": "2.0.0",
      "resolved": "git+ssh://git@github.com/x/g.git#0123"
    }
  },
  "dependencies": { "a": { "version": "1.0.0" } }
}"#
            .replace("VERSION", &version.to_string());
            let (found, unchecked) = packages(&text);
            assert_eq!(
                found,
                [of("a", "1.0.0", 7), of("@s/b", "1.2.0-rc.1", 11), of("real", "3.0.0", 14)]
            );
            assert_eq!(unchecked, ["g"]);
        }
    }

    #[test]
    fn a_project_without_dependencies_has_no_packages() {
        assert_eq!(parse("{\"lockfileVersion\": 3, \"packages\": {}}"), Ok(Parsed::default()));
        assert_eq!(parse("{\"lockfileVersion\": 1}"), Ok(Parsed::default()));
    }
}
