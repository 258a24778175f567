//! Advisories in one file that is asked without reading it whole: records, then the sorted names
//! of packages with the places of their records.
//!
//! The form, all numbers little-endian: the magic; the records as JSON one after the other; for
//! each key its length (u16), the key `ecosystem NUL name`, the count (u16) and for each record
//! its offset (u64) and length (u32); the offsets (u32) of the keys from their beginning; then
//! the trailer: offset of the keys (u64), their bytes (u64), their count (u32), the count of
//! records (u32), and the magic again, without which a file was not written to its end.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    Answer, Ecosystem, Package,
    folder::{self, Index},
    osv::Record,
};

const MAGIC: &[u8; 8] = b"PACTADV2";
const TRAILER: u64 = 8 + 8 + 4 + 4 + 4 + 8;
/// Largest table of names.
const MAX_KEYS: u64 = 512 * 1024 * 1024;
/// Largest record.
const MAX_RECORD: u32 = 8 * 1024 * 1024;
/// Bytes between two records that are read along, and most that are read at once.
const GAP: u64 = 16 * 1024;
const MAX_READ: u64 = 4 * 1024 * 1024;
/// Largest archive of records, and most bytes of one record in it.
const MAX_ZIP: u64 = 4 * 1024 * 1024 * 1024;

/// Advisories on this machine: a folder of records, or one compiled file.
#[derive(Debug)]
pub(crate) enum Database {
    Folder(Index),
    File(Compiled),
}

impl Database {
    /// Opens what is at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        if path.is_file() {
            Compiled::open(path).map(Self::File)
        } else {
            Index::load(path).map(Self::Folder)
        }
    }

    /// The records that name the packages, whichever versions they affect.
    pub(crate) fn about(&self, packages: &BTreeSet<Package>) -> Result<Answer, String> {
        match self {
            Self::Folder(index) => index.about(packages),
            Self::File(file) => file.about(packages),
        }
    }
}

/// A compiled file that is open.
#[derive(Debug)]
pub(crate) struct Compiled {
    name: String,
    file: Mutex<File>,
    keys: Vec<u8>,
    starts: Vec<u8>,
    records: u32,
    unreadable: u32,
}

fn key(ecosystem: Ecosystem, name: &str) -> Vec<u8> {
    [ecosystem.as_str().as_bytes(), b"\0", name.as_bytes()].concat()
}

fn numbers<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

