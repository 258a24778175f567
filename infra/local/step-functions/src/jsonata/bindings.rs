//! What an expression reads.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::cost::weight;
use super::expression::Expression;

/// Where an evaluation finds what expressions may read.
pub(crate) trait Environment {
    /// The value of a workflow variable.
    fn variable(&self, name: &str) -> Option<&Value>;
    /// A member of `$states`: `input`, `result`, `errorOutput` or `context`.
    fn member(&self, name: &str) -> Option<Cow<'_, Value>>;
}

const MEMBERS: [&str; 4] = ["input", "result", "errorOutput", "context"];

/// The variables that one expression mentions, with their values.
#[derive(Debug)]
pub(crate) struct Bindings<'a> {
    pub(crate) variables: Vec<(&'a str, &'a Value)>,
    /// The members of `$states`, where it is mentioned.
    pub(crate) states: Option<Vec<(&'a str, Cow<'a, Value>)>>,
}

impl<'a> Bindings<'a> {
    pub(crate) fn of(expression: &'a Expression, environment: &'a dyn Environment) -> Self {
        let mut bindings = Self { variables: Vec::new(), states: None };
        for name in &expression.variables {
            if name == "states" {
                let wanted = |name: &&&str| {
                    let members = expression.members.as_ref();
                    members.is_none_or(|members| members.iter().any(|known| known == **name))
                };
                let members = MEMBERS.iter().filter(wanted);
                let states = members.filter_map(|name| Some((*name, environment.member(name)?)));
                bindings.states = Some(states.collect());
            } else if let Some(value) = environment.variable(name) {
                bindings.variables.push((name, value));
            }
        }
        bindings
    }

    /// What each variable weighs.
    pub(super) fn weights(&self) -> Vec<(&'a str, f64)> {
        let mut weights: Vec<_> =
            self.variables.iter().map(|(name, value)| (*name, weight(value))).collect();
        if let Some(members) = &self.states {
            let all = members.iter().map(|(name, value)| weight(value) + weight_of_key(name));
            weights.push(("states", all.sum()));
        }
        weights
    }
}

fn weight_of_key(name: &str) -> f64 {
    weight(&Value::String(name.to_owned()))
}

/// Bindings that came from another process.
#[derive(Debug)]
pub(crate) struct OwnedBindings {
    pub(crate) variables: Map<String, Value>,
    pub(crate) states: Option<Map<String, Value>>,
}

impl OwnedBindings {
    pub(crate) fn borrowed(&self) -> Bindings<'_> {
        Bindings {
            variables: self.variables.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            states: self.states.as_ref().map(|members| {
                let members = members.iter();
                members.map(|(name, value)| (name.as_str(), Cow::Borrowed(value))).collect()
            }),
        }
    }
}
