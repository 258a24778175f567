//! What is wrong with a file in a language of the C family whatever version of the language it is
//! in: brackets that do not match, strings and comments that are not closed, operators without an
//! operand. It is the second opinion where only a grammar speaks.

use std::collections::{HashMap, HashSet};

use super::verdict::Fault;

/// What a language's texts look like to one who reads brackets only.
#[derive(Clone, Copy, Default)]
struct Style {
    /// `//` begins a comment.
    line_comments: bool,
    /// `/* /* */ */` is one comment.
    nested_comments: bool,
    /// `'x'` is a character.
    characters: bool,
    /// `` `…` `` is a string without escapes, over lines.
    backquotes: bool,
    /// `"""…"""` is a string over lines.
    triple: bool,
    /// What begins code in a string, after which brackets count.
    interpolation: Option<Interpolation>,
    /// Lines that begin with `#` are for the preprocessor.
    preprocessor: bool,
    /// `R"x(…)x"`.
    raw_cpp: bool,
    /// `@"…"` and `$"…{…}"`.
    csharp: bool,
    /// `#"…"#`.
    hashes: bool,
    /// `'…'` is a string.
    single_quoted: bool,
    /// `= )` and the like are wrong.
    operators: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interpolation {
    /// `${…}`.
    Dollar,
    /// `\(…)`.
    Backslash,
    /// `{…}`, but `{{` is a bracket.
    Brace,
}

fn style(language: &str) -> Option<Style> {
    let c = Style { line_comments: true, characters: true, ..Style::default() };
    Some(match language {
        "C" => Style { preprocessor: true, operators: true, ..c },
        "C++" => Style { preprocessor: true, raw_cpp: true, ..c },
        "C#" => Style { preprocessor: true, csharp: true, operators: true, triple: true, ..c },
        "CSS" => Style { single_quoted: true, ..Style::default() },
        "Go" => Style { backquotes: true, operators: true, ..c },
        "Java" => Style { triple: true, operators: true, ..c },
        "Kotlin" => Style {
            nested_comments: true,
            triple: true,
            interpolation: Some(Interpolation::Dollar),
            operators: true,
            ..c
        },
        "Swift" => Style {
            line_comments: true,
            nested_comments: true,
            triple: true,
            interpolation: Some(Interpolation::Backslash),
            hashes: true,
            ..Style::default()
        },
        _ => return None,
    })
}

/// The first thing that is wrong in every reading of the file; none where nothing is, or where
/// the language is not one of those.
pub(super) fn fault(language: &str, text: &str) -> Option<Fault> {
    let style = style(language)?;
    // Of an `#if` with an `#else` only one branch is compiled: either may open what both need.
    let branches: &[Branch] =
        if style.preprocessor { &[Branch::First, Branch::Last] } else { &[Branch::First] };
    let mut first = None;
    for branch in branches {
        let found = Scanner::new(text, style, *branch).run()?;
        first.get_or_insert(found);
    }
    first.map(|(offset, message)| Fault::at(text, offset, message))
}

/// What is wrong in one reading at least.
pub(super) fn suspect(language: &str, text: &str) -> Option<Fault> {
    let style = style(language).filter(|style| style.preprocessor)?;
    let mut found = [Branch::First, Branch::Last].into_iter();
    let (offset, message) = found.find_map(|branch| Scanner::new(text, style, branch).run())?;
    Some(Fault::at(text, offset, message))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    First,
    Last,
}

/// A string that is open.
#[derive(Clone, Copy)]
struct Text {
    quote: u8,
    /// Quotes in a row that end it.
    quotes: usize,
    /// `#` behind the quotes.
    hashes: usize,
    escapes: bool,
    /// `""` is a quote.
    doubled: bool,
    multiline: bool,
    interpolation: Option<Interpolation>,
    start: usize,
}

enum Open {
    Bracket(u8, usize),
    Code(Text, u8),
}

type Wrong = (usize, String);

struct Scanner<'t> {
    text: &'t [u8],
    style: Style,
    branch: Branch,
    at: usize,
    open: Vec<Open>,
    /// Where the branches of conditions begin that are not their last.
    continued: HashSet<usize>,
    operator: Option<usize>,
    /// Where the indentation first disagrees with the brackets.
    odd: Option<usize>,
    /// Column of the first line in a block, by the block's bracket.
    inner: HashMap<usize, usize>,
}

