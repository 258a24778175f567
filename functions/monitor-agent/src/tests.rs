//! A second source is one file and a line of the registry: it is chosen, checked, documented and
//! named like the first.

use std::time::Duration;

use pact_agent::{Agent, AgentError, Call, Outcome};
use pact_config::{Forms, form::Seam};
use pact_contract::{StageStatus, settings::Settings};
use serde_json::{Value, json};

use crate::{Config, MonitorAgent, sources::forms};

fn all() -> Forms {
    Forms::published().expect("is readable").clone().with(Seam::Source, forms())
}

fn parse(watch: &str) -> Result<Settings, String> {
    let text = format!(
        "[environments.staging]\ntarget = 'directory'\n[environments.staging.watch]\n{watch}"
    );
    all().parse(&text, "pact.toml").map_err(|errors| errors.to_string())
}

async fn track(watch: Value) -> Result<Outcome, AgentError> {
    let Value::Object(parameters) = json!({ "environment": "staging", "watch": watch }) else {
        panic!("parameters are an object");
    };
    let call = Call {
        action: "monitor.track_metrics".to_owned(),
        parameters,
        run_id: None,
        state: "State".parse().expect("a name"),
        key: "key".to_owned(),
        deadline: tokio::time::Instant::now() + Duration::from_secs(60),
    };
    MonitorAgent::new(Config::default(), pact_agent::testing::Memory::new()).act(&call).await
}

#[tokio::test]
async fn the_settings_choose_the_source() {
    let settings = parse("source = 'counter'\nper_second = 3\nseconds = 7").expect("is accepted");
    let watch = serde_json::to_value(
        &settings.environments.get("staging").expect("is there").settings.watch,
    )
    .expect("json");
    let outcome = track(watch).await.expect("no fault");
    assert_eq!((outcome.status, &outcome.output["requests"]), (StageStatus::Passed, &json!(21)));
    // Without a name it is the first one, which has nothing to ask here.
    let outcome = track(json!({ "seconds": 7 })).await.expect("no fault");
    assert_eq!(outcome.status, StageStatus::Skipped);
    assert!(outcome.summary.contains("[[environments.staging.health]]"), "{}", outcome.summary);
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_known_sources() {
    let error = track(json!({ "source": { "kind": "clock" } })).await.expect_err("is refused");
    assert_eq!(
        error.message,
        "the source \"clock\" is not known; known are \"probe\", \"prometheus\", \"cloudwatch\", \"json\", \"counter\""
    );
    let error = track(json!({ "source": { "kind": "counter" } })).await.expect_err("is refused");
    assert!(error.message.contains("missing field `per_second`"), "{}", error.message);
    assert_eq!(
        parse("source = 'clock'").expect_err("is refused"),
        "pact.toml:4:10: environments.staging.watch.source has the unknown value \"clock\"; \
         use one of \"probe\", \"prometheus\", \"cloudwatch\", \"json\", \"counter\""
    );
    assert_eq!(
        parse("source = 'counter'\nper_second = 10\ninterval_ms = 50").expect_err("is refused"),
        "pact.toml:5:14: environments.staging.watch.per_second must be from 1 to 9, not 10\n\
         pact.toml:6:1: unknown key \"interval_ms\" in [environments.staging.watch]; \
         it belongs to source = \"probe\""
    );
}

#[test]
fn the_schema_documents_the_source() {
    let schema = all().schema();
    let environment = &schema["properties"]["environments"]["$defs"]["environment"];
    // There may be several targets.
    let staging = environment["oneOf"].get(0).unwrap_or(environment);
    let kinds = staging["properties"]["watch"]["oneOf"].as_array().expect("several");
    let watch = kinds.last().expect("the one of this test");
    assert_eq!(watch["properties"]["per_second"]["description"], "How many.");
    assert_eq!(watch["required"], json!(["source", "per_second"]));
}
