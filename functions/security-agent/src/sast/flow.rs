//! What an expression is made of: a constant, text put together, something from outside. Names
//! are followed one step back inside their function.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use regex::Regex;

use super::{
    languages::Language,
    lex::{Kind, Token, Tokens},
};

/// Most tokens of an expression that are looked at.
pub(super) const MAX_TOKENS: usize = 400;
/// Most names of blocks inside one another that are remembered.
const MAX_HIDDEN: usize = 1_000;
/// Longest constant that is kept.
const MAX_CONSTANT: usize = 400;

/// What is known of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Value {
    /// Its text, where it is constant; for text that is put together its first constant piece.
    pub(crate) text: Option<String>,
    pub(crate) form: Form,
    /// Whether it comes from whoever sends a request.
    pub(crate) tainted: bool,
    /// Whether it comes from whoever starts the program: its arguments, its environment.
    pub(crate) given: bool,
    /// The dotted name that it is, where it is nothing else: `tls.VersionTLS10`.
    pub(crate) path: Option<String>,
}

impl Value {
    /// What is known when the program is written.
    pub(super) fn constant(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), form: Form::Constant, ..Self::default() }
    }

    /// What either of two values may be.
    pub(super) fn or(self, other: Self) -> Self {
        let form = match (self.form, other.form) {
            (Form::Built, _) | (_, Form::Built) => Form::Built,
            (Form::Constant, Form::Constant) => Form::Constant,
            _ => Form::Unknown,
        };
        let text = match (form, self.form) {
            (Form::Built, Form::Built) => self.text,
            (Form::Unknown, _) => None,
            _ => other.text,
        };
        Self {
            text,
            form,
            tainted: self.tainted || other.tainted,
            given: self.given || other.given,
            path: if self.path == other.path { self.path } else { None },
        }
    }
}

/// How a value comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// Known when the program is written.
    Constant,
    /// Text with something filled in.
    Built,
    /// Anything else.
    #[default]
    Unknown,
}

/// What a name stands for, and how deep in blocks it was set.
type Known = (Value, usize);

/// Evaluates the expressions of one file.
pub(crate) struct Flow<'t> {
    pub(crate) text: &'t str,
    pub(crate) tokens: &'t Tokens,
    pub(crate) language: Language,
    pub(super) source: Regex,
    pub(super) cleaner: Regex,
    pub(super) given: Regex,
    /// What names stand for, and how deep they were set.
    locals: HashMap<&'t str, Known>,
    globals: HashMap<&'t str, Value>,
    /// What names stood for that a block has its own of, with the depth of that block.
    hidden: Vec<(usize, &'t str, Option<Known>)>,
    /// What typed parameters stand for in the expressions of sources: `r` for a request, nothing
    /// for what is none.
    kinds: HashMap<&'t str, &'static str>,
    /// Functions of this file that give back what a request brings.
    pub(super) gives: HashSet<&'t str>,
    /// How deep in blocks the walk is.
    pub(super) level: usize,
}

/// The expressions that tell what is harmless and what is not.
pub(super) struct Origins {
    pub(super) source: Regex,
    pub(super) given: Regex,
    pub(super) cleaner: Regex,
}

/// A range of tokens.
pub(crate) type Range = std::ops::Range<usize>;

impl<'t> Flow<'t> {
    pub(crate) fn new(
        text: &'t str,
        tokens: &'t Tokens,
        language: Language,
        origins: &Origins,
    ) -> Self {
        Self {
            text,
            tokens,
            language,
            source: origins.source.clone(),
            given: origins.given.clone(),
            cleaner: origins.cleaner.clone(),
            locals: HashMap::new(),
            globals: HashMap::new(),
            hidden: Vec::new(),
            kinds: HashMap::new(),
            gives: HashSet::new(),
            level: 0,
        }
    }

    pub(crate) fn of(&self, token: &Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(crate) fn word(&self, index: usize) -> Option<&'t str> {
        let token = self.tokens.all.get(index)?;
        (token.kind == Kind::Word).then(|| self.of(token))
    }

