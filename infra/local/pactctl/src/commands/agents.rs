//! `pactctl agents`: who can do what.

use console::style;
use pact_contract::{agents::ALL as AGENTS, capability::advertisement};

use crate::{
    document,
    failure::{Exit, Failure},
};

/// Lists them.
pub(crate) fn agents(json: bool) -> Result<Exit, Failure> {
    if json {
        let all: Vec<_> = AGENTS.iter().map(|(id, caps)| advertisement(id, caps)).collect();
        document::print(&all)?;
        return Ok(Exit::Success);
    }
    for (id, capabilities) in AGENTS {
        println!("{}", style(id).bold());
        for c in *capabilities {
            println!("  {:<32} {}", c.action, c.description);
            let list = |names: &[&str]| names.join(", ");
            let optional = if c.optional.is_empty() {
                String::new()
            } else {
                format!(" [{}]", list(c.optional))
            };
            println!("  {:<32} {}", "", style(format!("{}{optional}", list(c.required))).dim());
        }
    }
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Registry, dispatch and state machines are held against each other: an action that a state
    /// machine calls exists, and an action that exists is called by one.
    #[test]
    fn the_state_machines_call_every_action_and_no_other() {
        let offered: BTreeSet<&str> =
            AGENTS.iter().flat_map(|(_, c)| c.iter().map(|c| c.action)).collect();
        let mut called = BTreeSet::new();
        for (_, text) in crate::stack::machines().expect("machines") {
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            collect(&value, &mut called);
        }
        let called: BTreeSet<&str> = called.iter().map(String::as_str).collect();
        assert_eq!(called, offered);
    }

    #[test]
    fn parameters_that_are_required_are_passed() {
        for (name, text) in crate::stack::machines().expect("machines") {
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            intents(&value, &mut |intent| {
                let actions = actions(intent);
                let mut all = AGENTS.iter().flat_map(|(_, c)| *c);
                let capability =
                    all.find(|c| actions.contains(&c.action)).expect("the action exists");
                let given: BTreeSet<&str> = intent["parameters"]
                    .as_object()
                    .expect("parameters")
                    .keys()
                    .map(String::as_str)
                    .collect();
                let known: BTreeSet<&str> =
                    capability.required.iter().chain(capability.optional).copied().collect();
                assert!(
                    capability.required.iter().all(|r| given.contains(r))
                        && given.is_subset(&known),
                    "{name}: {actions:?} gets {given:?}, takes {capability:?}"
                );
            });
        }
    }

    #[test]
    fn errors_that_a_state_machine_names_exist() {
        for (name, text) in crate::stack::machines().expect("machines") {
            for word in text.split('"').filter(|w| w.starts_with("ERR_")) {
                assert!(pact_contract::ErrorName::parse(word).is_some(), "{name} names {word}");
            }
        }
    }

    /// What an intent may ask for: one action, or that of whichever tier the environment has.
    fn actions(intent: &serde_json::Value) -> Vec<&'static str> {
        let action = intent["action"].as_str().expect("an action");
        let all = AGENTS.iter().flat_map(|(_, c)| c.iter().map(|c| c.action));
        match action.strip_prefix("{% '").and_then(|a| a.strip_suffix("' & $tier %}")) {
            Some(beginning) => all.filter(|action| action.starts_with(beginning)).collect(),
            None => all.filter(|known| *known == action).collect(),
        }
    }

    fn collect(value: &serde_json::Value, out: &mut BTreeSet<String>) {
        intents(value, &mut |intent| {
            out.extend(actions(intent).into_iter().map(str::to_owned));
        });
    }

    fn intents(value: &serde_json::Value, found: &mut impl FnMut(&serde_json::Value)) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(intent) = map.get("intent") {
                    found(intent);
                }
                map.values().for_each(|v| intents(v, found));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| intents(v, found)),
            _ => {}
        }
    }
}
