//! What the expressions of a state can read.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::event::ScopeId;
use super::interpreter::{Execution, Phase};
use crate::definition::{Evaluate, Template, TemplateFault};
use crate::jsonata::{Environment, Expression, Fault};

/// What an evaluation has besides the state's input, the variables and the context.
#[derive(Clone, Copy, Default)]
pub(super) struct Extra<'a> {
    pub(super) result: Option<&'a Value>,
    pub(super) error: Option<&'a Value>,
    pub(super) token: Option<&'a str>,
    /// The item that an `ItemSelector` is evaluated for.
    pub(super) item: Option<(usize, &'a Value)>,
}

struct Scene<'a> {
    execution: &'a Execution,
    scope: ScopeId,
    extra: Extra<'a>,
}

impl Environment for Scene<'_> {
    fn variable(&self, name: &str) -> Option<&Value> {
        let mut id = self.scope;
        loop {
            let scope = self.execution.scopes.get(&id)?;
            if let Some(value) = scope.variables.get(name) {
                return Some(value);
            }
            id = scope.parent?.0;
        }
    }

    fn member(&self, name: &str) -> Option<Cow<'_, Value>> {
        match name {
            "input" => match &self.execution.scopes.get(&self.scope)?.phase {
                Phase::In(active) => Some(Cow::Borrowed(&*active.input)),
                _ => None,
            },
            "result" => self.extra.result.map(Cow::Borrowed),
            "errorOutput" => self.extra.error.map(Cow::Borrowed),
            "context" => Some(Cow::Owned(self.context())),
            _ => None,
        }
    }
}

impl Evaluate for Scene<'_> {
    fn evaluate(&self, expression: &Expression) -> Result<Value, Fault> {
        self.execution.evaluator.evaluate(expression, self)
    }
}

impl Scene<'_> {
    /// The context object.
    fn context(&self) -> Value {
        let execution = self.execution;
        let identity = &execution.identity;
        let mut context = Map::new();
        let mut about = json!({
            "Id": identity.arn,
            "Input": *execution.input,
            "Name": identity.name,
            "RoleArn": identity.role,
            "StartTime": instant(execution.started_at),
            "RedriveCount": execution.redrives,
        });
        if let (Some(at), Some(about)) = (execution.redriven_at, about.as_object_mut()) {
            about.insert("RedriveTime".to_owned(), Value::String(instant(at)));
        }
        context.insert("Execution".to_owned(), about);
        context.insert(
            "StateMachine".to_owned(),
            json!({ "Id": identity.machine_arn, "Name": identity.machine_name }),
        );
        if let Some(Phase::In(active)) = execution.scopes.get(&self.scope).map(|s| &s.phase) {
            context.insert(
                "State".to_owned(),
                json!({
                    "Name": active.state.name,
                    "EnteredTime": instant(active.entered_at),
                    "RetryCount": active.retries,
                }),
            );
        }
        if let Some(token) = self.extra.token {
            context.insert("Task".to_owned(), json!({ "Token": token }));
        }
        if let Some((index, value)) = self.item() {
            context.insert("Map".to_owned(), json!({ "Item": { "Index": index, "Value": value } }));
        }
        for (name, given) in &execution.given {
            match (context.get_mut(name), given) {
                (Some(Value::Object(known)), Value::Object(given)) => known.extend(given.clone()),
                _ => drop(context.insert(name.clone(), given.clone())),
            }
        }
        Value::Object(context)
    }

    /// The item at hand, or that of the nearest iteration around the state.
    fn item(&self) -> Option<(usize, &Value)> {
        if self.extra.item.is_some() {
            return self.extra.item;
        }
        let mut id = self.scope;
        loop {
            let scope = self.execution.scopes.get(&id)?;
            let (parent, index) = scope.parent?;
            if let Some(item) = &scope.item {
                return Some((index, item));
            }
            id = parent;
        }
    }
}

/// An instant as the context object writes it.
fn instant(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).map(|instant| format!("{instant:.3}")).unwrap_or_default()
}

impl Execution {
    /// The value of one field of the state that `scope` is in.
    pub(super) fn value(
        &self,
        scope: ScopeId,
        template: &Template,
        location: &str,
        extra: Extra<'_>,
    ) -> Result<Value, TemplateFault> {
        template.evaluate(location, &self.scene(scope, extra))
    }

    /// The value of one field, which must be what `expected` names.
    pub(super) fn value_as<T>(
        &self,
        scope: ScopeId,
        template: &Template,
        location: &str,
        expected: &str,
        accept: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, TemplateFault> {
        template.evaluate_as(location, &self.scene(scope, Extra::default()), expected, accept)
    }

    /// The variables that an `Assign` field gives; all expressions read the variables as before.
    pub(super) fn assigned(
        &self,
        scope: ScopeId,
        assign: &[(String, Template)],
        location: &str,
        extra: Extra<'_>,
    ) -> Result<Option<Map<String, Value>>, TemplateFault> {
        if assign.is_empty() {
            return Ok(None);
        }
        let mut variables = Map::with_capacity(assign.len());
        for (name, template) in assign {
            let value = self.value(scope, template, &format!("{location}/{name}"), extra)?;
            variables.insert(name.clone(), value);
        }
        Ok(Some(variables))
    }

    fn scene<'a>(&'a self, scope: ScopeId, extra: Extra<'a>) -> Scene<'a> {
        Scene { execution: self, scope, extra }
    }
}
