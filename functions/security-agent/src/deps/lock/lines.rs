//! Lock files that are read line by line: yarn, pnpm, Go, Gradle, Ruby, Dart, Elixir.

use super::form::{Parsed, number};
use crate::deps::Ecosystem;

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

/// The name that a line begins with: `name: value`, `name "value"`, `'@scope/name': value`.
fn key_of(line: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(quoted) = line.strip_prefix(quote) {
            return quoted.split(quote).next().unwrap_or_default();
        }
    }
    line.split([' ', ':']).next().unwrap_or_default()
}

/// `yarn.lock`, classic and berry: a head of descriptors, then the version.
pub(super) fn yarn(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    let mut head: Option<(String, Option<u32>)> = None;
    let mut version: Option<String> = None;
    let mut resolution: Option<String> = None;
    let mut needs: Vec<String> = Vec::new();
    let mut listing = false;
    let known = text.contains("yarn lockfile v1") || text.contains("__metadata:");
    if !known {
        return Err("it does not say which version of yarn wrote it".to_owned());
    }
    let mut finish = |head: &mut Option<(String, Option<u32>)>,
                      version: Option<String>,
                      resolution: Option<String>,
                      needs: Vec<String>| {
        let Some((descriptor, line)) = head.take() else { return };
        if descriptor == "__metadata" {
            return;
        }
        let first = descriptor.split(',').next().unwrap_or_default();
        let first = unquoted(first);
        // `alias@npm:real@1.0`: what was resolved has the real name.
        let (mut name, range) = split_descriptor(first);
        if let Some((real, _)) =
            range.strip_prefix("npm:").map(split_descriptor).filter(|(n, _)| {
                !n.is_empty()
                    && !n.starts_with(['^', '~', '>', '<', '='])
                    && !n.starts_with(|c: char| c.is_ascii_digit())
            })
        {
            name = real;
        }
        let mut elsewhere = ["git", "http:", "https:", "file:", "ssh:", "github:"]
            .iter()
            .any(|p| range.starts_with(p))
            || range.contains(".git#");
        let mut local = ["workspace:", "link:", "portal:"].iter().any(|p| range.starts_with(p));
        if let Some(resolution) = resolution.as_deref() {
            let (real, locator) = split_descriptor(resolution);
            name = if real.is_empty() { name } else { real };
            elsewhere = !locator.starts_with("npm:") && !locator.starts_with("patch:");
            local = locator.starts_with("workspace:")
                || locator.starts_with("link:")
                || locator.starts_with("portal:");
        }
        for other in needs {
            match local {
                true => out.graph.direct(other, false),
                false => out.graph.needs(name, other),
            }
        }
        push(&mut out, name, version.as_deref(), elsewhere, local, line);
    };
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        if indent(line) == 0 {
            finish(&mut head, version.take(), resolution.take(), std::mem::take(&mut needs));
            let descriptor = trimmed
                .strip_suffix(':')
                .ok_or_else(|| format!("line {} is not understood", index + 1))?;
            head = Some((unquoted(descriptor).to_owned(), number(index)));
        } else if indent(line) == 2 {
            listing =
                matches!(trimmed, "dependencies:" | "optionalDependencies:" | "peerDependencies:");
            if let Some(value) = trimmed.strip_prefix("version") {
                version = Some(unquoted(value.trim_start_matches(':')).to_owned());
            } else if let Some(value) = trimmed.strip_prefix("resolution:") {
                resolution = Some(unquoted(value).to_owned());
            }
        } else if listing && indent(line) == 4 {
            needs.push(key_of(trimmed).to_owned());
        }
    }
    finish(&mut head, version.take(), resolution.take(), needs);
    Ok(out)
}

fn push(
    out: &mut Parsed,
    name: &str,
    version: Option<&str>,
    elsewhere: bool,
    local: bool,
    line: Option<u32>,
) {
    match version {
        _ if local => {}
        Some(version) if !elsewhere && node_semver::Version::parse(version).is_ok() => {
            out.push(Ecosystem::Npm, name, version, line);
        }
        _ => out.elsewhere(name, line),
    }
}

/// `@scope/name@range` as name and range.
fn split_descriptor(text: &str) -> (&str, &str) {
    let from = usize::from(text.starts_with('@'));
    match text.get(from..).and_then(|t| t.find('@')) {
        Some(at) => (
            text.get(..from + at).unwrap_or_default(),
            text.get(from + at + 1..).unwrap_or_default(),
        ),
        None => (text, ""),
    }
}

