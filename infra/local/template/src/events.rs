//! The events of functions and state machines, and the resources that are schedules and rules.

use crate::{
    pattern,
    resolve::{Failed, Resolver},
    schedule::Expression,
    stack::{EventRule, Route, Schedule, Stack, Target},
    template::Resource,
    yaml::{Entry, Node},
};
use serde_json::Value;

/// Event sources that SAM knows and a local stack does not run.
const ELSEWHERE: [&str; 15] = [
    "AlexaSkill",
    "CloudWatchLogs",
    "Cognito",
    "DocumentDB",
    "DynamoDB",
    "IoTRule",
    "Kinesis",
    "MQ",
    "MSK",
    "S3",
    "SNS",
    "SQS",
    "SelfManagedKafka",
    "SnapStart",
    "Alexa",
];

/// Reads the `Events` of a function or a state machine.
pub(crate) fn of(
    resolver: &mut Resolver<'_>,
    resource: &Resource,
    target: &Target,
    stack: &mut Stack,
) -> Result<(), Failed> {
    let Some(events) = resource.properties.get("Events") else { return Ok(()) };
    let mut failed = None;
    for event in events.entries() {
        if let Err(fault) = one(resolver, resource, target, event, stack) {
            failed = Some(fault);
        }
    }
    failed.map_or(Ok(()), Err)
}

fn one(
    resolver: &mut Resolver<'_>,
    resource: &Resource,
    target: &Target,
    event: &Entry,
    stack: &mut Stack,
) -> Result<(), Failed> {
    let kind = event.value.get("Type").and_then(Node::text).unwrap_or_default();
    let properties =
        event.value.get("Properties").cloned().unwrap_or_else(|| Node::empty_map(event.line));
    let id = format!("{}{}", resource.id, event.key);
    match (kind.as_str(), target) {
        ("HttpApi" | "Api", Target::Function(function)) => {
            let route = route(resolver, event, &kind, &properties, function)?;
            let taken =
                stack.routes.iter().any(|r| r.method == route.method && r.path == route.path);
            if taken {
                let message = format!("the route {} {} exists twice", route.method, route.path);
                return Err(resolver.fail(event.line, message));
            }
            stack.routes.push(route);
        }
        ("Schedule" | "ScheduleV2", _) => {
            let key = if kind == "Schedule" { "Schedule" } else { "ScheduleExpression" };
            let name = name(resolver, &properties, "Name", &id)?;
            let schedule = schedule(resolver, event.line, &properties, key, name, target.clone())?;
            stack.schedules.push(schedule);
        }
        ("EventBridgeRule" | "CloudWatchEvent", _) => {
            let name = name(resolver, &properties, "RuleName", &id)?;
            let Some(pattern) = resolver.property(&properties, "Pattern")? else {
                return Err(resolver.fail(event.line, "the rule has no Pattern"));
            };
            let rule = EventRule {
                name,
                pattern: checked(resolver, &pattern)?,
                target: target.clone(),
                input: input(resolver, &properties)?,
                input_path: resolver.text_property(&properties, "InputPath")?,
                bus: resolver.text_property(&properties, "EventBusName")?,
                enabled: enabled(resolver, &properties)?,
            };
            stack.rules.push(rule);
        }
        (kind, _) if ELSEWHERE.contains(&kind) => {
            stack.ignored.push(format!("{}: event {} of type {kind}", resource.id, event.key));
        }
        ("", _) => return Err(resolver.fail(event.line, "the event has no Type")),
        (other, _) => {
            let message = format!("{other:?} is no event type of {}", resource.kind);
            return Err(resolver.fail(event.line, message));
        }
    }
    Ok(())
}

fn name(
    resolver: &mut Resolver<'_>,
    properties: &Node,
    key: &str,
    id: &str,
) -> Result<String, Failed> {
    let given = resolver.text_property(properties, key)?;
    Ok(given.unwrap_or_else(|| resolver.default_name("", id)))
}

fn route(
    resolver: &mut Resolver<'_>,
    event: &Entry,
    kind: &str,
    properties: &Node,
    function: &str,
) -> Result<Route, Failed> {
    let path = resolver.text_property(properties, "Path")?;
    let method = resolver.text_property(properties, "Method")?;
    let (path, method) = match (path, method) {
        (Some(path), Some(method)) => (path, method),
        // SAM makes an event without both the default route of the API.
        (None, None) if kind == "HttpApi" => ("$default".to_owned(), "ANY".to_owned()),
        _ => return Err(resolver.fail(event.line, "a route needs both Path and Method")),
    };
    let method = match method.to_uppercase().as_str() {
        "X-AMAZON-APIGATEWAY-ANY-METHOD" | "*" => "ANY".to_owned(),
        other => other.to_owned(),
    };
    const METHODS: [&str; 8] = ["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    if !METHODS.contains(&method.as_str()) {
        return Err(resolver.fail(event.line, format!("{method} is not an HTTP method")));
    }
    if path != "$default"
        && let Err(message) = check_path(&path)
    {
        return Err(resolver.fail(event.line, message));
    }
    Ok(Route { method, path, function: function.to_owned() })
}

