//! Parameters, conditions, mappings and the intrinsic functions.

use crate::{
    error::TemplateError,
    stack::Context,
    template::Template,
    yaml::{Entry, Kind, Node},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// The fault is recorded; there is no value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failed;

/// A value; `None` is `AWS::NoValue`, which removes the property.
pub(crate) type Resolved = Result<Option<Node>, Failed>;

pub(crate) struct Resolver<'a> {
    pub(crate) template: &'a Template,
    pub(crate) context: &'a Context,
    path: &'a Path,
    parameters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, Result<bool, Failed>>,
    /// Names and conditions that are being worked out, to see a circle.
    pub(crate) pending: Vec<String>,
    /// What faults are reported against.
    pub(crate) place: String,
    pub(crate) errors: Vec<TemplateError>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(template: &'a Template, context: &'a Context, path: &'a Path) -> Self {
        let mut resolver = Resolver {
            template,
            context,
            path,
            parameters: BTreeMap::new(),
            conditions: BTreeMap::new(),
            pending: Vec::new(),
            place: String::new(),
            errors: Vec::new(),
        };
        resolver.read_parameters();
        resolver
    }

    pub(crate) fn fail(&mut self, line: usize, message: impl Into<String>) -> Failed {
        self.errors.push(TemplateError {
            path: self.path.to_owned(),
            line: Some(line),
            logical_id: Some(self.place.clone()).filter(|place| !place.is_empty()),
            message: message.into(),
        });
        Failed
    }

    fn read_parameters(&mut self) {
        let template = self.template;
        self.place = "Parameters".to_owned();
        for name in self.context.parameters.keys() {
            if template.parameters.iter().all(|p| p.key != *name) {
                self.errors.push(TemplateError {
                    path: self.path.to_owned(),
                    line: None,
                    logical_id: Some("Parameters".to_owned()),
                    message: format!("a value is given for {name}, which is not a parameter"),
                });
            }
        }
        for Entry { key, line, value } in &template.parameters {
            let given = self.context.parameters.get(key).cloned();
            let Some(text) = given.or_else(|| value.get("Default").and_then(Node::text)) else {
                self.fail(*line, format!("the parameter {key} has no default and no value"));
                continue;
            };
            if let Some(allowed) = value.get("AllowedValues").and_then(Node::items)
                && allowed.iter().all(|node| node.text().as_ref() != Some(&text))
            {
                self.fail(*line, format!("{text:?} is not an allowed value of {key}"));
                continue;
            }
            let kind = value.get("Type").and_then(Node::text).unwrap_or_default();
            if kind.is_empty() {
                self.fail(*line, format!("the parameter {key} has no Type"));
            }
            if kind == "Number" && text.parse::<f64>().is_err() {
                self.fail(*line, format!("the parameter {key} is a Number, and {text:?} is not"));
            }
            let list = kind == "CommaDelimitedList" || kind.starts_with("List<");
            let resolved = if list {
                Value::from(text.split(',').map(str::trim).collect::<Vec<_>>())
            } else {
                Value::String(text)
            };
            self.parameters.insert(key.clone(), resolved);
        }
    }

    /// Resolves every function call in a value. Goes on after a fault, to find the others.
    pub(crate) fn resolve(&mut self, node: &Node) -> Resolved {
        if let Some((name, argument)) = node.intrinsic() {
            return self.call(name, argument, node.line);
        }
        let mut failed = None;
        let kind = match &node.kind {
            Kind::Scalar(value) => Kind::Scalar(value.clone()),
            Kind::Seq(items) => {
                let mut resolved = Vec::new();
                for item in items {
                    match self.resolve(item) {
                        Ok(value) => resolved.extend(value),
                        Err(fault) => failed = Some(fault),
                    }
                }
                Kind::Seq(resolved)
            }
            Kind::Map(entries) => {
                let mut resolved = Vec::new();
                for Entry { key, line, value } in entries {
                    match self.resolve(value) {
                        Ok(Some(value)) => {
                            resolved.push(Entry { key: key.clone(), line: *line, value });
                        }
                        Ok(None) => {}
                        Err(fault) => failed = Some(fault),
                    }
                }
                Kind::Map(resolved)
            }
        };
        match failed {
            Some(fault) => Err(fault),
            None => Ok(Some(Node { line: node.line, kind })),
        }
    }

    fn call(&mut self, name: &str, argument: &Node, line: usize) -> Resolved {
        let value = match name {
            "Ref" => {
                let Some(target) = argument.text() else {
                    return Err(self.fail(line, "Ref takes a name"));
                };
                if target == "AWS::NoValue" {
                    return Ok(None);
                }
                self.reference(&target, line)?
            }
            "Fn::GetAtt" => {
                let (id, attribute) = self.attribute_parts(argument, line)?;
                self.attribute(&id, &attribute, line)?
            }
            "Fn::Sub" => Value::String(self.substitute(argument, line)?),
            "Fn::If" => {
                let Some([condition, yes, no]) = argument.items() else {
                    return Err(self.fail(line, "Fn::If takes a condition and two values"));
                };
                let Some(condition) = condition.text() else {
                    return Err(self.fail(line, "the first item of Fn::If names a condition"));
                };
                let chosen = if self.condition(&condition, line)? { yes } else { no };
                return self.resolve(chosen);
            }
            "Fn::Join" => {
                let (separator, items) = self.pair(name, argument, line)?;
                let parts = self.texts(name, &items, line)?;
                Value::String(parts.join(&self.text(name, &separator, line)?))
            }
            "Fn::Split" => {
                let (separator, text) = self.pair(name, argument, line)?;
                let separator = self.text(name, &separator, line)?;
                if separator.is_empty() {
                    return Err(self.fail(line, "Fn::Split needs a separator"));
                }
                let text = self.text(name, &text, line)?;
                Value::from(text.split(&separator).collect::<Vec<_>>())
            }
            "Fn::Select" => {
                let (index, items) = self.pair(name, argument, line)?;
                let index = self.text(name, &index, line)?;
                let item = index.parse::<usize>().ok().and_then(|at| items.items()?.get(at));
                return match item {
                    Some(item) => Ok(Some(item.clone())),
                    None => Err(self.fail(line, format!("Fn::Select has no item {index}"))),
                };
            }
            "Fn::FindInMap" => return self.find_in_map(argument, line),
            "Fn::Base64" => {
                let text = self.resolve_text(name, argument, line)?;
                Value::String(BASE64.encode(text))
            }
            "Fn::GetAZs" => {
                let zones = ["a", "b", "c"].map(|zone| format!("{}{zone}", self.context.region));
                Value::from(zones.to_vec())
            }
            "Fn::Length" => {
                let list = self.present(name, argument, line)?;
                match list.items() {
                    Some(items) => Value::from(items.len()),
                    None => return Err(self.fail(line, "Fn::Length takes a list")),
                }
            }
            "Fn::ToJsonString" => {
                let value = self.present(name, argument, line)?;
                Value::String(value.json().to_string())
            }
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                let message = format!("{name} is for Conditions; here use Fn::If with a condition");
                return Err(self.fail(line, message));
            }
            other => return Err(self.fail(line, format!("{other} is not supported locally"))),
        };
        Ok(Some(Node::from_json(line, &value)))
    }

    /// A parameter, a pseudo parameter or a resource.
    pub(crate) fn reference(&mut self, name: &str, line: usize) -> Result<Value, Failed> {
        if let Some(pseudo) = name.strip_prefix("AWS::") {
            return match self.pseudo(pseudo) {
                Some(value) => Ok(value),
                None => Err(self.fail(line, format!("unknown pseudo parameter AWS::{pseudo}"))),
            };
        }
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        if self.template.parameters.iter().any(|p| p.key == name) {
            return Err(Failed); // Its own fault is recorded already.
        }
        self.resource_reference(name, line)
    }

    fn pseudo(&self, name: &str) -> Option<Value> {
        let Context { region, account, stack_name, .. } = self.context;
        Some(Value::String(match name {
            "Region" => region.clone(),
            "AccountId" => account.clone(),
            "StackName" => stack_name.clone(),
            "StackId" => {
                format!("arn:aws:cloudformation:{region}:{account}:stack/{stack_name}/local")
            }
            "Partition" => "aws".to_owned(),
            "URLSuffix" => "amazonaws.com".to_owned(),
            "NotificationARNs" => return Some(Value::Array(Vec::new())),
            _ => return None,
        }))
    }

    fn attribute_parts(&mut self, node: &Node, line: usize) -> Result<(String, String), Failed> {
        let parts = match node.items() {
            Some([id, attribute]) => {
                id.text().zip(Some(self.resolve_text("Fn::GetAtt", attribute, line)?))
            }
            _ => node.text().and_then(|text| {
                text.split_once('.').map(|(id, name)| (id.to_owned(), name.to_owned()))
            }),
        };
        parts.ok_or_else(|| self.fail(line, "Fn::GetAtt takes a logical id and an attribute"))
    }

    fn substitute(&mut self, argument: &Node, line: usize) -> Result<String, Failed> {
        let (text, own) = match argument.items() {
            Some([text, own]) if own.is_map() => (text.text(), own.entries().to_vec()),
            _ => (argument.text(), Vec::new()),
        };
        let Some(text) = text else {
            return Err(self.fail(line, "Fn::Sub takes a text, or a text and a mapping"));
        };
        let mut out = String::new();
        let mut failed = None;
        for part in sub_parts(&text) {
            let name = match part {
                Part::Text(literal) => {
                    out.push_str(literal);
                    continue;
                }
                Part::Open => {
                    return Err(self.fail(line, "Fn::Sub has a ${ without its }"));
                }
                Part::Variable(name) => name,
            };
            let value = match own.iter().find(|e| e.key == name) {
                Some(entry) => self.resolve_text("Fn::Sub", &entry.value, line),
                None => self.variable(name, line),
            };
            match value {
                Ok(value) => out.push_str(&value),
                Err(fault) => failed = Some(fault),
            }
        }
        failed.map_or(Ok(out), Err)
    }

    fn variable(&mut self, name: &str, line: usize) -> Result<String, Failed> {
        let value = match name.split_once('.') {
            Some((id, attribute)) => self.attribute(id, attribute, line)?,
            None => self.reference(name, line)?,
        };
        self.text("Fn::Sub", &Node::from_json(line, &value), line)
    }

    fn find_in_map(&mut self, argument: &Node, line: usize) -> Resolved {
        let Some([map, top, second, ..]) = argument.items() else {
            return Err(self.fail(line, "Fn::FindInMap takes a map and two keys"));
        };
        let mut keys = Vec::new();
        for key in [map, top, second] {
            keys.push(self.resolve_text("Fn::FindInMap", key, line)?);
        }
        let template = self.template;
        let found = keys.iter().try_fold(&template.mappings, |node, key| node.get(key));
        match found {
            Some(value) => Ok(Some(value.clone())),
            None => Err(self.fail(line, format!("Mappings has no {}", keys.join(".")))),
        }
    }

    fn pair(&mut self, name: &str, node: &Node, line: usize) -> Result<(Node, Node), Failed> {
        let resolved = match node.items() {
            Some([first, second]) => (self.resolve(first)?, self.resolve(second)?),
            _ => (None, None),
        };
        match resolved {
            (Some(first), Some(second)) => Ok((first, second)),
            _ => Err(self.fail(line, format!("{name} takes two values"))),
        }
    }

    fn present(&mut self, name: &str, node: &Node, line: usize) -> Result<Node, Failed> {
        match self.resolve(node)? {
            Some(node) => Ok(node),
            None => Err(self.fail(line, format!("{name} got AWS::NoValue"))),
        }
    }

    fn resolve_text(&mut self, name: &str, node: &Node, line: usize) -> Result<String, Failed> {
        let node = self.present(name, node, line)?;
        self.text(name, &node, line)
    }

    fn text(&mut self, name: &str, node: &Node, line: usize) -> Result<String, Failed> {
        node.text().ok_or_else(|| self.fail(line, format!("{name} needs a text here")))
    }

    fn texts(&mut self, name: &str, node: &Node, line: usize) -> Result<Vec<String>, Failed> {
        match node.items() {
            Some(items) => items.iter().map(|item| self.text(name, item, line)).collect(),
            None => Err(self.fail(line, format!("{name} needs a list here"))),
        }
    }

    /// Whether a named condition holds.
    pub(crate) fn condition(&mut self, name: &str, line: usize) -> Result<bool, Failed> {
        if let Some(known) = self.conditions.get(name) {
            return *known;
        }
        let template = self.template;
        let Some(entry) = template.conditions.iter().find(|c| c.key == name) else {
            return Err(self.fail(line, format!("unknown condition {name}")));
        };
        let mark = format!("condition {name}");
        if self.pending.contains(&mark) {
            return Err(self.fail(line, format!("the condition {name} depends on itself")));
        }
        self.pending.push(mark);
        let result = self.test(&entry.value);
        self.pending.pop();
        self.conditions.insert(name.to_owned(), result);
        result
    }

    fn test(&mut self, node: &Node) -> Result<bool, Failed> {
        let line = node.line;
        let [Entry { key, value, .. }] = node.entries() else {
            return Err(self.fail(line, "a condition is one function call"));
        };
        match (key.as_str(), value.items()) {
            ("Condition", None) => {
                let name = value.text().unwrap_or_default();
                self.condition(&name, line)
            }
            ("Fn::Equals", Some([first, second])) => {
                let first = self.resolve_text(key, first, line)?;
                Ok(first == self.resolve_text(key, second, line)?)
            }
            ("Fn::Not", Some([inner])) => self.test(inner).map(|holds| !holds),
            ("Fn::And" | "Fn::Or", Some(items)) if (2..=10).contains(&items.len()) => {
                let results: Vec<bool> =
                    items.iter().map(|item| self.test(item)).collect::<Result<_, _>>()?;
                let and = key == "Fn::And";
                Ok(if and { results.iter().all(|r| *r) } else { results.iter().any(|r| *r) })
            }
            _ => Err(self.fail(line, format!("{key} is not a condition, or has a wrong argument"))),
        }
    }

    /// Reports references to what does not exist, anywhere below a node, resolved or not.
    pub(crate) fn check_references(&mut self, node: &Node) {
        match node.intrinsic() {
            Some(("Ref", target)) => {
                if let Some(name) = target.text() {
                    self.check_name(&name, node.line);
                }
                return;
            }
            Some(("Fn::GetAtt", target)) => {
                let id = match target.items() {
                    Some([id, ..]) => id.text(),
                    _ => target.text().and_then(|t| Some(t.split_once('.')?.0.to_owned())),
                };
                if let Some(id) = id {
                    self.check_name(&id, node.line);
                }
                return;
            }
            Some(("Fn::Sub", argument)) => {
                let (text, own) = match argument.items() {
                    Some([text, own]) => (text.text(), own.entries().to_vec()),
                    _ => (argument.text(), Vec::new()),
                };
                for part in sub_parts(&text.unwrap_or_default()) {
                    if let Part::Variable(name) = part
                        && own.iter().all(|e| e.key != name)
                    {
                        let id = name.split_once('.').map_or(name, |(id, _)| id);
                        self.check_name(id, node.line);
                    }
                }
                own.iter().for_each(|e| self.check_references(&e.value));
                return;
            }
            _ => {}
        }
        match &node.kind {
            Kind::Scalar(_) => {}
            Kind::Seq(items) => items.iter().for_each(|item| self.check_references(item)),
            Kind::Map(entries) => entries.iter().for_each(|e| self.check_references(&e.value)),
        }
    }

    fn check_name(&mut self, name: &str, line: usize) {
        let known = match name.strip_prefix("AWS::") {
            Some(pseudo) => pseudo == "NoValue" || self.pseudo(pseudo).is_some(),
            None => self.template.parameters.iter().any(|p| p.key == name) || self.exists(name),
        };
        if !known {
            self.fail(line, unknown(name));
        }
    }
}

pub(crate) fn unknown(name: &str) -> String {
    format!("{name} is neither a parameter nor a resource of this template")
}

enum Part<'t> {
    Text(&'t str),
    Variable(&'t str),
    Open,
}

/// `${Name}` is a variable and `${!Name}` the literal text `${Name}`.
fn sub_parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        parts.push(Part::Text(before));
        let Some((name, tail)) = after.split_once('}') else {
            parts.push(Part::Open);
            return parts;
        };
        match name.strip_prefix('!') {
            Some(literal) => {
                parts.extend([Part::Text("${"), Part::Text(literal), Part::Text("}")]);
            }
            None => parts.push(Part::Variable(name.trim())),
        }
        rest = tail;
    }
    parts.push(Part::Text(rest));
    parts
}
