//! The files of a commit, listed and packed as a bundle.

use std::{collections::HashSet, sync::atomic::AtomicBool};

use bytes::Bytes;
use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    objs::tree::EntryKind as Mode,
};
use pact_agent::{
    AgentError,
    bundle::{EntryKind, MAX_BYTES, MAX_FILES, Packer},
};
use pact_contract::{ErrorName, Finding, Severity, codes};

use crate::{
    attributes::Attributes,
    objects::{blob, missing},
    work::check,
};

/// Longest path that is packed.
const MAX_PATH: usize = 4_096;
/// Most findings of one kind.
const MAX_FINDINGS: usize = 20;

/// One file of a tree.
#[derive(Clone, Debug)]
pub(crate) struct TreeFile {
    pub(crate) path: BString,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// A settings file at the root of the tree.
#[derive(Clone, Debug)]
pub(crate) enum RootFile {
    /// Its text.
    Text(String),
    /// Why it cannot be read.
    Unreadable(String),
}

/// Every file of a tree, sorted by path. The number is bounded: a small repository can name a
/// huge tree.
pub(crate) fn list(
    repository: &Repository,
    tree: ObjectId,
    stop: &AtomicBool,
) -> Result<Vec<TreeFile>, AgentError> {
    let mut files = Vec::new();
    let mut folders = vec![(BString::default(), tree)];
    let mut seen = 0u64;
    while let Some((folder, id)) = folders.pop() {
        check(stop)?;
        let tree = repository.find_tree(id).map_err(|e| missing(&folder, &e))?;
        for entry in tree.iter() {
            let entry = entry.map_err(|e| missing(&folder, &e))?;
            seen += 1;
            if seen > 2 * MAX_FILES {
                return Err(AgentError::new(
                    ErrorName::LimitExceeded,
                    format!("the repository has more than {MAX_FILES} files"),
                ));
            }
            let mut path = folder.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.filename());
            if path.len() > MAX_PATH {
                return Err(AgentError::new(
                    ErrorName::LimitExceeded,
                    format!("a path of the repository has more than {MAX_PATH} bytes"),
                ));
            }
            match entry.kind() {
                Mode::Tree => folders.push((path, entry.object_id())),
                mode => files.push(TreeFile { path, mode, id: entry.object_id() }),
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files at the root of a tree.
pub(crate) fn root(repository: &Repository, tree: ObjectId) -> Result<Vec<TreeFile>, AgentError> {
    let root = repository.find_tree(tree).map_err(|e| missing(&BString::default(), &e))?;
    let mut files = Vec::new();
    for entry in root.iter() {
        let entry = entry.map_err(|e| missing(&BString::default(), &e))?;
        let (path, mode) = (entry.filename().to_owned(), entry.kind());
        files.push(TreeFile { path, mode, id: entry.object_id() });
    }
    Ok(files)
}

/// The files of a submodule.
pub(crate) struct Module {
    /// Its folder.
    pub(crate) path: BString,
    repository: Repository,
    files: Vec<TreeFile>,
    /// The folder of a fetched one, removed with this.
    _folder: Option<tempfile::TempDir>,
}

impl Module {
    /// One at this path. `folder` is where it was fetched into.
    pub(crate) fn new(
        path: BString,
        repository: Repository,
        files: Vec<TreeFile>,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        Self { path, repository, files, _folder: folder }
    }
}

/// The submodules of a commit.
#[derive(Default)]
pub(crate) struct Modules {
    pub(crate) found: Vec<Module>,
    /// Those that are not there, and why.
    pub(crate) left_out: Vec<(BString, String)>,
}

/// A path in a folder.
pub(crate) fn below(folder: &BString, path: &BString) -> BString {
    if folder.is_empty() {
        return path.clone();
    }
    let mut all = folder.clone();
    all.push(b'/');
    all.extend_from_slice(path);
    all
}

/// What [`pack`] found.
pub(crate) struct Packed {
    /// The bundle, if it was asked for.
    pub(crate) bundle: Option<Bytes>,
    /// What was left out, and what is not what it seems.
    pub(crate) findings: Vec<Finding>,
}

/// Takes files in, one after another.
struct Packing {
    packer: Option<Packer>,
    seen: HashSet<String>,
    unsafe_paths: Vec<String>,
    bytes: u64,
}

impl Packing {
    /// Takes a file in, under a path; false: that is not safe, or taken.
    fn add(
        &mut self,
        repository: &Repository,
        file: &TreeFile,
        path: &str,
    ) -> Result<bool, AgentError> {
        let kind = match file.mode {
            Mode::Link => EntryKind::Link,
            Mode::BlobExecutable => EntryKind::Executable,
            Mode::Blob | Mode::Tree | Mode::Commit => EntryKind::File,
        };
        // Two names that are not UTF-8 may become the same text.
        if !is_safe(path) || !self.seen.insert(path.to_owned()) {
            self.unsafe_paths.push(path.to_owned());
            return Ok(false);
        }
        let Some(packer) = &mut self.packer else { return Ok(true) };
        // Checked before it is read: a blob can be far larger than the pack it came in.
        let size = repository.find_header(file.id).map_err(|e| missing(&file.path, &e))?.size();
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MAX_BYTES {
            return Err(AgentError::new(
                ErrorName::LimitExceeded,
                format!("the repository has more than {} MiB", MAX_BYTES / 1024 / 1024),
            ));
        }
        packer.add(path, kind, &blob(repository, &file.path, file.id)?)?;
        Ok(true)
    }
}

/// Packs the files and those of the submodules, or only says what would be left out.
pub(crate) fn pack(
    repository: &Repository,
    files: &[TreeFile],
    modules: &Modules,
    attributes: &mut Attributes<'_>,
    wanted: bool,
    stop: &AtomicBool,
) -> Result<Packed, AgentError> {
    let mut packing = Packing {
        packer: wanted.then(Packer::new),
        seen: HashSet::new(),
        unsafe_paths: Vec::new(),
        bytes: 0,
    };
    let mut pointers = Vec::new();
    let lfs = uses_lfs(repository, files)?;
    for file in files.iter().filter(|file| file.mode != Mode::Commit) {
        check(stop)?;
        let path = file.path.to_str_lossy().into_owned();
        if packing.add(repository, file, &path)? && lfs && attributes.is_lfs(file.path.as_bstr()) {
            pointers.push(path);
        }
    }
    for module in &modules.found {
        for file in module.files.iter().filter(|file| file.mode != Mode::Commit) {
            check(stop)?;
            let path = below(&module.path, &file.path).to_str_lossy().into_owned();
            packing.add(&module.repository, file, &path)?;
        }
    }
    let mut findings = Vec::new();
    findings.extend(modules.left_out.iter().take(MAX_FINDINGS).map(|(path, why)| {
        let message = format!("the submodule {path} is not fetched, its folder is absent: {why}");
        Finding::new(codes::SUBMODULE_LEFT_OUT, Severity::Info, message).at(
            path.to_str_lossy(),
            None,
            None,
        )
    }));
    findings.extend(packing.unsafe_paths.iter().take(MAX_FINDINGS).map(|path| {
        Finding::new(
            codes::PATH_LEFT_OUT,
            Severity::Medium,
            "the file is left out: its path is not safe or not unique as text",
        )
        .at(path, None, None)
        .remedy("rename the file")
    }));
    if let Some(first) = pointers.first() {
        findings.push(
            Finding::new(
                codes::LFS_POINTER,
                Severity::Info,
                format!(
                    "{} files are kept by Git LFS; the source has their pointers, not their content",
                    pointers.len()
                ),
            )
            .at(first, None, None),
        );
    }
    let bundle = packing.packer.map(Packer::finish).transpose()?;
    Ok(Packed { bundle, findings })
}

/// Whether any `.gitattributes` hands files to Git LFS: only then is each file looked up.
fn uses_lfs(repository: &Repository, files: &[TreeFile]) -> Result<bool, AgentError> {
    for file in files {
        let name = file.path.rsplit(|b| *b == b'/').next().unwrap_or_default();
        let regular = matches!(file.mode, Mode::Blob | Mode::BlobExecutable);
        if name == b".gitattributes"
            && regular
            && blob(repository, &file.path, file.id)?.contains_str("filter=lfs")
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_safe(path: &str) -> bool {
    !path.contains('\0')
        && path.split('/').all(|part| {
            !part.is_empty() && part != "." && part != ".." && !part.eq_ignore_ascii_case(".git")
        })
}

/// The files at the root that may hold the settings.
pub(crate) fn settings_files(
    repository: &Repository,
    files: &[TreeFile],
) -> Result<Vec<(String, RootFile)>, AgentError> {
    let mut found = Vec::new();
    for name in pact_config::FILE_NAMES {
        let Some(file) = files.iter().find(|file| file.path == *name) else { continue };
        let content = match file.mode {
            Mode::Blob | Mode::BlobExecutable => {
                let size =
                    repository.find_header(file.id).map_err(|e| missing(&file.path, &e))?.size();
                if size > pact_config::MAX_BYTES as u64 {
                    let limit = pact_config::MAX_BYTES / 1024;
                    RootFile::Unreadable(format!("has {size} bytes; at most {limit} KiB"))
                } else {
                    String::from_utf8(blob(repository, &file.path, file.id)?).map_or_else(
                        |e| {
                            let place = e.utf8_error().valid_up_to();
                            RootFile::Unreadable(format!("is not UTF-8 at byte {place}"))
                        },
                        RootFile::Text,
                    )
                }
            }
            _ => RootFile::Unreadable("is not a file".to_owned()),
        };
        found.push(((*name).to_owned(), content));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_not_safe() {
        for path in ["../x", "a/../b", "/etc/passwd", "a//b", ".git/config", "a/.GIT/x", "a\0b"] {
            assert!(!is_safe(path), "{path:?}");
        }
        for path in ["a", "a/b.c", ".github/x", "..a", "a b/ü"] {
            assert!(is_safe(path), "{path:?}");
        }
    }
}
