//! `pact.toml`: the configuration that a repository carries.
//!
//! The text comes from a repository that is not trusted: its size and the number of its entries
//! are bounded. Every fault of a file is reported at once, each with its place and, where there is
//! one, the way out. What the file may hold is one table (`shape`), with the forms of the targets,
//! runners, sources and channels that the agents have ([`form`]): the check, the conversion and
//! the published JSON schema are made from them.

mod check;
mod convert;
pub mod form;
mod laws;
mod nearest;
mod schema;
mod shape;
mod values;

use std::fmt;

use pact_contract::settings::Settings;
use toml::de::DeTable;

pub use form::Forms;
pub use values::Rule;

/// Names that the file may have at the root of a repository; one of them, not both.
pub const FILE_NAMES: &[&str] = &["pact.toml", ".pact.toml"];

/// The fault of a repository that has the file under two names: neither is the one that counts.
#[must_use]
pub fn duplicate(first: &str, second: &str) -> ConfigError {
    ConfigError {
        line: None,
        column: None,
        message: format!("both {first} and {second} exist, and only one of them may"),
        remedy: Some(format!("merge them into {first} and delete {second}")),
    }
}

/// The largest file that is read.
pub const MAX_BYTES: usize = 64 * 1024;

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

/// Reads the text of a file with the instances that the agents of this version have; `path` is
/// only named in errors. An empty text gives the defaults.
///
/// # Errors
/// Every fault of the file. A text that is not TOML is reported as that alone.
pub fn parse(text: &str, path: &str) -> Result<Settings, ConfigErrors> {
    Forms::published()
        .map_err(|reason| {
            let mut faults = Faults::new(text);
            faults.anywhere(reason.to_owned());
            ConfigErrors { path: path.to_owned(), errors: faults.finish() }
        })
        .and_then(|forms| forms.parse(text, path))
}

impl Forms {
    /// Reads the text of a file that may choose these instances: see [`parse`].
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn parse(&self, text: &str, path: &str) -> Result<Settings, ConfigErrors> {
        let mut faults = Faults::new(text);
        let settings = self.read(text, &mut faults);
        match (settings, faults.errors.is_empty()) {
            (Some(settings), true) => Ok(settings),
            _ => Err(ConfigErrors { path: path.to_owned(), errors: faults.finish() }),
        }
    }

    fn read(&self, text: &str, faults: &mut Faults<'_>) -> Option<Settings> {
        if text.len() > MAX_BYTES {
            faults.anywhere(format!("the file has {} bytes; at most {MAX_BYTES}", text.len()));
            return None;
        }
        let (tree, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            faults.at(error.span(), format!("not valid TOML: {}", error.message()), None);
        }
        if !errors.is_empty() {
            return None;
        }
        let tree = tree.get_ref();
        let checked = check::file(tree, self, faults);
        laws::check(tree, self, &checked, faults);
        if !faults.errors.is_empty() {
            return None;
        }
        match convert::settings(checked.file) {
            Ok(settings) => Some(settings),
            Err(error) => {
                faults.anywhere(format!("the settings cannot be used: {error}"));
                None
            }
        }
    }
}

/// The faults found so far.
pub(crate) struct Faults<'t> {
    text: &'t str,
    errors: Vec<(usize, ConfigError)>,
    left_out: usize,
}

impl<'t> Faults<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, errors: Vec::new(), left_out: 0 }
    }

    fn anywhere(&mut self, message: String) {
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

    fn finish(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|(offset, _)| *offset);
        if self.left_out > 0 {
            self.anywhere(format!("and {} more faults", self.left_out));
        }
        self.errors.into_iter().map(|(_, error)| error).collect()
    }
}

/// Line and column of a byte offset, both from 1.
fn place(text: &str, offset: usize) -> Option<(u32, u32)> {
    let before = text.get(..offset.min(text.len()))?;
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let column = before.get(start..)?.chars().count() + 1;
    Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
}

#[cfg(test)]
mod tests;