/// `pnpm-lock.yaml`, versions 5 to 9.
pub(super) fn pnpm(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    if !text.lines().any(|l| l.starts_with("lockfileVersion:")) {
        return Err("it has no lockfileVersion".to_owned());
    }
    // Until version 5 a slash stands before the version.
    let slashes = text
        .lines()
        .any(|l| l.strip_prefix("lockfileVersion:").is_some_and(|v| unquoted(v).starts_with('5')));
    let mut section = "";
    let mut list = "";
    let mut own = "";
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let Some((key, _)) = trimmed.rsplit_once(':') else { continue };
        let key = unquoted(key);
        let depth = indent(line);
        match (section, depth) {
            (_, 0) => {
                (section, list, own) = (key, key, "");
                continue;
            }
            // One project, until version 6: its lists stand at the top.
            ("dependencies" | "optionalDependencies" | "devDependencies", 2) => {
                out.graph.direct(key_of(trimmed), section == "devDependencies");
                continue;
            }
            ("importers", 4) | ("packages" | "snapshots", 4) => {
                list = key;
                if trimmed == "dev: true" {
                    out.graph.development(own);
                }
                continue;
            }
            ("importers", 6) => {
                let name = key_of(trimmed);
                if matches!(list, "dependencies" | "optionalDependencies" | "devDependencies") {
                    out.graph.direct(name, list == "devDependencies");
                }
                continue;
            }
            ("packages" | "snapshots", 6) => {
                let name = key_of(trimmed);
                if matches!(list, "dependencies" | "optionalDependencies") {
                    out.graph.needs(own, name);
                }
                continue;
            }
            ("packages" | "snapshots", 2) => {}
            _ => continue,
        }
        list = "";
        let (name, version) = pnpm_key(key, slashes);
        own = name;
        if section == "snapshots" {
            continue;
        }
        let line = number(index);
        if version.starts_with("link:") || version.starts_with("file:") {
            continue;
        }
        push(
            &mut out,
            name,
            Some(version),
            key.contains("://") || key.contains("codeload"),
            false,
            line,
        );
    }
    Ok(out)
}

/// Name and version of a package of `pnpm-lock.yaml`.
fn pnpm_key(key: &str, slashes: bool) -> (&str, &str) {
    let path = key.strip_prefix('/').unwrap_or(key);
    // Peers stand in brackets, or behind an underscore.
    let path = path.split('(').next().unwrap_or(path);
    let (name, version) = if slashes {
        // `/name/1.2.3_peer@4.5.6`.
        let cut = path.find('_').filter(|at| path.get(..*at).is_some_and(|p| p.contains('/')));
        let path = cut.and_then(|at| path.get(..at)).unwrap_or(path);
        path.rsplit_once('/').unwrap_or((path, ""))
    } else {
        split_descriptor(path)
    };
    (name, version.split('_').next().unwrap_or(version))
}

/// `go.mod`: since Go 1.17 it names every module that is built.
pub(super) fn go_mod(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    let mut block: Option<&str> = None;
    let mut requires: Vec<(String, String, Option<u32>)> = Vec::new();
    let mut replaced: Vec<(String, Option<(String, String)>)> = Vec::new();
    if !text.lines().any(|l| l.trim_start().starts_with("module")) {
        return Err("it names no module".to_owned());
    }
    for (index, line) in text.lines().enumerate() {
        let (line, comment) = line.split_once("//").unwrap_or((line, ""));
        let (line, indirect) = (line.trim(), comment.trim() == "indirect");
        if line == ")" {
            block = None;
            continue;
        }
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let (directive, words) = match block {
            Some(block) => (block, line),
            None if rest.trim() == "(" => {
                block = ["require", "replace"].into_iter().find(|d| *d == word).or(Some("other"));
                continue;
            }
            None => (word, rest),
        };
        let words: Vec<&str> = words.split_whitespace().map(|w| w.trim_matches('"')).collect();
        match (directive, words.as_slice()) {
            ("require", [name, version]) => {
                if !indirect {
                    out.graph.direct(*name, false);
                }
                requires.push(((*name).to_owned(), (*version).to_owned(), number(index)))
            }
            ("replace", [old, rest @ ..]) => {
                let Some(arrow) = rest.iter().position(|w| *w == "=>") else { continue };
                let new = match rest.get(arrow + 1..).unwrap_or_default() {
                    [name, version] => Some(((*name).to_owned(), (*version).to_owned())),
                    _ => None,
                };
                replaced.push(((*old).to_owned(), new));
            }
            _ => {}
        }
    }
    for (name, version, line) in requires {
        match replaced.iter().find(|(old, _)| *old == name) {
            // A folder of this machine.
            Some((_, None)) => out.elsewhere(&name, line),
            Some((_, Some((name, version)))) => {
                out.push(Ecosystem::Go, name, go_version(version), line)
            }
            None => out.push(Ecosystem::Go, &name, go_version(&version), line),
        }
    }
    Ok(out)
}

