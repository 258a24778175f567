//! Files of a folder tree that others wrote, bounded in number, depth and size.

use std::{io::Read, path::Path};

/// Entries of a folder tree that are looked at.
const MAX_ENTRIES: usize = 200_000;
/// Folders that are not looked into.
const IGNORED: &[&str] = &[".git", "node_modules", ".venv", "venv", "__pycache__"];

/// Visits the files below `root`, links left out, in a stable order.
pub(crate) fn walk(
    root: &Path,
    depth: usize,
    mut visit: impl FnMut(&str, &Path, &std::fs::Metadata),
) {
    let mut folders = vec![(root.to_owned(), String::new(), 0usize)];
    let mut entries = 0usize;
    while let Some((folder, prefix, level)) = folders.pop() {
        // A folder that cannot be read holds no report that could be.
        let Ok(listing) = std::fs::read_dir(&folder) else { continue };
        let mut names: Vec<_> =
            listing.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
        names.sort_unstable();
        for name in names {
            entries += 1;
            if entries > MAX_ENTRIES {
                tracing::warn!(root = %root.display(), "too many files; not all are looked at");
                return;
            }
            let path = folder.join(&name);
            let relative =
                if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                if level < depth && !IGNORED.contains(&name.as_str()) {
                    folders.push((path, relative, level + 1));
                }
            } else if metadata.is_file() {
                visit(&relative, &path, &metadata);
            }
        }
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|e| e.to_string())?;
    if content.len() as u64 > limit {
        return Err(format!("larger than {} MiB", limit / 1024 / 1024));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a");
        std::fs::write(&path, "12345").expect("a file");
        assert!(read(&path, 4).is_err());
        assert_eq!(read(&path, 5), Ok(b"12345".to_vec()));
    }
}
