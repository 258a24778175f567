//! Static analysis: rules as data over calls, assignments and lines, in one pass over a file for
//! all rules of its language. Constants are folded, and names are followed one step back.

mod flow;
mod languages;
mod lex;
pub(crate) mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use pact_contract::{Finding, Severity};
use regex::{Regex, RegexSet};

use crate::{secrets::is_test, source::is_allowed};
use flow::{Flow, Form, Range, Value};
pub(crate) use languages::Language;
use lex::Kind;
use rules::{Condition, Event, FILES, Rule, RuleSet};

/// The comment that allows a rule, by its id, on its own and the next line.
pub(crate) const ALLOW: &str = "pact:allow";
/// Most findings of one rule in one file.
const MAX_RULE_FINDINGS: usize = 200;
/// Longest line that line rules look at.
const MAX_LINE: usize = 4_096;

/// The rules, ready to be used.
pub(crate) struct Rules(BTreeMap<Language, Prepared>);

struct Prepared {
    set: RuleSet,
    lines: RegexSet,
    source: Regex,
    cleaner: Regex,
    /// A statement of SQL begins so.
    sql: Regex,
}

/// What was seen in one file.
#[derive(Debug, Default)]
pub(crate) struct FileScan {
    pub(crate) findings: Vec<Finding>,
    /// Findings that a comment allows.
    pub(crate) allowed: usize,
}

/// A place that a rule matches.
struct Match {
    rule: usize,
    start: usize,
    end: usize,
}

impl Rules {
    /// The built-in rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new() -> Result<Self, String> {
        let mut out = BTreeMap::new();
        let expression = |text: &str| Regex::new(text).map_err(|e| e.to_string());
        for (language, text) in FILES {
            let set = RuleSet::parse(text).map_err(|e| format!("{}: {e}", language.name()))?;
            let lines = set.lines.iter().filter_map(|index| match &set.rules.get(*index)?.event {
                Event::Line(line) => Some(line.as_str().to_owned()),
                _ => None,
            });
            let lines = RegexSet::new(lines).map_err(|e| e.to_string())?;
            out.insert(*language, Prepared {
                set,
                lines,
                source: expression(language.source())?,
                cleaner: expression(language.cleaner())?,
                sql: expression(r"(?i)^[\s(]*(?:select\s|insert\s+(?:into|or)\s|update\s+\S+\s+set|delete\s+from|drop\s+\w|alter\s+\w|create\s+\w|truncate\s|merge\s+into|replace\s+into|with\s+\w+\s+as|exec\s|call\s|grant\s|union\s)|\bwhere\s|\bfrom\s+\S+\s+where\b")?,
            });
        }
        Ok(Self(out))
    }

    /// Looks at `text`; only findings on lines for which `added` says yes count.
    pub(crate) fn scan(
        &self,
        path: &str,
        language: Language,
        text: &str,
        added: impl Fn(u32) -> bool,
    ) -> FileScan {
        let mut scan = FileScan::default();
        let Some(prepared) = self.0.get(&language) else { return scan };
        let mut matches = Vec::new();
        if language.is_lines() {
            prepared.lines_of(text, &[], &mut matches);
        } else {
            let tokens = lex::lex(text, &language.syntax());
            prepared.lines_of(text, &tokens.comments, &mut matches);
            let flow = Flow::new(
                text,
                &tokens,
                language,
                prepared.source.clone(),
                prepared.cleaner.clone(),
            );
            Walk { prepared, flow, imports: HashMap::new(), matches: &mut matches }.run();
        }
        matches.sort_by_key(|m| (m.start, m.rule));
        let lines: Vec<&str> = text.split('\n').collect();
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1))
            .collect();
        let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
        let test = is_test(path);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let mut last: HashMap<usize, usize> = HashMap::new();
        for found in matches {
            let Some(rule) = prepared.set.rules.get(found.rule) else { continue };
            // One call is one finding of a rule, however many of its arguments it is about.
            if last.insert(found.rule, found.start) == Some(found.start) {
                continue;
            }
            let (first, until) = (line_of(found.start), line_of(found.end.max(found.start)));
            let Ok(number) = u32::try_from(first + 1) else { continue };
            let end = u32::try_from(until + 1).unwrap_or(number);
            // A change anywhere within the expression counts.
            let Some(line) = (number..=end).find(|line| added(*line)) else { continue };
            if is_allowed(&lines, first, ALLOW, rule.code.as_str()) {
                scan.allowed += 1;
                continue;
            }
            let count = counts.entry(found.rule).or_default();
            *count += 1;
            if *count > MAX_RULE_FINDINGS {
                continue;
            }
            // Tests and examples do not ship.
            let severity = if test { rule.severity.min(Severity::Medium) } else { rule.severity };
            let before = starts.get(first).and_then(|start| text.get(*start..found.start));
            let column = (line == number)
                .then(|| before.map_or(1, |b| b.chars().count() + 1))
                .and_then(|c| u32::try_from(c).ok());
            let mut finding = Finding::new(rule.code.clone(), severity, &rule.message)
                .at(path, Some(line), column)
                .remedy(&rule.remedy);
            // The source itself is not shown: it may hold a secret.
            finding.evidence = Some(format!("rule {} for {}", rule.code, language.name()));
            scan.findings.push(finding);
        }
        scan
    }
}

