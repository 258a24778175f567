//! What of the functions that were touched counts: what is new and above a threshold, and what was
//! above one and became worse.

use pact_agent::text::truncated;
use pact_contract::{
    Finding, FindingCode, Severity,
    actions::{FunctionMetrics, FunctionState},
    codes,
    settings::CodeThresholds,
};

use super::{function::Function, pairs::Origin};

/// Longest function name that is shown.
const MAX_NAME: usize = 80;

/// One measure with its threshold.
struct Rule {
    code: FindingCode,
    what: &'static str,
    setting: &'static str,
    value: fn(&FunctionMetrics) -> u32,
    threshold: fn(&CodeThresholds) -> u32,
}

const RULES: &[Rule] = &[
    Rule {
        code: codes::COMPLEXITY_CYCLOMATIC,
        what: "a cyclomatic complexity of",
        setting: "max_cyclomatic",
        value: |m| m.cyclomatic,
        threshold: |t| t.max_cyclomatic,
    },
    Rule {
        code: codes::COMPLEXITY_COGNITIVE,
        what: "a cognitive complexity of",
        setting: "max_cognitive",
        value: |m| m.cognitive,
        threshold: |t| t.max_cognitive,
    },
    Rule {
        code: codes::FUNCTION_LENGTH,
        what: "a length in lines of code of",
        setting: "max_function_lines",
        value: |m| m.lines,
        threshold: |t| t.max_function_lines,
    },
    Rule {
        code: codes::FUNCTION_NESTING,
        what: "a nesting of",
        setting: "max_nesting",
        value: |m| m.nesting,
        threshold: |t| t.max_nesting,
    },
    Rule {
        code: codes::FUNCTION_PARAMETERS,
        what: "a number of parameters of",
        setting: "max_parameters",
        value: |m| m.parameters,
        threshold: |t| t.max_parameters,
    },
];

/// A function with where it comes from.
pub(crate) struct Touched<'a> {
    /// Its file.
    pub(crate) path: &'a str,
    /// As it is now.
    pub(crate) function: &'a Function,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// As it was.
    pub(crate) before: Option<&'a Function>,
    /// The table of pact.toml with its thresholds.
    pub(crate) table: &'static str,
    /// Its thresholds.
    pub(crate) thresholds: &'a CodeThresholds,
    /// Whether its length says nothing: a suite of tests holds its tests.
    pub(crate) is_suite: bool,
}

impl Touched<'_> {
    /// What counts against the change.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let rules = RULES.iter().filter(|rule| self.is_charged(rule));
        rules.map(|rule| self.finding(rule)).collect()
    }

    /// What became of the function.
    pub(crate) fn state(&self, findings: &[Finding]) -> FunctionState {
        let Some(before) = self.before else { return FunctionState::New };
        let (now, then) = (&self.function.metrics, &before.metrics);
        let lower = RULES.iter().any(|rule| (rule.value)(now) < (rule.value)(then));
        let higher = RULES.iter().any(|rule| (rule.value)(now) > (rule.value)(then));
        match self.origin {
            _ if !findings.is_empty() => FunctionState::Worse,
            Origin::Moved(_) => FunctionState::Moved,
            _ if lower && !higher => FunctionState::Better,
            _ => FunctionState::Changed,
        }
    }

    fn is_charged(&self, rule: &Rule) -> bool {
        let value = (rule.value)(&self.function.metrics);
        let threshold = (rule.threshold)(self.thresholds);
        if value <= threshold || self.is_suite && rule.code == codes::FUNCTION_LENGTH {
            return false;
        }
        let Some(before) = self.before else { return true };
        let then = (rule.value)(&before.metrics);
        if rule.code != codes::FUNCTION_LENGTH || then <= threshold {
            return value > then && !self.is_reflowed(rule, before);
        }
        // One line more in what was too long already is a touch, and so is another line break.
        value > then.saturating_add(1) && !self.is_reflowed(rule, before)
    }

    /// Whether only the line breaks differ: as many tokens on more lines.
    fn is_reflowed(&self, rule: &Rule, before: &Function) -> bool {
        rule.code == codes::FUNCTION_LENGTH && self.function.tokens.len() <= before.tokens.len()
    }

    fn finding(&self, rule: &Rule) -> Finding {
        let value = (rule.value)(&self.function.metrics);
        let threshold = (rule.threshold)(self.thresholds);
        let twice = value > threshold.saturating_mul(2);
        let severity = if twice { Severity::Medium } else { Severity::Low };
        let name = truncated(&self.function.name, MAX_NAME);
        let before = self.before.map(|before| (rule.value)(&before.metrics));
        let was = before.map_or(String::new(), |before| format!(", it was {before}"));
        let text = format!("{name} has {} {value}; at most {threshold}{was}", rule.what);
        let remedy = match before {
            Some(before) if before > threshold => format!("bring it back to {before} or less"),
            _ => "split the function".to_owned(),
        };
        let evidence = match before {
            Some(before) => format!("value {value}, threshold {threshold}, before {before}"),
            None => format!("value {value}, threshold {threshold}"),
        };
        Finding::new(rule.code.clone(), severity, text)
            .at(self.path, Some(self.function.lines.start), None)
            .remedy(format!("{remedy}, or raise {}.{} in pact.toml", self.table, rule.setting))
            .evidence(evidence)
    }
}
