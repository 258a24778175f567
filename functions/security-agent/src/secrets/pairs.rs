//! Names with their values, in whatever form they stand: assignments of any language, settings,
//! markup, arguments of calls and of command lines.
//!
//! One pass over the text; the work for each name is bounded.

use super::place::Style;

/// Longest name, to each side of the word that was found.
const MAX_NAME: usize = 64;
/// How far before a name its line is looked at.
const MAX_BEFORE: usize = 200;
/// Longest value.
const MAX_VALUE: usize = 1_024;

/// A value with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair<'t> {
    pub(crate) name: &'t str,
    pub(crate) value: &'t str,
    /// Where the value begins.
    pub(crate) start: usize,
    pub(crate) quoted: bool,
    /// What stands between them.
    pub(crate) sign: Sign,
}

/// What stands between a name and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `=`, `:` and their kind.
    Assigned,
    /// `==`: compared with it.
    Compared,
    /// The argument of a call, or what follows an argument.
    Argument,
    /// White space: the option of a command, a line of a settings file.
    Space,
    /// The text of an element.
    Element,
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The name around the word at `start..end`: its range.
pub(crate) fn name_around(text: &str, start: usize, end: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let mut from = start;
    while from > 0 && start - from < MAX_NAME && bytes.get(from - 1).is_some_and(|b| is_name(*b)) {
        from -= 1;
    }
    let mut to = end;
    while to - end < MAX_NAME && bytes.get(to).is_some_and(|b| is_name(*b)) {
        to += 1;
    }
    // `\npassword` in a string: the `n` is no part of it.
    if from > 0
        && bytes.get(from - 1) == Some(&b'\\')
        && matches!(bytes.get(from), Some(b'n' | b'r' | b't'))
        && from < start
    {
        from += 1;
    }
    (from, to)
}

struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, what: &str) -> bool {
        let found =
            self.text.as_bytes().get(self.at..).is_some_and(|r| r.starts_with(what.as_bytes()));
        if found {
            self.at += what.len();
        }
        found
    }

    fn spaces(&mut self) -> usize {
        let start = self.at;
        while self.at - start < 40 && matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.at - start
    }

    /// A quote, with the backslashes before it.
    fn quote(&mut self) -> Option<u8> {
        let start = self.at;
        while self.peek() == Some(b'\\') && self.at - start < 4 {
            self.at += 1;
        }
        // `&quot;` in markup.
        if self.eat("&quot;") {
            return Some(b'"');
        }
        match self.peek() {
            Some(q @ (b'"' | b'\'' | b'`')) => {
                self.at += 1;
                Some(q)
            }
            _ => {
                self.at = start;
                None
            }
        }
    }
}

/// The value of the name at `from..to`, where one follows.
pub(crate) fn after<'t>(text: &'t str, from: usize, to: usize, style: Style) -> Option<Pair<'t>> {
    let name = text.get(from..to)?;
    let mut c = Cursor { text, at: to };
    let quoted_name = c.quote().is_some();
    c.eat("]");
    let spaces = c.spaces();
    if c.eat("]") {
        c.spaces();
    }
    let default = text.get(..from).is_some_and(|b| b.ends_with("${"));
    if default {
        if !(c.eat(":-") || c.eat("-") || c.eat(":=") || c.eat(":")) {
            return None;
        }
        return c.until(name, |b| b == b'}', Sign::Assigned);
    }
    let sign = c.sign(quoted_name, spaces, style, name)?;
    if sign == Sign::Element {
        c.spaces();
        return c.until(name, |b| b == b'<' || b == b'\n', sign);
    }
    c.spaces();
    c.value(name, sign, style)
}

