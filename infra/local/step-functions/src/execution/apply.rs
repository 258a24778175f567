//! How each event changes the state of an execution.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::event::{Body, Event, ROOT, ScopeId};
use super::interpreter::{
    Active, Execution, Fan, Phase, Running, Scope, Status, Work, milliseconds,
};
use crate::definition::{Graph, Kind};

/// How many iterations an inline Map runs at a time when nothing limits it; AWS's quota.
const UNLIMITED: usize = 40;

impl Execution {
    /// Applies an event: one just made, or one read from the journal.
    ///
    /// An event that does not fit the state is ignored; the journal's checksums keep such events
    /// from arising.
    pub(crate) fn apply(&mut self, event: &Event) {
        if event.id > 0 {
            self.next_id = event.id + 1;
        }
        match &event.body {
            Body::ExecutionStarted { input, .. } => {
                self.started_at = event.at;
                self.input = Arc::new(serde_json::from_str(input).unwrap_or(Value::Null));
                let scope = Scope {
                    parent: None,
                    graph: Arc::clone(&self.definition.graph),
                    variables: HashMap::new(),
                    last: 0,
                    item: None,
                    phase: Phase::Next {
                        state: self.definition.graph.start_at.clone(),
                        input: Arc::clone(&self.input),
                    },
                };
                self.scopes.insert(ROOT, scope);
            }
            Body::ExecutionSucceeded { output } => {
                self.end(Status::Succeeded(Arc::clone(&output.0)));
            }
            Body::ExecutionFailed { error, cause } => {
                self.end(Status::Failed { error: error.clone(), cause: cause.clone() })
            }
            Body::ExecutionAborted { error, cause } => {
                self.end(Status::Aborted { error: error.clone(), cause: cause.clone() })
            }
            Body::ExecutionTimedOut => self.end(Status::TimedOut),
            Body::ExecutionRedriven { count } => self.apply_redrive(event, *count),
            Body::MapStarted { .. } | Body::ParallelStarted { .. } => self.apply_fan_start(event),
            Body::IterationStarted { child, input, .. } => {
                self.apply_iteration_start(event, *child, &input.0);
            }
            Body::IterationSucceeded { child, .. } => {
                self.apply_child_end(event.scope, *child, event.id);
            }
            Body::BranchEnded { child } => {
                let last = self.scopes.get(child).map_or(0, |scope| scope.last);
                self.apply_child_end(event.scope, *child, last);
            }
            Body::IterationFailed { .. } => self.set_last(event.scope, event.previous),
            Body::MapFailed | Body::ParallelFailed => {
                self.remove_children(event.scope);
                self.set_last(event.scope, event.id);
            }
            // What follows them follows the same event as they do.
            Body::MapSucceeded | Body::ParallelSucceeded => {
                self.set_last(event.scope, event.previous);
            }
            Body::IterationAborted { .. } | Body::StateAborted { .. } => {}
            _ => self.apply_to_state(event),
        }
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.scopes.clear();
        self.ready.clear();
    }

    fn set_last(&mut self, scope: ScopeId, last: u64) {
        if let Some(scope) = self.scopes.get_mut(&scope) {
            scope.last = last;
        }
    }

    /// Events of the state that a scope is in.
    fn apply_to_state(&mut self, event: &Event) {
        if let Body::Retrying { .. } = event.body {
            self.remove_children(event.scope);
        }
        let Some(scope) = self.scopes.get_mut(&event.scope) else {
            return;
        };
        if event.id > 0 {
            scope.last = event.id;
        }
        match (&event.body, &mut scope.phase) {
            (Body::StateEntered { state, input, .. }, phase) => {
                if let Some(state) = scope.graph.states.get(state) {
                    *phase = Phase::In(Box::new(Active {
                        used: vec![0; state.retry.len()],
                        state: Arc::clone(state),
                        input: Arc::clone(&input.0),
                        entered: event.id,
                        entered_at: event.at,
                        decision: event.previous,
                        retries: 0,
                        work: Work::Fresh,
                    }));
                }
            }
            (Body::StateExited { output, assigned, next, .. }, phase) => {
                for (name, value) in assigned.iter().flatten() {
                    scope.variables.insert(name.clone(), value.clone());
                }
                *phase = match next {
                    Some(state) => {
                        Phase::Next { state: state.clone(), input: Arc::clone(&output.0) }
                    }
                    None => Phase::Ended(Arc::clone(&output.0)),
                };
            }
            (body, Phase::In(active)) => apply_to_active(active, &mut scope.last, event, body),
            _ => {}
        }
    }

