//! An execution: its lines of control, what each is doing, and what came of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::event::{Body, Event, ROOT, ScopeId};
use crate::definition::{Definition, Graph, Kind, State};
use crate::evaluator::Evaluator;
use crate::task::TaskFailure;

/// How many events an execution may have; AWS's quota.
pub(crate) const MOST_EVENTS: u64 = 25_000;
/// How large an input, an output or a result may be, in bytes of JSON; AWS's quota.
pub(crate) const LARGEST_DATA: usize = 262_144;

/// How long the holder of a token has, at least, for a heartbeat after the engine was opened.
const GRACE_SECONDS: u64 = 30;

/// What an execution is called and where it runs: the fixed part of the context object.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) machine_name: String,
    pub(crate) role: String,
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Status {
    Running,
    Succeeded(Arc<Value>),
    Failed { error: Option<String>, cause: Option<String> },
    Aborted { error: Option<String>, cause: Option<String> },
    TimedOut,
}

/// Identifies one try of one task: the id of its scheduled event.
pub(crate) type Attempt = u64;

/// What the driver has to do once the events are on disk.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Perform a task.
    Invoke {
        scope: ScopeId,
        attempt: Attempt,
        resource: String,
        state: String,
        arguments: Arc<Value>,
        timeout_seconds: Option<u64>,
        token: Option<String>,
    },
    /// Give a task up.
    Cancel { attempt: Attempt },
    /// A task's token was completed before the call that handed it on returned: let that call end
    /// by itself.
    Release { attempt: Attempt },
    /// Forget a token.
    Forget { token: String },
}

/// A running execution.
pub(crate) struct Execution {
    pub(crate) identity: Identity,
    pub(crate) status: Status,
    pub(super) definition: Definition,
    pub(super) evaluator: Evaluator,
    pub(super) input: Arc<Value>,
    pub(super) started_at: i64,
    pub(super) redrives: u64,
    pub(super) redriven_at: Option<i64>,
    /// Members of the context object that a test of a state gives.
    pub(super) given: serde_json::Map<String, Value>,
    pub(super) next_id: u64,
    pub(super) next_scope: ScopeId,
    pub(super) scopes: BTreeMap<ScopeId, Scope>,
    /// Scopes that can go on.
    pub(super) ready: VecDeque<ScopeId>,
    /// Events since the last [`Execution::take_events`].
    pub(super) events: Vec<Event>,
    pub(super) effects: Vec<Effect>,
}

pub(super) struct Scope {
    /// The scope whose state began this one, and the branch or item of it that this is.
    pub(super) parent: Option<(ScopeId, usize)>,
    pub(super) graph: Arc<Graph>,
    /// Variables assigned in this scope; those of the parents show through.
    pub(super) variables: HashMap<String, Value>,
    /// The last event of this line of control.
    pub(super) last: u64,
    /// The item of the Map iteration that this is.
    pub(super) item: Option<Arc<Value>>,
    pub(super) phase: Phase,
}

pub(super) enum Phase {
    /// About to enter a state.
    Next {
        state: String,
        input: Arc<Value>,
    },
    In(Box<Active>),
    Ended(Arc<Value>),
}

/// The state that a scope is in.
pub(super) struct Active {
    pub(super) state: Arc<State>,
    pub(super) input: Arc<Value>,
    pub(super) entered: u64,
    pub(super) entered_at: i64,
    /// What an `EvaluationFailed` follows: the event that led to the present decision.
    pub(super) decision: u64,
    /// How often each retrier was used.
    pub(super) used: Vec<u64>,
    pub(super) retries: u64,
    pub(super) work: Work,
}

pub(super) enum Work {
    /// Nothing is under way: the state's work is to begin.
    Fresh,
    Task(Running),
    Wait {
        due: i64,
    },
    Retry {
        due: i64,
    },
    Fan(Fan),
}

