//! What all identifiers have in common.

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
    /// The characters are right, and together they are none.
    #[error("{kind} {rule}")]
    Form {
        /// See [`Self::Empty`].
        kind: &'static str,
        /// The rule that is broken, as the rest of a sentence.
        rule: &'static str,
    },
}

/// Refuses what is empty, longer than `limit` bytes, or has a character that is not `allowed`.
pub(crate) fn check(
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

/// What every identifier can do, for a type over `Cow<'static, str>` with a `parse`, which need
/// not be public.
macro_rules! identifier_text {
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

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
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

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into_owned()
            }
        }

        impl From<&$name> for String {
            fn from(id: &$name) -> Self {
                id.as_str().to_owned()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.as_str() == other
            }
        }

        impl PartialEq<$name> for str {
            fn eq(&self, other: &$name) -> bool {
                self == other.as_str()
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.as_str() == *other
            }
        }
    };
}

/// What every identifier can do that anybody may parse.
macro_rules! identifier {
    ($name:ident) => {
        $crate::ids::identifier_text!($name);

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
    };
}

pub(super) use identifier;
pub(crate) use identifier_text;
