//! Which finding is which, from one run to the next.

use std::collections::HashMap;

use pact_contract::Finding;
use sha2::{Digest, Sha256};

/// Name of the fingerprint in a SARIF result. Another way to make them has another number.
pub(crate) const NAME: &str = "pactFinding/v1";

/// Makes fingerprints: each finding of one run has another one.
#[derive(Default)]
pub(crate) struct Fingerprints {
    seen: HashMap<String, usize>,
}

impl Fingerprints {
    /// That of the next finding. It is made of the code, the file and what the message says, not
    /// of the line or of any number: code that is moved by what is written above it, or a value
    /// that changes, keeps it. Of several that are alike, the order tells them apart.
    pub(crate) fn next(&mut self, finding: &Finding) -> String {
        let said = without_numbers(&finding.message);
        let path = finding.path.as_deref().unwrap_or_default();
        let what = format!("{}\0{path}\0{said}", finding.code);
        let nth = self.seen.entry(what.clone()).or_default();
        *nth += 1;
        let digest = Sha256::digest(format!("{what}\0{nth}"));
        hex::encode(digest).chars().take(32).collect()
    }
}

fn without_numbers(message: &str) -> String {
    let mut out = String::new();
    for c in message.chars() {
        let c = if c.is_ascii_digit() { '#' } else { c };
        if c != '#' || !out.ends_with('#') {
            out.push(c);
        }
    }
    out
}
