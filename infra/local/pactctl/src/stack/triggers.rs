//! What starts by itself: rules on executions and builds, and schedules.

use std::sync::Arc;

use jiff::Timestamp;
use local_codebuild::CodeBuild;
use local_lambda_host::{Host, InvocationType, InvokeRequest};
use local_step_functions::{Engine, StatusChange};
use local_template::{EventRule, Schedule};
use serde_json::{Value, json};
use tokio::{sync::broadcast::error::RecvError, task::JoinSet};
use uuid::Uuid;

use super::definition::Definition;
use crate::client::{ACCOUNT, REGION};

/// Delivers "Step Functions Execution Status Change" events to the rules that match.
pub(crate) fn watch_executions(
    servers: &mut JoinSet<()>,
    engine: &Engine,
    host: &Host,
    definition: &Definition,
) {
    let rules = definition.stack.rules.clone();
    let functions = function_names(definition);
    let mut changes = engine.status_changes();
    let host = host.clone();
    servers.spawn(async move {
        loop {
            let change = match changes.recv().await {
                Ok(change) => change,
                Err(RecvError::Lagged(missed)) => {
                    tracing::error!(missed, "status changes were missed");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            let event = status_event(&change);
            for rule in rules.iter().filter(|r| local_template::matches(&r.pattern, &event)) {
                deliver(&host, &functions, rule, &event).await;
            }
        }
    });
}

/// Delivers "CodeBuild Build State Change" and "CodeBuild Build Phase Change" events to the rules that match. Each is delivered by
/// itself, so that one that takes long holds up no other.
pub(crate) fn watch_builds(
    servers: &mut JoinSet<()>,
    builds: &CodeBuild,
    host: &Host,
    definition: &Definition,
) {
    let rules = definition.stack.rules.clone();
    let functions = Arc::new(function_names(definition));
    let mut changes = builds.events();
    let host = host.clone();
    servers.spawn(async move {
        let mut deliveries = JoinSet::new();
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                Some(_) = deliveries.join_next() => continue,
            };
            let change = match change {
                Ok(change) => change,
                Err(RecvError::Lagged(missed)) => {
                    tracing::error!(missed, "state changes of builds were missed");
                    continue;
                }
                Err(RecvError::Closed) => return,
            };
            for rule in rules.iter().filter(|r| local_template::matches(&r.pattern, &change.event))
            {
                let (host, functions) = (host.clone(), Arc::clone(&functions));
                let (rule, event) = (rule.clone(), change.event.clone());
                deliveries.spawn(async move { deliver(&host, &functions, &rule, &event).await });
            }
        }
    });
}

type Names = std::collections::BTreeMap<String, String>;

fn function_names(definition: &Definition) -> Names {
    definition.stack.functions.iter().map(|f| (f.logical_id.clone(), f.name.clone())).collect()
}

async fn deliver(host: &Host, functions: &Names, rule: &EventRule, event: &Value) {
    let local_template::Target::Function(target) = &rule.target else {
        tracing::error!(rule = rule.name, "only functions can be targets of rules here");
        return;
    };
    let Some(function) = functions.get(target) else {
        tracing::error!(rule = rule.name, target, "the rule has no function");
        return;
    };
    let sent = host.invoke(InvokeRequest::new(function, event.to_string())).await;
    match sent {
        Ok(answer) if answer.function_error.is_none() => {}
        Ok(_) => tracing::error!(rule = rule.name, "the rule's function failed"),
        Err(error) => tracing::error!(rule = rule.name, %error, "the rule's function is not up"),
    }
}

/// The event as EventBridge delivers it.
fn status_event(change: &StatusChange) -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": ACCOUNT,
        "time": Timestamp::now().to_string(),
        "region": REGION,
        "resources": [change.execution_arn],
        "detail": {
            "executionArn": change.execution_arn,
            "stateMachineArn": change.state_machine_arn,
            "name": change.name,
            "status": change.status,
            "startDate": change.start_date,
            "stopDate": change.stop_date,
            "input": change.input,
            "output": change.output,
            "error": change.error,
            "cause": change.cause,
        },
    })
}

/// Starts what is scheduled, each schedule by its own clock. Functions whose times may have come while
/// the stack was down are invoked at once.
pub(crate) fn run_schedules(
    servers: &mut JoinSet<()>,
    engine: &Engine,
    host: &Host,
    definition: &Definition,
    was_down: bool,
) {
    for schedule in definition.stack.schedules.iter().filter(|s| s.enabled) {
        let expression: local_template::Expression = match schedule.expression.parse() {
            Ok(expression) => expression,
            Err(error) => {
                tracing::error!(schedule = schedule.name, %error, "not a schedule");
                continue;
            }
        };
        let target = target(schedule, definition);
        let (engine, host, schedule) = (engine.clone(), host.clone(), schedule.clone());
        servers.spawn(async move {
            let start = Timestamp::now();
            if was_down && matches!(target, Target::Function(_)) {
                fire(&engine, &host, &target, &schedule, start).await;
            }
            while let Some(due) = expression.next_after(start, Timestamp::now()) {
                let wait = due.duration_since(Timestamp::now());
                tokio::time::sleep(wait.try_into().unwrap_or_default()).await;
                fire(&engine, &host, &target, &schedule, due).await;
            }
        });
    }
}

enum Target {
    Function(String),
    Machine(String),
}

fn target(schedule: &Schedule, definition: &Definition) -> Target {
    match &schedule.target {
        local_template::Target::StateMachine(id) => {
            let machine = definition.stack.state_machines.iter().find(|m| m.logical_id == *id);
            Target::Machine(machine.map(|m| m.arn.clone()).unwrap_or_default())
        }
        local_template::Target::Function(id) => {
            Target::Function(function_names(definition).get(id).cloned().unwrap_or_default())
        }
    }
}

async fn fire(engine: &Engine, host: &Host, target: &Target, schedule: &Schedule, due: Timestamp) {
    let input = schedule.input.clone().unwrap_or_else(|| json!({}));
    let failed = match target {
        // The due time names the execution: a schedule never fires twice for the same time.
        Target::Machine(arn) => {
            let request = json!({
                "stateMachineArn": arn,
                "name": format!("scheduled-{}", due.as_second()),
                "input": input.to_string(),
            });
            engine.call("StartExecution", request).await.err().map(|e| e.to_string())
        }
        Target::Function(name) => {
            let event = InvokeRequest::new(name, input.to_string()).kind(InvocationType::Event);
            host.invoke(event).await.err().map(|e| e.to_string())
        }
    };
    if let Some(error) = failed {
        tracing::error!(schedule = schedule.name, error, "the schedule's target did not start");
    }
}
