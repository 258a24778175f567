//! What moves an execution: the loop over scopes that can go on, and what comes from outside.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Body, Json, ROOT, ScopeId};
use super::interpreter::{Attempt, Completion, Effect, Execution, Failure, Phase, Work};

/// How many events are made before they are written.
const BURST: usize = 256;
/// How long a burst may take before what it made is written.
const LONGEST_BURST: Duration = Duration::from_millis(20);

impl Execution {
    /// Goes on as far as possible without anything from outside, or until enough events wait to
    /// be written.
    pub(crate) fn run(&mut self, now: i64) {
        let began = Instant::now();
        while self.events.len() < BURST && began.elapsed() < LONGEST_BURST {
            let Some(id) = self.ready.pop_front() else {
                return;
            };
            self.advance(now, id, began);
        }
    }

    fn advance(&mut self, now: i64, id: ScopeId, began: Instant) {
        loop {
            if self.has_ended() {
                return;
            }
            if self.events.len() >= BURST || began.elapsed() >= LONGEST_BURST {
                self.ready.push_back(id);
                return;
            }
            let Some(scope) = self.scopes.get(&id) else {
                return;
            };
            match &scope.phase {
                Phase::Next { state, input } => {
                    let (state, input) = (state.clone(), Json(Arc::clone(input)));
                    let Some(known) = scope.graph.states.get(&state) else {
                        let cause = format!("The state '{state}' does not exist.");
                        self.scope_failed(now, id, Failure::named("States.Runtime", cause));
                        return;
                    };
                    let kind = known.state_type();
                    let last = scope.last;
                    self.emit(now, id, last, Body::StateEntered { state, kind, input });
                }
                Phase::Ended(_) => {
                    self.scope_ended(now, id);
                    return;
                }
                Phase::In(active) => match &active.work {
                    Work::Fresh => self.begin(now, id),
                    Work::Retry { due } if *due <= now => self.begin(now, id),
                    Work::Wait { due } if *due <= now => self.finish(now, id, None),
                    Work::Fan(_) => {
                        if !self.continue_fan(now, id) {
                            return;
                        }
                    }
                    Work::Task(_) | Work::Retry { .. } | Work::Wait { .. } => return,
                },
            }
        }
    }

