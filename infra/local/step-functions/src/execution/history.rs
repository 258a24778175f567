//! Events as `GetExecutionHistory` shows them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::event::{Body, Event, ScopeId};
use crate::integrations::Resource;

/// What later events need from earlier ones, up to some event: renders those that follow it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Renderer {
    lines: HashMap<ScopeId, Line>,
}

/// What later events of a scope need from earlier ones.
#[derive(Debug, Clone, Default)]
struct Line {
    state: String,
    resource: Option<Resource>,
}

/// An instant as the API writes it: seconds since 1970.
pub(crate) fn instant_seconds(at: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
    let seconds = at as f64 / 1_000.0;
    json!(seconds)
}

impl Renderer {
    /// Takes note of the next event.
    pub(crate) fn pass(&mut self, event: &Event) {
        let line = self.lines.entry(event.scope).or_default();
        match &event.body {
            Body::StateEntered { state, .. } => line.state.clone_from(state),
            Body::TaskScheduled { resource, .. } => line.resource = Resource::parse(resource),
            Body::IterationSucceeded { child, .. } | Body::BranchEnded { child } => {
                self.lines.remove(child);
            }
            _ => {}
        }
    }

    /// The event that was passed last, as the API shows it. Without `data`, inputs and outputs are
    /// left out.
    pub(crate) fn show(&self, event: &Event, region: &str, data: bool) -> Value {
        let none = Line::default();
        let line = self.lines.get(&event.scope).unwrap_or(&none);
        let (kind, details) = describe(event, line, region, data);
        let mut object = Map::new();
        object.insert("timestamp".to_owned(), instant_seconds(event.at));
        object.insert("id".to_owned(), json!(event.id));
        object.insert("previousEventId".to_owned(), json!(event.previous));
        if let Some((name, mut details)) = details {
            details.retain(|_, value| !value.is_null());
            object.insert(format!("{name}EventDetails"), Value::Object(details));
        }
        object.insert("type".to_owned(), Value::String(kind));
        Value::Object(object)
    }
}

