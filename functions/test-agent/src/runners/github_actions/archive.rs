//! The archive of an artifact, read as hostile input: entry by entry, each bounded, nothing of it
//! written anywhere.

use std::io::{self, Cursor, Read};

use bytes::Bytes;

use crate::{
    collector::{LCOV_BYTES, NOTES, REPORT_BYTES, REPORT_FILES},
    lcov_report,
    reports::{self, Counts, Unread},
    runners::reports::{Report, Wanted},
};

/// Most entries of one archive.
const ENTRIES: usize = 10_000;
/// Most bytes of all entries of all archives, unpacked.
const BYTES: u64 = 1 << 30;
/// Most bytes of all coverage reports.
const COVERAGE: usize = 64 << 20;

/// Where the entries stand for whoever looks for reports.
const SOURCE: &str = "files/source/";

/// What artifacts have that is wanted.
pub(super) struct Found {
    /// Over the reports of tests; none when there was no readable one.
    pub(super) counts: Option<Counts>,
    /// Reports of tests that were not read, and why.
    pub(super) unread: Vec<String>,
    pub(super) notes: Vec<String>,
    /// LCOV reports.
    pub(super) coverage: Vec<Vec<u8>>,
    files: usize,
    left: u64,
}

impl Default for Found {
    fn default() -> Self {
        let (counts, unread, notes, coverage) = <_>::default();
        Self { counts, unread, notes, coverage, files: 0, left: BYTES }
    }
}

impl Found {
    /// Notes a report that was not read.
    pub(super) fn unread(&mut self, what: String) {
        if self.unread.len() < NOTES {
            self.unread.push(what);
        }
    }

    /// Reads what is wanted of an archive.
    pub(super) fn read(&mut self, name: &str, archive: &Bytes, wanted: &Wanted) {
        let mut archive = match zip::ZipArchive::new(Cursor::new(archive)) {
            Ok(archive) => archive,
            Err(error) => {
                return self.unread(format!("the artifact {name} cannot be read: {error}"));
            }
        };
        if archive.len() > ENTRIES {
            let many = archive.len();
            return self.unread(format!("the artifact {name} has {many} files; at most {ENTRIES}"));
        }
        for index in 0..archive.len() {
            if let Err(reason) = self.entry(&mut archive, index, wanted) {
                self.unread(format!("the artifact {name} cannot be read: {reason}"));
                return;
            }
        }
    }

    /// # Errors
    /// The archive is damaged, or there is too much of it.
    fn entry(
        &mut self,
        archive: &mut zip::ZipArchive<Cursor<&Bytes>>,
        index: usize,
        wanted: &Wanted,
    ) -> Result<(), String> {
        let mut entry = archive.by_index(index).map_err(|e| e.to_string())?;
        let path = entry.name().map_err(|e| e.to_string())?.into_owned();
        let plain = !path.starts_with('/')
            && !path.contains('\\')
            && path.split('/').all(|part| part != "..");
        if !entry.is_file() || !plain || path.len() > 1_000 {
            return Ok(());
        }
        let place = format!("{SOURCE}{path}");
        let shown = pact_agent::text::truncated(&pact_agent::text::readable(&path), 200);
        let mut counted = Counted { inner: &mut entry, left: &mut self.left };
        if let Some(report) = wanted.tests(&place) {
            self.files += 1;
            if self.files > REPORT_FILES {
                return Err(format!("there are more than {REPORT_FILES} reports"));
            }
            match (reports::read(&mut counted, REPORT_BYTES), report) {
                (Ok(counts), _) => self.counts.get_or_insert_default().add(counts),
                // Other documents may be where reports usually are.
                (Err(Unread::Foreign(_)), Report::Possible) => {}
                (Err(Unread::Foreign(reason) | Unread::Broken(reason)), _) => {
                    self.unread(format!("cannot read the report {shown}: {reason}"));
                }
            }
        } else if wanted.coverage(&place) {
            let mut content = Vec::new();
            let kept: usize = self.coverage.iter().map(Vec::len).sum();
            let read = counted.take(LCOV_BYTES + 1).read_to_end(&mut content);
            if read.is_ok()
                && content.len() as u64 <= LCOV_BYTES
                && kept + content.len() <= COVERAGE
            {
                self.coverage.push(lcov_report::kept(wanted.folder(&place), &content));
            } else {
                self.notes.push(format!("coverage report {shown} left out: damaged or too large"));
            }
        }
        if self.left == 0 {
            return Err(format!("more than {} MiB unpacked", BYTES >> 20));
        }
        Ok(())
    }
}

/// Reads as long as all archives together are not too much.
struct Counted<'l, R> {
    inner: R,
    left: &'l mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read as u64 > *self.left {
            *self.left = 0;
            return Err(io::Error::other("too much in all"));
        }
        *self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Bytes {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(*name, options).expect("a file");
            writer.write_all(content).expect("content");
        }
        writer.finish().expect("an archive").into_inner().into()
    }

    const REPORT: &[u8] = b"<testsuite><testcase name='a'/><testcase name='b'/></testsuite>";

    #[test]
    fn reports_are_counted_and_what_leads_out_is_passed_over() {
        let named = Wanted::new(&["out/*.xml".to_owned(), "**/*.xml".to_owned()], &[], "");
        let mut found = Found::default();
        let files: &[(&str, &[u8])] =
            &[("r.xml", REPORT), ("../x.xml", REPORT), ("/y.xml", REPORT), ("a.bin", b"x")];
        found.read("reports", &archive(files), &named);
        assert_eq!(found.counts.as_ref().map(|counts| counts.total), Some(2));
        assert!(found.unread.is_empty(), "{:?}", found.unread);
        found.read("more", &archive(&[("b.xml", b"<testsuite>")]), &named);
        assert!(found.unread[0].contains("cannot read the report b.xml"), "{:?}", found.unread);
    }

    #[test]
    fn what_is_no_archive_or_too_much_is_not_read() {
        let usual = Wanted::new(&[], &[], "");
        let mut found = Found::default();
        found.read("x", &Bytes::from_static(b"PK no"), &usual);
        assert!(found.unread[0].starts_with("the artifact x cannot be read"));

        // A bomb: a report of 64 MB in 64 KB is not unpacked further than one may be.
        let bomb = [b"<testsuite>".to_vec(), vec![b' '; 64 << 20]].concat();
        let bomb = archive(&[("junit.xml", &bomb)]);
        assert!(bomb.len() < 1 << 20);
        let mut found = Found::default();
        found.read("bomb", &bomb, &usual);
        assert!(found.unread[0].contains("larger than"), "{:?}", found.unread);
        let mut found = Found { left: 1_000, ..Found::default() };
        found.read("bomb", &bomb, &usual);
        assert!(!found.unread.is_empty() && found.counts.is_none());

        let many: Vec<(String, &[u8])> = (0..=ENTRIES).map(|n| (n.to_string(), &b""[..])).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(n, c)| (n.as_str(), *c)).collect();
        let mut found = Found::default();
        found.read("many", &archive(&many), &usual);
        assert!(found.unread[0].contains("10001 files"), "{:?}", found.unread);
    }
}
