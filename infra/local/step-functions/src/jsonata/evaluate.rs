//! From an expression to its value.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{CancelToken, Context, Evaluator, EvaluatorOptions};
use jsonata_core::value::{JMap, JValue};
use serde_json::Value;

use super::bindings::Bindings;
use super::expression::Expression;
use super::fault::Fault;
use super::limits::{DEPTH_LIMIT, SEQUENCE_LIMIT, TIME_LIMIT_MS};
use super::{convert, cost, functions, wording};

/// Whether evaluating `expression` is known to take little time and memory.
pub(crate) fn is_small(expression: &Expression, bindings: &Bindings<'_>) -> bool {
    cost::estimate(&expression.ast, &bindings.weights()) < cost::SMALL
}

/// The value of `expression`, unless `cancel` is cancelled before. Where the language's library
/// panics, as it does on some pictures of dates, that is a fault of this expression alone.
pub(crate) fn evaluate(
    expression: &Expression,
    bindings: &Bindings<'_>,
    cancel: &CancelToken,
) -> Result<Value, Fault> {
    std::panic::catch_unwind(AssertUnwindSafe(|| unguarded(expression, bindings, cancel)))
        .unwrap_or_else(|_| Err(Fault::Broken("the evaluator panicked".to_owned())))
}

fn unguarded(
    expression: &Expression,
    bindings: &Bindings<'_>,
    cancel: &CancelToken,
) -> Result<Value, Fault> {
    let node = |node: &AstNode| evaluate_node(node, expression, bindings, cancel);
    let result = node(&expression.ast).map_err(|message| {
        if cancel.is_cancelled() {
            return Fault::Interrupted;
        }
        // The message leaves out the values; they can be had again.
        let again = |part: &AstNode| convert::to_json(&node(part).ok()?).ok();
        wording::fault(&message, &expression.ast, &again)
    })?;
    if result.is_undefined() {
        return Err(Fault::Undefined);
    }
    convert::to_json(&result)
}

fn bind(bindings: &Bindings<'_>) -> Context {
    let mut context = Context::new();
    for (name, value) in &bindings.variables {
        context.bind((*name).to_owned(), convert::from_json(value));
    }
    if let Some(members) = &bindings.states {
        let members = members.iter();
        let object: JMap =
            members.map(|(name, value)| ((*name).to_owned(), convert::from_json(value))).collect();
        context.bind("states".to_owned(), JValue::Object(Rc::new(object)));
    }
    context
}