type Details = Option<(&'static str, Map<String, Value>)>;

fn members<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn text(value: &Value, data: bool) -> Value {
    if data { Value::String(value.to_string()) } else { Value::Null }
}

fn whole(data: bool) -> Value {
    if data { json!({ "truncated": false }) } else { Value::Null }
}

fn describe(event: &Event, line: &Line, region: &str, data: bool) -> (String, Details) {
    let failed = |error: &Option<String>, cause: &Option<String>| {
        members([("error", json!(error)), ("cause", json!(cause))])
    };
    match &event.body {
        Body::ExecutionStarted { input, role } => (
            "ExecutionStarted".to_owned(),
            Some((
                "executionStarted",
                members([
                    ("input", if data { json!(input) } else { Value::Null }),
                    ("inputDetails", whole(data)),
                    ("roleArn", json!(role)),
                ]),
            )),
        ),
        Body::ExecutionSucceeded { output } => (
            "ExecutionSucceeded".to_owned(),
            Some((
                "executionSucceeded",
                members([("output", text(&output.0, data)), ("outputDetails", whole(data))]),
            )),
        ),
        Body::ExecutionFailed { error, cause } => {
            ("ExecutionFailed".to_owned(), Some(("executionFailed", failed(error, cause))))
        }
        Body::ExecutionAborted { error, cause } => {
            ("ExecutionAborted".to_owned(), Some(("executionAborted", failed(error, cause))))
        }
        Body::ExecutionTimedOut => (
            "ExecutionTimedOut".to_owned(),
            Some(("executionTimedOut", members([("error", json!("States.Timeout"))]))),
        ),
        Body::ExecutionRedriven { count } => (
            "ExecutionRedriven".to_owned(),
            Some(("executionRedriven", members([("redriveCount", json!(count))]))),
        ),
        Body::StateEntered { state, kind, input } => (
            format!("{}StateEntered", kind.name()),
            Some((
                "stateEntered",
                members([
                    ("name", json!(state)),
                    ("input", text(&input.0, data)),
                    ("inputDetails", whole(data)),
                ]),
            )),
        ),
        Body::StateExited { state, kind, output, assigned, .. } => {
            let mut details = members([
                ("name", json!(state)),
                ("output", text(&output.0, data)),
                ("outputDetails", whole(data)),
            ]);
            if let Some(assigned) = assigned.as_ref().filter(|_| data) {
                let variables: Map<String, Value> = assigned
                    .iter()
                    .map(|(name, value)| (name.clone(), Value::String(value.to_string())))
                    .collect();
                details.insert("assignedVariables".to_owned(), Value::Object(variables));
                details.insert("assignedVariablesDetails".to_owned(), whole(data));
            }
            (format!("{}StateExited", kind.name()), Some(("stateExited", details)))
        }
        Body::EvaluationFailed { cause, location, state } => (
            "EvaluationFailed".to_owned(),
            Some((
                "evaluationFailed",
                members([
                    ("error", json!("States.QueryEvaluationError")),
                    ("cause", json!(cause)),
                    ("location", json!(location)),
                    ("state", json!(state)),
                ]),
            )),
        ),
        Body::MapStarted { length, .. } => (
            "MapStateStarted".to_owned(),
            Some(("mapStateStarted", members([("length", json!(length))]))),
        ),
        Body::IterationStarted { index, .. } => iteration("Started", line, *index),
        Body::IterationSucceeded { index, .. } => iteration("Succeeded", line, *index),
        Body::IterationFailed { index } => iteration("Failed", line, *index),
        Body::IterationAborted { index } => iteration("Aborted", line, *index),
        Body::MapSucceeded => ("MapStateSucceeded".to_owned(), None),
        Body::MapFailed => ("MapStateFailed".to_owned(), None),
        Body::ParallelStarted { .. } => ("ParallelStateStarted".to_owned(), None),
        Body::ParallelSucceeded => ("ParallelStateSucceeded".to_owned(), None),
        Body::ParallelFailed => ("ParallelStateFailed".to_owned(), None),
        Body::StateAborted { kind } => (format!("{}StateAborted", kind.name()), None),
        body => task(body, line, region, data),
    }
}

fn iteration(what: &str, line: &Line, index: u64) -> (String, Details) {
    let details = members([("name", json!(line.state)), ("index", json!(index))]);
    let name = match what {
        "Started" => "mapIterationStarted",
        "Succeeded" => "mapIterationSucceeded",
        "Failed" => "mapIterationFailed",
        _ => "mapIterationAborted",
    };
    (format!("MapIteration{what}"), Some((name, details)))
}

/// The events of tasks, which Lambda functions have under names of their own.
fn task(body: &Body, line: &Line, region: &str, data: bool) -> (String, Details) {
    let Some(resource) = &line.resource else {
        return ("TaskStarted".to_owned(), None);
    };
    let (what, names, mut details) = match body {
        Body::TaskScheduled { parameters, timeout, heartbeat, acts_as, .. } => {
            let credentials = acts_as.as_ref().map(|role| json!({ "roleArn": role }));
            let mut details = members([
                ("timeoutInSeconds", json!(timeout)),
                ("taskCredentials", json!(credentials)),
            ]);
            if resource.function {
                details.insert("resource".to_owned(), json!(resource.arn));
                details.insert("input".to_owned(), text(&parameters.0, data));
                details.insert("inputDetails".to_owned(), whole(data));
            } else {
                details.insert("region".to_owned(), json!(region));
                // AWS shows parameters whether or not data are asked for.
                details.insert("parameters".to_owned(), text(&parameters.0, true));
                details.insert("heartbeatInSeconds".to_owned(), json!(heartbeat));
            }
            ("Scheduled", ["taskScheduled", "lambdaFunctionScheduled"], details)
        }
        Body::TaskSubmitted { output } => (
            "Submitted",
            ["taskSubmitted", "taskSubmitted"],
            members([("output", text(&output.0, data)), ("outputDetails", whole(data))]),
        ),
        Body::TaskSucceeded { output } => (
            "Succeeded",
            ["taskSucceeded", "lambdaFunctionSucceeded"],
            members([("output", text(&output.0, data)), ("outputDetails", whole(data))]),
        ),
        Body::TaskFailed { error, cause } => (
            "Failed",
            ["taskFailed", "lambdaFunctionFailed"],
            members([("error", json!(error)), ("cause", json!(cause))]),
        ),
        Body::TaskTimedOut => (
            "TimedOut",
            ["taskTimedOut", "lambdaFunctionTimedOut"],
            members([("error", json!("States.Timeout"))]),
        ),
        _ if resource.function => return ("LambdaFunctionStarted".to_owned(), None),
        _ => ("Started", ["taskStarted", "taskStarted"], Map::new()),
    };
    let [integration, function] = names;
    if resource.function {
        return (format!("LambdaFunction{what}"), Some((function, details)));
    }
    details.insert("resourceType".to_owned(), json!(resource.service));
    details.insert("resource".to_owned(), json!(resource.action));
    (format!("Task{what}"), Some((integration, details)))
}
