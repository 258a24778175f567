//! What a rule asks for besides the call or the assignment.

use super::{
    flow::{Form, Range, Value},
    rules::{Condition, Rule},
    walk::Walk,
};

impl Walk<'_, '_> {
    /// Whether a value is a statement of SQL with something filled in.
    fn is_sql(&self, value: &Value) -> bool {
        let matches = |text: &str| self.prepared.sql.is_match(text);
        value.form == Form::Built && value.text.as_deref().is_some_and(matches)
    }

    /// Whether it is about tables and rights.
    fn is_ddl(&self, value: &Value) -> bool {
        value.text.as_deref().is_some_and(|text| self.prepared.ddl.is_match(text))
    }

    /// Whether a name is compared with something between the beginning of its function and here.
    fn is_guarded(&self, range: &Range) -> bool {
        let name = self.flow.raw(range);
        let start = self.flow.tokens.all.get(range.start).map_or(0, |t| t.start);
        let before = self.flow.text.get(..start).unwrap_or_default();
        let function = before.rfind("\nfunc ").and_then(|at| before.get(at..)).unwrap_or(before);
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let compares = |c: char| matches!(c, '<' | '>');
        function.match_indices(name).any(|(at, _)| {
            let left = function.get(..at).unwrap_or_default();
            let right = function.get(at + name.len()..).unwrap_or_default();
            !left.ends_with(is_part)
                && !right.starts_with(is_part)
                && (left.trim_end_matches(['=', ' ']).ends_with(compares)
                    || right.trim_start().starts_with(compares))
        })
    }

    /// Whether one of the brackets around stands in, or behind, text that matches.
    fn is_within(&self, regex: &regex::Regex) -> bool {
        self.open.iter().rev().any(|open| {
            let start = self.flow.tokens.all.get(*open).map_or(0, |t| t.start);
            let before = self.flow.text.get(..start).unwrap_or_default();
            regex.is_match(before.rsplit('\n').next().unwrap_or_default())
        })
    }

    pub(super) fn holds(&self, rule: &Rule, arguments: &[(Range, Value)]) -> bool {
        let raw = |at: usize| arguments.get(at).map(|(range, _)| self.flow.raw(range));
        let of = |at: usize| arguments.get(at).map(|(_, value)| value);
        let named = |name: &str| {
            arguments.iter().find_map(|(range, _)| {
                let text = self.flow.raw(range);
                let rest = text.strip_prefix(name)?.trim_start();
                rest.strip_prefix('=').or_else(|| rest.strip_prefix(':')).map(str::trim)
            })
        };
        rule.when.iter().all(|condition| match condition {
            Condition::Moving(Some(at)) => of(*at).is_some_and(|v| v.form != Form::Constant),
            Condition::Moving(None) => arguments.iter().any(|(_, v)| v.form != Form::Constant),
            Condition::Built(at) => of(*at).is_some_and(|v| v.form == Form::Built),
            Condition::Sql(at) => of(*at).is_some_and(|v| self.is_sql(v)),
            Condition::Query(at) => of(*at).is_some_and(|v| self.is_sql(v) && !self.is_ddl(v)),
            Condition::Ddl(at) => of(*at).is_some_and(|v| self.is_sql(v) && self.is_ddl(v)),
            Condition::Tainted(Some(at)) => of(*at).is_some_and(|v| v.tainted),
            Condition::Tainted(None) => arguments.iter().any(|(_, v)| v.tainted),
            Condition::Unknown(at) => {
                of(*at).is_some_and(|v| v.form == Form::Unknown && !v.tainted)
            }
            Condition::Mixed(at) => of(*at).is_some_and(|v| v.form == Form::Built || v.tainted),
            Condition::Unguarded(at) => {
                arguments.get(*at).is_some_and(|(range, _)| !self.is_guarded(range))
            }
            Condition::Assigned => self.assigned,
            Condition::Given(at) => of(*at).is_some_and(|v| v.tainted || v.given),
            Condition::Within(regex) => self.is_within(regex),
            Condition::Constant(at, regex) => of(*at).is_some_and(|v| {
                v.form == Form::Constant && v.text.as_deref().is_some_and(|t| regex.is_match(t))
            }),
            // A name stands for what it was set to.
            Condition::Text(at, regex) => {
                raw(*at).is_some_and(|t| regex.is_match(t))
                    || of(*at).and_then(|v| v.path.as_deref()).is_some_and(|t| regex.is_match(t))
            }
            Condition::Named(name, regex) => named(name).is_some_and(|t| regex.is_match(t)),
            Condition::NotNamed(name) => named(name).is_none(),
            Condition::Any(regex) => {
                arguments.iter().any(|(r, _)| regex.is_match(self.flow.raw(r)))
            }
            Condition::None(regex) => {
                !arguments.iter().any(|(r, _)| regex.is_match(self.flow.raw(r)))
            }
            Condition::File(regex) => regex.is_match(self.flow.text),
            Condition::NoFile(regex) => !regex.is_match(self.flow.text),
            Condition::AtMost(count) => arguments.len() <= *count,
            Condition::NotNear(_) | Condition::Comments => false,
        })
    }
}
