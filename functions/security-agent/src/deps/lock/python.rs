//! `poetry.lock` and `requirements.txt`.

use std::collections::BTreeMap;

use pact_contract::nesting;
use serde::Deserialize;

use super::form::{About, NOT_FROM_REGISTRY, NOT_PINNED, Parsed, Unchecked, number, toml_lines};
use crate::deps::Ecosystem;

#[derive(Deserialize)]
struct Poetry {
    #[serde(default)]
    package: Vec<PoetryPackage>,
}

#[derive(Deserialize)]
struct PoetryPackage {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: toml::Table,
    /// Since version 2.1.
    #[serde(default)]
    groups: Option<Vec<String>>,
    /// Until version 1.4.
    #[serde(default)]
    category: Option<String>,
    #[serde(default)]
    source: Option<PoetrySource>,
}

#[derive(Deserialize)]
struct PoetrySource {
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Uv {
    #[serde(default)]
    package: Vec<UvPackage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvPackage {
    name: String,
    #[serde(default)]
    dependencies: Vec<UvNeed>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<UvNeed>>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, Vec<UvNeed>>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    source: Option<toml::Table>,
    #[serde(default)]
    sdist: Option<UvFile>,
    #[serde(default)]
    wheels: Vec<UvFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvFile {
    /// When the registry took it.
    #[serde(default)]
    upload_time: Option<toml::Value>,
}

#[derive(Deserialize)]
struct UvNeed {
    name: String,
}

/// `uv.lock`.
pub(super) fn uv(text: &str) -> Result<Parsed, String> {
    let file: Uv = toml::from_str(text).map_err(|e| nesting::said(e.message(), nesting::TOML))?;
    let lines = toml_lines(text);
    let mut out = Parsed::default();
    for package in file.package {
        let UvPackage { name, version, source, .. } = package;
        let from = |kind: &str| source.as_ref().is_some_and(|s| s.contains_key(kind));
        let own = from("virtual") || from("editable") || from("directory");
        let optional = package.optional_dependencies.into_values().flatten();
        for other in package.dependencies.into_iter().chain(optional) {
            match own {
                true => out.graph.direct(other.name, false),
                false => out.graph.needs(&name, other.name),
            }
        }
        if own {
            // Part of the repository.
            for other in package.dev_dependencies.into_values().flatten() {
                out.graph.direct(other.name, true);
            }
            continue;
        }
        let line = version.as_deref().and_then(|v| lines.get(&(name.as_str(), v)).copied());
        match version {
            Some(version) if source.is_none() || from("registry") => {
                // The version is as old as its first file.
                let files = package.sdist.iter().chain(&package.wheels);
                let time = |file: &UvFile| file.upload_time.as_ref()?.as_str()?.parse().ok();
                let times = files.filter_map(time);
                let about = About { license: None, published: times.min() };
                out.about(Ecosystem::PyPi, &name, &version, about);
                out.push(Ecosystem::PyPi, &name, &version, line);
            }
            _ => out.elsewhere(&name, line),
        }
    }
    Ok(out)
}

#[derive(Deserialize)]
struct Pdm {
    #[serde(default)]
    package: Vec<PdmPackage>,
}

#[derive(Deserialize)]
struct PdmPackage {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    groups: Option<Vec<String>>,
    #[serde(default)]
    git: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    path: Option<String>,
}

/// `pdm.lock`.
pub(super) fn pdm(text: &str) -> Result<Parsed, String> {
    let file: Pdm = toml::from_str(text).map_err(|e| nesting::said(e.message(), nesting::TOML))?;
    let lines = toml_lines(text);
    let mut out = Parsed::default();
    for package in file.package {
        let line = lines.get(&(package.name.as_str(), package.version.as_str())).copied();
        for other in &package.dependencies {
            out.graph.needs(&package.name, name_of(other));
        }
        if package.groups.is_some_and(|groups| !groups.iter().any(|group| group == "default")) {
            out.graph.development(&*package.name);
        }
        if package.git.is_some() || package.url.is_some() || package.path.is_some() {
            out.elsewhere(&package.name, line);
        } else {
            out.push(Ecosystem::PyPi, &package.name, &package.version, line);
        }
    }
    Ok(out)
}

pub(super) fn poetry(text: &str) -> Result<Parsed, String> {
    let file: Poetry =
        toml::from_str(text).map_err(|e| nesting::said(e.message(), nesting::TOML))?;
    let lines = toml_lines(text);
    let mut out = Parsed::default();
    for package in file.package {
        let PoetryPackage { name, version, source, .. } = package;
        for (other, _) in package.dependencies {
            out.graph.needs(&name, other);
        }
        if package.groups.is_some_and(|groups| !groups.iter().any(|group| group == "main"))
            || package.category.is_some_and(|category| category == "dev")
        {
            out.graph.development(&*name);
        }
        let line = lines.get(&(name.as_str(), version.as_str())).copied();
        let elsewhere =
            source.is_some_and(|s| matches!(s.kind.as_str(), "git" | "directory" | "file" | "url"));
        if elsewhere {
            out.elsewhere(&name, line);
        } else {
            out.push(Ecosystem::PyPi, &name, &version, line);
        }
    }
    Ok(out)
}

/// The name that a requirement begins with.
fn name_of(requirement: &str) -> &str {
    let end = requirement
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(requirement.len());
    requirement.get(..end).unwrap_or_default()
}

/// Reads requirements line by line; options (`-r`, `--hash`, …) are passed over.
pub(super) fn requirements(text: &str) -> Parsed {
    let mut out = Parsed::default();
    let mut joined = String::new();
    let mut first = None;
    for (index, line) in text.lines().enumerate() {
        let line = if line.trim_start().starts_with('#') { "" } else { line };
        first = first.or(number(index));
        if let Some(part) = line.trim_end().strip_suffix('\\') {
            joined.push_str(part);
            continue;
        }
        joined.push_str(line);
        requirement(&mut out, &joined, first.take());
        joined.clear();
    }
    requirement(&mut out, &joined, first);
    out
}

fn requirement(out: &mut Parsed, line: &str, number: Option<u32>) {
    // A comment begins after white space; a marker after a semicolon; options after the version.
    let line = line.split(" #").next().unwrap_or_default();
    let line = line.split("\t#").next().unwrap_or_default().trim();
    if line.is_empty() {
        return;
    }
    if let Some(option) = line.strip_prefix('-') {
        let option = option.trim_start_matches('-');
        if option.starts_with("e ") || option.starts_with("editable") {
            out.unchecked.push(unchecked(line, number, NOT_FROM_REGISTRY));
        }
        return;
    }
    let body = line.split(" --").next().unwrap_or_default();
    let name = name_of(body);
    let rest = body.get(name.len()..).unwrap_or_default();
    let mut rest = rest.trim_start();
    if let Some(extras) = rest.strip_prefix('[') {
        rest = extras.split_once(']').map_or("", |(_, rest)| rest).trim_start();
    }
    let address = rest.starts_with('@') || line.contains("://") || name.is_empty();
    let specifier = rest.split(';').next().unwrap_or_default().trim();
    let specifier =
        specifier.strip_prefix('(').and_then(|s| s.strip_suffix(')')).unwrap_or(specifier);
    let pinned = specifier
        .strip_prefix("===")
        .or_else(|| specifier.strip_prefix("=="))
        .map(str::trim)
        .filter(|v| {
            !v.is_empty() && !v.contains([',', '*', ' ', '=', '<', '>', '~', '!', '$', '{'])
        });
    match pinned {
        Some(version) if !address => out.push(Ecosystem::PyPi, name, version, number),
        _ if address => out.unchecked.push(unchecked(line, number, NOT_FROM_REGISTRY)),
        _ => out.unchecked.push(unchecked(name, number, NOT_PINNED)),
    }
}

/// A name for people. An address may hold a password: only what stands before it is shown.
fn unchecked(text: &str, line: Option<u32>, why: &'static str) -> Unchecked {
    let name = text.split(['@', ' ', ':', '=']).next().unwrap_or_default();
    let name: String = name.chars().take(100).collect();
    Unchecked { name: if name.is_empty() { "a requirement".to_owned() } else { name }, line, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poetry_packages_have_normal_names_and_lines() {
        let text = "# generated\n[[package]]\nname = \"Zope.Interface\"\nversion = \"5.0\"\n\n[package.dependencies]\nx = \"*\"\n\n\
            [[package]]\nname = \"g\"\nversion = \"1.0\"\n[package.source]\ntype = \"git\"\nurl = \"https://x\"\n\n\
            [[package]]\nname = \"m\"\nversion = \"2.0\"\n[package.source]\ntype = \"legacy\"\nurl = \"https://mirror\"\n\n\
            [metadata]\nlock-version = \"2.0\"\n";
        let parsed = poetry(text).expect("a lock file");
        let found: Vec<_> = parsed
            .packages
            .iter()
            .map(|(p, l)| (p.name.as_str(), p.version.as_str(), *l))
            .collect();
        assert_eq!(found, [("zope-interface", "5.0", Some(3)), ("m", "2.0", Some(17))]);
        assert_eq!(parsed.unchecked.len(), 1);
    }

    #[test]
    fn requirements_are_pinned_or_named() {
        let text = "\
# a comment
Flask==2.0.1
requests[security,socks] == 2.25.0 ; python_version < '3.9'  # why
urllib3===1.26.5 --hash=sha256:00
jinja2==2.11.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
django>=3.0,<4
numpy
pandas==1.*
-r other.txt
--index-url https://user:pw@pypi.acme.io/simple
-e git+https://git.acme.io/x.git#egg=x
pkg @ https://files.acme.io/pkg-1.0.whl
https://token@files.acme.io/y.whl
colorama (==0.4.4)
";
        let parsed = requirements(text);
        let found: Vec<_> = parsed
            .packages
            .iter()
            .map(|(p, l)| (p.name.as_str(), p.version.as_str(), l.unwrap_or(0)))
            .collect();
        assert_eq!(
            found,
            [
                ("flask", "2.0.1", 2),
                ("requests", "2.25.0", 3),
                ("urllib3", "1.26.5", 4),
                ("jinja2", "2.11.0", 5),
                ("colorama", "0.4.4", 16)
            ]
        );
        let unchecked: Vec<_> =
            parsed.unchecked.iter().map(|u| (u.name.as_str(), u.line.unwrap_or(0))).collect();
        assert_eq!(
            unchecked,
            [("django", 8), ("numpy", 9), ("pandas", 10), ("-e", 13), ("pkg", 14), ("https", 15)]
        );
    }
}
