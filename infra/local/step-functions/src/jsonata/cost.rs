//! What an expression can cost at most, told before it runs.
//!
//! The evaluator stops an expression between two of its steps when it has run for too long. What
//! one step makes it does not bound: `$pad('', 1e11, 'x')` is one step. So what an expression may
//! make and touch is estimated from above, from its own text and from the sizes of what it reads.
//! What stays small is evaluated at once; everything else, and everything that is not known here,
//! is left to a process that may be ended.

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use serde_json::Value;

/// What an expression may cost to be evaluated at once, in bytes made or touched.
pub(super) const SMALL: f64 = 8_388_608.0;
/// What a value weighs besides its text.
const VALUE: f64 = 16.0;
/// How many times longer than its weight a value's JSON text can be: `\u0001` for one byte.
const AS_TEXT: f64 = 6.0;
/// How many nodes are looked at before an expression counts as costly.
const MOST_NODES: usize = 10_000;
/// How deep functions that are called for each item may nest.
const DEEPEST: usize = 4;

/// What a value weighs: the estimates bound the weights of what expressions make.
pub(super) fn weight(value: &Value) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let text = |text: &str| text.len() as f64;
    VALUE
        + match value {
            Value::String(string) => text(string),
            Value::Array(items) => items.iter().map(weight).sum(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| text(name) + weight(value)).sum()
            }
            _ => 0.0,
        }
}

/// The most that an expression can cost, given what the variables weigh; infinite where that is not
/// known.
pub(super) fn estimate(node: &AstNode, variables: &[(&str, f64)]) -> f64 {
    let mut estimator = Estimator { variables, bound: Vec::new(), work: 0.0, nodes: 0, depth: 0 };
    let made = estimator.made(node, 0.0);
    made + estimator.work
}

struct Estimator<'a> {
    variables: &'a [(&'a str, f64)],
    /// Variables that the expression itself binds, with what they weigh.
    bound: Vec<(&'a str, f64)>,
    work: f64,
    nodes: usize,
    depth: usize,
}

impl<'a> Estimator<'a> {
    /// What the value of `node` weighs at most, where the context item weighs `context`.
    fn made(&mut self, node: &'a AstNode, context: f64) -> f64 {
        self.nodes += 1;
        self.work += VALUE;
        if self.nodes > MOST_NODES {
            return f64::INFINITY;
        }
        match node {
            AstNode::String(text) => VALUE + length(text),
            AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null | AstNode::Undefined => VALUE,
            AstNode::Name(_) | AstNode::Wildcard => context,
            AstNode::Variable(name) if name.is_empty() => context,
            AstNode::Variable(name) => self.variable(name),
            AstNode::Path { steps } => self.path(steps, context),
            AstNode::Unary { operand, .. } => {
                let operand = self.made(operand, context);
                self.touch(operand);
                VALUE
            }
            AstNode::Binary { op, lhs, rhs } => self.operation(*op, lhs, rhs, context),
            AstNode::Conditional { condition, then_branch, else_branch } => {
                let condition = self.made(condition, context);
                self.touch(condition);
                let then = self.made(then_branch, context);
                let other = else_branch.as_ref().map_or(0.0, |node| self.made(node, context));
                then.max(other)
            }
            AstNode::Block(nodes) => {
                let bound = self.bound.len();
                let mut last = VALUE;
                for node in nodes {
                    last = self.made(node, context);
                    self.touch(last);
                }
                self.bound.truncate(bound);
                last
            }
            AstNode::Array(items) | AstNode::ArrayGroup(items) => {
                let items: f64 = items.iter().map(|item| self.made(item, context)).sum();
                self.touch(items);
                VALUE + items
            }
            AstNode::Object(members) => {
                let mut all = VALUE;
                for (key, value) in members {
                    all += self.made(key, context) + self.made(value, context);
                }
                self.touch(all);
                all
            }
            AstNode::Function { name, args, .. } => self.call(name, args, context),
            _ => f64::INFINITY,
        }
    }

    fn touch(&mut self, weight: f64) {
        self.work += weight;
    }

    /// What a variable weighs: an inner one hides an outer one.
    fn variable(&self, name: &str) -> f64 {
        let inner = self.bound.iter().rev().find(|(known, _)| *known == name);
        let known = inner.or_else(|| self.variables.iter().find(|(known, _)| *known == name));
        known.map_or(VALUE, |(_, weight)| *weight)
    }

    fn is_variable(&self, name: &str) -> bool {
        self.bound.iter().chain(self.variables).any(|(known, _)| *known == name)
    }

