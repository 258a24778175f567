//! Where in the repository something failed: places are read out of messages, and only believed
//! when the repository has the file.

use std::{
    collections::HashSet,
    path::{Component, Path},
};

/// Lines of a message that are searched.
const LINES: usize = 200;
/// Folders of a checkout whose files are not the repository's.
const FOREIGN: &[&str] = &["node_modules", "target", ".venv", "site-packages"];

/// A checkout, as the tools knew it that ran in it: paths are resolved without looking at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkout {
    /// Its absolute path.
    pub(crate) root: String,
    /// Where in it the command ran; empty: at the root.
    pub(crate) directory: String,
    /// Further absolute paths of the run, which mean nothing to a reader.
    pub(crate) scratch: Vec<String>,
    /// The files of the repository, relative to the root.
    pub(crate) files: HashSet<String>,
}

impl Checkout {
    /// `text` without the folders of the run.
    pub(crate) fn readable(&self, text: &str) -> String {
        if self.root.is_empty() {
            return text.to_owned();
        }
        let text = text.replace(&format!("{}/", self.root), "").replace(&self.root, ".");
        self.scratch.iter().fold(text, |text, folder| text.replace(&format!("{folder}/"), ""))
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
            vec![path.strip_prefix(&self.root).ok()?.to_owned()]
        } else {
            vec![Path::new(&self.directory).join(path), path.to_owned()]
        };
        candidates.iter().find_map(|candidate| {
            let parts = candidate.components().filter(|c| *c != Component::CurDir);
            let parts = parts.map(|c| c.as_os_str().to_str()).collect::<Option<Vec<_>>>()?;
            let path = parts.join("/");
            let foreign = parts.iter().any(|part| FOREIGN.contains(part));
            if foreign {
                return None;
            }
            if self.files.contains(&path) {
                return Some(path);
            }
            // Some tools name the file alone.
            let [name] = parts[..] else { return None };
            let mut named = self
                .files
                .iter()
                .filter(|file| file.strip_suffix(name).is_some_and(|folder| folder.ends_with('/')));
            named.next().filter(|_| named.next().is_none()).cloned()
        })
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
        let checkout = Checkout {
            root: "/tmp/run".to_owned(),
            directory: "web".to_owned(),
            scratch: Vec::new(),
            files: ["web/src/a.rs", "b.py", "target/c.rs"].map(str::to_owned).into(),
        };
        for (text, expected) in [
            ("thread 'x' panicked at src/a.rs:5:9:", Some(("web/src/a.rs", Some(5)))),
            ("   --> web/src/a.rs:3:1", Some(("web/src/a.rs", Some(3)))),
            ("at Object.<anonymous> (file:///tmp/run/b.py:12:3)", Some(("b.py", Some(12)))),
            ("  File \"/tmp/run/b.py\", line 7, in test", Some(("b.py", Some(7)))),
            ("b.py:4: AssertionError", Some(("b.py", Some(4)))),
            ("../b.py:4: no", None),
            ("/etc/passwd:4: no", None),
            ("target/c.rs:1:1", None),
            ("at 12:30:00 nothing", None),
        ] {
            let expected = expected.map(|(p, l)| (p.to_owned(), l));
            assert_eq!(checkout.find(text), expected, "{text}");
        }
    }

    #[test]
    fn folders_of_the_run_mean_nothing_to_a_reader() {
        let checkout = Checkout {
            root: "/tmp/run".to_owned(),
            scratch: vec!["/tmp/reports".to_owned()],
            ..Checkout::default()
        };
        let text = "in /tmp/run: /tmp/run/a.rs, see /tmp/reports/x.xml";
        assert_eq!(checkout.readable(text), "in .: a.rs, see x.xml");
        assert_eq!(Checkout::default().readable("/a"), "/a");
    }
}
