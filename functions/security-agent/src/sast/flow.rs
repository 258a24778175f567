//! What an expression is made of: a constant, text put together, something from outside. Names
//! are followed one step back inside their function.

use std::collections::HashMap;

use regex::Regex;

use super::{
    languages::Language,
    lex::{Kind, Token, Tokens},
};

/// Most tokens of an expression that are looked at.
const MAX_TOKENS: usize = 400;
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

/// Evaluates the expressions of one file.
pub(crate) struct Flow<'t> {
    pub(crate) text: &'t str,
    pub(crate) tokens: &'t Tokens,
    pub(crate) language: Language,
    source: Regex,
    cleaner: Regex,
    locals: HashMap<&'t str, Value>,
    globals: HashMap<&'t str, Value>,
}

/// A range of tokens.
pub(crate) type Range = std::ops::Range<usize>;

impl<'t> Flow<'t> {
    pub(crate) fn new(
        text: &'t str,
        tokens: &'t Tokens,
        language: Language,
        source: Regex,
        cleaner: Regex,
    ) -> Self {
        Self {
            text,
            tokens,
            language,
            source,
            cleaner,
            locals: HashMap::new(),
            globals: HashMap::new(),
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
    }

    /// The words between the brackets at `open` are parameters of a function that begins: they are
    /// not what has their name outside of it.
    pub(crate) fn parameters(&mut self, open: usize) {
        let close = self.past(open).min(open + MAX_TOKENS);
        for index in open + 1..close {
            if let Some(word) = self.word(index) {
                self.locals.insert(word, Value::default());
            }
        }
    }

    /// What a name stands for is written to, or a part of it.
    pub(crate) fn filled(&mut self, index: usize) {
        if let Some(name) = self.word(index) {
            self.locals.insert(name, Value::default());
        }
    }

    /// Whether a name stands for what is still empty.
    pub(crate) fn is_empty(&self, index: usize) -> bool {
        let value = self.word(index).and_then(|name| self.name(name));
        value.is_some_and(|v| v.form == Form::Constant && v.text.is_some_and(|t| t.is_empty()))
    }

    /// A name has a value from here on.
    pub(crate) fn assign(&mut self, name: &'t str, value: Value, global: bool) {
        if global && value.form == Form::Constant {
            self.globals.insert(name, value);
        } else {
            self.locals.insert(name, value);
        }
    }

    /// A name has more to it from here on: `name += value`.
    pub(crate) fn append(&mut self, name: &'t str, value: &Value) {
        let mut before = self.name(name).unwrap_or_default();
        before.tainted |= value.tainted;
        if before.form == Form::Constant && value.form != Form::Constant {
            before.form = Form::Built;
        }
        self.locals.insert(name, before);
    }

    fn name(&self, name: &str) -> Option<Value> {
        self.locals.get(name).or_else(|| self.globals.get(name)).cloned()
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

    /// What an expression is.
    pub(crate) fn value(&self, range: &Range) -> Value {
        let end = range.end.min(range.start + MAX_TOKENS);
        let whole = end == range.end;
        let mut first_text: Option<String> = None;
        let mut all_text = String::new();
        let mut texts = 0;
        let mut moving = 0;
        let mut built = false;
        let mut tainted = false;
        let mut index = range.start;
        if !whole {
            tainted = self.source.is_match(self.raw(&(range.start..end)));
            return Value { tainted, ..Value::default() };
        }
        // Brackets around the whole.
        if self.is_sign(index, b'(') && self.past(index) == end && end > index + 2 {
            let inner = self.split(index + 1..end - 1, b',');
            if let [only] = inner.as_slice() {
                return self.value(only);
            }
        }
        while index < end {
            let Some(token) = self.tokens.all.get(index) else { break };
            match token.kind {
                Kind::Text { filled } => {
                    let text = self.constant(token);
                    if filled {
                        let inside = self.of(token);
                        built = true;
                        moving += 1;
                        tainted |= self.mentions_tainted(inside);
                    }
                    if first_text.is_none() {
                        first_text = Some(text.clone());
                    }
                    all_text.push_str(&text);
                    texts += 1;
                    // `"…".format(…)`, `"…" % …`, `"…".join(…)`.
                    if self.is_sign(index + 1, b'.')
                        && let Some("format" | "formatted" | "join" | "concat") =
                            self.word(index + 2)
                        && let Some(arguments) = self.arguments(index + 3)
                    {
                        for argument in arguments {
                            let value = self.value(&argument);
                            tainted |= value.tainted;
                            if value.form != Form::Constant {
                                moving += 1;
                                built = true;
                            }
                        }
                        index = self.past(index + 3);
                        continue;
                    }
                    index += 1;
                }
                Kind::Number => index += 1,
                Kind::Word => {
                    let (next, value) = self.operand(index, end);
                    if let Some(value) = value {
                        tainted |= value.tainted;
                        match value.form {
                            Form::Constant => {
                                if let Some(text) = value.text {
                                    texts += usize::from(!text.is_empty());
                                    if first_text.is_none() && !text.is_empty() {
                                        first_text = Some(text.clone());
                                    }
                                    all_text.push_str(&text);
                                }
                            }
                            Form::Built => {
                                built = true;
                                moving += 1;
                                if first_text.is_none() {
                                    first_text = value.text;
                                }
                            }
                            Form::Unknown => moving += 1,
                        }
                    }
                    index = next.max(index + 1);
                }
                Kind::Sign(b'(' | b'[' | b'{') => {
                    let inner = self.past(index).saturating_sub(1);
                    for piece in self.split(index + 1..inner.max(index + 1), b',') {
                        let value = self.value(&piece);
                        tainted |= value.tainted;
                        moving += usize::from(value.form != Form::Constant);
                        if first_text.is_none() {
                            first_text = value.text;
                        }
                        built |= value.form == Form::Built;
                    }
                    index = self.past(index);
                }
                // The opposite of a truth value.
                Kind::Sign(b'!')
                    if index + 2 == end
                        && matches!(self.word(index + 1), Some("true" | "false")) =>
                {
                    let is_true = self.word(index + 1) == Some("false");
                    all_text.push_str(if is_true { "true" } else { "false" });
                    index += 2;
                }
                Kind::Sign(_) => index += 1,
            }
        }
        let form = if moving == 0 {
            Form::Constant
        } else if built || texts > 0 && self.is_joined(range) {
            Form::Built
        } else {
            Form::Unknown
        };
        let text = if form == Form::Constant { Some(all_text) } else { first_text };
        Value { text, form, tainted }
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

    /// The operand that begins with the word at `index`, and what it is.
    fn operand(&self, index: usize, end: usize) -> (usize, Option<Value>) {
        let (next, path) = self.path(index);
        let plain = self.word(index).unwrap_or_default();
        if matches!(
            plain,
            "new"
                | "await"
                | "return"
                | "not"
                | "and"
                | "or"
                | "in"
                | "is"
                | "mut"
                | "const"
                | "as"
                | "move"
        ) && next == index + 1
        {
            return (next, None);
        }
        if matches!(
            plain,
            "true"
                | "false"
                | "True"
                | "False"
                | "None"
                | "null"
                | "nil"
                | "undefined"
                | "NULL"
                | "TRUE"
                | "FALSE"
        ) {
            return (
                next,
                Some(Value { text: Some(plain.to_owned()), form: Form::Constant, tainted: false }),
            );
        }
        // Go's slices of bytes: `[]byte("…")` is what is converted, `[]byte{…}` what is listed.
        if self.language == Language::Go && path == plain && matches!(plain, "byte" | "string") {
            if self.is_sign(next, b'{') {
                return (next, None);
            }
            if self.is_sign(next, b'(')
                && let Some([converted]) = self.arguments(next).as_deref()
            {
                return (self.past(next), Some(self.value(converted)));
            }
        }
        // What Go makes is empty, until something fills it.
        if self.language == Language::Go
            && path == "make"
            && let Some([kind, _]) = self.arguments(next).as_deref()
            && self.raw(kind) == "[]byte"
        {
            let text = Some(String::new());
            return (self.past(next), Some(Value { text, form: Form::Constant, tainted: false }));
        }
        // A keyword of an argument: `name=value`.
        if next < end && self.is_sign(next, b'=') && !self.is_sign(next + 1, b'=') {
            return (next + 1, None);
        }
        let open = if self.is_sign(next, b'!') { next + 1 } else { next };
        if open < end && self.is_sign(open, b'(') {
            let after = self.past(open);
            let arguments = self.arguments(open).unwrap_or_default();
            if self.cleaner.is_match(&path) {
                return (
                    after,
                    Some(Value { text: Some(String::new()), form: Form::Constant, tainted: false }),
                );
            }
            let last = path.rsplit(['.', ':']).next().unwrap_or(&path);
            let formats = matches!(
                last,
                "Sprintf"
                    | "sprintf"
                    | "format"
                    | "Format"
                    | "formatted"
                    | "Sprint"
                    | "Errorf"
                    | "concat"
                    | "join"
                    | "Join"
                    | "String"
                    | "str"
                    | "text"
                    | "append"
                    | "encode"
                    | "strip"
                    | "trim"
                    | "lower"
                    | "upper"
                    | "getBytes"
                    | "Buffer"
                    | "raw"
                    | "sanitizeSql"
                    | "dedent"
            );
            let values: Vec<Value> = arguments.iter().map(|a| self.value(a)).collect();
            let tainted =
                values.iter().any(|v| v.tainted) || self.source.is_match(&format!("{path}("));
            let first = values.first().and_then(|v| v.text.as_deref());
            if matches!(last, "Sprintf" | "sprintf") && first.is_some_and(fills_numbers_alone) {
                let text = first.map(str::to_owned);
                return (after, Some(Value { text, form: Form::Constant, tainted: false }));
            }
            if formats {
                let moving = values.iter().any(|v| v.form != Form::Constant);
                let text = values.iter().find_map(|v| v.text.clone());
                let form = match (moving, values.len()) {
                    (false, _) if !values.is_empty() || path.len() == last.len() => Form::Constant,
                    (true, 1) if last != "format" || open == next => {
                        values.first().map_or(Form::Unknown, |v| v.form)
                    }
                    (true, _) => Form::Built,
                    _ => Form::Unknown,
                };
                // Rust names what it fills in inside the text.
                let inline = open > next
                    && text.as_deref().is_some_and(|t| t.contains('{') && !t.contains("{{"));
                let form = if inline { Form::Built } else { form };
                return (after, Some(Value { text, form, tainted }));
            }
            return (after, Some(Value { text: None, form: Form::Unknown, tainted }));
        }
        if self.is_sign(next, b'[') && next < end {
            let after = self.past(next);
            let tainted = self.name(plain).is_some_and(|v| v.tainted)
                || self.source.is_match(self.raw(&(index..after)));
            return (after, Some(Value { text: None, form: Form::Unknown, tainted }));
        }
        if path == plain {
            if let Some(value) = self.name(plain) {
                return (next, Some(value));
            }
            // A name in capitals is a constant of somewhere else.
            if plain.len() > 2
                && plain.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            {
                return (
                    next,
                    Some(Value { text: Some(String::new()), form: Form::Constant, tainted: false }),
                );
            }
        }
        let tainted = self.name(plain).is_some_and(|v| v.tainted) || self.source.is_match(&path);
        (next, Some(Value { text: None, form: Form::Unknown, tainted }))
    }

    /// The dotted name that begins at `index`: behind its last word, and its text.
    pub(crate) fn path(&self, index: usize) -> (usize, String) {
        let mut path = self.word(index).unwrap_or_default().to_owned();
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
            path.push('.');
            path.push_str(word);
            next += step + 1;
        }
        (next, path)
    }

    /// Whether a text with values filled in names one from outside.
    fn mentions_tainted(&self, text: &str) -> bool {
        self.source.is_match(text)
            || text
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
                .take(200)
                .any(|word| self.name(word).is_some_and(|v| v.tainted))
    }
}

/// Whether a format has verbs, and only such as write numbers and truth values: nothing that is
/// filled in can end a string or a statement.
fn fills_numbers_alone(format: &str) -> bool {
    let mut verbs = 0;
    let mut rest = format;
    while let Some((_, after)) = rest.split_once('%') {
        let flags = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '#' | ' ' | '.' | '\'');
        let verb = after.trim_start_matches(flags);
        match verb.chars().next() {
            Some('%') => {}
            Some('d' | 'b' | 'o' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 't' | 'u') => {
                verbs += 1;
            }
            _ => return false,
        }
        rest = verb.get(1..).unwrap_or_default();
    }
    verbs > 0
}
