//! The kinds of secrets as data, read once.

use std::collections::BTreeMap;

use pact_contract::{FindingCode, Severity, codes};
use regex::Regex;
use serde::Deserialize;

/// The files of kinds; where two match the same text, the one that stands first counts.
pub(crate) const FILES: &[&str] = &[
    include_str!("rules/code.toml"),
    include_str!("rules/cloud.toml"),
    include_str!("rules/keep.toml"),
    include_str!("rules/talk.toml"),
    include_str!("rules/money.toml"),
];

/// Longest text that an expression is tried on.
pub(crate) const MAX_FORM: usize = 1_400;

/// One kind of secret.
pub(crate) struct Kind {
    /// Code of its findings: `secret-` and the id.
    pub(crate) code: FindingCode,
    /// What it is, for people.
    pub(crate) title: String,
    pub(crate) severity: Severity,
    /// As it stands in the file; tests make examples from it.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests make examples from it"))]
    pub(crate) form: String,
    /// Anchored at the beginning of the secret.
    pub(crate) regex: Regex,
    /// What the form certainly holds.
    pub(crate) keys: Vec<String>,
    /// Whether the form begins with the key.
    pub(crate) is_prefix: bool,
    /// Words of which one stands in the name before the value.
    pub(crate) near: Vec<String>,
    pub(crate) check: Option<Check>,
    /// Longest secret.
    pub(crate) longest: usize,
}

/// A further check of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The last six characters are the CRC-32 of those after the prefix, in base 62.
    Crc32Base62,
    /// An AWS access key id: what a signed request names is public, and the manuals have one.
    AwsKeyId,
    /// A Google API key: that of a web application of Firebase is public by design.
    GoogleKey,
    /// Letters and digits both, mixed as only a generator does: the prefix is a common word.
    Mixed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    title: String,
    form: String,
    #[serde(default)]
    key: Vec<String>,
    #[serde(default)]
    near: Vec<String>,
    #[serde(default)]
    check: Option<Check>,
    #[serde(default)]
    severity: Option<Severity>,
}

/// The built-in kinds.
pub(crate) fn built_in() -> Result<Vec<Kind>, String> {
    let mut kinds = Vec::new();
    for file in FILES {
        let raw: toml::Table = file.parse().map_err(|e: toml::de::Error| e.to_string())?;
        // In the order of the file, which the table's own order is not.
        let mut ids: Vec<(&str, usize)> = file
            .lines()
            .enumerate()
            .filter_map(|(line, text)| Some((text.split_once(" = {")?.0, line)))
            .collect();
        ids.sort_by_key(|(_, line)| *line);
        let mut raw: BTreeMap<String, toml::Value> = raw.into_iter().collect();
        for (id, _) in ids {
            let value = raw.remove(id).ok_or_else(|| format!("kind {id} stands twice"))?;
            let value: Raw = value.try_into().map_err(|e| format!("kind {id}: {e}"))?;
            kinds.push(Kind::new(id, value)?);
        }
        if let Some(id) = raw.keys().next() {
            return Err(format!("kind {id} does not stand on one line"));
        }
    }
    Ok(kinds)
}

impl Kind {
    fn new(id: &str, raw: Raw) -> Result<Self, String> {
        let wrong = |what: &str| format!("kind {id}: {what}");
        let regex = Regex::new(&format!("^(?:{})", raw.form)).map_err(|e| wrong(&e.to_string()))?;
        let prefix = literal_prefix(&raw.form);
        let is_prefix = !raw.near.is_empty() || !prefix.is_empty() && raw.key.is_empty();
        let mut keys = raw.key;
        let mut starts = is_prefix;
        if raw.near.is_empty() {
            if keys.is_empty() {
                keys.push(prefix);
            } else {
                starts = keys.iter().all(|key| {
                    // A list of beginnings: each is matched by the form's own beginning.
                    begins(&raw.form, key)
                });
            }
            if keys.iter().any(|key| key.len() < 2) {
                return Err(wrong("its key is too short"));
            }
        }
        let longest = longest(&raw.form);
        Ok(Self {
            code: codes::SECRETS.code(id).map_err(|e| wrong(&e.to_string()))?,
            title: raw.title,
            severity: raw.severity.unwrap_or(Severity::Critical),
            form: raw.form,
            regex,
            keys,
            is_prefix: starts,
            near: raw.near,
            check: raw.check,
            longest,
        })
    }
}

/// The plain characters that an expression begins with.
fn literal_prefix(form: &str) -> String {
    let mut out = String::new();
    let mut chars = form.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.next() {
                Some(c) if !c.is_ascii_alphanumeric() => c,
                _ => break,
            },
            '[' | '(' | '.' | '|' | '*' | '+' | '?' | '{' | '^' | '$' => break,
            c => c,
        };
        if matches!(chars.peek(), Some('?' | '*' | '{' | '|')) {
            break;
        }
        out.push(literal);
    }
    out
}

/// Whether a text with this beginning can be matched: the expression is tried on it alone, as far
/// as plain characters, classes of one and alternatives go.
fn begins(form: &str, key: &str) -> bool {
    use regex_syntax::hir::{HirKind, literal::Extractor};
    let Ok(hir) = regex_syntax::parse(form) else { return false };
    if matches!(hir.kind(), HirKind::Empty) {
        return false;
    }
    let mut extractor = Extractor::new();
    extractor.limit_literal_len(24).limit_total(512).limit_class(16);
    extractor.extract(&hir).literals().is_some_and(|literals| {
        literals.iter().any(|l| {
            l.as_bytes().starts_with(key.as_bytes()) || key.as_bytes().starts_with(l.as_bytes())
        })
    })
}

fn longest(form: &str) -> usize {
    regex_syntax::parse(form)
        .ok()
        .and_then(|hir| hir.properties().maximum_len())
        .unwrap_or(MAX_FORM)
        .min(MAX_FORM)
}