/// A task under way.
pub(super) struct Running {
    pub(super) attempt: Attempt,
    pub(super) parameters: Arc<Value>,
    pub(super) token: Option<String>,
    pub(super) submitted: bool,
    pub(super) timeout_seconds: Option<u64>,
    pub(super) heartbeat_seconds: Option<u64>,
    pub(super) due: Option<i64>,
    pub(super) beat_due: Option<i64>,
}

/// Branches or iterations under way.
pub(super) struct Fan {
    pub(super) items: Option<Arc<Value>>,
    pub(super) children: Vec<ScopeId>,
    pub(super) started: usize,
    pub(super) finished: usize,
    pub(super) results: Vec<Option<Arc<Value>>>,
    pub(super) concurrency: usize,
    /// What the state's succeeded and exited events follow.
    pub(super) last: u64,
    /// What the next iteration's started event follows.
    pub(super) follow: u64,
}

/// An error on its way to `Retry` and `Catch`.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// A second name that `ErrorEquals` may match.
    pub(super) alias: Option<&'static str>,
}

impl Failure {
    pub(super) fn named(error: &str, cause: impl Into<String>) -> Self {
        Self { error: Some(error.to_owned()), cause: Some(cause.into()), alias: None }
    }

    /// What a catcher sees.
    pub(super) fn output(&self) -> Value {
        serde_json::json!({ "Error": self.error, "Cause": self.cause })
    }
}

/// The outcome of a task, from the executor or from the holder of its token.
#[derive(Debug)]
pub(crate) enum Completion {
    Succeeded(Value),
    Failed { error: Option<String>, cause: Option<String> },
}

impl From<Result<Value, TaskFailure>> for Completion {
    fn from(result: Result<Value, TaskFailure>) -> Self {
        match result {
            Ok(value) => Self::Succeeded(value),
            Err(TaskFailure { error, cause }) => Self::Failed { error: Some(error), cause },
        }
    }
}