/// The value of a node of `expression`, or the evaluator's message.
fn evaluate_node(
    node: &AstNode,
    expression: &Expression,
    bindings: &Bindings<'_>,
    cancel: &CancelToken,
) -> Result<JValue, String> {
    let options = EvaluatorOptions {
        timeout_ms: Some(TIME_LIMIT_MS),
        cancel: Some(cancel.clone()),
        max_stack_depth: Some(DEPTH_LIMIT),
        max_sequence_length: Some(SEQUENCE_LIMIT),
    };
    let mut evaluator = Evaluator::with_options(bind(bindings), options);
    functions::register(&mut evaluator, &expression.variables)
        .and_then(|()| evaluator.evaluate(node, &JValue::Undefined))
        .map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use std::borrow::Cow;

    use super::super::bindings::Environment;
    use super::*;

    struct Fixed(Value);

    impl Environment for Fixed {
        fn variable(&self, name: &str) -> Option<&Value> {
            self.0.get(name)
        }
        fn member(&self, name: &str) -> Option<Cow<'_, Value>> {
            self.0.get("states")?.get(name).map(Cow::Borrowed)
        }
    }

    fn run(source: &str, environment: Value) -> Result<Value, Fault> {
        let (expression, environment) = (Expression::parse(source).unwrap(), Fixed(environment));
        evaluate(&expression, &Bindings::of(&expression, &environment), &CancelToken::new())
    }

    #[test]
    fn numbers_variables_and_states() {
        let env = json!({"x": [1, 2], "states": {"input": {"a": 4}, "result": 2}});
        assert_eq!(run("$sum($x) + $states.input.a", env.clone()), Ok(json!(7)));
        assert_eq!(run("$states", env.clone()), Ok(json!({"input": {"a": 4}, "result": 2})));
        assert_eq!(run("1 / 4", env.clone()), Ok(json!(0.25)));
        assert_eq!(run("$nothing", env.clone()), Err(Fault::Undefined));
        assert_eq!(run("function($x){$x}", env), Err(Fault::Unsupported));
    }

    #[test]
    fn a_panic_of_the_library_is_a_fault_of_the_expression() {
        let fault = run("$fromMillis(0, '[,Y0001]')", json!({}));
        assert_eq!(fault, Err(Fault::Broken("the evaluator panicked".to_owned())));
    }

    #[test]
    fn added_functions() {
        let none = json!({});
        assert_eq!(run("$partition([1,2,3], 2)", none.clone()), Ok(json!([[1, 2], [3]])));
        assert_eq!(run("$partition([0], 1)", none.clone()), Ok(json!([[0]])));
        assert_eq!(run("$range(1, 9, 3)", none.clone()), Ok(json!([1, 4, 7])));
        assert_eq!(run("$range(1, 9, 9)", none.clone()), Ok(json!(1)));
        assert_eq!(
            run("$hash('a', 'MD5')", none.clone()),
            Ok(json!("0cc175b9c0f1b6a831c399e269772661"))
        );
        assert_eq!(
            run("$hash('a', 'SHA-1')", none.clone()),
            Ok(json!("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"))
        );
        assert_eq!(run("$parse('{\"a\": [1]}')", none.clone()), Ok(json!({"a": [1]})));
        assert_eq!(run("$length($uuid())", none.clone()), Ok(json!(36)));
        assert_eq!(run("$random(7) = $random(7)", none.clone()), Ok(json!(true)));
        assert_eq!(run("$random() < 1", none.clone()), Ok(json!(true)));
        assert!(matches!(run("$eval('1')", none.clone()), Err(Fault::Threw(_))));
        assert_eq!(
            run("$randomSeeded(1)", none),
            Err(Fault::Threw("T1006: Attempted to invoke a non-function".to_owned()))
        );
    }

    #[test]
    fn added_functions_at_their_edges() {
        let env = json!({ "states": { "input": {} } });
        let fails = |source: &str| match run(source, env.clone()) {
            Err(Fault::Threw(message)) => message,
            other => panic!("{source}: {other:?}"),
        };
        for nothing in [
            "$partition([1], 0)",
            "$partition($states.input.no, 2)",
            "$range(1, 5, 0)",
            "$range(5, 1, 1)",
            "$hash($states.input.no)",
            "$parse($states.input.no)",
        ] {
            assert_eq!(run(nothing, env.clone()), Err(Fault::Undefined), "{nothing}");
        }
        // Rounded towards zero, and with no bound of its own.
        assert_eq!(run("$range(-1.7, 2.9, 1.2)", env.clone()), Ok(json!([-1, 0, 1, 2])));
        assert_eq!(run("$count($range(1, 200000, 1))", env.clone()), Ok(json!(200_000)));
        assert_eq!(run("$partition([1, 2], 1.9)", env.clone()), Ok(json!([[1], [2]])));
        // As `java.util.Random`.
        assert_eq!(run("$random(42)", env.clone()), Ok(json!(0.727_563_680_032_868_1)));
        assert_eq!(
            fails("$partition([1], -1)"),
            "T0410: Argument 2 of function \"partition\" does not match function signature"
        );
        assert_eq!(run("$encodeUrl('a b?ä')", env.clone()), Ok(json!("a%20b?%C3%A4")));
        assert_eq!(run("$encodeUrlComponent('a-b/c')", env), Ok(json!("a-b%2Fc")));
    }

    #[test]
    fn numbers_that_json_does_not_have() {
        assert_eq!(run("[1 / 0, -1 / 0]", json!({})), Ok(json!(["Infinity", "-Infinity"])));
        assert_eq!(run("0 / 0", json!({})), Ok(json!("NaN")));
    }

    #[test]
    fn messages_of_the_reference() {
        for (source, message) in [
            (
                "$abs('a')",
                "T0410: Argument 1 of function \"abs\" does not match function signature",
            ),
            (
                "$append(1)",
                "T0410: Argument 2 of function \"append\" does not match function signature",
            ),
            (
                "$sum(['a'])",
                "T0412: Argument 1 of function \"sum\" must be an array of \"numbers\"",
            ),
            ("'a' + 1", "T2001: The left side of the \"+\" operator must evaluate to a number"),
            ("1 * 'a'", "T2002: The right side of the \"*\" operator must evaluate to a number"),
            (
                "1 < 'a'",
                "T2009: The values 1 and \"a\" either side of operator \"<\" must be of the same data type",
            ),
            (
                "5 >= null",
                "T2010: The expressions either side of operator \">=\" must evaluate to numeric or string values",
            ),
            ("$number('x')", "D3030: Unable to cast value to a number: \"x\""),
            ("-'a'", "D1002: Cannot negate a non-numeric value: \"a\""),
            ("$error('boom')", "D3137: boom"),
            ("$nope()", "T1006: Attempted to invoke a non-function"),
        ] {
            assert_eq!(run(source, json!({})), Err(Fault::Threw(message.to_owned())));
        }
    }

    #[test]
    fn limits() {
        let bound = |source: &str| match run(source, json!({})) {
            Err(Fault::Bound(message)) => message.split(':').next().unwrap().to_owned(),
            other => panic!("{source}: {other:?}"),
        };
        assert_eq!(
            bound("($f := function($x){ $f($x + 1) }; $f(1))"),
            "Expression evaluation timeout"
        );
        assert_eq!(bound("($f := function($x){ 1 + $f($x) }; $f(1))"), "Stack overflow error");
        assert_eq!(run(&["1"; 100].join("+"), json!({})), Ok(json!(100)));
        assert_eq!(bound(&["1"; 101].join("+")), "Stack overflow error");
        assert_eq!(run("$count([1..873782])", json!({})), Ok(json!(873_782)));
        assert_eq!(bound("$count([1..873783])"), "Expression evaluation memory limit exceeded");
    }
}
