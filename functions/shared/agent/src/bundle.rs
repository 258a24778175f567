//! Source bundles: a commit's files as `tar.gz`, packed once by the code agent and unpacked by
//! every other agent that needs the files. The content comes from a repository that is not
//! trusted: sizes, counts and paths are bounded, and nothing is written outside the target.

use std::{
    io::Read,
    path::{Component, Path},
};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use pact_contract::{actions::SourceRef, changes::ChangeSet, error::ErrorName};

use crate::{AgentError, ports::Artifacts};

/// Most files in a bundle.
pub const MAX_FILES: u64 = 200_000;
/// Most bytes in a bundle, unpacked.
pub const MAX_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Writes a bundle.
pub struct Packer {
    tar: tar::Builder<GzEncoder<Vec<u8>>>,
    files: u64,
    bytes: u64,
}

/// What a file of a bundle is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that can be run.
    Executable,
    /// A symbolic link; the content is its target.
    Link,
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

impl Packer {
    /// An empty bundle.
    #[must_use]
    pub fn new() -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::fast());
        Self { tar: tar::Builder::new(encoder), files: 0, bytes: 0 }
    }

    /// Adds one file. The same files in the same order give the same bytes.
    ///
    /// # Errors
    /// `ERR_LIMIT_EXCEEDED` when the bundle becomes too large, `ERR_INTERNAL` when the entry
    /// cannot be written.
    pub fn add(&mut self, path: &str, kind: EntryKind, content: &[u8]) -> Result<(), AgentError> {
        self.files += 1;
        self.bytes += content.len() as u64;
        check_limits(self.files, self.bytes)?;
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        let written = if kind == EntryKind::Link {
            let target = String::from_utf8_lossy(content);
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            self.tar.append_link(&mut header, path, Path::new(target.as_ref()))
        } else {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(if kind == EntryKind::Executable { 0o755 } else { 0o644 });
            header.set_size(content.len() as u64);
            self.tar.append_data(&mut header, path, content)
        };
        written.map_err(|e| AgentError::internal(format!("cannot pack {path}: {e}")).caused_by(e))
    }

    /// The finished bundle.
    ///
    /// # Errors
    /// `ERR_INTERNAL` when it cannot be completed.
    pub fn finish(self) -> Result<Bytes, AgentError> {
        self.tar
            .into_inner()
            .and_then(GzEncoder::finish)
            .map(Bytes::from)
            .map_err(|e| AgentError::internal(format!("cannot complete the bundle: {e}")))
    }
}

fn check_limits(files: u64, bytes: u64) -> Result<(), AgentError> {
    if files > MAX_FILES {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("the repository has more than {MAX_FILES} files"),
        ));
    }
    if bytes > MAX_BYTES {
        return Err(AgentError::new(
            ErrorName::LimitExceeded,
            format!("the repository has more than {} MiB", MAX_BYTES / 1024 / 1024),
        ));
    }
    Ok(())
}

/// Fetches a bundle and unpacks it below `target`, which exists and is empty.
///
/// # Errors
/// `ERR_SOURCE_UNAVAILABLE` when there is no such bundle, the store's errors, and those of
/// [`unpack`].
pub async fn checkout(
    artifacts: &dyn Artifacts,
    source: &SourceRef,
    target: &Path,
) -> Result<(), AgentError> {
    let bytes = fetch(artifacts, source).await?;
    let target = target.to_owned();
    tokio::task::spawn_blocking(move || unpack(&bytes, &target))
        .await
        .map_err(|e| AgentError::internal(format!("unpacking stopped: {e}")))?
}

/// Fetches a bundle as it is, for [`read_files`] or [`unpack`].
///
/// # Errors
/// `ERR_SOURCE_UNAVAILABLE` when there is no such bundle, and the store's errors.
pub async fn fetch(artifacts: &dyn Artifacts, source: &SourceRef) -> Result<Bytes, AgentError> {
    artifacts.get(&source.key).await?.ok_or_else(|| {
        AgentError::new(
            ErrorName::SourceUnavailable,
            format!("there is no source bundle {}; run code.analyze_changes first", source.key),
        )
    })
}

/// Fetches the change set.
///
/// # Errors
/// `ERR_SOURCE_UNAVAILABLE` when it is not there or not readable, and the store's errors.
pub async fn change_set(artifacts: &dyn Artifacts, key: &str) -> Result<ChangeSet, AgentError> {
    let bytes = artifacts.get(key).await?.ok_or_else(|| {
        AgentError::new(ErrorName::SourceUnavailable, format!("there is no change set {key}"))
    })?;
    serde_json::from_slice(&bytes).map_err(|e| {
        AgentError::new(ErrorName::SourceUnavailable, format!("change set {key}: {e}"))
    })
}

