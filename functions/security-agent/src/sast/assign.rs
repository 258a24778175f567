//! What names stand for from an assignment on.

use super::{
    flow::{Form, Value},
    languages::Language,
    lex::Kind,
    walk::Walk,
};

/// How a name gets a value.
enum Sets {
    /// It has more to it.
    More,
    /// It is the block's own.
    Own,
    Again,
}

impl<'t> Walk<'_, 't> {
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
                // Whether it went well does not come from a request.
                [_] if matches!(name, "err" | "ok") => Value::default(),
                [only] => self.flow.value(only),
                several => several.get(number).map_or_else(Value::default, |v| self.flow.value(v)),
            };
            if declares {
                self.flow.declare(name, value, self.flow.level);
            } else {
                self.flow.assign(name, value, self.flow.level);
            }
        }
    }

    pub(super) fn set(&mut self, index: usize, next: usize, path: &str, depth: usize) {
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
                let end = self.flow.end_of_value(at + 1);
                self.assigned = false;
                self.sets(index, path, at + 1..end);
                return;
            }
        }
        // `name["key"] = value`.
        if sign(at, b'[') {
            let after = self.flow.past(at);
            if sign(after, b'=') && !sign(after + 1, b'=') {
                let inner = self.flow.raw(&(at..after));
                let end = self.flow.end_of_value(after + 1);
                let value = self.flow.value(&(after + 1..end));
                if self.flow.language == Language::Go && value.form != Form::Constant {
                    self.flow.filled(index);
                }
                if let Some(name) = self.flow.word(index) {
                    self.flow.touched(name, &value);
                }
                self.assigned = true;
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
        let end = self.flow.end_of_value(from);
        let value = self.flow.value(&(from..end));
        if let Some(name) = self.flow.word(index).filter(|_| next == index + 1) {
            self.named(
                name,
                index,
                value,
                if append || joins {
                    Sets::More
                } else if declares || self.is_declared(index) {
                    Sets::Own
                } else {
                    Sets::Again
                },
                depth,
            );
        } else if let Some(head) = self.flow.word(index) {
            // What is an object's own stands for itself: `self.a`.
            let whole = self.flow.raw(&(index..next));
            if matches!(head, "self" | "this") && whole.len() < 200 {
                self.flow.touched(whole, &value);
            } else {
                self.flow.touched(head, &value);
            }
        }
        self.assigned = !declares && !self.is_declared(index);
        self.sets(index, path, from..end);
    }

    /// Whether a word before the name says that it is the block's own.
    fn is_declared(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|i| self.flow.word(i));
        matches!(before, Some("let" | "const" | "mut"))
    }

    /// A name gets a value.
    fn named(&mut self, name: &'t str, index: usize, value: Value, sets: Sets, depth: usize) {
        let level = self.depth(index);
        let python = self.flow.language == Language::Python;
        let global = depth == 0 && (!python || level == 0) && value.form == Form::Constant;
        match sets {
            Sets::More => self.flow.append(name, &value),
            _ if global => self.flow.global(name, value),
            Sets::Own => self.flow.declare(name, value, level),
            Sets::Again => self.flow.assign(name, value, level),
        }
    }

    /// `var a, b T` of Go: without a value it is empty.
    pub(super) fn empty_of_go(&mut self, index: usize) {
        let mut at = index + 1;
        let mut names = Vec::new();
        while let Some(name) = self.flow.word(at).filter(|_| names.len() < 8) {
            names.push(name);
            at += 1;
            if !self.flow.is_sign(at, b',') {
                break;
            }
            at += 1;
        }
        let line = self.flow.end_of_value(at);
        let sign = (at..line).find(|i| self.flow.is_sign(*i, b'='));
        let value = match sign {
            // Without a type it is set like any other.
            Some(sign) if sign == at => return,
            Some(sign) => self.flow.value(&(sign + 1..self.flow.end_of_value(sign + 1))),
            None => Value::constant(""),
        };
        for name in names {
            if self.seen.in_function() {
                self.flow.declare(name, value.clone(), self.flow.level);
            } else if sign.is_some() && value.form == Form::Constant {
                self.flow.global(name, value.clone());
            }
        }
    }

    /// `for a, b in value:` of Python.
    pub(super) fn each(&mut self, index: usize) {
        let mut names = Vec::new();
        let mut at = index + 1;
        while at < index + 12 {
            match self.flow.word(at) {
                Some("in") => break,
                Some(name) => names.push(name),
                None => {}
            }
            at += 1;
        }
        if self.flow.word(at) != Some("in") {
            return;
        }
        let end = (at + 1..at + 60).find(|i| self.flow.is_sign(*i, b':')).unwrap_or(at + 1);
        let all = self.flow.value(&(at + 1..end));
        let value = Value { tainted: all.tainted, given: all.given, ..Value::default() };
        for name in names {
            self.flow.assign(name, value.clone(), self.indent(index));
        }
    }
}
