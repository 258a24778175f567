//! Bytes as text, whatever they are encoded in.

use std::borrow::Cow;

/// Bytes that are looked at to tell an encoding.
const SAMPLE: usize = 16 * 1024;
/// Shortest piece of text that is taken out of binary data.
const MIN_PIECE: usize = 6;

/// Text out of a file.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    pub(crate) text: Cow<'a, str>,
    /// A second reading, where more than one is possible.
    pub(crate) also: Option<String>,
}

impl<'a> Decoded<'a> {
    fn plain(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), also: None }
    }
}

/// Reads bytes as text: by byte order mark, by the pattern of their NUL bytes, as UTF-8, as
/// Latin-1, and as the pieces of text in binary data.
pub(crate) fn decode(bytes: &[u8]) -> Decoded<'_> {
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => return Decoded::plain(utf32(rest, u32::from_le_bytes)),
        [0, 0, 0xfe, 0xff, rest @ ..] => return Decoded::plain(utf32(rest, u32::from_be_bytes)),
        [0xff, 0xfe, rest @ ..] => return with_pieces(utf16(rest, u16::from_le_bytes), bytes),
        [0xfe, 0xff, rest @ ..] => return with_pieces(utf16(rest, u16::from_be_bytes), bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => return decode_narrow(rest),
        _ => {}
    }
    let sample = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    let mut zeros = [0usize; 4];
    for (index, _) in sample.iter().enumerate().filter(|(_, b)| **b == 0) {
        if let Some(count) = zeros.get_mut(index % 4) {
            *count += 1;
        }
    }
    let quarter = sample.len() / 4;
    let many = |count: usize| quarter > 0 && count * 10 >= quarter * 6;
    let few = |count: usize| count * 20 <= quarter;
    let [a, b, c, d] = zeros;
    if few(a) && many(b) && many(c) && many(d) {
        return with_pieces(utf32(bytes, u32::from_le_bytes), bytes);
    }
    if many(a) && many(b) && many(c) && few(d) {
        return with_pieces(utf32(bytes, u32::from_be_bytes), bytes);
    }
    if few(a) && few(c) && many(b) && many(d) {
        return with_pieces(utf16(bytes, u16::from_le_bytes), bytes);
    }
    if many(a) && many(c) && few(b) && few(d) {
        return with_pieces(utf16(bytes, u16::from_be_bytes), bytes);
    }
    decode_narrow(bytes)
}

/// UTF-16 that only claims to be so still has the pieces that anybody would see.
fn with_pieces(text: String, bytes: &[u8]) -> Decoded<'_> {
    Decoded { text: text.into(), also: Some(pieces(bytes)) }
}

