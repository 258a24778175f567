//! Source text as words, strings and signs, for every language alike: what all of them share is
//! enough to see calls, assignments and how text is put together, and nothing of it nests so
//! deeply, or is so broken, that it could not be read.

/// What differs between languages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syntax {
    /// What begins a comment that ends with the line.
    pub(crate) line_comments: &'static [&'static str],
    /// `/* … */`.
    pub(crate) block_comments: bool,
    /// The signs that begin and end a string.
    pub(crate) quotes: &'static [u8],
    /// Three quotes are a string over lines.
    pub(crate) triple: bool,
    /// Letters before a quote that mark what is filled in: `f"{x}"`.
    pub(crate) marked: bool,
    /// What fills in a value: `${`, `#{`, and in quotes of which kind.
    pub(crate) fill: &'static [(&'static str, &'static [u8])],
    /// `$name` in a string fills in too.
    pub(crate) dollar: bool,
    /// A backquote or single quote has no escapes.
    pub(crate) raw: &'static [u8],
    /// A single quote may be a lifetime.
    pub(crate) lifetimes: bool,
    /// A slash may begin an expression.
    pub(crate) regex: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    /// A string; whether something is filled in.
    Text {
        filled: bool,
    },
    Sign(u8),
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The tokens of a text, with the partner of each bracket.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) all: Vec<Token>,
    /// For an opening bracket the index of the closing one; else 0.
    pub(crate) partner: Vec<u32>,
    /// Comments by where they begin.
    pub(crate) comments: Vec<(usize, usize)>,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 || byte == b'$'
}

/// Reads a text.
pub(crate) fn lex(text: &str, syntax: &Syntax) -> Tokens {
    let bytes = text.as_bytes();
    let mut out = Tokens::default();
    let mut at = 0;
    let mut open: Vec<usize> = Vec::new();
    while let Some(byte) = bytes.get(at).copied() {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let comment = syntax.line_comments.iter().any(|c| rest.starts_with(c.as_bytes()))
            // In a shell a `#` begins a comment only at the beginning of a word.
            && (byte != b'#' || at == 0 || bytes.get(at - 1).is_none_or(|b| !is_word(*b) && *b != b'{'));
        if comment {
            let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            out.comments.push((at, at + length));
            at += length;
            continue;
        }
        if syntax.block_comments && rest.starts_with(b"/*") {
            let length =
                rest.windows(2).skip(2).position(|w| w == b"*/").map_or(rest.len(), |l| l + 4);
            out.comments.push((at, at + length));
            at += length;
            continue;
        }
        if syntax.quotes.contains(&byte)
            && !(syntax.lifetimes && byte == b'\'' && is_lifetime(rest))
        {
            let filled_mark = syntax.marked && has_mark(bytes, at);
            let raw = syntax.raw.contains(&byte) || syntax.marked && has_raw_mark(bytes, at);
            let (end, filled) = string(text, at, byte, filled_mark, raw, syntax);
            // The mark is part of the string.
            if syntax.marked
                && out
                    .all
                    .last()
                    .is_some_and(|t| t.kind == Kind::Word && t.end == at && t.end - t.start <= 2)
            {
                pop(&mut out);
            }
            push(&mut out, Token { kind: Kind::Text { filled }, start: at, end });
            at = end;
            continue;
        }
        if syntax.regex
            && byte == b'/'
            && regex_may_begin(&out, text)
            && let Some(length) = regex_length(rest)
        {
            push(
                &mut out,
                Token { kind: Kind::Text { filled: false }, start: at, end: at + length },
            );
            at += length;
            continue;
        }
        if is_word(byte) || byte == b'@' && rest.get(1).is_some_and(|b| is_word(*b)) {
            let length = 1 + rest.iter().skip(1).take_while(|b| is_word(**b)).count();
            let kind = if byte.is_ascii_digit() { Kind::Number } else { Kind::Word };
            push(&mut out, Token { kind, start: at, end: at + length });
            at += length;
            continue;
        }
        let index = out.all.len();
        push(&mut out, Token { kind: Kind::Sign(byte), start: at, end: at + 1 });
        match byte {
            b'(' | b'[' | b'{' => open.push(index),
            b')' | b']' | b'}' => {
                if let Some(start) = open.pop()
                    && let Some(partner) = out.partner.get_mut(start)
                {
                    *partner = u32::try_from(index).unwrap_or(0);
                }
            }
            _ => {}
        }
        at += 1;
    }
    out
}

