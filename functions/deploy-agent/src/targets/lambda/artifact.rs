//! What is deployed of a release, as the zip that Lambda gets: the same bytes for the same release.

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use pact_agent::{AgentError, bundle};
use pact_contract::{Finding, Severity, codes};
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

/// The largest zip that Lambda takes in a request, and the largest code, unpacked, in bytes.
const MAX_ZIP: u64 = 50 << 20;
const MAX_CODE: u64 = 262_144_000;

/// Code of a function.
pub(super) struct Code {
    pub(super) zip: Bytes,
    /// As Lambda shows it.
    pub(super) sha256: String,
}

/// One entry of the zip.
struct Entry {
    content: Vec<u8>,
    mode: u32,
    link: bool,
}

/// Takes the code out of a release.
///
/// # Errors
/// The release cannot be read.
pub(super) fn of(release: &[u8], artifact: Option<&str>) -> Result<Packed, AgentError> {
    let wanted = artifact.map(normal).unwrap_or_default();
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut left = MAX_CODE;
    let mut fits = true;
    let below = format!("{wanted}/");
    let name_of = |path: &str| match path.strip_prefix(&below) {
        _ if wanted.is_empty() => Some(path.to_owned()),
        Some(rest) => Some(rest.to_owned()),
        None if path == wanted => Some(path.rsplit('/').next().unwrap_or(path).to_owned()),
        None => None,
    };
    bundle::visit_entries(
        release,
        |path| name_of(path).is_some(),
        |entry| {
            let Some(name) = name_of(entry.path) else { return Ok(()) };
            let mut content = Vec::new();
            let read = entry.content.take(left.saturating_add(1)).read_to_end(&mut content);
            read.map_err(|e| AgentError::internal("cannot read the release").caused_by(e))?;
            match left.checked_sub(content.len() as u64) {
                Some(rest) => left = rest,
                None => fits = false,
            }
            if fits {
                let mode = if entry.executable { 0o755 } else { 0o644 };
                entries.insert(name, Entry { content, mode, link: entry.link });
            }
            Ok(())
        },
    )?;
    if !fits {
        return Ok(Packed::Not(too_large(format!(
            "what is deployed has more than {} MiB, unpacked",
            MAX_CODE >> 20
        ))));
    }
    if entries.is_empty() {
        let what = if wanted.is_empty() { "anything" } else { wanted.as_str() };
        return Ok(Packed::Not(
            Finding::new(
                codes::ARTIFACT_MISSING,
                Severity::High,
                format!("the release does not have {what}"),
            )
            .remedy("correct `artifact` of the environment, or the build commands that make it"),
        ));
    }
    let whole = entries.iter().next().filter(|_| wanted.ends_with(".zip") && entries.len() == 1);
    let zip = match whole {
        Some((_, entry)) => entry.content.clone(),
        None => pack(&entries)?,
    };
    if zip.len() as u64 > MAX_ZIP {
        let (has, most) = (zip.len() >> 20, MAX_ZIP >> 20);
        return Ok(Packed::Not(too_large(format!(
            "what is deployed has {has} MiB as a zip, and Lambda takes {most} in a request"
        ))));
    }
    let sha256 = BASE64.encode(Sha256::digest(&zip));
    Ok(Packed::Code(Code { zip: zip.into(), sha256 }))
}

/// What came of it.
pub(super) enum Packed {
    Code(Code),
    /// The release is at fault.
    Not(Finding),
}

fn too_large(message: String) -> Finding {
    Finding::new(codes::ARTIFACT_TOO_LARGE, Severity::High, message)
        .remedy("name a folder or a zip that has what the function needs, by `artifact`")
}

fn pack(entries: &BTreeMap<String, Entry>) -> Result<Vec<u8>, AgentError> {
    let failed = |error: &dyn std::fmt::Display| {
        AgentError::internal(format!("cannot pack the function's code: {error}"))
    };
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, entry) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            // The same for ever: what is packed says what it is, not when it was packed.
            .last_modified_time(DateTime::default())
            .unix_permissions(entry.mode);
        if entry.link {
            let target = String::from_utf8_lossy(&entry.content);
            out.add_symlink(name.as_str(), target.as_ref(), options).map_err(|e| failed(&e))?;
            continue;
        }
        out.start_file(name.as_str(), options).map_err(|e| failed(&e))?;
        out.write_all(&entry.content).map_err(|e| failed(&e))?;
    }
    Ok(out.finish().map_err(|e| failed(&e))?.into_inner())
}

/// A relative path without `.` and doubled separators.
fn normal(path: &str) -> String {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use pact_agent::bundle::{EntryKind, Packer};
    use zip::ZipArchive;

    use super::*;

    fn release() -> Bytes {
        let mut packer = Packer::new();
        packer.add("README.md", EntryKind::File, b"read me").expect("packs");
        packer.add("dist/bootstrap", EntryKind::Executable, b"#!/bin/sh").expect("packs");
        packer.add("dist/lib/a.py", EntryKind::File, b"a").expect("packs");
        packer.add("dist/link", EntryKind::Link, b"bootstrap").expect("packs");
        packer.add("out/f.zip", EntryKind::File, b"PK whatever").expect("packs");
        packer.finish().expect("packs")
    }

    fn code(artifact: Option<&str>) -> Code {
        match of(&release(), artifact).expect("is read") {
            Packed::Code(code) => code,
            Packed::Not(finding) => panic!("{}", finding.message),
        }
    }

    fn names(code: &Code) -> Vec<(String, u32)> {
        let mut zip = ZipArchive::new(Cursor::new(code.zip.clone())).expect("a zip");
        let count = zip.len();
        let entry = |at| {
            let entry = zip.by_index(at).expect("an entry");
            let name = entry.name().expect("a name").into_owned();
            (name, entry.unix_mode().expect("a mode") & 0o7777)
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn a_folder_a_file_and_a_zip_are_deployed_and_the_same_is_the_same() {
        let folder = code(Some("./dist/"));
        assert_eq!(
            names(&folder),
            [("bootstrap".into(), 0o755), ("lib/a.py".into(), 0o644), ("link".into(), 0o644)]
        );
        assert_eq!(folder.sha256, code(Some("dist")).sha256);
        assert_eq!(names(&code(Some("dist/bootstrap"))), [("bootstrap".into(), 0o755)]);
        assert_eq!(&code(Some("out/f.zip")).zip[..], b"PK whatever");
        assert_eq!(names(&code(None)).len(), 5);
        let Packed::Not(missing) = of(&release(), Some("target")).expect("is read") else {
            panic!("is there")
        };
        assert_eq!(missing.code, codes::ARTIFACT_MISSING);
    }
}
