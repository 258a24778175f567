//! Whether what was found is a secret, and how much it matters.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pact_contract::Severity;
use serde_json::Value;

use super::{
    name,
    name::Promise,
    pairs::{Pair, Sign},
    place::{Place, Style},
    rules::{Check, Kind},
    text::Text,
    value::{
        Strength, base62, counts_up, crc32, entropy, has_run, is_mixed, is_published, is_sequence,
        is_template, is_uuid, strength,
    },
};

/// How far around a key its neighbours are looked at.
const AROUND: usize = 600;

/// A secret of a known form: its severity, and what is said about it.
pub(super) fn known(
    kind: &Kind,
    secret: &str,
    seen: &Text<'_>,
    at: usize,
) -> Option<(Severity, &'static str)> {
    let prefix = kind.keys.iter().find(|k| secret.starts_with(k.as_str())).map_or(0, String::len);
    let body = secret.get(prefix..).unwrap_or(secret);
    if is_made_up(body, secret) {
        return None;
    }
    match kind.check {
        None => Some((kind.severity, "")),
        Some(Check::Crc32Base62) => match checksum_is_right(secret) {
            Some(true) | None => Some((kind.severity, "")),
            // Not as issued, so it cannot be used; but perhaps cut or altered by hand.
            Some(false) if seen.place.is_test => {
                Some((Severity::Low, " (its checksum is wrong: it looks made up)"))
            }
            Some(false) => Some((Severity::High, " (its checksum is wrong: altered or made up)")),
        },
        Some(Check::AwsKeyId) => {
            if secret.ends_with("EXAMPLE") || secret.contains("EXAMPLE") && seen.place.is_test {
                return None;
            }
            let before = seen.text.get(at.saturating_sub(11)..at).unwrap_or_default();
            let signed = before.ends_with("Credential=");
            Some(if signed {
                (Severity::Medium, " in a signed request")
            } else {
                (kind.severity, "")
            })
        }
        Some(Check::GoogleKey) => {
            let public = [
                "authDomain",
                "auth_domain",
                "storageBucket",
                "messagingSenderId",
                "measurementId",
                "firebaseapp.com",
                "google-services",
                "mobilesdk_app_id",
            ];
            let around = around(seen.text, at);
            if public.iter().any(|word| around.contains(word)) {
                return None;
            }
            Some((kind.severity, ""))
        }
        Some(Check::Mixed) => {
            (strength(body) == Strength::Random || is_mixed(body, 8)).then_some((kind.severity, ""))
        }
    }
}

fn around(text: &str, at: usize) -> &str {
    let mut from = at.saturating_sub(AROUND);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut to = (at + AROUND).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    text.get(from..to).unwrap_or_default()
}

/// Whether a value of the right form says of itself that nobody issued it.
fn is_made_up(body: &str, whole: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let longest = body
        .split(|c: char| !c.is_ascii_alphanumeric())
        .max_by_key(|part| part.len())
        .unwrap_or(body);
    is_published(whole)
        || has_run(body, 6)
        || longest.len() >= 12 && is_sequence(longest)
        || counts_up(body, 8)
        || body.split(|c: char| !c.is_ascii_alphanumeric()).any(|p| p.len() >= 12 && is_sequence(p))
        || ["xxxx", "example", "placeholder", "redacted", "your", "dummy", "fake", "sample", "1234567890", "abcdefg", "deadbeef"]
            .iter()
            .any(|word| lower.contains(word))
            // A random token holds any four letters sooner or later, but not with little else.
            && strength(body) < Strength::Random
        || lower.contains("xxxxx")
        || body.len() >= 12 && entropy(body) < 2.6
}

/// Whether the last six characters are the CRC-32 of those after the prefix, in base 62; none
/// when the token has another length than the ones with a checksum.
fn checksum_is_right(token: &str) -> Option<bool> {
    let (_, body) = token.split_once('_')?;
    if body.len() != 36 {
        return None;
    }
    let (random, checksum) = body.split_at_checked(30)?;
    Some(base62(crc32(random.as_bytes())) == checksum)
}