fn decode_narrow(bytes: &[u8]) -> Decoded<'_> {
    let has_zero = bytes.contains(&0);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let also = has_zero.then(|| pieces(bytes));
        return Decoded { text: text.into(), also };
    }
    let sample = bytes.get(..SAMPLE.min(bytes.len())).unwrap_or_default();
    let control = sample.iter().filter(|b| matches!(b, 0..=8 | 14..=26 | 28..=31 | 127)).count();
    if control * 50 <= sample.len() {
        let text: String = bytes.iter().map(|b| char::from(*b)).collect();
        return Decoded { text: text.into(), also: has_zero.then(|| pieces(bytes)) };
    }
    Decoded { text: pieces(bytes).into(), also: None }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    char::decode_utf16(pairs.iter().map(|pair| read(*pair)))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn utf32(bytes: &[u8], read: fn([u8; 4]) -> u32) -> String {
    let (quads, _) = bytes.as_chunks::<4>();
    quads
        .iter()
        .map(|quad| char::from_u32(read(*quad)).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// The runs of printable ASCII, one byte or two bytes a character.
fn pieces(bytes: &[u8]) -> String {
    let mut out = String::new();
    let printable = |b: u8| (b' '..=b'~').contains(&b) || b == b'\t';
    let mut end = 0;
    for run in bytes.split(|b| !printable(*b)) {
        if run.len() >= MIN_PIECE {
            out.extend(run.iter().map(|b| char::from(*b)));
            out.push('\n');
        }
    }
    // Every other byte, from the first and from the second on.
    while let Some(window) = bytes.get(end..) {
        let wide = |at: &[u8]| matches!(at, [a, 0] if printable(*a));
        let Some(start) = window.windows(2).position(wide) else { break };
        let start = end + start;
        let mut length = 0;
        while bytes.get(start + length * 2..start + length * 2 + 2).is_some_and(wide) {
            length += 1;
        }
        if length >= MIN_PIECE {
            let run = bytes.get(start..start + length * 2).unwrap_or_default();
            out.extend(run.iter().step_by(2).map(|b| char::from(*b)));
            // With the NUL before each character, the last one has none behind it.
            let big = start > 0 && bytes.get(start - 1) == Some(&0);
            let last = bytes.get(start + length * 2).filter(|b| big && printable(**b));
            out.extend(last.map(|b| char::from(*b)));
            out.push('\n');
        }
        end = start + (length * 2).max(1);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8]) -> String {
        let decoded = decode(bytes);
        format!("{}\n{}", decoded.text, decoded.also.unwrap_or_default())
    }

    fn wide(text: &str, big: bool) -> Vec<u8> {
        let units = text.encode_utf16();
        units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
    }

    #[test]
    fn every_encoding_is_read() {
        let text = "KEY=abcdef\r\nüber=1\r\n";
        let four = |big: bool| -> Vec<u8> {
            let chars = text.chars().map(u32::from);
            chars.flat_map(|c| if big { c.to_be_bytes() } else { c.to_le_bytes() }).collect()
        };
        for (name, bytes) in [
            ("utf-8", text.as_bytes().to_vec()),
            ("utf-8 with mark", [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat()),
            ("utf-16 le", wide(text, false)),
            ("utf-16 be", wide(text, true)),
            ("utf-16 le with mark", [&[0xff, 0xfe], &wide(text, false)[..]].concat()),
            ("utf-16 be with mark", [&[0xfe, 0xff], &wide(text, true)[..]].concat()),
            ("utf-32 le", four(false)),
            ("utf-32 be", four(true)),
            ("utf-32 le with mark", [&[0xff, 0xfe, 0, 0], &four(false)[..]].concat()),
        ] {
            assert!(decode(&bytes).text.contains(text), "{name}: {:?}", decode(&bytes));
        }
        let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
        assert_eq!(decode(&latin).text, text);
        assert!(decode(b"\0KEY=abcdef\n").text.contains("KEY=abcdef"));
    }

    #[test]
    fn pieces_are_taken_out_of_binary_data() {
        let mut bytes: Vec<u8> = (0..=255).cycle().take(4_000).collect();
        bytes.extend(b"KEY=abcdef\x01");
        bytes.extend(wide("WIDE=abcdef", false));
        let decoded = decode(&bytes);
        assert!(
            decoded.text.contains("\nKEY=abcdef\n") && decoded.text.contains("\nWIDE=abcdef\n")
        );
    }

    proptest! {
        #[test]
        fn what_is_between_any_bytes_is_seen(
            before in prop::collection::vec(any::<u8>(), 0..400),
            after in prop::collection::vec(any::<u8>(), 0..400),
            encoding in 0..3,
        ) {
            let text = "TOKEN_0123456789";
            let inner = match encoding {
                0 => text.as_bytes().to_vec(),
                1 => wide(text, false),
                _ => wide(text, true),
            };
            // A separator of its own width, so that the text is not part of another character.
            let edge: &[u8] = if encoding == 0 { b"\n\n\n\n" } else { b"\n\0\0\n" };
            let bytes = [&before[..], edge, &inner, edge, &after].concat();
            if encoding < 2 || before.len() % 2 == 0 {
                prop_assert!(all(&bytes).contains(text), "{:?}", decode(&bytes));
            }
        }
    }
}
