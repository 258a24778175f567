//! What reads hostile text, without the agent around it: for benches and for measurements over
//! real files.

use crate::{
    languages, limits,
    quality::measure,
    syntax::{self, Verdict},
};

/// What is known about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It parses.
    Parsed,
    /// It does not.
    Broken(Vec<Place>),
    /// It does not, but may be meant to be so.
    Unsure {
        /// The kind of doubt.
        cause: &'static str,
        /// The doubt in words.
        reason: String,
        /// What a parser says all the same.
        places: Vec<Place>,
    },
    /// There is no parser for it.
    NotParsed(String),
}

/// Where a file does not parse, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong there.
    pub message: String,
}

/// Largest file that is read.
pub const MAX_FILE: u64 = limits::MAX_FILE;

/// Language of a file by its name and content; none where it is not known.
#[must_use]
pub fn language(path: &str, content: &[u8]) -> Option<&'static str> {
    languages::detect(path, content)
}

/// Whether a file parses.
#[must_use]
pub fn syntax(path: &str, content: &[u8]) -> Seen {
    let places = |faults: Vec<syntax::Fault>| {
        let place = |f: syntax::Fault| Place { line: f.line, column: f.column, message: f.message };
        faults.into_iter().map(place).collect()
    };
    match syntax::check(path, content) {
        Verdict::Parsed => Seen::Parsed,
        Verdict::Broken(faults) => Seen::Broken(places(faults)),
        Verdict::Unsure(doubt, faults) => Seen::Unsure {
            cause: doubt.cause.as_str(),
            reason: doubt.reason,
            places: places(faults),
        },
        Verdict::NotParsed(reason) => Seen::NotParsed(reason),
    }
}

/// A function of a file, with what was measured of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Its first line, from 1.
    pub line: u32,
    /// What was measured.
    pub metrics: pact_contract::actions::FunctionMetrics,
}

/// Whether functions of the language of the path are measured.
#[must_use]
pub fn is_measured(path: &str) -> bool {
    measure::is_measured(path)
}

/// The functions of a file.
///
/// # Errors
/// Why it cannot be measured.
pub fn functions(path: &str, content: &[u8]) -> Result<Vec<Measured>, String> {
    let functions = measure::functions(path, content)?;
    let measured = functions.into_iter().map(|function| Measured {
        name: function.name,
        line: function.lines.start,
        metrics: function.metrics,
    });
    Ok(measured.collect())
}
