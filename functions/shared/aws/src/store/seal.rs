//! Seals: what is recorded of a run carries a keyed digest over its whole item, so that whoever can
//! write to the table, but has not the key, can change nothing of it unseen. The key is outside the
//! table: `PACT_LOG_KEY`.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::item::Item;

/// Attribute that has the seal.
pub(super) const SEAL: &str = "seal";

/// What seals are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Vec<u8>);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

impl SealKey {
    /// The key that a text stands for.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }

    /// Seals the item.
    pub(super) fn seal(&self, item: &mut Item) {
        if let Some(seal) = self.digest(item) {
            item.insert(SEAL.to_owned(), AttributeValue::S(hex::encode(seal)));
        }
    }

    /// Whether the item is as it was sealed.
    pub(super) fn holds(&self, item: &Item) -> bool {
        let Some(seal) = item.get(SEAL).and_then(|seal| seal.as_s().ok()) else { return false };
        // The same bytes may be written in several ways: one of them is the seal.
        let is_plain = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let Some(claimed) = hex::decode(seal).ok().filter(|_| seal.chars().all(is_plain)) else {
            return false;
        };
        self.mac(item).is_some_and(|mac| mac.verify_slice(&claimed).is_ok())
    }

    fn digest(&self, item: &Item) -> Option<Vec<u8>> {
        Some(self.mac(item)?.finalize().into_bytes().to_vec())
    }

    /// Over every attribute but the seal, in the order of their names; each part with its length, so
    /// that none can take something of its neighbour.
    fn mac(&self, item: &Item) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        let mut part = |text: &str| {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        };
        let mut names: Vec<&String> = item.keys().filter(|name| *name != SEAL).collect();
        names.sort();
        for name in names {
            part(name);
            match item.get(name)? {
                AttributeValue::S(text) => {
                    part("S");
                    part(text);
                }
                AttributeValue::N(number) => {
                    part("N");
                    part(number);
                }
                // Nothing that is sealed has any other: it was put there.
                _ => return None,
            }
        }
        Some(mac)
    }
}
