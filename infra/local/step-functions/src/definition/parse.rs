//! From JSON to states.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::diagnostic::{Diagnostic, SCHEMA, STATE_NAME, TOO_DEEP};
use super::fields::{LONGEST_WAIT, number, percentage, read_assign};
use super::graph::{self, Transition};
use super::reader::{AllowedFields, Faults, Reader};
use super::rules::{read_catch, read_choice, read_retry};
use super::state::{self, Definition, Graph, Kind, State, StateType, Task, Wait};
use super::template::{Template, expression_text};
use crate::instant;
use crate::integrations::{self, Resource};

/// How deep Parallel and Map states may nest.
const DEEPEST: usize = 32;

/// The definition, where it can be made sense of, and all that is wrong with it.
pub(super) fn definition(
    object: &Map<String, Value>,
    express: bool,
) -> (Option<Definition>, Vec<Diagnostic>) {
    let mut faults = Faults::default();
    let jsonata = language(object, "/", false, &mut faults);
    let reader = Reader { object, at: "/", jsonata, whole: jsonata };
    let known = ["Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"];
    reader.only(&AllowedFields { both: &[&known], ..AllowedFields::default() }, &mut faults);
    let timeout_seconds = reader.integer("TimeoutSeconds", 1..=LONGEST_WAIT, &mut faults);
    let graph = read_graph(&reader, 0, &mut faults);
    if let Some(graph) = &graph {
        graph::check_scopes(graph, &HashSet::new(), "", &mut faults);
        graph::check_names(graph, &mut HashSet::new(), "", &mut faults);
        if express {
            graph::check_express(graph, &mut faults);
        }
    }
    let definition = graph.map(|graph| Definition { timeout_seconds, graph: Arc::new(graph) });
    (definition, faults.list)
}

/// Whether JSONata holds for `object`, given what holds around it. Whatever is given that is not
/// exactly `JSONPath` counts as JSONata.
fn language(object: &Map<String, Value>, at: &str, outer: bool, faults: &mut Faults) -> bool {
    let path = format!("{}/QueryLanguage", at.trim_end_matches('/'));
    match object.get("QueryLanguage") {
        None => outer,
        Some(Value::String(text)) if text == "JSONata" => true,
        Some(Value::String(text)) if text == "JSONPath" => {
            if outer {
                faults.add(
                    SCHEMA,
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                    at,
                );
            }
            false
        }
        Some(Value::String(_)) => {
            let message = "Value is not one of the accepted values: [JSONPath, JSONata]";
            faults.add(SCHEMA, message, &path);
            true
        }
        Some(_) => {
            faults.add(SCHEMA, "Expected value of type String", &path);
            true
        }
    }
}

fn read_graph(reader: &Reader<'_>, depth: usize, faults: &mut Faults) -> Option<Graph> {
    let complete = reader.require(&["States", "StartAt"], faults);
    if depth > DEEPEST {
        faults.add(TOO_DEEP, "States nest too deeply", reader.at);
        return None;
    }
    let start_at = reader.text("StartAt", faults);
    let states = reader.map("States", faults);
    if !complete {
        return None;
    }
    let (start_at, states) = (start_at?, states?);
    let at = reader.path("States");
    let mut read = HashMap::new();
    let mut transitions = HashMap::new();
    let mut terminal = HashSet::new();
    for (name, value) in states {
        let at = format!("{at}/{name}");
        if name.is_empty() || name.chars().count() > 80 {
            faults.add(STATE_NAME, "State name must have 1 to 80 characters", &at);
        }
        let Value::Object(object) = value else {
            faults.add(SCHEMA, "Expected value of type Object", &at);
            continue;
        };
        // A state inside a JSONata machine cannot go back to JSONPath; a JSONPath machine may
        // hold JSONata states.
        let jsonata = language(object, &at, reader.whole, faults);
        let reader = Reader { object, at: &at, jsonata, whole: reader.whole };
        let mut out = Vec::new();
        if let Some(state) = read_state(&reader, name, depth, &mut out, faults) {
            let ends = matches!(state.kind, Kind::Succeed | Kind::Fail { .. })
                || (state.next.is_none() && !matches!(state.kind, Kind::Choice { .. }));
            if ends {
                terminal.insert(name.clone());
            }
            read.insert(name.clone(), Arc::new(state));
        } else {
            // What could not be read is not also blamed for leading nowhere.
            terminal.insert(name.clone());
        }
        transitions.insert(name.clone(), out);
    }
    graph::check(start_at, &reader.path("StartAt"), states, &transitions, &terminal, &at, faults);
    Some(Graph { start_at: start_at.to_owned(), states: read })
}

