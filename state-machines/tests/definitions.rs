//! The definitions that are deployed are those of the description, and agree with the contract.
#![expect(clippy::expect_used, reason = "what cannot be read is a failed test")]

use std::collections::{BTreeMap, BTreeSet};

use pact_contract::{
    ErrorName, agents,
    states::{Monitor, Pipeline},
};
use pact_state_machines::machines;
use serde_json::Value;

/// Every state of a machine, those of branches and iterations included.
fn states(machine: &str) -> BTreeMap<String, Value> {
    let definition = machines().into_iter().find_map(|(name, d)| (name == machine).then_some(d));
    let mut all = BTreeMap::new();
    collect(&definition.expect("a machine"), &mut all);
    all
}

fn collect(graph: &Value, all: &mut BTreeMap<String, Value>) {
    for (name, state) in graph["States"].as_object().into_iter().flatten() {
        assert!(all.insert(name.clone(), state.clone()).is_none(), "two states are called {name}");
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, all);
        }
        collect(&state["ItemProcessor"], all);
    }
}

#[test]
fn the_files_are_what_is_described() {
    for (name, definition) in machines() {
        let path = format!("{}/{name}.asl.json", env!("CARGO_MANIFEST_DIR"));
        let file = std::fs::read_to_string(&path).expect("the definition is there");
        let text = format!("{definition:#}\n");
        let lines = file.lines().zip(text.lines()).enumerate();
        for (number, (is, ought)) in lines {
            assert_eq!(
                is,
                ought,
                "{path}:{} is not what is described: run `cargo run -p pact-state-machines` and \
                 look at the difference",
                number + 1
            );
        }
        assert_eq!(file.len(), text.len(), "{path} has another length");
    }
}

#[test]
fn every_name_is_a_state_and_every_state_has_its_name() {
    let pipeline: BTreeSet<&str> = Pipeline::ALL.iter().map(|state| state.as_str()).collect();
    let monitor: BTreeSet<&str> = Monitor::ALL.iter().map(|state| state.as_str()).collect();
    for (machine, names) in [("pipeline", pipeline), ("monitor", monitor)] {
        let states = states(machine);
        assert_eq!(states.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
        for (name, state) in &states {
            let comment = state["Comment"].as_str().unwrap_or_default();
            assert!(!comment.is_empty(), "{name} does not say what it is for");
        }
    }
}

#[test]
fn what_is_asked_is_what_an_agent_offers() {
    let offered: Vec<_> =
        agents::ALL.iter().flat_map(|(agent, all)| all.iter().map(move |c| (agent, c))).collect();
    for (name, state) in states("pipeline").iter().chain(&states("monitor")) {
        let Some(action) = state.pointer("/Arguments/Payload/intent/action") else { continue };
        // One that is put together is one of several, which take the same.
        let action = action.as_str().expect("an action");
        let action =
            action.strip_prefix("{% '").and_then(|a| a.split('\'').next()).unwrap_or(action);
        let found = offered.iter().find(|(_, one)| one.action.starts_with(action));
        let (agent, capability) = found.unwrap_or_else(|| panic!("{name} asks {action}"));
        let function = state["Arguments"]["FunctionName"].as_str().expect("a function");
        let wanted = agent.replace('-', "").to_lowercase();
        assert_eq!(function.to_lowercase(), format!("${{{wanted}functionarn}}"), "{name}");
        let parameters = &state["Arguments"]["Payload"]["intent"]["parameters"];
        for required in capability.required {
            assert!(parameters[required] != Value::Null, "{name} does not give {required}");
        }
        for (given, _) in parameters.as_object().expect("parameters") {
            let known = capability.required.iter().chain(capability.optional);
            assert!(known.copied().any(|known| known == given), "{name} gives {given}");
        }
    }
}

#[test]
fn every_error_that_passes_is_tried_again_by_every_agent_that_may_raise_it() {
    for (name, state) in states("pipeline").iter().chain(&states("monitor")) {
        if state.pointer("/Arguments/Payload").is_none() {
            continue;
        }
        let retried = state["Retry"].to_string();
        for error in
            ErrorName::ALL.iter().filter(|e| e.retry() == pact_contract::error::Retry::Outage)
        {
            assert!(retried.contains(error.as_str()), "{name} gives up after {error}");
        }
    }
}

#[test]
fn a_fault_is_read_in_one_state_of_each_machine() {
    for machine in ["pipeline", "monitor"] {
        let states = states(machine);
        let reading: Vec<_> = states
            .iter()
            .filter(|(_, state)| {
                let own = state.as_object().expect("a state").iter();
                own.filter(|(field, _)| !["Branches", "ItemProcessor"].contains(&field.as_str()))
                    .any(|(_, value)| value.to_string().contains("errorMessage"))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        let wanted = if machine == "pipeline" { "DescribeOutcome" } else { "DescribeFault" };
        assert_eq!(reading, [wanted]);
    }
}
