//! Whole files: what is in archives, what a text is in, lines, and what a comment allows.

use std::collections::BTreeSet;

use pact_contract::{Severity, codes};
use sha2::{Digest, Sha256};

use super::{
    engine::Engine,
    forms,
    hit::{Found, without_overlaps},
    keys,
    lines::{Lines, allowed},
    place::Place,
    text::{Text, Work},
};
use crate::scope::{open, text};

/// Most findings of one file.
const MAX_FOUND: usize = 10_000;
/// How often a text may be gone over by all expressions together, and what is granted at least.
pub(super) const WORK_PER_BYTE: u64 = 60;
const LEAST_WORK: u64 = 4 * 1024 * 1024;

/// What was seen in one file.
#[derive(Debug, Default)]
pub struct Scan {
    /// Secrets by place: the path with the entries of archives, and what is there.
    pub found: Vec<(String, Found)>,
    /// Secrets that a comment on their line allows, with the reason.
    pub allowed: Vec<(String, Found, String)>,
    /// What should have been read and was not.
    pub not_read: Vec<(String, String)>,
    /// Bytes that were gone over, those of archives and encodings included.
    pub bytes: u64,
}

impl Engine {
    /// Looks at a whole file, and at what is in it where it is an archive.
    pub fn scan(&self, path: &str, content: &[u8]) -> Scan {
        let mut scan = Scan::default();
        let mut failed = Vec::new();
        open::each(
            path,
            content,
            &mut |path, content| self.scan_entry(path, content, &mut scan),
            &mut |path, why| failed.push((path.to_owned(), why)),
        );
        scan.not_read.extend(failed);
        scan
    }

    fn scan_entry(&self, path: &str, content: &[u8], scan: &mut Scan) {
        scan.bytes = scan.bytes.saturating_add(content.len() as u64);
        let place = Place::of(path);
        if let Some(title) = keys::store(content) {
            let severity = if place.is_test { Severity::Low } else { Severity::High };
            let digest = Sha256::digest(content);
            let mut fingerprint = [0; 16];
            fingerprint.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
            scan.found.push((
                path.to_owned(),
                Found {
                    code: codes::SECRET_KEY_STORE,
                    title: title.to_owned(),
                    severity,
                    line: 1,
                    column: 1,
                    evidence: format!("{} bytes", content.len()),
                    fingerprint,
                },
            ));
        }
        let decoded = text::decode(content);
        self.scan_text(path, &decoded.text, place, 0, scan);
        if let Some(also) = &decoded.also {
            let found = scan.found.iter().map(|(_, f)| f.fingerprint);
            let allowed = scan.allowed.iter().map(|(_, f, _)| f.fingerprint);
            let before: BTreeSet<[u8; 16]> = found.chain(allowed).collect();
            let mut second = Scan::default();
            self.scan_text(path, also, place, 0, &mut second);
            scan.found
                .extend(second.found.into_iter().filter(|(_, f)| !before.contains(&f.fingerprint)));
            scan.allowed.extend(
                second.allowed.into_iter().filter(|(_, f, _)| !before.contains(&f.fingerprint)),
            );
            scan.not_read.extend(second.not_read);
        }
    }

    /// Looks at a text whose first line is the line `first` (from 0) of its file.
    pub(crate) fn scan_text(
        &self,
        path: &str,
        text: &str,
        place: Place,
        first: u32,
        scan: &mut Scan,
    ) {
        let mut work =
            Work { left: LEAST_WORK + text.len() as u64 * WORK_PER_BYTE, exhausted: false };
        let mut hits = Vec::new();
        let seen = Text { text, place, depth: 0 };
        self.look(&seen, &mut work, &mut hits);
        for kept in forms::kept(path, text) {
            self.look_into(&seen, kept, &mut work, &mut hits);
        }
        if work.exhausted {
            scan.not_read.push((
                path.to_owned(),
                "it is made to take long: too much of it looks like the beginning of a secret"
                    .to_owned(),
            ));
        }
        let hits = without_overlaps(hits);
        // Rust keeps the tests of a module below it, in the same file.
        let tests = path.ends_with(".rs").then(|| text.find("#[cfg(test)]")).flatten();
        let mut lines = Lines { text, at: 0, line: first, start: 0 };
        for hit in hits {
            if scan.found.len() + scan.allowed.len() >= MAX_FOUND {
                scan.not_read
                    .push((path.to_owned(), format!("stopped after {MAX_FOUND} findings")));
                break;
            }
            let (line, column, line_text) = lines.place(hit.start);
            let mut hit = hit;
            let documented = ["///", "//!"].iter().any(|d| line_text.trim_start().starts_with(d));
            let in_test = tests.is_some_and(|at| hit.start > at) || documented;
            if in_test && (hit.is_key || hit.rank > 1) {
                hit.severity = hit.severity.min(Severity::Low);
            }
            let found = hit.found(line, column);
            match allowed(line_text) {
                Some(reason) => scan.allowed.push((path.to_owned(), found, reason)),
                None => scan.found.push((path.to_owned(), found)),
            }
        }
    }
}
