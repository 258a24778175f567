//! Reading the inputs of operations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::error::ApiError;

/// The input of an operation.
pub(super) struct Input(pub(super) Value);

impl Input {
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(ApiError::new("SerializationException", format!("'{name}' must be a string")))
            }
        }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.optional(name)?.ok_or_else(|| {
            ApiError::validation(format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// The ARN in `name`, which must be of the given kind (`stateMachine`, `execution`).
    pub(super) fn arn(&self, name: &str, kinds: &[&str]) -> Result<&str, ApiError> {
        let arn = self.required(name)?;
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "states", _, _, kind, rest @ ..]
                if kinds.contains(kind)
                    && rest.iter().all(|part| !part.is_empty())
                    && !rest.is_empty() =>
            {
                Ok(arn)
            }
            _ => Err(ApiError::arn(arn)),
        }
    }

    /// One of the words that a field may hold.
    pub(super) fn choice(&self, name: &str, words: &[&str]) -> Result<Option<&str>, ApiError> {
        match self.optional(name)? {
            Some(word) if !words.contains(&word) => Err(ApiError::validation(format!(
                "1 validation error detected: Value '{word}' at '{name}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                words.join(", ")
            ))),
            word => Ok(word),
        }
    }

    /// `maxResults`, up to `most`: 0 means the default.
    pub(super) fn page_size(&self, most: u64) -> Result<usize, ApiError> {
        const DEFAULT: usize = 100;
        match self.0.get("maxResults") {
            None | Some(Value::Null) => Ok(DEFAULT),
            Some(value) => match value.as_u64() {
                Some(0) => Ok(DEFAULT),
                Some(size) if size <= most => Ok(usize::try_from(size).unwrap_or(DEFAULT)),
                _ => Err(ApiError::validation(format!(
                    "1 validation error detected: Value '{value}' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to {most}"
                ))),
            },
        }
    }

    /// The number in `nextToken`, which [`next_token`] made for the same `kind`.
    pub(super) fn after(&self, kind: &str) -> Result<Option<u64>, ApiError> {
        let Some(token) = self.optional("nextToken")? else {
            return Ok(None);
        };
        URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| {
                let (prefix, number) = text.rsplit_once(' ')?;
                (prefix == kind).then(|| number.parse().ok())?
            })
            .map(Some)
            .ok_or_else(|| ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"))
    }
}

pub(super) fn next_token(kind: &str, after: u64) -> Value {
    Value::String(URL_SAFE_NO_PAD.encode(format!("{kind} {after}")))
}

/// Checks the name of a state machine or an execution.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    const LONGEST: usize = 80;
    let bad =
        |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if name.is_empty() || name.chars().count() > LONGEST || name.contains(bad) {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    Ok(())
}