impl<'t> Cursor<'t> {
    /// What stands between the name and its value.
    fn sign(&mut self, quoted: bool, spaces: usize, style: Style, name: &str) -> Option<Sign> {
        // `name: PASSWORD, value: x` over one or two lines.
        let mark = self.at;
        if self.value_field(quoted && spaces > 0) {
            return Some(Sign::Assigned);
        }
        self.at = mark;
        if self.eat("===") || self.eat("==") {
            return Some(Sign::Compared);
        }
        if self.eat("!=") {
            return None;
        }
        for sign in [":=", "=>", "?=", "||=", "??=", "||", "??", "<-"] {
            if self.eat(sign) {
                return Some(Sign::Assigned);
            }
        }
        if self.eat("=") {
            // `=3D` of mail, `= =` of nobody.
            return (!self.eat(">")).then_some(Sign::Assigned);
        }
        if self.eat("?:") || self.eat(":") {
            self.annotation();
            return Some(Sign::Assigned);
        }
        if quoted && self.eat(",") {
            // What an option is without being given.
            self.spaces();
            if self.eat("default=") || self.eat("default:") {
                self.spaces();
            }
            return Some(Sign::Argument);
        }
        // `{db_password, "value"}` of Erlang.
        if !quoted
            && spaces == 0
            && self.peek() == Some(b',')
            && self.before(name).ends_with('{')
            && self.eat(",")
        {
            return Some(Sign::Argument);
        }
        // A list of properties: `<key>name</key> <string>value</string>`.
        if self.eat("</key>") {
            let start = self.at;
            while self.at - start < 80 && self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
                self.at += 1;
            }
            return self.eat("<string>").then_some(Sign::Element);
        }
        if !quoted && self.eat("(") {
            return Some(Sign::Argument);
        }
        if self.eat(">") {
            return Some(Sign::Element);
        }
        if quoted && self.eat(")") {
            // `getenv("PASSWORD") or "value"`.
            self.spaces();
            return (self.eat("or ") || self.eat("||") || self.eat("??") || self.eat("?:"))
                .then_some(Sign::Argument);
        }
        let option = name.starts_with('-') && style != Style::Prose;
        let line = style == Style::Config && self.begins_line(name);
        (spaces > 0 && !quoted && (option || line || self.is_declared(name))).then_some(Sign::Space)
    }

    /// What stands before the name on its line.
    fn before(&self, name: &str) -> &'t str {
        let end = (name.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let mut from = end.saturating_sub(MAX_BEFORE);
        while !self.text.is_char_boundary(from) {
            from += 1;
        }
        let before = self.text.get(from..end).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    /// Whether what follows white space is its value: `#define NAME "…"`, `ENV NAME …` and
    /// `ARG NAME …` of a Dockerfile, `:name "…"` of Clojure, `PASSWORD '…'` of SQL.
    fn is_declared(&self, name: &str) -> bool {
        let before = self.before(name);
        let word = before.trim();
        let text = matches!(self.peek(), Some(b'"' | b'\''));
        matches!(word, "ENV" | "ARG")
            || text
                && (word.ends_with("#define")
                    || before.ends_with([' ', '{', '(']) && name == "PASSWORD"
                    || before.ends_with(':') && before.len() == before.trim_end().len())
    }

    /// Whether only white space stands before the name on its line.
    fn begins_line(&self, name: &str) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        line.trim().len() == name.len()
    }

    /// `: str =`, `: &'static str =`, `?: string =`: passes over the type.
    fn annotation(&mut self) {
        let start = self.at;
        self.spaces();
        let mut length = 0;
        while length < 40
            && self
                .peek()
                .is_some_and(|b| b.is_ascii_alphanumeric() || b"&'_<>[]|?. :".contains(&b))
        {
            self.at += 1;
            length += 1;
        }
        if length > 0 && self.peek() == Some(b'=') && !self.rest().starts_with("==") {
            self.at += 1;
        } else {
            self.at = start;
        }
    }

    /// `", "value": ` and `\n  value: `.
    fn value_field(&mut self, spaced: bool) -> bool {
        self.eat(",");
        let start = self.at;
        while self.at - start < 80 && self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        if start == self.at && !spaced && !matches!(self.peek(), Some(b'"' | b'\'')) {
            return false;
        }
        self.quote();
        if !(self.eat("value") || self.eat("Value") || self.eat("VALUE")) {
            return false;
        }
        self.quote();
        self.spaces();
        self.eat("=") || self.eat(":")
    }

    fn until(self, name: &'t str, ends: impl Fn(u8) -> bool, sign: Sign) -> Option<Pair<'t>> {
        let bytes = self.text.as_bytes().get(self.at..)?;
        let window = bytes.get(..MAX_VALUE.min(bytes.len()))?;
        let length = window.iter().position(|b| ends(*b))?;
        let raw = self.text.get(self.at..self.at + length)?;
        let value = raw.trim();
        let start = self.at + (raw.len() - raw.trim_start().len());
        (!value.is_empty()).then_some(Pair { name, value, start, quoted: false, sign })
    }

    fn value(mut self, name: &'t str, sign: Sign, style: Style) -> Option<Pair<'t>> {
        // What wraps a value: `Some("`, `new String("`, `b"`, `r#"`.
        let mark = self.at;
        let mut wrapped = 0;
        while wrapped < 28
            && self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b"_:.(@#!& [".contains(&b))
        {
            self.at += 1;
            wrapped += 1;
        }
        let before = self.text.as_bytes().get(mark..self.at).unwrap_or_default();
        let wraps = before.is_empty()
            || before.ends_with(b"(")
            || before.ends_with(b"[")
            || before.len() <= 3 && before.iter().all(|b| b"brfuRBFU@$#".contains(b));
        if wraps && let Some(quote) = self.quote() {
            return self.quoted(name, quote, sign);
        }
        self.at = mark;
        if let Some(quote) = self.quote() {
            return self.quoted(name, quote, sign);
        }
        if sign == Sign::Argument {
            return None;
        }
        self.bare(name, sign, style)
    }

    fn quoted(mut self, name: &'t str, quote: u8, sign: Sign) -> Option<Pair<'t>> {
        let double = [quote, quote];
        if self.text.as_bytes().get(self.at..).is_some_and(|r| r.starts_with(&double)) {
            self.at += 2;
        }
        let bytes = self.text.as_bytes().get(self.at..)?;
        let window = bytes.get(..MAX_VALUE.min(bytes.len()))?;
        let mut end = 0;
        loop {
            match window.get(end)? {
                b if *b == quote => break,
                b'\n' => return None,
                // An escaped sign is part of the value; an escaped quote ends it where the whole
                // text is in quotes itself.
                b'\\' if window.get(end + 1) == Some(&quote) => break,
                b'\\' => end += 2,
                b'&' if window.get(end..).is_some_and(|r| r.starts_with(b"&quot;")) => break,
                _ => end += 1,
            }
        }
        let value = self.text.get(self.at..self.at + end)?;
        Some(Pair { name, value, start: self.at, quoted: true, sign })
    }

    /// Whether the name is one of the parameters by which a database or a server is reached:
    /// `Server=…;User Id=…;Password=…`, `host=… user=… password=…`.
    fn is_in_connection(&self, name: &str) -> bool {
        let before = self.before(name).to_ascii_lowercase();
        let known = ["user=", "uid=", "user id=", "username=", "server=", "host=", "data source="];
        known.iter().any(|parameter| before.contains(parameter))
    }

    fn bare(self, name: &'t str, sign: Sign, style: Style) -> Option<Pair<'t>> {
        // A line of the form NAME=value may stand in any text.
        let upper = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let connects = sign == Sign::Assigned && self.is_in_connection(name);
        let said = style == Style::Prose
            && ["password", "passwd", "pwd"].iter().any(|word| name.eq_ignore_ascii_case(word));
        let settings = matches!(style, Style::Config | Style::Shell);
        let named = upper || connects || said || name.starts_with("--");
        if !settings && !named {
            return None;
        }
        let bytes = self.text.as_bytes().get(self.at..)?;
        let window = bytes.get(..MAX_VALUE.min(bytes.len()))?;
        let length = window
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'`'))
            .unwrap_or(window.len());
        let raw = self.text.get(self.at..self.at + length)?;
        // The end of a string or of a line of a program.
        let raw = raw.strip_suffix("\\n").or_else(|| raw.strip_suffix("\\")).unwrap_or(raw);
        let raw = raw.split("\\n").next().unwrap_or(raw);
        let raw = raw.split("&amp;").next().unwrap_or(raw);
        let raw = if connects { raw.split(';').next().unwrap_or(raw) } else { raw };
        // The next parameter of an address: `&name=`.
        let next = raw.match_indices('&').find(|(at, _)| {
            let rest = raw.get(at + 1..).unwrap_or_default();
            let name = rest.bytes().take_while(|b| is_name(*b)).count();
            name > 0 && rest.as_bytes().get(name) == Some(&b'=')
        });
        let raw = next.and_then(|(at, _)| raw.get(..at)).unwrap_or(raw);
        let value = raw.trim_end_matches([',', ';', ')']);
        if value.is_empty() {
            return None;
        }
        // Further words make it a sentence, except after a command's option.
        let after = self.text.get(self.at + length..).unwrap_or_default();
        let line = after.split('\n').next().unwrap_or_default().trim();
        let sentence = style != Style::Shell
            && !connects
            && sign != Sign::Space
            && !line.is_empty()
            && !line
                .starts_with(['#', ';', '/', '"', '\'', '`', '\\', '-', '<', '&', '|', ',', '}'])
            && !line.split_whitespace().next().is_some_and(|w| w.contains('=') || w.contains(':'));
        (!sentence).then_some(Pair { name, value, start: self.at, quoted: false, sign })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str, style: Style) -> Option<(String, String)> {
        let lower = text.to_ascii_lowercase();
        let at = ["pass", "secret", "token", "key"].iter().filter_map(|w| lower.find(w)).min()?;
        let (from, to) = name_around(text, at, at + 3);
        after(text, from, to, style).map(|p| {
            assert_eq!(text.get(p.start..p.start + p.value.len()), Some(p.value), "{text}");
            (p.name.to_owned(), p.value.to_owned())
        })
    }

    #[test]
    fn every_form_gives_its_pair() {
        for text in [
            "password = \"v1\"",
            "password: 'v1',",
            "\"password\": \"v1\"",
            "\\\"password\\\": \\\"v1\\\"",
            "config['password'] = 'v1'",
            "password := \"v1\"",
            "'password' => 'v1'",
            "const password: &'static str = \"v1\";",
            "password: str = 'v1'",
            "let password = String::from(\"v1\");",
            "connect(\"password\", \"v1\")",
            "setpassword(\"v1\")",
            "<password>v1</password>",
            "if password == \"v1\":",
            "os.getenv('password', 'v1')",
            "os.getenv('password') or 'v1'",
            "password = b'v1'",
            "process.env.password || 'v1'",
            "<add name=\"password\" value=\"v1\"/>",
            "{ \"name\": \"password\", \"value\": \"v1\" }",
            "${password:-v1}",
        ] {
            let (name, value) = pair(text, Style::Code).unwrap_or_default();
            assert!(name.contains("password"), "{text}: {name}");
            assert_eq!(value, "v1", "{text}");
        }
        for text in [
            "password=v1",
            "password: v1",
            "password: v1  # a comment",
            "- name: password\n  value: v1\n",
            "password v1",
            "export password=v1",
        ] {
            assert_eq!(pair(text, Style::Config).map(|p| p.1).as_deref(), Some("v1"), "{text}");
        }
        assert_eq!(pair("PASSWORD=v1", Style::Code).map(|p| p.1).as_deref(), Some("v1"));
        assert_eq!(pair("x --password v1 --z", Style::Shell).map(|p| p.1).as_deref(), Some("v1"));
        assert_eq!(pair("password = v1", Style::Code), None);
        assert_eq!(pair("the password is v1", Style::Config), None);
        assert_eq!(pair("password: as you like it", Style::Config), None);
    }
}
