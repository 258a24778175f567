//! Private keys in every container: PEM in lines, in one line, in JSON; PuTTY; JWK; key stores.

use super::value::{entropy, has_run, is_published};

/// How much of a key is looked at.
const MAX_BODY: usize = 16 * 1024;

/// A key that was found in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) encrypted: bool,
    pub(crate) title: &'static str,
}

/// The PEM key whose words `PRIVATE KEY` begin at `at`.
pub(crate) fn pem(text: &str, at: usize) -> Option<Key> {
    let line_start = at.saturating_sub(60);
    let line_start = (line_start..=at).find(|i| text.is_char_boundary(*i))?;
    let before = text.get(line_start..at)?;
    let begin = before.rfind("-----BEGIN ")?;
    let label = before.get(begin + 11..)?;
    if label.len() > 30
        || !label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ')
    {
        return None;
    }
    let rest = text.get(at + "PRIVATE KEY".len()..)?;
    let rest = rest.strip_prefix(" BLOCK").unwrap_or(rest);
    let rest = rest.strip_prefix("-----")?;
    let mut limit = MAX_BODY.min(rest.len());
    while !rest.is_char_boundary(limit) {
        limit -= 1;
    }
    let body = rest.get(..limit)?;
    // Whatever armour line comes next ends it.
    let body = body.split("-----").next().unwrap_or(body);
    let start = line_start + begin;
    key_material(body).then(|| Key {
        start,
        end: at + "PRIVATE KEY".len() + body.len(),
        encrypted: label.contains("ENCRYPTED") || body.contains("Proc-Type: 4,ENCRYPTED"),
        title: "private key",
    })
}

/// Whether a text between the armour lines holds a key: the lines alone are constants of a parser.
fn key_material(body: &str) -> bool {
    let mut longest = "";
    // An escaped line break in a string ends a run as a real one does.
    for piece in body.split("\\n").flat_map(|l| l.split("\\r")).flat_map(|l| l.split("\\\\")) {
        for run in piece.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))) {
            if run.len() > longest.len() {
                longest = run;
            }
        }
    }
    longest.len() >= 40 && !has_run(longest, 14) && entropy(longest) > 3.5 && !is_published(longest)
}

/// The PuTTY key whose first words begin at `at`.
pub(crate) fn putty(text: &str, at: usize) -> Option<Key> {
    let rest = text.get(at..)?;
    let mut limit = MAX_BODY.min(rest.len());
    while !rest.is_char_boundary(limit) {
        limit -= 1;
    }
    let body = rest.get(..limit)?;
    let private = body.find("Private-Lines:").filter(|at| *at < 4_096)?;
    let encrypted = body
        .get(..private)?
        .lines()
        .find_map(|l| l.trim().strip_prefix("Encryption:"))
        .is_some_and(|e| e.trim() != "none");
    key_material(body.get(private..)?).then_some(Key {
        start: at,
        end: at + private,
        encrypted,
        title: "PuTTY private key",
    })
}

/// The JSON web key whose `"kty"` is at `at`: private when the same object has `d` or, for a
/// symmetric key, `k`.
pub(crate) fn jwk(text: &str, at: usize) -> Option<Key> {
    let mut from = at.saturating_sub(4_096);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let open = from + text.get(from..at)?.rfind('{')?;
    let mut to = (at + 8_192).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    let close = at + text.get(at..to)?.find('}')?;
    let object = text.get(open..close)?;
    let compact: String = object.chars().filter(|c| !c.is_whitespace() && *c != '\\').collect();
    let member = |name: &str| {
        let value = compact.split(&format!("\"{name}\":\"")).nth(1)?.split('"').next()?;
        (value.len() >= 20 && entropy(value) > 3.5 && !is_published(value)).then_some(())
    };
    let private =
        member("d").is_some() || compact.contains("\"kty\":\"oct\"") && member("k").is_some();
    private.then_some(Key {
        start: at,
        end: close,
        encrypted: false,
        title: "private JSON web key",
    })
}

/// A key store of Java or of PKCS#12 that holds a private key.
pub(crate) fn store(bytes: &[u8]) -> Option<&'static str> {
    if let Some(rest) = bytes.strip_prefix(&[0xfe, 0xed, 0xfe, 0xed]) {
        // Version, number of entries, then the kind of the first: 1 is a private key.
        let kind = rest.get(8..12)?;
        return (kind == [0, 0, 0, 1]).then_some("Java key store with a private key");
    }
    if bytes.starts_with(&[0xce, 0xce, 0xce, 0xce]) {
        return Some("Java key store (JCEKS)");
    }
    let is_pfx = bytes.first() == Some(&0x30)
        && bytes.get(..16)?.windows(3).any(|w| w == [0x02, 0x01, 0x03]);
    // pkcs-12 bags with a key, shrouded or not: 1.2.840.113549.1.12.10.1.1 and .2.
    const BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01];
    if is_pfx {
        let holds = bytes
            .windows(BAG.len() + 1)
            .any(|w| w.starts_with(BAG) && matches!(w.last(), Some(1 | 2)));
        return holds.then_some("PKCS#12 key store with a private key");
    }
    // A private key in DER: a sequence, version 0, and the numbers or the algorithm of RSA.
    let der = bytes.first() == Some(&0x30) && bytes.get(1) == Some(&0x82);
    let rsa =
        bytes.get(4..7) == Some(&[0x02, 0x01, 0x00]) && bytes.len() > 300 && bytes.len() < 8_192;
    (der && rsa).then_some("private key in DER")
}
