//! The tokens of a file for the search for repetition: comments and blanks are left out, strings
//! are one token each. A rough reading is enough, as both sides are read alike; it costs a small
//! part of what a parser does, and the whole repository has to be read.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A token: the line where it begins, and a hash of its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: u32,
    pub(super) hash: u64,
}

/// The tokens of a file in a language.
pub(super) fn tokens(language: &str, text: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, line: 1, language, tokens: Vec::new() };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
    language: &'a str,
    tokens: Vec<Token>,
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self) {
        let rest = self.rest();
        let Some(first) = rest.first().copied() else { return };
        let is_python = self.language == "Python";
        if first == b'\n' {
            self.line = self.line.saturating_add(1);
            self.at += 1;
        } else if first.is_ascii_whitespace() {
            self.at += 1;
        } else if is_python && first == b'#' || !is_python && rest.starts_with(b"//") {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            self.at += end;
        } else if !is_python && rest.starts_with(b"/*") {
            let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
            self.skip(end.map_or(rest.len(), |end| end + 4));
        } else if is_word(first) {
            let end = rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len());
            self.push(end);
        } else if let Some(length) = self.string() {
            self.push(length);
        } else {
            self.push(1);
        }
    }

    /// Bytes of the string that begins here.
    fn string(&self) -> Option<usize> {
        let rest = self.rest();
        let quote = *rest.first()?;
        let triple = rest.get(..3).filter(|three| three.iter().all(|byte| *byte == quote));
        match quote {
            b'"' | b'\'' if triple.is_some() && matches!(self.language, "Python" | "Java") => {
                let end = rest.windows(3).skip(3).position(|three| Some(three) == triple);
                Some(end.map_or(rest.len(), |end| end + 6))
            }
            // A lifetime.
            b'\''
                if self.language == "Rust"
                    && rest.get(1).is_some_and(|byte| is_word(*byte))
                    && rest.get(2) != Some(&b'\'') =>
            {
                None
            }
            b'"' | b'\'' => Some(self.until(quote, self.language == "Rust")),
            b'`' if matches!(self.language, "Go" | "JavaScript" | "TypeScript") => {
                Some(self.until(quote, true))
            }
            _ => None,
        }
    }

    /// Bytes up to the same quote, or to the end of the line where a string ends with that.
    fn until(&self, quote: u8, over_lines: bool) -> usize {
        let rest = self.rest();
        let mut at = 1;
        while let Some(byte) = rest.get(at) {
            match byte {
                b'\\' => at += 1,
                b'\n' if !over_lines => return at,
                byte if *byte == quote => return at + 1,
                _ => {}
            }
            at += 1;
        }
        rest.len()
    }

    fn push(&mut self, length: usize) {
        let end = self.at.saturating_add(length).min(self.text.len());
        let mut hasher = DefaultHasher::new();
        self.text.get(self.at..end).unwrap_or_default().hash(&mut hasher);
        self.tokens.push(Token { line: self.line, hash: hasher.finish() });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let end = self.at.saturating_add(length.max(1)).min(self.text.len());
        let passed = self.text.get(self.at..end).unwrap_or_default();
        let lines = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_comments_are_nothing_and_lines_are_counted() {
        let count = |language, text: &str| tokens(language, text.as_bytes()).len();
        assert_eq!(count("Rust", "fn a<'a>(x: &'a str) { /* b\n */ 'c' }"), 17);
        assert_eq!(
            tokens("Go", b"a /* b\n\n*/ c\n// d\n\"e // f\" g")
                .iter()
                .map(|t| t.line)
                .collect::<Vec<_>>(),
            [1, 3, 5, 5]
        );
        assert_eq!(count("Python", "a = '''b\nc''' # d\n"), 3);
        assert_eq!(count("JavaScript", "x = `a\n${b}`; /"), 5);
        for text in ["\"", "'", "/*", "`", "'''", "\\", "\"\\"] {
            for language in ["Rust", "Python", "Go", "Java"] {
                tokens(language, text.as_bytes());
            }
        }
    }

    #[test]
    fn the_same_code_is_the_same_however_it_is_indented() {
        let hashes = |text: &str| -> Vec<u64> {
            tokens("Rust", text.as_bytes()).iter().map(|t| t.hash).collect()
        };
        assert_eq!(hashes("if a { b(); }"), hashes("if a {\n\t\tb(); // c\n}"));
        assert_ne!(hashes("if a { b(); }"), hashes("if a { c(); }"));
    }
}
