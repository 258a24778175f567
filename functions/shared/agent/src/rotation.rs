//! A secret that is being changed: the present one, and for a while the one before, so that nobody
//! has to change it in two places at the same moment.
//!
//! It is one parameter of one line or two: the secret; the one before, a blank, and until when that
//! counts (RFC 3339).

use jiff::Timestamp;

use crate::secrets::{MIN_SECRET, Secret};

/// Why a value is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A secret can be guessed.
    #[error("needs at least {MIN_SECRET} characters for each secret")]
    Short,
    /// The second line is none.
    #[error(
        "has a second line that is not the secret before, a blank and until when that counts, as in \
         `SECRET 2026-11-28T00:00:00Z`"
    )]
    Second,
    /// There are more.
    #[error("has more than two lines: the secret, and the one before with its end")]
    Lines,
}

/// A secret, and the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    current: Secret,
    before: Option<(Secret, Timestamp)>,
}

impl Rotating {
    /// A first one.
    #[must_use]
    pub const fn new(current: Secret) -> Self {
        Self { current, before: None }
    }

    /// Reads the value of a parameter.
    ///
    /// # Errors
    /// Why it is none. A value of which a part cannot be read counts for nothing at all: whoever
    /// wrote it meant something else.
    pub fn parse(text: &Secret) -> Result<Self, Unreadable> {
        let mut lines = text.reveal().lines().map(str::trim).filter(|line| !line.is_empty());
        let current = long_enough(lines.next().unwrap_or_default())?;
        let before = match lines.next() {
            None => None,
            Some(line) => {
                let (secret, until) =
                    line.rsplit_once(char::is_whitespace).ok_or(Unreadable::Second)?;
                let until = until.parse().map_err(|_| Unreadable::Second)?;
                Some((long_enough(secret.trim_end())?, until))
            }
        };
        if lines.next().is_some() {
            return Err(Unreadable::Lines);
        }
        Ok(Self { current, before })
    }

    /// The present one.
    #[must_use]
    pub const fn current(&self) -> &Secret {
        &self.current
    }

    /// The one before, while it counts.
    #[must_use]
    pub fn before(&self, now: Timestamp) -> Option<&Secret> {
        self.before.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret)
    }

    /// Until when the one before counts, or counted.
    #[must_use]
    pub fn before_until(&self) -> Option<Timestamp> {
        self.before.as_ref().map(|(_, until)| *until)
    }

    /// Another one in its place; the present one counts until then, or no more. What was before that
    /// counts no more.
    #[must_use]
    pub fn rotated(self, next: Secret, until: Option<Timestamp>) -> Self {
        Self { current: next, before: until.map(|until| (self.current, until)) }
    }

    /// The value of the parameter.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        let mut text = self.current.reveal().to_owned();
        if let Some((secret, until)) = &self.before {
            text.push('\n');
            text.push_str(secret.reveal());
            text.push_str(&format!(" {until}"));
        }
        Secret::new(text)
    }
}

fn long_enough(text: &str) -> Result<Secret, Unreadable> {
    if text.len() < MIN_SECRET { Err(Unreadable::Short) } else { Ok(Secret::new(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "the-secret-before-0";
    const NEW: &str = "the-secret-of-now-0";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn parse(text: &str) -> Result<Rotating, Unreadable> {
        Rotating::parse(&Secret::new(text))
    }

    #[test]
    fn the_one_before_counts_until_its_end_and_not_at_it() {
        let known = parse(&format!("{NEW}\n{OLD} 2026-11-28T00:00:00Z\n")).unwrap();
        assert_eq!(known.current().reveal(), NEW);
        let before = |text| known.before(at(text)).map(Secret::reveal);
        assert_eq!(before("2026-11-27T23:59:59Z"), Some(OLD));
        assert_eq!(before("2026-11-28T00:00:00Z"), None);
        let alone = parse(NEW).unwrap();
        assert_eq!((alone.current().reveal(), alone.before(Timestamp::MIN)), (NEW, None));
    }

    #[test]
    fn of_two_changes_the_last_two_secrets_count() {
        let end = at("2026-11-28T00:00:00Z");
        let (now, third) = (at("2026-11-27T00:00:00Z"), "the-third-secret-00");
        let first = Rotating::new(Secret::new(OLD));
        let twice =
            first.rotated(Secret::new(NEW), Some(end)).rotated(Secret::new(third), Some(end));
        let read = Rotating::parse(&twice.to_secret()).unwrap();
        assert_eq!(read, twice, "as it was written");
        assert_eq!(read.current().reveal(), third);
        assert_eq!(read.before(now).map(Secret::reveal), Some(NEW));
        let at_once = read.rotated(Secret::new(OLD), None);
        assert_eq!((at_once.current().reveal(), at_once.before(now)), (OLD, None));
    }

    #[test]
    fn what_cannot_be_read_whole_counts_for_nothing() {
        for (text, why) in [
            ("hunter2".to_owned(), Unreadable::Short),
            (String::new(), Unreadable::Short),
            (format!("{NEW}\nhunter2 2026-11-28T00:00:00Z"), Unreadable::Short),
            (format!("{NEW}\n2026-11-28T00:00:00Z"), Unreadable::Second),
            (format!("{NEW}\n{OLD}"), Unreadable::Second),
            (format!("{NEW}\n{OLD} tomorrow"), Unreadable::Second),
            (format!("{NEW}\n{OLD} 2026-11-28T00:00:00Z\n{OLD}"), Unreadable::Lines),
        ] {
            assert_eq!(parse(&text), Err(why), "{text:?}");
        }
    }
}
