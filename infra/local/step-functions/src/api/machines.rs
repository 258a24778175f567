//! Operations on state machines.

use std::sync::{Arc, PoisonError};

use serde_json::{Value, json};

use super::input::{Input, check_name, next_token};
use crate::definition::{Severity, validate_as};
use crate::engine::{Inner, Machine, Record, Revision};
use crate::error::ApiError;
use crate::execution::instant_seconds;

pub(super) async fn create(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let name = input.required("name")?;
    let definition = input.required("definition")?;
    let role = input.required("roleArn")?;
    check_name(name)?;
    check_role(role)?;
    if input.flag("publish").unwrap_or(false) {
        return Err(ApiError::validation("This engine keeps no versions: publish must be false"));
    }
    let express = is_express(&input)?;
    let arn = inner.machine_arn(name);
    if let Ok(known) = inner.machine(&arn) {
        // Asked for once more: another role makes no difference.
        let same = known.revision.text == definition && known.express == express;
        return if same {
            Ok(created(&known))
        } else {
            Err(ApiError::new(
                "StateMachineAlreadyExists",
                format!("State Machine Already Exists: '{arn}'"),
            ))
        };
    }
    let machine = inner.store_machine(name, definition, role.to_owned(), express, None).await?;
    Ok(created(&machine))
}

fn check_role(role: &str) -> Result<(), ApiError> {
    if role.starts_with("arn:") {
        return Ok(());
    }
    Err(ApiError::arn(&format!("Invalid ARN prefix: {role}")))
}

fn is_express(input: &Input) -> Result<bool, ApiError> {
    Ok(input.choice("type", &["STANDARD", "EXPRESS"])? == Some("EXPRESS"))
}

fn created(machine: &Machine) -> Value {
    json!({
        "stateMachineArn": machine.arn,
        "creationDate": instant_seconds(machine.created),
    })
}

pub(super) async fn update(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let machine = inner.machine(input.arn("stateMachineArn", "stateMachine")?)?;
    let definition = input.optional("definition")?;
    let role = input.optional("roleArn")?;
    role.map_or(Ok(()), check_role)?;
    if definition.is_none() && role.is_none() {
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    let updated = inner
        .store_machine(
            &machine.name,
            definition.unwrap_or(&machine.revision.text),
            role.unwrap_or(&machine.revision.role).to_owned(),
            machine.express,
            Some(machine.created),
        )
        .await?;
    Ok(json!({
        "updateDate": instant_seconds(updated.revision.updated),
        "revisionId": updated.revision.id,
    }))
}

fn kind(express: bool) -> &'static str {
    if express { "EXPRESS" } else { "STANDARD" }
}

fn details(arn: &str, name: &str, revision: &Revision) -> Value {
    json!({
        "stateMachineArn": arn,
        "name": name,
        "definition": revision.text,
        "roleArn": revision.role,
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
        "encryptionConfiguration": { "type": "AWS_OWNED_KEY" },
    })
}

pub(super) fn describe(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let machine = inner.machine(input.arn("stateMachineArn", "stateMachine")?)?;
    let mut answer = details(&machine.arn, &machine.name, &machine.revision);
    if let Some(object) = answer.as_object_mut() {
        object.insert("status".to_owned(), json!("ACTIVE"));
        object.insert("type".to_owned(), json!(kind(machine.express)));
        object.insert("creationDate".to_owned(), instant_seconds(machine.created));
        // The first revision has no id.
        if machine.revision.updated > machine.created {
            object.insert("revisionId".to_owned(), json!(machine.revision.id));
        }
    }
    Ok(answer)
}

pub(super) fn describe_for_execution(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let run = inner.run(input.arn("executionArn", "execution")?)?;
    let name = run.machine_arn.rsplit(':').next().unwrap_or_default();
    let mut answer = details(&run.machine_arn, name, &run.revision);
    if let Some(object) = answer.as_object_mut() {
        object.insert("updateDate".to_owned(), instant_seconds(run.revision.updated));
        let first = inner
            .machine(&run.machine_arn)
            .is_ok_and(|machine| machine.created == run.revision.updated);
        if !first {
            object.insert("revisionId".to_owned(), json!(run.revision.id));
        }
    }
    Ok(answer)
}

/// The tags of a resource, of which this engine keeps none.
pub(super) fn tags(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let arn = input.arn("resourceArn", "stateMachine")?;
    match inner.machine(arn) {
        Ok(_) => Ok(json!({ "tags": [] })),
        Err(_) => Err(ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))),
    }
}

pub(super) fn list(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    const KIND: &str = "machines";
    let input = Input(input);
    let size = input.page_size(1_000)?;
    let skip = usize::try_from(input.after(KIND)?.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut machines: Vec<Arc<Machine>> =
        inner.machines.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    let page: Vec<Value> = machines
        .iter()
        .skip(skip)
        .take(size)
        .map(|machine| {
            json!({
                "stateMachineArn": machine.arn,
                "name": machine.name,
                "type": kind(machine.express),
                "creationDate": instant_seconds(machine.created),
            })
        })
        .collect();
    let seen = skip.saturating_add(page.len());
    let mut answer = json!({ "stateMachines": page });
    if seen < machines.len()
        && let Some(object) = answer.as_object_mut()
    {
        object.insert("nextToken".to_owned(), next_token(KIND, seen as u64));
    }
    Ok(answer)
}

pub(super) async fn delete(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    if inner.machine(arn).is_ok() {
        inner.write(&Record::MachineDeleted { arn: arn.into() }).await?;
        inner.machines.write().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }
    Ok(json!({}))
}

pub(super) fn validate_definition(input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let definition = input.required("definition")?;
    let express = is_express(&input)?;
    let most = input.page_size(100)?;
    let faults = validate_as(definition, express).err().unwrap_or_default();
    let diagnostics: Vec<Value> = faults
        .iter()
        .take(most)
        .map(|fault| {
            let mut object = serde_json::Map::new();
            let severity = match fault.severity {
                Severity::Error => "ERROR",
            };
            object.insert("severity".to_owned(), json!(severity));
            object.insert("code".to_owned(), json!(fault.code));
            object.insert("message".to_owned(), json!(fault.message));
            if let Some(location) = &fault.location {
                object.insert("location".to_owned(), json!(location));
            }
            Value::Object(object)
        })
        .collect();
    Ok(json!({
        "result": if faults.is_empty() { "OK" } else { "FAIL" },
        "truncated": faults.len() > diagnostics.len(),
        "diagnostics": diagnostics,
    }))
}
