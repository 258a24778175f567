//! Whether the files of a release are all there: a way back that lacks some is none.
//!
//! When a release is unpacked its files are listed in `run/<release>/files.json`. A service may write
//! files of its own beside them, and change some; none of the list may be gone.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use pact_contract::ReleaseId;

use super::layout::{Layout, write_json};

/// Most files that are listed.
const MAX_FILES: usize = 200_000;
/// Most bytes of a list.
const MAX_LIST: u64 = 64 * 1024 * 1024;
/// Name of the list.
const LIST: &str = "files.json";

/// Lists the files of a release in its folder.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<String>> {
    let mut files = Vec::new();
    let mut next = vec![String::new()];
    while let Some(below) = next.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            // A name that is no text is not listed; whether it is there is not known.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.file_type()?.is_dir() {
                next.push(path);
            } else {
                files.push(path);
            }
            if files.len() + next.len() > MAX_FILES {
                return Ok(files);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Keeps the list of a release.
pub(crate) fn keep(layout: &Layout, release: &ReleaseId, files: &[String]) -> io::Result<()> {
    fs::create_dir_all(layout.notes(release))?;
    write_json(&layout.notes(release).join(LIST), &files)
}

/// What of a release is gone, for people; none: nothing. Releases of versions before have no list:
/// their folder has to be there, with something in it.
pub(crate) fn missing(layout: &Layout, release: &ReleaseId) -> io::Result<Option<String>> {
    let folder = layout.release(release);
    if layout.note(release)?.is_none() || fs::read_dir(&folder)?.next().is_none() {
        return Ok(Some("its files are no longer there".to_owned()));
    }
    let file = match File::open(layout.notes(release).join(LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut text = Vec::new();
    file.take(MAX_LIST).read_to_end(&mut text)?;
    let Ok(files) = serde_json::from_slice::<Vec<String>>(&text) else {
        return Ok(Some("the list of its files cannot be read".to_owned()));
    };
    let gone: Vec<_> =
        files.iter().filter(|path| fs::symlink_metadata(folder.join(path)).is_err()).collect();
    Ok(gone.first().map(|first| {
        format!("{} of its {} files are gone, {first} among them", gone.len(), files.len())
    }))
}
