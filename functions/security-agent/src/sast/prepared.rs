//! The rules of a language, and those of them that look at lines.

use regex::{Regex, RegexSet};

use super::{
    flow::Origins,
    languages::Language,
    rules::{Condition, Event, RuleSet},
};

/// Longest line that line rules look at.
const MAX_LINE: usize = 4_096;

/// A statement of SQL begins so.
const SQL: &str = r"(?i)^[\s(]*(?:select\s|insert\s+(?:into|or)\s|update\s+\S+\s+set|delete\s+from|drop\s+\w|alter\s+\w|create\s+\w|truncate\s|merge\s+into|replace\s+into|with\s+\w+\s+as|exec\s|call\s|grant\s|union\s)|\bwhere\s|\bfrom\s+\S+\s+where\b";
/// So does one that makes or changes tables and rights: what it names cannot be a parameter.
const DDL: &str = r"(?i)^[\s(]*(?:drop|alter|create|truncate|grant|revoke)\s";

/// The rules of one language, ready to be used.
pub(super) struct Prepared {
    pub(super) set: RuleSet,
    pub(super) lines: RegexSet,
    pub(super) origins: Origins,
    /// A statement of SQL begins so.
    pub(super) sql: Regex,
    /// So does one about tables and rights.
    pub(super) ddl: Regex,
}

/// A place that a rule matches.
pub(super) struct Match {
    pub(super) rule: usize,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Prepared {
    /// Makes the rules of a language ready.
    ///
    /// # Errors
    /// What is wrong with their expressions together.
    pub(super) fn new(language: Language, set: RuleSet) -> Result<Self, String> {
        let lines = set.lines.iter().filter_map(|index| match &set.rules.get(*index)?.event {
            Event::Line(line) => Some(line.as_str().to_owned()),
            _ => None,
        });
        let lines = RegexSet::new(lines).map_err(|e| e.to_string())?;
        let expression = |text: &str| Regex::new(text).map_err(|e| e.to_string());
        Ok(Self {
            set,
            lines,
            origins: Origins {
                source: expression(language.source())?,
                given: expression(language.given())?,
                cleaner: expression(language.cleaner())?,
            },
            sql: expression(SQL)?,
            ddl: expression(DDL)?,
        })
    }

    /// The line rules, all at once; what stands in a comment does not count.
    pub(super) fn lines_of(&self, text: &str, comments: &[(usize, usize)], out: &mut Vec<Match>) {
        if self.set.lines.is_empty() {
            return;
        }
        let mut start = 0;
        let mut before: std::collections::VecDeque<&str> = std::collections::VecDeque::new();
        for line in text.split('\n') {
            let begin = start;
            start += line.len() + 1;
            let mut length = line.len().min(MAX_LINE);
            while !line.is_char_boundary(length) {
                length -= 1;
            }
            let shown = line.get(..length).unwrap_or_default();
            let trimmed = shown.trim_start();
            let indent = shown.len() - trimmed.len();
            let comment = comments.binary_search_by(|(from, to)| {
                if *to <= begin + indent {
                    std::cmp::Ordering::Less
                } else if *from > begin + indent {
                    std::cmp::Ordering::Greater
                } else {
                    std::cmp::Ordering::Equal
                }
            });
            let is_comment = comment.is_ok()
                || comments.is_empty() && trimmed.starts_with('#') && !trimmed.starts_with("#!");
            // Few lines with anything in a comment are looked at.
            if !trimmed.is_empty() && (!is_comment || !shown.is_ascii()) {
                for number in self.lines.matches(shown) {
                    let Some(index) = self.set.lines.get(number) else { continue };
                    let Some(rule) = self.set.rules.get(*index) else { continue };
                    let Event::Line(expression) = &rule.event else { continue };
                    let anywhere = rule.when.iter().any(|c| matches!(c, Condition::Comments));
                    if is_comment && !anywhere {
                        continue;
                    }
                    let at = expression.find(shown).map_or(0, |m| m.start());
                    let holds = rule.when.iter().all(|condition| match condition {
                        Condition::File(regex) => regex.is_match(text),
                        Condition::NoFile(regex) => !regex.is_match(text),
                        Condition::None(regex) => !regex.is_match(shown),
                        Condition::Comments => true,
                        Condition::Any(regex) => regex.is_match(shown),
                        Condition::NotNear(regex) => {
                            !regex.is_match(shown) && !before.iter().any(|l| regex.is_match(l))
                        }
                        _ => false,
                    });
                    if holds {
                        out.push(Match {
                            rule: *index,
                            start: begin + at,
                            end: begin + length.max(at),
                        });
                    }
                }
            }
            before.push_back(shown);
            if before.len() > 10 {
                before.pop_front();
            }
        }
    }
}