fn go_version(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version).split('+').next().unwrap_or(version)
}

/// `gradle.lockfile` and its kind: `group:artifact:version=configurations`.
pub(super) fn gradle(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
            continue;
        }
        let (id, configurations) = line.split_once('=').unwrap_or((line, ""));
        let parts: Vec<&str> = id.split(':').collect();
        let [group, artifact, version] = parts.as_slice() else {
            return Err(format!("line {} is not understood", index + 1));
        };
        let name = format!("{group}:{artifact}");
        let mut configurations = configurations.split(',').filter(|c| !c.is_empty()).peekable();
        if configurations.peek().is_some() && configurations.all(|c| c.starts_with("test")) {
            out.graph.development(&*name);
        }
        out.push(Ecosystem::Maven, &name, version, number(index));
    }
    Ok(out)
}

/// `Gemfile.lock`: the indented names below `specs:` of each section.
pub(super) fn gemfile(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    let (mut section, mut own) = ("", "");
    if !text.lines().any(|l| ["GEM", "PATH", "GIT", "DEPENDENCIES"].contains(&l.trim_end())) {
        return Err("it has none of the sections that Bundler writes".to_owned());
    }
    for (index, line) in text.lines().enumerate() {
        if indent(line) == 0 {
            section = line.trim();
            continue;
        }
        let first = line.trim().split([' ', '!']).next().unwrap_or_default();
        match (section, indent(line)) {
            ("DEPENDENCIES", 2) => out.graph.direct(first, false),
            (_, 4) => own = first,
            ("PATH", 6) => out.graph.direct(first, false),
            (_, 6) => out.graph.needs(own, first),
            _ => {}
        }
        if indent(line) != 4 || !["GEM", "GIT", "PLUGIN SOURCE"].contains(&section) {
            continue;
        }
        let Some((name, rest)) = line.trim().split_once(" (") else { continue };
        let version = rest.trim_end_matches(')');
        // `1.15.4-x86_64-linux`: the platform is no part of the version.
        let version = version.split('-').next().unwrap_or(version);
        if section == "GEM" {
            out.push(Ecosystem::RubyGems, name, version, number(index));
        } else {
            out.elsewhere(name, number(index));
        }
    }
    Ok(out)
}

/// `pubspec.lock`.
pub(super) fn pub_lock(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    let mut inside = false;
    let mut name: Option<(&str, Option<u32>)> = None;
    let mut source = "";
    if !text.lines().any(|l| l.trim_end() == "packages:" || l.trim_end() == "packages: {}") {
        return Err("it has no packages".to_owned());
    }
    for (index, line) in text.lines().enumerate() {
        match indent(line) {
            0 if !line.trim().is_empty() && !line.starts_with('#') => {
                inside = line.trim_end() == "packages:"
            }
            2 if inside => {
                name = line.trim().strip_suffix(':').map(|n| (unquoted(n), number(index)));
                source = "";
            }
            4 if inside => {
                let (key, value) = line.trim().split_once(':').unwrap_or_default();
                let value = unquoted(value);
                match (key, name) {
                    ("source", _) => source = value,
                    ("dependency", Some((name, _))) if value.starts_with("direct") => {
                        out.graph.direct(name, value == "direct dev");
                    }
                    _ => {}
                }
                if key == "version"
                    && let Some((name, line)) = name
                {
                    match source {
                        "hosted" => out.push(Ecosystem::Pub, name, value, line),
                        "sdk" | "path" => {}
                        _ => out.elsewhere(name, line),
                    }
                }
            }
            _ => {}
        }
    }
    Ok(out)
}

/// `mix.lock`: a map of Elixir with a tuple for each package.
pub(super) fn mix(text: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    if !text.trim_start().starts_with("%{") {
        return Err("it is no map of Elixir".to_owned());
    }
    for (index, line) in text.lines().enumerate() {
        let Some((key, tuple)) = line.split_once("{:") else { continue };
        let key = key
            .trim()
            .trim_end_matches(':')
            .trim()
            .trim_matches('"')
            .trim_end_matches("\":")
            .trim_matches('"');
        if key.starts_with('%') || key.is_empty() {
            continue;
        }
        let mut parts = tuple.split(',').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        if kind == "hex" {
            let (Some(name), Some(version)) = (parts.next(), parts.next()) else {
                return Err(format!("line {} is not understood", index + 1));
            };
            out.push(
                Ecosystem::Hex,
                name.trim_start_matches(':').trim_matches('"'),
                unquoted(version),
                number(index),
            );
        } else {
            out.elsewhere(key, number(index));
        }
    }
    Ok(out)
}
