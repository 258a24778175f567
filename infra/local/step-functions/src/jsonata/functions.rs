//! The functions that Step Functions adds to JSONata, and the one it takes away.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use md5::Md5;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::convert::from_json;

/// How many values `$range` may make; AWS has the same bound.
const RANGE_LIMIT: f64 = 1_000.0;

type Answer = Result<JValue, EvaluatorError>;

pub(super) fn register(evaluator: &mut Evaluator) -> Result<(), EvaluatorError> {
    evaluator.register_fn("partition", partition)?;
    evaluator.register_fn("range", range)?;
    evaluator.register_fn("hash", hash)?;
    evaluator.register_fn("uuid", |_: &[JValue]| -> Answer {
        Ok(JValue::string(Uuid::new_v4().to_string()))
    })?;
    evaluator.register_fn("parse", parse)?;
    evaluator.register_fn_override("random", random)?;
    evaluator.register_fn_override("eval", |_: &[JValue]| -> Answer {
        Err(fault("T1006: Attempted to invoke a non-function"))
    })
}

fn fault(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn mismatch(position: usize, function: &str) -> EvaluatorError {
    fault(format!(
        "T0410: Argument {position} of function \"{function}\" does not match function signature"
    ))
}

fn number(arguments: &[JValue], position: usize, function: &str) -> Result<f64, EvaluatorError> {
    arguments.get(position - 1).and_then(JValue::as_f64).ok_or_else(|| mismatch(position, function))
}

fn partition(arguments: &[JValue]) -> Answer {
    let items = match arguments.first() {
        Some(JValue::Undefined) | None => return Ok(JValue::Undefined),
        Some(value) => match value.as_array() {
            Some(items) => items.clone(),
            None => vec![value.clone()],
        },
    };
    let size = number(arguments, 2, "partition")?.floor();
    if !(1.0..=9e15).contains(&size) {
        return Err(fault("D3137: The chunk size of $partition must be a positive integer"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a positive whole number"
    )]
    let size = size as usize;
    Ok(JValue::array(items.chunks(size).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

fn range(arguments: &[JValue]) -> Answer {
    let first = number(arguments, 1, "range")?;
    let last = number(arguments, 2, "range")?;
    let step = number(arguments, 3, "range")?;
    if step == 0.0 {
        return Err(fault("D3137: The step of $range must not be zero"));
    }
    let count = ((last - first) / step).floor() + 1.0;
    if count > RANGE_LIMIT {
        return Err(fault("D3137: $range cannot return more than 1000 values"));
    }
    let mut values = Vec::new();
    let mut index = 0.0;
    while index < count {
        values.push(JValue::from_f64(first + index * step));
        index += 1.0;
    }
    // A sequence: one value alone stands for itself.
    Ok(JValue::sequence_flat(values, true).unwrap_sequence())
}

fn hash(arguments: &[JValue]) -> Answer {
    let text = match arguments.first() {
        Some(JValue::String(text)) => text.to_string(),
        Some(JValue::Undefined) | None => return Ok(JValue::Undefined),
        Some(other) => other.to_json_string().map_err(|_| mismatch(1, "hash"))?,
    };
    let algorithm = match arguments.get(1) {
        None | Some(JValue::Undefined) => "SHA-256".to_owned(),
        Some(value) => value.as_str().ok_or_else(|| mismatch(2, "hash"))?.to_owned(),
    };
    let digest = match algorithm.as_str() {
        "MD5" => hex::encode(Md5::digest(text.as_bytes())),
        "SHA-1" => sha1_smol::Sha1::from(text.as_bytes()).digest().to_string(),
        "SHA-256" => hex::encode(Sha256::digest(text.as_bytes())),
        "SHA-384" => hex::encode(Sha384::digest(text.as_bytes())),
        "SHA-512" => hex::encode(Sha512::digest(text.as_bytes())),
        other => {
            return Err(fault(format!(
                "D3137: $hash does not know the algorithm \"{other}\": use MD5, SHA-1, SHA-256, SHA-384 or SHA-512"
            )));
        }
    };
    Ok(JValue::string(digest))
}

fn parse(arguments: &[JValue]) -> Answer {
    match arguments.first() {
        None | Some(JValue::Undefined) => Ok(JValue::Undefined),
        Some(value) => {
            let text = value.as_str().ok_or_else(|| mismatch(1, "parse"))?;
            let value: Value = serde_json::from_str(text)
                .map_err(|error| fault(format!("D3137: $parse cannot read the text: {error}")))?;
            Ok(from_json(&value))
        }
    }
}

/// A number from 0 up to 1; the same one for the same seed.
fn random(arguments: &[JValue]) -> Answer {
    let bits = match arguments.first() {
        None | Some(JValue::Undefined) => {
            let (high, low) = Uuid::new_v4().as_u64_pair();
            mix(high ^ low)
        }
        Some(_) => mix(number(arguments, 1, "random")?.to_bits()),
    };
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let value = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    Ok(JValue::from_f64(value))
}

/// Spreads the bits of `seed` (the finaliser of SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}
