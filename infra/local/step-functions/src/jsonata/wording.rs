//! Causes worded as AWS words them.
//!
//! AWS shows the messages of the reference implementation of JSONata. The evaluator here has the
//! same codes, but some sentences of its own, which lack the name of the function or the operator:
//! those are found in the expression.

use jsonata_core::ast::{AstNode, BinaryOp, UnaryOp};
use serde_json::Value;

use super::fault::Fault;
use super::tree::visit;

/// What a part of an expression evaluates to by itself, where it does.
pub(super) type Evaluate<'a> = &'a dyn Fn(&AstNode) -> Option<Value>;

/// The fault that `message` of the evaluator means for an expression.
pub(super) fn fault(message: &str, ast: &AstNode, evaluate: Evaluate<'_>) -> Fault {
    let Some((code, text)) = message.split_once(": ").filter(|(code, _)| is_code(code)) else {
        return Fault::Threw(message.to_owned());
    };
    match code {
        "D1011" | "U1001" => return Fault::STACK,
        "D1012" => return Fault::TIME,
        "D2015" => return Fault::MEMORY,
        _ => {}
    }
    let text = sentence(code, text, ast, evaluate).unwrap_or_else(|| text.to_owned());
    Fault::Threw(format!("{code}: {text}"))
}

fn is_code(text: &str) -> bool {
    text.len() == 5
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().skip(1).all(|c| c.is_ascii_digit())
}

fn sentence(code: &str, text: &str, ast: &AstNode, evaluate: Evaluate<'_>) -> Option<String> {
    Some(match code {
        "T0410" => {
            let calls = calls(ast);
            let (function, index) = match counts(text) {
                Some((wanted, got)) => {
                    let call = calls.iter().find(|(_, given)| *given == got);
                    (call.map(|(name, _)| *name), wanted.min(got) + 1)
                }
                None => {
                    let index = number_after(text, "Argument ")?;
                    (named(text, &calls).or_else(|| having(&calls, index)), index)
                }
            };
            format!(
                "Argument {index} of function \"{}\" does not match function signature",
                function?
            )
        }
        "T0412" => {
            let index = number_after(text, "Argument ")?;
            let calls = calls(ast);
            let function = named(text, &calls).or_else(|| {
                let lists = ["sum", "max", "min", "average", "join", "merge"];
                calls.iter().map(|(name, _)| *name).find(|name| lists.contains(name))
            });
            let kind = text.rsplit(' ').next()?.to_lowercase();
            format!(
                "Argument {index} of function \"{}\" must be an array of \"{kind}s\"",
                function?
            )
        }
        "T1006" => "Attempted to invoke a non-function".to_owned(),
        "T2001" | "T2002" => {
            let side = if code == "T2001" { "left" } else { "right" };
            let operator = text.split(" side of the ").nth(1)?.split(' ').next()?;
            format!("The {side} side of the \"{operator}\" operator must evaluate to a number")
        }
        "T2003" => {
            "The left side of the range operator (..) must evaluate to an integer".to_owned()
        }
        "T2004" => {
            "The right side of the range operator (..) must evaluate to an integer".to_owned()
        }
        "T2009" => {
            let (left, operator, right) = operands(ast, evaluate, |op, left, right| {
                order(op).filter(|_| left.is_string() != right.is_string())
            })?;
            format!(
                "The values {left} and {right} either side of operator \"{operator}\" must be of the same data type"
            )
        }
        "T2010" => {
            let operator = comparison(ast)?;
            format!(
                "The expressions either side of operator \"{operator}\" must evaluate to numeric or string values"
            )
        }
        "D1002" => {
            let mut found = None;
            visit(ast, &mut |node| {
                if let AstNode::Unary { op: UnaryOp::Negate, operand } = node
                    && found.is_none()
                {
                    found = evaluate(operand).filter(|value| !value.is_number());
                }
            });
            format!("Cannot negate a non-numeric value: {}", found?)
        }
        "D2014" => {
            let (first, _, last) =
                operands(ast, evaluate, |op, _, _| matches!(op, BinaryOp::Range).then_some(".."))?;
            let count = last.as_f64()? - first.as_f64()? + 1.0;
            format!(
                "The size of the sequence allocated by the range operator (..) must not exceed 1e6.  Attempted to allocate {count}."
            )
        }
        "D3001" => "Attempting to invoke string function on Infinity or NaN".to_owned(),
        "D3010" => "Second argument of replace function cannot be an empty string".to_owned(),
        "D3030" => {
            let value = text.strip_prefix("Cannot convert '")?.strip_suffix("' to number")?;
            format!("Unable to cast value to a number: {}", serde_json::Value::from(value))
        }
        "D3100" => {
            let radix = text.strip_prefix("Radix must be between 2 and 36, got ")?;
            format!(
                "The radix of the formatBase function must be between 2 and 36.  It was given {radix}"
            )
        }
        "D3130" => format!(
            "Formatting or parsing an integer as a sequence starting with \"{text}\" is not supported by this implementation"
        ),
        "D3138" => text.split(" (").next()?.to_owned(),
        _ => return None,
    })
}

