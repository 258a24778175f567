//! Reading the fields of a JSON object, with every fault noted.

use serde_json::{Map, Value};

use super::diagnostic::{
    BAD_EXPRESSION, Diagnostic, SCHEMA, Severity, UNSUPPORTED_EXPRESSION, UNSUPPORTED_LANGUAGE,
};
use super::template::{Template, expression_text};
use crate::jsonata::{
    Expression, reads_error_output, refused_operator, syntax, top_level_references,
};

/// How many faults are listed.
const MOST: usize = 100;

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) list: Vec<Diagnostic>,
}

impl Faults {
    pub(super) fn add(&mut self, code: &'static str, message: impl Into<String>, location: &str) {
        self.push(code, message.into(), Some(location.to_owned()));
    }

    pub(super) fn add_whole(&mut self, code: &'static str, message: impl Into<String>) {
        self.push(code, message.into(), None);
    }

    /// Whether no more are listed.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    fn push(&mut self, code: &'static str, message: String, location: Option<String>) {
        if !self.is_full() {
            self.list.push(Diagnostic { severity: Severity::Error, code, message, location });
        }
    }
}

/// The fields that an object may have.
#[derive(Clone, Copy, Default)]
pub(super) struct AllowedFields<'a> {
    pub(super) both: &'a [&'a [&'a str]],
    pub(super) jsonata: &'a [&'a str],
    pub(super) jsonpath: &'a [&'a str],
}