const COMMON: [&str; 3] = ["Type", "Comment", "QueryLanguage"];
const FLOW: [&str; 3] = ["Next", "End", "Assign"];
const RECOVERY: [&str; 2] = ["Retry", "Catch"];

/// The fields of a type of state: those of either query language, of JSONata and of JSONPath.
fn fields(kind: StateType) -> [&'static [&'static str]; 3] {
    match kind {
        StateType::Pass => {
            [&[], &["Output"], &["InputPath", "OutputPath", "ResultPath", "Parameters", "Result"]]
        }
        StateType::Task => [
            &["Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"],
            &["Arguments", "Output"],
            &[
                "InputPath",
                "OutputPath",
                "ResultPath",
                "Parameters",
                "ResultSelector",
                "TimeoutSecondsPath",
                "HeartbeatSecondsPath",
            ],
        ],
        StateType::Choice => {
            [&["Choices", "Default", "Assign"], &["Output"], &["InputPath", "OutputPath"]]
        }
        StateType::Wait => [
            &["Seconds", "Timestamp"],
            &["Output"],
            &["InputPath", "OutputPath", "SecondsPath", "TimestampPath"],
        ],
        StateType::Succeed => [&[], &["Output"], &["InputPath", "OutputPath"]],
        StateType::Fail => [&["Error", "Cause"], &[], &["ErrorPath", "CausePath"]],
        StateType::Parallel => [
            &["Branches"],
            &["Arguments", "Output"],
            &["InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector"],
        ],
        StateType::Map => [
            &[
                "ItemProcessor",
                "Iterator",
                "ItemSelector",
                "MaxConcurrency",
                "ToleratedFailureCount",
                "ToleratedFailurePercentage",
                "Label",
            ],
            &["Items", "Output"],
            &[
                "InputPath",
                "OutputPath",
                "ResultPath",
                "Parameters",
                "ResultSelector",
                "ItemsPath",
                "MaxConcurrencyPath",
                "ToleratedFailureCountPath",
                "ToleratedFailurePercentagePath",
            ],
        ],
    }
}

fn read_state(
    reader: &Reader<'_>,
    name: &str,
    depth: usize,
    out: &mut Vec<Transition>,
    faults: &mut Faults,
) -> Option<State> {
    if !reader.require(&["Type"], faults) {
        return None;
    }
    let text = reader.text("Type", faults)?;
    let Some(kind) = StateType::from_name(text) else {
        faults.add(
            SCHEMA,
            "Value is not one of the accepted values: [Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait]",
            &reader.path("Type"),
        );
        return None;
    };
    let flows = !matches!(kind, StateType::Choice | StateType::Succeed | StateType::Fail);
    let recovers = matches!(kind, StateType::Task | StateType::Parallel | StateType::Map);
    let [own, jsonata, jsonpath] = fields(kind);
    let both = [
        &COMMON[..],
        own,
        if flows { &FLOW[..] } else { &[] },
        if recovers { &RECOVERY[..] } else { &[] },
        // The one field of JSONPath that this engine has: it needs no path.
        if kind == StateType::Pass && !reader.jsonata { &["Result"] } else { &[] },
    ];
    reader.only(&AllowedFields { both: &both, jsonata, jsonpath }, faults);
    let next = if flows { read_next(reader, out, faults) } else { None };
    let assign = read_assign(reader, faults);
    let output = reader.template("Output", faults);
    let before = faults.list.len();
    let kind = read_kind(reader, kind, depth, out, faults);
    let retry = read_retry(reader, faults);
    let catch = read_catch(reader, out, faults);
    if kind.is_none() && faults.list.len() == before {
        faults.add(SCHEMA, "State cannot be read", reader.at);
    }
    Some(State {
        name: name.to_owned(),
        jsonata: reader.jsonata,
        kind: kind?,
        next,
        assign,
        output,
        retry,
        catch,
    })
}