    fn path(&mut self, steps: &'a [PathStep], context: f64) -> f64 {
        let mut current = context;
        for (index, step) in steps.iter().enumerate() {
            let plain = step.focus.is_none()
                && step.index_var.is_none()
                && step.ancestor_label.is_none()
                && !step.is_tuple;
            if !plain {
                return f64::INFINITY;
            }
            current = match &step.node {
                node if index == 0 => self.made(node, context),
                // What it selects is in there.
                AstNode::Name(_) | AstNode::Wildcard => current,
                AstNode::FunctionApplication(inner) => {
                    self.for_each(current, |this, item| this.made(inner, item))
                }
                node => self.for_each(current, |this, item| this.made(node, item)),
            };
            self.touch(current);
            for stage in &step.stages {
                match stage {
                    Stage::Filter(filter) => {
                        self.for_each(current, |this, item| this.made(filter, item));
                    }
                    Stage::KeepArray => {}
                    Stage::Index(_) => return f64::INFINITY,
                }
            }
        }
        VALUE + current
    }

    /// What `body` makes for all items of what weighs `all`, and what that takes.
    ///
    /// Estimates are sums of products, with nothing taken away. So the sum over all items is at most
    /// as many times what is made for an item of no weight as there can be items, and what would be
    /// made for one item that weighs as much as all.
    fn for_each(&mut self, all: f64, mut body: impl FnMut(&mut Self, f64) -> f64) -> f64 {
        if self.depth >= DEEPEST || !all.is_finite() {
            return f64::INFINITY;
        }
        self.depth += 1;
        let count = all / VALUE + 1.0;
        let work = std::mem::take(&mut self.work);
        let least = body(self, VALUE);
        let least_work = std::mem::take(&mut self.work);
        let whole = body(self, all);
        let whole_work = std::mem::replace(&mut self.work, work);
        self.depth -= 1;
        self.work += count * least_work + whole_work;
        count * least + whole
    }

    fn operation(&mut self, op: BinaryOp, lhs: &'a AstNode, rhs: &'a AstNode, context: f64) -> f64 {
        match op {
            BinaryOp::ColonEqual => {
                let AstNode::Variable(name) = lhs else {
                    return f64::INFINITY;
                };
                let value = self.made(rhs, context);
                self.bound.push((name, value));
                return value;
            }
            BinaryOp::Range => {
                return match (lhs, rhs) {
                    (AstNode::Number(first), AstNode::Number(last)) => {
                        VALUE * (2.0 + (last - first).max(0.0))
                    }
                    _ => f64::INFINITY,
                };
            }
            BinaryOp::Coalesce
            | BinaryOp::Default
            | BinaryOp::ChainPipe
            | BinaryOp::FocusBind
            | BinaryOp::IndexBind => return f64::INFINITY,
            _ => {}
        }
        let both = self.made(lhs, context) + self.made(rhs, context);
        self.touch(both);
        match op {
            BinaryOp::Concatenate => AS_TEXT * both,
            _ => VALUE,
        }
    }

    fn call(&mut self, name: &str, args: &'a [AstNode], context: f64) -> f64 {
        // What was bound to a name is not known to be the language's own.
        if self.is_variable(name) {
            return f64::INFINITY;
        }
        if let (
            "map" | "filter",
            [items, AstNode::Lambda { params, body, signature: None, thunk: false }],
        ) = (name, args)
        {
            return self.higher_order(name, items, params, body, context);
        }
        let mut weights = Vec::with_capacity(args.len());
        let mut all = 0.0;
        for arg in args {
            let weight = match arg {
                AstNode::Regex { pattern, .. } => regex(name, pattern),
                arg => self.made(arg, context),
            };
            all += weight;
            weights.push(weight);
        }
        self.touch(all);
        let weight = |index: usize| weights.get(index).copied().unwrap_or(0.0);
        let (first, second, third) = (weight(0), weight(1), weight(2));
        let small = 128.0;
        match (name, args) {
            (
                "abs" | "average" | "boolean" | "ceil" | "count" | "error" | "exists" | "floor"
                | "hash" | "length" | "max" | "millis" | "min" | "not" | "number" | "power"
                | "random" | "round" | "sqrt" | "sum" | "type" | "uuid",
                _,
            )
            | ("now", [])
            | ("fromMillis" | "toMillis", [_]) => small + all,
            (
                "append" | "decodeUrl" | "decodeUrlComponent" | "keys" | "lookup" | "merge"
                | "reverse" | "shuffle" | "substring" | "substringAfter" | "substringBefore"
                | "trim",
                _,
            ) => small + all,
            (
                "base64decode" | "base64encode" | "lowercase" | "partition" | "spread"
                | "uppercase" | "zip",
                _,
            ) => small + 3.0 * all,
            ("string", [_]) => small + AS_TEXT * all,
            ("encodeUrl" | "encodeUrlComponent", _) => small + 12.0 * all,
            ("parse", _) => small + VALUE * all,
            ("join", _) => small + first + (first / VALUE + 1.0) * second,
            ("contains", _) => {
                self.touch(first * second);
                small
            }
            ("split", _) => {
                self.touch(first * second);
                small + (1.0 + VALUE) * first
            }
            ("match", [_, AstNode::Regex { pattern, .. }, rest @ ..]) => {
                self.touch(first * second);
                let matches = match rest {
                    [AstNode::Number(most)] => most.min(first),
                    _ => first,
                };
                #[expect(clippy::cast_precision_loss, reason = "a pattern is short")]
                let groups = pattern.matches('(').count() as f64;
                // Each match is an object with a list of the groups; their texts are parts of it.
                small + matches * (16.0 + groups) * VALUE + first * (2.0 + groups)
            }
            ("replace", [_, _, AstNode::Lambda { .. }, ..]) => f64::INFINITY,
            ("replace", _) => {
                self.touch(first * second);
                // It comes as often as there are characters; all that one `$1` in it stands for is
                // part of the text.
                let longer = 1.5 * (third - VALUE).max(1.0);
                small + first * (1.0 + longer)
            }
            _ => f64::INFINITY,
        }
    }

