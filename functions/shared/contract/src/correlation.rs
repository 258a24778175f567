//! What goes on at another service for a state that waits: how that service names it, so that its
//! events find who waits.

use std::fmt;

use crate::ids::{RunId, StateName};

/// The name of one piece of work at another service, which shows it in its events. Whoever reads it
/// there believes nothing but whom to tell: what became of the work is asked of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation {
    /// The run that waits.
    pub run_id: RunId,
    /// Its state that waits.
    pub state: StateName,
    /// What tells this piece of work from every other of the state, in hexadecimal.
    pub token: String,
}

/// Longest text that is searched, in bytes.
const LONGEST: usize = 1_024;

impl Correlation {
    /// The first correlation among the words of a text from outside.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        text.split_whitespace().find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split('/');
        let (run, state, token) = (parts.next()?, parts.next()?, parts.next()?);
        let hex = (8..=64).contains(&token.len()) && token.chars().all(|c| c.is_ascii_hexdigit());
        if parts.next().is_some() || !hex {
            return None;
        }
        let (run_id, state) = (RunId::parse(run).ok()?, StateName::parse(state).ok()?);
        Some(Self { run_id, state, token: token.to_owned() })
    }
}

impl fmt::Display for Correlation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run_id, self.state, self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_among_other_words_and_nothing_else_is() {
        let own = Correlation {
            run_id: "web-1".parse().expect("an id"),
            state: "RunUnitTests".parse().expect("a name"),
            token: "0123abcd".to_owned(),
        };
        assert_eq!(Correlation::find(&format!("pact {own}")), Some(own.clone()));
        assert_eq!(Correlation::find(&format!("a/b {own} x/y/z")), Some(own));
        for text in ["", "fix a/b/c", "web-1/RunUnitTests", "web-1/Run/0123abcd/x", "w/S/0123456z"]
        {
            assert_eq!(Correlation::find(text), None, "{text}");
        }
        assert_eq!(Correlation::find(&"x ".repeat(600)), None);
    }
}
