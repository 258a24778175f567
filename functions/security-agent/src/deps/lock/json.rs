//! Lock files in JSON: Pipenv, Composer, NuGet, Swift, Bun, Maven.

use serde_json::{Map, Value};

use super::form::{NOT_FROM_REGISTRY, Parsed, Unchecked, number};
use crate::deps::{Ecosystem, Package};

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text).map_err(|e| e.to_string())? {
        Value::Object(map) => Ok(map),
        _ => Err("it is no JSON object".to_owned()),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The line on which a quoted name stands for the first time.
struct Names<'t>(std::collections::HashMap<&'t str, u32>);

impl<'t> Names<'t> {
    fn new(text: &'t str) -> Self {
        let mut out = std::collections::HashMap::new();
        for (index, line) in text.lines().enumerate() {
            for word in line.split('"').skip(1).step_by(2) {
                if let Some(number) = number(index) {
                    out.entry(word).or_insert(number);
                }
            }
        }
        Self(out)
    }

    fn line(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }
}

impl Parsed {
    pub(super) fn push(
        &mut self,
        ecosystem: Ecosystem,
        name: &str,
        version: &str,
        line: Option<u32>,
    ) {
        let name = ecosystem.normal_name(name);
        let package = Package { ecosystem, name, version: version.to_owned() };
        if !self.packages.iter().any(|(p, _)| *p == package) {
            self.packages.push((package, line));
        }
    }

    pub(super) fn elsewhere(&mut self, name: &str, line: Option<u32>) {
        self.unchecked.push(Unchecked { name: name.to_owned(), line, why: NOT_FROM_REGISTRY });
    }
}

/// `Pipfile.lock`.
pub(super) fn pipenv(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    if !file.contains_key("_meta") {
        return Err("it has no _meta, as Pipenv writes it".to_owned());
    }
    for (name, entry) in file
        .iter()
        .filter(|(group, _)| *group != "_meta")
        .filter_map(|(_, group)| group.as_object())
        .flatten()
    {
        match text(entry, "version").and_then(|v| v.strip_prefix("==")) {
            Some(version) => {
                out.push(Ecosystem::PyPi, name, version.trim_start_matches('='), names.line(name))
            }
            None => out.elsewhere(name, names.line(name)),
        }
    }
    Ok(out)
}

/// `composer.lock`.
pub(super) fn composer(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    let lists = ["packages", "packages-dev"].map(|k| file.get(k).and_then(Value::as_array));
    if lists.iter().all(Option::is_none) {
        return Err("it has no packages".to_owned());
    }
    for entry in lists.into_iter().flatten().flatten() {
        let (Some(name), Some(version)) = (text(entry, "name"), text(entry, "version")) else {
            return Err("a package has no name or no version".to_owned());
        };
        let line = names.line(name);
        if version.starts_with("dev-") || version.ends_with("-dev") {
            out.elsewhere(name, line);
        } else {
            out.push(Ecosystem::Packagist, name, version.trim_start_matches('v'), line);
        }
    }
    Ok(out)
}

/// `packages.lock.json` of NuGet.
pub(super) fn nuget(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    let frameworks = file
        .get("dependencies")
        .and_then(Value::as_object)
        .ok_or("it has no dependencies, as NuGet writes them")?;
    for (name, entry) in frameworks.values().filter_map(Value::as_object).flatten() {
        match (text(entry, "type"), text(entry, "resolved")) {
            (Some("Project"), _) => {}
            (_, Some(version)) => out.push(Ecosystem::NuGet, name, version, names.line(name)),
            _ => out.elsewhere(name, names.line(name)),
        }
    }
    Ok(out)
}

/// `Package.resolved`, versions 1 to 3.
pub(super) fn swift(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    let pins = file
        .get("pins")
        .or_else(|| file.get("object").and_then(|o| o.get("pins")))
        .and_then(Value::as_array)
        .ok_or("it has no pins")?;
    for pin in pins {
        let Some(url) = text(pin, "location").or_else(|| text(pin, "repositoryURL")) else {
            return Err("a pin has no location".to_owned());
        };
        let line = names.line(url);
        match pin.get("state").and_then(|s| text(s, "version")) {
            Some(version) => out.push(Ecosystem::Swift, url, version, line),
            None => out.elsewhere(url, line),
        }
    }
    Ok(out)
}

/// `bun.lock`: JSON with commas before closing brackets.
pub(super) fn bun(source: &str) -> Result<Parsed, String> {
    let file = object(&without_trailing_commas(source))?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    let packages = file.get("packages").and_then(Value::as_object).ok_or("it has no packages")?;
    for (key, entry) in packages {
        let Some(id) = entry.get(0).and_then(Value::as_str) else {
            return Err(format!("package {key:.100} has no name"));
        };
        let line = names.line(key);
        match id.rsplit_once('@').filter(|(name, _)| !name.is_empty()) {
            Some((_, version))
                if version.starts_with("workspace:") || version.starts_with("link:") => {}
            Some((name, version)) if node_semver::Version::parse(version).is_ok() => {
                out.push(Ecosystem::Npm, name, version, line);
            }
            _ => out.elsewhere(key, line),
        }
    }
    Ok(out)
}

fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut comma: Option<usize> = None;
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if quoted {
            escaped = c == '\\' && !escaped;
            quoted = c != '"' || (escaped || out.ends_with('\\') && !out.ends_with("\\\\"));
        } else if c == ',' {
            comma = Some(out.len());
        } else if matches!(c, '}' | ']') {
            if let Some(at) = comma.take() {
                out.replace_range(at..=at, " ");
            }
        } else if !c.is_whitespace() {
            comma = None;
            quoted = c == '"';
        }
        out.push(c);
    }
    out
}

/// `lockfile.json` of the Maven plugin of that name.
pub(super) fn maven(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    let mut open: Vec<&Value> = file
        .get("dependencies")
        .and_then(Value::as_array)
        .ok_or("it has no dependencies")?
        .iter()
        .collect();
    while let Some(entry) = open.pop() {
        let (Some(group), Some(artifact), Some(version)) =
            (text(entry, "groupId"), text(entry, "artifactId"), text(entry, "version"))
        else {
            return Err("a dependency lacks groupId, artifactId or version".to_owned());
        };
        out.push(Ecosystem::Maven, &format!("{group}:{artifact}"), version, names.line(artifact));
        open.extend(entry.get("children").and_then(Value::as_array).into_iter().flatten());
    }
    Ok(out)
}
