//! A word in an expression, with what is called on it.

use super::{
    flow::{Flow, Form, Value},
    languages::Language,
    lex::Kind,
    value::is_constant_name,
};

/// Most tokens of a function without a name whose result is looked for.
const MAX_BODY: usize = 400;

impl Flow<'_> {
    /// The operand that begins with the word at `index`, and what it is.
    pub(super) fn operand(&self, index: usize, end: usize) -> (usize, Option<Value>) {
        let (next, path) = self.path(index);
        let plain = self.word(index).unwrap_or_default();
        if is_keyword(plain) && next == index + 1 {
            return (next, None);
        }
        if is_literal(plain) {
            return (next, Some(Value::constant(plain)));
        }
        if self.language == Language::Go
            && path == plain
            && let Some(operand) = self.operand_of_go(index, next)
        {
            return operand;
        }
        // A keyword of an argument: `name=value`.
        if next < end && self.is_sign(next, b'=') && !self.is_sign(next + 1, b'=') {
            return (next + 1, None);
        }
        let open = if self.is_sign(next, b'!') { next + 1 } else { next };
        if open < end && self.is_sign(open, b'(') {
            return (self.past(open), Some(self.called(plain, &path, open, open > next)));
        }
        if self.is_sign(next, b'[') && next < end {
            let after = self.past(next);
            let known = if path == plain { self.name(plain) } else { None };
            // A part of what is constant is constant too.
            if let Some(known) = &known
                && known.form == Form::Constant
                && (next + 1..after).any(|at| self.is_sign(at, b':'))
            {
                return (after, Some(known.clone()));
            }
            let head = known.or_else(|| self.name(plain)).unwrap_or_default();
            let raw = self.raw(&(index..after));
            let tainted = head.tainted || self.source.is_match(&self.known_as(raw));
            let given = head.given || self.given.is_match(raw);
            return (after, Some(Value { tainted, given, ..Value::default() }));
        }
        if path == plain {
            if let Some(value) = self.name(plain) {
                return (next, Some(value));
            }
            if is_constant_name(plain) {
                return (next, Some(Value::constant("")));
            }
        }
        let whole = self.name(self.raw(&(index..next)));
        let head = whole.or_else(|| self.name(plain)).unwrap_or_default();
        let tainted = head.tainted || self.source.is_match(&self.known_as(&path));
        let given = head.given || self.given.is_match(&path);
        let path = (path != plain).then(|| path.into_owned());
        (next, Some(Value { tainted, given, path, ..Value::default() }))
    }

    /// What Go has of its own: slices of bytes, what is made empty, functions called where they stand.
    fn operand_of_go(&self, index: usize, next: usize) -> Option<(usize, Option<Value>)> {
        match self.word(index)? {
            // `[]byte("…")` is what is converted, `[]byte{…}` what is listed.
            "byte" | "string" if self.is_sign(next, b'{') => Some((next, None)),
            "byte" | "string" if self.is_sign(next, b'(') => match self.arguments(next)?.as_slice()
            {
                [converted] => Some((self.past(next), Some(self.value(converted)))),
                _ => None,
            },
            // What Go makes is empty, until something fills it.
            "make" => match self.arguments(next)?.as_slice() {
                [kind, _] if self.raw(kind) == "[]byte" => {
                    Some((self.past(next), Some(Value::constant(""))))
                }
                _ => None,
            },
            "func" if self.is_sign(next, b'(') => {
                let mut open = self.past(next);
                while open < index + MAX_BODY && !self.is_sign(open, b'{') {
                    open = self.past(open);
                }
                let after = self.past(open);
                if !self.is_sign(after, b'(') || after > open + MAX_BODY {
                    return None;
                }
                let results = (open..after).filter(|at| self.word(*at) == Some("return"));
                let values = results.map(|at| self.value(&(at + 1..self.end_of_value(at + 1))));
                let value = values.reduce(Value::or).unwrap_or_default();
                Some((self.past(after), Some(value)))
            }
            _ => None,
        }
    }

    /// Whether what a function gives is harmless, whatever goes in: it is known, or named for that.
    pub(super) fn is_clean(&self, path: &str) -> bool {
        if self.cleaner.is_match(path) {
            return true;
        }
        let last = path.rsplit(['.', ':']).next().unwrap_or(path).to_ascii_lowercase();
        let named = ["escape", "quote", "sanitiz"].iter().any(|word| last.contains(word));
        named && !last.contains("unescape") && !last.contains("unquote")
    }

    /// What a call gives.
    fn called(&self, plain: &str, path: &str, open: usize, is_macro: bool) -> Value {
        let arguments = self.arguments(open).unwrap_or_default();
        if self.is_clean(path) {
            // A number as wide as it gets may not fit where it goes.
            let wide = path == "strconv.Atoi"
                || matches!(path, "strconv.ParseInt" | "strconv.ParseUint")
                    && arguments.get(2).is_some_and(|bits| matches!(self.raw(bits), "64" | "0"));
            return Value { path: wide.then(|| path.to_owned()), ..Value::constant("") };
        }
        let last = path.rsplit(['.', ':']).next().unwrap_or(path);
        let values: Vec<Value> = arguments.iter().map(|a| self.value(a)).collect();
        // What is called on a name whose text is known so far: `builder.String()`.
        if path != plain && values.is_empty() && matches!(last, "String" | "toString" | "to_string")
        {
            let text =
                path.strip_suffix(last).and_then(|rest| self.name(rest.trim_end_matches('.')));
            if let Some(known) = text {
                return known;
            }
        }
        let named = self.known_as(path);
        let on = if path == plain { None } else { self.name(plain) }.unwrap_or_default();
        let tainted = on.tainted
            || values.iter().any(|v| v.tainted)
            || self.source.is_match(&format!("{named}("))
            || self.gives.contains(last);
        let given =
            on.given || values.iter().any(|v| v.given) || self.given.is_match(&format!("{path}("));
        let flows = Value { tainted, given, ..Value::default() };
        let first = values.first().and_then(|v| v.text.as_deref());
        if matches!(last, "Sprintf" | "sprintf") && first.is_some_and(fills_numbers_alone) {
            return Value::constant(first.unwrap_or_default());
        }
        // One constant over and over, as for the marks of parameters.
        if matches!(last, "Repeat" | "repeat")
            && values.first().is_some_and(|v| v.form == Form::Constant)
            && values.len() == 2
        {
            return Value::constant(first.unwrap_or_default());
        }
        if !is_of_text(last) {
            return flows;
        }
        let moving = values.iter().any(|v| v.form != Form::Constant);
        let text = values.iter().find_map(|v| v.text.clone());
        let form = match (moving, values.len()) {
            (false, _) if !values.is_empty() || path.len() == last.len() => Form::Constant,
            (true, 1) if last != "format" || !is_macro => {
                values.first().map_or(Form::Unknown, |v| v.form)
            }
            (true, _) => Form::Built,
            _ => Form::Unknown,
        };
        // Rust names what it fills in inside the text.
        let inline =
            is_macro && text.as_deref().is_some_and(|t| t.contains('{') && !t.contains("{{"));
        let form = if inline { Form::Built } else { form };
        Value { text, form, ..flows }
    }

    /// The token behind the value that begins at `from`: of the next line, or what ends it.
    pub(super) fn end_of_value(&self, from: usize) -> usize {
        let mut index = from;
        let mut before = self.tokens.all.get(from).map_or(0, |t| t.start);
        while let Some(token) = self.tokens.all.get(index) {
            let between = self.text.get(before..token.start).unwrap_or_default();
            let sign_before = index > from
                && matches!(self.tokens.all.get(index - 1).map(|t| t.kind), Some(Kind::Sign(b)) if b"+.%=\\&|?(:".contains(&b));
            let sign_here = matches!(token.kind, Kind::Sign(b'+' | b'.' | b'%' | b'?'));
            if between.contains('\n') && !sign_before && !sign_here
                || matches!(token.kind, Kind::Sign(b';' | b',' | b')' | b']' | b'}'))
            {
                return index;
            }
            index = self.past(index);
            before = self.tokens.all.get(index.saturating_sub(1)).map_or(before, |t| t.end);
            if index > from + 400 {
                break;
            }
        }
        index.min(self.tokens.all.len())
    }
}

/// Words that are no values.
fn is_keyword(word: &str) -> bool {
    matches!(
        word,
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
    )
}

fn is_literal(word: &str) -> bool {
    matches!(
        word,
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
    )
}

/// Calls that put text together, or give it back.
fn is_of_text(last: &str) -> bool {
    matches!(
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
    )
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
