//! The functions that Step Functions adds to JSONata, and the one it takes away.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use md5::Md5;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};
use uuid::Uuid;

use super::convert::from_json;
use super::limits::SEQUENCE_LIMIT;

type Answer = Result<JValue, EvaluatorError>;

/// Registers those of the functions that `mentioned` names; most expressions need none.
pub(super) fn register(
    evaluator: &mut Evaluator,
    mentioned: &[String],
) -> Result<(), EvaluatorError> {
    for name in mentioned {
        match name.as_str() {
            "partition" => evaluator.register_fn("partition", partition)?,
            "range" => evaluator.register_fn("range", range)?,
            "hash" => evaluator.register_fn("hash", hash)?,
            "uuid" => evaluator.register_fn("uuid", |_: &[JValue]| -> Answer {
                Ok(JValue::string(Uuid::new_v4().to_string()))
            })?,
            "parse" => evaluator.register_fn("parse", parse)?,
            "random" => evaluator.register_fn_override("random", random)?,
            // The evaluator's own leave alone or escape more than `encodeURI` does.
            "encodeUrl" => {
                evaluator.register_fn_override("encodeUrl", |arguments: &[JValue]| -> Answer {
                    encode(arguments, "encodeUrl", ";/?:@&=+$,#")
                })?;
            }
            "encodeUrlComponent" => evaluator
                .register_fn_override("encodeUrlComponent", |arguments: &[JValue]| -> Answer {
                    encode(arguments, "encodeUrlComponent", "")
                })?,
            "eval" => evaluator.register_fn_override("eval", |_: &[JValue]| -> Answer {
                Err(fault("T1006: Attempted to invoke a non-function"))
            })?,
            _ => {}
        }
    }
    Ok(())
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

/// Chunks of an array. A chunk size of zero makes none, a negative one is refused.
fn partition(arguments: &[JValue]) -> Answer {
    let items = match arguments.first() {
        Some(JValue::Undefined) | None => return Ok(JValue::Undefined),
        Some(value) => match value.as_array() {
            Some(items) => items.clone(),
            None => vec![value.clone()],
        },
    };
    let size = number(arguments, 2, "partition")?.trunc();
    if !(0.0..=9e15).contains(&size) {
        return Err(mismatch(2, "partition"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number that is not negative"
    )]
    let size = size as usize;
    if size == 0 {
        return Ok(JValue::Undefined);
    }
    Ok(JValue::array(items.chunks(size).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

/// The whole numbers from the first argument to the second, by steps of the third. Arguments are
/// rounded towards zero; a step of zero makes no sequence.
fn range(arguments: &[JValue]) -> Answer {
    let first = number(arguments, 1, "range")?.trunc();
    let last = number(arguments, 2, "range")?.trunc();
    let step = number(arguments, 3, "range")?.trunc();
    if step == 0.0 {
        return Ok(JValue::Undefined);
    }
    let count = ((last - first) / step).floor() + 1.0;
    #[expect(clippy::cast_precision_loss, reason = "the limit is far below 2^53")]
    if count > SEQUENCE_LIMIT as f64 {
        return Err(fault(format!(
            "D2015: The maximum sequence length of {SEQUENCE_LIMIT} was exceeded."
        )));
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

/// Percent-encoding of all but letters, digits, `-_.!~*'()` and the characters in `kept`.
fn encode(arguments: &[JValue], function: &str, kept: &str) -> Answer {
    let text = match arguments.first() {
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(value) => value.as_str().ok_or_else(|| mismatch(1, function))?,
    };
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric()
            || "-_.!~*'()".contains(character)
            || kept.contains(character)
        {
            encoded.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Ok(JValue::string(encoded))
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
    if arguments.len() > 1 {
        return Err(mismatch(2, "random"));
    }
    let value = match arguments.first() {
        None | Some(JValue::Undefined) => {
            let (high, low) = Uuid::new_v4().as_u64_pair();
            #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
            let value = ((high ^ low) >> 11) as f64 / (1_u64 << 53) as f64;
            value
        }
        Some(_) => {
            #[expect(clippy::cast_possible_truncation, reason = "Java's conversion saturates too")]
            let seed = number(arguments, 1, "random")? as i64;
            seeded(seed)
        }
    };
    Ok(JValue::from_f64(value))
}

/// The first number that `java.util.Random` gives for `seed`, as AWS does: a linear congruence
/// modulo 2^48 whose upper 26 and 27 bits make 53.
fn seeded(seed: i64) -> f64 {
    const FACTOR: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let step = |state: u64| state.wrapping_mul(FACTOR).wrapping_add(0xB) & MASK;
    let first = step((seed.cast_unsigned() ^ FACTOR) & MASK);
    let bits = ((first >> 22) << 27) + (step(first) >> 21);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
    let value = bits as f64 / (1_u64 << 53) as f64;
    value
}
