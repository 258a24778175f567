//! One pass over the tokens of a file: what is called, set and brought in.

use std::collections::HashMap;

use super::{
    flow::{Flow, Form, Range, Value},
    languages::Language,
    lex::Kind,
    prepared::{Match, Prepared},
    rules::{Condition, Event, Rule},
};

/// One pass over the tokens of a file.
pub(super) struct Walk<'r, 't> {
    pub(super) prepared: &'r Prepared,
    pub(super) flow: Flow<'t>,
    /// What a name that was brought in stands for.
    pub(super) imports: HashMap<&'t str, String>,
    pub(super) matches: &'r mut Vec<Match>,
}

impl<'t> Walk<'_, 't> {
    pub(super) fn run(mut self) {
        let count = self.flow.tokens.all.len();
        let mut depth = 0usize;
        let mut index = 0;
        while index < count {
            let Some(token) = self.flow.tokens.all.get(index).copied() else { break };
            match token.kind {
                Kind::Sign(b'{' | b'(' | b'[') => depth += 1,
                Kind::Sign(b'}' | b')' | b']') => depth = depth.saturating_sub(1),
                Kind::Word => {
                    let word = self.flow.of(&token);
                    if matches!(word, "def" | "function" | "func" | "fn" | "fun" | "class") {
                        self.function(index + 1);
                    }
                    if matches!(word, "import" | "from" | "require") {
                        self.import(index, word);
                    }
                    // A member of what stands before it: `a.b`, `a->b`.
                    let before = |back: usize| {
                        index
                            .checked_sub(back)
                            .and_then(|i| self.flow.tokens.all.get(i))
                            .map(|token| token.kind)
                    };
                    let inner = before(1) == Some(Kind::Sign(b'.'))
                        || before(1) == Some(Kind::Sign(b'>'))
                            && before(2) == Some(Kind::Sign(b'-'));
                    let part = index > 1
                        && self.flow.is_sign(index - 1, b':')
                        && self.flow.is_sign(index - 2, b':');
                    if !inner && !part {
                        self.begin(index, depth);
                    }
                }
                _ => {}
            }
            index += 1;
        }
    }

    /// The function whose keyword stands before `index`. One without a name sees what is around it;
    /// the parameters of each are its own, the receiver of Go, which stands before the name, too.
    fn function(&mut self, index: usize) {
        let first = if self.flow.word(index).is_some() { index + 1 } else { index };
        let is_open = self.flow.is_sign(first, b'(');
        let after = self.flow.past(first);
        let method = first == index && is_open && self.flow.word(after).is_some();
        let second = Some(after + 1).filter(|at| method && self.flow.is_sign(*at, b'('));
        if first > index || second.is_some() {
            self.flow.enter();
        }
        if is_open {
            self.flow.parameters(first);
        }
        if let Some(second) = second {
            self.flow.parameters(second);
        }
    }

    /// A name begins: it is called, set, or neither.
    fn begin(&mut self, index: usize, depth: usize) {
        let (mut next, mut path) = self.flow.path(index);
        loop {
            // `name!(…)` of Rust.
            let open = if self.flow.is_sign(next, b'!') { next + 1 } else { next };
            if self.flow.is_sign(open, b'(') {
                if let Some(arguments) = self.flow.arguments(open) {
                    self.call(index, &path, &arguments, self.flow.past(open).saturating_sub(1));
                }
                // A call on what the call gives: `a().b()`.
                let after = self.flow.past(open);
                let linked = self.flow.is_sign(after, b'.')
                    || self.flow.is_sign(after, b'-') && self.flow.is_sign(after + 1, b'>');
                let step = if self.flow.is_sign(after, b'.') { 1 } else { 2 };
                if linked && self.flow.word(after + step).is_some() && path.len() < 300 {
                    let (further, more) = self.flow.path(after + step);
                    let module =
                        (path == "require").then(|| self.module_in_brackets(open)).flatten();
                    path = match module {
                        Some(module) => format!("{module}.{more}"),
                        None => format!("{path}().{more}"),
                    };
                    next = further;
                    continue;
                }
                return;
            }
            break;
        }
        // A call without brackets, as Ruby and PHP have it.
        let argument = matches!(
            self.flow.tokens.all.get(next).map(|t| t.kind),
            Some(Kind::Text { .. } | Kind::Word)
        );
        if argument
            && matches!(self.flow.language, Language::Ruby | Language::Php)
            && self.prepared.set.calls.contains_key(last_word(&path))
        {
            let end = self.end_of_statement(next);
            let arguments = self.flow.split(next..end, b',');
            self.call(index, &path, &arguments, end.saturating_sub(1));
            return;
        }
        self.set(index, next, &path, depth);
    }

    /// The first token of the next line, or of what ends a statement.
    fn end_of_statement(&self, from: usize) -> usize {
        let mut index = from;
        let mut before = self.flow.tokens.all.get(from).map_or(0, |t| t.start);
        while let Some(token) = self.flow.tokens.all.get(index) {
            let between = self.flow.text.get(before..token.start).unwrap_or_default();
            let joined = index > from
                && matches!(
                    self.flow.tokens.all.get(index - 1).map(|t| t.kind),
                    Some(Kind::Sign(b'+' | b'.' | b',' | b'\\' | b'%' | b'=' | b'|' | b'&' | b'('))
                );
            if between.contains('\n') && !joined
                || matches!(token.kind, Kind::Sign(b';' | b')' | b']' | b'}'))
            {
                return index;
            }
            index = self.flow.past(index);
            before = self.flow.tokens.all.get(index.saturating_sub(1)).map_or(before, |t| t.end);
            if index > from + 400 {
                break;
            }
        }
        index
    }

    /// `a, err := f(x)` of Go: every name has to do with the value.
    fn set_several(&mut self, index: usize, next: usize) {
        let mut names = vec![index];
        let mut at = next;
        while self.flow.is_sign(at, b',') && self.flow.word(at + 1).is_some() && names.len() < 8 {
            names.push(at + 1);
            at += 2;
        }
        let declares = self.flow.is_sign(at, b':') && self.flow.is_sign(at + 1, b'=');
        let plain = self.flow.is_sign(at, b'=') && !self.flow.is_sign(at + 1, b'=');
        if !(declares || plain) {
            return;
        }
        let from = at + if declares { 2 } else { 1 };
        let values = self.flow.split(from..self.end_of_statement(from), b',');
        for (number, name) in names.into_iter().enumerate() {
            let Some(name) = self.flow.word(name).filter(|name| *name != "_") else { continue };
            let value = match values.as_slice() {
                [only] => self.flow.value(only),
                several => several.get(number).map_or_else(Value::default, |v| self.flow.value(v)),
            };
            self.flow.assign(name, value, false);
        }
    }

    fn set(&mut self, index: usize, next: usize, path: &str, depth: usize) {
        if self.flow.language == Language::Go && self.flow.is_sign(next, b',') {
            self.set_several(index, next);
            return;
        }
        let sign = |at: usize, byte: u8| self.flow.is_sign(at, byte);
        let mut at = next;
        // A type between the name and the sign: `name: Type =`.
        if sign(at, b':') && !sign(at + 1, b'=') && !sign(at + 1, b':') {
            let mut look = at + 1;
            while look < at + 8
                && matches!(
                    self.flow.tokens.all.get(look).map(|t| t.kind),
                    Some(Kind::Word | Kind::Sign(b'&' | b'<' | b'>' | b'[' | b']' | b'.' | b'\''))
                )
            {
                look += 1;
            }
            if sign(look, b'=') && !sign(look + 1, b'=') && !sign(look + 1, b'>') {
                at = look;
            } else {
                // A member of an object: `name: value`.
                let end = self.end_of_value(at + 1);
                self.sets(index, path, at + 1..end);
                return;
            }
        }
        // `name["key"] = value`.
        if sign(at, b'[') {
            let after = self.flow.past(at);
            if sign(after, b'=') && !sign(after + 1, b'=') {
                if self.flow.language == Language::Go {
                    self.flow.filled(index);
                }
                let inner = self.flow.raw(&(at..after));
                let end = self.end_of_value(after + 1);
                self.sets(index, &format!("{path}{inner}"), after + 1..end);
            }
            return;
        }
        let append =
            matches!(self.flow.tokens.all.get(at).map(|t| t.kind), Some(Kind::Sign(b'+' | b'.')))
                && sign(at + 1, b'=');
        let joins = sign(at, b'<') && sign(at + 1, b'<') && self.flow.language == Language::Ruby;
        let declares = sign(at, b':') && sign(at + 1, b'=');
        let plain =
            sign(at, b'=') && !sign(at + 1, b'=') && !sign(at + 1, b'>') && !sign(at + 1, b'~');
        if !(append || declares || plain || joins) {
            return;
        }
        let from = at + if append || declares || joins { 2 } else { 1 };
        let end = self.end_of_value(from);
        let value = self.flow.value(&(from..end));
        if let Some(name) = self.flow.word(index).filter(|_| next == index + 1) {
            if append || joins {
                self.flow.append(name, &value);
            } else {
                let line = self
                    .flow
                    .text
                    .get(..self.flow.tokens.all.get(index).map_or(0, |t| t.start))
                    .unwrap_or_default();
                let first =
                    line.rsplit('\n').next().is_some_and(|l| l.trim().is_empty() && l.is_empty());
                self.flow.assign(
                    name,
                    value,
                    depth == 0 && (first || self.flow.language != Language::Python),
                );
            }
        }
        self.sets(index, path, from..end);
    }

    fn end_of_value(&self, from: usize) -> usize {
        let mut index = from;
        let mut before = self.flow.tokens.all.get(from).map_or(0, |t| t.start);
        while let Some(token) = self.flow.tokens.all.get(index) {
            let between = self.flow.text.get(before..token.start).unwrap_or_default();
            let sign_before = index > from
                && matches!(self.flow.tokens.all.get(index - 1).map(|t| t.kind), Some(Kind::Sign(b)) if b"+.%=\\&|?(:".contains(&b));
            let sign_here = matches!(token.kind, Kind::Sign(b'+' | b'.' | b'%' | b'?'));
            if between.contains('\n') && !sign_before && !sign_here
                || matches!(token.kind, Kind::Sign(b';' | b',' | b')' | b']' | b'}'))
            {
                return index;
            }
            index = self.flow.past(index);
            before = self.flow.tokens.all.get(index.saturating_sub(1)).map_or(before, |t| t.end);
            if index > from + 400 {
                break;
            }
        }
        index.min(self.flow.tokens.all.len())
    }

    fn sets(&mut self, index: usize, path: &str, range: Range) {
        if range.is_empty() || self.prepared.set.sets.is_empty() {
            return;
        }
        let mut value: Option<Value> = None;
        for number in &self.prepared.set.sets {
            let Some(rule) = self.prepared.set.rules.get(*number) else { continue };
            let Event::Set(target) = &rule.event else { continue };
            if !target.is_match(path) {
                continue;
            }
            let value = value.get_or_insert_with(|| self.flow.value(&range));
            let values = [(range.clone(), value.clone())];
            if self.holds(rule, &values) {
                self.matches.push(self.found(*number, index, range.end.saturating_sub(1)));
            }
        }
    }

    fn found(&self, rule: usize, first: usize, last: usize) -> Match {
        let at = |index: usize| self.flow.tokens.all.get(index);
        Match { rule, start: at(first).map_or(0, |t| t.start), end: at(last).map_or(0, |t| t.end) }
    }

    fn call(&mut self, index: usize, path: &str, arguments: &[Range], last: usize) {
        let full = match path.split_once('.') {
            Some((head, rest)) => self.imports.get(head).map(|module| format!("{module}.{rest}")),
            None => self.imports.get(path).cloned(),
        };
        let path = full.as_deref().unwrap_or(path);
        self.call_of(index, path, arguments, last);
        // What is read into or copied to is no constant any more, and whoever is given a buffer may
        // fill it.
        if self.flow.language == Language::Go {
            let fills = matches!(last_word(path), "Read" | "ReadFull" | "copy");
            for argument in arguments {
                if fills || last_word(path) != "len" && self.flow.is_empty(argument.start) {
                    self.flow.filled(argument.start);
                }
            }
        }
    }

    fn call_of(&mut self, index: usize, path: &str, arguments: &[Range], last: usize) {
        let Some(candidates) = self.prepared.set.calls.get(last_word(path)) else { return };
        let mut values: Option<Vec<(Range, Value)>> = None;
        for number in candidates.clone() {
            let Some(rule) = self.prepared.set.rules.get(number) else { continue };
            let Event::Call(callees) = &rule.event else { continue };
            if !callees.iter().any(|callee| callee.matches(path)) {
                continue;
            }
            let values = values.get_or_insert_with(|| {
                arguments.iter().map(|a| (a.clone(), self.flow.value(a))).collect()
            });
            if self.holds(rule, values) {
                self.matches.push(self.found(number, index, last));
            }
        }
    }

    fn holds(&self, rule: &Rule, arguments: &[(Range, Value)]) -> bool {
        let raw = |at: usize| arguments.get(at).map(|(range, _)| self.flow.raw(range));
        let of = |at: usize| arguments.get(at).map(|(_, value)| value);
        let named = |name: &str| {
            arguments.iter().find_map(|(range, _)| {
                let text = self.flow.raw(range);
                let rest = text.strip_prefix(name)?.trim_start();
                rest.strip_prefix('=').or_else(|| rest.strip_prefix(':')).map(str::trim)
            })
        };
        rule.when.iter().all(|condition| match condition {
            Condition::Moving(at) => of(*at).is_some_and(|v| v.form != Form::Constant),
            Condition::Built(at) => of(*at).is_some_and(|v| v.form == Form::Built),
            Condition::Sql(at) => of(*at).is_some_and(|v| {
                v.form == Form::Built
                    && v.text.as_deref().is_some_and(|t| self.prepared.sql.is_match(t))
            }),
            Condition::Tainted(Some(at)) => of(*at).is_some_and(|v| v.tainted),
            Condition::Tainted(None) => arguments.iter().any(|(_, v)| v.tainted),
            Condition::Constant(at, regex) => of(*at).is_some_and(|v| {
                v.form == Form::Constant && v.text.as_deref().is_some_and(|t| regex.is_match(t))
            }),
            Condition::Text(at, regex) => raw(*at).is_some_and(|t| regex.is_match(t)),
            Condition::Named(name, regex) => named(name).is_some_and(|t| regex.is_match(t)),
            Condition::NotNamed(name) => named(name).is_none(),
            Condition::Any(regex) => {
                arguments.iter().any(|(r, _)| regex.is_match(self.flow.raw(r)))
            }
            Condition::None(regex) => {
                !arguments.iter().any(|(r, _)| regex.is_match(self.flow.raw(r)))
            }
            Condition::File(regex) => regex.is_match(self.flow.text),
            Condition::NoFile(regex) => !regex.is_match(self.flow.text),
            Condition::AtMost(count) => arguments.len() <= *count,
            Condition::NotNear(_) | Condition::Comments => false,
        })
    }

    /// `import a as b`, `from a import b as c`, `const { b } = require('a')`, `import b from 'a'`.
    fn import(&mut self, index: usize, word: &str) {
        let end = {
            let mut at = index + 1;
            while at < index + 60
                && self.flow.tokens.all.get(at).is_some_and(|t| {
                    let before = self.flow.tokens.all.get(at - 1).map_or(0, |b| b.end);
                    let open = self.flow.is_sign(index, b'(');
                    open || !self.flow.text.get(before..t.start).unwrap_or_default().contains('\n')
                        || self.flow.is_sign(at - 1, b',')
                        || self.flow.is_sign(at - 1, b'{')
                        || self.flow.is_sign(at - 1, b'(')
                        || self.flow.is_sign(at, b'}')
                        || self.flow.is_sign(at, b')')
                })
                && !self.flow.is_sign(at, b';')
            {
                at += 1;
            }
            at
        };
        match (self.flow.language, word) {
            (Language::Python, "import")
                if index == 0
                    || self.flow.word(index.wrapping_sub(2)) != Some("from")
                        && !self.is_from(index) =>
            {
                for piece in self.flow.split(index + 1..end, b',') {
                    let (next, module) = self.flow.path(piece.start);
                    if self.flow.word(next) == Some("as")
                        && let Some(name) = self.flow.word(next + 1)
                    {
                        self.imports.insert(name, module);
                    }
                }
            }
            (Language::Python, "from") => {
                let (next, module) = self.flow.path(index + 1);
                if self.flow.word(next) != Some("import") {
                    return;
                }
                let range = if self.flow.is_sign(next + 1, b'(') {
                    next + 2..self.flow.past(next + 1).saturating_sub(1)
                } else {
                    next + 1..end
                };
                for piece in self.flow.split(range, b',') {
                    let Some(original) = self.flow.word(piece.start) else { continue };
                    let name = if self.flow.word(piece.start + 1) == Some("as") {
                        self.flow.word(piece.start + 2)
                    } else {
                        Some(original)
                    };
                    if let Some(name) = name {
                        self.imports.insert(name, format!("{module}.{original}"));
                    }
                }
            }
            (Language::JavaScript, "require") => {
                let Some(module) = self.module_in_brackets(index + 1) else { return };
                // Backwards: `name =` or `{ a, b: c } =`.
                if index < 2 || !self.flow.is_sign(index - 1, b'=') {
                    return;
                }
                if let Some(name) = self.flow.word(index - 2) {
                    self.imports.insert(name, module);
                } else if self.flow.is_sign(index - 2, b'}') {
                    self.destructured(index - 2, &module);
                }
            }
            (Language::JavaScript, "from") => {
                let Some(module) = self
                    .flow
                    .tokens
                    .all
                    .get(index + 1)
                    .filter(|t| matches!(t.kind, Kind::Text { .. }))
                    .map(|t| self.flow.constant(t))
                else {
                    return;
                };
                let module = clean_module(&module);
                if index > 0 && self.flow.is_sign(index - 1, b'}') {
                    self.destructured(index - 1, &module);
                } else if let Some(name) = index.checked_sub(1).and_then(|i| self.flow.word(i)) {
                    self.imports.insert(name, module);
                }
            }
            _ => {}
        }
    }

    fn is_from(&self, index: usize) -> bool {
        // What the statement before brought in is its own affair.
        let mut before = (1..8).map(|back| index.checked_sub(back).and_then(|i| self.flow.word(i)));
        before.find(|word| matches!(word, Some("from" | "import"))) == Some(Some("from"))
    }

    fn module_in_brackets(&self, open: usize) -> Option<String> {
        let token = self.flow.tokens.all.get(open + 1)?;
        (self.flow.is_sign(open, b'(') && matches!(token.kind, Kind::Text { .. }))
            .then(|| clean_module(&self.flow.constant(token)))
    }

    /// `{ a, b: c, d as e }` that ends at `close`.
    fn destructured(&mut self, close: usize, module: &str) {
        let mut open = close;
        while open > 0 && close - open < 60 && !self.flow.is_sign(open, b'{') {
            open -= 1;
        }
        for piece in self.flow.split(open + 1..close, b',') {
            let Some(original) = self.flow.word(piece.start) else { continue };
            let renamed = self.flow.is_sign(piece.start + 1, b':')
                || self.flow.word(piece.start + 1) == Some("as");
            let name = if renamed { self.flow.word(piece.start + 2) } else { Some(original) };
            if let Some(name) = name {
                self.imports.insert(name, format!("{module}.{original}"));
            }
        }
    }
}

fn clean_module(module: &str) -> String {
    module.strip_prefix("node:").unwrap_or(module).replace('/', ".")
}

fn last_word(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
