//! Services below a deploy root that earlier versions started, for tools that tidy up a whole
//! installation. Those of now are the reverse proxy's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use pact_contract::ReleaseId;

use super::{layout::Layout, legacy};

/// How deep below the root an environment's folder may be.
const MAX_DEPTH: usize = 8;
/// Most folders that are looked at.
const MAX_FOLDERS: usize = 10_000;

/// A service of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningService {
    /// Folder of the environment that it serves, below the root.
    pub folder: PathBuf,
    /// The release.
    pub release: ReleaseId,
    /// Its process.
    pub pid: u32,
    /// The port that it listens on.
    pub port: u16,
}

/// Every service that runs below `root`.
#[must_use]
pub fn running(root: &Path) -> Vec<RunningService> {
    environments(root)
        .into_iter()
        .flat_map(|folder| {
            legacy::running(&folder).into_iter().map(move |s| RunningService {
                folder: folder.path().to_owned(),
                release: s.release,
                pid: s.process.pid,
                port: s.port,
            })
        })
        .collect()
}

/// Stops every service below `root`, asking first and killing after five seconds. Blocks. Says
/// how many there were; what is deployed stays as it is recorded, and a later deployment of the
/// same release starts its service again.
///
/// # Errors
/// Processes that did not end.
pub fn stop_all(root: &Path) -> Result<usize, String> {
    let folders = environments(root);
    let count = folders.iter().map(|f| legacy::running(f).len()).sum();
    // At the same time: each may take seconds.
    let left: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            folders.iter().map(|f| scope.spawn(|| legacy::stop_blocking(f))).collect();
        threads.into_iter().filter_map(|t| t.join().ok().and_then(Result::err)).flatten().collect()
    });
    if left.is_empty() {
        return Ok(count);
    }
    let left: Vec<_> = left.iter().map(u32::to_string).collect();
    Err(format!("processes {} do not end", left.join(", ")))
}

/// Folders of environments below `root`: those with an owner.
fn environments(root: &Path) -> Vec<Layout> {
    // A relative root would not be found in the environment of a service.
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut found = Vec::new();
    let mut next = vec![(root, 0)];
    let mut seen = 0;
    while let Some((path, depth)) = next.pop() {
        seen += 1;
        if seen > MAX_FOLDERS {
            tracing::warn!("more folders than are looked at");
            break;
        }
        let folder = Layout::existing(path);
        if folder.run().join(".owner.json").is_file() {
            found.push(folder);
            continue;
        }
        if depth == MAX_DEPTH {
            continue;
        }
        let Ok(entries) = fs::read_dir(folder.path()) else { continue };
        for entry in entries.flatten() {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && entry.file_type().is_ok_and(|t| t.is_dir()) {
                next.push((entry.path(), depth + 1));
            }
        }
    }
    found.sort_by(|a, b| a.path().cmp(b.path()));
    found
}
