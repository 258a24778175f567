//! Bytes of an XML document as UTF-8: by its byte order mark, by the look of its first characters,
//! or by what it declares (XML 1.0, appendix F). What is no text of the encoding is replaced.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// Bytes within which a declaration has to say its encoding.
const DECLARATION: usize = 256;

/// The document's text.
///
/// # Errors
/// Its beginning cannot be read.
pub(super) fn decoded(mut bytes: impl Read) -> io::Result<impl BufRead> {
    let mut begin = Vec::with_capacity(DECLARATION);
    bytes.by_ref().take(DECLARATION as u64).read_to_end(&mut begin)?;
    let encoding = encoding(&begin);
    let bytes = Cursor::new(begin).chain(bytes);
    // A byte order mark counts before what is declared.
    let text =
        DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).build(bytes);
    Ok(BufReader::with_capacity(64 * 1024, text))
}

fn encoding(begin: &[u8]) -> &'static Encoding {
    match begin {
        [b'<', 0, ..] => return UTF_16LE,
        [0, b'<', ..] => return UTF_16BE,
        _ => {}
    }
    let text: String = begin.iter().take_while(|b| **b != b'>').map(|b| char::from(*b)).collect();
    let declared = text.trim_start().strip_prefix("<?xml").and_then(|text| {
        let (_, rest) = text.split_once("encoding")?;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        rest.get(1..)?.split(quote).next()
    });
    let found = declared.and_then(|label| Encoding::for_label(label.as_bytes()));
    // What can be read up to here is no UTF-16, whatever it says.
    found.filter(|found| *found != UTF_16LE && *found != UTF_16BE).unwrap_or(UTF_8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        decoded(bytes).expect("it begins").read_to_string(&mut text).expect("it is read");
        text
    }

    #[test]
    fn every_encoding_is_read_as_it_is() {
        let utf16 = |text: &str, big: bool, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        for (big, mark) in [(true, true), (false, true), (true, false), (false, false)] {
            assert_eq!(text(&utf16("<a b='é'/>", big, mark)), "<a b='é'/>", "{big} {mark}");
        }
        assert_eq!(text(b"\xef\xbb\xbf<a/>"), "<a/>");
        let latin = b"<?xml version='1.0' encoding = \"ISO-8859-1\" ?><a>caf\xe9</a>";
        assert!(text(latin).ends_with("<a>café</a>"));
        // Declared wrongly, or not at all.
        assert!(text("<?xml version='1.0' encoding='UTF-16'?>é".as_bytes()).ends_with('é'));
        assert_eq!(text(b"<a>\xff</a>"), "<a>\u{fffd}</a>");
        assert_eq!(text(b""), "");
    }
}