impl<'t> Scanner<'t> {
    fn new(text: &'t str, style: Style, branch: Branch) -> Self {
        let text = text.as_bytes();
        let continued = if branch == Branch::Last { continued(text) } else { HashSet::new() };
        Self {
            text,
            style,
            branch,
            at: 0,
            open: Vec::new(),
            continued,
            operator: None,
            odd: None,
            inner: HashMap::new(),
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn is(&self, what: &[u8]) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn run(mut self) -> Option<Wrong> {
        while self.at < self.text.len() {
            self.look_at_line();
            if let Err((at, message)) = self.step() {
                // The block that lost its end is further up than the bracket that has nothing to close.
                let is_bracket = message.contains("closes nothing") || message.contains("unclosed");
                return Some((
                    self.odd.filter(|odd| is_bracket && *odd < at).unwrap_or(at),
                    message,
                ));
            }
        }
        match self.open.pop()? {
            Open::Bracket(bracket, start) => Some((self.odd.unwrap_or(start), unclosed(bracket))),
            Open::Code(text, _) => Some((text.start, "the string is not closed".to_owned())),
        }
    }

    fn step(&mut self) -> Result<(), Wrong> {
        let byte = self.byte(0);
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'#' if self.style.preprocessor && self.begins_line() => self.directive()?,
            b'#' if self.style.hashes && self.hashed() => self.hashed_string()?,
            b'/' if self.is(b"//") && self.style.line_comments => self.skip_line(),
            b'/' if self.is(b"/*") => self.comment()?,
            // A regular expression on a line of its own, of Swift.
            b'/' if self.style.hashes && self.begins_line() => self.skip_line(),
            // In names of CSS a backslash takes its meaning from any character: `.a\[\'b\'\]`.
            b'\\' if self.style.single_quoted => self.at += 2,
            b'=' if self.style.operators && self.assigns_twice() => {
                return Err((self.at, "an assignment follows another".to_owned()));
            }
            b'"' => self.string(byte, false)?,
            b'`' if self.style.backquotes => {
                self.operator = None;
                self.at += 1;
                let start = self.at - 1;
                self.read(Text {
                    quote: b'`',
                    quotes: 1,
                    hashes: 0,
                    escapes: false,
                    doubled: false,
                    multiline: true,
                    interpolation: None,
                    start,
                })?;
            }
            b'\'' if self.style.single_quoted => self.string(byte, false)?,
            b'\'' if self.style.characters => self.character(),
            b'R' if self.style.raw_cpp && self.is(b"R\"") && !self.follows_word() => self.raw()?,
            b'@' | b'$' if self.style.csharp && self.prefixed() => {}
            b'(' | b'[' | b'{' => {
                self.open.push(Open::Bracket(byte, self.at));
                self.operator = None;
                self.at += 1;
            }
            b')' | b']' | b'}' => self.close(byte)?,
            b';' => {
                self.dangling(byte)?;
                self.at += 1;
            }
            _ => self.other(byte),
        }
        Ok(())
    }

    /// A word, number or operator.
    fn other(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80 {
            self.operator = None;
            while matches!(self.byte(0), b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80..) {
                // `1'000'000` of C++ and C.
                let separates = self.byte(1) == b'\'' && self.byte(0).is_ascii_hexdigit();
                self.at += 1;
                if separates && byte.is_ascii_digit() && self.byte(1).is_ascii_hexdigit() {
                    self.at += 1;
                }
            }
            return;
        }
        if self.style.operators {
            let operators: &[&[u8]] = &[b"&&", b"||", b"==", b"!=", b":=", b"+=", b"-=", b"="];
            let found = operators.iter().find(|operator| self.is(operator));
            if let Some(operator) = found {
                self.operator = Some(self.at);
                self.at += operator.len();
                return;
            }
        }
        self.operator = None;
        self.at += 1;
    }

    /// `a = = b`: no language of these has it.
    fn assigns_twice(&self) -> bool {
        let is_assignment =
            |at: usize| self.text.get(at) == Some(&b'=') && self.text.get(at + 1) != Some(&b'=');
        self.operator.is_some_and(|at| at + 1 < self.at && is_assignment(at))
            && is_assignment(self.at)
    }

    fn dangling(&mut self, byte: u8) -> Result<(), Wrong> {
        match self.operator.take() {
            // A macro's argument may be an operator: `OF(a, |=)`.
            Some(_) if self.style.preprocessor && byte != b';' => Ok(()),
            Some(at) => Err((at, format!("an operator is followed by `{}`", char::from(byte)))),
            None => Ok(()),
        }
    }

    fn close(&mut self, byte: u8) -> Result<(), Wrong> {
        self.dangling(byte)?;
        let at = self.at;
        self.at += 1;
        let opens = match byte {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        match self.open.pop() {
            Some(Open::Bracket(bracket, _)) if bracket == opens => Ok(()),
            Some(Open::Code(text, bracket)) if bracket == opens => self.read(text),
            Some(Open::Bracket(bracket, start)) => {
                // A block ends statements: what is still open in it was to be closed before.
                let in_line = !self.text.get(start..at).unwrap_or_default().contains(&b'\n');
                if in_line || byte == b'}' {
                    Err((start, unclosed(bracket)))
                } else {
                    Err((at, unopened(byte)))
                }
            }
            _ => Err((at, unopened(byte))),
        }
    }

    /// Compares the column of a line's first token with that of the line of the innermost bracket:
    /// where a block goes on at the column of its head, or ends at another, an end is missing or too
    /// much. It only says where, once brackets do not match.
    fn look_at_line(&mut self) {
        let byte = self.byte(0);
        if self.odd.is_some() || byte.is_ascii_whitespace() || byte == b'#' || !self.begins_line() {
            return;
        }
        let Some(Open::Bracket(b'{', start)) = self.open.last() else { return };
        let start = *start;
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let head = self.column(line);
        let begin = self.at
            - self
                .text
                .get(..self.at)
                .unwrap_or_default()
                .iter()
                .rev()
                .take_while(|b| **b != b'\n')
                .count();
        let own = self.column(begin);
        let line = self.text.get(self.at..).unwrap_or_default().split(|b| *b == b'\n').next();
        let line = line.unwrap_or_default().trim_ascii_end();
        // What is not indented, as namespaces often are, says nothing.
        if *self.inner.entry(start).or_insert(own) <= head {
            return;
        }
        let is_label =
            line.ends_with(b":") || line.starts_with(b"case ") || line.starts_with(b"default");
        let is_odd = match byte {
            b'}' => own != head,
            b'/' | b')' | b']' | b'{' | b'.' | b'@' => false,
            _ => own <= head && !is_label,
        };
        if is_odd {
            self.odd = Some(self.at);
        }
    }

    /// Width of the indentation of the line that begins there; a tab is one column of its own kind.
    fn column(&self, line: usize) -> usize {
        let rest = self.text.get(line..).unwrap_or_default();
        rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()
    }

    fn begins_line(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.iter().rev().take_while(|b| **b != b'\n').all(u8::is_ascii_whitespace)
    }

    fn follows_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.text.get(at));
        before.is_some_and(|b| b.is_ascii_alphanumeric() && !matches!(b, b'u' | b'U' | b'L' | b'8'))
    }

