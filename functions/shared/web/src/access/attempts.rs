//! Wrong credentials are slowed down, by the address they come from.
//!
//! A guess of 256 bits is hopeless at any speed; the installation's own token is as long as whoever
//! made it wanted. Each instance of a function counts for itself, and forgets when it ends: this
//! makes guessing slow, and is no lock that somebody else could close.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::denied::Denied;

/// Wrong credentials that an address may send within a [`WINDOW`].
const MOST: u32 = 10;
/// How long they count.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Most addresses that are remembered.
const MOST_SOURCES: usize = 10_000;

/// The wrong credentials of each address, since when.
#[derive(Default)]
pub(super) struct Attempts {
    sources: Mutex<HashMap<String, (Timestamp, u32)>>,
}

impl Attempts {
    /// Refuses an address that sent too many.
    pub(super) fn admit(&self, source: &str, now: Timestamp) -> Result<(), Denied> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        match sources.get(source) {
            Some((since, count)) if *count >= MOST && counts(*since, now) => {
                let left = WINDOW.saturating_sub(now.duration_since(*since)).as_secs();
                Err(Denied::TooMany { seconds: u64::try_from(left).unwrap_or(0).max(1) })
            }
            _ => Ok(()),
        }
    }

    /// Counts a wrong one.
    pub(super) fn wrong(&self, source: &str, now: Timestamp) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= MOST_SOURCES && !sources.contains_key(source) {
            sources.retain(|_, (since, _)| counts(*since, now));
            if sources.len() >= MOST_SOURCES {
                sources.clear();
            }
        }
        let entry = sources.entry(source.to_owned()).or_insert((now, 0));
        if !counts(entry.0, now) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
    }
}

/// A time that is not over, and not in the future: the clock may be set back.
fn counts(since: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(since);
    !age.is_negative() && age < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn an_address_that_guesses_waits_and_no_other_one_does() {
        let attempts = Attempts::default();
        for second in 0..10 {
            attempts.admit("a", at(second)).unwrap();
            attempts.wrong("a", at(second));
        }
        let refused = attempts.admit("a", at(20)).unwrap_err();
        assert!(matches!(refused, Denied::TooMany { seconds: 40 }), "{refused:?}");
        attempts.admit("b", at(20)).unwrap();
        attempts.admit("a", at(60)).unwrap();
        attempts.wrong("a", at(60));
        attempts.admit("a", at(61)).unwrap();
    }

    #[test]
    fn no_number_of_addresses_fills_the_memory() {
        let attempts = Attempts::default();
        for number in 0..(MOST_SOURCES * 2) {
            attempts.wrong(&number.to_string(), at(0));
        }
        assert!(attempts.sources.lock().unwrap().len() <= MOST_SOURCES);
    }
}