fn check_path(path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err(format!("the path {path:?} does not begin with /"));
    };
    let segments: Vec<&str> = rest.split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let variable = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        let plain = variable.unwrap_or(segment);
        let plain = match plain.strip_suffix('+') {
            Some(greedy) if variable.is_some() => {
                if at + 1 != segments.len() {
                    return Err(format!("{segment} of {path:?} must come last"));
                }
                greedy
            }
            _ => plain,
        };
        if plain.contains(['{', '}']) || (variable.is_some() && plain.is_empty()) {
            return Err(format!("{segment:?} of {path:?} is not a text nor one {{variable}}"));
        }
    }
    Ok(())
}

fn schedule(
    resolver: &mut Resolver<'_>,
    line: usize,
    properties: &Node,
    key: &str,
    name: String,
    target: Target,
) -> Result<Schedule, Failed> {
    let Some(expression) = resolver.text_property(properties, key)? else {
        return Err(resolver.fail(line, format!("the schedule has no {key}")));
    };
    if let Err(error) = expression.parse::<Expression>() {
        return Err(resolver.fail(line, error.to_string()));
    }
    if let Some(zone) = resolver.text_property(properties, "ScheduleExpressionTimezone")?
        && !matches!(zone.as_str(), "UTC" | "Etc/UTC")
    {
        return Err(resolver.fail(line, format!("the time zone {zone} is not supported locally")));
    }
    Ok(Schedule {
        name,
        expression,
        target,
        input: input(resolver, properties)?,
        enabled: enabled(resolver, properties)?,
    })
}

/// `Enabled` (older) or `State`.
fn enabled(resolver: &mut Resolver<'_>, properties: &Node) -> Result<bool, Failed> {
    let flag = resolver.text_property(properties, "Enabled")?;
    let state = resolver.text_property(properties, "State")?;
    Ok(flag.as_deref() != Some("false") && state.as_deref() != Some("DISABLED"))
}

/// The input is JSON in a text.
fn input(resolver: &mut Resolver<'_>, properties: &Node) -> Result<Option<Value>, Failed> {
    let Some(node) = resolver.property(properties, "Input")? else { return Ok(None) };
    match node.text().map(|text| serde_json::from_str(&text)) {
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(error)) => Err(resolver.fail(node.line, format!("Input is not JSON: {error}"))),
        None => Ok(Some(node.json())),
    }
}

fn checked(resolver: &mut Resolver<'_>, node: &Node) -> Result<Value, Failed> {
    let value = node.json();
    match pattern::check(&value) {
        Ok(()) => Ok(value),
        Err(message) => Err(resolver.fail(node.line, message)),
    }
}

/// `AWS::Scheduler::Schedule` and `AWS::Events::Rule`, whose targets are ARNs.
pub(crate) fn rule_resource(
    resolver: &mut Resolver<'_>,
    resource: &Resource,
    stack: &mut Stack,
) -> Result<(), Failed> {
    let properties = &resource.properties;
    match resource.kind.as_str() {
        "AWS::Scheduler::Schedule" => {
            let name = resolver.name_of(resource)?;
            let Some(node) = resolver.property(properties, "Target")? else {
                return Err(resolver.fail(resource.line, "the schedule has no Target"));
            };
            let Some(target) = target(resolver, resource, &node, stack)? else { return Ok(()) };
            let key = "ScheduleExpression";
            let mut made = schedule(resolver, resource.line, properties, key, name, target)?;
            made.input = input(resolver, &node)?;
            stack.schedules.push(made);
        }
        "AWS::Events::Rule" => {
            let name = resolver.name_of(resource)?;
            let targets = resolver.property(properties, "Targets")?;
            let nodes = targets.as_ref().and_then(Node::items).unwrap_or_default();
            for node in nodes {
                let Some(target) = target(resolver, resource, node, stack)? else { continue };
                if let Some(pattern) = resolver.property(properties, "EventPattern")? {
                    stack.rules.push(EventRule {
                        name: name.clone(),
                        pattern: checked(resolver, &pattern)?,
                        target: target.clone(),
                        input: input(resolver, node)?,
                        input_path: resolver.text_property(node, "InputPath")?,
                        bus: resolver.text_property(properties, "EventBusName")?,
                        enabled: enabled(resolver, properties)?,
                    });
                }
                if properties.get("ScheduleExpression").is_some() {
                    let key = "ScheduleExpression";
                    let line = resource.line;
                    let mut made = schedule(resolver, line, properties, key, name.clone(), target)?;
                    made.input = input(resolver, node)?;
                    stack.schedules.push(made);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// The function or state machine an ARN names; anything else is no target of a local stack.
fn target(
    resolver: &mut Resolver<'_>,
    resource: &Resource,
    node: &Node,
    stack: &mut Stack,
) -> Result<Option<Target>, Failed> {
    let Some(arn) = resolver.text_property(node, "Arn")? else {
        return Err(resolver.fail(node.line, "the target has no Arn"));
    };
    let function = stack.functions.iter().find(|f| f.arn == arn);
    let machine = stack.state_machines.iter().find(|m| m.arn == arn);
    let found = function
        .map(|f| Target::Function(f.logical_id.clone()))
        .or_else(|| machine.map(|m| Target::StateMachine(m.logical_id.clone())));
    if found.is_none() {
        stack.ignored.push(format!("{}: target {arn}", resource.id));
    }
    Ok(found)
}