fn read_next(
    reader: &Reader<'_>,
    out: &mut Vec<Transition>,
    faults: &mut Faults,
) -> Option<String> {
    let end = match reader.field("End") {
        None => false,
        Some(Value::Bool(end)) => *end,
        Some(_) => {
            faults.add(SCHEMA, "Expected value of type Boolean", &reader.path("End"));
            true
        }
    };
    match (reader.text("Next", faults), end) {
        (Some(_), true) => {
            let message = "There should only be one of the following fields: [Next, End]";
            faults.add(SCHEMA, message, reader.at);
            None
        }
        (Some(target), false) => {
            out.push(Transition { target: target.to_owned(), at: reader.path("Next") });
            Some(target.to_owned())
        }
        (None, true) => None,
        (None, false) => {
            if reader.field("Next").is_none() {
                faults.add(SCHEMA, "These fields are required: [Next]", reader.at);
            }
            None
        }
    }
}

fn read_kind(
    reader: &Reader<'_>,
    kind: StateType,
    depth: usize,
    out: &mut Vec<Transition>,
    faults: &mut Faults,
) -> Option<Kind> {
    Some(match kind {
        StateType::Pass => Kind::Pass { result: reader.field("Result").cloned() },
        StateType::Succeed => Kind::Succeed,
        StateType::Fail => Kind::Fail {
            error: reader.template("Error", faults),
            cause: reader.template("Cause", faults),
        },
        StateType::Task => Kind::Task(Box::new(read_task(reader, faults)?)),
        StateType::Wait => Kind::Wait(read_wait(reader, faults)?),
        StateType::Choice => read_choice(reader, out, faults)?,
        StateType::Parallel => {
            reader.require(&["Branches"], faults);
            let branches = reader.list("Branches", faults)?;
            if branches.is_empty() {
                faults.add(SCHEMA, "Expected at least one branch", &reader.path("Branches"));
            }
            let mut graphs = Vec::new();
            for (index, branch) in branches.iter().enumerate() {
                let at = format!("{}[{index}]", reader.path("Branches"));
                graphs.extend(read_inner(branch, &at, reader.whole, depth, faults));
            }
            Kind::Parallel { branches: graphs, arguments: reader.template("Arguments", faults) }
        }
        StateType::Map => {
            // The older name is still taken.
            let name =
                if reader.field("Iterator").is_some() { "Iterator" } else { "ItemProcessor" };
            reader.require(&[name], faults);
            let at = reader.path(name);
            let processor = reader.field(name)?;
            let mut tolerated = Vec::new();
            if let Some(count) = number(reader, "ToleratedFailureCount", 0, faults) {
                tolerated.push(("ToleratedFailureCount", count));
            }
            if let Some(percentage) = percentage(reader, faults) {
                tolerated.push(("ToleratedFailurePercentage", percentage));
            }
            let map = state::Map {
                processor: read_inner(processor, &at, reader.whole, depth, faults)?,
                items: reader.template("Items", faults),
                selector: reader.template("ItemSelector", faults),
                max_concurrency: number(reader, "MaxConcurrency", 0, faults),
                tolerated,
            };
            Kind::Map(Box::new(map))
        }
    })
}

