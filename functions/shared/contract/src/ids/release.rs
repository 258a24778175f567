//! Releases.

use std::{borrow::Cow, path::Path};

use super::text::{IdError, check, identifier};

/// Longest name of a release.
pub const MAX_RELEASE: usize = 100;

/// Name of a release, for example `20261123-102030-3f9c2ab17d`: at most [`MAX_RELEASE`] letters,
/// digits, `-`, `_`, `+` and `.`. It does not begin with `.`: it may be the name of a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId(Cow<'static, str>);

identifier!(ReleaseId);

impl ReleaseId {
    /// Accepts a name from outside.
    ///
    /// # Errors
    /// When it is empty, too long, begins with `.` or has a character that no name has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let kind = "the name of a release";
        let allowed: (_, fn(char) -> bool) = ("letters, digits, '-', '_', '+' and '.'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+')
        });
        check(text, kind, MAX_RELEASE, allowed)?;
        if text.starts_with('.') {
            return Err(IdError::Form { kind, rule: "does not begin with '.'" });
        }
        Ok(Self(text.to_owned().into()))
    }
}

impl AsRef<Path> for ReleaseId {
    fn as_ref(&self) -> &Path {
        Path::new(self.as_str())
    }
}

/// A release that may be absent, and is the empty text on the wire then.
pub(crate) mod or_empty {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::ReleaseId;

    pub(crate) fn serialize<S: Serializer>(
        release: &Option<ReleaseId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(release.as_ref().map_or("", ReleaseId::as_str))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ReleaseId>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        ReleaseId::parse(&text).map(Some).map_err(Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_can_be_the_name_of_a_folder() {
        for good in ["r1", "v1.2.3+build_7", "20261123-102030-3f9c2ab17d"] {
            assert_eq!(ReleaseId::parse(good).map(String::from).as_deref(), Ok(good));
        }
        let long = "r".repeat(101);
        for bad in ["", ".", "..", ".r1", "../r1", "a/b", "a b", "a\0", "ä", &long] {
            assert!(ReleaseId::parse(bad).is_err(), "{bad:?}");
        }
    }
}
