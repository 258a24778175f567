//! A package: a zip with the program at its root. Written so that the same program gives the same
//! bytes, and read as Lambda reads it.

use std::{
    fs::{File, Permissions},
    io::{BufReader, BufWriter, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::PackageError;

/// The program in a package.
const PROGRAM: &str = "bootstrap";
/// Largest program that Lambda takes.
const MAX_PROGRAM: u64 = 250 * 1024 * 1024;
/// How an ELF file of this machine names its architecture.
const MACHINE: Option<u8> = if cfg!(target_arch = "x86_64") {
    Some(0x3e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xb7)
} else {
    None
};

/// Packs a program.
///
/// # Errors
/// When a file cannot be read or written. No half package takes the name of a whole one.
pub(crate) fn write(program: &Path, zip: &Path) -> Result<(), PackageError> {
    let what = format!("pack {} into {}", program.display(), zip.display());
    let failed = |source| PackageError::Io { what: what.clone(), source };
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        // The same for ever: what is packed says what it is, not when it was packed.
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut content = File::open(program).map_err(failed)?;
    let temporary = zip.with_extension("new");
    let mut out = ZipWriter::new(BufWriter::new(File::create(&temporary).map_err(failed)?));
    out.start_file(PROGRAM, options).map_err(|error| failed(error.into()))?;
    std::io::copy(&mut content, &mut out).map_err(failed)?;
    let mut out = out.finish().map_err(|error| failed(error.into()))?;
    out.flush().map_err(failed)?;
    std::fs::rename(&temporary, zip).map_err(failed)
}

/// The program of a function in a folder of packages, as this crate, `cargo lambda build` or
/// `sam build` leave them there. What is in a zip is unpacked below `into`, once.
///
/// # Errors
/// When what is there could not run on Lambda, or not on this machine.
pub fn find(
    folder: &Path,
    binary: &str,
    logical_id: &str,
    into: &Path,
) -> Result<Option<PathBuf>, PackageError> {
    let inside = folder.join(binary);
    let zips = [folder.join(format!("{binary}.zip")), inside.join(format!("{PROGRAM}.zip"))];
    let program = if let Some(zip) = zips.iter().find(|path| path.is_file()) {
        unpack(zip, &into.join(binary))?
    } else {
        let plain = [inside.join(PROGRAM), folder.join(logical_id).join(PROGRAM)];
        let Some(path) = plain.iter().find(|path| path.is_file()) else { return Ok(None) };
        path.canonicalize().map_err(PackageError::io(format!("find {}", path.display())))?
    };
    check(&program)?;
    Ok(Some(program))
}

/// Unpacks the program of a package, unless that very program is there already.
fn unpack(zip: &Path, into: &Path) -> Result<PathBuf, PackageError> {
    let broken = |reason: &dyn std::fmt::Display| PackageError::Broken {
        path: zip.to_owned(),
        reason: reason.to_string(),
    };
    let file = File::open(zip).map_err(|error| broken(&error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| broken(&error))?;
    let mut entry = archive.by_name(PROGRAM).map_err(|error| broken(&error))?;
    if entry.size() > MAX_PROGRAM {
        return Err(broken(&format!("its program is larger than {MAX_PROGRAM} bytes")));
    }
    // Lambda takes the permissions from the zip.
    let mode = entry.unix_mode().unwrap_or_default() & 0o777;
    if mode & 0o005 != 0o005 {
        return Err(broken(&format!("its program may not be run by everyone, mode {mode:04o}")));
    }
    let (program, stamp) = (into.join(PROGRAM), into.join("unpacked"));
    let identity = format!("{:08x} {} {mode:o}", entry.crc32(), entry.size());
    if program.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|text| text == identity) {
        return Ok(program);
    }
    let what = format!("unpack {}", zip.display());
    let failed = |source| PackageError::Io { what: what.clone(), source };
    std::fs::create_dir_all(into).map_err(failed)?;
    // A program that runs cannot be written to, but another can take its name.
    let temporary = into.join("new");
    let mut out = File::create(&temporary).map_err(failed)?;
    std::io::copy(&mut entry.by_ref().take(MAX_PROGRAM), &mut out).map_err(|e| broken(&e))?;
    out.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    drop(out);
    std::fs::rename(&temporary, &program).map_err(failed)?;
    std::fs::write(&stamp, identity).map_err(failed)?;
    Ok(program)
}

/// A program of another architecture would be refused at its first call only, and less clearly.
fn check(program: &Path) -> Result<(), PackageError> {
    let mut head = Vec::new();
    File::open(program)
        .and_then(|file| file.take(19).read_to_end(&mut head))
        .map_err(PackageError::io(format!("read {}", program.display())))?;
    let machine = head.get(18).filter(|_| head.starts_with(b"\x7fELF"));
    match (machine, MACHINE) {
        (Some(theirs), Some(ours)) if *theirs != ours => {
            Err(PackageError::Architecture { path: program.to_owned() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(folder: &Path, name: &str, mode: u32, content: &[u8]) {
        let mut out = ZipWriter::new(File::create(folder.join(name)).unwrap());
        out.start_file(PROGRAM, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        out.write_all(content).unwrap();
        out.finish().unwrap();
    }

    #[test]
    fn the_same_program_gives_the_same_bytes_and_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("one"), b"#!/bin/sh\n").unwrap();
        std::fs::copy(path("one"), path("two")).unwrap();
        std::fs::set_permissions(path("two"), Permissions::from_mode(0o700)).unwrap();
        write(&path("one"), &path("f.zip")).unwrap();
        write(&path("two"), &path("g.zip")).unwrap();
        assert_eq!(std::fs::read(path("f.zip")).unwrap(), std::fs::read(path("g.zip")).unwrap());
        let program = find(folder.path(), "f", "F", &path("out")).unwrap().unwrap();
        assert_eq!(program, path("out/f/bootstrap"));
        assert_eq!(std::fs::read(&program).unwrap(), b"#!/bin/sh\n");
        assert_eq!(program.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_new_package_replaces_what_was_unpacked_before() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        for content in ["first", "other"] {
            zip(folder.path(), "f.zip", 0o755, content.as_bytes());
            let program = find(folder.path(), "f", "F", &out).unwrap().unwrap();
            assert_eq!(std::fs::read_to_string(program).unwrap(), content);
        }
    }

    #[test]
    fn what_lambda_could_not_run_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = || find(folder.path(), "f", "F", &folder.path().join("out")).unwrap_err();
        zip(folder.path(), "f.zip", 0o644, b"x");
        assert!(refusal().to_string().contains("mode 0644"), "{}", refusal());
        std::fs::write(folder.path().join("f.zip"), b"no zip").unwrap();
        assert!(matches!(refusal(), PackageError::Broken { .. }), "{}", refusal());
        let mut elf = *b"\x7fELF..............\x01\x00";
        elf[18] = 0x08;
        zip(folder.path(), "f.zip", 0o755, &elf);
        assert!(matches!(refusal(), PackageError::Architecture { .. }), "{}", refusal());
    }

    #[test]
    fn what_sam_and_cargo_lambda_leave_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for place in ["gateway", "ReconcilerFunction"] {
            std::fs::create_dir(folder.path().join(place)).unwrap();
            std::fs::write(folder.path().join(place).join(PROGRAM), b"x").unwrap();
        }
        let found = |binary, id| find(folder.path(), binary, id, folder.path()).unwrap();
        assert!(found("gateway", "GatewayFunction").is_some());
        assert!(found("reconciler", "ReconcilerFunction").is_some());
        assert!(found("dashboard", "DashboardFunction").is_none());
    }
}
