//! One pass over the tokens of a file: what is called, set and brought in.

use std::{borrow::Cow, collections::HashMap};

use super::{
    flow::{Flow, Range, Value},
    handed::{Handed, Seen, is_definition},
    languages::Language,
    lex::Kind,
    prepared::{Match, Prepared},
    rules::Event,
};

/// Most brackets inside one another that are remembered.
const MAX_OPEN: usize = 500;

/// One pass over the tokens of a file.
pub(super) struct Walk<'r, 't> {
    pub(super) prepared: &'r Prepared,
    pub(super) flow: Flow<'t>,
    /// What a name that was brought in stands for.
    pub(super) imports: HashMap<&'t str, String>,
    pub(super) matches: &'r mut Vec<Match>,
    /// What is handed to the functions of this file, as far as the walk before has seen.
    pub(super) handed: &'r Handed<'t>,
    /// What this walk sees of that.
    pub(super) seen: Seen<'t>,
    /// The brackets that are open.
    pub(super) open: Vec<usize>,
    /// Whether what is being set was there before.
    pub(super) assigned: bool,
}

impl<'t> Walk<'_, 't> {
    pub(super) fn run(mut self) -> Seen<'t> {
        let count = self.flow.tokens.all.len();
        let mut depth = 0usize;
        let mut index = 0;
        while index < count {
            let Some(token) = self.flow.tokens.all.get(index).copied() else { break };
            match token.kind {
                Kind::Sign(sign @ (b'{' | b'(' | b'[')) => {
                    depth += 1;
                    self.flow.level += usize::from(sign == b'{');
                    if self.open.len() < MAX_OPEN {
                        self.open.push(index);
                    }
                }
                Kind::Sign(sign @ (b'}' | b')' | b']')) => {
                    depth = depth.saturating_sub(1);
                    if sign == b'}' {
                        self.flow.level = self.flow.level.saturating_sub(1);
                        self.flow.leave(self.flow.level);
                    }
                    while self.open.last().is_some_and(|open| self.flow.past(*open) <= index + 1) {
                        self.open.pop();
                    }
                }
                Kind::Word => {
                    let word = self.flow.of(&token);
                    let defines = is_definition(word);
                    if defines {
                        self.function(index + 1);
                    }
                    match word {
                        "import" | "from" | "require" => self.import(index, word),
                        "return" => self.gives_back(index),
                        "var" if self.flow.language == Language::Go => self.empty_of_go(index),
                        "for" if self.flow.language == Language::Python => self.each(index),
                        _ => {}
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
                    // What is defined is not called: `def eval(self)`.
                    let defined = index.checked_sub(1).and_then(|i| self.flow.word(i));
                    if self.flow.is_sign(index + 1, b'{') && !self.prepared.set.blocks.is_empty() {
                        self.block(index, word);
                    }
                    if !inner && !part && !defined.is_some_and(is_definition) {
                        self.begin(index, depth);
                    }
                }
                _ => {}
            }
            index += 1;
        }
        self.seen
    }

    /// The function whose keyword stands before `index`. One without a name sees what is around it;
    /// the parameters of each are its own, the receiver of Go, which stands before the name, too.
    fn function(&mut self, index: usize) {
        let named = self.flow.word(index);
        let first = if named.is_some() { index + 1 } else { index };
        let is_open = self.flow.is_sign(first, b'(');
        let after = self.flow.past(first);
        let method = first == index && is_open && self.flow.word(after).is_some();
        let second = Some(after + 1).filter(|at| method && self.flow.is_sign(*at, b'('));
        let level = self.inside(index);
        let name = if second.is_some() { self.flow.word(after) } else { named };
        if let Some(name) = name {
            self.flow.enter();
            self.seen.begins(name);
        }
        let handed = name.and_then(|name| self.handed.to(name));
        if is_open {
            self.flow.parameters(first, level, handed.filter(|_| second.is_none()));
        }
        if let Some(second) = second {
            self.flow.parameters(second, level, handed);
        }
    }

    /// A block right behind a word: `for { … }`.
    fn block(&mut self, index: usize, word: &str) {
        let range = index + 1..self.flow.past(index + 1);
        for number in &self.prepared.set.blocks {
            let Some(rule) = self.prepared.set.rules.get(*number) else { continue };
            let is_it = matches!(&rule.event, Event::Block(behind) if behind == word);
            if is_it && self.holds(rule, &[(range.clone(), Value::default())]) {
                self.matches.push(self.found(*number, index, index));
            }
        }
    }

    /// How deep what is inside the function at `index` is.
    fn inside(&self, index: usize) -> usize {
        if self.flow.language == Language::Python {
            self.indent(index) + 4
        } else {
            self.flow.level + 1
        }
    }

    /// How deep in blocks the token is: Python tells it by the blanks before the line.
    pub(super) fn depth(&self, index: usize) -> usize {
        if self.flow.language == Language::Python { self.indent(index) } else { self.flow.level }
    }

    pub(super) fn indent(&self, index: usize) -> usize {
        let start = self.flow.tokens.all.get(index).map_or(0, |t| t.start);
        let before = self.flow.text.get(..start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        line.bytes().take_while(|b| matches!(b, b' ' | b'\t')).count()
    }

    /// `return value`: whether the function gives back what a request brings.
    fn gives_back(&mut self, index: usize) {
        if !self.seen.in_function() {
            return;
        }
        let value = self.flow.value(&(index + 1..self.flow.end_of_value(index + 1)));
        if value.tainted {
            self.seen.gives_back();
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
                    path = Cow::Owned(match module {
                        Some(module) => format!("{module}.{more}"),
                        None => format!("{path}().{more}"),
                    });
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
    pub(super) fn end_of_statement(&self, from: usize) -> usize {
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

    pub(super) fn sets(&mut self, index: usize, path: &str, range: Range) {
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
        self.hands_over(path, arguments);
        self.writes(path, index, arguments);
    }

    /// A function of this file is called: what it is given is known in it.
    fn hands_over(&mut self, path: &str, arguments: &[Range]) {
        let last = last_word(path);
        if !self.handed.is_of_file(last) {
            return;
        }
        let values = arguments.iter().map(|a| self.flow.value(a)).collect();
        self.seen.called(last, values);
    }

    /// What is read into or copied to is no constant any more, and whoever is given a buffer may
    /// fill it; what is appended to has more to it.
    fn writes(&mut self, path: &str, index: usize, arguments: &[Range]) {
        let last = last_word(path);
        if matches!(
            last,
            "WriteString" | "WriteByte" | "WriteRune" | "append" | "push" | "add" | "extend"
        ) && path.split('.').count() == 2
            && let Some(head) = self.flow.word(index)
        {
            for argument in arguments {
                let value = self.flow.value(argument);
                self.flow.append(head, &value);
            }
        }
        if self.flow.language == Language::Go {
            let fills = matches!(last, "Read" | "ReadFull" | "copy");
            for argument in arguments {
                if self.flow.is_sign(argument.start, b'&') {
                    self.flow.filled(argument.start + 1);
                } else if fills || last != "len" && self.flow.is_empty(argument.start) {
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
}

fn last_word(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