/// A value of a form that says little, behind the name `name`.
pub(super) fn near(kind: &Kind, name: &str, secret: &str, seen: &Text<'_>) -> Option<Severity> {
    if is_made_up(secret, secret) || is_template(secret) {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let about = [
        "_id",
        "url",
        "uri",
        "host",
        "name",
        "version",
        "commit",
        "sha",
        "hash",
        "checksum",
        "digest",
        "integrity",
        "public",
        "client_id",
        "clientid",
        "rev",
        "md5",
        "fingerprint",
    ];
    if about.iter().any(|a| lower.ends_with(a))
        || lower.contains("sha256")
        || lower.contains("public")
    {
        return None;
    }
    // The word of a provider alone does not make a secret of a number.
    let promise = name::promise(name);
    // What stands before a sign may be the same in all of them: `live_`.
    let longest = secret.rsplit(['_', '-', '.']).max_by_key(|part| part.len()).unwrap_or(secret);
    let looks = strength(secret).max(strength(longest));
    let uuid = is_uuid(secret);
    if !uuid && looks < Strength::Random {
        return None;
    }
    if promise == Promise::Nothing
        && (uuid || seen.place.style == Style::Prose || !is_whole_name(kind, &lower))
    {
        return None;
    }
    Some(if seen.place.is_test { Severity::Low } else { kind.severity })
}

/// Whether a name is no more than one of the words that the kind stands near.
fn is_whole_name(kind: &Kind, lower: &str) -> bool {
    let name = lower.trim_matches(['-', '_', '.', '"', '\'']);
    kind.near.iter().any(|n| name == n || name.ends_with(n.as_str()) && n.contains(['_', '-']))
}

/// A value with a telling name.
pub(super) fn pair(
    name: &str,
    pair: &Pair<'_>,
    seen: &Text<'_>,
) -> Option<(Severity, &'static str)> {
    let promise = name::promise(name);
    if promise == Promise::Nothing || pair.value.len() < 6 {
        return None;
    }
    let value = pair.value;
    // Keys that every visitor of a page sees are public by design.
    let public = ["AIza", "pk_live_", "pk_test_", "pk.eyJ", "phc_", "sb_publishable_", "6L"];
    if name.eq_ignore_ascii_case(value)
        || is_reference(pair, seen)
        || public.iter().any(|start| value.starts_with(start))
    {
        return None;
    }
    let looks = strength(value);
    let place = seen.place;
    let settings = place.style != Style::Prose && place.style != Style::Code;
    let counts = match (promise, looks) {
        (_, Strength::Nothing) | (Promise::Nothing, _) => false,
        (Promise::Password | Promise::Secret, Strength::Random) => {
            place.style != Style::Prose
                || value.len() >= if promise == Promise::Password { 12 } else { 16 }
                || pair.quoted
        }
        (Promise::Key, Strength::Random) => {
            value.len() >= 24
                && !(place.style == Style::Code
                    && value.bytes().all(|b| b.is_ascii_hexdigit())
                    && value.len() != 64)
        }
        (Promise::Password, Strength::Chosen) => {
            !is_uuid(value)
                && (settings
                    || pair.quoted
                        && place.style == Style::Code
                        && (is_chosen_well(value) || is_chosen_with_a_sign(value)))
        }
        (Promise::Secret, Strength::Chosen) => {
            settings && (is_uuid(value) || is_chosen_well(value))
        }
        (Promise::Key, Strength::Chosen) => false,
    };
    if !counts {
        return None;
    }
    let severity = match (place.is_test, looks) {
        (true, _) => Severity::Low,
        (false, Strength::Random) => Severity::High,
        (false, _) if promise == Promise::Password && settings => Severity::High,
        (false, _) => Severity::Medium,
    };
    Some((severity, "hard-coded credential"))
}

/// Letters of both cases, digits, and a sign or much length: nobody names a thing so.
fn is_chosen_well(value: &str) -> bool {
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    let signs = has(|b| !b.is_ascii_alphanumeric());
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && digits >= 1
        && (signs || digits >= 3 && value.len() >= 10)
}

/// Words with a number and a sign that stands in no name, as people make passwords.
fn is_chosen_with_a_sign(value: &str) -> bool {
    let count = |class: fn(&u8) -> bool| value.bytes().filter(class).count();
    value.len() >= 10
        && count(u8::is_ascii_digit) >= 2
        && count(u8::is_ascii_alphabetic) >= 6
        && value.ends_with(['!', '@', '#', '?', '*', '$'])
}

/// Whether a value without quotes is a name of the program.
fn is_reference(pair: &Pair<'_>, seen: &Text<'_>) -> bool {
    let value = pair.value;
    if pair.quoted {
        // A selector, a message, the key of another setting.
        return value.contains(' ')
            || value.starts_with(['#', '.', '/', '[', '('])
            || value.ends_with(['=', ':']) && value.len() < 20
            || pair.sign == Sign::Argument && pair.name.starts_with("get");
    }
    value.starts_with(['[', '(', '{', '!', '*', '&', '|', '>'])
        || value.contains(['(', ')', '{', '}', '[', ']', '<', '>', ';'])
            && (value.contains("()")
                || value.contains('(') && value.ends_with(')')
                || !is_mixed(value, 12))
        || seen.place.style != Style::Config && value.contains('.') && !is_mixed(value, 16)
        || [
            "true",
            "false",
            "null",
            "none",
            "nil",
            "undefined",
            "self.",
            "this.",
            "os.",
            "process.",
            "env.",
            "config.",
            "settings.",
            "var.",
            "local.",
            "data.",
            "module.",
            "secrets.",
        ]
        .iter()
        .any(|start| value.to_ascii_lowercase().starts_with(start))
}

/// Whether a token is a signed one with claims, and how much it matters.
pub(super) fn jwt(token: &str, place: Place) -> Option<(Severity, &'static str)> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
    };
    let header = read(header)?;
    header.get("alg").and_then(Value::as_str)?;
    if signature.trim_end_matches('=').len() < 20
        || is_published(token)
        || has_run(signature, 8)
        || is_sequence(signature)
    {
        return None;
    }
    let claims = if claims.starts_with("eyJ") { read(claims) } else { None };
    let claim = |name: &str| claims.as_ref().and_then(|c| c.get(name));
    // A key for browsers is public by design.
    if claim("role").and_then(Value::as_str) == Some("anon") {
        return None;
    }
    // The one of the introduction to the format.
    if claim("name").and_then(Value::as_str) == Some("John Doe") {
        return None;
    }
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let expired = claim("exp").and_then(Value::as_u64).is_some_and(|exp| exp < now);
    Some(match (place.is_test || place.style == Style::Prose, expired) {
        (true, _) => (Severity::Low, ""),
        (false, true) => (Severity::Medium, " (expired)"),
        (false, false) => (Severity::High, ""),
    })
}
