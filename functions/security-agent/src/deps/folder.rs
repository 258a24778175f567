//! A folder of OSV records, indexed once by package; a record is read when it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    Answer, Ecosystem, Package,
    osv::{PackageName, Record},
};

/// Most files in the folder.
const MAX_FILES: usize = 500_000;
/// Deepest nesting of folders.
const MAX_DEPTH: usize = 12;
/// Largest record.
const MAX_RECORD: u64 = 8 * 1024 * 1024;

/// Which file speaks about which package.
#[derive(Debug)]
pub(crate) struct Index {
    folder: PathBuf,
    files: HashMap<(Ecosystem, String), Vec<PathBuf>>,
    ecosystems: BTreeSet<Ecosystem>,
    records: usize,
    unreadable: usize,
}

/// As much of a record as the index needs.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    affected: Vec<HeadAffected>,
}

#[derive(Deserialize)]
struct HeadAffected {
    #[serde(default)]
    package: Option<PackageName>,
}

impl Index {
    /// Reads the folder; the reason when that cannot be done, or when it holds no record.
    pub(crate) fn load(folder: &Path) -> Result<Self, String> {
        let mut index = Self {
            folder: folder.to_owned(),
            files: HashMap::new(),
            ecosystems: BTreeSet::new(),
            records: 0,
            unreadable: 0,
        };
        let name = folder.display();
        for path in files(folder)? {
            index.add(path);
        }
        if index.records == 0 {
            return Err(format!("the folder of advisories {name} holds no OSV record"));
        }
        tracing::info!(
            records = index.records,
            unreadable = index.unreadable,
            "advisories indexed"
        );
        Ok(index)
    }

    fn add(&mut self, path: PathBuf) {
        let head: Option<Head> = read(&path).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(head) = head else {
            tracing::warn!(path = %path.display(), "not an OSV record");
            self.unreadable += 1;
            return;
        };
        self.records += 1;
        let mut keys = BTreeSet::new();
        for package in head.affected.into_iter().filter_map(|a| a.package) {
            let Some(ecosystem) = Ecosystem::parse(&package.ecosystem) else { continue };
            self.ecosystems.insert(ecosystem);
            if head.withdrawn.is_none() {
                keys.insert((ecosystem, ecosystem.normal_name(&package.name)));
            }
        }
        for key in keys {
            self.files.entry(key).or_default().push(path.clone());
        }
    }

    /// The records that name the packages, whichever versions they affect.
    pub(crate) fn about(&self, packages: &BTreeSet<Package>) -> Result<Answer, String> {
        let mut answer = Answer {
            origin: format!("{} advisories of {}", self.records, self.folder.display()),
            ..Answer::default()
        };
        if self.unreadable > 0 {
            answer
                .incomplete
                .push(format!("{} files of the advisories are no OSV records", self.unreadable));
        }
        let wanted: BTreeSet<Ecosystem> = packages.iter().map(|p| p.ecosystem).collect();
        for ecosystem in wanted.difference(&self.ecosystems) {
            answer.incomplete.push(format!(
                "{} has no advisory for {}; add them, or leave PACT_ADVISORIES unset to ask the OSV service",
                self.folder.display(),
                ecosystem.as_str()
            ));
        }
        let mut read_before: HashMap<&Path, Arc<Record>> = HashMap::new();
        let mut records: BTreeMap<Package, Vec<Arc<Record>>> = BTreeMap::new();
        for package in packages {
            let Some(files) = self.files.get(&(package.ecosystem, package.name.clone())) else {
                continue;
            };
            for path in files {
                let record = match read_before.get(path.as_path()) {
                    Some(record) => Arc::clone(record),
                    None => {
                        let record: Record = read(path)
                            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                            .ok_or_else(|| format!("advisory {} cannot be read", path.display()))?;
                        let record = Arc::new(record);
                        read_before.insert(path, Arc::clone(&record));
                        record
                    }
                };
                records.entry(package.clone()).or_default().push(record);
            }
        }
        answer.records = records;
        Ok(answer)
    }
}

/// Every record of the folder, one after the other; none for a file that holds none.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn each_record(
    folder: &Path,
    visit: &mut dyn FnMut(Option<Record>),
) -> Result<(), String> {
    for path in files(folder)? {
        let record = read(&path).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if record.is_none() {
            tracing::warn!(path = %path.display(), "not an OSV record");
        }
        visit(record);
    }
    Ok(())
}

/// The files of the folder that should hold a record, in the same order every time.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |e: std::io::Error| {
        format!("the folder of advisories {} cannot be read: {e}", folder.display())
    };
    let mut folders = vec![(folder.to_owned(), 0)];
    let mut files = Vec::new();
    while let Some((current, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&current).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() && entry.path().extension().is_some_and(|e| e == "json") {
                files.push(entry.path());
                if files.len() > MAX_FILES {
                    return Err(format!(
                        "the folder of advisories {} has more than {MAX_FILES} files",
                        folder.display()
                    ));
                }
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let size = std::fs::metadata(path).ok()?.len();
    if size > MAX_RECORD {
        return None;
    }
    std::fs::read(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"id":"X-1","affected":[{"package":{"ecosystem":"PyPI","name":"Foo_Bar"},"versions":["1"]}]}"#;

    fn package(ecosystem: Ecosystem, name: &str) -> BTreeSet<Package> {
        BTreeSet::from([Package { ecosystem, name: name.to_owned(), version: "1".to_owned() }])
    }

    #[test]
    fn nested_folders_are_indexed_by_normal_name_and_other_files_are_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("folders");
        std::fs::write(inner.join("x.json"), RECORD).expect("a file");
        std::fs::write(dir.path().join("readme.md"), "no record").expect("a file");
        let index = Index::load(dir.path()).expect("an index");
        let answer = index.about(&package(Ecosystem::PyPi, "foo-bar")).expect("an answer");
        assert_eq!(answer.records.values().flatten().count(), 1);
        assert!(answer.incomplete.is_empty());
        let answer = index.about(&package(Ecosystem::Npm, "foo-bar")).expect("an answer");
        assert!(answer.records.is_empty());
        assert!(answer.incomplete[0].contains("npm"), "{:?}", answer.incomplete);

        std::fs::write(dir.path().join("broken.json"), "{").expect("a file");
        let index = Index::load(dir.path()).expect("an index");
        let answer = index.about(&package(Ecosystem::PyPi, "foo-bar")).expect("an answer");
        assert_eq!(answer.incomplete.len(), 1);
    }

    #[test]
    fn no_folder_and_no_record_are_reasons() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(Index::load(dir.path()).expect_err("is refused").contains("no OSV record"));
        assert!(
            Index::load(&dir.path().join("x")).expect_err("is refused").contains("cannot be read")
        );
    }
}