    fn higher_order(
        &mut self,
        name: &str,
        items: &'a AstNode,
        params: &'a [String],
        body: &'a AstNode,
        context: f64,
    ) -> f64 {
        let all = self.made(items, context);
        let made = self.for_each(all, |this, item| {
            let bound = this.bound.len();
            // The item, its index, and all items.
            for (param, weight) in params.iter().zip([item, VALUE, all]) {
                this.bound.push((param, weight));
            }
            let made = this.made(body, context);
            this.bound.truncate(bound);
            made
        });
        if name == "map" { VALUE + made } else { VALUE + all }
    }
}

/// What a regular expression counts as: how many steps one character takes. Infinite where that is
/// not plain.
fn regex(function: &str, pattern: &str) -> f64 {
    const LONGEST: usize = 512;
    let used = matches!(function, "contains" | "match" | "replace" | "split");
    // `a{1000}` is a thousand steps.
    let counted = pattern
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [b'{', digit] if digit.is_ascii_digit()));
    if !used || counted || pattern.len() > LONGEST {
        return f64::INFINITY;
    }
    length(pattern)
}

fn length(text: &str) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    let length = text.len() as f64;
    length
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jsonata::expression::Expression;

    fn cost(source: &str, input: &Value) -> f64 {
        let expression = Expression::parse(source).unwrap();
        estimate(expression.ast(), &[("states", weight(&json!({ "input": input })))])
    }

    #[test]
    fn what_machines_ask_is_small() {
        let input = json!({ "status": "passed", "items": vec![json!({ "a": 1, "b": "text" }); 200],
            "cause": "x".repeat(20_000) });
        for source in [
            "$states.input.n + 1",
            "$states.input",
            "$exists($states.input.status) ? $states.input.status : 0",
            "$states.input.status in ['passed', 'skipped']",
            "$merge([$states.input, {'status': 'x'}])",
            "$map($states.input.items, function($i) { {'a': $i.a, 'b': $i.b & '!'} })",
            "[$filter($states.input.items, function($d) { $type($d) = 'object' })]",
            "[$states.input.items[$exists(a)]]",
            "$substring($states.input.cause, 0, $length($states.input.cause) - 1)",
            "$split($states.input.cause, '#')[-1]",
            "$string($states.input)",
            "($said := $match($states.input.status, /\"m\":\\s*\"((?:[^\"\\x5c]|\\x5c.)*)\"/, 1).groups[0]; $replace($said, /\\x5c(.)/, '$1'))",
            "'a' & $uuid() & $now()",
        ] {
            assert!(cost(source, &input) < SMALL, "{source} costs {}", cost(source, &input));
        }
    }

    #[test]
    fn what_runs_away_is_not() {
        let input = json!({ "text": "x".repeat(200_000), "items": vec![1; 20_000] });
        for source in [
            "$pad('', 100000000000, 'x')",
            "[1..1000000000]",
            "[1..$states.input.n]",
            "$join($split($states.input.text, ''), $states.input.text)",
            "$replace($states.input.text, 'x', $states.input.text)",
            "$map($states.input.items, function($i) { $states.input.items })",
            "$map($states.input.items, function($i) { $map($states.input.items, function($j) { 1 }) })",
            "$states.input.items.($states.input.text & '')",
            "$states.input.items[$states.input.text = 'y']",
            "($f := function($x) { $f($x & $x) }; $f('x'))",
            "$reduce($states.input.items, function($a, $b) { $a & $a })",
            "($a := $states.input.text; $b := $a & $a & $a; $c := $b & $b & $b; $c & $c)",
            "$match($states.input.text, /x{1000}{1000}/)",
            "**.*",
            "$states.input ~> |$|{'a': $}|",
            "$formatInteger(100000000, 'I')",
            "$string($states.input, true)",
            "$sort($states.input.items, function($l, $r) { $l > $r })",
            "$eachOther($states.input)",
        ] {
            assert!(cost(source, &input) > SMALL, "{source} costs {}", cost(source, &input));
        }
        // The estimate itself is small: deep nesting is not followed to its end.
        let mut nested = "1".to_owned();
        for _ in 0..60 {
            nested = format!("$map([1, 2], function($x) {{ {nested} }})");
        }
        assert!(cost(&nested, &json!({})) > SMALL);
    }
}