/// Visits the entries of a bundle whose paths lead nowhere else, one after the other, within the
/// limits.
fn entries(
    bundle: &[u8],
    mut visit: impl FnMut(&mut tar::Entry<'_, GzDecoder<&[u8]>>, &Path) -> Result<(), AgentError>,
) -> Result<(), AgentError> {
    let mut archive = tar::Archive::new(GzDecoder::new(bundle));
    archive.set_preserve_mtime(false);
    archive.set_overwrite(false);
    let (mut files, mut bytes) = (0u64, 0u64);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        files += 1;
        bytes = bytes.saturating_add(entry.size());
        check_limits(files, bytes)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        if is_inside(&path) {
            visit(&mut entry, &path)?;
        } else {
            tracing::warn!(path = %path.display(), "left out: leads out of the source");
        }
    }
    Ok(())
}

/// Unpacks a bundle below `target`. Links that lead out of `target` are left out.
///
/// # Errors
/// `ERR_SOURCE_UNAVAILABLE` when the bundle is damaged, `ERR_LIMIT_EXCEEDED` when it is too
/// large, `ERR_INTERNAL` when a file cannot be written.
pub fn unpack(bundle: &[u8], target: &Path) -> Result<(), AgentError> {
    let mut links = Vec::new();
    entries(bundle, |entry, path| {
        match entry.header().entry_type() {
            tar::EntryType::Regular => {
                entry.unpack_in(target).map_err(|e| {
                    AgentError::internal(format!("cannot write {}", path.display())).caused_by(e)
                })?;
            }
            tar::EntryType::Symlink => {
                let to = entry.link_name().map_err(damaged)?.unwrap_or_default().into_owned();
                links.push((path.to_owned(), to));
            }
            other => tracing::warn!(path = %path.display(), ?other, "left out: not a file"),
        }
        Ok(())
    })?;
    // Links last, so that no file is ever written through one.
    for (path, to) in links {
        make_link(target, &path, &to)?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_link(target: &Path, path: &Path, to: &Path) -> Result<(), AgentError> {
    let parent = path.parent().unwrap_or(Path::new(""));
    if to.is_absolute() || !is_inside_of_root(&parent.join(to)) {
        tracing::warn!(path = %path.display(), "left out: the link leads out of the source");
        return Ok(());
    }
    let full = target.join(path);
    let failed = |e: std::io::Error| {
        AgentError::internal(format!("cannot write link {}: {e}", path.display()))
    };
    if let Some(parent) = full.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    std::os::unix::fs::symlink(to, &full).map_err(failed)
}

fn damaged(error: std::io::Error) -> AgentError {
    AgentError::new(ErrorName::SourceUnavailable, format!("the source bundle is damaged: {error}"))
}

/// Whether a path has only plain components.
fn is_inside(path: &Path) -> bool {
    path.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
}

/// Whether a path, with its `..` followed, never leaves the root.
fn is_inside_of_root(path: &Path) -> bool {
    let mut depth = 0i64;
    for component in path.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

/// Paths of the files of a bundle, with `/` as separator; links are none.
///
/// # Errors
/// As [`unpack`].
pub fn names(bundle: &[u8]) -> Result<Vec<String>, AgentError> {
    let mut names = Vec::new();
    let wanted = |path: &str| {
        names.push(path.to_owned());
        false
    };
    visit_files(bundle, 0, wanted, |_, _| Ok(()))?;
    Ok(names)
}

/// Reads files of a bundle without unpacking it: those for which `wanted` says yes, at most
/// `max_file` bytes each (larger ones are left out). Paths have `/` as separator.
///
/// # Errors
/// As [`unpack`].
pub fn read_files(
    bundle: &[u8],
    max_file: u64,
    wanted: impl FnMut(&str) -> bool,
) -> Result<Vec<(String, Vec<u8>)>, AgentError> {
    let mut out = Vec::new();
    visit_files(bundle, max_file, wanted, |path, content| {
        out.extend(content.map(|content| (path.to_owned(), content.to_owned())));
        Ok(())
    })?;
    Ok(out)
}

/// One entry of a bundle while it is visited.
pub struct Entry<'a> {
    /// Path, with `/` as separator.
    pub path: &'a str,
    /// Whether it is a link, whose content is its target.
    pub link: bool,
    /// Whether it can be run.
    pub executable: bool,
    /// Bytes of the content.
    pub size: u64,
    /// The content.
    pub content: &'a mut dyn Read,
}

/// Visits files and links of a bundle one after the other, without keeping any in memory: those
/// for which `wanted` says yes. An error of `visit` ends the visit.
///
/// # Errors
/// As [`unpack`], and those of `visit`.
pub fn visit_entries(
    bundle: &[u8],
    mut wanted: impl FnMut(&str) -> bool,
    mut visit: impl FnMut(Entry<'_>) -> Result<(), AgentError>,
) -> Result<(), AgentError> {
    entries(bundle, |entry, path| {
        let Some(path) = path.to_str() else { return Ok(()) };
        if !wanted(path) {
            return Ok(());
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular => {
                let size = entry.size();
                let executable = entry.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
                visit(Entry { path, link: false, executable, size, content: entry })
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let size = target.len() as u64;
                visit(Entry {
                    path,
                    link: true,
                    executable: false,
                    size,
                    content: &mut target.as_slice(),
                })
            }
            _ => Ok(()),
        }
    })
}

/// Reads files of a bundle one after the other, so that only one of them is in memory: those for
/// which `wanted` says yes. The content is none for a file larger than `max_file` bytes. Paths
/// have `/` as separator. An error of `visit` ends the visit.
///
/// # Errors
/// As [`unpack`], and those of `visit`.
pub fn visit_files(
    bundle: &[u8],
    max_file: u64,
    mut wanted: impl FnMut(&str) -> bool,
    mut visit: impl FnMut(&str, Option<&[u8]>) -> Result<(), AgentError>,
) -> Result<(), AgentError> {
    let mut content = Vec::new();
    entries(bundle, |entry, path| {
        let Some(path) = path.to_str() else { return Ok(()) };
        if entry.header().entry_type() != tar::EntryType::Regular || !wanted(path) {
            return Ok(());
        }
        if entry.size() > max_file {
            return visit(path, None);
        }
        content.clear();
        entry.take(max_file).read_to_end(&mut content).map_err(damaged)?;
        visit(path, Some(&content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(entries: &[(&str, EntryKind, &str)]) -> Bytes {
        let mut packer = Packer::new();
        for (path, kind, content) in entries {
            packer.add(path, *kind, content.as_bytes()).expect("packs");
        }
        packer.finish().expect("completes")
    }

    #[test]
    fn files_modes_and_inner_links_survive_and_the_bytes_are_reproducible() {
        let entries = [
            ("a/run.sh", EntryKind::Executable, "#!/bin/sh\n"),
            ("a/x.txt", EntryKind::File, "x"),
            ("b", EntryKind::Link, "a/x.txt"),
        ];
        let first = bundle(&entries);
        assert_eq!(first, bundle(&entries));
        let dir = tempfile::tempdir().expect("a folder");
        unpack(&first, dir.path()).expect("unpacks");
        assert_eq!(std::fs::read_to_string(dir.path().join("b")).expect("a link"), "x");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(dir.path().join("a/run.sh")).expect("a file");
            assert_eq!(mode.permissions().mode() & 0o111, 0o111);
        }
    }

    #[test]
    fn links_that_lead_out_are_left_out() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder");
        let bytes = bundle(&[
            ("up", EntryKind::Link, "../secret"),
            ("abs", EntryKind::Link, "/etc/passwd"),
            ("d/ok", EntryKind::Link, "../up2"),
        ]);
        unpack(&bytes, &inner).expect("unpacks");
        assert!(std::fs::symlink_metadata(inner.join("up")).is_err());
        assert!(std::fs::symlink_metadata(inner.join("abs")).is_err());
        assert!(std::fs::symlink_metadata(inner.join("d/ok")).is_ok());
    }

    #[test]
    fn a_damaged_bundle_is_a_fault_with_a_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let error = unpack(b"not gzip at all", dir.path()).expect_err("is refused");
        assert_eq!(error.name, ErrorName::SourceUnavailable);
    }

    #[test]
    fn wanted_files_are_read_up_to_the_limit() {
        let bytes = bundle(&[
            ("keep.rs", EntryKind::File, "fn a() {}"),
            ("big.rs", EntryKind::File, &"x".repeat(100)),
            ("skip.txt", EntryKind::File, "no"),
        ]);
        let files = read_files(&bytes, 50, |p| p.ends_with(".rs")).expect("reads");
        assert_eq!(files, vec![("keep.rs".to_owned(), b"fn a() {}".to_vec())]);
    }

    #[test]
    fn a_visit_sees_what_is_too_large_without_its_content_and_can_stop() {
        let bytes = bundle(&[
            ("big.rs", EntryKind::File, &"x".repeat(100)),
            ("keep.rs", EntryKind::File, "fn a() {}"),
            ("last.rs", EntryKind::File, "fn b() {}"),
        ]);
        let mut seen = Vec::new();
        let stopped = visit_files(
            &bytes,
            50,
            |_| true,
            |path, content| {
                seen.push((path.to_owned(), content.map(<[u8]>::len)));
                if path == "keep.rs" { Err(AgentError::internal("stop")) } else { Ok(()) }
            },
        );
        assert!(stopped.is_err());
        assert_eq!(seen, [("big.rs".to_owned(), None), ("keep.rs".to_owned(), Some(9))]);
    }
}
