//! The files of a commit, listed breadth first and bounded, so that what is near the root is always
//! looked at. Links are left out.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    path::Path,
};

use crate::files;

/// Files and folders that are looked at, and how deep they lie at most.
const ENTRIES: usize = 200_000;
const DEPTH: usize = 40;
/// Bytes of one file, and of all files together, that are looked at.
const FILE: u64 = 1024 * 1024;
const ALL: u64 = 256 * 1024 * 1024;
/// Folders with what others wrote: their tests are not the repository's.
const FOREIGN: &[&str] = &[
    ".bundle",
    ".cargo",
    ".eggs",
    ".git",
    ".gradle",
    ".nox",
    ".pnpm-store",
    ".tox",
    ".venv",
    ".yarn",
    "Carthage",
    "Pods",
    "__pycache__",
    "bower_components",
    "node_modules",
    "site-packages",
    "third-party",
    "third_party",
    "thirdparty",
    "vendor",
    "vendored",
    "venv",
];
/// Folders with what is no part of the product: what tests read, what a reader may copy, what tools
/// write.
const ASIDE: &[&str] = &[
    "__fixtures__",
    "_build",
    "build",
    "dist",
    "example",
    "examples",
    "fixture",
    "fixtures",
    "out",
    "sample",
    "samples",
    "target",
    "template",
    "templates",
    "testdata",
    "test-data",
    "test_data",
];

/// Paths of the files below a root.
pub(super) struct Tree<'a> {
    root: &'a Path,
    /// Relative to the root, those of shallow folders first.
    files: Vec<String>,
    known: HashSet<String>,
    /// Whether all of them are listed.
    pub(super) complete: bool,
    left: std::cell::Cell<u64>,
}

impl<'a> Tree<'a> {
    pub(super) fn list(root: &'a Path) -> Self {
        let mut files = Vec::new();
        let mut complete = true;
        let mut entries = 0;
        let mut folders = VecDeque::from([(String::new(), 0)]);
        'folders: while let Some((folder, level)) = folders.pop_front() {
            let Ok(listing) = std::fs::read_dir(root.join(&folder)) else {
                complete = false;
                continue;
            };
            let mut found: Vec<_> = listing.flatten().collect();
            found.sort_unstable_by_key(std::fs::DirEntry::file_name);
            for entry in found {
                entries += 1;
                if entries > ENTRIES {
                    complete = false;
                    break 'folders;
                }
                // A name that is no text is none of a manifest or of a test of anything known.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(kind) = entry.file_type() else { continue };
                let path = join(&folder, &name);
                if kind.is_file() {
                    files.push(path);
                } else if kind.is_dir() && !FOREIGN.contains(&name.as_str()) {
                    if level < DEPTH {
                        folders.push_back((path, level + 1));
                    } else {
                        complete = false;
                    }
                }
            }
        }
        let known = files.iter().cloned().collect();
        Self { root, files, known, complete, left: ALL.into() }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.known.contains(path)
    }

    /// Whether a folder has one of these files.
    pub(super) fn any(&self, folder: &str, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(&join(folder, name)))
    }

    /// All files below a folder.
    pub(super) fn below<'s>(&'s self, folder: &'s str) -> impl Iterator<Item = &'s str> {
        self.files.iter().map(String::as_str).filter(move |file| is_below(file, folder))
    }

    /// Files below a folder that are not below one of `others`, which lie in it.
    pub(super) fn own<'s>(
        &'s self,
        folder: &'s str,
        others: &'s [String],
    ) -> impl Iterator<Item = &'s str> {
        let deeper = move |other: &&String| *other != folder && is_below(other, folder);
        self.below(folder)
            .filter(move |file| !others.iter().filter(deeper).any(|other| is_below(file, other)))
    }

    /// Folders that have a file for which this is so, shallow ones first.
    pub(super) fn folders(&self, is: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let folders = self.files.iter().filter_map(|file| {
            let (folder, name) = split(file);
            (is(name) && seen.insert(folder.to_owned())).then(|| folder.to_owned())
        });
        folders.collect()
    }

    /// The text of a file; none when it is not there or too long.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        if !self.has(path) {
            return None;
        }
        let bytes = files::read(&self.root.join(path), FILE.min(self.left.get())).ok()?;
        self.left.set(self.left.get().saturating_sub(bytes.len() as u64));
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether a file's text has one of these in it.
    pub(super) fn says(&self, path: &str, any: &[&str]) -> bool {
        self.text(path).is_some_and(|text| any.iter().any(|part| text.contains(part)))
    }
}

/// Whether a folder is in one of those that are no part of the product.
pub(super) fn is_aside(folder: &str) -> bool {
    folder.split('/').any(|part| ASIDE.contains(&part.to_ascii_lowercase().as_str()))
}

/// Folder and name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a path is in a folder, or is it.
pub(super) fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a folder is in one of these, or is it.
pub(super) fn in_any(folder: &str, folders: &[String]) -> bool {
    folders.iter().any(|other| is_below(folder, other))
}

/// A path in a folder, without `.` and `..`; one that leads out of everything is that of nothing.
pub(super) fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return "..".to_owned(),
            ".." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The folders that a folder is in, the nearest first, without itself.
pub(super) fn above(folder: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(folder), |folder| (!folder.is_empty()).then(|| split(folder).0))
        .skip(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_taken_apart() {
        assert_eq!(join("", "a"), "a");
        assert_eq!(join("a/b", "../c/./d"), "a/c/d");
        assert_eq!(join("a", "../../c"), "..");
        assert_eq!(join("a", "."), "a");
        assert_eq!(above("a/b/c").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(above("").count(), 0);
        assert!(is_below("a/b", "a") && is_below("a", "a") && !is_below("ab", "a"));
        assert!(is_aside("x/Fixtures/y") && !is_aside("building"));
    }

    #[test]
    fn what_others_wrote_is_not_listed_and_shallow_files_come_first() {
        let dir = tempfile::tempdir().expect("a folder");
        for path in ["a/b/x.rs", "z.rs", "vendor/y.rs", "a/node_modules/q/p.js", "a/c.rs"] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, "").expect("a file");
        }
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).expect("a link");
        let tree = Tree::list(dir.path());
        assert_eq!(tree.files, ["z.rs", "a/c.rs", "a/b/x.rs"]);
        assert!(tree.complete);
        assert_eq!(tree.folders(|name| name.ends_with(".rs")), ["", "a", "a/b"]);
        let others = ["a/b".to_owned()];
        assert_eq!(tree.own("a", &others).collect::<Vec<_>>(), ["a/c.rs"]);
        assert_eq!(tree.own("a/b", &others).count(), 1);
    }
}
