//! Who may call: signatures of webhooks, bearer tokens of the API. Compared in constant time.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use pact_agent::secrets::{Secret, Secrets};

use crate::error::{Answer, ApiError};

/// Shortest secret that is accepted: a shorter one can be guessed.
const MIN_SECRET: usize = 16;

/// Header with GitHub's signature. `X-Hub-Signature`, without the number, is SHA-1: not accepted.
pub(crate) const SIGNATURE: &str = "x-hub-signature-256";

/// The secret of this name. Without one, or with one that can be guessed, the door stays closed.
pub(crate) async fn secret(secrets: &dyn Secrets, name: &'static str) -> Answer<Secret> {
    let fault = match secrets.secret(name).await? {
        Some(secret) if secret.reveal().len() >= MIN_SECRET => return Ok(secret),
        Some(_) => {
            format!("the parameter {} needs at least {MIN_SECRET} characters", secrets.place(name))
        }
        None => secrets.missing(name),
    };
    tracing::error!(fault, "a secret is not configured");
    Err(ApiError::not_configured(&format!("not configured: {fault}")))
}

/// Checks `sha256=<hex>` over the body as it was sent.
pub(crate) fn signature(secret: &Secret, headers: &HeaderMap, body: &[u8]) -> Answer<()> {
    let mut values = headers.get_all(SIGNATURE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(ApiError::unauthorized("the request needs one X-Hub-Signature-256"));
    };
    let claimed = value.as_bytes().strip_prefix(b"sha256=").and_then(|hex| hex::decode(hex).ok());
    let wrong = || ApiError::unauthorized("the signature does not match the body");
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).map_err(|_| wrong())?;
    mac.update(body);
    // `verify_slice` compares in constant time and refuses every other length.
    mac.verify_slice(&claimed.ok_or_else(wrong)?).map_err(|_| wrong())
}

/// Checks `Authorization: Bearer <token>`.
pub(crate) fn bearer(token: &Secret, headers: &HeaderMap) -> Answer<()> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let claimed = match (values.next().map(|v| v.as_bytes()), values.next()) {
        (Some(value), None) => value
            .split_at_checked(7)
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map(|(_, token)| token.trim_ascii()),
        _ => None,
    };
    let Some(claimed) = claimed else {
        return Err(ApiError::unauthorized("the request needs a bearer token"));
    };
    // Hashes have one length, so that not even that of the token can be told from the time.
    let same = Sha256::digest(claimed).ct_eq(&Sha256::digest(token.reveal().as_bytes()));
    if same.into() { Ok(()) } else { Err(ApiError::unauthorized("the token is wrong")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    /// The example of GitHub's documentation.
    const RIGHT: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_the_right_signature_over_the_very_body_is_accepted() {
        let secret = Secret::new(SECRET);
        let check =
            |values: &[&str], body: &[u8]| signature(&secret, &with(SIGNATURE, values), body);
        assert_eq!(check(&[RIGHT], BODY), Ok(()));
        let upper = RIGHT.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(check(&[&upper], BODY), Ok(()));
        let hex = RIGHT.trim_start_matches("sha256=");
        let other = Secret::new("another secret, of the same kind");
        assert!(signature(&other, &with(SIGNATURE, &[RIGHT]), BODY).is_err());
        for (values, body) in [
            (&[][..], BODY),
            (&[""], BODY),
            (&[hex], BODY),
            (&["sha256="], BODY),
            (&["sha256=zz"], BODY),
            (&[&RIGHT[..RIGHT.len() - 2]], BODY),
            (&[&format!("{RIGHT}00")], BODY),
            (&[&RIGHT.replace("sha256", "sha1")], BODY),
            (&[&RIGHT.replace('7', "8")], BODY),
            (&[RIGHT, RIGHT], BODY),
            (&[RIGHT], b"Hello, World! "),
            (&[RIGHT], b""),
        ] {
            let error = check(values, body).unwrap_err();
            assert_eq!(error.status, 401, "{values:?}");
            assert!(!error.message.contains(SECRET));
        }
        // A right one under the name of the old, weak header is none.
        assert!(signature(&secret, &with("x-hub-signature", &[RIGHT]), BODY).is_err());
    }

    #[test]
    fn only_the_right_token_as_a_bearer_is_accepted() {
        let token = Secret::new("token-of-the-api-0123");
        let check = |values: &[&str]| bearer(&token, &with("authorization", values)).is_ok();
        assert!(check(&["Bearer token-of-the-api-0123"]));
        assert!(check(&["bearer token-of-the-api-0123"]));
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["token-of-the-api-0123"],
            &["Basic token-of-the-api-0123"],
            &["Bearer token-of-the-api-0124"],
            &["Bearer token-of-the-api-012"],
            &["Bearer token-of-the-api-0123", "Bearer token-of-the-api-0123"],
        ] {
            assert!(!check(values), "{values:?}");
        }
    }
}
