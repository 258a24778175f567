//! Whether a file parses.
//!
//! A false alarm stops a release, so that nothing is called broken on one weak opinion: a real
//! parser of the language says so, or a grammar and a second look together. What may be valid
//! after all (templates, fixtures, dialects, what a grammar does not know) is
//! [`Verdict::Unsure`]: it is said, counted by its cause, and stops nothing.

mod conflict;
mod data;
mod directives;
mod dockerfile;
mod doubt;
mod gaps;
mod grammar;
mod hcl;
mod html;
mod javascript;
mod json;
mod lexical;
mod php;
mod python;
mod rust;
mod shell;
mod slips;
mod sql;
mod verdict;
mod xml;

use std::borrow::Cow;

use crate::languages;

pub(crate) use self::verdict::{Cause, Fault, Verdict};
use self::verdict::{Doubt, Opinion};

/// Deepest nesting of brackets that is handed to a parser that recurses.
const MAX_NESTING: usize = 1_000;
/// Most operators in a row, and most of them between two statements, likewise.
const MAX_ROW: usize = 5_000;
const MAX_SEGMENT: usize = 100_000;

/// Every language that is parsed.
pub(crate) const LANGUAGES: &[&str] = &[
    "C",
    "C#",
    "C++",
    "CSS",
    "Dockerfile",
    "Go",
    "HCL",
    "HTML",
    "JSON",
    "JSON Lines",
    "JSON with Comments",
    "Java",
    "JavaScript",
    "Kotlin",
    "PHP",
    "Python",
    "Ruby",
    "Rust",
    "SQL",
    "SVG",
    "Shell",
    "Swift",
    "TOML",
    "TypeScript",
    "XML",
    "YAML",
    "Zsh",
];

/// Parses one file.
pub(crate) fn check(path: &str, content: &[u8]) -> Verdict {
    let Some(language) = languages::detect(path, content) else {
        return Verdict::NotParsed("is in no language that is known".to_owned());
    };
    if language == "Template" {
        let doubt = Doubt::new(Cause::Template, "it is a template of another tool");
        return Verdict::Unsure(doubt, Vec::new());
    }
    if !LANGUAGES.contains(&language) {
        return Verdict::NotParsed(format!("is {language}, which is not parsed"));
    }
    let Some((text, is_utf8)) = decoded(language, content) else {
        let doubt = Doubt::new(Cause::Encoding, "it is not UTF-8");
        return Verdict::Unsure(doubt, Vec::new());
    };
    if let Some(deep) = too_deep(&text) {
        let doubt = Doubt::new(Cause::Depth, deep);
        return Verdict::Unsure(doubt, Vec::new());
    }
    let (doubt, faults) = match opinion(path, language, &text) {
        Opinion::Parsed => return Verdict::Parsed,
        Opinion::Unsure(doubt, faults) => (Some(doubt), faults),
        Opinion::Broken(faults) if !is_utf8 => {
            (Some(Doubt::new(Cause::Encoding, "it is not UTF-8")), faults)
        }
        Opinion::Broken(faults) => {
            let parse = |other: &str| opinion(path, language, other);
            (doubt::doubt(path, language, &text, parse), faults)
        }
    };
    // No language has the marks of a merge; fixtures of tools that merge do.
    let is_foreign = doubt.as_ref().is_some_and(|doubt| doubt.cause == Cause::Foreign);
    match (doubt, conflict::mark(&text)) {
        (_, Some(mark)) if !is_foreign => Verdict::Broken(vec![mark]),
        (Some(doubt), _) => Verdict::Unsure(doubt, faults),
        (None, _) => Verdict::Broken(faults),
    }
}

fn opinion(path: &str, language: &str, text: &str) -> Opinion {
    match language {
        "Dockerfile" => dockerfile::parse(text),
        "HCL" => hcl::parse(text),
        "HTML" => html::parse(text),
        "JSON" => json::strict(path, text),
        "JSON Lines" => json::lines(text),
        "JSON with Comments" => json::with_comments(path, text),
        "JavaScript" | "TypeScript" => javascript::parse(path, language, text),
        "PHP" => php::parse(text),
        "Python" => python::parse(path, text),
        "Rust" => rust::parse(text),
        "SQL" => sql::parse(text),
        "SVG" | "XML" => xml::parse(text),
        "Shell" => shell::parse(text),
        "TOML" => data::toml(text),
        "YAML" => data::yaml(text),
        "Zsh" => match shell::parse(text) {
            Opinion::Broken(faults) => {
                let doubt = Doubt::new(Cause::Dialect, "zsh is parsed as far as it is like bash");
                Opinion::Unsure(doubt, faults)
            }
            other => other,
        },
        _ => grammar::parse(path, language, text),
    }
}

/// The text and whether it is UTF-8. Where other encodings are common and only comments and
/// strings have such characters, every byte is one.
fn decoded<'c>(language: &str, content: &'c [u8]) -> Option<(Cow<'c, str>, bool)> {
    if let Some(wide) = wide(content) {
        return Some((Cow::Owned(wide), true));
    }
    match std::str::from_utf8(content) {
        Ok(text) => Some((Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)), true)),
        Err(_) => matches!(
            language,
            "C" | "C#"
                | "C++"
                | "CSS"
                | "HTML"
                | "Java"
                | "JavaScript"
                | "PHP"
                | "Ruby"
                | "SQL"
                | "SVG"
                | "Shell"
                | "XML"
        )
        .then(|| (Cow::Owned(content.iter().map(|byte| char::from(*byte)).collect()), false)),
    }
}

/// UTF-16 by its mark.
fn wide(content: &[u8]) -> Option<String> {
    let (rest, is_little) = match content {
        [0xff, 0xfe, rest @ ..] => (rest, true),
        [0xfe, 0xff, rest @ ..] => (rest, false),
        _ => return None,
    };
    let units = rest.chunks_exact(2).filter_map(|pair| {
        let pair = pair.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    });
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

/// Why the recursion of a parser would not stay small.
fn too_deep(text: &str) -> Option<String> {
    let (mut depth, mut row, mut segment) = (0usize, 0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match byte {
            b'!' | b'&' | b'*' | b'-' | b'|' | b'=' | b'<' | b'+' | b'~' | b'?' => {
                row += 1;
                segment += 1;
            }
            b'/' | b'\n' => row = 0,
            b' ' | b'\t' | b'\r' | b'.' | b':' => {}
            b';' | b',' | b'{' | b'}' => (row, segment) = (0, 0),
            _ => row = 0,
        }
        if depth > MAX_NESTING {
            return Some(format!(
                "it is nested deeper than the {MAX_NESTING} levels that are read"
            ));
        }
        if row > MAX_ROW || segment > MAX_SEGMENT {
            let most = if row > MAX_ROW { MAX_ROW } else { MAX_SEGMENT };
            return Some(format!(
                "it has more operators in one expression than the {most} that are read"
            ));
        }
    }
    None
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
