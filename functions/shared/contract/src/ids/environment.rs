//! Environments.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    repository::RepositoryName,
    text::{IdError, check, identifier},
};

/// Longest name of an environment.
const MAX_ENVIRONMENT: usize = 64;

/// Name of an environment within its repository, for example `staging`: at most 64 letters,
/// digits, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentName(Cow<'static, str>);

identifier!(EnvironmentName);

impl EnvironmentName {
    /// Where a release is tried.
    pub const STAGING: Self = Self(Cow::Borrowed("staging"));
    /// Where a release is for its users.
    pub const PRODUCTION: Self = Self(Cow::Borrowed("production"));

    /// Accepts a name from outside.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no name has.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, '-' and '_'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
        });
        check(text, "an environment's name", MAX_ENVIRONMENT, allowed)?;
        Ok(Self(text.to_owned().into()))
    }
}

/// One environment of one repository: what a lock, a record and a release in effect belong to.
/// Its text is `<repository>#<environment>`; neither name can have a `#`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvironmentKey {
    /// The repository.
    pub repository: RepositoryName,
    /// The environment.
    pub environment: EnvironmentName,
}

impl EnvironmentKey {
    /// The key of these two.
    #[must_use]
    pub fn new(repository: &RepositoryName, environment: &EnvironmentName) -> Self {
        Self { repository: repository.clone(), environment: environment.clone() }
    }
}

impl fmt::Display for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repository, self.environment)
    }
}

impl FromStr for EnvironmentKey {
    type Err = IdError;

    /// Reads what `Display` writes.
    ///
    /// # Errors
    /// When it has no `#`, or one of the names is none.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (repository, environment) = text.split_once('#').ok_or(IdError::Form {
            kind: "an environment's key",
            rule: "has a '#' between repository and environment",
        })?;
        Ok(Self { repository: repository.parse()?, environment: environment.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key: EnvironmentKey = "acme/web#staging".parse().unwrap();
        assert_eq!(
            (key.repository.as_str(), &key.environment),
            ("acme/web", &EnvironmentName::STAGING)
        );
        assert_eq!(key.to_string(), "acme/web#staging");
        for bad in ["", "#", "acme/web", "acme/web#", "#staging", "a#b#c", "acme/web#a/b"] {
            assert!(bad.parse::<EnvironmentKey>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Ok(key) = text.parse::<EnvironmentKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
