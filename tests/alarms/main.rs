//! Alarms and dashboards watch what there is: each metric is one that the code emits, or that AWS
//! does for a resource of the template; each alarm becomes an incident, and that of the watch, which tells
//! of incidents, reaches the notify agent with an intent that it understands.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot read is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use jiff::Timestamp;
use local_template::{Context, Stack, Target, Watching};
use pact_agent::metrics::MetricEvent;
use pact_contract::{
    EnvironmentName, IntentEnvelope, RepositoryName, RunId, RunStatus, StageStatus,
    actions::Notify, run::DeploymentStatus,
};
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const ALARM: &str = "AWS::CloudWatch::Alarm";

/// Metrics that AWS emits, with the dimension and the unit that its documentation names.
const AWS: &[(&str, &str, &str, &str)] = &[
    ("AWS/States", "ExecutionsStarted", "StateMachineArn", "Count"),
    ("AWS/States", "ExecutionsSucceeded", "StateMachineArn", "Count"),
    ("AWS/States", "ExecutionsFailed", "StateMachineArn", "Count"),
    ("AWS/States", "ExecutionsTimedOut", "StateMachineArn", "Count"),
    ("AWS/States", "ExecutionsAborted", "StateMachineArn", "Count"),
    ("AWS/States", "ExecutionTime", "StateMachineArn", "Milliseconds"),
    ("AWS/ApiGateway", "Count", "ApiId", "Count"),
    ("AWS/ApiGateway", "4xx", "ApiId", "Count"),
    ("AWS/ApiGateway", "5xx", "ApiId", "Count"),
    ("AWS/ApiGateway", "Latency", "ApiId", "Milliseconds"),
    ("AWS/Lambda", "Duration", "FunctionName", "Milliseconds"),
    ("AWS/Lambda", "Errors", "FunctionName", "Count"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "Count"),
];

/// What the thresholds of the alert rules are in: a number of the metric's unit, or a share.
const RULES: &[(&str, &str, f64)] = &[
    ("PipelineFailureAlarm", "Count", 0.1),
    ("LongDeploymentAlarm", "Milliseconds", 20.0 * 60.0 * 1_000.0),
    ("ApiErrorAlarm", "percent", 5.0),
    ("ApiLatencyAlarm", "Milliseconds", 500.0),
    ("WatchFailureAlarm", "Count", 0.0),
    ("FailureQueueAlarm", "Count", 0.0),
];

fn stack() -> Stack {
    let context = Context {
        parameters: BTreeMap::new(),
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        stack_name: "shop-pipeline".to_owned(),
    };
    local_template::load(TEMPLATE, Path::new("infra/template.yaml"), &context)
        .unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// One time series, or a family of them: its unit follows from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Metric {
    namespace: String,
    name: String,
    /// Values are none where a search finds them all.
    dimensions: BTreeMap<String, Option<String>>,
}

/// What the code may tell, in the namespace of this stack.
struct Emitted {
    /// Every metric, with its unit.
    metrics: BTreeMap<Metric, String>,
    /// Every field of a line, for a search in the log.
    fields: BTreeSet<String>,
}

/// Each kind of event, with each status, fault and environment that it may have.
fn events() -> Vec<MetricEvent> {
    let (run_id, repository) = (
        "shop-1".parse::<RunId>().expect("an id"),
        "acme/shop".parse::<RepositoryName>().expect("a name"),
    );
    let duration = Duration::from_secs(1);
    let mut events =
        vec![MetricEvent::RunStarted { run_id: run_id.clone(), repository: repository.clone() }];
    for status in [
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Rejected,
        RunStatus::Held,
        RunStatus::Cancelled,
        RunStatus::RolledBack,
    ] {
        let (run_id, repository) = (run_id.clone(), repository.clone());
        events.push(MetricEvent::RunEnded { run_id, repository, status, duration });
    }
    let further = "canary".parse::<EnvironmentName>().expect("a name");
    for environment in [&EnvironmentName::STAGING, &EnvironmentName::PRODUCTION, &further] {
        for status in [
            None,
            Some(DeploymentStatus::Live),
            Some(DeploymentStatus::Failed),
            Some(DeploymentStatus::RolledBack),
        ] {
            events.push(MetricEvent::Deployment {
                run_id: run_id.clone(),
                repository: repository.clone(),
                environment: environment.clone(),
                tier: None,
                status,
                duration: Some(duration),
                rollback: (status == Some(DeploymentStatus::RolledBack)).then_some(duration),
                lead_time: (status == Some(DeploymentStatus::Live)).then_some(duration),
            });
        }
    }
    for (agent, action) in [("test-agent", "tests.run_unit"), ("code-agent", "code.check_quality")]
    {
        for (status, error) in [
            (StageStatus::Passed, None),
            (StageStatus::Failed, None),
            (StageStatus::Error, Some("ERR_TOOL_FAILED")),
            (StageStatus::Error, Some("ERR_INVALID_INTENT")),
        ] {
            let (action, run_id) = (Some(action), None);
            events.push(MetricEvent::Action { agent, action, status, error, duration, run_id });
        }
    }
    events
}

