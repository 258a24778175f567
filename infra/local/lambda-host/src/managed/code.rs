//! Zips of functions: checked, kept by their digest, unpacked beside.
//!
//! A zip is hostile: what it writes stays in its folder, and its sizes and counts are bounded by what
//! is read, not by what it says.

use super::record::Code;
use crate::error::RequestError;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufReader, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
};
use zip::ZipArchive;

/// The largest code, unpacked, in bytes.
const MAX_UNPACKED: u64 = 262_144_000;
/// The most files.
const MAX_FILES: usize = 100_000;
/// The longest target of a link, in bytes.
const MAX_LINK: u64 = 4096;
/// The bits of a mode that say what it is of, and those of a link.
const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;

/// Where the code of all functions is.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    folder: PathBuf,
}

impl Codes {
    /// Opens the folder, and removes what an interrupted act left in it.
    pub(super) fn open(folder: PathBuf) -> io::Result<Codes> {
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                remove(&entry.path())?;
            }
        }
        Ok(Codes { folder })
    }

    /// The folder that a function is started in.
    pub(super) fn root(&self, code: &Code) -> PathBuf {
        self.folder.join(&code.folder).join("root")
    }

    /// The zip as it was given.
    pub(super) fn zip(&self, code: &Code) -> PathBuf {
        self.folder.join(&code.folder).join("code.zip")
    }

    /// Checks what can be seen of a zip without unpacking it, and keeps it.
    pub(super) fn keep(&self, zip: &[u8]) -> Result<Code, RequestError> {
        let code = describe(zip);
        let archive = ZipArchive::new(io::Cursor::new(zip)).map_err(|_| not_a_zip())?;
        if archive.is_empty() {
            return Err(RequestError::invalid("Uploaded file must be a non-empty zip"));
        }
        if archive.len() > MAX_FILES {
            return Err(too_large());
        }
        if archive.decompressed_size().is_some_and(|size| size > u128::from(MAX_UNPACKED)) {
            return Err(too_large());
        }
        self.write(&code, zip).map_err(failed)?;
        Ok(code)
    }

    fn write(&self, code: &Code, zip: &[u8]) -> io::Result<()> {
        let path = self.zip(code);
        if path.is_file() {
            return Ok(());
        }
        let folder = self.folder.join(&code.folder);
        fs::create_dir_all(&folder)?;
        let next = folder.join(format!("code.{}.next", uuid::Uuid::new_v4().simple()));
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&next)?;
        file.write_all(zip)?;
        file.sync_all()?;
        fs::rename(&next, path)
    }

    /// Unpacks a zip that is kept, unless it is already.
    ///
    /// # Errors
    /// `InvalidParameterValueException` when the zip is at fault.
    pub(super) fn unpack(&self, code: &Code) -> Result<(), RequestError> {
        let root = self.root(code);
        if root.is_dir() {
            return Ok(());
        }
        let next = self.folder.join(format!(".{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&next).map_err(failed)?;
        let unpacked = unpack(&self.zip(code), &next).and_then(|()| {
            match fs::rename(&next, &root) {
                // Another function with the same code was faster.
                Err(_) if root.is_dir() => Ok(()),
                other => other.map_err(failed),
            }
        });
        remove(&next).map_err(failed)?;
        unpacked
    }

    /// Removes the code that nobody has any more.
    pub(super) fn keep_only(&self, needed: &dyn Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && !needed(&name) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// A zip by its digest.
pub(super) fn describe(zip: &[u8]) -> Code {
    let digest = Sha256::digest(zip);
    let folder = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Code { sha256: BASE64.encode(digest), folder, size: zip.len() as u64 }
}

fn not_a_zip() -> RequestError {
    RequestError::invalid(
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )
}

fn too_large() -> RequestError {
    RequestError::invalid(format!("Unzipped size must be smaller than {MAX_UNPACKED} bytes"))
}

fn outside(name: &str) -> RequestError {
    let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
    RequestError::invalid(format!("The zip has an entry that leads out of it: {name}"))
}

fn failed(error: io::Error) -> RequestError {
    RequestError::Service(format!("the code cannot be kept: {error}"))
}

fn unpack(zip: &Path, into: &Path) -> Result<(), RequestError> {
    let file = File::open(zip).map_err(failed)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|_| not_a_zip())?;
    let mut left = MAX_UNPACKED;
    let mut links = Vec::new();
    for at in 0..archive.len().min(MAX_FILES) {
        let mut entry = archive.by_index(at).map_err(|_| not_a_zip())?;
        let name = entry.name().map_err(|_| not_a_zip())?.into_owned();
        let Some(inside) = inside(&name) else { return Err(outside(&name)) };
        let path = into.join(&inside);
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|_| not_a_zip())?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|_| not_a_zip())?;
        }
        let mode = entry.unix_mode().unwrap_or(0o644);
        if mode & KIND == LINK {
            let mut target = String::new();
            let read = entry.by_ref().take(MAX_LINK).read_to_string(&mut target);
            read.map_err(|_| not_a_zip())?;
            if !stays_inside(&inside, Path::new(&target)) {
                return Err(outside(&name));
            }
            links.push((path, target));
            continue;
        }
        // A file of this name twice is one that somebody wants to hide.
        let created = OpenOptions::new().create_new(true).write(true).open(&path);
        let mut out = created.map_err(|_| not_a_zip())?;
        let written = io::copy(&mut entry.by_ref().take(left + 1), &mut out);
        let written = written.map_err(|_| not_a_zip())?;
        left = left.checked_sub(written).ok_or_else(too_large)?;
        out.set_permissions(Permissions::from_mode(as_run(mode))).map_err(failed)?;
    }
    // Links last, so that no file is ever written through one.
    for (path, target) in links {
        symlink(target, path).map_err(|_| not_a_zip())?;
    }
    Ok(())
}