    fn skip_line(&mut self) {
        while self.at < self.text.len() && self.byte(0) != b'\n' {
            // A comment or directive goes on behind a backslash.
            self.at += if self.style.preprocessor && self.byte(0) == b'\\' { 2 } else { 1 };
            if self.style.preprocessor && self.byte(0) == b'\n' && self.is_continued() {
                self.at += 1;
            }
        }
    }

    fn is_continued(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        before.strip_suffix(b"\r").unwrap_or(before).ends_with(b"\\")
    }

    fn comment(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.is(b"*/") {
                self.at += 2;
                depth -= 1;
            } else if self.is(b"/*") && (depth == 0 || self.style.nested_comments) {
                self.at += 2;
                depth += 1;
            } else {
                self.at += 1;
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err((start, "the comment is not closed".to_owned()))
    }

    /// Skips a directive, and the branches of a condition that are not read.
    fn directive(&mut self) -> Result<(), Wrong> {
        let word = self.directive_word();
        let is_last = !self.continued.contains(&self.at);
        let is_never = word == b"if" && self.is_zero();
        self.rest_of_directive()?;
        let skips = match word.as_slice() {
            _ if is_never => true,
            b"if" | b"ifdef" | b"ifndef" => self.branch == Branch::Last && !is_last,
            b"elif" | b"else" | b"elifdef" | b"elifndef" => {
                self.branch == Branch::First || !is_last
            }
            _ => false,
        };
        if skips {
            self.skip_branch();
        }
        Ok(())
    }

    fn directive_word(&self) -> Vec<u8> {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        rest.iter()
            .skip_while(|b| **b == b' ' || **b == b'\t')
            .take_while(|b| b.is_ascii_alphabetic())
            .copied()
            .collect()
    }

    /// Whether the condition of the `#if` at hand is `0`: what is below it is for people and editors.
    fn is_zero(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        let condition = line.splitn(2, |b| *b == b'f').nth(1).unwrap_or_default().trim_ascii();
        matches!(condition, [b'0'] | [b'0', b' ' | b'\t' | b'/', ..])
    }

    fn rest_of_directive(&mut self) -> Result<(), Wrong> {
        while self.at < self.text.len() && self.byte(0) != b'\n' {
            if self.is(b"/*") {
                self.comment()?;
            } else if self.byte(0) == b'\\' && self.byte(1) == b'\n' {
                self.at += 2;
            } else if self.byte(0) == b'\\' && self.byte(1) == b'\r' && self.byte(2) == b'\n' {
                self.at += 3;
            } else {
                self.at += 1;
            }
        }
        Ok(())
    }

    /// Goes on at the directive that ends this branch.
    fn skip_branch(&mut self) {
        let mut depth = 0usize;
        while self.at < self.text.len() {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
            match word_of(line) {
                b"if" | b"ifdef" | b"ifndef" => depth += 1,
                b"endif" if depth == 0 => return,
                b"endif" => depth -= 1,
                b"else" | b"elif" | b"elifdef" | b"elifndef" if depth == 0 => return,
                _ => {}
            }
            self.at += line.len() + 1;
        }
    }

    /// `"…"` or `"""…"""`, whose quotes are next.
    fn string(&mut self, quote: u8, verbatim: bool) -> Result<(), Wrong> {
        let start = self.at;
        let row = self.text.get(start..).unwrap_or_default();
        let row = row.iter().take_while(|b| **b == quote).count();
        let triple = self.style.triple && row >= 3 && !verbatim;
        let quotes = match (triple, self.style.csharp) {
            (true, true) => row,
            (true, false) => 3,
            _ => 1,
        };
        self.at += quotes;
        self.operator = None;
        let has_escapes =
            !self.style.csharp && self.style.interpolation != Some(Interpolation::Dollar);
        let raw = triple && !has_escapes;
        self.read(Text {
            quote,
            quotes,
            hashes: 0,
            escapes: !raw && !verbatim,
            doubled: verbatim,
            multiline: triple || verbatim || self.style.single_quoted,
            interpolation: self.style.interpolation,
            start,
        })
    }

    /// Reads on in a string to its end, or to code in it.
    fn read(&mut self, text: Text) -> Result<(), Wrong> {
        while self.at < self.text.len() {
            let byte = self.byte(0);
            if byte == b'\\'
                && text.interpolation == Some(Interpolation::Backslash)
                && self.code_begins(&text)
            {
                return Ok(());
            }
            if byte == b'\\' && text.escapes {
                self.at += 2;
                continue;
            }
            if byte == b'\n' && !text.multiline {
                return Err((text.start, "the string is not closed".to_owned()));
            }
            if byte == text.quote && self.ends(&text) {
                return Ok(());
            }
            if byte == text.quote && text.doubled && self.byte(1) == text.quote {
                self.at += 2;
                continue;
            }
            if self.code_begins(&text) {
                return Ok(());
            }
            self.at += 1;
        }
        Err((text.start, "the string is not closed".to_owned()))
    }

    fn ends(&mut self, text: &Text) -> bool {
        if text.doubled && self.byte(1) == text.quote {
            return false;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let row = rest.iter().take_while(|b| **b == text.quote).count();
        if row < text.quotes {
            return false;
        }
        let hashes = rest.iter().skip(row).take_while(|b| **b == b'#').count();
        if hashes < text.hashes {
            return false;
        }
        // `""""` ends a text of three that ends with a quote.
        self.at += if text.quotes > 1 { row } else { 1 } + text.hashes;
        true
    }

    /// Whether code begins here: it is entered.
    fn code_begins(&mut self, text: &Text) -> bool {
        let (length, bracket) = match text.interpolation {
            Some(Interpolation::Dollar) if self.is(b"${") => (2, b'{'),
            Some(Interpolation::Backslash) if text.hashes == 0 && self.is(b"\\(") => (2, b'('),
            Some(Interpolation::Brace) if self.is(b"{{") => {
                // Skipped as one: a bracket of the text.
                self.at += 1;
                return false;
            }
            Some(Interpolation::Brace) if self.is(b"{") => (1, b'{'),
            _ => return false,
        };
        self.open.push(Open::Code(*text, bracket));
        self.at += length;
        true
    }

    /// `'x'`, `'\n'`, `'\u0041'`; an apostrophe that is none of them is left alone.
    fn character(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let line = rest.split(|b| *b == b'\n').next().unwrap_or_default();
        let mut at = 0;
        while let Some(byte) = line.get(at) {
            match byte {
                b'\\' => at += 2,
                b'\'' if at > 0 => {
                    self.at += at + 2;
                    self.operator = None;
                    return;
                }
                _ => at += 1,
            }
            if at > 12 {
                break;
            }
        }
        self.operator = None;
        self.at += 1;
    }

    /// `R"x(…)x"`.
    fn raw(&mut self) -> Result<(), Wrong> {
        self.operator = None;
        let start = self.at;
        let rest = self.text.get(self.at + 2..).unwrap_or_default();
        let Some(length) = rest.iter().take(17).position(|b| *b == b'(') else {
            self.at += 1;
            return Ok(());
        };
        let mut end = vec![b')'];
        end.extend_from_slice(rest.get(..length).unwrap_or_default());
        end.push(b'"');
        match rest.windows(end.len()).position(|window| window == end) {
            Some(found) => {
                self.at += 2 + found + end.len();
                Ok(())
            }
            None => Err((start, "the string is not closed".to_owned())),
        }
    }

    /// `@"`, `$"`, `$@"`, `@$"` and `$"""` of C#: the string is read.
    fn prefixed(&mut self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|b| matches!(b, b'@' | b'$')).count();
        if rest.get(length) != Some(&b'"') {
            return false;
        }
        let prefix = rest.get(..length).unwrap_or_default();
        let (verbatim, code) = (prefix.contains(&b'@'), prefix.contains(&b'$'));
        let dollars = prefix.iter().filter(|b| **b == b'$').count();
        self.at += length;
        let before = self.style.interpolation;
        // `$$"""{{x}}"""` is read as text: its code cannot hold what would end it.
        self.style.interpolation = (code && dollars == 1).then_some(Interpolation::Brace);
        let read = self.string(b'"', verbatim);
        self.style.interpolation = before;
        // An unclosed string is found again where the text ends.
        if read.is_err() {
            self.open.push(Open::Bracket(b'"', self.at.min(self.text.len())));
            self.at = self.text.len();
        }
        true
    }

    fn hashed(&self) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let hashes = rest.iter().take_while(|b| **b == b'#').count();
        rest.get(hashes) == Some(&b'"')
    }

