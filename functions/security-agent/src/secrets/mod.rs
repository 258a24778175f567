//! The secrets engine: keyword prefilter, rules as data, then checks of each candidate.
//!
//! Expressions are matched by an engine that takes linear time, so that no text can stall it.

mod check;
mod rules;
mod value;

use aho_corasick::AhoCorasick;
use pact_contract::{Finding, Severity};
use regex::Captures;

use crate::source::is_allowed;
use check::{Candidate, Verdict};
use rules::Rule;

/// Lines longer than this are generated: only rules that know a secret's own form look at them.
pub(crate) const LONG_LINE: usize = 4 * 1024;
/// Most findings of one line.
const MAX_LINE_FINDINGS: usize = 20;
/// The comment that allows a secret on its own and the next line.
pub(crate) const ALLOW: &str = "pact:allow-secret";
/// What to do about a secret.
const REMEDY: &str = "revoke or rotate it where it was issued, remove it from the history, and \
    read it from the environment or a secret store; if it is no secret, say so with a comment \
    \"pact:allow-secret\" on the line or the line before";

/// Whether `path` is that of a test or an example.
pub(crate) fn is_test(path: &str) -> bool {
    check::Place::of(path).is_test
}

/// The rules, ready to be used.
pub(crate) struct Engine {
    rules: Vec<Rule>,
    keywords: AhoCorasick,
    /// Rule of each keyword.
    owners: Vec<usize>,
}

/// What was seen in one file.
#[derive(Debug, Default)]
pub(crate) struct FileScan {
    /// Findings, by line.
    pub(crate) findings: Vec<Finding>,
    /// Added lines that were too long for the general rules.
    pub(crate) long_lines: usize,
    /// Candidates that a comment allows.
    pub(crate) allowed: usize,
}

impl Engine {
    /// The engine with the built-in rules.
    ///
    /// # Errors
    /// What is wrong with the rules.
    pub(crate) fn new() -> Result<Self, String> {
        let rules = rules::built_in()?;
        let mut patterns = Vec::new();
        let mut owners = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                patterns.push(keyword.clone());
                owners.push(index);
            }
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(&patterns)
            .map_err(|e| format!("keywords: {e}"))?;
        Ok(Self { rules, keywords, owners })
    }

    /// Looks at the lines of `text` for which `added` says yes, at most `limit` findings.
    pub(crate) fn scan(
        &self,
        path: &str,
        text: &str,
        added: impl Fn(u32) -> bool,
        limit: usize,
    ) -> FileScan {
        let mut scan = FileScan::default();
        // Most files hold no keyword at all.
        if !self.keywords.is_match(text) {
            return scan;
        }
        let place = check::Place::of(path);
        let lines: Vec<&str> = text.split('\n').collect();
        for (index, line) in lines.iter().enumerate() {
            let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            if scan.findings.len() >= limit || number == u32::MAX {
                break;
            }
            if !added(number) {
                continue;
            }
            let long = line.len() > LONG_LINE;
            scan.long_lines += usize::from(long);
            let found = self.scan_line(&lines, index, place, long);
            if found.is_empty() {
                continue;
            }
            if is_allowed(&lines, index, ALLOW, "") {
                scan.allowed += found.len();
                continue;
            }
            scan.findings.extend(found.into_iter().map(|hit| hit.finding(path, number)));
        }
        scan
    }

    fn scan_line(
        &self,
        lines: &[&str],
        index: usize,
        place: check::Place,
        long: bool,
    ) -> Vec<Hit<'_>> {
        let mut hits: Vec<Hit<'_>> = Vec::new();
        let Some(line) = lines.get(index) else { return hits };
        let mut wanted = vec![false; self.rules.len()];
        for found in self.keywords.find_overlapping_iter(line) {
            if let Some(flag) =
                self.owners.get(found.pattern().as_usize()).and_then(|o| wanted.get_mut(*o))
            {
                *flag = true;
            }
        }
        let rules = self.rules.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
        for (rule, _) in rules {
            if rule.general && (long || place.is_lock_file) {
                continue;
            }
            for captures in rule.regex.captures_iter(line) {
                if hits.len() >= MAX_LINE_FINDINGS {
                    return hits;
                }
                if let Some(hit) = Hit::of(rule, &captures, lines, index, place)
                    && !hits.iter().any(|h| h.overlaps(&hit))
                {
                    hits.push(hit);
                }
            }
        }
        hits
    }
}

/// One secret on one line.
struct Hit<'r> {
    rule: &'r Rule,
    severity: Severity,
    note: &'static str,
    start: usize,
    end: usize,
    column: usize,
    evidence: String,
}

impl<'r> Hit<'r> {
    fn of(
        rule: &'r Rule,
        captures: &Captures<'_>,
        lines: &[&str],
        index: usize,
        place: check::Place,
    ) -> Option<Self> {
        let line = *lines.get(index)?;
        let whole = captures.get(0)?;
        let secret = captures.name("s").unwrap_or(whole);
        let candidate = Candidate {
            rule,
            secret: secret.as_str(),
            user: captures.name("user").map_or("", |m| m.as_str()),
            host: captures.name("host").map_or("", |m| m.as_str()),
            before: line.get(..secret.start()).unwrap_or_default(),
            after: line.get(secret.end()..).unwrap_or_default(),
            below: lines.get(index + 1..).unwrap_or_default(),
            place,
        };
        let Verdict::Secret { severity, note } = check::judge(&candidate) else { return None };
        Some(Self {
            rule,
            severity,
            note,
            start: whole.start(),
            end: whole.end(),
            column: candidate.before.chars().count() + 1,
            evidence: match rule.check {
                Some(rules::Check::PrivateKey) => whole.as_str().to_owned(),
                _ => redacted(secret.as_str()),
            },
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn finding(self, path: &str, line: u32) -> Finding {
        let message = format!("{}{}", self.rule.title, self.note);
        Finding::new(&self.rule.id, self.severity, message)
            .at(path, Some(line), u32::try_from(self.column).ok())
            .remedy(REMEDY)
            .evidence(self.evidence)
    }
}

/// The first characters, at most four and at most a fifth, and the length.
fn redacted(secret: &str) -> String {
    let length = secret.chars().count();
    let shown: String = secret.chars().take((length / 5).min(4)).collect();
    format!("{shown}… ({length} characters)")
}

#[cfg(test)]
mod tests;
