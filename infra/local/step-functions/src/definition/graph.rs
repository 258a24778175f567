//! Where transitions lead: to states that exist, from states that are reached.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::diagnostic::{DUPLICATE, NO_END, SCHEMA, TRANSITION};
use super::reader::Faults;
use super::state::{Graph, Kind, State};
use super::template::Template;
use crate::integrations::Resource;

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

/// The states of a graph by name, so that faults have an order.
fn sorted(graph: &Graph) -> Vec<(&String, &State)> {
    let mut states: Vec<_> = graph.states.iter().map(|(name, state)| (name, &**state)).collect();
    states.sort_by_key(|(name, _)| *name);
    states
}

/// The graphs below a state, each with its path.
fn inner<'a>(state: &'a State, at: &str) -> Vec<(&'a Graph, String)> {
    match &state.kind {
        Kind::Parallel { branches, .. } => branches
            .iter()
            .enumerate()
            .map(|(index, branch)| (&**branch, format!("{at}/Branches[{index}]")))
            .collect(),
        Kind::Map(map) => vec![(&*map.processor, format!("{at}/ItemProcessor"))],
        _ => Vec::new(),
    }
}

/// Checks that no branch or iteration assigns a variable that a scope around it assigns: inner
/// scopes can read those, never change or hide them. What the catchers of a Parallel or Map assign
/// does not count for its own branches and iterations, which are gone by then.
pub(super) fn check_scopes(graph: &Graph, outer: &HashSet<&str>, at: &str, faults: &mut Faults) {
    // How many places assign each variable.
    let mut own: HashMap<&str, usize> = outer.iter().map(|name| (*name, 1)).collect();
    for (name, state) in sorted(graph) {
        for (place, variable) in assigned(state).into_iter().chain(caught(state)) {
            if outer.contains(variable) {
                faults.add(
                    SCHEMA,
                    format!("Variable '{variable}' is already assigned in an outer scope"),
                    &format!("{at}/States/{name}/{place}/{variable}"),
                );
            }
            *own.entry(variable).or_default() += 1;
        }
    }
    for (name, state) in sorted(graph) {
        let graphs = inner(state, &format!("{at}/States/{name}"));
        if graphs.is_empty() {
            continue;
        }
        let mut by_catchers: HashMap<&str, usize> = HashMap::new();
        for (_, variable) in caught(state) {
            *by_catchers.entry(variable).or_default() += 1;
        }
        let around = own.iter().filter(|(name, count)| by_catchers.get(*name) != Some(*count));
        let around: HashSet<&str> = around.map(|(name, _)| *name).collect();
        for (graph, at) in graphs {
            check_scopes(graph, &around, &at, faults);
        }
    }
}

/// Checks that no two states of the machine have one name.
pub(super) fn check_names<'a>(
    graph: &'a Graph,
    known: &mut HashSet<&'a str>,
    at: &str,
    faults: &mut Faults,
) {
    for (name, _) in sorted(graph) {
        if !known.insert(name) {
            let message = format!("Duplicate State name: {name}");
            faults.add(DUPLICATE, message, &format!("{at}/States/{name}"));
        }
    }
    for (name, state) in sorted(graph) {
        for (graph, at) in inner(state, &format!("{at}/States/{name}")) {
            check_names(graph, known, &at, faults);
        }
    }
}

/// What the tasks of a graph and of those inside it call, each with the path of the field that says
/// so. `at` is the path of the graph.
pub(crate) fn calls<'a>(graph: &'a Graph, at: &str, found: &mut Vec<(String, &'a Resource)>) {
    for (name, state) in sorted(graph) {
        let at = format!("{at}/States/{name}");
        if let Kind::Task(task) = &state.kind {
            found.push((format!("{at}/Resource"), &task.resource));
        }
        for (graph, at) in inner(state, &at) {
            calls(graph, &at, found);
        }
    }
}

/// Checks that an Express machine waits for nothing that it calls.
pub(super) fn check_express(graph: &Graph, faults: &mut Faults) {
    let mut found = Vec::new();
    calls(graph, "", &mut found);
    for (at, resource) in found {
        let patterns = [".waitForTaskToken", ".sync"];
        if let Some(pattern) = patterns.iter().find(|pattern| resource.action.contains(**pattern)) {
            let message =
                format!("Express state machine does not support '{pattern}' service integration");
            faults.add(SCHEMA, message, &at);
        } else if resource.service == "activity" {
            faults.add(SCHEMA, "Express state machine does not support Activity ARN", &at);
        }
    }
}

/// The variables that a state assigns when it succeeds, each with the field that does.
fn assigned(state: &State) -> Vec<(String, &str)> {
    let mut fields = vec![("Assign".to_owned(), &state.assign)];
    if let Kind::Choice { rules, .. } = &state.kind {
        for (index, rule) in rules.iter().enumerate() {
            fields.push((format!("Choices[{index}]/Assign"), &rule.assign));
        }
    }
    names(fields)
}

/// The variables that the catchers of a state assign, each with the field that does.
fn caught(state: &State) -> Vec<(String, &str)> {
    let catchers = state.catch.iter().enumerate();
    names(catchers.map(|(index, catcher)| (format!("Catch[{index}]/Assign"), &catcher.assign)))
}

fn names<'a>(
    fields: impl IntoIterator<Item = (String, &'a Vec<(String, Template)>)>,
) -> Vec<(String, &'a str)> {
    fields
        .into_iter()
        .flat_map(|(place, assign)| {
            assign.iter().map(move |(name, _)| (place.clone(), name.as_str()))
        })
        .collect()
}
