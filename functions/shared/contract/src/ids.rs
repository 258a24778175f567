//! Identifiers: a text that was checked once, where it came in, and is right from there on.
//!
//! Each is its text on the wire, and reading one checks it: what is not an id of its kind is
//! refused with an [`IdError`], by `parse`, [`FromStr`](std::str::FromStr) and serde alike.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Why a text is not an identifier of its kind. The text itself is not part of the message: it may
/// be long, and come from anywhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing is there.
    #[error("{kind} must not be empty")]
    Empty {
        /// The kind with its article, for example `a run id`.
        kind: &'static str,
    },
    /// More than any such identifier has.
    #[error("{kind} has at most {limit} characters, not {length}")]
    TooLong {
        /// See [`Self::Empty`].
        kind: &'static str,
        /// Bytes that it may have.
        limit: usize,
        /// Bytes that it has.
        length: usize,
    },
    /// A character that none has.
    #[error("{kind} has {allowed}, not {found:?}")]
    Character {
        /// See [`Self::Empty`].
        kind: &'static str,
        /// The characters that it may have, in words.
        allowed: &'static str,
        /// The first one that it may not have.
        found: char,
    },
}

/// Refuses what is empty, longer than `limit` bytes, or has a character that is not `allowed`.
fn check(
    text: &str,
    kind: &'static str,
    limit: usize,
    allowed: (&'static str, fn(char) -> bool),
) -> Result<(), IdError> {
    let (words, fits) = allowed;
    match text.chars().find(|c| !fits(*c)) {
        _ if text.is_empty() => Err(IdError::Empty { kind }),
        _ if text.len() > limit => Err(IdError::TooLong { kind, limit, length: text.len() }),
        Some(found) => Err(IdError::Character { kind, allowed: words, found }),
        None => Ok(()),
    }
}

/// What every identifier can do, for a type over `String` with a `parse`.
macro_rules! identifier {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl From<&$name> for String {
            fn from(id: &$name) -> Self {
                id.0.clone()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

/// Identity of one run of the pipeline, and the name of its execution: at most [`MAX_RUN_ID`]
/// letters, digits, `-` and `_`, as Step Functions wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(String);

identifier!(RunId);

/// Longest execution name that Step Functions accepts.
pub const MAX_RUN_ID: usize = 80;

impl RunId {
    /// The id of the run for one push: the same push always gives the same id. `rerun` counts
    /// deliberate repetitions of the same push, 0 for the first.
    #[must_use]
    pub fn for_push(repository: &str, reference: &str, commit: &str, rerun: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [repository, reference, commit] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hex::encode(hash.finalize());
        let name = repository.rsplit('/').next().unwrap_or_default();
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(32)
            .collect();
        let name = name.trim_matches('-');
        let name = if name.is_empty() { "run" } else { name };
        let commit: String = commit.chars().filter(char::is_ascii_hexdigit).take(10).collect();
        let tag: String = digest.chars().take(8).collect();
        Self(match rerun {
            0 => format!("{name}-{commit}-{tag}"),
            n => format!("{name}-{commit}-{tag}-{n}"),
        })
    }

    /// Stands for the run of an intent that was sent by hand and belongs to none. Nothing is
    /// recorded under it, and no push has it.
    #[must_use]
    pub fn by_hand() -> Self {
        Self("by-hand".to_owned())
    }

    /// Accepts a run id from outside.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no id has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
        });
        check(text, "a run id", MAX_RUN_ID, allowed)?;
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_push_gives_a_valid_execution_name(
            repository in ".{0,120}", reference in ".{0,40}", commit in "[0-9a-f]{0,64}", rerun in 0u32..=u32::MAX
        ) {
            let id = RunId::for_push(&repository, &reference, &commit, rerun);
            prop_assert_eq!(RunId::parse(id.as_str()), Ok(id));
        }

        #[test]
        fn an_id_is_its_text_on_the_wire_and_reading_it_checks_it(text in ".{0,100}") {
            let read = serde_json::from_value::<RunId>(text.clone().into());
            match RunId::parse(&text) {
                Ok(id) => {
                    prop_assert_eq!(serde_json::to_value(&id).ok(), Some(text.into()));
                    prop_assert_eq!(read.ok(), Some(id));
                }
                Err(error) => prop_assert_eq!(
                    read.map_err(|e| e.to_string()), Err(error.to_string())
                ),
            }
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "a run id must not be empty"),
            (&"x".repeat(81), "a run id has at most 80 characters, not 81"),
            ("a/b", "a run id has letters, digits, '-' and '_', not '/'"),
        ] {
            assert_eq!(RunId::parse(text).map_err(|e| e.to_string()), Err(reason.to_owned()));
        }
    }

    #[test]
    fn the_same_push_has_the_same_id_and_another_ref_another() {
        let a = RunId::for_push("acme/web", "refs/heads/main", "0123456789abcdef", 0);
        assert_eq!(a, RunId::for_push("acme/web", "refs/heads/main", "0123456789abcdef", 0));
        assert_ne!(a, RunId::for_push("acme/web", "refs/heads/dev", "0123456789abcdef", 0));
        assert!(a.as_str().starts_with("web-0123456789-"), "{a}");
    }
}
