//! The faults of a file, with their places.

use std::fmt;

/// Most faults that are reported for one file.
const MAX_ERRORS: usize = 100;

/// Everything that is wrong with a file, in the order of the places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Path of the file, for people.
    pub path: String,
    /// The faults; never empty.
    pub errors: Vec<ConfigError>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Line, from 1.
    pub line: Option<u32>,
    /// Column in characters, from 1.
    pub column: Option<u32>,
    /// What is wrong: a fragment in lower case.
    pub message: String,
    /// What would be right.
    pub remedy: Option<String>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.path)?;
            if let Some(line) = error.line {
                write!(f, "{line}:")?;
                if let Some(column) = error.column {
                    write!(f, "{column}:")?;
                }
            }
            write!(f, " {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigErrors {}
impl std::error::Error for ConfigError {}

/// The faults found so far.
pub(crate) struct Faults<'t> {
    text: &'t str,
    errors: Vec<(usize, ConfigError)>,
    left_out: usize,
}

impl<'t> Faults<'t> {
    /// None yet, of this text.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, errors: Vec::new(), left_out: 0 }
    }

    /// Adds a fault of the file as a whole.
    pub(crate) fn anywhere(&mut self, message: String) {
        self.errors.push((0, ConfigError { line: None, column: None, message, remedy: None }));
    }

    /// Adds a fault at a place of the text.
    pub(crate) fn at(
        &mut self,
        span: Option<std::ops::Range<usize>>,
        message: String,
        remedy: Option<String>,
    ) {
        if self.errors.len() >= MAX_ERRORS {
            self.left_out += 1;
            return;
        }
        let offset = span.map(|s| s.start);
        let place = offset.and_then(|offset| place(self.text, offset));
        let (line, column) = (place.map(|p| p.0), place.map(|p| p.1));
        let message = message.replace(['\n', '\r'], " ");
        let error = ConfigError { line, column, message, remedy };
        self.errors.push((offset.unwrap_or(usize::MAX), error));
    }

    /// Whether none was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// All of them, in the order of the places.
    pub(crate) fn finish(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|(offset, _)| *offset);
        if self.left_out > 0 {
            self.anywhere(format!("and {} more faults", self.left_out));
        }
        self.errors.into_iter().map(|(_, error)| error).collect()
    }
}

/// Line and column of a byte offset, both from 1.
pub(crate) fn place(text: &str, offset: usize) -> Option<(u32, u32)> {
    let before = text.get(..offset.min(text.len()))?;
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..)?.chars().count() + 1;
    Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
}