/// Lambda runs code as somebody who does not own it: what others may do, it may.
fn as_run(mode: u32) -> u32 {
    let others = mode & 0o5;
    others << 6 | others << 3 | others
}

/// The path of an entry below its folder; none for one that leads out.
fn inside(name: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return None,
        }
    }
    let plain = !name.contains(['\\', '\0']) && path.components().next().is_some();
    plain.then_some(path)
}

/// Whether a link at this path leads to something beside it.
fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::{ZipWriter, write::SimpleFileOptions};

    fn zip(entries: &[(&str, u32, &[u8])]) -> Vec<u8> {
        let mut out = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, mode, content) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            if mode & KIND == LINK {
                out.add_symlink(*name, std::str::from_utf8(content).unwrap(), options).unwrap();
            } else {
                out.start_file(*name, options).unwrap();
                out.write_all(content).unwrap();
            }
        }
        out.finish().unwrap().into_inner()
    }

    fn unpacked(zip: &[u8]) -> Result<(tempfile::TempDir, PathBuf), RequestError> {
        let folder = tempfile::tempdir().unwrap();
        let codes = Codes::open(folder.path().join("code")).unwrap();
        let code = codes.keep(zip)?;
        codes.unpack(&code)?;
        codes.unpack(&code)?;
        let root = codes.root(&code);
        Ok((folder, root))
    }

    #[test]
    fn files_have_the_rights_that_others_have_and_links_stay() {
        let zip = zip(&[
            ("bootstrap", 0o755, b"#!/bin/sh"),
            ("lib/one.py", 0o640, b"1"),
            ("lib/two.py", LINK | 0o777, b"../bootstrap"),
        ]);
        let (_folder, root) = unpacked(&zip).unwrap();
        let mode = |name: &str| root.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bootstrap"), mode("lib/one.py")), (0o555, 0));
        assert_eq!(fs::read(root.join("lib/two.py")).unwrap(), b"#!/bin/sh");
    }

    #[test]
    fn what_leads_out_is_refused() {
        for wrong in ["../evil", "/evil", "a/../../evil", "..\\evil", "/", "."] {
            assert_eq!(inside(wrong), None, "{wrong}");
        }
        assert_eq!(inside("./a//b/").as_deref(), Some(Path::new("a/b")));
        for (name, mode, content) in [
            ("../evil", 0o644, &b"x"[..]),
            ("a/../../evil", 0o644, b"x"),
            ("link", LINK | 0o777, b"/etc/passwd"),
            ("a/link", LINK | 0o777, b"../../evil"),
        ] {
            let refused =
                unpacked(&zip(&[(name, mode, content)])).map(|_| ()).map_err(|e| e.code());
            assert_eq!(refused, Err("InvalidParameterValueException"), "{name}");
        }
        // Through a link that comes first.
        let through = zip(&[("d", LINK | 0o777, b"e"), ("d/f", 0o644, b"x")]);
        assert_eq!(unpacked(&through).map(|_| ()).unwrap_err().status(), 400);
        assert_eq!(unpacked(b"no zip").map(|_| ()).unwrap_err().status(), 400);
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_fills_the_disk() {
        let mut out = ZipWriter::new(io::Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default();
        out.start_file("large", options.large_file(false)).unwrap();
        let megabyte = vec![0u8; 1 << 20];
        for _ in 0..251 {
            out.write_all(&megabyte).unwrap();
        }
        let zip = out.finish().unwrap().into_inner();
        assert!(zip.len() < 2 << 20, "{}", zip.len());
        let refused = unpacked(&zip).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("262144000"), "{refused}");
    }
}
