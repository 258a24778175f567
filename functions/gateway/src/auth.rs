//! Signatures of webhooks, compared in constant time.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use pact_agent::secrets::{Parameter, Secret, Secrets};
use pact_web::access::{self, Denied};

use crate::error::{Answer, ApiError};

/// The secret of this parameter. Without one, or with one that can be guessed, the door stays
/// closed.
pub(crate) async fn secret(secrets: &dyn Secrets, parameter: &Parameter) -> Answer<Secret> {
    access::secret(secrets, parameter).await.map_err(|denied| match denied {
        Denied::Store(error) => error.into(),
        other => ApiError::not_configured(&other.to_string()),
    })
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

/// The same by a key that is no text.
pub(crate) fn sign_sha256_by(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    mac_by(key, parts).map(|mac| mac.finalize().into_bytes().to_vec())
}

/// Checks, in a time that says nothing of where they differ, that `claimed` is the secret itself.
pub(crate) fn same(secret: &Secret, claimed: &[u8]) -> Answer<()> {
    // Hashes have one length, so that not even that of the secret can be told from the time.
    let hash = |text: &[u8]| Sha256::digest(text);
    if same_bytes(&hash(secret.reveal().as_bytes()), &hash(claimed)) {
        Ok(())
    } else {
        Err(ApiError::unauthorized("the token is not the secret of the webhook"))
    }
}

/// Whether both are the same, in a time that says nothing of where they differ.
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

fn mac(secret: &Secret, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    mac_by(secret.reveal().as_bytes(), parts)
}

/// None for a key of a wrong length, which none has.
fn mac_by(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}