impl Compiled {
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let failed = |e: std::io::Error| format!("the advisories {name} cannot be read: {e}");
        let damaged = || {
            format!(
                "{name} is no index of advisories, or not whole: make it anew with `pactctl advisories update`"
            )
        };
        let mut file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let start = size.checked_sub(TRAILER).ok_or_else(damaged)?;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut trailer = Vec::new();
        Read::by_ref(&mut file).take(TRAILER).read_to_end(&mut trailer).map_err(failed)?;
        let read = || -> Option<(u64, u64, u32, u32, u32)> {
            (trailer.get(28..36)? == MAGIC).then_some(())?;
            Some((
                u64::from_le_bytes(numbers(&trailer, 0)?),
                u64::from_le_bytes(numbers(&trailer, 8)?),
                u32::from_le_bytes(numbers(&trailer, 16)?),
                u32::from_le_bytes(numbers(&trailer, 20)?),
                u32::from_le_bytes(numbers(&trailer, 24)?),
            ))
        };
        let (offset, length, count, records, unreadable) = read().ok_or_else(damaged)?;
        let table = length.checked_add(u64::from(count) * 4).ok_or_else(damaged)?;
        if offset.checked_add(table) != Some(start) || table > MAX_KEYS {
            return Err(damaged());
        }
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut keys = Vec::new();
        Read::by_ref(&mut file).take(table).read_to_end(&mut keys).map_err(failed)?;
        let starts =
            keys.split_off(usize::try_from(length).map_err(|_| damaged())?.min(keys.len()));
        Ok(Self { name, file: Mutex::new(file), keys, starts, records, unreadable })
    }

    /// The key with this number, and what follows it.
    fn entry(&self, number: usize) -> Option<(&[u8], &[u8])> {
        let start = u32::from_le_bytes(numbers(&self.starts, number.checked_mul(4)?)?) as usize;
        let length = usize::from(u16::from_le_bytes(numbers(&self.keys, start)?));
        let key = self.keys.get(start + 2..start + 2 + length)?;
        Some((key, self.keys.get(start + 2 + length..)?))
    }

    /// The first number whose key is not below `wanted`.
    fn position(&self, wanted: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.starts.len() / 4);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 < wanted { low = middle + 1 } else { high = middle }
        }
        Some(low)
    }

    /// The places of the records of a package.
    fn places(&self, wanted: &[u8]) -> Option<Vec<(u64, u32)>> {
        let position = self.position(wanted)?;
        let Some((key, rest)) = self.entry(position) else { return Some(Vec::new()) };
        if key != wanted {
            return Some(Vec::new());
        }
        let count = usize::from(u16::from_le_bytes(numbers(rest, 0)?));
        (0..count)
            .map(|n| {
                let at = 2 + n * 12;
                Some((
                    u64::from_le_bytes(numbers(rest, at)?),
                    u32::from_le_bytes(numbers(rest, at + 8)?),
                ))
            })
            .collect()
    }

    /// The records at these places, which stand in order: those that are near to each other are
    /// read at once.
    fn read(&self, places: &BTreeMap<u64, u32>) -> Result<HashMap<u64, Arc<Record>>, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{} is damaged: {e}", self.name);
        let mut out = HashMap::with_capacity(places.len());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left = places.iter().peekable();
        let mut bytes = Vec::new();
        while let Some((first, length)) = left.next() {
            let mut together = vec![(*first, *length)];
            let mut end = first.saturating_add(u64::from(*length));
            while let Some((next, length)) = left
                .next_if(|(next, _)| next.saturating_sub(end) <= GAP && **next - first <= MAX_READ)
            {
                together.push((*next, *length));
                end = end.max(next.saturating_add(u64::from(*length)));
            }
            if together.iter().any(|(_, length)| *length > MAX_RECORD) {
                return Err(failed(&"a record is too large"));
            }
            file.seek(SeekFrom::Start(*first)).map_err(|e| failed(&e))?;
            bytes.clear();
            Read::by_ref(&mut *file)
                .take(end - first)
                .read_to_end(&mut bytes)
                .map_err(|e| failed(&e))?;
            for (offset, length) in together {
                let at = usize::try_from(offset - first).map_err(|e| failed(&e))?;
                let slice = bytes.get(at..at + length as usize);
                let slice = slice.ok_or_else(|| failed(&"a record is missing"))?;
                let record = serde_json::from_slice(slice).map_err(|e| failed(&e))?;
                out.insert(offset, Arc::new(record));
            }
        }
        Ok(out)
    }

    fn about(&self, packages: &BTreeSet<Package>) -> Result<Answer, String> {
        let damaged = || format!("{} is damaged", self.name);
        let mut answer = Answer {
            origin: format!("{} advisories of {}", self.records, self.name),
            ..Answer::default()
        };
        if self.unreadable > 0 {
            answer.incomplete.push(format!(
                "{} was made with {} files that are no OSV records",
                self.name, self.unreadable
            ));
        }
        let ecosystems: BTreeSet<Ecosystem> = packages.iter().map(|p| p.ecosystem).collect();
        for ecosystem in ecosystems {
            let start = key(ecosystem, "");
            let position = self.position(&start).ok_or_else(damaged)?;
            if !self.entry(position).is_some_and(|(key, _)| key.starts_with(&start)) {
                answer.incomplete.push(format!(
                    "{} has no advisory for {}; add them, or leave PACT_ADVISORIES unset to ask the OSV service",
                    self.name,
                    ecosystem.as_str()
                ));
            }
        }
        let mut wanted: Vec<(&Package, Vec<(u64, u32)>)> = Vec::new();
        for package in packages {
            let key = key(package.ecosystem, &package.name);
            let places = self.places(&key).ok_or_else(damaged)?;
            if !places.is_empty() {
                wanted.push((package, places));
            }
        }
        let read =
            self.read(&wanted.iter().flat_map(|(_, places)| places.iter().copied()).collect())?;
        let mut records: BTreeMap<Package, Vec<Arc<Record>>> = BTreeMap::new();
        for (package, places) in wanted {
            let these = places.iter().filter_map(|(at, _)| read.get(at).cloned()).collect();
            records.insert(package.clone(), these);
        }
        answer.records = records;
        Ok(answer)
    }
}