    pub(crate) fn is_sign(&self, index: usize, sign: u8) -> bool {
        self.tokens.all.get(index).is_some_and(|t| t.kind == Kind::Sign(sign))
    }

    /// The text from the first to the last token of a range.
    pub(crate) fn raw(&self, range: &Range) -> &'t str {
        let Some(tokens) = self.tokens.all.get(range.clone()) else { return "" };
        match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => self.text.get(first.start..last.end).unwrap_or_default(),
            _ => "",
        }
    }

    /// A function begins: what was known of names inside another is of no use.
    pub(crate) fn enter(&mut self) {
        self.locals.clear();
        self.hidden.clear();
        self.kinds.clear();
    }

    /// The words between the brackets at `open` are parameters of a function that begins: they are
    /// not what has their name outside of it. What the calls in this file hand over is known.
    pub(crate) fn parameters(&mut self, open: usize, level: usize, handed: Option<&[Value]>) {
        let close = self.past(open).min(open + MAX_TOKENS);
        for index in open + 1..close {
            if let Some(word) = self.word(index) {
                self.locals.insert(word, (Value::default(), level));
            }
        }
        let pieces = self.arguments(open).unwrap_or_default();
        for (number, piece) in pieces.iter().enumerate() {
            let Some(name) = self.word(piece.start) else { continue };
            if let Some(value) = handed.and_then(|h| h.get(number)) {
                self.locals.insert(name, (value.clone(), level));
            }
        }
        if self.language == Language::Go {
            self.typed(&pieces);
        }
    }

    /// The types of Go's parameters: `a, b T` gives both the same.
    fn typed(&mut self, pieces: &[Range]) {
        let mut kind = "";
        for piece in pieces.iter().rev() {
            let Some(name) = self.word(piece.start) else { continue };
            if piece.len() > 1 {
                kind = match self.raw(&(piece.start + 1..piece.end)) {
                    "*http.Request" => "r",
                    "*gin.Context" | "echo.Context" | "*echo.Context" | "*fiber.Ctx" => "c",
                    _ => "",
                };
            }
            self.kinds.insert(name, kind);
        }
    }

    /// A path as the expressions of sources have it.
    pub(super) fn known_as<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        match self.kinds.get(head) {
            Some(kind) => Cow::Owned(format!("{kind}.{rest}")),
            None => Cow::Borrowed(path),
        }
    }

    /// A block ends: what it had of its own is gone.
    pub(crate) fn leave(&mut self, level: usize) {
        while self.hidden.last().is_some_and(|(depth, _, _)| *depth > level) {
            match self.hidden.pop() {
                Some((_, name, Some(before))) => self.locals.insert(name, before),
                Some((_, name, None)) => self.locals.remove(name),
                None => break,
            };
        }
    }

    /// What a name stands for is written to, or a part of it.
    pub(crate) fn filled(&mut self, index: usize) {
        if let Some(name) = self.word(index) {
            self.locals.insert(name, (Value::default(), self.level));
        }
    }

    /// A part of what a name stands for is set: what a request brings stays in it.
    pub(crate) fn touched(&mut self, name: &'t str, value: &Value) {
        if value.tainted || value.given {
            let mut before = self.name(name).unwrap_or_default();
            before.tainted |= value.tainted;
            before.given |= value.given;
            self.locals.insert(name, (before, self.level));
        }
    }

    /// Whether a name stands for what is still empty.
    pub(crate) fn is_empty(&self, index: usize) -> bool {
        let value = self.word(index).and_then(|name| self.name(name));
        value.is_some_and(|v| v.form == Form::Constant && v.text.is_some_and(|t| t.is_empty()))
    }

    /// A name has a value from here on. In a block inside that of the name it may have it: which way
    /// the program goes is not known.
    pub(crate) fn assign(&mut self, name: &'t str, value: Value, level: usize) {
        let known = self.locals.get(name).filter(|(_, depth)| level > *depth);
        let entry = match known {
            Some((before, depth)) => (before.clone().or(value), *depth),
            None => (value, level),
        };
        self.locals.insert(name, entry);
    }

    /// A name of this block's own has a value, whatever it stands for outside.
    pub(crate) fn declare(&mut self, name: &'t str, value: Value, level: usize) {
        if self.hidden.len() < MAX_HIDDEN {
            let before = self.locals.get(name).cloned();
            self.hidden.push((level, name, before));
        }
        self.locals.insert(name, (value, level));
    }

    /// A constant of the whole file.
    pub(crate) fn global(&mut self, name: &'t str, value: Value) {
        self.globals.insert(name, value);
    }

    /// A name has more to it from here on: `name += value`.
    pub(crate) fn append(&mut self, name: &'t str, value: &Value) {
        let mut before = self.name(name).unwrap_or_default();
        before.tainted |= value.tainted;
        before.given |= value.given;
        if before.form == Form::Constant && value.form != Form::Constant {
            before.form = Form::Built;
        }
        let level = self.locals.get(name).map_or(self.level, |(_, level)| *level);
        self.locals.insert(name, (before, level));
    }

    pub(super) fn name(&self, name: &str) -> Option<Value> {
        let local = self.locals.get(name).map(|(value, _)| value);
        local.or_else(|| self.globals.get(name)).cloned()
    }

    /// The arguments between the bracket at `open` and its partner.
    pub(crate) fn arguments(&self, open: usize) -> Option<Vec<Range>> {
        let close = *self.tokens.partner.get(open)? as usize;
        (close > open).then(|| self.split(open + 1..close, b','))
    }

    /// The pieces of a range between signs of the outermost level.
    pub(crate) fn split(&self, range: Range, sign: u8) -> Vec<Range> {
        let mut out = Vec::new();
        let mut start = range.start;
        let mut index = range.start;
        while index < range.end {
            if self.is_sign(index, sign) {
                if index > start {
                    out.push(start..index);
                }
                start = index + 1;
            }
            index = self.past(index).max(index + 1);
        }
        if range.end > start {
            out.push(start..range.end);
        }
        out
    }

    /// Behind the token, or behind the partner of a bracket.
    pub(crate) fn past(&self, index: usize) -> usize {
        match self.tokens.partner.get(index) {
            Some(partner) if *partner as usize > index => *partner as usize + 1,
            _ => index + 1,
        }
    }

    /// The constant text of a string token.
    pub(crate) fn constant(&self, token: &Token) -> String {
        let raw = self.of(token);
        let inner = raw.trim_matches(['"', '\'', '`']);
        inner.chars().take(MAX_CONSTANT).collect()
    }

    /// The dotted name that begins at `index`: behind its last word, and its text.
    pub(crate) fn path(&self, index: usize) -> (usize, Cow<'t, str>) {
        let mut path = Cow::Borrowed(self.word(index).unwrap_or_default());
        let first = self.tokens.all.get(index).map_or(0, |t| t.start);
        let mut next = index + 1;
        while path.len() < 200 {
            let step = match (
                self.tokens.all.get(next).map(|t| t.kind),
                self.tokens.all.get(next + 1).map(|t| t.kind),
            ) {
                (Some(Kind::Sign(b'.')), Some(Kind::Word)) => 1,
                (Some(Kind::Sign(b':')), Some(Kind::Sign(b':')))
                | (Some(Kind::Sign(b'?')), Some(Kind::Sign(b'.')))
                | (Some(Kind::Sign(b'-')), Some(Kind::Sign(b'>'))) => 2,
                _ => break,
            };
            let Some(word) = self.word(next + step) else { break };
            let end = self.tokens.all.get(next + step).map_or(0, |t| t.end);
            // Most stand in the text as they are.
            path = match path {
                Cow::Borrowed(before) if first + before.len() + 1 + word.len() == end => {
                    match self.text.get(first..end) {
                        Some(whole) if step == 1 => Cow::Borrowed(whole),
                        _ => Cow::Owned(format!("{before}.{word}")),
                    }
                }
                before => Cow::Owned(format!("{before}.{word}")),
            };
            next += step + 1;
        }
        (next, path)
    }
}
