//! Text within text: base64, hexadecimal and percent encoding.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Shortest run that is decoded.
const MIN_RUN: usize = 20;
/// Longest run that is decoded.
const MAX_RUN: usize = 512 * 1024;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Base64 as text, when it is text.
pub(crate) fn base64(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=');
    if text.len() < 4 {
        return None;
    }
    // The beginning says whether it is worth the rest.
    let head = text.get(..text.len().min(16) / 4 * 4)?;
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let first = engine.decode(head).ok()?;
    if !first.iter().all(|b| is_text(*b)) && !first.starts_with(&[0x1f, 0x8b]) {
        return None;
    }
    as_text(engine.decode(text).ok()?)
}

/// Hexadecimal digits as text, when it is text.
pub(crate) fn hexadecimal(text: &str) -> Option<String> {
    if !text.len().is_multiple_of(2) || text.len() < MIN_RUN {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 2);
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    for [high, low] in pairs {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        out.push(digit(*high)? * 16 + digit(*low)?);
        if out.last().is_some_and(|b| !is_text(*b)) {
            return None;
        }
    }
    as_text(out)
}

/// Percent encoding as text; none where nothing is encoded.
pub(crate) fn percent(text: &str) -> Option<String> {
    if !text.contains('%') {
        return None;
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let mut any = false;
    while let Some(byte) = bytes.get(at) {
        let code = (*byte == b'%')
            .then(|| text.get(at + 1..at + 3).and_then(|t| u8::from_str_radix(t, 16).ok()))
            .flatten();
        match code {
            Some(code) => {
                out.push(code);
                any = true;
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    any.then(|| as_text(out)).flatten()
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~') || byte >= 0x80
}

fn as_text(bytes: Vec<u8>) -> Option<String> {
    let odd = bytes.iter().filter(|b| !is_text(**b)).count();
    if odd * 20 > bytes.len() {
        return None;
    }
    String::from_utf8(bytes).ok()
}

/// What a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Base64,
    Hexadecimal,
    Percent,
}

/// The runs of a text that may be encoded text: where each begins and ends, and how.
pub(crate) fn runs(text: &str) -> Vec<(usize, usize, Coding)> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let is_run = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
        if !bytes.get(at).is_some_and(is_run) {
            at += 1;
            continue;
        }
        let length = bytes.get(at..).map_or(0, |r| r.iter().take_while(|b| is_run(b)).count());
        let end = at + length;
        if (MIN_RUN..=MAX_RUN).contains(&length) {
            let run = bytes.get(at..end).unwrap_or_default();
            if run.iter().all(u8::is_ascii_hexdigit) {
                if length >= 2 * MIN_RUN {
                    out.push((at, end, Coding::Hexadecimal));
                }
            } else if looks_like_base64_text(run) {
                out.push((at, end, Coding::Base64));
            }
        }
        at = end.max(at + 1);
    }
    // Tokens with percent signs, in addresses and forms.
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|t| t.find('%')) {
        let sign = from + found;
        let is_code = text
            .as_bytes()
            .get(sign + 1..sign + 3)
            .is_some_and(|c| c.iter().all(u8::is_ascii_hexdigit));
        if !is_code {
            from = sign + 1;
            continue;
        }
        let edge = |b: &u8| b.is_ascii_whitespace() || b"\"'`<>".contains(b);
        let before = bytes.get(..sign).unwrap_or_default();
        let start = before
            .iter()
            .rev()
            .take(4_096)
            .position(edge)
            .map_or(sign.saturating_sub(4_096), |back| sign - back);
        let after = bytes.get(sign..).unwrap_or_default();
        let length = after.iter().take(8_192).position(edge).unwrap_or(after.len().min(8_192));
        if text.is_char_boundary(start) && text.is_char_boundary(sign + length) {
            out.push((start, sign + length, Coding::Percent));
        }
        from = sign + length.max(1);
    }
    out
}

/// Text in base64 has few signs, and its first letters stand for ASCII: the first sextet of a
/// byte below 128 is below 32.
fn looks_like_base64_text(run: &[u8]) -> bool {
    let value = |b: u8| match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' | b'-' => 62,
        _ => 63,
    };
    run.chunks(4).take(4).all(|quad| quad.first().is_none_or(|b| value(*b) < 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_undone() {
        assert_eq!(base64("cGFzc3dvcmQ9YWJjZGVmZ2g=").as_deref(), Some("password=abcdefgh"));
        assert_eq!(base64("AAECAwQFBgcICQ=="), None);
        assert_eq!(hexadecimal("70617373776f72643d616263").as_deref(), Some("password=abc"));
        assert_eq!(percent("a%3Db%26c").as_deref(), Some("a=b&c"));
        assert_eq!(percent("100%"), None);
        let text = "x cGFzc3dvcmQ9YWJjZGVmZ2g= y 70617373776f72643d6162636465666768696a6b z%20w";
        let kinds: Vec<_> = runs(text).iter().map(|r| r.2).collect();
        assert_eq!(kinds, [Coding::Base64, Coding::Hexadecimal, Coding::Percent]);
    }
}
