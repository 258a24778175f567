//! What a check read, what it could not read, and what was left out by whose rule.
//!
//! Files are chosen by their content, never by what the repository's attributes say of them.

pub(crate) mod open;
pub(crate) mod text;

use std::collections::BTreeMap;

use pact_contract::{Finding, Severity, actions::Scope, codes};

/// Most files of one kind that are named.
const MAX_NAMED: usize = 50;

/// What was looked at.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Files that were read.
    pub(crate) read: usize,
    /// Their bytes.
    pub(crate) bytes: u64,
    not_read: Vec<(String, String)>,
    ignored: BTreeMap<String, (usize, String)>,
    elsewhere: Vec<(String, String)>,
    notes: Vec<String>,
}

impl Ledger {
    /// A file was read.
    pub(crate) fn read(&mut self, bytes: u64) {
        self.read += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Something should have been read and was not.
    pub(crate) fn not_read(&mut self, path: impl Into<String>, why: impl Into<String>) {
        self.not_read.push((path.into(), why.into()));
    }

    /// A file is left out by a rule.
    pub(crate) fn ignored(&mut self, path: &str, rule: &str) {
        let entry = self.ignored.entry(rule.to_owned()).or_insert_with(|| (0, path.to_owned()));
        entry.0 += 1;
    }

    /// A path's content is not in the repository.
    pub(crate) fn elsewhere(&mut self, path: &str, why: &str) {
        self.elsewhere.push((path.to_owned(), why.to_owned()));
    }

    /// Worth knowing, and no reason to hold anything.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Why not everything was checked.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let (path, why) = self.not_read.first()?;
        Some(match self.not_read.len() - 1 {
            0 => format!("{path}: {why}"),
            1 => format!("{path}: {why}; and 1 more"),
            more => format!("{path}: {why}; and {more} more"),
        })
    }

    /// The ledger as data.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            read: self.read,
            bytes: self.bytes,
            not_read: self
                .not_read
                .iter()
                .take(MAX_NAMED)
                .map(|(path, why)| format!("{path}: {why}"))
                .collect(),
            not_read_total: self.not_read.len(),
            ignored: self.ignored.iter().map(|(rule, (count, _))| (rule.clone(), *count)).collect(),
        }
    }

    /// The ledger as findings.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut out = Vec::new();
        for (path, why) in self.not_read.iter().take(MAX_NAMED) {
            out.push(
                Finding::new(codes::NOT_SCANNED, Severity::Info, format!("not read: {why}"))
                    .at(path, None, None)
                    .remedy("make it readable, or let security.ignore name it in a commit before"),
            );
        }
        for (rule, (count, path)) in self.ignored.iter().take(MAX_NAMED) {
            let files = if *count == 1 { "1 file is" } else { &format!("{count} files are") };
            out.push(
                Finding::new(codes::IGNORED, Severity::Info, format!("{files} left out by {rule}"))
                    .at(path, None, None),
            );
        }
        for (path, why) in self.elsewhere.iter().take(MAX_NAMED) {
            out.push(
                Finding::new(codes::CONTENT_ELSEWHERE, Severity::Info, format!("not read: {why}"))
                    .at(path, None, None),
            );
        }
        out.extend(
            self.notes
                .iter()
                .take(MAX_NAMED)
                .map(|n| Finding::new(codes::SCOPE_NOTE, Severity::Info, n)),
        );
        out
    }
}