fn emitted(stack: &Stack) -> Emitted {
    let reconciler = stack.functions.iter().find(|f| f.logical_id == "ReconcilerFunction");
    let namespace = &reconciler.expect("the reconciler").environment["PACT_METRICS_NAMESPACE"];
    let (mut metrics, mut fields) = (BTreeMap::new(), BTreeSet::new());
    for event in events() {
        let document = event.document(namespace, Timestamp::now());
        fields.extend(document.as_object().expect("a document").keys().cloned());
        let directives = document.pointer("/_aws/CloudWatchMetrics").unwrap_or(&Value::Null);
        for directive in items(directives) {
            for names in items(&directive["Dimensions"]) {
                let dimension = |name: &Value| {
                    let name = text(name);
                    (name.to_owned(), document[name].as_str().map(str::to_owned))
                };
                let dimensions: BTreeMap<_, _> = items(names).iter().map(dimension).collect();
                for metric in items(&directive["Metrics"]) {
                    let name = text(&metric["Name"]).to_owned();
                    let namespace = text(&directive["Namespace"]).to_owned();
                    let dimensions = dimensions.clone();
                    metrics.insert(
                        Metric { namespace, name, dimensions },
                        text(&metric["Unit"]).to_owned(),
                    );
                }
            }
        }
    }
    Emitted { metrics, fields }
}

/// Each of them costs, used or not; whoever adds one adds it to the table of costs.
#[test]
fn custom_metrics_are_as_few_as_the_table_of_costs_says() {
    let metrics = emitted(&stack()).metrics;
    let names: BTreeSet<&str> = metrics.keys().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names.len(), metrics.len(), "more series than names: {metrics:#?}");
    let said = format!("{} custom metrics × 0.30", metrics.len());
    let readme = include_str!("../../infra/README.md");
    assert!(readme.contains(&said), "infra/README.md does not say {said:?}: {names:?}");
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

/// The unit of a metric; panics when nobody emits it.
fn unit(stack: &Stack, emitted: &Emitted, metric: &Metric, who: &str) -> String {
    if !metric.namespace.starts_with("AWS/") {
        let found = emitted.metrics.iter().find(|(own, _)| {
            own.namespace == metric.namespace
                && own.name == metric.name
                && own.dimensions.keys().eq(metric.dimensions.keys())
                && metric
                    .dimensions
                    .iter()
                    .all(|(name, value)| value.is_none() || own.dimensions.get(name) == Some(value))
        });
        let known = found.unwrap_or_else(|| panic!("{who}: nobody emits {metric:?}"));
        return known.1.clone();
    }
    let (name, value) = metric.dimensions.first_key_value().expect("a dimension");
    let known = AWS.iter().find(|(namespace, metric_name, dimension, _)| {
        *namespace == metric.namespace && *metric_name == metric.name && dimension == name
    });
    let known = known.unwrap_or_else(|| panic!("{who}: AWS does not emit {metric:?}"));
    assert_eq!(metric.dimensions.len(), 1, "{who}: {metric:?}");
    let value = value.as_deref().expect("a value");
    let exists = match name.as_str() {
        "StateMachineArn" => stack.state_machines.iter().any(|m| m.arn == value),
        "FunctionName" => stack.functions.iter().any(|f| f.name == value),
        "ApiId" => value == "api",
        "QueueName" => value == "shop-pipeline-FailureQueue",
        _ => false,
    };
    assert!(exists, "{who}: no resource of the template is {name} {value}");
    known.3.to_owned()
}

