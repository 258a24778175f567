//! What a function logs and counts, line by line.
//!
//! A binary of its own: which events are of interest is known to the whole process, so that a test
//! beside them that logs without a subscriber could take lines from these.

#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use lambda_runtime::Context;
use pact_agent::{
    Agent, AgentError, Call, Outcome,
    adapter::handle,
    metrics::MetricEvent,
    telemetry::{SpanFields, invocation_span, record},
    testing::{Logged, Memory},
};
use pact_contract::{Capability, ErrorName, StageStatus};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::Instrument as _;

const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

fn context(trace: Option<&str>) -> Context {
    let mut context = Context::default();
    context.request_id = "request-1".to_owned();
    context.xray_trace_id = trace.map(str::to_owned);
    context
}

#[test]
fn an_inner_span_takes_nothing_from_a_line() {
    let (logged, _guard) = Logged::here("info");
    let span = invocation_span("test-agent", &context(Some(HEADER)));
    let _entered = span.enter();
    let fields =
        SpanFields { run_id: Some("shop-1"), action: Some("tests.run_unit"), attempt: Some(2) };
    record(&span, &fields);
    tracing::info_span!("command", program = "cargo").in_scope(|| {
        tracing::warn!(exit_code = 101, kind = ?Some("test"), "ended");
    });
    let line = logged.lines().remove(0);
    for (name, expected) in [
        ("level", Value::from("WARN")),
        ("message", "ended".into()),
        ("request_id", "request-1".into()),
        ("trace_id", ROOT.into()),
        ("agent", "test-agent".into()),
        ("run_id", "shop-1".into()),
        ("action", "tests.run_unit".into()),
        ("attempt", 2.into()),
        ("program", "cargo".into()),
        ("exit_code", 101.into()),
        ("kind", "Some(\"test\")".into()),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    line["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap();
}

#[test]
fn a_higher_level_leaves_the_ids() {
    let (logged, _guard) = Logged::here("error");
    invocation_span("code-agent", &context(Some(HEADER))).in_scope(|| {
        tracing::info!("not written");
        tracing::error!("written");
    });
    let lines = logged.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["request_id"], &lines[0]["trace_id"]),
        (&"request-1".into(), &ROOT.into())
    );
}

#[test]
fn the_runtimes_own_lines_have_the_same_names() {
    let (logged, _guard) = Logged::here("info");
    tracing::info_span!("Lambda runtime invoke", requestId = "request-1", xrayTraceId = HEADER)
        .in_scope(|| tracing::error!("the handler panicked"));
    let line = logged.lines().remove(0);
    assert_eq!((&line["request_id"], &line["trace_id"]), (&"request-1".into(), &ROOT.into()));
    assert_eq!(line.get("requestId"), None);
}

#[test]
fn what_is_not_known_is_not_there_and_a_text_from_outside_is_bounded() {
    let (logged, _guard) = Logged::here("info");
    let span = invocation_span("gateway", &context(None));
    let long = "é".repeat(10_000);
    record(&span, &SpanFields { run_id: Some(&long), ..SpanFields::default() });
    span.in_scope(|| tracing::info!("x"));
    let line = logged.lines().remove(0);
    assert!(line.get("trace_id").is_none() && line.get("action").is_none(), "{line}");
    assert!(line["run_id"].as_str().unwrap().len() <= 203);
}

/// Passes, fails or faults, as it is told.
#[derive(Default)]
struct Teller {
    calls: AtomicUsize,
}

const CAPABILITIES: &[Capability] = &[Capability {
    action: "tests.run_unit",
    description: "Tells what it is told.",
    required: &["tell"],
    optional: &[],
}];