/// What `expected 1, got 0` counts.
fn counts(text: &str) -> Option<(usize, usize)> {
    Some((number_after(text, "expected ")?, number_after(text, "got ")?))
}

fn number_after(text: &str, before: &str) -> Option<usize> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The called function that `text` names.
fn named<'a>(text: &str, calls: &[(&'a str, usize)]) -> Option<&'a str> {
    let name = text.split_once("function ")?.1.trim_start_matches(['$', '"']);
    let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
    let name = name.get(..end)?;
    calls.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// The first called function that was given an argument of this number and is of the language's
/// own.
fn having<'a>(calls: &[(&'a str, usize)], index: usize) -> Option<&'a str> {
    calls.iter().find(|(_, given)| *given >= index).or(calls.first()).map(|(name, _)| *name)
}

/// The functions that are called by name, the inner ones first, with how many arguments they get.
fn calls(ast: &AstNode) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    visit(ast, &mut |node| {
        if let AstNode::Function { name, args, .. } = node {
            found.push((name.as_str(), args.len()));
        }
    });
    found
}

/// An operator that puts values in order.
fn order(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::LessThan => "<",
        BinaryOp::LessThanOrEqual => "<=",
        BinaryOp::GreaterThan => ">",
        BinaryOp::GreaterThanOrEqual => ">=",
        _ => return None,
    })
}

/// The first operator that puts values in order.
fn comparison(ast: &AstNode) -> Option<&'static str> {
    let mut found = None;
    visit(ast, &mut |node| {
        if let AstNode::Binary { op, .. } = node {
            found = found.or(order(*op));
        }
    });
    found
}

/// The values on both sides of the first operation that `wanted` takes.
fn operands(
    ast: &AstNode,
    evaluate: Evaluate<'_>,
    wanted: impl Fn(BinaryOp, &Value, &Value) -> Option<&'static str>,
) -> Option<(Value, &'static str, Value)> {
    let mut found = None;
    visit(ast, &mut |node| {
        if let AstNode::Binary { op, lhs, rhs } = node
            && found.is_none()
            && (order(*op).is_some() || matches!(op, BinaryOp::Range))
            && let (Some(left), Some(right)) = (evaluate(lhs), evaluate(rhs))
        {
            found = wanted(*op, &left, &right).map(|operator| (left, operator, right));
        }
    });
    found
}

/// A parser's message as AWS shows it: without the code, and with the symbols themselves in place
/// of the parser's names for them.
pub(crate) fn syntax(message: &str) -> String {
    let text = message.strip_prefix("Invalid syntax: ").unwrap_or(message);
    let text = match text.split_once(": ") {
        Some((code, text)) if is_code(code) => text,
        _ => text,
    };
    if let Some(operator) = text.strip_prefix("Unknown operator: ") {
        return format!("Unknown operator: \"{operator}\"");
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (shown, length) = token(rest).unwrap_or_else(|| {
            let end = rest.find(' ').map_or(rest.len(), |end| end + 1);
            (rest.get(..end).unwrap_or(rest).to_owned(), end.max(first.len_utf8()))
        });
        out.push_str(&shown);
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

/// The parser's name for a token at the start of `text`, as the reference shows it, and how long
/// the name is.
fn token(text: &str) -> Option<(String, usize)> {
    const SYMBOLS: [(&str, &str); 34] = [
        ("ColonEqual", ":="),
        ("TildeArrow", "~>"),
        ("LeftParen", "("),
        ("RightParen", ")"),
        ("LeftBracket", "["),
        ("RightBracket", "]"),
        ("LeftBrace", "{"),
        ("RightBrace", "}"),
        ("Comma", ","),
        ("Semicolon", ";"),
        ("Colon", ":"),
        ("Caret", "^"),
        ("Pipe", "|"),
        ("Hash", "#"),
        ("At", "@"),
        ("Plus", "+"),
        ("Minus", "-"),
        ("StarStar", "**"),
        ("Star", "*"),
        ("Slash", "/"),
        ("Percent", "%"),
        ("NotEqual", "!="),
        ("Equal", "="),
        ("LessThanOrEqual", "<="),
        ("LessThan", "<"),
        ("GreaterThanOrEqual", ">="),
        ("GreaterThan", ">"),
        ("Ampersand", "&"),
        ("DotDot", ".."),
        ("Dot", "."),
        ("Question", "?"),
        ("True", "true"),
        ("False", "false"),
        ("Null", "null"),
    ];
    let end = text.find([' ', ',', '(']).unwrap_or(text.len());
    let name = text.get(..end)?;
    if let Some((_, symbol)) = SYMBOLS.iter().find(|(known, _)| *known == name) {
        return Some((format!("\"{symbol}\""), end));
    }
    let inner = text.get(end..)?.strip_prefix('(')?;
    let value = inner.strip_suffix(')')?;
    let shown = match name {
        "Number" => value.strip_suffix(".0").unwrap_or(value).to_owned(),
        "Identifier" | "Variable" | "String" => value.to_owned(),
        _ => return None,
    };
    Some((shown, text.len()))
}
