//! JSON to and from the evaluator's values.

use jsonata_core::value::{JArray, JMap, JValue};
use serde_json::{Map, Number, Value};

use super::fault::Fault;

/// Whole numbers up to here are the same in 64-bit floating point and as integers.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How deep a result may nest.
const DEPTH: usize = 256;

pub(crate) fn from_json(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(bool) => JValue::Bool(*bool),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or(0.0)),
        Value::String(text) => JValue::string(text.as_str()),
        Value::Array(items) => {
            let flat = !items.iter().any(Value::is_array);
            JValue::Array(JArray::new_flat(items.iter().map(from_json).collect(), flat))
        }
        Value::Object(members) => {
            let members: JMap =
                members.iter().map(|(name, value)| (name.clone(), from_json(value))).collect();
            JValue::Object(std::rc::Rc::new(members))
        }
    }
}

pub(super) fn to_json(value: &JValue) -> Result<Value, Fault> {
    nested(value, 0)
}

fn nested(value: &JValue, depth: usize) -> Result<Value, Fault> {
    if depth > DEPTH {
        return Err(Fault::Bound("the result nests too deeply"));
    }
    Ok(match value {
        JValue::Null | JValue::Undefined => Value::Null,
        JValue::Bool(bool) => Value::Bool(*bool),
        JValue::Number(number) => finite(*number),
        JValue::String(text) => Value::String(text.to_string()),
        JValue::Array(items) => Value::Array(
            items.iter().map(|item| nested(item, depth + 1)).collect::<Result<_, _>>()?,
        ),
        JValue::Object(members) => {
            let mut object = Map::with_capacity(members.len());
            for (name, value) in members.iter() {
                if !value.is_undefined() {
                    object.insert(name.clone(), nested(value, depth + 1)?);
                }
            }
            Value::Object(object)
        }
        _ => return Err(Fault::Unsupported),
    })
}

/// A number; one that JSON does not have is text, as AWS gives it.
fn finite(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the exact range")]
        return Value::from(number as i64);
    }
    let text = if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    Number::from_f64(number).map_or_else(|| Value::from(text), Value::Number)
}
