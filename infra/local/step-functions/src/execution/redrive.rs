//! Going on after the end: an execution that failed continues where it failed.

use std::collections::HashSet;
use std::sync::Arc;

use super::event::{Body, Event, ScopeId};
use super::interpreter::{Execution, Identity, Phase, Status, Work};
use crate::definition::{Definition, Kind};
use crate::evaluator::Evaluator;

impl Execution {
    /// The execution that `events` lead to; they begin with its start.
    ///
    /// Where it was redriven, the events that gave it up before do not count: what had not failed
    /// by then goes on from where it was.
    pub(crate) fn replay(
        identity: Identity,
        definition: Definition,
        evaluator: Evaluator,
        events: &[Event],
    ) -> Self {
        let mut undone: HashSet<usize> = HashSet::new();
        for (index, event) in events.iter().enumerate() {
            if matches!(event.body, Body::ExecutionRedriven { .. }) {
                let given_up = events.iter().take(index).enumerate().rev();
                undone.extend(
                    given_up
                        .take_while(|(_, event)| event.body.is_unwinding())
                        .map(|(index, _)| index),
                );
            }
        }
        let mut execution = Self::new(identity, definition, evaluator);
        for (index, event) in events.iter().enumerate() {
            if undone.contains(&index) {
                execution.next_id = execution.next_id.max(event.id + 1);
            } else {
                execution.apply(event);
            }
        }
        execution
    }

    /// Lets every line of control go on from the step that did not succeed.
    pub(super) fn apply_redrive(&mut self, event: &Event, count: u64) {
        self.status = Status::Running;
        self.redrives = count;
        self.redriven_at = Some(event.at);
        let ids: Vec<ScopeId> = self.scopes.keys().copied().collect();
        for id in ids {
            let Some(scope) = self.scopes.get_mut(&id) else {
                continue;
            };
            let Phase::In(active) = &mut scope.phase else {
                continue;
            };
            // Attempts are counted anew.
            active.used.fill(0);
            active.retries = 0;
            match (&active.state.kind, &mut active.work) {
                // Its children go on, unless all had ended and the state itself failed.
                (Kind::Parallel { .. } | Kind::Map(_), Work::Fan(fan))
                    if fan.finished < fan.results.len() =>
                {
                    fan.last = event.id;
                    fan.follow = event.id;
                }
                (Kind::Parallel { .. } | Kind::Map(_) | Kind::Task(_), work) => {
                    *work = Work::Fresh;
                    active.decision = event.id;
                    scope.last = event.id;
                }
                // These are entered again.
                _ => {
                    scope.last = event.id;
                    scope.phase = Phase::Next {
                        state: active.state.name.clone(),
                        input: Arc::clone(&active.input),
                    };
                }
            }
        }
    }
}
