//! Reading a JSON body field by field, so that a refusal names the field.

use std::str::FromStr;

use pact_contract::{ids::IdError, nesting};
use serde_json::{Map, Value};

use crate::error::{Answer, ApiError};

/// A JSON object with its place in the body.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    place: &'a str,
}

/// Reads a body as JSON.
pub(crate) fn parse(body: &[u8]) -> Answer<Value> {
    serde_json::from_slice(body).map_err(|error| {
        // The text of the error may quote the body; its place is enough.
        let place = format!("line {}, column {}", error.line(), error.column());
        let message = match nesting::is_too_deep(&error.to_string()) {
            true => format!(
                "the body is nested too deeply ({place}): at most {} levels are read",
                nesting::JSON
            ),
            false => format!("the body is not JSON ({place})"),
        };
        ApiError::invalid("body", message)
    })
}

impl<'a> Fields<'a> {
    /// The body's own fields.
    pub(crate) fn of(value: &'a Value) -> Answer<Self> {
        match value {
            Value::Object(map) => Ok(Self { map, place: "" }),
            _ => Err(ApiError::invalid("body", "the body is not a JSON object")),
        }
    }

    /// The field's name with its place.
    pub(crate) fn name(&self, field: &str) -> String {
        if self.place.is_empty() { field.to_owned() } else { format!("{}.{field}", self.place) }
    }

    /// A refusal of this field.
    pub(crate) fn wrong(&self, field: &str, message: impl Into<String>) -> ApiError {
        ApiError::invalid(self.name(field), message)
    }

    /// Refuses fields that nobody reads: mostly names that are misspelt.
    pub(crate) fn only(&self, known: &[&str]) -> Answer<()> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                let shown: String = key.chars().take(64).collect();
                Err(self.wrong(&shown, format!("unknown field; known are {}", known.join(", "))))
            }
            None => Ok(()),
        }
    }

    /// A field that is there and not null.
    fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// An object below a top-level field.
    pub(crate) fn object(&self, field: &'static str) -> Answer<Self> {
        self.optional_object(field)?.ok_or_else(|| self.wrong(field, "missing"))
    }

    /// An object below a top-level field that may be absent.
    pub(crate) fn optional_object(&self, field: &'static str) -> Answer<Option<Self>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { map, place: field })),
            Some(_) => Err(self.wrong(field, "not an object")),
        }
    }

    /// A text of at most `limit` bytes that may be absent.
    pub(crate) fn optional_text(&self, field: &str, limit: usize) -> Answer<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() > limit => {
                Err(self.wrong(field, format!("longer than {limit} bytes")))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(field, "not a text")),
        }
    }

    /// A text of at most `limit` bytes, and at least one.
    pub(crate) fn text(&self, field: &str, limit: usize) -> Answer<&'a str> {
        match self.optional_text(field, limit)? {
            None => Err(self.wrong(field, "missing")),
            Some("") => Err(self.wrong(field, "empty")),
            Some(text) => Ok(text),
        }
    }

    /// An identifier.
    pub(crate) fn identifier<T: FromStr<Err = IdError>>(&self, field: &str) -> Answer<T> {
        let text = self.optional_text(field, usize::MAX)?;
        let text = text.ok_or_else(|| self.wrong(field, "missing"))?;
        text.parse().map_err(|error: IdError| self.wrong(field, error.to_string()))
    }

    /// A truth value that may be absent.
    pub(crate) fn optional_flag(&self, field: &str) -> Answer<Option<bool>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.wrong(field, "neither true nor false")),
        }
    }

    /// Whether the field is there, be it null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }
}

/// The first line of a text for people, cut after `limit` bytes, without control characters.
pub(crate) fn line(text: &str, limit: usize) -> Option<String> {
    let line: String = text
        .trim_start()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let line = line.trim();
    (!line.is_empty()).then(|| pact_agent::text::truncated(line, limit))
}
