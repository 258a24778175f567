//! A sign-in that is under way at the provider: what binds the provider's answer to the browser that
//! asked, and to this attempt.
//!
//! The browser keeps one secret for ten minutes, in a cookie. What goes out is made of it by hashes
//! that lead to none of the others: `state` (the answer is for this browser: no page signs somebody
//! in as somebody else), `nonce` (the token was made for this attempt) and the proof of RFC 7636 (the
//! code is of use to this browser alone). So nothing is kept here of whoever only asks.

use axum::http::{HeaderMap, HeaderValue};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::{
    denied::Denied,
    secret::{digest, random, same_text},
    session::{Jar, cookie, is_secret, set_cookie},
};

/// How long somebody has to sign in at the provider.
pub const SIGN_IN_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// Longest address of a page to go on to.
const MAX_NEXT: usize = 1_000;

/// A sign-in that is under way.
#[derive(Clone, PartialEq, Eq)]
pub struct SignIn {
    secret: String,
    /// The page to go on to, as the browser said it.
    pub next: String,
}

impl SignIn {
    /// Begins one; `next` is the page to go on to.
    #[must_use]
    pub fn begin(next: &str) -> Self {
        let next = if next.len() <= MAX_NEXT { next } else { "" };
        Self { secret: random(), next: next.to_owned() }
    }

    /// The one that the browser is in the middle of.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = cookie(Jar::SignIn, headers)?;
        let (secret, next) = value.split_once('.')?;
        let next = URL_SAFE_NO_PAD.decode(next).ok().filter(|next| next.len() <= MAX_NEXT)?;
        let next = String::from_utf8(next).ok()?;
        is_secret(secret).then(|| Self { secret: secret.to_owned(), next })
    }

    /// What the browser is to keep.
    ///
    /// # Errors
    /// Never: it is digits and letters.
    pub fn cookie(&self, headers: &HeaderMap) -> Result<HeaderValue, Denied> {
        let value = format!("{}.{}", self.secret, URL_SAFE_NO_PAD.encode(&self.next));
        set_cookie(Jar::SignIn, headers, &value, SIGN_IN_LIFE.as_secs())
    }

    /// What takes it away from the browser.
    ///
    /// # Errors
    /// Never: it is fixed words.
    pub fn over(headers: &HeaderMap) -> Result<HeaderValue, Denied> {
        set_cookie(Jar::SignIn, headers, "", 0)
    }

    /// What the provider sends back with its answer.
    #[must_use]
    pub fn state(&self) -> String {
        digest(&format!("state {}", self.secret))
    }

    /// Whether the provider's answer is the one to this.
    #[must_use]
    pub fn is_answered_by(&self, state: &str) -> bool {
        same_text(&self.state(), state)
    }

    /// What the provider writes into the token.
    #[must_use]
    pub fn nonce(&self) -> String {
        digest(&format!("nonce {}", self.secret))
    }

    /// Whether a token was made for this.
    #[must_use]
    pub fn has_nonce(&self, nonce: &str) -> bool {
        same_text(&self.nonce(), nonce)
    }

    /// What proves, when the code is used, that whoever began this uses it: RFC 7636's
    /// `code_verifier`.
    #[must_use]
    pub fn verifier(&self) -> String {
        digest(&format!("verifier {}", self.secret))
    }

    /// What the provider checks that by: RFC 7636's `code_challenge` of the method `S256`.
    #[must_use]
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("pact.example"));
        if let Some(cookie) = cookie {
            headers.insert("cookie", cookie.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_browser_keeps_it_and_nothing_that_goes_out_tells_its_secret() {
        let begun = SignIn::begin("/runs?status=failed");
        let set = begun.cookie(&headers(None)).unwrap();
        let set = set.to_str().unwrap();
        for part in
            ["__Host-pact-sign-in=", "; HttpOnly", "; SameSite=Lax", "; Secure", "Max-Age=600"]
        {
            assert!(set.contains(part), "{set}");
        }
        let sent = set.split(';').next().unwrap();
        let found = SignIn::of(&headers(Some(sent))).unwrap();
        assert!(found == begun && found.next == "/runs?status=failed");
        let out = [begun.state(), begun.nonce(), begun.challenge()];
        assert!(out.iter().all(|text| !text.contains(&begun.secret) && text != &begun.verifier()));
        assert!(begun.is_answered_by(&out[0]) && !begun.is_answered_by(&out[1]));
        assert!(begun.has_nonce(&out[1]) && !begun.has_nonce(""));
        // RFC 7636 has them of 43 characters at least, none of which needs an escape.
        assert!(begun.verifier().len() == 64 && begun.challenge().len() == 43);
        let other = SignIn::begin("/");
        assert!(!other.is_answered_by(&begun.state()) && !other.has_nonce(&begun.nonce()));
    }

    #[test]
    fn what_was_meddled_with_is_none() {
        let secret = "a".repeat(64);
        for cookie in [
            String::new(),
            "__Host-pact-sign-in=".to_owned(),
            format!("__Host-pact-sign-in={secret}"),
            format!("__Host-pact-sign-in={}.", &secret[1..]),
            format!("__Host-pact-sign-in={secret}.***"),
            format!("__Host-pact-sign-in={secret}.; __Host-pact-sign-in={secret}."),
            format!("__Host-pact={secret}."),
        ] {
            assert!(SignIn::of(&headers(Some(&cookie))).is_none(), "{cookie}");
        }
        assert!(SignIn::of(&headers(Some(&format!("__Host-pact-sign-in={secret}.")))).is_some());
        assert_eq!(SignIn::begin(&"x".repeat(1_001)).next, "");
    }
}
