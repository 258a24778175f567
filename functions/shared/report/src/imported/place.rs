//! Where a result is, as a path of the repository.

use percent_encoding::percent_decode_str;

use super::form::{Artifact, Bounded, FileReference, Pairs, SarifResult};

/// Longest path, in bytes.
const MAX_PATH: usize = 4_096;
/// Most folders that are taken off a path of another machine.
const MAX_DEPTH: usize = 40;

/// What a run says of its files.
pub(super) struct Places<'t> {
    bases: Vec<(String, FileReference)>,
    artifacts: Vec<Artifact>,
    in_tree: &'t dyn Fn(&str) -> bool,
}

/// A place.
pub(super) struct Place {
    pub(super) path: String,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
}

impl<'t> Places<'t> {
    pub(super) fn new(
        bases: Option<Pairs<FileReference, 50>>,
        artifacts: Option<Bounded<Artifact, 100_000>>,
        in_tree: &'t dyn Fn(&str) -> bool,
    ) -> Self {
        let bases = bases.map(|list| list.0).unwrap_or_default();
        Self { bases, artifacts: artifacts.map(|list| list.0).unwrap_or_default(), in_tree }
    }

    /// The first place of a result.
    pub(super) fn of(&self, result: &SarifResult) -> Option<Place> {
        let location = result.locations.as_ref()?.0.as_ref()?.physical_location.as_ref()?;
        let file = location.artifact_location.as_ref()?;
        let file = match &file.uri {
            Some(_) => file,
            None => {
                let index = usize::try_from(file.index?).ok()?;
                self.artifacts.get(index)?.location.as_ref()?
            }
        };
        let path = self.path(file)?;
        let number = |number: Option<i64>| u32::try_from(number?).ok().filter(|n| *n > 0);
        let region = location.region.as_ref();
        let line = region.and_then(|region| number(region.start_line));
        let column =
            region.and_then(|region| number(region.start_column)).filter(|_| line.is_some());
        Some(Place { path, line, column })
    }

    /// A path that leads out of the repository is none.
    fn path(&self, file: &FileReference) -> Option<String> {
        let uri = file.uri.as_deref()?;
        let base = file.uri_base_id.as_deref().and_then(|id| {
            let (_, base) = self.bases.iter().find(|(name, _)| name == id)?;
            base.uri.as_deref()
        });
        let joined = match base {
            Some(base) if !is_absolute(uri) => format!("{}/{uri}", base.trim_end_matches('/')),
            _ => uri.to_owned(),
        };
        if joined.len() > MAX_PATH {
            return None;
        }
        let absolute = is_absolute(&joined);
        let bare = joined.strip_prefix("file:").map_or(joined.as_str(), |rest| {
            // `file://host/path` and `file:///path`.
            let rest = rest.strip_prefix("//").unwrap_or(rest);
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(rest)
        });
        let decoded = percent_decode_str(bare).decode_utf8().ok()?.replace('\\', "/");
        let path = normal(&decoded)?;
        if !absolute {
            return Some(path);
        }
        // The folder of another machine: what of it the repository has.
        let mut rest = path.as_str();
        for _ in 0..MAX_DEPTH {
            if (self.in_tree)(rest) {
                return Some(rest.to_owned());
            }
            rest = rest.split_once('/')?.1;
        }
        None
    }
}

fn is_absolute(uri: &str) -> bool {
    let drive = uri
        .as_bytes()
        .get(..2)
        .is_some_and(|two| matches!(two, [letter, b':'] if letter.is_ascii_alphabetic()));
    uri.starts_with('/') || uri.starts_with('\\') || uri.starts_with("file:") || drive
}

/// Without `.`, `..` and doubled separators.
fn normal(path: &str) -> Option<String> {
    if path.chars().any(char::is_control) {
        return None;
    }
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                out.pop()?;
            }
            part => out.push(part),
        }
    }
    (!out.is_empty()).then(|| out.join("/"))
}
