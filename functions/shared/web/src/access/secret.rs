//! Secrets of 256 random bits, and what is kept of them.

use pact_agent::secrets::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// SHA-256 in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Whether both are the same, in a time that says nothing of where they differ.
pub(super) fn same_text(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// A secret that nobody has yet: 256 random bits, in hexadecimal.
#[must_use]
pub fn new_secret() -> Secret {
    Secret::new(random())
}

/// 256 bits of the operating system's randomness, in hexadecimal.
pub(super) fn random() -> String {
    let mut hash = Sha256::new();
    // Three UUIDs carry 366 random bits; the hash makes 256 of them.
    for _ in 0..3 {
        hash.update(uuid::Uuid::new_v4().as_bytes());
    }
    hex::encode(hash.finalize())
}