    fn apply_fan_start(&mut self, event: &Event) {
        let mut born: Vec<(Arc<Graph>, Arc<Value>)> = Vec::new();
        let Some(scope) = self.scopes.get_mut(&event.scope) else {
            return;
        };
        scope.last = event.id;
        let Phase::In(active) = &mut scope.phase else {
            return;
        };
        let mut fan = Fan {
            items: None,
            children: Vec::new(),
            started: 0,
            finished: 0,
            results: Vec::new(),
            concurrency: UNLIMITED,
            last: event.id,
            follow: event.id,
        };
        match (&event.body, &active.state.kind) {
            (Body::MapStarted { items, length, concurrency }, Kind::Map(_)) => {
                let items = items
                    .as_ref()
                    .map_or_else(|| Arc::clone(&active.input), |items| Arc::clone(&items.0));
                fan.items = Some(items);
                fan.results = vec![None; usize::try_from(*length).unwrap_or(0)];
                if let Ok(limit) = usize::try_from(*concurrency)
                    && (1..UNLIMITED).contains(&limit)
                {
                    fan.concurrency = limit;
                }
            }
            (Body::ParallelStarted { input, first }, Kind::Parallel { branches, .. }) => {
                fan.results = vec![None; branches.len()];
                fan.started = branches.len();
                for (branch, child) in branches.iter().zip(*first..) {
                    fan.children.push(child);
                    born.push((Arc::clone(branch), Arc::clone(&input.0)));
                }
            }
            _ => return,
        }
        let children = fan.children.clone();
        active.work = Work::Fan(fan);
        for (index, ((graph, input), child)) in born.into_iter().zip(children).enumerate() {
            self.add_child((event.scope, index), child, graph, input, None, event.id);
        }
    }

    fn apply_iteration_start(&mut self, event: &Event, child: ScopeId, input: &Arc<Value>) {
        let Some(scope) = self.scopes.get_mut(&event.scope) else {
            return;
        };
        let Phase::In(active) = &mut scope.phase else {
            return;
        };
        let (Kind::Map(map), Work::Fan(fan)) = (&active.state.kind, &mut active.work) else {
            return;
        };
        let index = fan.started;
        fan.started += 1;
        fan.children.push(child);
        let item = fan.items.as_ref().and_then(|items| items.get(index)).cloned().map(Arc::new);
        let graph = Arc::clone(&map.processor);
        let parent = (event.scope, index);
        self.add_child(parent, child, graph, Arc::clone(input), item, event.id);
    }

    fn add_child(
        &mut self,
        parent: (ScopeId, usize),
        child: ScopeId,
        graph: Arc<Graph>,
        input: Arc<Value>,
        item: Option<Arc<Value>>,
        last: u64,
    ) {
        self.next_scope = self.next_scope.max(child.saturating_add(1));
        let phase = Phase::Next { state: graph.start_at.clone(), input };
        let scope =
            Scope { parent: Some(parent), graph, variables: HashMap::new(), last, item, phase };
        self.scopes.insert(child, scope);
    }

    fn apply_child_end(&mut self, parent: ScopeId, child: ScopeId, last: u64) {
        let Some(ended) = self.scopes.remove(&child) else {
            return;
        };
        let (Phase::Ended(output), Some((_, index))) = (ended.phase, ended.parent) else {
            return;
        };
        let Some(scope) = self.scopes.get_mut(&parent) else {
            return;
        };
        let Phase::In(active) = &mut scope.phase else {
            return;
        };
        let Work::Fan(fan) = &mut active.work else {
            return;
        };
        fan.children.retain(|id| *id != child);
        fan.finished += 1;
        fan.last = last;
        fan.follow = ended.last;
        if let Some(result) = fan.results.get_mut(index) {
            *result = Some(output);
        }
    }

    /// Removes the scopes below `scope` and ends its fan.
    fn remove_children(&mut self, scope: ScopeId) {
        let children = match self.scopes.get_mut(&scope).map(|scope| &mut scope.phase) {
            Some(Phase::In(active)) => match &mut active.work {
                Work::Fan(fan) => {
                    let children = std::mem::take(&mut fan.children);
                    active.work = Work::Fresh;
                    children
                }
                _ => return,
            },
            _ => return,
        };
        for child in children {
            self.remove_children(child);
            self.scopes.remove(&child);
        }
    }
}

fn apply_to_active(active: &mut Active, last: &mut u64, event: &Event, body: &Body) {
    match body {
        Body::TaskScheduled { parameters, timeout, heartbeat, token, .. } => {
            let after = |seconds: &u64| event.at.saturating_add(milliseconds(*seconds));
            active.work = Work::Task(Running {
                attempt: event.id,
                parameters: Arc::clone(&parameters.0),
                token: token.clone(),
                submitted: false,
                timeout_seconds: *timeout,
                heartbeat_seconds: *heartbeat,
                due: timeout.as_ref().map(after),
                // Only the holder of a token can send heartbeats.
                beat_due: heartbeat.as_ref().filter(|_| token.is_some()).map(after),
            });
        }
        Body::Heartbeat => {
            if let Work::Task(running) = &mut active.work
                && let Some(seconds) = running.heartbeat_seconds
            {
                running.beat_due = Some(event.at.saturating_add(milliseconds(seconds)));
            }
        }
        Body::TaskSubmitted { .. } => {
            if let Work::Task(running) = &mut active.work {
                running.submitted = true;
            }
        }
        Body::TaskSucceeded { .. } | Body::TaskFailed { .. } | Body::TaskTimedOut => {
            active.work = Work::Fresh;
            active.decision = event.id;
        }
        Body::Waiting { due } => active.work = Work::Wait { due: *due },
        Body::Retrying { due, retrier, last: previous } => {
            if let Some(used) = active.used.get_mut(*retrier) {
                *used += 1;
            }
            active.retries += 1;
            active.work = Work::Retry { due: *due };
            *last = *previous;
        }
        _ => {}
    }
}
