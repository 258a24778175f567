//! Who may do what at the HTTP API: scopes, API tokens, and sessions of browsers.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{IdError, check_text, identifier_text},
    schema::SchemaVersion,
};

/// What somebody may do. None of them includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See runs, environments, repositories and rules.
    Read,
    /// Start runs, also once more.
    Trigger,
    /// Answer the questions of runs, and agree to looser rules.
    Approve,
    /// Cancel and roll back, register repositories, hand out tokens.
    Operate,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Trigger, Self::Approve, Self::Operate];

    /// The scope's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Trigger => "trigger",
            Self::Approve => "approve",
            Self::Operate => "operate",
        }
    }
}

/// A text that is the name of no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such scope; there are read, trigger, approve and operate")]
pub struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(NoScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several scopes, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// All there are.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Those that the other ones lack.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Self {
        self.0.difference(&other.0).copied().collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|scope| scope.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

/// Digits of a token's id: 64 bits.
const ID_DIGITS: usize = 16;

/// Id of an API token: what it is listed, looked up and revoked by. It is no secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(Cow<'static, str>);

identifier_text!(TokenId);

impl TokenId {
    /// Accepts an id from outside.
    ///
    /// # Errors
    /// When it is not 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        const KIND: &str = "the id of a token";
        let allowed: (_, fn(char) -> bool) =
            ("digits and letters from a to f", |c| matches!(c, '0'..='9' | 'a'..='f'));
        check_text(text, KIND, ID_DIGITS, allowed)?;
        if text.len() != ID_DIGITS {
            return Err(IdError::Form { kind: KIND, rule: "has 16 digits" });
        }
        Ok(Self(text.to_owned().into()))
    }
}

impl FromStr for TokenId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::parse(text)
    }
}

/// An API token as it is kept: of the token itself only what it can be recognised by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Its id.
    pub id: TokenId,
    /// SHA-256 of its secret, in hexadecimal. The secret has 256 random bits: a hash that takes
    /// longer would protect nothing more.
    pub hash: String,
    /// Who speaks with it.
    pub owner: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// Who handed it out.
    pub created_by: String,
    /// The token that it was handed out with, which it ends with; none: the installation handed it out, or
    /// somebody whom a provider knows.
    #[serde(default)]
    pub made_with: Option<TokenId>,
    /// When.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
    /// When and by whom it was revoked.
    #[serde(default)]
    pub revoked: Option<Revoked>,
}

/// That a token was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

impl TokenRecord {
    /// Version in which it is written. Since the second one a token may end with another.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();

    /// Whether it is good for anything at this time, as far as it says itself.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && now < self.expires_at
    }
}

/// A token with the time of its last use, which is known to the hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownToken {
    /// The token.
    pub record: TokenRecord,
    /// When it was used last; none: never.
    pub used_at: Option<Timestamp>,
}

/// A browser that is signed in; also what a code stands for that signs one in, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Version of this type.
    pub schema: SchemaVersion,
    /// Who is signed in.
    pub owner: String,
    /// What they may do.
    pub scopes: Scopes,
    /// What they signed in with: the session ends with it.
    pub credential: Credential,
    /// From when on it is good for nothing.
    pub expires_at: Timestamp,
}

impl SessionRecord {
    /// Version in which it is written. Since the second one people may be signed in by a provider.
    pub const VERSION: SchemaVersion = SchemaVersion::FIRST.next();
}

/// What somebody showed to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Credential {
    /// The installation's own token.
    Installation {
        /// Tells this token from the one after it: a hash, which opens nothing.
        mark: String,
    },
    /// An API token.
    Token {
        /// Its id.
        id: TokenId,
    },
    /// The word of the installation's OpenID Connect provider.
    Provider {
        /// Who it is there: the claim `sub`.
        subject: String,
        /// Tells the rules by which people are let in from those after them: a hash.
        mark: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_sixteen_digits() {
        assert_eq!(
            TokenId::parse("0123456789abcdef").map(String::from).as_deref(),
            Ok("0123456789abcdef")
        );
        for text in
            ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "../0123456789abc"]
        {
            assert!(TokenId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_are_told_by_their_names() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).expect("text"), scope.as_str());
        }
        assert_eq!("write".parse::<Scope>(), Err(NoScope));
        let some: Scopes = [Scope::Approve, Scope::Read].into_iter().collect();
        assert_eq!(some.to_string(), "read, approve");
        assert_eq!(Scopes::all().beyond(&some).to_string(), "trigger, operate");
        assert!(some.beyond(&Scopes::all()).is_empty());
    }
}
