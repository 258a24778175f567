//! Repositories.

use std::borrow::Cow;

use super::text::{IdError, check, identifier};

/// Full name of a repository as its git host has it, for example `acme/web-shop`: one or more
/// parts out of letters, digits, `-`, `_` and `.`, with `/` between them, at most
/// [`MAX_REPOSITORY`] characters in all. No part is `.` or `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Cow<'static, str>);

identifier!(RepositoryName);

/// Longest name of a repository.
pub const MAX_REPOSITORY: usize = 200;

impl RepositoryName {
    /// Accepts a name from outside.
    ///
    /// # Errors
    /// When it is empty, too long, has a character that no name has, or a part that is none.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let kind = "a repository name";
        let allowed: (_, fn(char) -> bool) =
            ("letters, digits, '-', '_', '.', and '/' between parts", |c| {
                c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
            });
        check(text, kind, MAX_REPOSITORY, allowed)?;
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(IdError::Form {
                kind,
                rule: "has no empty part and none that is '.' or '..'",
            });
        }
        Ok(Self(text.to_owned().into()))
    }

    /// The last part of the name: the repository without its owner.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_plain_parts() {
        for good in ["web", "acme/web-shop", "group/sub.group/x_1"] {
            assert_eq!(RepositoryName::parse(good).map(String::from).as_deref(), Ok(good));
        }
        let long = "x".repeat(201);
        for bad in ["", "/", "a/", "../a", "a/..", "a/./b", "a b", "a#b", "a%2fb", "ä", &long] {
            assert!(RepositoryName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            RepositoryName::parse("acme/web").map(|n| n.short().to_owned()).as_deref(),
            Ok("web")
        );
    }
}
