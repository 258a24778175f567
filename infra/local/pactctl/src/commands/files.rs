//! The files of a folder, as commands read it that look at whole folders.

use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure};

/// Every file below `root`, in order, links and what git keeps left out.
pub(super) fn below(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut open = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(path) = open.pop() {
        let kind = std::fs::symlink_metadata(&path).doing("read the folder")?;
        if kind.is_dir() {
            if path.file_name().is_some_and(|n| n == ".git") {
                continue;
            }
            for entry in std::fs::read_dir(&path).doing("read the folder")? {
                open.push(entry.doing("read the folder")?.path());
            }
        } else if kind.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
