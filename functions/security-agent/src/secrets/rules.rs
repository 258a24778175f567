//! The rules as data, read once.

use pact_contract::Severity;
use regex::Regex;
use serde::Deserialize;

/// One kind of secret.
pub(crate) struct Rule {
    /// Code of its findings.
    pub(crate) id: String,
    /// What it is, for people.
    pub(crate) title: String,
    pub(crate) severity: Severity,
    /// Without one of these in a line the rule is not tried.
    pub(crate) keywords: Vec<String>,
    pub(crate) regex: Regex,
    /// Least entropy of the secret in bits per character.
    pub(crate) entropy: f64,
    pub(crate) check: Option<Check>,
    /// Knows only the name beside the value, not the value's own form.
    pub(crate) general: bool,
}

/// A further check of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    /// The last six characters are a checksum of those before.
    Checksum,
    /// A signed request names the key without holding its secret.
    KeyId,
    /// Key material follows.
    PrivateKey,
    /// The host is a real one and the password no placeholder.
    Url,
    /// The first part is a token header.
    Jwt,
    /// The value looks random.
    Assignment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Raw>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    title: String,
    severity: Severity,
    keywords: Vec<String>,
    regex: String,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    check: Option<Check>,
    #[serde(default)]
    general: bool,
}

/// The built-in rules.
pub(crate) fn built_in() -> Result<Vec<Rule>, String> {
    let file: File = toml::from_str(include_str!("rules.toml")).map_err(|e| e.to_string())?;
    file.rule
        .into_iter()
        .map(|raw| {
            let regex = Regex::new(&raw.regex).map_err(|e| format!("rule {}: {e}", raw.id))?;
            Ok(Rule {
                id: raw.id,
                title: raw.title,
                severity: raw.severity,
                keywords: raw.keywords,
                regex,
                entropy: raw.entropy,
                check: raw.check,
                general: raw.general,
            })
        })
        .collect()
}
