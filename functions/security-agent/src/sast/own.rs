//! A repository's own rules: files in the form of the built-in ones.
//!
//! The language is the file's name (`python.toml`, `go-team.toml`), or the rule's own `language`.
//! The text is hostile: how many rules there are, how large their expressions become, and how much
//! is read, are bounded; expressions take time in proportion to what they look at.

use std::collections::BTreeMap;

use pact_contract::nesting;
use toml::Spanned;

use super::{
    Rules,
    languages::Language,
    rules::{Raw, Rule, built_in_ids},
};

/// Most rules of a repository.
const MAX_RULES: usize = 200;
/// Most faults of a file that are named.
const MAX_FAULTS: usize = 20;

/// A rule and its language.
pub(crate) struct OwnRule {
    pub(super) language: Language,
    pub(super) rule: Rule,
    /// Where it stands.
    line: Option<u32>,
}

impl OwnRule {
    /// What of it the analysis needs.
    pub(crate) fn of(self) -> (Language, Rule) {
        (self.language, self.rule)
    }
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFault {
    /// From 1.
    pub line: Option<u32>,
    /// What is wrong, and what would be right.
    pub message: String,
}

fn line_of(text: &str, at: usize) -> Option<u32> {
    let before = text.as_bytes().get(..at.min(text.len()))?;
    u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).ok()
}

/// Reads a file of rules.
pub(crate) fn parse(path: &str, text: &str) -> Result<Vec<OwnRule>, Vec<RuleFault>> {
    let raw: BTreeMap<String, Spanned<Raw>> = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| line_of(text, span.start));
        vec![RuleFault {
            line,
            message: nesting::said(error.message(), nesting::TOML).replace('\n', " "),
        }]
    })?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split(['.', '-']).next().unwrap_or(name);
    let taken = built_in_ids();
    let mut faults = Vec::new();
    let mut rules = Vec::new();
    if raw.len() > MAX_RULES {
        let message = format!("{} rules; at most {MAX_RULES} are used", raw.len());
        return Err(vec![RuleFault { line: None, message }]);
    }
    for (id, raw) in raw {
        let line = line_of(text, raw.span().start);
        let raw = raw.into_inner();
        let said = raw.language().map(str::to_owned);
        let language = said.as_deref().unwrap_or(stem);
        let rule = match Language::keyed(language) {
            None => {
                let known: Vec<_> = Language::ALL.iter().map(|(l, _)| l.key()).collect();
                Err(format!(
                    "no language {language:?}: name the file after one, or write language = \
                     \"…\" in the rule; known are {}",
                    known.join(", ")
                ))
            }
            Some(_) if taken.contains(&id) => {
                Err("there is a built-in rule of this name: choose another one".to_owned())
            }
            Some(language) => Rule::own(&id, raw).map(|rule| OwnRule { language, rule, line }),
        };
        match rule {
            Ok(rule) => rules.push(rule),
            Err(why) => faults.push(RuleFault { line, message: format!("rule {id}: {why}") }),
        }
    }
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

/// Checks a file of a repository's own rules: its form, and that each rule finds its bad examples
/// and none of its good ones. Returns how many rules it has.
///
/// # Errors
/// Everything that is wrong, with the lines of the rules.
pub fn check(path: &str, text: &str) -> Result<usize, Vec<RuleFault>> {
    let parsed = parse(path, text)?;
    let examples: Vec<_> = parsed
        .iter()
        .map(|own| {
            let rule = &own.rule;
            (own.language, own.line, rule.code.clone(), rule.bad.clone(), rule.good.clone())
        })
        .collect();
    let count = examples.len();
    let whole = |message| vec![RuleFault { line: None, message }];
    let rules = Rules::own(parsed.into_iter().map(OwnRule::of)).map_err(whole)?;
    let mut faults = Vec::new();
    for (language, line, code, bad, good) in examples {
        let finds = |example: &str| {
            let scan = rules.scan("src/a", language, example, |_| true, |_| true);
            scan.findings.iter().any(|finding| finding.code == code)
        };
        let mut fault = |message: String| faults.push(RuleFault { line, message });
        for example in bad.iter().filter(|example| !finds(example)) {
            fault(format!("rule {code} does not find its bad example {example:?}"));
        }
        for example in good.iter().filter(|example| finds(example)) {
            fault(format!("rule {code} finds its good example {example:?}"));
        }
    }
    faults.truncate(MAX_FAULTS);
    if faults.is_empty() { Ok(count) } else { Err(faults) }
}
