//! Where in the repository something failed: places are read out of messages, and only believed
//! when the file is there.

use std::path::{Component, Path, PathBuf};

/// Lines of a message that are searched.
const LINES: usize = 200;

/// A checkout, to resolve paths in.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    root: PathBuf,
    directory: PathBuf,
}

impl Root {
    /// The checkout at `root`, with commands run in `directory` of it. Both are canonical.
    pub(crate) fn new(root: &Path, directory: &Path) -> Self {
        Self { root: root.to_owned(), directory: directory.to_owned() }
    }

    /// The path in the repository for a path that a tool wrote, when there is such a file.
    pub(crate) fn relative(&self, path: &str) -> Option<String> {
        if path.is_empty() || path.len() > 500 {
            return None;
        }
        let path = Path::new(path.strip_prefix("file://").unwrap_or(path));
        if path.components().any(|c| matches!(c, Component::ParentDir)) {
            return None;
        }
        let candidates = if path.is_absolute() {
            vec![path.to_owned()]
        } else {
            vec![self.directory.join(path), self.root.join(path)]
        };
        candidates.iter().find_map(|full| {
            let inside = full.strip_prefix(&self.root).ok()?;
            let text =
                inside.components().map(|c| c.as_os_str().to_str()).collect::<Option<Vec<_>>>()?;
            let foreign = ["node_modules", "target", ".venv", "site-packages"];
            if text.iter().any(|c| foreign.contains(c)) || !full.is_file() {
                return None;
            }
            Some(text.join("/"))
        })
    }

    /// Whether a Python module of this name is in the checkout, where it could be imported from.
    pub(crate) fn has_module(&self, name: &str) -> bool {
        [self.root.clone(), self.root.join("src"), self.directory.clone()]
            .iter()
            .any(|folder| folder.join(name).is_dir() || folder.join(format!("{name}.py")).is_file())
    }

    /// The place that `text` names: the innermost frame of a Python traceback, otherwise the
    /// first place that is in the repository.
    pub(crate) fn find(&self, text: &str) -> Option<(String, Option<u32>)> {
        let mut first = None;
        let mut innermost = None;
        for line in text.lines().take(LINES) {
            if let Some(place) = self.python_frame(line) {
                innermost = Some(place);
            } else if first.is_none() {
                first = self.token(line);
            }
        }
        innermost.or(first)
    }

    /// `File "tests/a.py", line 7, in test`.
    fn python_frame(&self, line: &str) -> Option<(String, Option<u32>)> {
        let (path, rest) = line.trim_start().strip_prefix("File \"")?.split_once('"')?;
        let number: String =
            rest.strip_prefix(", line ")?.chars().take_while(char::is_ascii_digit).collect();
        Some((self.relative(path)?, number.parse().ok()))
    }

    /// `src/lib.rs:7:9`, in brackets or quotes or not.
    fn token(&self, line: &str) -> Option<(String, Option<u32>)> {
        line.split(|c: char| c.is_whitespace() || "()[]{}<>\"'`,;".contains(c)).find_map(|token| {
            let token = token.strip_prefix("file://").unwrap_or(token);
            let mut parts = token.split(':');
            let path = parts.next()?;
            if !path.contains('.') {
                return None;
            }
            let number = parts.next()?.parse::<u32>().ok().filter(|n| *n > 0)?;
            Some((self.relative(path)?, Some(number)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_the_messages_of_every_tool() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(root.join("web/src")).expect("a folder");
        std::fs::write(root.join("web/src/a.rs"), "").expect("a file");
        std::fs::write(root.join("b.py"), "").expect("a file");
        let places = Root::new(&root, &root.join("web"));
        let full = root.join("b.py");
        for (text, expected) in [
            ("thread 'x' panicked at src/a.rs:5:9:", Some(("web/src/a.rs", Some(5)))),
            ("   --> web/src/a.rs:3:1", Some(("web/src/a.rs", Some(3)))),
            (
                &format!("at Object.<anonymous> (file://{}:12:3)", full.display()),
                Some(("b.py", Some(12))),
            ),
            (&format!("  File \"{}\", line 7, in test", full.display()), Some(("b.py", Some(7)))),
            ("b.py:4: AssertionError", Some(("b.py", Some(4)))),
            ("../b.py:4: no", None),
            ("/etc/passwd:4: no", None),
            ("at 12:30:00 nothing", None),
        ] {
            let expected = expected.map(|(p, l)| (p.to_owned(), l));
            assert_eq!(places.find(text), expected, "{text}");
        }
    }
}