impl Prepared {
    /// The line rules, all at once; what stands in a comment does not count.
    fn lines_of(&self, text: &str, comments: &[(usize, usize)], out: &mut Vec<Match>) {
        if self.set.lines.is_empty() {
            return;
        }
        let mut start = 0;
        let mut before: std::collections::VecDeque<&str> = std::collections::VecDeque::new();
        for line in text.split('\n') {
            let begin = start;
            start += line.len() + 1;
            let mut length = line.len().min(MAX_LINE);
            while !line.is_char_boundary(length) {
                length -= 1;
            }
            let shown = line.get(..length).unwrap_or_default();
            let trimmed = shown.trim_start();
            let indent = shown.len() - trimmed.len();
            let comment = comments.binary_search_by(|(from, to)| {
                if *to <= begin + indent {
                    std::cmp::Ordering::Less
                } else if *from > begin + indent {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Equal
                }
            });
            let is_comment = comment.is_ok()
                || comments.is_empty() && trimmed.starts_with('#') && !trimmed.starts_with("#!");
            if !is_comment && !trimmed.is_empty() {
                for number in self.lines.matches(shown) {
                    let Some(index) = self.set.lines.get(number) else { continue };
                    let Some(rule) = self.set.rules.get(*index) else { continue };
                    let Event::Line(expression) = &rule.event else { continue };
                    let at = expression.find(shown).map_or(0, |m| m.start());
                    let holds = rule.when.iter().all(|condition| match condition {
                        Condition::File(regex) => regex.is_match(text),
                        Condition::NoFile(regex) => !regex.is_match(text),
                        Condition::None(regex) => !regex.is_match(shown),
                        Condition::Any(regex) => regex.is_match(shown),
                        Condition::NotNear(regex) => {
                            !regex.is_match(shown) && !before.iter().any(|l| regex.is_match(l))
                        }
                        _ => false,
                    });
                    if holds {
                        out.push(Match {
                            rule: *index,
                            start: begin + at,
                            end: begin + length.max(at),
                        });
                    }
                }
            }
            before.push_back(shown);
            if before.len() > 10 {
                before.pop_front();
            }
        }
    }
}

/// One pass over the tokens of a file.
struct Walk<'r, 't> {
    prepared: &'r Prepared,
    flow: Flow<'t>,
    /// What a name that was brought in stands for.
    imports: HashMap<&'t str, String>,
    matches: &'r mut Vec<Match>,
}

impl<'t> Walk<'_, 't> {
    fn run(mut self) {
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
                        self.flow.enter();
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

    fn set(&mut self, index: usize, next: usize, path: &str, depth: usize) {
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
            Condition::NotNear(_) => false,
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
        (1..8).any(|back| index.checked_sub(back).and_then(|i| self.flow.word(i)) == Some("from"))
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
