//! JSON to and from the evaluator's values.

use jsonata_core::value::{JArray, JMap, JValue};
use serde_json::{Map, Number, Value};

use super::fault::Fault;

/// Whole numbers up to here are the same in 64-bit floating point and as integers.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// How many values and bytes of text a result may have, shared parts counted each time.
const LARGEST: usize = 4 * 1024 * 1024;
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

/// The JSON of a value. Parts of a value can be shared: what is small in memory can be endless when
/// it is written out, so only so much is.
pub(super) fn to_json(value: &JValue) -> Result<Value, Fault> {
    let mut left = LARGEST;
    nested(value, 0, &mut left)
}

fn nested(value: &JValue, depth: usize, left: &mut usize) -> Result<Value, Fault> {
    if depth > DEPTH {
        return Err(Fault::Bound("the result nests too deeply".into()));
    }
    let mut take = |weight: usize| {
        *left = left.checked_sub(weight).ok_or(Fault::MEMORY)?;
        Ok(())
    };
    take(1)?;
    Ok(match value {
        JValue::Null | JValue::Undefined => Value::Null,
        JValue::Bool(bool) => Value::Bool(*bool),
        JValue::Number(number) => finite(*number),
        JValue::String(text) => {
            take(text.len())?;
            Value::String(text.to_string())
        }
        JValue::Array(items) => Value::Array(
            items.iter().map(|item| nested(item, depth + 1, left)).collect::<Result<_, _>>()?,
        ),
        JValue::Object(members) => {
            let mut object = Map::new();
            for (name, value) in members.iter() {
                if !value.is_undefined() {
                    *left = left.checked_sub(name.len()).ok_or(Fault::MEMORY)?;
                    object.insert(name.clone(), nested(value, depth + 1, left)?);
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