/// A branch or an item processor.
fn read_inner(
    value: &Value,
    at: &str,
    whole: bool,
    depth: usize,
    faults: &mut Faults,
) -> Option<Arc<Graph>> {
    let Value::Object(object) = value else {
        faults.add(SCHEMA, "Expected value of type Object", at);
        return None;
    };
    let reader = Reader { object, at, jsonata: whole, whole };
    let known = ["StartAt", "States", "Comment", "ProcessorConfig"];
    reader.only(&AllowedFields { both: &[&known], ..AllowedFields::default() }, faults);
    if let Some(config) = reader.map("ProcessorConfig", faults)
        && config.get("Mode").is_some_and(|mode| mode != "INLINE")
    {
        faults.add(
            SCHEMA,
            "Only the INLINE mode of Map is supported by this engine",
            &format!("{at}/ProcessorConfig/Mode"),
        );
    }
    read_graph(&reader, depth + 1, faults).map(Arc::new)
}

fn read_task(reader: &Reader<'_>, faults: &mut Faults) -> Option<Task> {
    reader.require(&["Resource"], faults);
    let resource = reader.text("Resource", faults).and_then(|arn| {
        let resource = Resource::parse(arn);
        match &resource {
            Some(resource) => check_call(reader, resource, faults),
            None => {
                faults.add(SCHEMA, "Value is not a valid resource ARN", &reader.path("Resource"));
            }
        }
        resource
    });
    let timeout = number(reader, "TimeoutSeconds", 1, faults);
    let heartbeat = number(reader, "HeartbeatSeconds", 1, faults);
    if let (Some(Template::Literal(timeout)), Some(Template::Literal(heartbeat))) =
        (&timeout, &heartbeat)
        && heartbeat.as_u64() >= timeout.as_u64()
    {
        faults.add(
            SCHEMA,
            "HeartbeatSeconds must be smaller than TimeoutSeconds",
            &reader.path("HeartbeatSeconds"),
        );
    }
    let credentials = reader.template("Credentials", faults);
    if let Some(Value::Object(members)) = reader.field("Credentials") {
        let at = reader.path("Credentials");
        let entry = Reader { object: members, at: &at, ..*reader };
        let known = AllowedFields { both: &[&["RoleArn"]], jsonata: &[], jsonpath: &["RoleArn.$"] };
        entry.only(&known, faults);
    }
    Some(Task {
        resource: resource?,
        credentials,
        arguments: reader.template("Arguments", faults),
        timeout,
        heartbeat,
    })
}

/// Checks that AWS has the integration, and that arguments that are written out have what it needs.
fn check_call(reader: &Reader<'_>, resource: &Resource, faults: &mut Faults) {
    if faults.is_full() {
        return;
    }
    if let Some(message) = integrations::refuse(resource) {
        faults.add(SCHEMA, message, &reader.path("Resource"));
        return;
    }
    let arguments = match reader.field("Arguments") {
        // The input is passed on, or an expression makes them.
        None => return,
        Some(Value::String(text)) if expression_text(text).is_some() => return,
        Some(arguments) => arguments.as_object(),
    };
    for message in integrations::missing(resource, arguments) {
        faults.add(SCHEMA, message, &reader.path("Arguments"));
    }
}

fn read_wait(reader: &Reader<'_>, faults: &mut Faults) -> Option<Wait> {
    match (reader.field("Seconds"), reader.field("Timestamp")) {
        (Some(_), None) => number(reader, "Seconds", 0, faults).map(Wait::Seconds),
        (None, Some(Value::String(text))) => {
            if reader.jsonata && expression_text(text).is_some() {
                return reader.template("Timestamp", faults).map(Wait::Timestamp);
            }
            if !instant::is_rfc3339(text) {
                faults.add(
                    SCHEMA,
                    "String does not match RFC3339 timestamp",
                    &reader.path("Timestamp"),
                );
                return None;
            }
            Some(Wait::Timestamp(Template::Literal(Value::from(text.as_str()))))
        }
        (None, Some(_)) => {
            faults.add(SCHEMA, "Expected value of type String", &reader.path("Timestamp"));
            None
        }
        (Some(_), Some(_)) => {
            let message = "There should only be one of the following fields: [Seconds, Timestamp]";
            faults.add(SCHEMA, message, reader.at);
            None
        }
        (None, None) => {
            let message = "One of the fields [Seconds, Timestamp] is required";
            faults.add(SCHEMA, message, reader.at);
            None
        }
    }
}