    fn scope_ended(&mut self, now: i64, id: ScopeId) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let Phase::Ended(output) = &scope.phase else {
            return;
        };
        let last = scope.last;
        let Some((parent, index)) = scope.parent else {
            let output = Json(Arc::clone(output));
            self.emit(now, ROOT, last, Body::ExecutionSucceeded { output });
            return;
        };
        let body = if scope.item.is_some() {
            Body::IterationSucceeded { index: index as u64, child: id }
        } else {
            Body::BranchEnded { child: id }
        };
        self.emit(now, parent, last, body);
        self.ready.push_back(parent);
    }

    /// What an evaluation that fails now follows.
    pub(super) fn decision(&self, id: ScopeId) -> u64 {
        let Some(scope) = self.scopes.get(&id) else {
            return 0;
        };
        match &scope.phase {
            Phase::In(active) => match &active.work {
                Work::Fresh => active.decision,
                Work::Fan(fan) => fan.last,
                _ => scope.last,
            },
            _ => scope.last,
        }
    }

    /// Fires the timers that are due.
    pub(crate) fn fire(&mut self, now: i64) {
        if self.has_ended() {
            return;
        }
        if self.deadline().is_some_and(|due| due <= now) {
            self.cancel_all();
            self.emit(now, ROOT, 0, Body::ExecutionTimedOut);
            return;
        }
        let ids: Vec<ScopeId> = self.scopes.keys().copied().collect();
        for id in ids {
            let Some(Phase::In(active)) = self.scopes.get(&id).map(|scope| &scope.phase) else {
                continue;
            };
            match &active.work {
                // Being ready twice does no harm: the second time there is nothing to do.
                Work::Wait { due } | Work::Retry { due } if *due <= now => {
                    self.ready.push_back(id);
                }
                Work::Task(running) => {
                    let missed = running.beat_due.is_some_and(|due| due <= now);
                    if missed || running.due.is_some_and(|due| due <= now) {
                        self.task_timed_out(now, id, missed);
                    }
                }
                _ => {}
            }
        }
    }

    fn task_timed_out(&mut self, now: i64, id: ScopeId, missed: bool) {
        self.cancel_task(id);
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let last = scope.last;
        self.emit(now, id, last, Body::TaskTimedOut);
        let failure = Failure {
            error: Some("States.Timeout".to_owned()),
            cause: None,
            alias: missed.then_some("States.HeartbeatTimeout"),
        };
        self.state_failed(now, id, failure, None);
        self.ready.push_back(id);
    }

    /// Takes what the executor answered for one try of a task; a late answer is ignored.
    pub(crate) fn invoked(
        &mut self,
        now: i64,
        id: ScopeId,
        attempt: Attempt,
        completion: Completion,
    ) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let Phase::In(active) = &scope.phase else {
            return;
        };
        let Work::Task(running) = &active.work else {
            return;
        };
        if running.attempt != attempt {
            return;
        }
        let last = scope.last;
        match (completion, &running.token) {
            (Completion::Succeeded(output), Some(_)) => {
                let output = Json::new(output);
                self.emit(now, id, last, Body::TaskSubmitted { output });
            }
            (completion, _) => self.complete(now, id, completion),
        }
    }

    /// Notes that what a task started is under way, and that the task waits for its end.
    pub(crate) fn submitted(
        &mut self,
        now: i64,
        id: ScopeId,
        attempt: Attempt,
        output: serde_json::Value,
    ) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        if let Phase::In(active) = &scope.phase
            && let Work::Task(running) = &active.work
            && running.attempt == attempt
            && !running.submitted
        {
            let last = scope.last;
            self.emit(now, id, last, Body::TaskSubmitted { output: Json::new(output) });
        }
    }

    /// Completes the task that `token` belongs to. Answers whether there is one.
    pub(crate) fn complete_token(
        &mut self,
        now: i64,
        id: ScopeId,
        token: &str,
        completion: Completion,
    ) -> bool {
        let Some(running) = self.task_of(id, token) else {
            return false;
        };
        let attempt = running.attempt;
        if !running.submitted {
            self.effects.push(Effect::Release { attempt });
        }
        self.complete(now, id, completion);
        true
    }

    /// Notes a heartbeat. Answers whether there is such a task.
    pub(crate) fn heartbeat(&mut self, now: i64, id: ScopeId, token: &str) -> bool {
        let Some(running) = self.task_of(id, token) else {
            return false;
        };
        if running.heartbeat_seconds.is_some() {
            self.emit(now, id, 0, Body::Heartbeat);
        }
        true
    }

    fn task_of(&self, id: ScopeId, token: &str) -> Option<&super::interpreter::Running> {
        match &self.scopes.get(&id)?.phase {
            Phase::In(active) => match &active.work {
                Work::Task(running) if running.token.as_deref() == Some(token) => Some(running),
                _ => None,
            },
            _ => None,
        }
    }

    /// Ends the execution from outside.
    pub(crate) fn stop(&mut self, now: i64, error: Option<String>, cause: Option<String>) {
        if self.has_ended() {
            return;
        }
        self.cancel_all();
        self.emit(now, ROOT, 0, Body::ExecutionAborted { error, cause });
    }

    pub(super) fn cancel_all(&mut self) {
        let ids: Vec<ScopeId> = self.scopes.keys().copied().collect();
        for id in ids {
            self.cancel_task(id);
        }
    }

    /// Gives up the task of a scope, if it has one.
    pub(super) fn cancel_task(&mut self, id: ScopeId) {
        if let Some(scope) = self.scopes.get(&id)
            && let Phase::In(active) = &scope.phase
            && let Work::Task(running) = &active.work
        {
            let attempt = running.attempt;
            self.effects.push(Effect::Cancel { attempt });
            if let Some(token) = running.token.clone() {
                self.effects.push(Effect::Forget { token });
            }
        }
    }
}
