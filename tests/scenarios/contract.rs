//! What is on the wire is valid PACT: held against the protocol's own schemas.

use pact_contract::{Capability, capability::advertisement};
use serde_json::{Value, json};

const AGENTS: &[(&str, &[Capability])] = &[
    ("code-agent", pact_code_agent::CAPABILITIES),
    ("test-agent", pact_test_agent::CAPABILITIES),
    ("security-agent", pact_security_agent::CAPABILITIES),
    ("quality-agent", pact_quality_agent::CAPABILITIES),
    ("deploy-agent", pact_deploy_agent::CAPABILITIES),
    ("monitor-agent", pact_monitor_agent::CAPABILITIES),
    ("notify-agent", pact_notify_agent::CAPABILITIES),
];

fn schema(name: &str) -> Option<jsonschema::Validator> {
    let Some(folder) = std::env::var_os("PACT_SCHEMAS") else {
        eprintln!("skipped: PACT_SCHEMAS names no folder with the protocol's schemas");
        return None;
    };
    let path = std::path::Path::new(&folder).join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).expect("a schema");
    Some(jsonschema::validator_for(&schema).expect("a valid schema"))
}

#[test]
fn advertisements_are_valid() {
    let Some(schema) = schema("pact_capability_schema.json") else { return };
    for (id, capabilities) in AGENTS {
        let advertised = advertisement(id, capabilities);
        assert!(schema.is_valid(&advertised), "{advertised:#}");
    }
}

#[test]
fn intents_are_valid() {
    let Some(schema) = schema("pact_intent_schema.json") else { return };
    let intent = pact_contract::IntentEnvelope::new(
        "pact.pipeline",
        "2026-11-22T10:00:00Z".parse().expect("an instant"),
        "tests.run_unit",
        serde_json::Map::new(),
        pact_contract::envelope::Context::default(),
    );
    let value = serde_json::to_value(&intent).expect("an intent serialises");
    assert!(schema.is_valid(&value), "{value:#}");
}

#[test]
fn fallbacks_are_valid() {
    let Some(schema) = schema("pact_fallback_schema.json") else { return };
    let fallback = pact_contract::Fallback {
        fallback_level: pact_contract::FallbackLevel::ParameterAdaptation,
        description: "compared with the parent instead".to_owned(),
        original_intent: json!({ "action": "code.analyze_changes" }),
    };
    let value = serde_json::to_value(&fallback).expect("a fallback serialises");
    assert!(schema.is_valid(&value), "{value:#}");
}

#[test]
fn the_gateway_serves_the_registry_of_these_agents() {
    let served = pact_gateway::registry();
    for (id, capabilities) in AGENTS {
        let advertised = advertisement(id, capabilities);
        assert!(
            served.as_array().is_some_and(|a| a.iter().any(|s| {
                s["agent_id"] == advertised["agent_id"] && actions(s) == actions(&advertised)
            })),
            "{id} is not served as it is"
        );
    }
}

/// Actions with their parameters, in order.
fn actions(advertisement: &Value) -> Vec<(String, Value)> {
    let mut all: Vec<_> = advertisement["capabilities"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| (c["action"].to_string(), c["parameters"].clone()))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}
