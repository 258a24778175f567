//! The private key of a GitHub App, as GitHub hands it out: an RSA key in PEM, of PKCS #1 (RFC 8017,
//! A.1.2), or of PKCS #8 (RFC 5208) where somebody turned it into that.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::EncodingKey;

const PKCS1: &str = "RSA PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";
/// Tags of DER (X.690).
const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const INTEGER: u8 = 0x02;

/// Reads the key. None of anything else.
pub(crate) fn read(pem: &str) -> Option<EncodingKey> {
    let der = |label| body(pem, label).and_then(|text| STANDARD.decode(text).ok());
    let pkcs1 = match der(PKCS1) {
        Some(der) => der,
        None => inner(&der(PKCS8)?)?.to_vec(),
    };
    // The library looks at it when it signs: what is none is told here.
    let (version, _) = element(element(&pkcs1, SEQUENCE)?.0, INTEGER)?;
    (version == [0]).then(|| EncodingKey::from_rsa_der(&pkcs1))
}

/// The text between the lines that name it. A parameter may have lost its line feeds.
fn body(pem: &str, label: &str) -> Option<String> {
    let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
    let (text, _) = rest.split_once(&format!("-----END {label}-----"))?;
    Some(text.replace("\\n", "").split_whitespace().collect())
}

/// The key that a PKCS #8 structure is about.
fn inner(der: &[u8]) -> Option<&[u8]> {
    let (structure, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(structure, INTEGER)?;
    let (_, rest) = element(rest, SEQUENCE)?;
    element(rest, OCTETS).map(|(key, _)| key)
}

/// What the element has that the bytes begin with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)), rest)
        }
        // No key is longer than 64 KiB.
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms_and_without_its_line_feeds() {
        use aws_lc_rs::{
            encoding::{AsDer as _, Pkcs8V1Der},
            rsa::{KeyPair, KeySize},
        };

        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("its bytes");
        let pkcs1 = inner(der.as_ref()).expect("the key in it");
        for (label, der) in [(PKCS8, der.as_ref()), (PKCS1, pkcs1)] {
            let text = STANDARD.encode(der);
            for (feed, end) in [("\n", "\r\n"), (" ", " "), ("\\n", "\\n")] {
                let lines: Vec<_> =
                    text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
                let text = lines.join(feed);
                let pem =
                    format!("-----BEGIN {label}-----{feed}{text}{end}-----END {label}-----{end}");
                assert!(read(&pem).is_some(), "{label} {feed:?}");
            }
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        let of = |label: &str, der: &[u8]| {
            read(&format!(
                "-----BEGIN {label}-----\n{}\n-----END {label}-----",
                STANDARD.encode(der)
            ))
        };
        for der in [&[][..], &[0x30], &[0x30, 0x82, 0xff], &[0x30, 0x85, 1], &[0x30, 0x03, 2, 1, 1]]
        {
            assert!(of(PKCS1, der).is_none() && of(PKCS8, der).is_none(), "{der:?}");
        }
        for text in
            ["", "ghs_token", "-----BEGIN RSA PRIVATE KEY-----", "-----END PRIVATE KEY-----"]
        {
            assert!(read(text).is_none(), "{text}");
        }
    }
}
