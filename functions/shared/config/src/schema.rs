//! The published JSON schema, for editors.

use serde_json::{Map, Value, json};

use crate::{
    shape::{Fields, ROOT, Shape},
    values::Rule,
};

/// JSON schema of the file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = object(&ROOT);
    if let Value::Object(map) = &mut schema {
        let head = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "pact.toml",
            "description": "The PACT pipeline of a repository.",
        });
        if let Value::Object(mut head) = head {
            head.append(map);
            *map = head;
        }
    }
    schema
}

fn object(fields: &Fields) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let mut inner = shape(&field.shape);
        if let Value::Object(map) = &mut inner {
            map.insert("description".to_owned(), field.about.into());
        }
        properties.insert(field.name.to_owned(), inner);
    }
    let required: Vec<_> = fields.iter().filter(|f| f.required).map(|f| f.name).collect();
    let mut out = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if let Value::Object(map) = &mut out
        && !required.is_empty()
    {
        map.insert("required".to_owned(), json!(required));
    }
    out
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Word { now, .. } => json!({ "enum": now }),
        Shape::Text(rule) => text(*rule),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::List { of, min } => json!({ "type": "array", "items": text(*of), "minItems": min }),
        Shape::Command => command(),
        Shape::Commands => json!({
            "anyOf": [{ "type": "array", "items": command() }, { "type": "string", "minLength": 1 }],
        }),
        Shape::Map { keys, values } => json!({
            "type": "object",
            "propertyNames": { "maxLength": keys.max() },
            "additionalProperties": text(*values),
        }),
        Shape::Table(fields) => object(fields),
        Shape::Tables(fields) => json!({ "type": "array", "items": object(fields) }),
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

fn text(rule: Rule) -> Value {
    let min = usize::from(!rule.may_be_empty());
    json!({ "type": "string", "minLength": min, "maxLength": rule.max() })
}
