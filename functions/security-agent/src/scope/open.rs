//! Archives are opened, within bounds; what cannot be opened is said.

use std::io::{Cursor, Read};

use flate2::read::MultiGzDecoder;

/// Deepest nesting of archives.
const MAX_DEPTH: usize = 5;
/// Most entries of one file, with those of the archives in it.
const MAX_ENTRIES: usize = 20_000;
/// Most bytes that come out of one file.
const MAX_BYTES: u64 = 128 * 1024 * 1024;
/// Longest name of an entry that is shown.
const MAX_NAME: usize = 300;

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Zip,
    Gzip,
    Tar,
    /// Known, but not opened here.
    Other(&'static str),
}

/// What is left to be opened of one file, and what could not be.
struct Budget<'a> {
    entries: usize,
    bytes: u64,
    failed: &'a mut dyn FnMut(&str, String),
}

fn kind(content: &[u8]) -> Option<Kind> {
    let starts = |magic: &[u8]| content.starts_with(magic);
    if starts(b"PK\x03\x04")
        || starts(b"PK\x05\x06")
        || starts(b"PK\x07\x08")
        || has_zip_end(content)
    {
        return Some(Kind::Zip);
    }
    if starts(&[0x1f, 0x8b, 8]) {
        return Some(Kind::Gzip);
    }
    if content.get(257..262) == Some(b"ustar") {
        return Some(Kind::Tar);
    }
    [
        (&b"7z\xbc\xaf\x27\x1c"[..], "7z"),
        (b"Rar!\x1a\x07", "RAR"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"\x04\x22\x4d\x18", "LZ4"),
        (b"LZIP", "lzip"),
        (b"MSCF\0\0\0\0", "cabinet"),
        (b"\x1f\x9d", "compress"),
    ]
    .into_iter()
    .find(|(magic, _)| starts(magic))
    .map(|(_, name)| Kind::Other(name))
    .or_else(|| {
        (starts(b"BZh") && content.get(4..10) == Some(b"1AY&SY")).then_some(Kind::Other("bzip2"))
    })
}

/// A zip file may have anything before it: its directory is at its end, with a comment behind it.
fn has_zip_end(content: &[u8]) -> bool {
    let longest = 22 + usize::from(u16::MAX);
    let tail = content.get(content.len().saturating_sub(longest)..).unwrap_or_default();
    tail.windows(4).any(|w| w == b"PK\x05\x06") && content.windows(4).any(|w| w == b"PK\x01\x02")
}

/// Hands every file that is in `content` to `visit`, and `content` itself where it is no archive.
/// Names are `archive!entry`. `failed` hears what could not be opened, and why.
pub(crate) fn each(
    path: &str,
    content: &[u8],
    visit: &mut dyn FnMut(&str, &[u8]),
    failed: &mut dyn FnMut(&str, String),
) {
    let mut budget = Budget { entries: MAX_ENTRIES, bytes: MAX_BYTES, failed };
    open(path, content, 0, visit, &mut budget);
}

fn open(
    path: &str,
    content: &[u8],
    depth: usize,
    visit: &mut dyn FnMut(&str, &[u8]),
    budget: &mut Budget<'_>,
) {
    let Some(kind) = kind(content) else {
        visit(path, content);
        return;
    };
    if let Kind::Other(name) = kind {
        visit(path, content);
        (budget.failed)(path, format!("archives of the kind {name} are not opened"));
        return;
    }
    if depth >= MAX_DEPTH {
        (budget.failed)(path, format!("archives are nested more than {MAX_DEPTH} deep"));
        return;
    }
    let result = match kind {
        Kind::Zip => zip(path, content, depth, visit, budget),
        Kind::Gzip => gzip(path, content, depth, visit, budget),
        Kind::Tar => tar(path, content, depth, visit, budget),
        Kind::Other(_) => Ok(()),
    };
    if let Err(reason) = result {
        // What it looks like as it is, too: the name of an archive costs an attacker nothing.
        visit(path, content);
        (budget.failed)(path, reason);
    }
}

fn inner(path: &str, name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_control() { '?' } else { c }).take(MAX_NAME).collect();
    format!("{path}!{name}")
}

