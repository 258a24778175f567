//! The states of a definition.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::template::Template;
use crate::integrations::Resource;

/// A checked definition, ready to run.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The state machine's `TimeoutSeconds`.
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) graph: Arc<Graph>,
}

impl Definition {
    /// What stands for a definition that cannot be read any longer: it has no states.
    pub(crate) fn lost() -> Self {
        let graph = Graph { start_at: String::new(), states: HashMap::new() };
        Self { timeout_seconds: None, graph: Arc::new(graph) }
    }

    /// The names of all states, those of branches and iterations included, sorted.
    #[must_use]
    pub fn state_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        self.graph.collect_names(&mut names);
        names.sort();
        names
    }
}

/// States that are entered together: those of the machine, of a branch or of an iteration.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) start_at: String,
    pub(crate) states: HashMap<String, Arc<State>>,
}

impl Graph {
    pub(super) fn collect_names(&self, names: &mut Vec<String>) {
        for (name, state) in &self.states {
            names.push(name.clone());
            match &state.kind {
                Kind::Parallel { branches, .. } => {
                    for branch in branches {
                        branch.collect_names(names);
                    }
                }
                Kind::Map(map) => map.processor.collect_names(names),
                _ => {}
            }
        }
    }
}

/// The type of a state, as events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StateType {
    Pass,
    Task,
    Choice,
    Wait,
    Succeed,
    Fail,
    Parallel,
    Map,
}

impl StateType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pass => "Pass",
            Self::Task => "Task",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [
            Self::Pass,
            Self::Task,
            Self::Choice,
            Self::Wait,
            Self::Succeed,
            Self::Fail,
            Self::Parallel,
            Self::Map,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// One state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    /// Whether its query language is JSONata.
    pub(crate) jsonata: bool,
    pub(crate) kind: Kind,
    /// The state after this one; none when it ends its graph.
    pub(crate) next: Option<String>,
    pub(crate) assign: Vec<(String, Template)>,
    pub(crate) output: Option<Template>,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

impl State {
    pub(crate) fn state_type(&self) -> StateType {
        match &self.kind {
            Kind::Pass { .. } => StateType::Pass,
            Kind::Task(_) => StateType::Task,
            Kind::Choice { .. } => StateType::Choice,
            Kind::Wait(_) => StateType::Wait,
            Kind::Succeed => StateType::Succeed,
            Kind::Fail { .. } => StateType::Fail,
            Kind::Parallel { .. } => StateType::Parallel,
            Kind::Map(_) => StateType::Map,
        }
    }
}

/// What a state does.
#[derive(Debug)]
pub(crate) enum Kind {
    Pass { result: Option<Value> },
    Task(Box<Task>),
    Choice { rules: Vec<Rule>, default: Option<String> },
    Wait(Wait),
    Succeed,
    Fail { error: Option<Template>, cause: Option<Template> },
    Parallel { branches: Vec<Arc<Graph>>, arguments: Option<Template> },
    Map(Box<Map>),
}

/// A Task state's own fields.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) arguments: Option<Template>,
    pub(crate) timeout: Option<Template>,
    pub(crate) heartbeat: Option<Template>,
    /// Whom the task acts as: an object with a `RoleArn`.
    pub(crate) credentials: Option<Template>,
}

/// One rule of a Choice state.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) condition: Template,
    pub(crate) next: String,
    pub(crate) assign: Vec<(String, Template)>,
    pub(crate) output: Option<Template>,
}

/// How long a Wait state waits.
#[derive(Debug)]
pub(crate) enum Wait {
    Seconds(Template),
    Timestamp(Template),
}

/// A Map state's own fields.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) processor: Arc<Graph>,
    pub(crate) items: Option<Template>,
    pub(crate) selector: Option<Template>,
    pub(crate) max_concurrency: Option<Template>,
    /// Fields that an inline Map evaluates and checks but does not use.
    pub(crate) tolerated: Vec<(&'static str, Template)>,
}

/// One entry of `Retry`.
#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) interval_seconds: u64,
    pub(crate) max_attempts: u64,
    pub(crate) backoff_rate: f64,
    pub(crate) max_delay_seconds: Option<u64>,
    pub(crate) full_jitter: bool,
}

/// One entry of `Catch`.
#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) next: String,
    pub(crate) assign: Vec<(String, Template)>,
    pub(crate) output: Option<Template>,
}
