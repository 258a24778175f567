//! Lock files: which versions of which packages a repository uses.

mod cargo;
mod npm;
mod python;

use super::Package;

/// What a lock file is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cargo,
    Npm,
    Poetry,
    Requirements,
}

/// What a lock file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// Packages out of the public registry, with the line where one is known.
    pub(crate) packages: Vec<(Package, Option<u32>)>,
    /// What cannot be compared with advisories.
    pub(crate) unchecked: Vec<Unchecked>,
}

/// A dependency that cannot be compared with advisories.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unchecked {
    pub(crate) name: String,
    pub(crate) line: Option<u32>,
    pub(crate) why: &'static str,
}

/// Out of a place where versions say nothing.
const NOT_FROM_REGISTRY: &str = "not from the public registry, not checked";

/// The kind of the file at `path`. What a package manager has installed into the tree is none.
pub(crate) fn kind(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if path.split('/').any(|folder| folder == "node_modules") {
        return None;
    }
    match name {
        "Cargo.lock" => Some(Kind::Cargo),
        "package-lock.json" | "npm-shrinkwrap.json" => Some(Kind::Npm),
        "poetry.lock" => Some(Kind::Poetry),
        _ if name.ends_with(".txt")
            && (name.starts_with("requirements")
                || name.ends_with("requirements.txt")
                || path.contains("requirements/")) =>
        {
            Some(Kind::Requirements)
        }
        _ => None,
    }
}

/// Reads a lock file.
///
/// # Errors
/// Why it is not understood.
pub(crate) fn parse(kind: Kind, text: &str) -> Result<Parsed, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match kind {
        Kind::Cargo => cargo::parse(text),
        Kind::Npm => npm::parse(text),
        Kind::Poetry => python::poetry(text),
        Kind::Requirements => Ok(python::requirements(text)),
    }
}

/// Number of the line at `index`.
fn number(index: usize) -> Option<u32> {
    u32::try_from(index + 1).ok()
}

/// Lines of `name = "…"` by name and the `version = "…"` that follows, as in `Cargo.lock` and
/// `poetry.lock`.
fn toml_lines(text: &str) -> std::collections::HashMap<(&str, &str), u32> {
    let mut out = std::collections::HashMap::new();
    let mut name: Option<(&str, u32)> = None;
    for (index, line) in text.lines().enumerate() {
        let value = |key: &str| {
            line.strip_prefix(key)?
                .trim_start()
                .strip_prefix('=')?
                .trim()
                .strip_prefix('"')?
                .strip_suffix('"')
        };
        if line.starts_with("[[") {
            name = None;
        } else if let (Some(value), Some(line)) = (value("name"), number(index)) {
            name = Some((value, line));
        } else if let Some((name, line)) = name
            && let Some(version) = value("version")
        {
            out.entry((name, version)).or_insert(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn kinds_by_path() {
        for (path, expected) in [
            ("Cargo.lock", Some(Kind::Cargo)),
            ("a/b/package-lock.json", Some(Kind::Npm)),
            ("node_modules/x/package-lock.json", None),
            ("poetry.lock", Some(Kind::Poetry)),
            ("requirements.txt", Some(Kind::Requirements)),
            ("requirements-dev.txt", Some(Kind::Requirements)),
            ("dev-requirements.txt", Some(Kind::Requirements)),
            ("requirements/base.txt", Some(Kind::Requirements)),
            ("docs/notes.txt", None),
            ("Cargo.toml", None),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }

    #[test]
    fn malformed_files_are_refused_with_a_reason() {
        for (kind, text) in [
            (Kind::Cargo, "[[package]]\nname = 1"),
            (Kind::Npm, "{"),
            (Kind::Npm, "[]"),
            (Kind::Npm, "{\"lockfileVersion\": 9}"),
            (Kind::Poetry, "package = 3"),
            (Kind::Npm, &"[".repeat(10_000)),
        ] {
            let reason = parse(kind, text).expect_err("is refused");
            assert!(!reason.is_empty() && reason.len() < 500, "{reason}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let lossy = String::from_utf8_lossy(&bytes);
            for kind in [Kind::Cargo, Kind::Npm, Kind::Poetry, Kind::Requirements] {
                for text in [text.as_str(), &lossy] {
                    drop(parse(kind, text));
                }
            }
        }

        #[test]
        fn no_requirements_panic(lines in prop::collection::vec("[a-z=<>~!;@\\\\ #.\\[\\]0-9-]{0,30}", 0..20)) {
            drop(parse(Kind::Requirements, &lines.join("\n")));
        }
    }

    /// Reads every lock file below a folder:
    /// `PACT_LOCK_CORPUS=<folder> cargo test -p pact-security-agent corpus -- --ignored --nocapture`.
    #[test]
    #[ignore = "reads the folder that PACT_LOCK_CORPUS names"]
    #[expect(clippy::print_stdout, reason = "the figures are the result")]
    fn corpus_is_understood() {
        let Some(root) = std::env::var_os("PACT_LOCK_CORPUS") else {
            println!("skipped: PACT_LOCK_CORPUS is not set");
            return;
        };
        let mut folders = vec![std::path::PathBuf::from(&root)];
        let (mut files, mut packages, mut without_line, mut unchecked) = (0, 0, 0, 0);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_file() => {
                        let name = path.strip_prefix(&root).expect("below").display().to_string();
                        let Some(kind) = super::kind(&name) else { continue };
                        let bytes = std::fs::read(&path).expect("a file");
                        match parse(kind, &String::from_utf8_lossy(&bytes)) {
                            Ok(parsed) => {
                                files += 1;
                                packages += parsed.packages.len();
                                unchecked += parsed.unchecked.len();
                                without_line +=
                                    parsed.packages.iter().filter(|(_, l)| l.is_none()).count();
                            }
                            Err(reason) => println!("{name}: {reason}"),
                        }
                    }
                    _ => {}
                }
            }
        }
        println!(
            "{files} files, {packages} packages ({without_line} without line), {unchecked} unchecked"
        );
    }
}