impl Budget<'_> {
    fn entry(&mut self) -> Result<(), String> {
        self.entries = self
            .entries
            .checked_sub(1)
            .ok_or_else(|| format!("it has more than {MAX_ENTRIES} entries"))?;
        Ok(())
    }

    /// Reads to the end, at most what is left. Once it is not enough, nothing is left: what follows
    /// is not unpacked up to the same bound again and again.
    fn take(&mut self, reader: impl Read) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        reader
            .take(self.bytes.saturating_add(1))
            .read_to_end(&mut out)
            .map_err(|e| format!("it is damaged: {e}"))?;
        let left = self.bytes.checked_sub(out.len() as u64);
        self.bytes = left.unwrap_or(0);
        match left {
            Some(_) => Ok(out),
            None => Err(format!("it unpacks to more than {} MiB", MAX_BYTES / 1024 / 1024)),
        }
    }
}

fn zip(
    path: &str,
    content: &[u8],
    depth: usize,
    visit: &mut dyn FnMut(&str, &[u8]),
    budget: &mut Budget<'_>,
) -> Result<(), String> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(content)).map_err(|e| format!("it is damaged: {e}"))?;
    visit(&inner(path, "(comment)"), archive.comment().to_vec().as_slice());
    for index in 0..archive.len() {
        budget.entry()?;
        let named = match archive.name_for_index(index) {
            Some(Ok(name)) => name.into_owned(),
            _ => format!("entry {index}"),
        };
        let name = inner(path, &named);
        let entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                (budget.failed)(&name, format!("the entry cannot be opened: {error}"));
                continue;
            }
        };
        if entry.is_dir() {
            continue;
        }
        match budget.take(entry) {
            Ok(bytes) => open(&name, &bytes, depth + 1, visit, budget),
            Err(reason) if budget.bytes == 0 => return Err(reason),
            Err(reason) => (budget.failed)(&name, reason),
        }
    }
    Ok(())
}

fn gzip(
    path: &str,
    content: &[u8],
    depth: usize,
    visit: &mut dyn FnMut(&str, &[u8]),
    budget: &mut Budget<'_>,
) -> Result<(), String> {
    budget.entry()?;
    let bytes = budget.take(MultiGzDecoder::new(content))?;
    // The name of what is in it, so that its ending is known.
    let name = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".tgz")).unwrap_or(path);
    let name = name.rsplit('/').next().unwrap_or(name);
    open(&inner(path, name), &bytes, depth + 1, visit, budget);
    Ok(())
}

fn tar(
    path: &str,
    content: &[u8],
    depth: usize,
    visit: &mut dyn FnMut(&str, &[u8]),
    budget: &mut Budget<'_>,
) -> Result<(), String> {
    let mut archive = tar::Archive::new(content);
    let entries = archive.entries().map_err(|e| format!("it is damaged: {e}"))?;
    for entry in entries {
        budget.entry()?;
        let entry = entry.map_err(|e| format!("it is damaged: {e}"))?;
        let name = inner(path, &String::from_utf8_lossy(&entry.path_bytes()));
        if let Ok(Some(target)) = entry.link_name_bytes().map(Ok::<_, ()>).transpose() {
            visit(&name, &target);
        }
        let bytes = budget.take(entry)?;
        open(&name, &bytes, depth + 1, visit, budget);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn zipped(entries: usize, content: &[u8], comment: &str) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for entry in 0..entries {
            zip.start_file(format!("{entry}"), SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content).expect("writes");
        }
        zip.set_comment(comment).expect("a comment that fits");
        zip.finish().expect("completes").into_inner()
    }

    #[test]
    fn once_it_is_too_much_nothing_further_is_unpacked() {
        let bomb = zipped(12, &vec![b'x'; 60 * 1024 * 1024], "");
        let (mut read, mut reasons) = (Vec::new(), Vec::new());
        each(
            "a.zip",
            &bomb,
            &mut |path, content| read.push((path.to_owned(), content.len())),
            &mut |_, reason| reasons.push(reason),
        );
        assert_eq!(reasons, ["it unpacks to more than 128 MiB"]);
        // The comment, what fitted, and the archive as it is.
        assert_eq!(read.len(), 4, "{read:?}");
    }

    #[test]
    fn an_archive_is_one_behind_anything_and_before_the_longest_comment() {
        let mut content = b"#!/bin/sh\nexit 0\n".to_vec();
        content.extend(zipped(1, b"hidden", &"c".repeat(usize::from(u16::MAX))));
        let mut found = false;
        each("run.sh", &content, &mut |_, bytes| found |= bytes == b"hidden", &mut |_, _| {});
        assert!(found);
    }
}
