//! Static analysis: rules as data over calls, assignments and lines, in one pass over a file for
//! all rules of its language. Constants are folded, and names are followed one step back.

mod flow;
mod languages;
mod lex;
mod prepared;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, HashMap};

use pact_contract::{Finding, Severity};
use regex::{Regex, RegexSet};

use crate::{secrets::is_test, source::is_allowed};
use flow::Flow;
pub(crate) use languages::Language;
use prepared::Prepared;
use rules::{ALLOW, Event, FILES, RuleSet};
use walk::Walk;

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
}

impl Rules {
    /// The built-in rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn new() -> Result<Self, String> {
        let mut out = BTreeMap::new();
        let expression = |text: &str| Regex::new(text).map_err(|e| e.to_string());
        for (language, text) in FILES {
            let set = RuleSet::parse(text).map_err(|e| format!("{}: {e}", language.name()))?;
            let lines = set.lines.iter().filter_map(|index| match &set.rules.get(*index)?.event {
                Event::Line(line) => Some(line.as_str().to_owned()),
                _ => None,
            });
            let lines = RegexSet::new(lines).map_err(|e| e.to_string())?;
            out.insert(*language, Prepared {
                set,
                lines,
                source: expression(language.source())?,
                cleaner: expression(language.cleaner())?,
                sql: expression(r"(?i)^[\s(]*(?:select\s|insert\s+(?:into|or)\s|update\s+\S+\s+set|delete\s+from|drop\s+\w|alter\s+\w|create\s+\w|truncate\s|merge\s+into|replace\s+into|with\s+\w+\s+as|exec\s|call\s|grant\s|union\s)|\bwhere\s|\bfrom\s+\S+\s+where\b")?,
            });
        }
        Ok(Self(out))
    }

    /// Looks at `text`; only findings on lines for which `added` says yes count.
    pub(crate) fn scan(
        &self,
        path: &str,
        language: Language,
        text: &str,
        added: impl Fn(u32) -> bool,
    ) -> FileScan {
        let mut scan = FileScan::default();
        let Some(prepared) = self.0.get(&language) else { return scan };
        let mut matches = Vec::new();
        if language.is_lines() {
            prepared.lines_of(text, &[], &mut matches);
        } else {
            let tokens = lex::lex(text, &language.syntax());
            prepared.lines_of(text, &tokens.comments, &mut matches);
            let flow = Flow::new(
                text,
                &tokens,
                language,
                prepared.source.clone(),
                prepared.cleaner.clone(),
            );
            Walk { prepared, flow, imports: HashMap::new(), matches: &mut matches }.run();
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
            if is_allowed(&lines, first, ALLOW, rule.code.as_str()) {
                scan.allowed += 1;
                continue;
            }
            let count = counts.entry(found.rule).or_default();
            *count += 1;
            if *count > MAX_RULE_FINDINGS {
                continue;
            }
            // Tests and examples do not ship.
            let severity = if test { rule.severity.min(Severity::Medium) } else { rule.severity };
            let before = starts.get(first).and_then(|start| text.get(*start..found.start));
            let column = (line == number)
                .then(|| before.map_or(1, |b| b.chars().count() + 1))
                .and_then(|c| u32::try_from(c).ok());
            let mut finding = Finding::new(rule.code.clone(), severity, &rule.message)
                .at(path, Some(line), column)
                .remedy(&rule.remedy);
            // The source itself is not shown: it may hold a secret.
            finding.evidence = Some(format!("rule {} for {}", rule.code, language.name()));
            scan.findings.push(finding);
        }
        scan
    }
}
