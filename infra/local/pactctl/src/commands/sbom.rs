//! `pactctl sbom`: what a folder's lock files name, as a bill of materials.

use std::path::Path;

use pact_security_agent::{Sbom, is_lock_file};

use super::files;
use crate::{
    failure::{Context, Exit, Failure},
    term,
};

/// Largest lock file, as in the check of dependencies.
const MAX_FILE: u64 = 32 * 1024 * 1024;

/// Carries out the command.
pub(crate) fn sbom(path: &Path, output: Option<&Path>) -> Result<Exit, Failure> {
    if !path.exists() {
        return Err(Failure::usage(format!("{} does not exist", path.display())));
    }
    let root = path.canonicalize().doing("read the folder")?;
    let mut read = Vec::new();
    let mut left_out = Vec::new();
    for file in files::below(&root)? {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let name = if name.is_empty() { file.display().to_string() } else { name };
        if !is_lock_file(&name) {
            continue;
        }
        match std::fs::metadata(&file).map(|found| found.len()) {
            Ok(size) if size > MAX_FILE => {
                let limit = MAX_FILE / 1024 / 1024;
                left_out.push((name, format!("it is larger than {limit} MiB")));
            }
            Ok(_) => read.push((name, std::fs::read(&file).doing("read a lock file")?)),
            Err(error) => left_out.push((name, error.to_string())),
        }
    }
    let folder = root.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy());
    let locks = read.len();
    let made = pact_security_agent::sbom(&folder, "", read).map_err(Failure::usage)?;
    let Sbom { document, packages, not_read } = made;
    left_out.extend(not_read);
    match output {
        Some(file) => std::fs::write(file, &document).doing("write the bill of materials")?,
        None => term::machine(&format!("{}\n", String::from_utf8_lossy(&document))),
    }
    for (path, why) in &left_out {
        term::warning(&format!("{path}: {why}"));
    }
    if locks == 0 && left_out.is_empty() {
        return Err(Failure::usage(format!("{} has no lock file", path.display()))
            .remedy("make one with the package manager, such as `cargo generate-lockfile`"));
    }
    if output.is_some() {
        println!("{packages} packages of {locks} lock files");
    }
    Ok(if left_out.is_empty() { Exit::Success } else { Exit::NotReleased })
}