/// An object being read: its members, where it stands, and the query language that holds there.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) object: &'a Map<String, Value>,
    pub(super) at: &'a str,
    pub(super) jsonata: bool,
    /// Whether JSONata is the query language of the whole machine: states inherit from there, not
    /// from a state around them.
    pub(super) whole: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn field(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name)
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.at == "/" { format!("/{name}") } else { format!("{}/{name}", self.at) }
    }

    /// Notes the required fields that are missing, in one fault as AWS does.
    pub(super) fn require(&self, names: &[&str], faults: &mut Faults) -> bool {
        let missing: Vec<&str> =
            names.iter().copied().filter(|name| !self.object.contains_key(*name)).collect();
        if missing.is_empty() {
            return true;
        }
        let message = format!("These fields are required: [{}]", missing.join(", "));
        faults.add(SCHEMA, message, self.at);
        false
    }

    /// Notes the fields that are not in `known`, and those of the other query language.
    pub(super) fn only(&self, known: &AllowedFields<'_>, faults: &mut Faults) {
        let (own, other, language, others) = if self.jsonata {
            (known.jsonata, known.jsonpath, "JSONata", "JSONPath")
        } else {
            (known.jsonpath, known.jsonata, "JSONPath", "JSONata")
        };
        for name in self.object.keys().map(String::as_str) {
            if known.both.iter().any(|names| names.contains(&name)) {
                continue;
            }
            if own.contains(&name) {
                if !self.jsonata {
                    faults.add(
                        UNSUPPORTED_LANGUAGE,
                        format!(
                            "The JSONPath query language is not supported by this engine: '{name}' needs it. Set QueryLanguage to JSONata"
                        ),
                        &self.path(name),
                    );
                }
            } else if other.contains(&name) {
                let message = format!(
                    "The QueryLanguage is set to '{language}', but field '{name}' is only supported for the '{others}' QueryLanguage"
                );
                faults.add(SCHEMA, message, self.at);
            } else {
                faults.add(SCHEMA, format!("Field '{name}' is not supported"), self.at);
            }
        }
    }

    pub(super) fn text(&self, name: &str, faults: &mut Faults) -> Option<&'a str> {
        match self.field(name)? {
            Value::String(text) => Some(text),
            _ => {
                faults.add(SCHEMA, "Expected value of type String", &self.path(name));
                None
            }
        }
    }

    pub(super) fn list(&self, name: &str, faults: &mut Faults) -> Option<&'a [Value]> {
        match self.field(name)? {
            Value::Array(items) => Some(items),
            _ => {
                faults.add(SCHEMA, "Expected value of type Array", &self.path(name));
                None
            }
        }
    }

    pub(super) fn map(&self, name: &str, faults: &mut Faults) -> Option<&'a Map<String, Value>> {
        match self.field(name)? {
            Value::Object(object) => Some(object),
            _ => {
                faults.add(SCHEMA, "Expected value of type Object", &self.path(name));
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        faults: &mut Faults,
    ) -> Option<u64> {
        let value = self.field(name)?;
        let message = match (value.as_u64(), value.as_i64()) {
            (Some(number), _) if number > *range.end() => {
                format!("Maximum value is {}", range.end())
            }
            (Some(number), _) if number >= *range.start() => return Some(number),
            (Some(_), _) | (None, Some(_)) => format!("Minimum value is {}", range.start()),
            (None, None) => "Expected value of type Integer".to_owned(),
        };
        faults.add(SCHEMA, message, &self.path(name));
        None
    }

    /// A number within `range`.
    pub(super) fn number(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<f64>,
        faults: &mut Faults,
    ) -> Option<f64> {
        let message = match self.field(name)?.as_f64() {
            Some(number) if range.contains(&number) => return Some(number),
            Some(number) if number < *range.start() => {
                format!("Minimum value is {:?}", range.start())
            }
            Some(_) => format!("Maximum value is {:?}", range.end()),
            None => "Expected value of type Number".to_owned(),
        };
        faults.add(SCHEMA, message, &self.path(name));
        None
    }

    /// A field that may hold expressions.
    pub(super) fn template(&self, name: &str, faults: &mut Faults) -> Option<Template> {
        let value = self.field(name)?;
        Some(self.template_of(value, &self.path(name), faults))
    }

    pub(super) fn template_of(&self, value: &Value, at: &str, faults: &mut Faults) -> Template {
        match value {
            Value::String(text) if self.jsonata => match expression_text(text) {
                Some(source) => expression(source, at, faults)
                    .map_or_else(|| Template::Literal(Value::Null), Template::Expression),
                None => Template::Literal(value.clone()),
            },
            Value::Array(items) => {
                let items: Vec<Template> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.template_of(item, &format!("{at}[{index}]"), faults))
                    .collect();
                if items.iter().all(is_literal) {
                    return Template::Literal(value.clone());
                }
                Template::Array(items)
            }
            Value::Object(members) => {
                let members: Vec<(String, Template)> = members
                    .iter()
                    .map(|(name, member)| {
                        let at = format!("{at}/{name}");
                        if !self.jsonata && name.ends_with(".$") {
                            faults.add(
                                UNSUPPORTED_LANGUAGE,
                                format!("The JSONPath query language is not supported by this engine: '{name}' needs it. Set QueryLanguage to JSONata"),
                                &at,
                            );
                        }
                        (name.clone(), self.template_of(member, &at, faults))
                    })
                    .collect();
                if members.iter().all(|(_, member)| is_literal(member)) {
                    return Template::Literal(value.clone());
                }
                Template::Object(members)
            }
            _ => Template::Literal(value.clone()),
        }
    }
}

fn is_literal(template: &Template) -> bool {
    matches!(template, Template::Literal(_))
}

fn expression(source: &str, at: &str, faults: &mut Faults) -> Option<Box<Expression>> {
    match Expression::parse(source) {
        Ok(expression) => {
            if let Some(message) = refused_operator(expression.ast()) {
                faults.add(BAD_EXPRESSION, message, at);
            }
            for name in top_level_references(expression.ast()) {
                faults.add(
                    UNSUPPORTED_EXPRESSION,
                    format!("Reference to '{name}' at the top level is not supported."),
                    at,
                );
            }
            if !at.contains("/Catch[") && reads_error_output(expression.ast()) {
                faults.add(
                    UNSUPPORTED_EXPRESSION,
                    "Reference to '$states.errorOutput' is only supported in a Catch field.",
                    at,
                );
            }
            Some(Box::new(expression))
        }
        Err(message) => {
            faults.add(BAD_EXPRESSION, syntax(&message), at);
            None
        }
    }
}
