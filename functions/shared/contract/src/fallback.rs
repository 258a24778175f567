//! Answers that were reached by another way than asked for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How closely an answer fits the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FallbackLevel {
    /// The action exactly as asked for.
    Exact = 0,
    /// The same action with adapted parameters.
    ParameterAdaptation = 1,
    /// A similar action.
    Approximation = 2,
    /// Several smaller actions.
    Decomposition = 3,
    /// Nothing could be done; the reason is given.
    GracefulFailure = 4,
}

impl Serialize for FallbackLevel {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u8(*self as u8)
    }
}

impl<'de> Deserialize<'de> for FallbackLevel {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match u8::deserialize(d)? {
            0 => Self::Exact,
            1 => Self::ParameterAdaptation,
            2 => Self::Approximation,
            3 => Self::Decomposition,
            4 => Self::GracefulFailure,
            other => {
                return Err(serde::de::Error::custom(format!(
                    "fallback level {other} is not between 0 and 4"
                )));
            }
        })
    }
}

/// Says that a result was reached by another way than asked for, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// How far the answer is from the request.
    pub fallback_level: FallbackLevel,
    /// What was done instead, and why.
    pub description: String,
    /// The intent as it was sent.
    pub original_intent: Value,
}