fn push(out: &mut Tokens, token: Token) {
    out.all.push(token);
    out.partner.push(0);
}

fn pop(out: &mut Tokens) {
    out.all.pop();
    out.partner.pop();
}

fn is_lifetime(rest: &[u8]) -> bool {
    // `'a` without a closing quote behind one character.
    rest.get(1).is_some_and(|b| is_word(*b)) && rest.get(2) != Some(&b'\'')
}

fn mark(bytes: &[u8], at: usize) -> &[u8] {
    let mut from = at;
    while from > 0 && at - from < 3 && bytes.get(from - 1).is_some_and(u8::is_ascii_alphabetic) {
        from -= 1;
    }
    if from > 0 && bytes.get(from - 1).is_some_and(|b| is_word(*b)) {
        return &[];
    }
    bytes.get(from..at).unwrap_or_default()
}

fn has_mark(bytes: &[u8], at: usize) -> bool {
    mark(bytes, at).iter().any(|b| matches!(b, b'f' | b'F' | b't' | b'T'))
}

fn has_raw_mark(bytes: &[u8], at: usize) -> bool {
    mark(bytes, at).iter().any(|b| matches!(b, b'r' | b'R'))
}

/// The end of the string that begins at `at`, and whether something is filled in.
fn string(
    text: &str,
    at: usize,
    quote: u8,
    marked: bool,
    raw: bool,
    syntax: &Syntax,
) -> (usize, bool) {
    let bytes = text.as_bytes();
    let three = [quote; 3];
    let rest = bytes.get(at..).unwrap_or_default();
    let triple = syntax.triple && rest.starts_with(&three);
    let mut index = at + if triple { 3 } else { 1 };
    let mut filled = false;
    let over_lines = triple
        || quote == b'`'
        || syntax.dollar
        || syntax.fill.iter().any(|(_, quotes)| quotes.contains(&quote));
    while let Some(byte) = bytes.get(index).copied() {
        if byte == b'\\' && !raw {
            index += 2;
            continue;
        }
        if byte == b'\\' && syntax.marked {
            // A raw string of Python keeps the backslash and the quote after it.
            index += 2;
            continue;
        }
        let here = bytes.get(index..).unwrap_or_default();
        if triple {
            if here.starts_with(&three) {
                return (index + 3, filled);
            }
        } else if byte == quote {
            return (index + 1, filled);
        } else if byte == b'\n' && !over_lines {
            return (index, filled);
        }
        if marked && byte == b'{' {
            filled |= here.get(1) != Some(&b'{');
            index += if here.get(1) == Some(&b'{') { 2 } else { 1 };
            continue;
        }
        filled |= syntax
            .fill
            .iter()
            .any(|(sign, quotes)| quotes.contains(&quote) && here.starts_with(sign.as_bytes()));
        filled |= syntax.dollar
            && quote == b'"'
            && byte == b'$'
            && here
                .get(1)
                .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'{' | b'('));
        index += 1;
    }
    (bytes.len(), filled)
}

fn regex_may_begin(out: &Tokens, text: &str) -> bool {
    match out.all.last() {
        None => true,
        Some(Token { kind: Kind::Sign(sign), .. }) => !matches!(sign, b')' | b']' | b'}'),
        Some(Token { kind: Kind::Word, start, end }) => {
            matches!(text.get(*start..*end), Some("return" | "typeof" | "case" | "in" | "of"))
        }
        Some(_) => false,
    }
}

fn regex_length(rest: &[u8]) -> Option<usize> {
    let mut class = false;
    let mut index = 1;
    while let Some(byte) = rest.get(index) {
        match byte {
            b'\n' => return None,
            b'\\' => index += 1,
            b'[' => class = true,
            b']' => class = false,
            b'/' if !class => return Some(index + 1),
            _ => {}
        }
        index += 1;
        if index > 2_000 {
            return None;
        }
    }
    None
}
