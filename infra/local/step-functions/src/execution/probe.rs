//! Trying one state by itself, for `TestState`.

use serde_json::{Map, Value};

use super::event::{Body, ROOT};
use super::failure::matches;
use super::interpreter::{Completion, Execution, Failure, Phase, Work};
use crate::definition::State;

impl Execution {
    /// Gives the machine's own scope variables, as if a state had assigned them.
    pub(crate) fn preset(&mut self, variables: Map<String, Value>) {
        if let Some(scope) = self.scopes.get_mut(&ROOT) {
            scope.variables.extend(variables);
        }
    }

    /// Gives members of the context object, over what they would be.
    pub(crate) fn give_context(&mut self, context: Map<String, Value>) {
        self.given = context;
    }

    /// Counts `retries` as made, by every retrier of the state at hand.
    pub(crate) fn count_retries(&mut self, retries: u64) {
        if let Some(Phase::In(active)) = self.scopes.get_mut(&ROOT).map(|scope| &mut scope.phase) {
            active.used.fill(retries);
            active.retries = retries;
        }
    }

    /// The catchers of a state.
    pub(crate) fn catchers(&self, state: &str) -> Catchers {
        Catchers(self.definition.graph.states.get(state).map(std::sync::Arc::clone))
    }

    /// Whether branches or iterations are under way.
    pub(crate) fn is_fanned_out(&self) -> bool {
        matches!(
            self.scopes.get(&ROOT).map(|scope| &scope.phase),
            Some(Phase::In(active)) if matches!(active.work, Work::Fan(_))
        )
    }

    /// Ends a Parallel or Map state with an outcome that did not come from its children.
    pub(crate) fn end_fan(&mut self, now: i64, outcome: Completion) {
        let last = self.scopes.get(&ROOT).map_or(0, |scope| scope.last);
        match outcome {
            Completion::Succeeded(value) => {
                self.finish(now, ROOT, Some(std::sync::Arc::new(value)))
            }
            Completion::Failed { error, cause } => {
                let failure = Failure { error, cause, alias: None };
                self.state_failed(now, ROOT, failure, Some(last));
            }
        }
    }
}

/// The catchers of a state.
pub(crate) struct Catchers(Option<std::sync::Arc<State>>);

impl Catchers {
    /// The place of the catcher that takes an error.
    pub(crate) fn of(&self, error: &str) -> Option<usize> {
        let failure = Failure { error: Some(error.to_owned()), cause: None, alias: None };
        self.0.as_ref()?.catch.iter().position(|catcher| matches(&catcher.errors, &failure))
    }
}

/// What became of a state that was tried.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) status: &'static str,
    pub(crate) output: Option<Value>,
    pub(crate) next: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) arguments: Option<Value>,
    pub(crate) result: Option<Value>,
    pub(crate) assigned: Option<Map<String, Value>>,
    /// The catcher that took the error.
    pub(crate) catcher: Option<usize>,
    /// The retrier that matched, and after how many milliseconds it tries again.
    pub(crate) retry: Option<(usize, i64)>,
}

/// What `events` say of the first state, once they say it.
pub(crate) fn verdict(events: &[super::event::Event]) -> Option<Verdict> {
    let mut verdict = Verdict::default();
    let mut failed = false;
    for event in events.iter().filter(|event| event.scope == ROOT) {
        match &event.body {
            Body::TaskScheduled { parameters, .. } => {
                verdict.arguments = Some((*parameters.0).clone());
            }
            Body::ParallelStarted { input, .. } => verdict.arguments = Some((*input.0).clone()),
            Body::TaskSucceeded { output } => verdict.result = Some((*output.0).clone()),
            Body::TaskFailed { error, cause } => {
                failed = true;
                verdict.error.clone_from(error);
                verdict.cause.clone_from(cause);
            }
            Body::TaskTimedOut => {
                failed = true;
                verdict.error = Some("States.Timeout".to_owned());
            }
            Body::EvaluationFailed { cause, .. } => {
                failed = true;
                verdict.error = Some("States.QueryEvaluationError".to_owned());
                verdict.cause = Some(cause.clone());
            }
            Body::MapFailed | Body::ParallelFailed => failed = true,
            Body::Retrying { due, retrier, .. } => {
                verdict.status = "RETRIABLE";
                verdict.retry = Some((*retrier, due.saturating_sub(event.at)));
                return Some(verdict);
            }
            Body::ExecutionFailed { error, cause } => {
                verdict.status = "FAILED";
                verdict.error.clone_from(error);
                verdict.cause.clone_from(cause);
                return Some(verdict);
            }
            Body::StateExited { output, assigned, next, .. } => {
                verdict.status = if failed { "CAUGHT_ERROR" } else { "SUCCEEDED" };
                verdict.output = Some((*output.0).clone());
                verdict.assigned.clone_from(assigned);
                verdict.next.clone_from(next);
                return Some(verdict);
            }
            body if body.is_end() => {
                verdict.status = "FAILED";
                return Some(verdict);
            }
            _ => {}
        }
    }
    None
}
