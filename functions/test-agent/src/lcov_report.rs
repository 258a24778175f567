//! LCOV reports, and what their paths mean in the repository.
//!
//! A report names files as the machine that wrote it saw them: absolute, in a folder that no
//! longer exists, or relative to some folder of the repository. Only what can be told apart from
//! the code of dependencies is counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use lcov::Record;

/// Covered or not, by line.
pub(crate) type Lines = BTreeMap<u32, bool>;
/// Lines by path.
pub(crate) type Coverage = BTreeMap<String, Lines>;

/// Folders in which dependencies are, whatever their files are called.
const FOREIGN: &[&str] = &["node_modules", "site-packages", ".cargo", "rustc", "vendor"];

/// What precedes a report that is kept: the folder that it was written into.
const WRITTEN_INTO: &str = "# written into ";

/// The report as it is kept.
pub(crate) fn kept(folder: &str, report: &[u8]) -> Vec<u8> {
    let folder: String = folder.chars().filter(|c| !c.is_control()).collect();
    [WRITTEN_INTO.as_bytes(), folder.as_bytes(), b"\n", report].concat()
}

/// The folder of a report that was kept.
pub(crate) fn folder(report: &[u8]) -> String {
    let line = report.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.strip_prefix(WRITTEN_INTO).unwrap_or_default().to_owned()
}

/// Reads one report, with the paths as they are written. Records of other kinds than lines are
/// left out: newer versions of the format have some that readers do not know.
///
/// # Errors
/// Says which line is damaged.
pub(crate) fn parse(report: &[u8]) -> Result<Coverage, String> {
    let text = String::from_utf8_lossy(report);
    let mut coverage = Coverage::new();
    let mut current: Option<String> = None;
    for (number, line) in (1u64..).zip(text.lines()) {
        let line = line.trim_end();
        let ours = ["SF:", "DA:", "end_of_record"].iter().any(|kind| line.starts_with(kind));
        if !ours {
            continue;
        }
        // Some tools count a line that they lost track of as negative: not covered.
        let line = match line.split_once(",-") {
            Some((before, _)) if line.starts_with("DA:") => format!("{before},0"),
            _ => line.to_owned(),
        };
        let record = line.parse::<Record>().map_err(|e| format!("line {number}: {e}"))?;
        match record {
            Record::SourceFile { path } => {
                let path = path.to_string_lossy().into_owned();
                coverage.entry(path.clone()).or_default();
                current = Some(path);
            }
            Record::LineData { line, count, .. } if line > 0 => {
                let path = current
                    .as_ref()
                    .ok_or_else(|| format!("line {number}: a line without a file"))?;
                let covered = coverage.entry(path.clone()).or_default().entry(line).or_default();
                *covered |= count > 0;
            }
            Record::EndOfRecord => current = None,
            _ => {}
        }
    }
    Ok(coverage)
}

/// Adds `more` to `all`: a line is covered when any report says so.
pub(crate) fn merge(all: &mut Coverage, more: Coverage) {
    for (path, lines) in more {
        let known = all.entry(path).or_default();
        for (line, covered) in lines {
            *known.entry(line).or_default() |= covered;
        }
    }
}

/// The paths of a repository.
pub(crate) struct Paths {
    all: HashSet<String>,
    by_name: HashMap<String, Vec<String>>,
}

impl Paths {
    pub(crate) fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let all: HashSet<String> = paths.into_iter().collect();
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for path in &all {
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            by_name.entry(name).or_default().push(path.clone());
        }
        Self { all, by_name }
    }

    /// The report with the repository's own paths; files that are not in it are left out. A path
    /// without a beginning is meant from the folder that the report was written into, or from one
    /// above it: the nearest that has the file.
    pub(crate) fn resolve(&self, folder: &str, report: Coverage) -> Coverage {
        let mut resolved = Coverage::new();
        // Absolute paths by the folder that the checkout must have been in.
        let mut absolute: HashMap<String, Vec<(String, Lines)>> = HashMap::new();
        for (written, lines) in report {
            let path = tidy(&written);
            let path = self.from(folder, &path).unwrap_or(path);
            if path.split('/').any(|c| FOREIGN.contains(&c)) && !self.all.contains(&path) {
                continue;
            }
            if self.all.contains(&path) {
                merge(&mut resolved, Coverage::from([(path, lines)]));
            } else if is_absolute(&path) {
                if let Some((folder, inner)) = self.longest_suffix(&path) {
                    absolute.entry(folder).or_default().push((inner, lines));
                }
            } else if let Some(inner) = self.only_one_below(&path) {
                merge(&mut resolved, Coverage::from([(inner, lines)]));
            }
        }
        // One report was written in one checkout: the folder that explains most files is it.
        // Another is that of a dependency with a file of the same name.
        let best = absolute.into_iter().max_by_key(|(folder, files)| {
            let depth: usize = files.iter().map(|(p, _)| p.split('/').count()).sum();
            (files.len(), depth, std::cmp::Reverse(folder.clone()))
        });
        if let Some((_, files)) = best {
            files.into_iter().for_each(|(path, lines)| {
                merge(&mut resolved, Coverage::from([(path, lines)]));
            });
        }
        resolved
    }

    /// The file that a path without a beginning means in this folder, or in the nearest above it.
    fn from(&self, folder: &str, path: &str) -> Option<String> {
        if folder.is_empty() || is_absolute(path) {
            return None;
        }
        let mut folder = folder;
        loop {
            let inside = format!("{folder}/{path}");
            if self.all.contains(&inside) {
                return Some(inside);
            }
            (folder, _) = folder.rsplit_once('/')?;
        }
    }

    /// The longest end of `path` that is a path of the repository, and the folder before it.
    fn longest_suffix(&self, path: &str) -> Option<(String, String)> {
        let mut rest = path;
        while let Some((_, after)) = rest.split_once('/') {
            if self.all.contains(after) {
                let folder = path.strip_suffix(after)?;
                return Some((folder.to_owned(), after.to_owned()));
            }
            rest = after;
        }
        None
    }

    /// The path of the repository that ends with `path`, when there is exactly one.
    fn only_one_below(&self, path: &str) -> Option<String> {
        let name = path.rsplit('/').next()?;
        let mut found = self
            .by_name
            .get(name)?
            .iter()
            .filter(|p| p.strip_suffix(path).is_some_and(|folder| folder.ends_with('/')));
        let first = found.next()?;
        found.next().is_none().then(|| first.clone())
    }
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.as_bytes().get(1) == Some(&b':')
}