    /// `#"…"#` of Swift.
    fn hashed_string(&mut self) -> Result<(), Wrong> {
        self.operator = None;
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let hashes = rest.iter().take_while(|b| **b == b'#').count();
        let row = rest.iter().skip(hashes).take_while(|b| **b == b'"').count();
        let quotes = if row >= 3 { 3 } else { 1 };
        self.at += hashes + quotes;
        self.read(Text {
            quote: b'"',
            quotes,
            hashes,
            escapes: false,
            doubled: false,
            multiline: quotes > 1,
            interpolation: None,
            start,
        })
    }
}

/// Where the branches of conditions begin, by their `#`, behind which another branch follows.
fn continued(text: &[u8]) -> HashSet<usize> {
    let (mut continued, mut open, mut at) = (HashSet::new(), Vec::new(), 0);
    for line in text.split(|b| *b == b'\n') {
        let here = at + line.iter().position(|b| *b == b'#').unwrap_or(0);
        match word_of(line) {
            b"if" | b"ifdef" | b"ifndef" => open.push(here),
            b"elif" | b"else" | b"elifdef" | b"elifndef" => {
                continued.extend(open.pop());
                open.push(here);
            }
            b"endif" => {
                open.pop();
            }
            _ => {}
        }
        at += line.len() + 1;
    }
    continued
}