#[async_trait]
impl Agent for Teller {
    fn id(&self) -> &'static str {
        "test-agent"
    }
    fn capabilities(&self) -> &'static [Capability] {
        CAPABILITIES
    }
    async fn act(&self, call: &Call) -> Result<Outcome, AgentError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        tracing::info_span!("inner", step = 1).in_scope(|| tracing::info!("at work"));
        match call.parameters["tell"].as_str() {
            Some("pass") => Outcome::new(StageStatus::Passed, "2 tests passed", &json!({})),
            Some("fail") => Outcome::new(StageStatus::Failed, "2 of 2 tests failed", &json!({})),
            _ => Err(AgentError::tool("the tool crashed")),
        }
    }
}

fn intent(tell: &str) -> Value {
    json!({
        "version": "0.1.0",
        "intent": {
            "action": "tests.run_unit",
            "parameters": { "tell": tell },
            "context": { "run_id": "shop-1", "state": "RunUnitTests", "retry": 1 },
        },
        "metadata": {
            "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() },
            "priority": "normal",
            "idempotency_key": format!("shop-1/RunUnitTests/{tell}"),
        },
    })
}

/// Handles the event as `serve` does.
async fn handled(memory: &Arc<Memory>, event: Value) -> Result<Value, AgentError> {
    let span = invocation_span("test-agent", &context(Some(HEADER)));
    let deadline = Instant::now() + Duration::from_secs(60);
    handle(&Teller::default(), &memory.recording(), event, deadline).instrument(span).await
}

/// Status and error name of everything that was counted.
fn counted(memory: &Memory) -> Vec<(Option<&'static str>, StageStatus, Option<&'static str>)> {
    let metric_events = memory.metric_events().into_iter().map(|event| match event {
        MetricEvent::Action { agent: "test-agent", action, status, error, .. } => {
            (action, status, error)
        }
        other => panic!("not an action of the agent: {other:?}"),
    });
    metric_events.collect()
}

#[tokio::test]
async fn every_line_inside_an_invocation_says_whose_it_is() {
    let (logged, _guard) = Logged::here("info");
    let memory = Memory::new();
    handled(&memory, intent("pass")).await.unwrap();
    handled(&memory, intent("pass")).await.unwrap();
    handled(&memory, intent("crash")).await.unwrap_err();
    let lines = logged.lines();
    let said: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(said, ["at work", "done", "answered before", "at work", "fault"]);
    for line in lines {
        let own = ["request_id", "trace_id", "agent", "run_id", "action", "attempt"];
        let expected = json!(["request-1", ROOT, "test-agent", "shop-1", "tests.run_unit", 2]);
        assert_eq!(json!(own.map(|name| &line[name])), expected, "{line}");
    }
}

#[tokio::test]
async fn an_event_that_is_refused_is_logged_with_its_run() {
    let (logged, _guard) = Logged::here("info");
    let memory = Memory::new();
    let mut event = intent("pass");
    event["intent"]["action"] = json!("tests.run_everything");
    let error = handled(&memory, event).await.unwrap_err();
    assert_eq!(error.name, ErrorName::UnknownAction);
    let line = logged.lines().remove(0);
    assert_eq!((&line["run_id"], &line["message"]), (&json!("shop-1"), &json!("fault")));
    // Its name is no dimension: anybody could make up any number of them.
    assert_eq!(counted(&memory), [(None, StageStatus::Error, Some("ERR_UNKNOWN_ACTION"))]);
}

#[tokio::test]
async fn each_action_is_counted_once_with_its_verdict_or_its_fault() {
    let (_logged, _guard) = Logged::here("off");
    let memory = Memory::new();
    handled(&memory, intent("pass")).await.unwrap();
    handled(&memory, intent("pass")).await.unwrap();
    handled(&memory, intent("fail")).await.unwrap();
    handled(&memory, intent("crash")).await.unwrap_err();
    let action = Some("tests.run_unit");
    assert_eq!(
        counted(&memory),
        [
            (action, StageStatus::Passed, None),
            (action, StageStatus::Failed, None),
            (action, StageStatus::Error, Some("ERR_TOOL_FAILED")),
        ]
    );
}
