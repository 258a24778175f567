//! States of a state machine.

use std::borrow::Cow;

use super::text::{IdError, check, identifier};

/// Longest name of a state that Step Functions accepts.
pub const MAX_STATE: usize = 80;

/// Name of a state of a state machine, for example `RunUnitTests`; of an intent that was sent by
/// hand, the name of its action. At most [`MAX_STATE`] letters, digits, spaces, `-`, `_` and `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateName(Cow<'static, str>);

identifier!(StateName);

impl StateName {
    /// Stands where no state failed, but the execution as a whole was ended.
    pub const EXECUTION: Self = Self(Cow::Borrowed("the execution"));

    /// Accepts a name from outside.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no name has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, spaces, '-', '_' and '.'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.')
        });
        check(text, "the name of a state", MAX_STATE, allowed)?;
        Ok(Self(text.to_owned().into()))
    }

    /// The name as a sentence: `Run unit tests` for `RunUnitTests`.
    #[must_use]
    pub fn title(&self) -> String {
        title(&self.0)
    }
}

/// A state's name as a sentence, see [`StateName::title`].
#[must_use]
pub fn title(state: &str) -> String {
    let mut out = String::with_capacity(state.len() + 8);
    for (index, c) in state.chars().enumerate() {
        if c.is_uppercase() && index > 0 {
            out.push(' ');
            out.extend(c.to_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_read_like_sentences() {
        for (name, title) in [("RunUnitTests", "Run unit tests"), ("Notify", "Notify")] {
            assert_eq!(StateName::parse(name).map(|state| state.title()).as_deref(), Ok(title));
        }
    }

    #[test]
    fn a_state_has_a_plain_name() {
        assert!(StateName::parse("tests.run_unit").is_ok());
        assert_eq!(StateName::parse(StateName::EXECUTION.as_str()), Ok(StateName::EXECUTION));
        for bad in ["", "a/b", "<b>", "a\nb", &"S".repeat(81)] {
            assert!(StateName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
