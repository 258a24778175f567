//! The error names of the contract and those that the state machines name are the same.

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::ErrorName;
use serde_json::Value;

/// The names of the contract's kind in `ErrorEquals`, with whether a retrier names them.
fn named() -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    for machine in ["pipeline", "monitor"] {
        let path = crate::root().join(format!("state-machines/{machine}.asl.json"));
        let text = std::fs::read_to_string(&path).expect("the definition is there");
        let definition: Value = serde_json::from_str(&text).expect("the definition is JSON");
        collect(&definition, false, &mut names);
    }
    names
}

fn collect(value: &Value, retried: bool, names: &mut BTreeMap<String, bool>) {
    match value {
        Value::Object(fields) => {
            for name in fields.get("ErrorEquals").and_then(Value::as_array).into_iter().flatten() {
                let name = name.as_str().expect("an error name is text");
                if name.starts_with("ERR_") {
                    *names.entry(name.to_owned()).or_default() |= retried;
                }
            }
            for (key, value) in fields {
                collect(value, retried || key == "Retry", names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, retried, names)),
        _ => {}
    }
}

#[test]
fn what_the_machines_name_is_in_the_contract() {
    let unknown: Vec<_> =
        named().into_keys().filter(|name| ErrorName::parse(name).is_none()).collect();
    assert!(unknown.is_empty(), "not in the contract: {unknown:?}");
}

#[test]
fn what_the_contract_calls_retryable_is_retried_and_nothing_else() {
    let retried: BTreeSet<_> =
        named().into_iter().filter_map(|(name, retried)| retried.then_some(name)).collect();
    let retryable = ErrorName::ALL.iter().filter(|name| name.retryable());
    assert_eq!(retried, retryable.map(|name| name.as_str().to_owned()).collect());
}
