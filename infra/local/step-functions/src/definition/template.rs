//! JSON with expressions in it.

use serde_json::{Map, Value};

use crate::jsonata::{Expression, Fault};

/// A JSON value some of whose strings are expressions.
#[derive(Debug, Clone)]
pub(crate) enum Template {
    Literal(Value),
    Expression(Box<Expression>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// Evaluates expressions where they stand.
pub(crate) trait Evaluate {
    fn evaluate(&self, expression: &Expression) -> Result<Value, Fault>;
}

/// Why a template has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateFault {
    /// It cannot have one.
    At {
        /// The field's path within the state, such as `Output/result`.
        location: String,
        /// The sentence for the cause.
        sentence: String,
    },
    /// Nobody waits for it any longer.
    Interrupted,
}

/// The text between `{%` and `%}` when `text` is an expression.
pub(super) fn expression_text(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}")
}

impl Template {
    /// The value of this template; `location` is the path of the field that holds it.
    pub(crate) fn evaluate(
        &self,
        location: &str,
        evaluator: &dyn Evaluate,
    ) -> Result<Value, TemplateFault> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => evaluator
                .evaluate(expression)
                .map_err(|fault| explain(expression, location, &fault)),
            Self::Array(items) => Ok(Value::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| item.evaluate(&format!("{location}[{index}]"), evaluator))
                    .collect::<Result<_, _>>()?,
            )),
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (name, member) in members {
                    let value = member.evaluate(&format!("{location}/{name}"), evaluator)?;
                    object.insert(name.clone(), value);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// The value, which must satisfy `accept`; `expected` names what that means.
    pub(crate) fn evaluate_as<T>(
        &self,
        location: &str,
        evaluator: &dyn Evaluate,
        expected: &str,
        accept: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, TemplateFault> {
        let value = self.evaluate(location, evaluator)?;
        accept(&value).ok_or_else(|| {
            let subject = match self {
                Self::Expression(expression) => {
                    format!("The JSONata expression '{}'", expression.source)
                }
                _ => "The value".to_owned(),
            };
            TemplateFault::At {
                location: location.to_owned(),
                sentence: format!(
                    "{subject} specified for the field '{location}' returned an unexpected result type. Expected '{expected}', but was '{}' for value: {value}",
                    type_name(&value)
                ),
            }
        })
    }
}

fn explain(expression: &Expression, location: &str, fault: &Fault) -> TemplateFault {
    let what = match fault {
        Fault::Undefined => "returned nothing (undefined).".to_owned(),
        Fault::Unsupported => "returned an unsupported result type.".to_owned(),
        Fault::Threw(message) => format!("threw an error during evaluation. {message}"),
        Fault::Bound(message) => format!("threw an error during evaluation: {message}"),
        Fault::Broken(message) => format!("threw an error during evaluation: {message}"),
        Fault::Interrupted => return TemplateFault::Interrupted,
    };
    TemplateFault::At {
        location: location.to_owned(),
        sentence: format!(
            "The JSONata expression '{}' specified for the field '{location}' {what}",
            expression.source
        ),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