impl Execution {
    /// An execution that has not begun: give it events to replay, or [`Execution::start`] it.
    pub(crate) fn new(identity: Identity, definition: Definition, evaluator: Evaluator) -> Self {
        Self {
            identity,
            status: Status::Running,
            definition,
            evaluator,
            input: Arc::new(Value::Null),
            started_at: 0,
            redrives: 0,
            redriven_at: None,
            given: serde_json::Map::new(),
            next_id: 1,
            next_scope: 1,
            scopes: BTreeMap::new(),
            ready: VecDeque::new(),
            events: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Writes the first event.
    pub(crate) fn start(&mut self, input: String, now: i64) {
        let role = self.identity.role.clone();
        self.emit(now, ROOT, 0, Body::ExecutionStarted { input, role });
        self.ready.push_back(ROOT);
    }

    /// Prepares an execution whose events were replayed to go on: lists its open tasks as effects.
    pub(crate) fn resume(&mut self, now: i64) {
        // Nobody could send a heartbeat while the engine was down: there is a moment to catch up.
        for scope in self.scopes.values_mut() {
            if let Phase::In(active) = &mut scope.phase
                && let Work::Task(running) = &mut active.work
                && let Some(due) = running.beat_due
                && let Some(seconds) = running.heartbeat_seconds
            {
                let grace = now.saturating_add(milliseconds(seconds.min(GRACE_SECONDS)));
                running.beat_due = Some(due.max(grace));
            }
        }
        let ids: Vec<ScopeId> = self.scopes.keys().copied().collect();
        for id in ids {
            let Some(scope) = self.scopes.get(&id) else {
                continue;
            };
            match &scope.phase {
                Phase::In(active) => match &active.work {
                    Work::Task(running) => {
                        // Otherwise its call returned, and only the token is waited for.
                        if !(running.submitted && running.token.is_some()) {
                            self.effects.push(invoke_effect(id, active, running));
                        }
                    }
                    Work::Fresh | Work::Fan(_) => self.ready.push_back(id),
                    Work::Wait { .. } | Work::Retry { .. } => {}
                },
                Phase::Next { .. } | Phase::Ended(_) => self.ready.push_back(id),
            }
        }
    }

    /// The tokens that tasks wait for.
    pub(crate) fn open_tokens(&self) -> Vec<(ScopeId, String)> {
        self.scopes
            .iter()
            .filter_map(|(id, scope)| match &scope.phase {
                Phase::In(active) => match &active.work {
                    Work::Task(running) => Some((*id, running.token.clone()?)),
                    _ => None,
                },
                _ => None,
            })
            .collect()
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty() && self.status == Status::Running
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.status != Status::Running
    }

    /// When the next timer is due.
    pub(crate) fn next_due(&self) -> Option<i64> {
        let timers = self.scopes.values().filter_map(|scope| match &scope.phase {
            Phase::In(active) => match &active.work {
                Work::Task(running) => [running.due, running.beat_due].into_iter().flatten().min(),
                Work::Wait { due } | Work::Retry { due } => Some(*due),
                Work::Fresh | Work::Fan(_) => None,
            },
            _ => None,
        });
        timers.chain(self.deadline()).min()
    }

    pub(super) fn deadline(&self) -> Option<i64> {
        let seconds = self.definition.timeout_seconds?;
        let began = self.redriven_at.unwrap_or(self.started_at);
        Some(began.saturating_add(milliseconds(seconds)))
    }

    /// Records an event and lets it change the state. Answers its id.
    pub(super) fn emit(&mut self, now: i64, scope: ScopeId, previous: u64, body: Body) -> u64 {
        let public = body.is_public();
        if public && self.next_id == MOST_EVENTS && !matches!(body, Body::ExecutionFailed { .. }) {
            // The last id is for the event that says so.
            return self.give_up(now);
        }
        if self.has_ended() {
            return 0;
        }
        let id = if public { self.next_id } else { 0 };
        let event = Event { id, previous, at: now, scope, body };
        self.apply(&event);
        self.events.push(event);
        id
    }

    /// Ends the execution with an error that is not its own.
    pub(crate) fn break_off(&mut self, now: i64, cause: &str) {
        self.cancel_all();
        let previous = self.next_id.saturating_sub(1);
        let error = Some("States.Runtime".to_owned());
        let body = Body::ExecutionFailed { error, cause: Some(cause.to_owned()) };
        self.emit(now, ROOT, previous, body);
    }

    /// Has all expressions evaluated elsewhere, or no longer.
    pub(crate) fn use_evaluator(&mut self, evaluator: Evaluator) {
        self.evaluator = evaluator;
    }

    /// Drops the effects that perform tasks which are `known` to be performed.
    pub(crate) fn drop_invocations(&mut self, known: impl Fn(&Attempt) -> bool) {
        self.effects.retain(|effect| match effect {
            Effect::Invoke { attempt, .. } => !known(attempt),
            _ => true,
        });
    }

    fn give_up(&mut self, now: i64) -> u64 {
        let previous = self.next_id.saturating_sub(1);
        let cause =
            format!("The execution reached the maximum number of history events ({MOST_EVENTS}).");
        let body =
            Body::ExecutionFailed { error: Some("States.Runtime".to_owned()), cause: Some(cause) };
        self.emit(now, ROOT, previous, body)
    }
}

pub(super) fn milliseconds(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
}

fn invoke_effect(scope: ScopeId, active: &Active, running: &Running) -> Effect {
    let resource = match &active.state.kind {
        Kind::Task(task) => task.resource.plain_arn().to_owned(),
        _ => String::new(),
    };
    Effect::Invoke {
        scope,
        attempt: running.attempt,
        resource,
        state: active.state.name.clone(),
        arguments: Arc::clone(&running.parameters),
        timeout_seconds: running.timeout_seconds,
        token: running.token.clone(),
    }
}
