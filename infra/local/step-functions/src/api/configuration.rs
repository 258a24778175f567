//! What a state machine is configured with besides its definition: logging, tracing, encryption.

use serde_json::Value;

use super::input::Input;
use crate::engine::Configuration;
use crate::error::ApiError;

/// The configuration that a request gives.
pub(super) fn read(input: &Input) -> Result<Configuration, ApiError> {
    let object = |name: &str| match input.0.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(Value::Object(members.clone()))),
        Some(_) => Err(wrong_type(name, "a structure")),
    };
    let configuration = Configuration {
        logging: object("loggingConfiguration")?,
        tracing: object("tracingConfiguration")?,
        encryption: object("encryptionConfiguration")?,
    };
    configuration.logging.as_ref().map_or(Ok(()), check_logging)?;
    configuration.tracing.as_ref().map_or(Ok(()), check_tracing)?;
    configuration.encryption.as_ref().map_or(Ok(()), check_encryption)?;
    Ok(configuration)
}

fn wrong_type(name: &str, wanted: &str) -> ApiError {
    ApiError::new("SerializationException", format!("'{name}' must be {wanted}"))
}

fn choice<'a>(
    object: &'a Value,
    place: &str,
    name: &str,
    words: &[&str],
) -> Result<Option<&'a str>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if words.contains(&word.as_str()) => Ok(Some(word)),
        Some(Value::String(word)) => Err(ApiError::validation(format!(
            "1 validation error detected: Value '{word}' at '{place}.{name}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            words.join(", ")
        ))),
        Some(_) => Err(wrong_type(&format!("{place}.{name}"), "a string")),
    }
}

fn flag(object: &Value, place: &str, name: &str) -> Result<(), ApiError> {
    match object.get(name) {
        None | Some(Value::Null | Value::Bool(_)) => Ok(()),
        Some(_) => Err(wrong_type(&format!("{place}.{name}"), "a boolean")),
    }
}

fn check_logging(logging: &Value) -> Result<(), ApiError> {
    const PLACE: &str = "loggingConfiguration";
    let invalid = |why: &str| {
        ApiError::new(
            "InvalidLoggingConfiguration",
            format!("Invalid Logging Configuration: {why}"),
        )
    };
    let level = choice(logging, PLACE, "level", &["ALL", "ERROR", "FATAL", "OFF"])?;
    flag(logging, PLACE, "includeExecutionData")?;
    let destinations = match logging.get("destinations") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(items)) => items,
        Some(_) => return Err(wrong_type("loggingConfiguration.destinations", "a list")),
    };
    let off = level.is_none_or(|level| level == "OFF");
    if destinations.len() > 1 || (destinations.is_empty() && !off) {
        return Err(invalid("Must specify exactly one Log Destination."));
    }
    for destination in destinations {
        let group = destination.get("cloudWatchLogsLogGroup");
        let arn = group.and_then(|group| group.get("logGroupArn")).and_then(Value::as_str);
        let parts: Vec<&str> = arn.unwrap_or_default().split(':').collect();
        if !matches!(parts.as_slice(), ["arn", _, "logs", _, _, "log-group", name, "*"] if !name.is_empty())
        {
            return Err(invalid(
                "the Log Destination must be the ARN of a log group that ends with ':*'.",
            ));
        }
    }
    Ok(())
}

fn check_tracing(tracing: &Value) -> Result<(), ApiError> {
    flag(tracing, "tracingConfiguration", "enabled")
}

fn check_encryption(encryption: &Value) -> Result<(), ApiError> {
    const PLACE: &str = "encryptionConfiguration";
    let invalid = |why: &str| {
        ApiError::new(
            "InvalidEncryptionConfiguration",
            format!("Invalid Encryption Configuration: {why}"),
        )
    };
    let kind = choice(encryption, PLACE, "type", &["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"])?;
    let key = match encryption.get("kmsKeyId") {
        None | Some(Value::Null) => false,
        Some(Value::String(_)) => true,
        Some(_) => return Err(wrong_type("encryptionConfiguration.kmsKeyId", "a string")),
    };
    let period = encryption.get("kmsDataKeyReusePeriodSeconds").filter(|value| !value.is_null());
    match (kind, key) {
        (None, _) => Err(invalid("'type' is required.")),
        (Some("CUSTOMER_MANAGED_KMS_KEY"), false) => Err(invalid("'kmsKeyId' is required.")),
        (Some("AWS_OWNED_KEY"), true) => Err(invalid("an AWS owned key has no 'kmsKeyId'.")),
        _ => match period.map(Value::as_u64) {
            None | Some(Some(60..=900)) => Ok(()),
            Some(_) => Err(invalid("'kmsDataKeyReusePeriodSeconds' must be from 60 to 900.")),
        },
    }
}
