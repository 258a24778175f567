//! Reading the inputs of operations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::engine::check_length;
use crate::error::ApiError;

/// The longest name of an error, and the longest cause.
pub(super) const LONGEST_ERROR: usize = 256;
pub(super) const LONGEST_CAUSE: usize = 32_768;

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
        self.optional(name)?.ok_or_else(|| Self::missing(name))
    }

    /// A field that has to be given is not.
    pub(super) fn missing(name: &str) -> ApiError {
        ApiError::validation(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// Text of at most `most` characters.
    pub(super) fn bounded(&self, name: &str, most: usize) -> Result<Option<&str>, ApiError> {
        let text = self.optional(name)?;
        if let Some(text) = text {
            check_length(name, text, 0, most)?;
        }
        Ok(text)
    }

    /// The ARN in `name`, which must be of the given kind (`stateMachine`, `execution`).
    pub(super) fn arn(&self, name: &str, wanted: &str) -> Result<&str, ApiError> {
        const LONGEST: usize = 256;
        let arn = self.required(name)?;
        check_length(name, arn, 1, LONGEST)?;
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "states", _, _, kind, ..] if *kind != wanted => {
                Err(ApiError::arn(&format!("Resource type not valid in this context: {kind}")))
            }
            ["arn", _, "states", _, _, _, rest @ ..]
                if !rest.is_empty() && rest.iter().all(|part| !part.is_empty()) =>
            {
                Ok(arn)
            }
            _ => Err(ApiError::arn(&format!("Invalid ARN prefix: {arn}"))),
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
