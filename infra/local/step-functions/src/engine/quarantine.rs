//! Which executions were being computed when the engine's process ended, so that one that ends it
//! does not do so again and again.
//!
//! Each computation is noted in a file before it begins and taken out when it is over. What is left
//! in the file at the next opening is suspected. That happens to others too, when the process is
//! killed just then: so one that is suspected goes on, with everything that it evaluates left to
//! other processes, where there are such. One that is suspected again and again at the same step,
//! more often than kills could have met it, has failed.
//!
//! The file begins with the name of the opening that it belongs to: what it says counts once, however
//! often the process ends before the next opening comes to compute anything.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::slots::{SLOT, Slot, Slots};

/// What is noted: the name of the opening, then slots.
const COMPUTING: &str = "computing";
/// What is known of earlier times.
const SUSPECTED: &str = "suspected.json";
/// How long its head is: the number of records, the length of the ARN and a checksum.
const HEAD: usize = 10;
/// How often in a row the process may end at one step of an execution.
pub(super) const MOST: u32 = 5;

/// How often the process ended at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Suspicion {
    /// How many records the execution had.
    pub(super) records: u32,
    pub(super) times: u32,
}

/// What is known, and from which opening.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Suspected {
    opening: Uuid,
    executions: HashMap<String, Suspicion>,
}

pub(super) struct Suspects(Slots);

impl Suspects {
    /// Begins to note, in a file that says nothing yet.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Slots::create(&folder.join(COMPUTING), Uuid::new_v4().as_bytes()).map(Self)
    }

    /// Notes that an execution is computed, as long as the answer lives.
    pub(super) fn note(&self, arn: &str, records: u32) -> Noted<'_> {
        let slot = match self.0.take() {
            Ok(mut slot) => {
                slot.write(&encode(arn, records));
                Some(slot)
            }
            // On a full disk nothing new is computed either.
            Err(error) => {
                tracing::debug!(%error, "cannot note what is computed");
                None
            }
        };
        Noted { slots: &self.0, slot }
    }
}

/// Takes the note back.
pub(super) struct Noted<'a> {
    slots: &'a Slots,
    slot: Option<Slot>,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if let Some(mut slot) = self.slot.take() {
            slot.write(&[0; HEAD]);
            self.slots.give_back(slot);
        }
    }
}

fn encode(arn: &str, records: u32) -> Vec<u8> {
    let arn = arn.as_bytes();
    let mut bytes = Vec::with_capacity(HEAD + arn.len());
    let length = u16::try_from(arn.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&records.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(arn).to_le_bytes());
    bytes.extend_from_slice(arn);
    bytes.truncate(SLOT);
    bytes
}

fn decode(slot: &[u8]) -> Option<(String, u32)> {
    let records = u32::from_le_bytes(*slot.first_chunk()?);
    let length = u16::from_le_bytes(slot.get(4..6)?.try_into().ok()?);
    let sum = u32::from_le_bytes(slot.get(6..HEAD)?.try_into().ok()?);
    let arn = slot.get(HEAD..HEAD + usize::from(length)).filter(|arn| !arn.is_empty())?;
    let arn = (crc32fast::hash(arn) == sum).then_some(arn)?;
    Some((String::from_utf8(arn.to_vec()).ok()?, records))
}

/// Which executions are suspected, at the opening of a folder. What is known of them is written
/// down before anything is computed.
pub(super) fn suspected(folder: &Path) -> HashMap<String, Suspicion> {
    let left = std::fs::read(folder.join(COMPUTING)).unwrap_or_default();
    let before: Suspected = std::fs::read(folder.join(SUSPECTED))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let opening = left.first_chunk().map_or_else(Uuid::nil, |name| Uuid::from_bytes(*name));
    if opening == before.opening {
        return before.executions;
    }
    let mut executions = HashMap::new();
    for (arn, records) in left.chunks(SLOT).skip(1).filter_map(decode) {
        let known = before.executions.get(&arn).filter(|known| known.records == records);
        let times = known.map_or(0, |known| known.times).saturating_add(1);
        executions.insert(arn, Suspicion { records, times });
    }
    let known = Suspected { opening, executions };
    let save = || {
        let aside = folder.join("suspected.new");
        std::fs::write(&aside, serde_json::to_vec(&known)?)?;
        std::fs::rename(&aside, folder.join(SUSPECTED))
    };
    if let Err(error) = save() {
        tracing::warn!(%error, "cannot note which executions ended the process");
    }
    known.executions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_suspected() {
        let folder = tempfile::tempdir().unwrap();
        let crash = |arn: &str, records: u32| {
            let suspects = Suspects::open(folder.path()).unwrap();
            drop(suspects.note("over", 7));
            let other = suspects.note("other", 1);
            std::mem::forget(suspects.note(arn, records));
            drop(other);
            suspected(folder.path())
        };
        let times = |found: &HashMap<String, Suspicion>| {
            let mut all: Vec<_> = found.iter().map(|(arn, s)| (arn.clone(), s.times)).collect();
            all.sort();
            all
        };
        assert_eq!(times(&crash("a", 3)), [("a".to_owned(), 1)]);
        assert_eq!(times(&crash("a", 3)), [("a".to_owned(), 2)]);
        // The process ends again before it computes anything: that says nothing new.
        assert_eq!(times(&suspected(folder.path())), [("a".to_owned(), 2)]);
        assert_eq!(times(&suspected(folder.path())), [("a".to_owned(), 2)]);
        assert_eq!(times(&crash("a", 3)), [("a".to_owned(), 3)]);
        // It got further; another one did not.
        assert_eq!(times(&crash("a", 4)), [("a".to_owned(), 1)]);
        assert_eq!(times(&crash("b", 4)), [("b".to_owned(), 1)]);
        // Nothing was left.
        drop(Suspects::open(folder.path()).unwrap());
        assert!(suspected(folder.path()).is_empty());
        assert_eq!(times(&crash("b", 4)), [("b".to_owned(), 1)]);
    }
}
