//! `pact.toml`: the configuration that a repository carries.
//!
//! The text comes from a repository that is not trusted: its size and the number of its entries
//! are bounded. Every fault of a file is reported at once, each with its place and, where there is
//! one, the way out. What the file may hold is one table (`shape`), with the forms of the targets,
//! runners, sources and channels that the agents have ([`form`]): the check, the conversion and
//! the published JSON schema are made from them.

mod check;
mod convert;
mod errors;
pub mod filters;
pub mod form;
mod laws;
mod nearest;
pub mod policy;
mod schema;
mod shape;
mod values;
mod wave_laws;
mod waves;

use pact_contract::{nesting, settings::Settings};
use toml::de::DeTable;

use errors::Faults;

pub use errors::{ConfigError, ConfigErrors};
pub use form::Forms;
pub use nearest::near;
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
        match (settings, faults.is_empty()) {
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
            let message = match nesting::is_too_deep(error.message()) {
                true => nesting::said(error.message(), nesting::TOML),
                false => format!("not valid TOML: {}", error.message()),
            };
            faults.at(error.span(), message, None);
            // Everything behind it would be said to be wrong too.
            if nesting::is_too_deep(error.message()) {
                break;
            }
        }
        if !errors.is_empty() {
            return None;
        }
        let tree = tree.get_ref();
        let checked = check::file(tree, self, faults);
        laws::check(tree, self, &checked, faults);
        wave_laws::check(tree, &checked, faults);
        if !faults.is_empty() {
            return None;
        }
        match convert::settings(checked.file, checked.order, self) {
            Ok(settings) => Some(settings),
            Err(error) => {
                faults.anywhere(format!("the settings cannot be used: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
