//! How much is read for those who name repositories that nobody knows.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// For how many names that are not registered a secret is looked for within a [`WINDOW`].
const MOST_STRANGERS: u32 = 10;
const WINDOW: SignedDuration = SignedDuration::from_secs(10);

/// Names that are not registered, of late. Anybody may ask for as many as they like: what the
/// installation reads for them is bounded, so that the others can be read.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<Option<(Timestamp, u32)>>);

impl Strangers {
    /// Whether one more is looked for.
    pub(crate) fn admit(&self, now: Timestamp) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = seen
            .filter(|(since, _)| {
                let age = now.duration_since(*since);
                !age.is_negative() && age < WINDOW
            })
            .unwrap_or((now, 0));
        *seen = Some((since, count.saturating_add(1)));
        count < MOST_STRANGERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_wait_and_are_forgotten() {
        let strangers = Strangers::default();
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        assert!((0..10).all(|second| strangers.admit(at(second))));
        assert!(!strangers.admit(at(9)));
        assert!(strangers.admit(at(10)));
        assert!(strangers.admit(at(0)), "the clock was set back");
    }
}
