//! The published JSON schema, for editors.

use pact_contract::{Tier, environments::MAX_ENVIRONMENTS};
use serde_json::{Map, Value, json};

use crate::{
    check::{tables, tag},
    form::{Field, Forms, Seam, Shape},
    shape::{environment_name, root},
    values::Rule,
    waves,
};

/// Where the schema has the form of an environment.
const ENVIRONMENT: &str = "#/properties/environments/$defs/environment";

impl Forms {
    /// JSON schema of a file with these instances.
    #[must_use]
    pub fn schema(&self) -> Value {
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "pact.toml",
            "description": "The PACT pipeline of a repository.",
        });
        let fields: Vec<_> = root().iter().collect();
        merge(&mut schema, self.object(&fields));
        schema
    }

    fn object(&self, fields: &[&Field]) -> Value {
        let properties: Map<_, _> = fields
            .iter()
            .map(|field| {
                let mut inner = self.shape(&field.shape);
                merge(&mut inner, json!({ "description": field.about }));
                (field.name.clone(), inner)
            })
            .collect();
        let required: Vec<_> = fields.iter().filter(|f| f.required).map(|f| &f.name).collect();
        let mut out = json!({
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        if !required.is_empty() {
            merge(&mut out, json!({ "required": required }));
        }
        out
    }

    fn shape(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Word(words) => json!({ "enum": words }),
            Shape::Text(rule) => text(rule),
            Shape::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Shape::Number { min, max } => {
                json!({ "type": "number", "minimum": min, "maximum": max })
            }
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::List { of, min } => {
                json!({ "type": "array", "items": text(of), "minItems": min })
            }
            Shape::Command => command(),
            Shape::Commands => json!({
                "anyOf": [{ "type": "array", "items": command() }, { "type": "string", "minLength": 1 }],
            }),
            Shape::Map { keys, values } => json!({
                "type": "object",
                "propertyNames": { "maxLength": keys.max() },
                "additionalProperties": text(values),
            }),
            Shape::Table(fields) => self.object(&fields.iter().collect::<Vec<_>>()),
            Shape::Tables(fields) => {
                let items = self.object(&fields.iter().collect::<Vec<_>>());
                json!({ "type": "array", "items": items })
            }
            Shape::Tagged { seam, fields } => self.tagged(*seam, fields),
            Shape::Environments { seam, fields } => self.environments(*seam, fields),
            // Waves of a target that cannot have them.
            Shape::Waves(_) => json!({ "not": {} }),
            Shape::Kinds(seam) => self.object(&tables(*seam, self).iter().collect::<Vec<_>>()),
        }
    }

    /// Two names need no tier.
    fn environments(&self, seam: Seam, fields: &[Field]) -> Value {
        let environment = self.tagged(seam, fields);
        let known: Map<_, _> = Tier::ALL
            .iter()
            .map(|tier| {
                let own = json!({ "properties": { "tier": { "const": tier } } });
                (tier.as_str().to_owned(), json!({ "allOf": [{ "$ref": ENVIRONMENT }, own] }))
            })
            .collect();
        json!({
            "type": "object",
            "maxProperties": MAX_ENVIRONMENTS,
            "propertyNames": text(&environment_name()),
            "properties": known,
            "additionalProperties": { "allOf": [{ "$ref": ENVIRONMENT }, { "required": ["tier"] }] },
            "$defs": { "environment": environment },
        })
    }

    /// One object where there is one instance, otherwise one for each of them.
    fn tagged(&self, seam: Seam, common: &[Field]) -> Value {
        let several = self.of(seam).len() > 1;
        let mut all = self.of(seam).iter().map(|form| {
            let mut tag = tag(seam, self);
            tag.shape = Shape::Word(vec![form.kind.clone()]);
            tag.required |= !form.default;
            let mut common = waves::resolved(common, Some(form), &[]);
            common.retain(|field| !matches!(field.shape, Shape::Waves(_)));
            let fields: Vec<_> = [&tag].into_iter().chain(&common).chain(&form.fields).collect();
            let mut object = self.object(&fields);
            if several {
                merge(&mut object, json!({ "title": form.kind, "description": form.about }));
            }
            object
        });
        match (several, all.next()) {
            (false, Some(only)) => only,
            // No instance at all: no value is right.
            (_, None) => json!({ "not": {} }),
            (true, first) => json!({ "oneOf": first.into_iter().chain(all).collect::<Vec<_>>() }),
        }
    }
}

/// Adds the entries of one object to another.
fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

fn command() -> Value {
    json!({
        "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "string", "minLength": 1 },
        ],
    })
}

fn text(rule: &Rule) -> Value {
    let min = usize::from(!rule.may_be_empty());
    let mut out = json!({ "type": "string", "minLength": min, "maxLength": rule.max() });
    if let Rule::Pattern { pattern, .. } = rule {
        merge(&mut out, json!({ "pattern": pattern }));
    }
    out
}
