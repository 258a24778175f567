//! Where transitions lead: to states that exist, from states that are reached.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::reader::Faults;
use super::{NO_END, TRANSITION};

/// A transition out of a state: its target and the path of the field that names it.
pub(super) struct Transition {
    pub(super) target: String,
    pub(super) at: String,
}

/// Checks the transitions of one graph. `at` is the path of its `States`.
pub(super) fn check(
    start_at: &str,
    start_path: &str,
    states: &Map<String, Value>,
    transitions: &HashMap<String, Vec<Transition>>,
    terminal: &HashSet<String>,
    at: &str,
    faults: &mut Faults,
) {
    if !states.contains_key(start_at) {
        let message = format!("Missing 'Next' target: {start_at}");
        faults.add(TRANSITION, message, start_path);
    }
    for name in states.keys() {
        for transition in transitions.get(name).into_iter().flatten() {
            if !states.contains_key(&transition.target) {
                let message = format!("Missing 'Next' target: {}", transition.target);
                faults.add(TRANSITION, message, &transition.at);
            }
        }
    }
    if terminal.is_empty() {
        faults.add_whole(NO_END, "Workflow has no terminal state");
        return;
    }
    let mut reached: HashSet<&str> = HashSet::new();
    let mut open = vec![start_at];
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(
                transitions
                    .get(name)
                    .into_iter()
                    .flatten()
                    .map(|transition| transition.target.as_str()),
            );
        }
    }
    for name in states.keys() {
        if !reached.contains(name.as_str()) {
            let message = format!("State \"{name}\" is not reachable.");
            faults.add(TRANSITION, message, &format!("{at}/{name}"));
        }
    }
}
