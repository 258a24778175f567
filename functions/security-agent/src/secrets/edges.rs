//! Where a secret begins and ends in its text.

/// The value behind a word: where it begins, and whether it is in quotes.
pub(super) fn value_near(text: &str, end: usize) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let mut at = end;
    while at - end < 48
        && bytes
            .get(at)
            .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
    {
        at += 1;
    }
    let mut signs = 0;
    let mut quoted = false;
    let from = at;
    while at - from < 24 {
        match bytes.get(at)? {
            b'=' | b':' | b'>' | b'(' | b',' => {
                signs += 1;
                quoted = false;
            }
            b'"' | b'\'' | b'`' => quoted = !quoted || signs > 0,
            b' ' | b'\t' | b'\\' | b'[' | b']' => {}
            _ => break,
        }
        at += 1;
    }
    (signs > 0 && signs <= 4).then_some((at, quoted))
}

/// Whether what stands before a secret does not belong to it.
pub(super) fn stands_alone_before(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let back = |n: usize| at.checked_sub(n).and_then(|i| bytes.get(i)).copied();
    match back(1) {
        None => true,
        // `\n` and the like in a string; `%3D` and `\u003d` of an encoding.
        Some(b'n' | b'r' | b't') if back(2) == Some(b'\\') => true,
        Some(b)
            if b.is_ascii_hexdigit()
                && back(3) == Some(b'%')
                && back(2).is_some_and(|b| b.is_ascii_hexdigit()) =>
        {
            true
        }
        Some(b) if b.is_ascii_hexdigit() && back(6) == Some(b'\\') && back(5) == Some(b'u') => true,
        Some(b) => !(b.is_ascii_alphanumeric() || b == b'_'),
    }
}

pub(super) fn stands_alone_after(text: &str, at: usize) -> bool {
    !text.as_bytes().get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

pub(super) fn token_length(text: &str, at: usize, most: usize) -> usize {
    text.as_bytes()
        .get(at..)
        .map_or(0, |rest| rest.iter().take(most).take_while(|b| is_token(**b)).count())
}

pub(super) fn token_start(text: &str, at: usize, most: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    // A colon, as in the token of a Telegram bot.
    let length =
        before.iter().rev().take(most).take_while(|b| is_token(**b) || **b == b':').count();
    at - length
}

pub(super) fn window(text: &str, at: usize, length: usize) -> &str {
    let mut end = (at + length).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    text.get(at..end).unwrap_or_default()
}
