//! Who may call: signatures of webhooks, bearer tokens of the API. Compared in constant time.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use pact_agent::secrets::{Parameter, Secret, Secrets};

use crate::error::{Answer, ApiError};

/// Shortest secret that is accepted: a shorter one can be guessed.
const MIN_SECRET: usize = 16;

/// Bearer token of the API.
pub(crate) static API_TOKEN: Parameter =
    Parameter { name: "api-token", about: "bearer token of the trigger API", variable: None };

/// The secret of this parameter. Without one, or with one that can be guessed, the door stays
/// closed.
pub(crate) async fn secret(secrets: &dyn Secrets, parameter: &Parameter) -> Answer<Secret> {
    let name = parameter.name;
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

/// Checks, in constant time, that `claimed` is the HMAC with SHA-256 of the parts, one after the
/// other, as they were sent.
pub(crate) fn hmac_sha256(secret: &Secret, parts: &[&[u8]], claimed: Option<&[u8]>) -> Answer<()> {
    let wrong = || ApiError::unauthorized("the signature does not match the body");
    let mac = mac(secret, parts).ok_or_else(wrong)?;
    // `verify_slice` compares in constant time and refuses every other length.
    mac.verify_slice(claimed.ok_or_else(wrong)?).map_err(|_| wrong())
}

/// The HMAC with SHA-256 of the parts, one after the other.
pub(crate) fn sign_sha256(secret: &Secret, parts: &[&[u8]]) -> Option<Vec<u8>> {
    mac(secret, parts).map(|mac| mac.finalize().into_bytes().to_vec())
}

/// None for a key of a wrong length, which no secret has.
fn mac(secret: &Secret, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
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

    fn with(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
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
