//! Static analysis: syntax rules as data, one file for each language.

#[cfg(test)]
mod tests;

use ast_grep_config::{GlobalRules, RuleConfig, from_yaml_string};
use ast_grep_core::tree_sitter::LanguageExt;
use ast_grep_language::SupportLang;
use pact_contract::{Finding, Severity};
use serde::Deserialize;

use crate::{secrets::is_test, source::is_allowed};

/// The comment that allows a rule, by its id, on its own and the next line.
pub(crate) const ALLOW: &str = "pact:allow";
/// Most findings of one rule in one file.
const MAX_RULE_FINDINGS: usize = 200;

/// The files of rules with the languages they are for.
const FILES: &[(&str, &[SupportLang])] = &[
    (include_str!("rules/python.yml"), &[SupportLang::Python]),
    (
        include_str!("rules/javascript.yml"),
        &[SupportLang::JavaScript, SupportLang::TypeScript, SupportLang::Tsx],
    ),
    (include_str!("rules/go.yml"), &[SupportLang::Go]),
    (include_str!("rules/java.yml"), &[SupportLang::Java]),
    (include_str!("rules/rust.yml"), &[SupportLang::Rust]),
];

/// The rules, ready to be used.
pub(crate) struct Rules(Vec<Rule>);

struct Rule {
    language: SupportLang,
    id: String,
    severity: Severity,
    message: String,
    remedy: String,
    config: RuleConfig<SupportLang>,
}

/// What a rule says beyond what the library knows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extra {
    severity: Severity,
    cwe: String,
}

/// What was seen in one file.
#[derive(Debug, Default)]
pub(crate) struct FileScan {
    pub(crate) findings: Vec<Finding>,
    /// Findings that a comment allows.
    pub(crate) allowed: usize,
}

/// The language of a file by its name.
pub(crate) fn language(path: &str) -> Option<SupportLang> {
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension {
        "py" | "pyw" => SupportLang::Python,
        "js" | "mjs" | "cjs" | "jsx" => SupportLang::JavaScript,
        "ts" | "mts" | "cts" => SupportLang::TypeScript,
        "tsx" => SupportLang::Tsx,
        "go" => SupportLang::Go,
        "java" => SupportLang::Java,
        "rs" => SupportLang::Rust,
        _ => return None,
    })
}

impl Rules {
    /// The built-in rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new() -> Result<Self, String> {
        let mut rules = Vec::new();
        for (text, languages) in FILES {
            for language in *languages {
                // JavaScript's rules serve its dialects too, each with its own grammar.
                let text = text.replace("language: JavaScript", &format!("language: {language}"));
                let configs = from_yaml_string::<SupportLang>(&text, &GlobalRules::default())
                    .map_err(|e| format!("rules for {language}: {}", chain(&e)))?;
                for config in configs {
                    rules.push(Rule::new(*language, config)?);
                }
            }
        }
        Ok(Self(rules))
    }

    /// Looks at `text`; only findings on lines for which `added` says yes count.
    pub(crate) fn scan(
        &self,
        path: &str,
        language: SupportLang,
        text: &str,
        added: impl Fn(u32) -> bool,
    ) -> FileScan {
        let mut scan = FileScan::default();
        let lines: Vec<&str> = text.split('\n').collect();
        let root = language.ast_grep(text);
        let test = is_test(path);
        for rule in self.0.iter().filter(|r| r.language == language) {
            // Tests and examples do not ship.
            let severity = if test { rule.severity.min(Severity::Medium) } else { rule.severity };
            let mut count = 0;
            for node in root.root().find_all(&rule.config.matcher) {
                let start = node.start_pos();
                let (first, last) = (start.line(), node.end_pos().line());
                let Ok(number) = u32::try_from(first + 1) else { continue };
                let end = u32::try_from(last + 1).unwrap_or(number);
                // A change anywhere within the expression counts.
                let Some(line) = (number..=end).find(|line| added(*line)) else { continue };
                if is_allowed(&lines, first, ALLOW, &rule.id) {
                    scan.allowed += 1;
                    continue;
                }
                count += 1;
                if count > MAX_RULE_FINDINGS {
                    break;
                }
                let column = (line == number).then(|| start.column(&node) + 1);
                let mut finding = Finding::new(&rule.id, severity, &rule.message)
                    .at(path, Some(line), column.and_then(|c| u32::try_from(c).ok()))
                    .remedy(&rule.remedy);
                finding.evidence = Some(rule.evidence());
                scan.findings.push(finding);
            }
        }
        scan
    }
}

impl Rule {
    fn new(language: SupportLang, config: RuleConfig<SupportLang>) -> Result<Self, String> {
        let wrong = |what: &str| format!("rule {}: {what}", config.id);
        let extra = serde_json::to_value(&config.metadata).map_err(|e| wrong(&e.to_string()))?;
        let extra: Extra = serde_json::from_value(extra).map_err(|e| wrong(&e.to_string()))?;
        let note = config.note.as_deref().ok_or_else(|| wrong("no note"))?;
        if config.language != language || config.id.is_empty() || config.message.is_empty() {
            return Err(wrong("id, message or language is missing or wrong"));
        }
        Ok(Self {
            language,
            id: config.id.clone(),
            severity: extra.severity,
            message: format!("{} ({})", config.message, extra.cwe),
            remedy: format!(
                "{note}; if it is safe here, say why in a comment \"{ALLOW} {}\" on the line or the line before",
                config.id
            ),
            config,
        })
    }

    /// The source itself is not shown: it may hold a secret.
    fn evidence(&self) -> String {
        format!("rule {} for {}", self.id, self.language)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
