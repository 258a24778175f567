//! Operations on state machines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::input::{Input, next_token};
use super::{configuration, tags};
use crate::definition::{Severity, validate_as};
use crate::engine::{Configuration, Draft, Inner, Machine, Revision, check_name};
use crate::error::ApiError;
use crate::execution::instant_seconds;
use crate::sync::read;

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
    let tags = tags::read(&input)?;
    tags::check_count(&tags, &inner.machine_arn(name))?;
    let draft = Draft {
        text: definition.to_owned(),
        role: role.to_owned(),
        configuration: configuration::read(&input)?,
    };
    let machine = inner.create_machine(name, express, draft, tags).await?;
    Ok(json!({
        "stateMachineArn": machine.arn,
        "creationDate": instant_seconds(machine.created),
    }))
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

pub(super) async fn update(inner: &Arc<Inner>, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let arn = input.arn("stateMachineArn", "stateMachine")?;
    inner.machine(arn)?;
    let definition = input.optional("definition")?;
    let role = input.optional("roleArn")?;
    role.map_or(Ok(()), check_role)?;
    let configuration = configuration::read(&input)?;
    if definition.is_none() && role.is_none() && configuration.is_default() {
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
        ));
    }
    let draft = |known: &Machine| Draft {
        text: definition.unwrap_or(&known.revision.text).to_owned(),
        role: role.unwrap_or(&known.revision.role).to_owned(),
        configuration: configuration.over(&known.revision.configuration),
    };
    let updated = inner.update_machine(arn, draft).await?;
    Ok(json!({
        "updateDate": instant_seconds(updated.revision.updated),
        "revisionId": updated.revision.id,
    }))
}

fn kind(express: bool) -> &'static str {
    if express { "EXPRESS" } else { "STANDARD" }
}

/// What was given, with the defaults for what was not.
fn filled(given: Option<&Value>, mut defaults: Value) -> Value {
    if let (Some(Value::Object(given)), Value::Object(members)) = (given, &mut defaults) {
        members.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    defaults
}

fn details(arn: &str, name: &str, revision: &Revision) -> Value {
    let Configuration { logging, tracing, encryption } = &revision.configuration;
    json!({
        "stateMachineArn": arn,
        "name": name,
        "definition": revision.text,
        "roleArn": revision.role,
        "loggingConfiguration":
            filled(logging.as_ref(), json!({ "level": "OFF", "includeExecutionData": false })),
        "tracingConfiguration": filled(tracing.as_ref(), json!({ "enabled": false })),
        "encryptionConfiguration":
            filled(encryption.as_ref(), json!({ "type": "AWS_OWNED_KEY" })),
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

pub(super) fn list(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    const KIND: &str = "machines";
    let input = Input(input);
    let size = input.page_size(1_000)?;
    let skip = usize::try_from(input.after(KIND)?.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut machines: Vec<Arc<Machine>> = read(&inner.machines).values().cloned().collect();
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
    inner.delete_machine(arn).await?;
    Ok(json!({}))
}

pub(super) fn validate_definition(inner: &Inner, input: Value) -> Result<Value, ApiError> {
    let input = Input(input);
    let definition = input.required("definition")?;
    let express = is_express(&input)?;
    let most = input.page_size(100)?;
    let warn = input.choice("severity", &["ERROR", "WARNING"])? == Some("WARNING");
    let (result, faults) = match validate_as(definition, express) {
        Ok(definition) if warn => ("OK", inner.warnings(&definition)),
        Ok(_) => ("OK", Vec::new()),
        Err(faults) => ("FAIL", faults),
    };
    let diagnostics: Vec<Value> = faults
        .iter()
        .take(most)
        .map(|fault| {
            let mut object = serde_json::Map::new();
            let severity = match fault.severity {
                Severity::Error => "ERROR",
                Severity::Warning => "WARNING",
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
        "result": result,
        "truncated": faults.len() > diagnostics.len(),
        "diagnostics": diagnostics,
    }))
}
