//! JSON, and JSON with comments where tools accept it.

use serde::de::{Deserialize, IgnoredAny};

use super::{
    data,
    verdict::{Cause, Doubt, Fault, Opinion, number},
};

/// Files named `.json` whose tools accept comments and trailing commas.
const LENIENT_NAMES: &[&str] = &[
    ".devcontainer.json",
    ".eslintrc.json",
    ".jshintrc.json",
    ".markdownlint.json",
    ".oxlintrc.json",
    "api-extractor.json",
    "biome.json",
    "deno.json",
    "devcontainer.json",
    "language-configuration.json",
    "launch.json",
    "nx.json",
    "project.json",
    "renovate.json",
    "rush.json",
    "tslint.json",
    "turbo.json",
    "typedoc.json",
    "wrangler.json",
];
const LENIENT_PREFIXES: &[&str] = &["appsettings", "jsconfig", "tsconfig"];
const LENIENT_FOLDERS: &[&str] = &[".devcontainer", ".vscode", ".zed"];

/// JSON by the book; JSON with comments where the file's name says so.
pub(super) fn strict(path: &str, text: &str) -> Opinion {
    if is_lenient(path) {
        return with_comments(path, text);
    }
    let Some(fault) = parse(text) else { return Opinion::Parsed };
    if text.trim().is_empty() {
        return unsure("it is empty", fault);
    }
    let (plain, comments) = without_comments(text);
    if comments && parse(&plain).is_none() {
        let reason = "it has comments, which JSON has not and some tools accept";
        return unsure(reason, fault);
    }
    if values(text) > 1 {
        let reason = "it holds several JSON values one after another";
        return unsure(reason, fault);
    }
    Opinion::Broken(vec![fault])
}

/// How many values the text holds, one after another; 0 where it holds anything else.
fn values(text: &str) -> usize {
    serde_json::Deserializer::from_str(text)
        .into_iter::<IgnoredAny>()
        .try_fold(0, |count, value| value.map(|_| count + 1))
        .unwrap_or(0)
}

/// JSON with comments and trailing commas.
pub(super) fn with_comments(path: &str, text: &str) -> Opinion {
    let name = path.rsplit('/').next().unwrap_or(path);
    if text.trim().is_empty() {
        return Opinion::Parsed;
    }
    // `.eslintrc` and its like may also be written in YAML.
    if name.starts_with('.')
        && !name.ends_with(".json")
        && !text.trim_start().starts_with(['{', '/'])
    {
        return data::yaml(text);
    }
    let (plain, _) = without_comments(text);
    match parse(&plain) {
        None => Opinion::Parsed,
        Some(fault) if name == ".babelrc" => unsure("it may be JSON5", fault),
        Some(fault) => Opinion::Broken(vec![fault]),
    }
}

/// One value in each line.
pub(super) fn lines(text: &str) -> Opinion {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if let Some(fault) = parse(line) {
            let fault = Fault { line: number(index + 1), ..fault };
            return if values(text) > 0 {
                unsure("its values are not one on each line", fault)
            } else {
                Opinion::Broken(vec![fault])
            };
        }
    }
    Opinion::Parsed
}

fn unsure(reason: &str, fault: Fault) -> Opinion {
    Opinion::Unsure(Doubt::new(Cause::Dialect, reason), vec![fault])
}

fn is_lenient(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    LENIENT_NAMES.contains(&name)
        || LENIENT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || path.split('/').rev().skip(1).any(|folder| LENIENT_FOLDERS.contains(&folder))
}

fn parse(text: &str) -> Option<Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let error = IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end()).err()?;
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    let message = message.strip_suffix(&place).unwrap_or(&message).to_owned();
    // The column counts bytes; it is 0 for a fault at the end of a line.
    let line = error.line().max(1);
    let before = text.split('\n').nth(line - 1).unwrap_or_default();
    let bytes = before.len().min(error.column().saturating_sub(1));
    let column = before.bytes().take(bytes).filter(|b| (*b & 0xC0) != 0x80).count() + 1;
    Some(Fault { line: number(line), column: number(column), message })
}

/// The text with comments and trailing commas made blank, every other byte in its place; and
/// whether there was a comment.
fn without_comments(text: &str) -> (String, bool) {
    let mut out = text.as_bytes().to_vec();
    let mut comments = false;
    let mut comma = None;
    let mut previous = b'{';
    let mut at = 0;
    let byte = |at: usize| text.as_bytes().get(at).copied();
    let mut blank = |range: std::ops::Range<usize>| {
        for slot in out.get_mut(range).into_iter().flatten() {
            if *slot != b'\n' {
                *slot = b' ';
            }
        }
    };
    while let Some(current) = byte(at) {
        match (current, byte(at + 1)) {
            (b'"', _) => {
                comma = None;
                previous = b'"';
                at += 1;
                while let Some(inner) = byte(at) {
                    at += if inner == b'\\' { 2 } else { 1 };
                    if inner == b'"' || inner == b'\n' {
                        break;
                    }
                }
                continue;
            }
            (b'/', Some(b'/')) => {
                comments = true;
                let start = at;
                while byte(at).is_some_and(|b| b != b'\n') {
                    at += 1;
                }
                blank(start..at);
                continue;
            }
            (b'/', Some(b'*')) => {
                comments = true;
                let rest = text.get(at + 2..).unwrap_or_default();
                let end = rest.find("*/").map_or(text.len(), |length| at + 2 + length + 2);
                blank(at..end);
                at = end;
                continue;
            }
            // Only behind a value can a comma be one too many.
            (b',', _) => comma = (!b"{[:,".contains(&previous)).then_some(at),
            (b'}' | b']', _) => {
                if let Some(comma) = comma.take() {
                    blank(comma..comma + 1);
                }
            }
            (other, _) if other.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        if !current.is_ascii_whitespace() {
            previous = current;
        }
        at += 1;
    }
    // Whole characters were replaced: what was UTF-8 still is.
    (String::from_utf8(out).unwrap_or_else(|_| text.to_owned()), comments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_trailing_commas_become_blank() {
        let text = "{ // a\n \"b//c\": [1, 2,], /* ü */ \"d\": \"\\\"//\", }";
        let (plain, comments) = without_comments(text);
        assert!(comments);
        assert_eq!(plain.len(), text.len());
        let value: serde_json::Value = serde_json::from_str(&plain).expect("is JSON");
        assert_eq!(value, serde_json::json!({ "b//c": [1, 2], "d": "\"//" }));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_json_stays_as_it_is(text in ".{0,200}") {
            let (plain, _) = without_comments(&text);
            prop_assert_eq!(plain.len(), text.len());
            let json = serde_json::json!({ "a": [text, { "b": null }], "c": "/* no */" });
            let json = json.to_string();
            prop_assert_eq!(without_comments(&json), (json, false));
        }
    }
}
