//! A state machine as the engine gets it: substitutions made, waits as short as they may be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::script::base;

/// A definition and what the exploration needs to know of it.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    /// With short waits.
    pub(crate) text: String,
    /// Every state by name, those of branches and iterations included.
    pub(crate) states: BTreeMap<String, Value>,
}

/// Attempts of a retrier for a busy environment, which really waits for half an hour.
pub(crate) const BUSY_ATTEMPTS: u64 = 3;

/// The machine of this name, as it is described.
pub(crate) fn load(name: &'static str) -> Machine {
    let described = pact_state_machines::machines().into_iter().find(|(named, _)| *named == name);
    let (_, mut definition) = described.expect("such a machine");
    substitute(&mut definition);
    shorten(&mut definition);
    // A person is waited for in seconds, not in minutes.
    let text = definition.to_string().replace("timeout_minutes * 60", "timeout_minutes");
    Machine { name, text, states: states(&definition) }
}

/// Every state of a definition, those of branches and iterations included.
pub(crate) fn states(definition: &Value) -> BTreeMap<String, Value> {
    let mut states = BTreeMap::new();
    collect(definition, &mut states);
    states
}

/// `${Name}` becomes `Name`.
fn substitute(value: &mut Value) {
    match value {
        Value::String(text) => {
            // In the middle of an expression stands a number only.
            *text = text.replace("${RunRetentionDays}", "400");
            if let Some(name) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) {
                *text = name.to_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(substitute),
        Value::Object(fields) => fields.values_mut().for_each(substitute),
        _ => {}
    }
}

/// The smallest legal waits; the number of attempts stays, but for those that wait for half an hour.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match key.as_str() {
                    "IntervalSeconds" | "MaxDelaySeconds" | "BackoffRate" => *value = json!(1),
                    "Seconds" => *value = json!(0),
                    "MaxAttempts" if value.as_u64() > Some(10) => *value = json!(BUSY_ATTEMPTS),
                    _ => shorten(value),
                }
            }
            if fields.contains_key("MaxDelaySeconds") {
                // It has to be larger than the interval.
                fields.remove("MaxDelaySeconds");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

fn collect(graph: &Value, states: &mut BTreeMap<String, Value>) {
    for (name, state) in graph["States"].as_object().into_iter().flatten() {
        assert!(
            states.insert(name.clone(), state.clone()).is_none(),
            "two states have the name {name}"
        );
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, states);
        }
        collect(&state["ItemProcessor"], states);
    }
}

impl Machine {
    /// Every error that a retrier or a catcher of a state names.
    pub(crate) fn names(&self, state: &str) -> BTreeSet<String> {
        self.states
            .get(state)
            .into_iter()
            .flat_map(|state| [&state["Retry"], &state["Catch"]])
            .filter_map(Value::as_array)
            .flatten()
            .filter_map(|entry| entry["ErrorEquals"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| *name != "States.ALL")
            .map(str::to_owned)
            .collect()
    }

    /// Every error that any state names.
    pub(crate) fn named_errors(&self) -> BTreeSet<String> {
        self.states.keys().flat_map(|state| self.names(state)).collect()
    }

    /// How often a state is tried when it always ends with this error.
    pub(crate) fn tries(&self, state: &str, error: &str) -> u64 {
        let Some(state) = self.states.get(base(state)) else { return 1 };
        let retrier = state["Retry"].as_array().into_iter().flatten().find(|retrier| {
            retrier["ErrorEquals"].as_array().into_iter().flatten().any(|name| {
                name == error
                    || name == "States.ALL"
                    || (name == "States.TaskFailed" && error != "States.Timeout")
            })
        });
        1 + retrier.map_or(0, |r| r["MaxAttempts"].as_u64().unwrap_or(3))
    }
}
