//! What was found: while a text is looked at, and afterwards.

use std::collections::BTreeMap;

use pact_contract::{Finding, FindingCode, Severity};
use sha2::{Digest, Sha256};

/// What to do about a secret.
pub(crate) const REMEDY: &str = "revoke or rotate it where it was issued, remove it from the history, and \
    read it from the environment or a secret store; if it is no secret, say so at the end of its \
    own line with a comment \"pact:allow-secret REASON\"";

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Code of the finding.
    pub code: FindingCode,
    /// What it is, for people.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The first characters and the length.
    pub evidence: String,
    /// The same for the same secret of the same kind, wherever it stands.
    pub fingerprint: [u8; 16],
}

/// A secret in a text while it is looked for.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub(super) code: FindingCode,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) secret: String,
    /// The most telling kind comes first.
    pub(super) rank: u8,
    pub(super) is_key: bool,
}

impl Hit {
    pub(super) fn found(self, line: u32, column: u32) -> Found {
        let mut hash = Sha256::new();
        hash.update(self.code.as_str().as_bytes());
        hash.update([0]);
        // The same key with other white space is the same key.
        hash.update(self.secret.split_whitespace().collect::<String>().as_bytes());
        let digest = hash.finalize();
        let mut fingerprint = [0; 16];
        fingerprint.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        let evidence = if self.is_key {
            let first = self.secret.lines().next().unwrap_or_default();
            first
                .chars()
                .take(60)
                .take_while(|c| c.is_ascii_uppercase() || "- ".contains(*c))
                .collect()
        } else {
            redacted(&self.secret)
        };
        Found {
            code: self.code,
            title: self.title,
            severity: self.severity,
            line,
            column,
            evidence,
            fingerprint,
        }
    }
}

impl Found {
    /// A name of the secret at `path` that says nothing without the `salt`.
    #[must_use]
    pub fn entry(&self, salt: &str, path: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(salt.as_bytes());
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(self.fingerprint);
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The finding of a secret at `path`.
    #[must_use]
    pub fn finding(&self, path: &str) -> Finding {
        Finding::new(self.code.clone(), self.severity, &self.title)
            .at(path, Some(self.line), Some(self.column))
            .remedy(REMEDY)
            .evidence(&self.evidence)
    }
}

/// Hits without those that a more telling one covers, by place.
pub(super) fn without_overlaps(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|h| (h.rank, h.start));
    let mut kept: BTreeMap<usize, Hit> = BTreeMap::new();
    for hit in hits {
        let covered = kept
            .range(..=hit.start)
            .next_back()
            .is_some_and(|(_, k)| k.end > hit.start || k.start == hit.start)
            || kept.range(hit.start..).next().is_some_and(|(_, k)| k.start < hit.end);
        if !covered {
            kept.insert(hit.start, hit);
        }
    }
    kept.into_values().collect()
}

/// The first characters, at most four and at most a fifth, and the length.
pub(super) fn redacted(secret: &str) -> String {
    let length = secret.chars().count();
    let shown: String = secret.chars().take((length / 5).min(4)).collect();
    format!("{shown}… ({length} characters)")
}
