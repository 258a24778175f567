//! What a parser says about a file.

use std::fmt;

use pact_contract::nesting;

/// Most faults of one file.
pub(crate) const MAX_FAULTS: usize = 10;

/// One place where a file does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Line, from 1.
    pub(crate) line: u32,
    /// Column in characters, from 1.
    pub(crate) column: u32,
    /// What is wrong there. Never quotes the file: it may hold a secret.
    pub(crate) message: String,
}

impl Fault {
    /// A fault at a byte of the text.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = position(text, offset);
        Self { line, column, message: message.into() }
    }
}

/// What is known about a file in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It parses.
    Parsed,
    /// It does not parse; there is at least one fault.
    Broken(Vec<Fault>),
    /// It does not parse, but may be meant to be so; there may be no place to name.
    Unsure(Doubt, Vec<Fault>),
    /// No parser knows its language, or none can read it, for this reason.
    NotParsed(String),
}

/// Why a file that does not parse may be as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// What kind of doubt: they are counted by it.
    pub(crate) cause: Cause,
    /// The reason, to follow “but”.
    pub(crate) reason: String,
}

impl Doubt {
    pub(super) fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into() }
    }
}

/// The kinds of doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A template of another tool.
    Template,
    /// A dialect or another language under the same name.
    Dialect,
    /// An old version of the language.
    Version,
    /// A fixture of tests or vendored code.
    Foreign,
    /// Only a grammar speaks, and it may not know all of the language.
    Grammar,
    /// Not UTF-8.
    Encoding,
    /// Nested so deeply that no parser is asked.
    Depth,
}

impl Cause {
    /// The name in lists.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Dialect => "dialect",
            Self::Version => "version",
            Self::Foreign => "foreign",
            Self::Grammar => "grammar",
            Self::Encoding => "encoding",
            Self::Depth => "depth",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one parser says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    /// It parses.
    Parsed,
    /// It does not, for certain.
    Broken(Vec<Fault>),
    /// It does not, but that may be the parser's fault or meant so.
    Unsure(Doubt, Vec<Fault>),
}

impl Opinion {
    /// The same; not known where the parser gave up at its depth, of so many levels: what is below may be
    /// as it should be.
    pub(super) fn not_too_deep(self, levels: usize) -> Self {
        let deep = |fault: &Fault| nesting::is_too_deep(&fault.message);
        match self {
            Self::Broken(faults) if faults.iter().any(deep) => {
                // What it says of the rest comes of that.
                let first = faults
                    .into_iter()
                    .find(deep)
                    .map(|fault| Fault { message: nesting::said(&fault.message, levels), ..fault });
                let reason = format!("it is nested deeper than the {levels} levels that are read");
                Self::Unsure(Doubt::new(Cause::Depth, reason), first.into_iter().collect())
            }
            other => other,
        }
    }

    /// Broken where there is a fault.
    pub(super) fn from_faults(mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.line, fault.column));
        faults.dedup();
        faults.truncate(MAX_FAULTS);
        if faults.is_empty() { Self::Parsed } else { Self::Broken(faults) }
    }
}

/// Line and column, both from 1, of a byte of the text.
pub(super) fn position(text: &str, offset: usize) -> (u32, u32) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (number(line), number(column))
}

pub(super) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
