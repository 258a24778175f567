//! Tags of state machines.

use serde_json::{Value, json};

use super::input::Input;
use crate::engine::{Inner, Tag, check_length};
use crate::error::ApiError;

/// How many tags a machine may have; AWS's quota.
const MOST: usize = 50;
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The tags that a request gives; a key that is given twice counts once, with its last value.
pub(super) fn read(input: &Input) -> Result<Vec<Tag>, ApiError> {
    let items = match input.0.get("tags") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => {
            return Err(ApiError::new("SerializationException", "'tags' must be a list"));
        }
    };
    let mut tags = Vec::new();
    for item in items {
        let text = |name: &str| match item.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(ApiError::new(
                "SerializationException",
                format!("'tags.{name}' must be a string"),
            )),
        };
        let (key, value) = (text("key")?, text("value")?);
        check_length("tags.member.key", key, 1, LONGEST_KEY)?;
        check_length("tags.member.value", value, 0, LONGEST_VALUE)?;
        if key.starts_with("aws:") {
            return Err(ApiError::validation(
                "Tag keys that start with 'aws:' are reserved for AWS",
            ));
        }
        put(&mut tags, Tag { key: key.to_owned(), value: value.to_owned() });
    }
    Ok(tags)
}

fn put(tags: &mut Vec<Tag>, tag: Tag) {
    match tags.iter_mut().find(|known| known.key == tag.key) {
        Some(known) => known.value = tag.value,
        None => tags.push(tag),
    }
}

/// Refuses more tags than a resource may have.
pub(super) fn check_count(tags: &[Tag], arn: &str) -> Result<(), ApiError> {
    if tags.len() <= MOST {
        return Ok(());
    }
    Err(ApiError::new(
        "TooManyTags",
        format!("Too many tags: '{arn}' would have {}, at most {MOST} are allowed", tags.len()),
    ))
}

/// The machine whose tags a request is about.
fn resource<'a>(inner: &Inner, input: &'a Input) -> Result<&'a str, ApiError> {
    let arn = input.arn("resourceArn", "stateMachine")?;
    match inner.machine(arn) {
        Ok(_) => Ok(arn),
        Err(_) => Err(ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))),
    }
}

pub(super) fn list(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let machine = inner.machine(resource(inner, &input)?)?;
    Ok(json!({ "tags": machine.tags }))
}

pub(super) async fn tag(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let arn = resource(inner, &input)?;
    if input.0.get("tags").is_none_or(Value::is_null) {
        return Err(Input::missing("tags"));
    }
    let given = read(&input)?;
    let change = |tags: &mut Vec<Tag>| {
        for tag in given {
            put(tags, tag);
        }
        check_count(tags, arn)
    };
    inner.change_tags(arn, change).await?;
    Ok(json!({}))
}

pub(super) async fn untag(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let arn = resource(inner, &input)?;
    let keys = match input.0.get("tagKeys") {
        None | Some(Value::Null) => return Err(Input::missing("tagKeys")),
        Some(Value::Array(keys)) if keys.iter().all(Value::is_string) => keys,
        Some(_) => {
            return Err(ApiError::new(
                "SerializationException",
                "'tagKeys' must be a list of strings",
            ));
        }
    };
    let change = |tags: &mut Vec<Tag>| {
        tags.retain(|tag| !keys.iter().any(|key| *key == tag.key));
        Ok(())
    };
    inner.change_tags(arn, change).await?;
    Ok(json!({}))
}