/// `/` as separator, without `.` and `..`.
fn tidy(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if path.starts_with('/') { format!("/{joined}") } else { joined }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(repository: &[&str], report: &[&str]) -> Vec<String> {
        let paths = Paths::new(repository.iter().map(|p| (*p).to_owned()));
        let report = report.iter().map(|p| ((*p).to_owned(), Lines::from([(1, true)]))).collect();
        paths.resolve("", report).into_keys().collect()
    }

    #[test]
    fn lines_are_read_duplicates_merged_and_unknown_records_left_out() {
        let report = b"TN:\nVER:2\nSF:src/a.rs\nFNL:1,2,3\nDA:1,0\nDA:2,3\nDA:3,-1\nBRDA:1,e0,1,-\nLF:3\nend_of_record\n\
                       SF:src/a.rs\nDA:1,5,abc\nDA:2,0\nend_of_record\n";
        let coverage = parse(report).expect("it is read");
        assert_eq!(coverage["src/a.rs"], Lines::from([(1, true), (2, true), (3, false)]));
    }

    #[test]
    fn a_damaged_report_names_the_line() {
        assert!(parse(b"SF:a\nDA:x,1\n").is_err_and(|e| e.starts_with("line 2:")));
        assert!(parse(b"DA:1,1\n").is_err_and(|e| e.contains("without a file")));
    }

    #[test]
    fn paths_of_other_machines_are_those_of_the_repository() {
        let repository = ["src/lib.rs", "web/src/a.js", "web/src/b.js"];
        for (report, expected) in [
            (vec!["/tmp/x/src/lib.rs"], vec!["src/lib.rs"]),
            (vec!["./src/lib.rs"], vec!["src/lib.rs"]),
            (vec!["src\\lib.rs"], vec!["src/lib.rs"]),
            (vec!["C:\\ci\\src\\lib.rs"], vec!["src/lib.rs"]),
            (vec!["web/src/../src/a.js"], vec!["web/src/a.js"]),
            (vec!["src/a.js"], vec!["web/src/a.js"]),
            (vec!["/other/thing.rs", "unknown.rs"], vec![]),
            (vec!["/home/u/.cargo/registry/src/x-1.0/src/lib.rs"], vec![]),
            (
                vec!["/dep-1.0/src/lib.rs", "/ci/w/web/src/a.js", "/ci/w/web/src/b.js"],
                vec!["web/src/a.js", "web/src/b.js"],
            ),
        ] {
            assert_eq!(resolved(&repository, &report), expected, "{report:?}");
        }
        // One of a package is its own, although the root has a file of that name.
        let paths = Paths::new(["src/u.js", "packages/a/src/u.js"].map(str::to_owned));
        let report = || Coverage::from([("src/u.js".to_owned(), Lines::from([(1, true)]))]);
        for (folder, expected) in [
            ("packages/a/coverage", "packages/a/src/u.js"),
            ("coverage", "src/u.js"),
            ("", "src/u.js"),
        ] {
            let kept = kept(folder, b"SF:src/u.js\nDA:1,1\nend_of_record\n");
            assert_eq!(parse(&kept).expect("it is read"), report());
            let found = paths.resolve(&super::folder(&kept), report());
            assert_eq!(found.into_keys().collect::<Vec<_>>(), [expected], "{folder}");
        }
        // Which of the two is meant cannot be known.
        assert!(resolved(&["a/x.js", "b/x.js"], &["x.js"]).is_empty());
    }

    proptest! {
        #[test]
        fn every_file_is_found_below_any_folder(
            names in proptest::collection::hash_set("[a-c]{1,2}(/[a-c]{1,2}){0,3}\\.rs", 1..12),
            folder in "(/[x-z]{1,3}){1,4}"
        ) {
            let paths = Paths::new(names.iter().cloned());
            let report = names.iter().map(|n| (format!("{folder}/{n}"), Lines::new())).collect();
            let found: HashSet<String> = paths.resolve("", report).into_keys().collect();
            prop_assert_eq!(found, names);
        }

        #[test]
        fn no_report_is_too_odd(text in "(SF:|DA:|end_of_record|\n|,|-|[0-9]|\\PC){0,40}") {
            let _outcome = parse(text.as_bytes());
        }
    }
}
