//! Static analysis: rules as data over calls, assignments and lines, in one pass over a file for
//! all rules of its language. Constants are folded, and names are followed one step back.

mod assign;
mod conditions;
mod flow;
mod handed;
mod imports;
mod languages;
mod lex;
mod operand;
pub(crate) mod own;
mod passes;
mod prepared;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use std::collections::{BTreeMap, HashMap};

use pact_contract::{Finding, Severity};

use crate::{permissions::allowing, secrets::is_test};
pub(crate) use languages::Language;
use prepared::Prepared;
use rules::{ALLOW, FILES, Rule, RuleSet};

/// Most findings of one rule in one file.
const MAX_RULE_FINDINGS: usize = 200;

/// The rules, ready to be used.
pub(crate) struct Rules(BTreeMap<Language, Prepared>);

/// What was seen in one file.
#[derive(Debug, Default)]
pub(crate) struct FileScan {
    pub(crate) findings: Vec<Finding>,
    /// Findings that a comment allows.
    pub(crate) allowed: usize,
    /// The lines of comments that ask for something and do not count yet.
    pub(crate) asked: Vec<u32>,
}

/// What is said of a finding whose comment does not count yet.
pub(crate) const LATER: &str =
    "a comment asks to allow it, which comes with this push and counts from the next commit";

impl Rules {
    /// The built-in rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new() -> Result<Self, String> {
        let mut out = BTreeMap::new();
        for (language, text) in FILES {
            let wrong = |e: String| format!("{}: {e}", language.name());
            let set = RuleSet::parse(text).map_err(wrong)?;
            out.insert(*language, Prepared::new(*language, set).map_err(wrong)?);
        }
        Ok(Self(out))
    }

    /// Rules of a repository's own.
    ///
    /// # Errors
    /// They are too much together.
    pub(crate) fn own(rules: impl IntoIterator<Item = (Language, Rule)>) -> Result<Self, String> {
        let mut sets: BTreeMap<Language, RuleSet> = BTreeMap::new();
        for (language, rule) in rules {
            sets.entry(language).or_default().add(rule);
        }
        let prepared = sets.into_iter().map(|(language, set)| {
            let prepared = Prepared::new(language, set);
            let wrong = |e| format!("the rules for {}: {e}", language.name());
            Ok((language, prepared.map_err(wrong)?))
        });
        Ok(Self(prepared.collect::<Result<_, String>>()?))
    }

    /// Looks at `text`; only findings on lines for which `added` says yes count, and only comments on
    /// those for which `permits` does.
    pub(crate) fn scan(
        &self,
        path: &str,
        language: Language,
        text: &str,
        added: impl Fn(u32) -> bool,
        permits: impl Fn(u32) -> bool,
    ) -> FileScan {
        let mut scan = FileScan::default();
        let Some(prepared) = self.0.get(&language) else { return scan };
        let mut matches = Vec::new();
        if language.is_lines() {
            prepared.lines_of(text, &[], &mut matches);
        } else {
            let tokens = lex::lex(text, &language.syntax());
            prepared.lines_of(text, &tokens.comments, &mut matches);
            prepared.walk(text, &tokens, language, &mut matches);
        }
        matches.sort_by_key(|m| (m.start, m.rule));
        let lines: Vec<&str> = text.split('\n').collect();
        let starts: Vec<usize> = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1))
            .collect();
        let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
        let test = is_test(path);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        let mut last: HashMap<usize, usize> = HashMap::new();
        for found in matches {
            let Some(rule) = prepared.set.rules.get(found.rule) else { continue };
            // One call is one finding of a rule, however many of its arguments it is about.
            if last.insert(found.rule, found.start) == Some(found.start) {
                continue;
            }
            let (first, until) = (line_of(found.start), line_of(found.end.max(found.start)));
            let Ok(number) = u32::try_from(first + 1) else { continue };
            let end = u32::try_from(until + 1).unwrap_or(number);
            // A change anywhere within the expression counts.
            let Some(line) = (number..=end).find(|line| added(*line)) else { continue };
            let comments: Vec<u32> = allowing(&lines, first, ALLOW, rule.code.as_str()).collect();
            if comments.iter().any(|line| permits(*line)) {
                scan.allowed += 1;
                continue;
            }
            scan.asked.extend(&comments);
            let count = counts.entry(found.rule).or_default();
            *count += 1;
            if *count > MAX_RULE_FINDINGS {
                continue;
            }
            // Tests and examples do not ship. What a tool packed into few lines does, whoever packed it.
            let most = if test { Severity::Medium } else { Severity::Critical };
            let severity = rule.severity.min(most);
            let before = starts.get(first).and_then(|start| text.get(*start..found.start));
            let column = (line == number)
                .then(|| before.map_or(1, |b| b.chars().count() + 1))
                .and_then(|c| u32::try_from(c).ok());
            let message = match &comments[..] {
                [] => rule.message.clone(),
                _ => format!("{}; {LATER}", rule.message),
            };
            let mut finding = Finding::new(rule.code.clone(), severity, message)
                .at(path, Some(line), column)
                .remedy(&rule.remedy);
            // The source itself is not shown: it may hold a secret.
            finding.evidence = Some(format!("rule {} for {}", rule.code, language.name()));
            scan.findings.push(finding);
        }
        scan
    }
}
