//! What is on the wire is valid PACT: held against the protocol's own schemas.

use pact_contract::{agents::ALL as AGENTS, capability::advertisement};
use serde_json::{Value, json};

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
