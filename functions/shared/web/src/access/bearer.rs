//! Bearer tokens: how one stands in a request, and how an API token is written.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use pact_contract::access::TokenId;

use super::secret::{digest, random};

/// How an API token begins, so that whoever finds one knows what it is.
const PREFIX: &str = "pact_";
/// Digits of its secret.
const SECRET: usize = 64;

/// What the header `Authorization` has.
pub(super) enum Bearer {
    /// There is none.
    None,
    /// Several, or something else than a bearer.
    Odd,
    /// A bearer's token.
    Token(String),
}

impl Bearer {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = match (values.next(), values.next()) {
            (None, _) => return Self::None,
            (Some(value), None) => value.to_str().ok(),
            _ => None,
        };
        let token = value
            .and_then(|value| value.split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer "))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty());
        token.map_or(Self::Odd, |token| Self::Token(token.to_owned()))
    }
}

/// Id and secret of an API token; none of another text.
pub(super) fn split(token: &str) -> Option<(TokenId, &str)> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let digits = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    let whole = secret.len() == SECRET && secret.bytes().all(digits);
    Some((TokenId::parse(id).ok()?, secret)).filter(|_| whole)
}

/// A token that nobody has yet.
pub struct NewToken {
    /// What it is known by.
    pub id: TokenId,
    /// What is kept of its secret.
    pub hash: String,
    /// The token itself, which is shown once.
    pub text: String,
}

/// Makes a token of 256 random bits.
///
/// # Errors
/// Never: an id of random digits is one. Whoever would see otherwise is told, not ended.
pub fn new_token() -> Result<NewToken, pact_contract::ids::IdError> {
    let (number, secret) = (random(), random());
    let id = TokenId::parse(number.get(..16).unwrap_or_default())?;
    let text = format!("{PREFIX}{id}_{secret}");
    Ok(NewToken { id, hash: digest(&secret), text })
}
