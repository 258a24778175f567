//! Seals: what is recorded of a run carries a keyed digest over its whole item, so that whoever can
//! write to the table, but has not the key, can change nothing of it unseen. The key is a secret of
//! the installation, outside the table: [`LOG_KEY`].

use std::{fmt, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pact_agent::{
    ports::StoreError,
    secrets::{LOG_KEY, Secrets},
};
use sha2::Sha256;

use super::item::Item;

/// Attribute that has the seal.
pub(super) const SEAL: &str = "seal";

/// What seals are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Vec<u8>);

/// Shortest key of the seals, in characters.
const MIN_KEY: usize = 32;

/// Where the key of the seals comes from.
#[derive(Clone, Default)]
pub(super) enum SealSource {
    /// There is none: what is recorded is chained, and not sealed.
    #[default]
    None,
    /// It is known.
    Key(SealKey),
    /// It is read when something is recorded; an installation without it has none.
    Secret(Arc<dyn Secrets>),
}

impl fmt::Debug for SealSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "SealSource::None",
            Self::Key(_) => "SealSource::Key(…)",
            Self::Secret(_) => "SealSource::Secret(…)",
        })
    }
}

impl SealSource {
    /// The key, where there is one.
    ///
    /// # Errors
    /// When it cannot be read, or is too short to prove anything.
    pub(super) async fn key(&self) -> Result<Option<SealKey>, StoreError> {
        let secrets = match self {
            Self::None => return Ok(None),
            Self::Key(key) => return Ok(Some(key.clone())),
            Self::Secret(secrets) => secrets,
        };
        let Some(secret) = secrets.secret(LOG_KEY.name).await? else { return Ok(None) };
        let text = secret.reveal();
        if text.chars().count() < MIN_KEY {
            let place = secrets.place(LOG_KEY.name);
            return Err(crate::error::unavailable(format!(
                "{place} has fewer than {MIN_KEY} characters: it proves nothing"
            )));
        }
        Ok(Some(SealKey::new(text)))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(…)")
    }
}

/// What of a run's item its end is sealed with.
fn part_of_end(run: &Item) -> Item {
    let sealed = ["pk", "sk", "request", "status", "finished_at", "outcome"];
    let part = run.iter().filter(|(name, _)| sealed.contains(&name.as_str()));
    part.map(|(name, value)| (name.clone(), value.clone())).collect()
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

    /// The seal of a run's end: over what was asked for and what came of it. The rest of its item are
    /// entries of lists, and what is counted.
    pub(super) fn seal_of_end(
        &self,
        run: &Item,
        ended: impl IntoIterator<Item = (&'static str, AttributeValue)>,
    ) -> Option<String> {
        let mut end = part_of_end(run);
        end.extend(ended.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.digest(&end).map(hex::encode)
    }

    /// Whether a run's item has the end that was sealed.
    pub(super) fn holds_end(&self, run: &Item) -> bool {
        let mut end = part_of_end(run);
        end.extend(run.get(SEAL).map(|seal| (SEAL.to_owned(), seal.clone())));
        self.holds(&end)
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