/// The metrics that an alarm compares or computes with.
fn metrics(alarm: &Value) -> Vec<(Metric, &Value)> {
    let of = |value: &'_ Value| Metric {
        namespace: text(&value["Namespace"]).to_owned(),
        name: text(&value["MetricName"]).to_owned(),
        dimensions: items(&value["Dimensions"])
            .iter()
            .map(|d| (text(&d["Name"]).to_owned(), Some(text(&d["Value"]).to_owned())))
            .collect(),
    };
    if alarm.get("MetricName").is_some() {
        return vec![(of(alarm), alarm)];
    }
    let several = items(&alarm["Metrics"]).iter();
    several.filter_map(|m| m.get("MetricStat")).map(|stat| (of(&stat["Metric"]), stat)).collect()
}

fn stat_of(alarm: &Value) -> Option<&str> {
    alarm.get("Statistic").and_then(Value::as_str)
}

fn alarms(stack: &Stack) -> Vec<&Watching> {
    stack.watching.iter().filter(|w| w.kind == ALARM).collect()
}

#[test]
fn every_alarm_is_on_metrics_that_are_emitted_in_the_unit_of_its_threshold() {
    let stack = stack();
    let emitted = emitted(&stack);
    let known: BTreeSet<&str> = alarms(&stack).iter().map(|a| a.logical_id.as_str()).collect();
    assert_eq!(known, RULES.iter().map(|(id, ..)| *id).collect());
    for alarm in alarms(&stack) {
        let who = alarm.logical_id.as_str();
        let (_, measure, threshold) = RULES.iter().find(|(id, ..)| *id == who).expect("a rule");
        let properties = &alarm.properties;
        let number = properties["Threshold"].as_f64().or_else(|| {
            properties["Threshold"].as_str().and_then(|threshold| threshold.parse().ok())
        });
        assert_eq!(number, Some(*threshold), "{who}");
        let metrics = metrics(properties);
        assert!(!metrics.is_empty(), "{who} watches nothing");
        let units: BTreeSet<String> = metrics
            .iter()
            .map(|(metric, stat)| {
                let unit = unit(&stack, &emitted, metric, who);
                // A unit that is named selects: another finds no samples.
                assert!(stat.get("Unit").is_none_or(|own| *own == json!(unit)), "{who}: {stat}");
                unit
            })
            .collect();
        if stat_of(properties) == Some("Average") {
            // An average of samples that are 0 or 1 is a share.
            assert!((0.0..1.0).contains(threshold), "{who}");
        }
        // A share in percent is computed from counts.
        let expected = if *measure == "percent" { "Count" } else { measure };
        assert_eq!(units, BTreeSet::from([expected.to_owned()]), "{who}");
    }
}

#[test]
fn every_function_has_the_namespace_that_alarms_are_in() {
    let stack = stack();
    for function in &stack.functions {
        let namespace = function.environment.get("PACT_METRICS_NAMESPACE").map(String::as_str);
        assert_eq!(namespace, Some("PACT/shop-pipeline"), "{}", function.logical_id);
    }
}

#[test]
fn every_alarm_is_an_incident_and_that_of_the_watch_reaches_the_notify_agent_itself() {
    let stack = stack();
    let raised = |arn: &str, state: &str| -> Vec<&Target> {
        let event = json!({
            "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
            "resources": [arn], "detail": { "state": { "value": state } },
        });
        let rules = stack.rules.iter().filter(|rule| rule.enabled);
        rules
            .filter(|rule| local_template::matches(&rule.pattern, &event))
            .map(|rule| &rule.target)
            .collect()
    };
    let function = |name: &str| Target::Function(name.to_owned());
    let (reconciler, notify) = (function("ReconcilerFunction"), function("NotifyAgentFunction"));
    for alarm in alarms(&stack) {
        let arn = alarm.arn.as_deref().expect("an alarm has an ARN");
        let mut expected = vec![&reconciler];
        assert_eq!(raised(arn, "OK"), expected, "{arn}");
        // Whoever tells of incidents cannot tell that it does not.
        expected.extend((alarm.logical_id == "WatchFailureAlarm").then_some(&notify));
        let mut reached = raised(arn, "ALARM");
        reached.sort_by_key(|target| **target != reconciler);
        assert_eq!(reached, expected, "{arn}");
        // Who turned them off reaches nobody.
        assert_ne!(alarm.properties.get("ActionsEnabled"), Some(&json!(false)));
    }
    let rule = stack.watching.iter().find(|w| w.logical_id == "WatchAlarmRule").expect("the rule");
    let template = rule.properties.pointer("/Targets/0/InputTransformer/InputTemplate");
    let filled = text(template.expect("a template"))
        .replace("<id>", "8f0c6a52-0a4e-4f5f-9f3c-1f9b3f9c1c11")
        .replace("<time>", "2026-01-01T00:00:00Z")
        .replace("<alarm>", "shop-pipeline-watch-failure-alarm");
    let intent: IntentEnvelope = serde_json::from_str(&filled).expect("an intent");
    assert_eq!(intent.intent.action, "notify.slack_team");
    let parameters = Value::Object(intent.intent.parameters);
    let notify: Notify = serde_json::from_value(parameters).expect("what to tell");
    assert!(notify.settings.get("slack").is_some());
    let told = serde_json::to_string(&notify.outcome).expect("JSON");
    assert!(told.contains("shop-pipeline-watch-failure-alarm"), "{told}");
}

