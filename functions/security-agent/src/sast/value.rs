//! What an expression is worth: its pieces are read from left to right, each an operand.

use super::{
    flow::{Flow, Form, MAX_TOKENS, Range, Value},
    languages::Language,
    lex::{Kind, Token},
};

/// Most values that are filled into one text.
const MAX_FILLED: usize = 50;

/// What is known of an expression while its pieces are read.
#[derive(Default)]
struct Pieces {
    /// The first constant piece, and all of them.
    first: Option<String>,
    all: String,
    texts: usize,
    /// Pieces that only the running program knows.
    moving: usize,
    built: bool,
    tainted: bool,
    given: bool,
    path: Option<String>,
}

impl Pieces {
    fn text(&mut self, text: &str) {
        if self.first.is_none() {
            self.first = Some(text.to_owned());
        }
        self.all.push_str(text);
        self.texts += 1;
    }

    /// What flows in with a value.
    fn flows(&mut self, value: &Value) {
        self.tainted |= value.tainted;
        self.given |= value.given;
    }

    /// A piece of the text.
    fn operand(&mut self, value: Value) {
        self.flows(&value);
        match value.form {
            Form::Constant => match value.text {
                Some(text) if !text.is_empty() => self.text(&text),
                _ => {}
            },
            Form::Built => {
                self.built = true;
                self.moving += 1;
                if self.first.is_none() {
                    self.first = value.text;
                }
            }
            Form::Unknown => self.moving += 1,
        }
        self.path = value.path;
    }

    /// What stands in brackets, or is handed to what puts text together.
    fn inner(&mut self, value: Value, joins: bool) {
        self.flows(&value);
        let moving = value.form != Form::Constant;
        self.moving += usize::from(moving);
        self.built |= value.form == Form::Built || joins && moving;
        if !joins && self.first.is_none() {
            self.first = value.text;
        }
    }
}

impl Flow<'_> {
    /// What an expression is.
    pub(crate) fn value(&self, range: &Range) -> Value {
        let end = range.end.min(range.start + MAX_TOKENS);
        if end < range.end {
            let raw = self.raw(&(range.start..end));
            let (tainted, given) = (self.source.is_match(raw), self.given.is_match(raw));
            return Value { tainted, given, ..Value::default() };
        }
        let mut index = range.start;
        // Brackets around the whole.
        if self.is_sign(index, b'(') && self.past(index) == end && end > index + 2 {
            let inner = self.split(index + 1..end - 1, b',');
            if let [only] = inner.as_slice() {
                return self.value(only);
            }
        }
        let mut pieces = Pieces::default();
        while index < end {
            let Some(token) = self.tokens.all.get(index) else { break };
            match token.kind {
                Kind::Text { filled } => index = self.text_piece(index, token, filled, &mut pieces),
                Kind::Number => index += 1,
                Kind::Word => {
                    let (next, value) = self.operand(index, end);
                    let whole = index == range.start && next >= end;
                    if let Some(value) = value {
                        pieces.operand(value);
                    }
                    if !whole {
                        pieces.path = None;
                    }
                    index = next.max(index + 1);
                }
                Kind::Sign(b'(' | b'[' | b'{') => {
                    let inner = self.past(index).saturating_sub(1);
                    for piece in self.split(index + 1..inner.max(index + 1), b',') {
                        pieces.inner(self.value(&piece), false);
                    }
                    index = self.past(index);
                }
                // The opposite of a truth value.
                Kind::Sign(b'!')
                    if index + 2 == end
                        && matches!(self.word(index + 1), Some("true" | "false")) =>
                {
                    let is_true = self.word(index + 1) == Some("false");
                    pieces.all.push_str(if is_true { "true" } else { "false" });
                    index += 2;
                }
                Kind::Sign(_) => index += 1,
            }
        }
        let form = if pieces.moving == 0 {
            Form::Constant
        } else if pieces.built || pieces.texts > 0 && self.is_joined(range) {
            Form::Built
        } else {
            Form::Unknown
        };
        let text = if form == Form::Constant { Some(pieces.all) } else { pieces.first };
        let Pieces { tainted, given, path, .. } = pieces;
        Value { text, form, tainted, given, path }
    }

    /// The string at `index`, with what formats it: `"…".format(…)`, `"…".join(…)`.
    fn text_piece(&self, index: usize, token: &Token, filled: bool, pieces: &mut Pieces) -> usize {
        if filled {
            let (moving, tainted) = self.fills(self.of(token));
            pieces.built |= moving;
            pieces.moving += usize::from(moving);
            pieces.tainted |= tainted;
        }
        pieces.text(&self.constant(token));
        let formats =
            matches!(self.word(index + 2), Some("format" | "formatted" | "join" | "concat"));
        if self.is_sign(index + 1, b'.')
            && formats
            && let Some(arguments) = self.arguments(index + 3)
        {
            for argument in arguments {
                pieces.inner(self.value(&argument), true);
            }
            return self.past(index + 3);
        }
        index + 1
    }

    /// Whether signs that put text together stand on the outermost level.
    fn is_joined(&self, range: &Range) -> bool {
        let mut index = range.start;
        while index < range.end {
            let joins = match self.tokens.all.get(index).map(|t| t.kind) {
                Some(Kind::Sign(b'+' | b'%')) => true,
                Some(Kind::Sign(b'.')) => {
                    // PHP joins with a point.
                    self.language == Language::Php
                        && !matches!(
                            self.tokens.all.get(index + 1).map(|t| t.kind),
                            Some(Kind::Number)
                        )
                }
                Some(Kind::Sign(b'<')) => {
                    self.language == Language::Ruby && self.is_sign(index + 1, b'<')
                }
                _ => false,
            };
            if joins {
                return true;
            }
            index = self.past(index).max(index + 1);
        }
        false
    }

    /// Whether a text with values filled in has one that only the running program knows, and one
    /// that a request brings.
    fn fills(&self, text: &str) -> (bool, bool) {
        let tainted = self.source.is_match(text)
            || text
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
                .take(200)
                .any(|word| self.name(word).is_some_and(|v| v.tainted));
        let mut count = 0;
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('{') {
            if let Some(doubled) = after.strip_prefix('{') {
                rest = doubled;
                continue;
            }
            let Some((inner, behind)) = after.split_once('}') else { return (true, tainted) };
            count += 1;
            if count > MAX_FILLED || !self.is_harmless(inner) {
                return (true, tainted);
            }
            rest = behind;
        }
        // Without brackets it is `$name`.
        (count == 0, tainted)
    }

    /// Whether what is filled in is a constant, or made harmless by a function for that.
    fn is_harmless(&self, inner: &str) -> bool {
        let inner = inner.trim();
        if let Some((path, _)) = inner.split_once('(') {
            return inner.ends_with(')') && self.is_clean(path.trim());
        }
        let name = inner.split(['!', ':']).next().unwrap_or(inner).trim();
        self.name(name).is_some_and(|v| v.form == Form::Constant) || is_constant_name(name)
    }
}

/// A name in capitals is a constant of somewhere else.
pub(super) fn is_constant_name(name: &str) -> bool {
    name.len() > 2
        && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