/// What was compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Records.
    pub records: u32,
    /// Packages that they name.
    pub packages: usize,
    /// Records that were withdrawn, left out.
    pub withdrawn: usize,
    /// Records of ecosystems whose lock files are not read, left out.
    pub foreign: usize,
    /// Files that are no records. Every check by this index says that there were some.
    pub unreadable: u32,
}

/// Compiles the OSV records of a folder or of a zip file into the file `output`, which is there
/// whole or not at all.
///
/// # Errors
/// What cannot be read or written, for people.
pub fn compile(source: &Path, output: &Path) -> Result<Made, String> {
    let failed = |e: &dyn std::fmt::Display| format!("cannot write {}: {e}", output.display());
    let partial = output.with_extension("part");
    let file = File::create(&partial).map_err(|e| failed(&e))?;
    let mut writer = Writer {
        out: BufWriter::new(file),
        at: 0,
        keys: BTreeMap::new(),
        made: Made::default(),
        fault: None,
    };
    let result = writer.write(source);
    let made = match result {
        Ok(made) => made,
        Err(reason) => {
            drop(std::fs::remove_file(&partial));
            return Err(reason);
        }
    };
    std::fs::rename(&partial, output).map_err(|e| failed(&e))?;
    Ok(made)
}

struct Writer {
    out: BufWriter<File>,
    at: u64,
    keys: BTreeMap<Vec<u8>, Vec<(u64, u32)>>,
    made: Made,
    fault: Option<String>,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|e| format!("cannot write the index: {e}"))
    }

    fn write(&mut self, source: &Path) -> Result<Made, String> {
        self.put(MAGIC)?;
        if source.is_file() {
            self.zip(source)?
        } else {
            self.folder(source)?
        }
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        if self.made.records == 0 {
            return Err(format!("{} holds no OSV record", source.display()));
        }
        let offset = self.at;
        let mut starts = Vec::new();
        let keys = std::mem::take(&mut self.keys);
        self.made.packages = keys.len();
        for (key, places) in keys {
            let start =
                u32::try_from(self.at - offset).map_err(|_| "too many packages".to_owned())?;
            starts.extend(start.to_le_bytes());
            let length = u16::try_from(key.len()).map_err(|_| "a name is too long".to_owned())?;
            let count = u16::try_from(places.len())
                .map_err(|_| "too many records of one package".to_owned())?;
            self.put(&length.to_le_bytes())?;
            self.put(&key)?;
            self.put(&count.to_le_bytes())?;
            for (at, length) in places {
                self.put(&at.to_le_bytes())?;
                self.put(&length.to_le_bytes())?;
            }
        }
        let length = self.at - offset;
        self.put(&starts)?;
        self.put(&offset.to_le_bytes())?;
        self.put(&length.to_le_bytes())?;
        let count = u32::try_from(starts.len() / 4).map_err(|_| "too many packages".to_owned())?;
        self.put(&count.to_le_bytes())?;
        self.put(&self.made.records.to_le_bytes())?;
        self.put(&self.made.unreadable.to_le_bytes())?;
        self.put(MAGIC)?;
        self.out.flush().map_err(|e| format!("cannot write the index: {e}"))?;
        Ok(self.made)
    }

    fn folder(&mut self, source: &Path) -> Result<(), String> {
        folder::each_record(source, &mut |record| match record {
            Some(record) => self.keep(record),
            None => self.made.unreadable += 1,
        })
    }

    fn zip(&mut self, source: &Path) -> Result<(), String> {
        let failed =
            |e: &dyn std::fmt::Display| format!("{} cannot be read: {e}", source.display());
        let file = File::open(source).map_err(|e| failed(&e))?;
        if file.metadata().map_err(|e| failed(&e))?.len() > MAX_ZIP {
            return Err(failed(&"it is too large"));
        }
        let mut archive = zip::ZipArchive::new(file).map_err(|e| failed(&e))?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|e| failed(&e))?;
            if entry.is_dir() {
                continue;
            }
            let mut bytes = Vec::new();
            let limit = u64::from(MAX_RECORD);
            entry.take(limit + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
            match serde_json::from_slice::<Record>(&bytes) {
                Ok(record) if bytes.len() as u64 <= limit => self.keep(record),
                _ => self.made.unreadable += 1,
            }
        }
        Ok(())
    }

    fn keep(&mut self, mut record: Record) {
        if self.fault.is_some() {
            return;
        }
        if record.withdrawn.is_some() {
            self.made.withdrawn += 1;
            return;
        }
        record.affected.retain(|a| {
            a.package.as_ref().is_some_and(|p| Ecosystem::parse(&p.ecosystem).is_some())
        });
        let keys: BTreeSet<Vec<u8>> = record
            .affected
            .iter()
            .filter_map(|a| a.package.as_ref())
            .filter_map(|p| {
                let ecosystem = Ecosystem::parse(&p.ecosystem)?;
                Some(key(ecosystem, &ecosystem.normal_name(&p.name)))
            })
            .collect();
        if keys.is_empty() {
            self.made.foreign += 1;
            return;
        }
        // The title is enough of the text.
        record.summary = Some(super::verdict::short(record.title(), 300));
        record.details = None;
        let written = serde_json::to_vec(&record).map_err(|e| e.to_string()).and_then(|json| {
            let place = (self.at, u32::try_from(json.len()).map_err(|e| e.to_string())?);
            self.put(&json)?;
            Ok(place)
        });
        match written {
            Ok(place) => {
                self.made.records += 1;
                for key in keys {
                    self.keys.entry(key).or_default().push(place);
                }
            }
            Err(fault) => self.fault = Some(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(ecosystem: Ecosystem, name: &str) -> Package {
        Package { ecosystem, name: name.to_owned(), version: "1.0.0".to_owned() }
    }

    fn record(id: &str, ecosystem: &str, name: &str) -> String {
        format!(
            r#"{{"id":"{id}","summary":"s","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"2.0.0"}}]}}]}}]}}"#
        )
    }

    #[test]
    fn an_index_answers_as_its_folder_does() {
        let dir = tempfile::tempdir().expect("a folder");
        let source = dir.path().join("osv");
        std::fs::create_dir(&source).expect("a folder");
        for (id, ecosystem, name) in [
            ("A-1", "npm", "left"),
            ("A-2", "npm", "left"),
            ("A-3", "PyPI", "Foo_Bar"),
            ("A-4", "Debian:12", "x"),
            ("A-5", "Maven", "g:a"),
        ] {
            std::fs::write(source.join(format!("{id}.json")), record(id, ecosystem, name))
                .expect("a file");
        }
        let gone = record("A-6", "npm", "left")
            .replace("\"summary\"", "\"withdrawn\":\"2024-01-01T00:00:00Z\",\"summary\"");
        std::fs::write(source.join("A-6.json"), gone).expect("a file");
        let output = dir.path().join("a.idx");
        let made = compile(&source, &output).expect("compiles");
        assert_eq!((made.records, made.packages), (4, 3));
        assert_eq!((made.withdrawn, made.foreign, made.unreadable), (1, 1, 0));
        let packages: BTreeSet<_> = [
            package(Ecosystem::Npm, "left"),
            package(Ecosystem::Npm, "lef"),
            package(Ecosystem::PyPi, "foo-bar"),
            package(Ecosystem::Maven, "g:a"),
        ]
        .into();
        let file = Database::open(&output).expect("opens").about(&packages).expect("answers");
        let folder = Database::open(&source).expect("opens").about(&packages).expect("answers");
        let ids = |answer: &Answer| -> Vec<String> {
            let mut ids: Vec<String> =
                answer.records.values().flatten().map(|r| r.id.clone()).collect();
            ids.sort();
            ids
        };
        assert_eq!(ids(&file), ["A-1", "A-2", "A-3", "A-5"]);
        assert_eq!(ids(&file), ids(&folder));
        let answer =
            Database::open(&output).expect("opens").about(&[package(Ecosystem::Go, "x")].into());
        assert!(answer.expect("answers").incomplete[0].contains("no advisory for Go"));
    }

    #[test]
    fn what_is_cut_or_foreign_is_refused_and_a_failed_update_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let output = dir.path().join("a.idx");
        assert!(compile(dir.path(), &output).expect_err("is refused").contains("no OSV record"));
        assert!(!output.exists() && !dir.path().join("a.part").exists());
        std::fs::write(dir.path().join("x.json"), record("A-1", "npm", "left")).expect("a file");
        compile(dir.path(), &output).expect("compiles");
        let whole = std::fs::read(&output).expect("a file");
        for bytes in [&whole[..whole.len() - 1], &whole[1..], b"", &[0; 200]] {
            std::fs::write(&output, bytes).expect("a file");
            let error = Database::open(&output).expect_err("is refused");
            assert!(error.contains("pactctl advisories update"), "{error}");
        }
    }
}
