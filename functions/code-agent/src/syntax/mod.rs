//! Whether a file parses, by its language's own parser or grammar.
//!
//! A false alarm stops a release, so what may be valid after all (templates, fixtures, dialects,
//! comments in JSON) is [`Verdict::Unsure`]: it is reported and stops nothing.

mod code;
mod data;
mod gaps;
mod hints;
mod json;
mod rust;

use crate::languages;

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

/// What a parser says about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It parses.
    Valid,
    /// It does not parse.
    Invalid(Vec<Fault>),
    /// It does not parse, but may be meant to be so for this reason.
    Unsure(String, Vec<Fault>),
    /// It cannot be parsed for this reason.
    Unsupported(String),
}

/// Whether files of this name are parsed.
pub(crate) fn is_supported(path: &str) -> bool {
    matches!(
        languages::of(path),
        Some(
            "Go" | "JSON"
                | "JSON with Comments"
                | "Java"
                | "JavaScript"
                | "Python"
                | "Rust"
                | "TOML"
                | "TypeScript"
                | "YAML"
        )
    )
}

/// Parses one file.
pub(crate) fn check(path: &str, content: &[u8]) -> Verdict {
    let language = languages::of(path).unwrap_or_default();
    let Some(text) = decoded(content) else {
        return Verdict::Unsupported("is not UTF-8".to_owned());
    };
    let verdict = match language {
        "JSON" => json::strict(path, text),
        "JSON with Comments" => json::with_comments(path, text),
        "YAML" => data::yaml(text),
        "TOML" => data::toml(text),
        _ => code::parse(path, language, text),
    };
    match verdict {
        Verdict::Invalid(faults) => match hints::doubt(path, language, text, &faults) {
            Some(reason) => Verdict::Unsure(reason, faults),
            None => Verdict::Invalid(faults),
        },
        other => other,
    }
}

fn decoded(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    Some(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Line and column, both from 1, of a byte of the text.
fn position(text: &str, offset: usize) -> (u32, u32) {
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

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
