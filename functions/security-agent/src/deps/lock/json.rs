//! Lock files in JSON: Pipenv, Composer, NuGet, Swift, Bun, Maven.

use pact_contract::nesting;
use serde_json::{Map, Value};

use super::form::{About, Parsed, number};
use crate::deps::Ecosystem;

fn object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text).map_err(|e| nesting::said(&e.to_string(), nesting::JSON))? {
        Value::Object(map) => Ok(map),
        _ => Err("it is no JSON object".to_owned()),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

/// The keys of the object at `key`.
fn keys<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    value.get(key).and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str())
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

/// `Pipfile.lock`.
pub(super) fn pipenv(source: &str) -> Result<Parsed, String> {
    let file = object(source)?;
    let names = Names::new(source);
    let mut out = Parsed::default();
    if !file.contains_key("_meta") {
        return Err("it has no _meta, as Pipenv writes it".to_owned());
    }
    let product = file.get("default").and_then(Value::as_object);
    let groups = file.iter().filter(|(group, _)| *group != "_meta");
    let groups = groups.filter_map(|(group, entries)| Some((group, entries.as_object()?)));
    for (group, (name, entry)) in
        groups.flat_map(|(group, entries)| entries.iter().map(move |entry| (group, entry)))
    {
        if group != "default" && !product.is_some_and(|product| product.contains_key(name)) {
            out.graph.development(name);
        }
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
    let lists = lists.into_iter().zip([false, true]);
    let entries = lists.flat_map(|(list, development)| {
        list.into_iter().flatten().map(move |entry| (entry, development))
    });
    for (entry, development) in entries {
        let (Some(name), Some(version)) = (text(entry, "name"), text(entry, "version")) else {
            return Err("a package has no name or no version".to_owned());
        };
        let line = names.line(name);
        if development {
            out.graph.development(name);
        }
        // `php` and `ext-json` are no packages.
        for other in keys(entry, "require").filter(|other| other.contains('/')) {
            out.graph.needs(name, other);
        }
        if version.starts_with("dev-") || version.ends_with("-dev") {
            out.elsewhere(name, line);
        } else {
            let version = version.trim_start_matches('v');
            out.push(Ecosystem::Packagist, name, version, line);
            // Of several one may be chosen.
            let licenses = entry.get("license").and_then(Value::as_array);
            let licenses = licenses.into_iter().flatten().filter_map(Value::as_str);
            let license = licenses.map(|one| format!("({one})")).collect::<Vec<_>>().join(" OR ");
            let about = About {
                license: (!license.is_empty()).then_some(license),
                published: text(entry, "time").and_then(|time| time.parse().ok()),
            };
            out.about(Ecosystem::Packagist, name, version, about);
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
        let kind = text(entry, "type");
        for other in keys(entry, "dependencies") {
            match kind {
                Some("Project") => out.graph.direct(other, false),
                _ => out.graph.needs(name, other),
            }
        }
        if kind == Some("Direct") {
            out.graph.direct(name, false);
        }
        match (kind, text(entry, "resolved")) {
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
    for workspace in file.get("workspaces").and_then(Value::as_object).into_iter().flatten() {
        for list in ["dependencies", "optionalDependencies"] {
            keys(workspace.1, list).for_each(|name| out.graph.direct(name, false));
        }
        keys(workspace.1, "devDependencies").for_each(|name| out.graph.direct(name, true));
    }
    for (key, entry) in packages {
        let Some(id) = entry.get(0).and_then(Value::as_str) else {
            return Err(format!("package {key:.100} has no name"));
        };
        let line = names.line(key);
        // `outer/inner`, or the name alone.
        let own = id.rsplit_once('@').map_or(key.as_str(), |(name, _)| name);
        for part in entry.as_array().into_iter().flatten() {
            for list in ["dependencies", "optionalDependencies", "peerDependencies"] {
                keys(part, list).for_each(|other| out.graph.needs(own, other));
            }
        }
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
    let mut open: Vec<(Option<String>, &Value)> = file
        .get("dependencies")
        .and_then(Value::as_array)
        .ok_or("it has no dependencies")?
        .iter()
        .map(|entry| (None, entry))
        .collect();
    while let Some((parent, entry)) = open.pop() {
        let (Some(group), Some(artifact), Some(version)) =
            (text(entry, "groupId"), text(entry, "artifactId"), text(entry, "version"))
        else {
            return Err("a dependency lacks groupId, artifactId or version".to_owned());
        };
        let name = format!("{group}:{artifact}");
        match parent {
            Some(parent) => out.graph.needs(&parent, &*name),
            None => out.graph.direct(&*name, text(entry, "scope") == Some("test")),
        }
        out.push(Ecosystem::Maven, &name, version, names.line(artifact));
        let children = entry.get("children").and_then(Value::as_array).into_iter().flatten();
        open.extend(children.map(|child| (Some(name.clone()), child)));
    }
    Ok(out)
}