/// The word of a directive, if the line is one.
fn word_of(line: &[u8]) -> &[u8] {
    let Some(rest) = line.trim_ascii().strip_prefix(b"#") else { return b"" };
    let rest = rest.trim_ascii_start();
    let end = rest.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

fn unclosed(bracket: u8) -> String {
    match bracket {
        b'"' => "the string is not closed".to_owned(),
        other => format!("unclosed `{}`", char::from(other)),
    }
}

fn unopened(bracket: u8) -> String {
    format!("`{}` closes nothing that is open", char::from(bracket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_is_left_alone() {
        for (language, text) in [
            ("C", "int a[] = {'\\'', '{'}; /* ( */ char *b = \"(\\\"\"; // {\n#define X {\n"),
            ("C", "#if A\nif (a) {\n#else\nif (b) {\n#endif\n}\n"),
            ("C", "#if 0\ndon't (\n#else\nint a;\n#endif\n"),
            ("C++", "auto a = R\"x(\")\" ( )x\"; int b = 1'000'000; auto c = [=] { d(e&&); };"),
            (
                "C#",
                "var a = $\"{b[\"}\"]} {{\"; var c = @\"\\\"; var d = \"\"\"\" \"\"\" ( \"\"\"\"; var e = '\"';",
            ),
            ("C#", "var a = $@\"c:\\{b}\"; int? c = d!;\n#region x'(\n"),
            ("CSS", ".a\\:b-\\[\\'c\\(\\]::d { e: f; }"),
            ("CSS", "a { b: url(\"(\"); content: '}'; } /* { */"),
            ("Go", "var a = `(\"`; var b = '\\''; var c = \"\\\"(\""),
            ("Java", "String a = \"\"\"\n ( \" \\\"\"\"\n\"\"\"; char b = '('; List<?> c;"),
            (
                "Kotlin",
                "val a = \"${b(\"}\")} (\"; /* /* */ ( */ val c = \"\"\"(\\\"\"\"; val d = '\\u0041'",
            ),
            (
                "Swift",
                "let a = \"\\(b(\")\")) (\"; let c = #\"(\"\"#; /* /* */ ( */ let d = reduce(0, +)",
            ),
            ("Ruby", "((("),
        ] {
            assert_eq!(fault(language, text), None, "{language}: {text}");
        }
    }

    #[test]
    fn what_does_not_is_found_in_its_line() {
        for (language, text, line) in [
            ("C", "void f() {\n  a(b;\n}\n", 2),
            ("C", "int a;\n}\n", 2),
            ("C", "int a;\nchar *b = \"x;\nint c;\n", 2),
            ("C#", "var a = 1;\nvar b = $\"{c\";\n", 2),
            ("Go", "func f() {\n\tx := \n}\n", 2),
            ("Java", "class A {\n  int a = ;\n}\n", 2),
            ("Java", "class A {\n  /* b\n}\n", 2),
            ("Kotlin", "val a = \"${b\"\n", 1),
            ("Swift", "let a = \"b\nlet c = 1\n", 1),
        ] {
            let found = fault(language, text).expect(text);
            assert_eq!(found.line, line, "{language}: {text}: {found:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[ -~\\n\u{e4}{}()\\[\\]\"'`#$@\\\\/*]{0,160}") {
            for language in ["C", "C++", "C#", "CSS", "Go", "Java", "Kotlin", "Swift"] {
                if let Some(fault) = fault(language, &text) {
                    proptest::prop_assert!(fault.line >= 1 && fault.column >= 1);
                }
            }
        }
    }
}