/// Metric of a widget's row: namespace, name, then dimensions with their values.
fn widget_metric(row: &Value) -> Option<Metric> {
    if row[0].get("expression").is_some() {
        return None;
    }
    let texts: Vec<&str> = items(row).iter().filter_map(Value::as_str).collect();
    let [namespace, name, dimensions @ ..] = &texts[..] else { panic!("not a metric: {row}") };
    let (namespace, name) = ((*namespace).to_owned(), (*name).to_owned());
    let pairs = dimensions.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "a dimension without a value: {row}");
    let dimensions = pairs.map(|p| (p[0].to_owned(), Some(p[1].to_owned()))).collect();
    Some(Metric { namespace, name, dimensions })
}

/// The log groups and the fields that a widget's query names.
fn query(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut groups, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for command in text.split('|').map(str::trim) {
        if let Some(group) = command.strip_prefix("SOURCE ") {
            groups.insert(group.trim_matches('\'').to_owned());
            continue;
        }
        let words = command.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        // Fields of events begin with a capital; names that the query gives do not.
        let own = words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
        fields.extend(own.map(str::to_owned));
    }
    (groups, fields)
}

#[test]
fn the_dashboard_shows_what_is_emitted_and_every_alarm() {
    let stack = stack();
    let emitted = emitted(&stack);
    let dashboard = stack.watching.iter().find(|w| w.kind == "AWS::CloudWatch::Dashboard");
    let body = text(&dashboard.expect("a dashboard").properties["DashboardBody"]);
    let body: Value = serde_json::from_str(body).expect("JSON");
    let mut shown = BTreeSet::new();
    for widget in items(&body["widgets"]) {
        let properties = &widget["properties"];
        let who = text(&properties["title"]);
        if widget["type"] == "log" {
            let (groups, fields) = query(text(&properties["query"]));
            assert!(!groups.is_empty() && !fields.is_empty(), "{who} asks nothing");
            for group in &groups {
                let known = stack.functions.iter().any(|function| {
                    let binary = text(&function.metadata["BuildProperties"]["Binary"]);
                    *group == format!("/aws/lambda/shop-pipeline/{binary}")
                });
                assert!(known, "{who}: no function writes to {group}");
            }
            let unknown: Vec<_> = fields.difference(&emitted.fields).collect();
            assert!(unknown.is_empty(), "{who}: no line has {unknown:?}");
            shown.extend(fields);
        }
        for row in items(properties.get("metrics").unwrap_or(&Value::Null)) {
            let Some(metric) = widget_metric(row) else { continue };
            unit(&stack, &emitted, &metric, who);
            shown.insert(metric.name);
        }
        if widget["type"] == "alarm" {
            let arns: BTreeSet<&str> = items(&properties["alarms"]).iter().map(text).collect();
            let all = alarms(&stack).into_iter().filter_map(|a| a.arn.as_deref()).collect();
            assert_eq!(arns, all);
        }
    }
    let unseen: Vec<_> = emitted.metrics.keys().filter(|m| !shown.contains(&m.name)).collect();
    assert!(unseen.is_empty(), "emitted, and nowhere to be seen: {unseen:#?}");
}

/// An agent refuses whoever it does not know.
#[test]
fn who_speaks_to_agents_is_known_to_them() {
    let mut seen = BTreeSet::new();
    for text in [
        TEMPLATE,
        include_str!("../../state-machines/pipeline.asl.json"),
        include_str!("../../state-machines/monitor.asl.json"),
    ] {
        for sender in
            text.split("\"agent_id\": \"").skip(1).filter_map(|rest| rest.split('"').next())
        {
            seen.insert(sender);
        }
    }
    let known: BTreeSet<&str> = pact_contract::agents::SENDERS.iter().copied().collect();
    assert_eq!(seen, known);
}
