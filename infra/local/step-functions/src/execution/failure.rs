//! What becomes of an error: `Retry`, `Catch`, or the end of the line of control.

use super::event::{Body, ROOT, ScopeId};
use super::interpreter::{Execution, Failure, Phase};
use super::state::Stop;
use crate::definition::{Retrier, StateType};

const EVALUATION: &str = "States.QueryEvaluationError";
const TIMEOUT: &str = "States.Timeout";
const RUNTIME: &str = "States.Runtime";

impl Execution {
    /// The work of a state was stopped. `previous` is what an `EvaluationFailed` follows.
    pub(super) fn stopped(&mut self, now: i64, id: ScopeId, stop: Stop, previous: u64) {
        if let Some(failure) = self.failure_of(now, id, stop, previous) {
            self.state_failed(now, id, failure, None);
        }
    }

    /// The error that a stop means, if it means one; notes an evaluation that failed.
    fn failure_of(&mut self, now: i64, id: ScopeId, stop: Stop, previous: u64) -> Option<Failure> {
        let (sentence, location) = match stop {
            Stop::Failure(failure) => return Some(failure),
            Stop::Evaluation { location, sentence } => (sentence, Some(location)),
            Stop::Unlocated(sentence) => (sentence, None),
            Stop::Interrupted => return None,
        };
        let (state, _) = self.current(id)?;
        let cause = self.cause(id, &sentence);
        let body =
            Body::EvaluationFailed { cause: cause.clone(), location, state: state.name.clone() };
        self.emit(now, id, previous, body);
        Some(Failure::named(EVALUATION, cause))
    }

    /// The state of a scope failed. `follow` is the event that the next one follows, where it is
    /// not the scope's last.
    pub(super) fn state_failed(
        &mut self,
        now: i64,
        id: ScopeId,
        failure: Failure,
        follow: Option<u64>,
    ) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let Phase::In(active) = &scope.phase else {
            return;
        };
        let state = std::sync::Arc::clone(&active.state);
        let last = follow.unwrap_or(scope.last);
        let handled = failure.error.as_deref() != Some(RUNTIME);
        if handled
            && let Some((index, retrier)) = state
                .retry
                .iter()
                .enumerate()
                .find(|(_, retrier)| matches(&retrier.errors, &failure))
        {
            let used = active.used.get(index).copied().unwrap_or(u64::MAX);
            if used < retrier.max_attempts {
                let due = now.saturating_add(delay(retrier, used));
                let body = Body::Retrying { due, retrier: index, last };
                self.emit(now, id, last, body);
                return;
            }
        }
        // What goes wrong before there are children has no event of its own outside of JSONata.
        match state.state_type() {
            _ if !handled && !state.jsonata => {}
            StateType::Map => {
                self.emit(now, id, last, Body::MapFailed);
            }
            StateType::Parallel => {
                self.emit(now, id, last, Body::ParallelFailed);
            }
            _ => {}
        }
        let catcher =
            state.catch.iter().position(|catcher| handled && matches(&catcher.errors, &failure));
        let Some(index) = catcher else {
            self.scope_failed(now, id, failure);
            return;
        };
        if let Err(stop) = self.caught(now, id, &state, index, &failure) {
            // A catcher's own error is not caught again by the same state.
            let previous = self.scopes.get(&id).map_or(0, |scope| scope.last);
            if let Some(failure) = self.failure_of(now, id, stop, previous) {
                self.scope_failed(now, id, failure);
            }
        }
    }

    /// A line of control failed.
    pub(super) fn scope_failed(&mut self, now: i64, id: ScopeId, failure: Failure) {
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        match scope.parent {
            Some((parent, index)) => self.child_failed(now, parent, id, index, failure),
            None => {
                let last = scope.last;
                let body = Body::ExecutionFailed { error: failure.error, cause: failure.cause };
                self.emit(now, ROOT, last, body);
            }
        }
    }
}

/// Whether one of `names` means `failure`.
pub(super) fn matches(names: &[String], failure: &Failure) -> bool {
    let error = failure.error.as_deref().unwrap_or_default();
    names.iter().any(|name| match name.as_str() {
        "States.ALL" => true,
        // A wildcard for all but time-outs.
        "States.TaskFailed" => error != TIMEOUT,
        name => name == error || failure.alias == Some(name),
    })
}

/// How long to wait before the next try, in milliseconds.
fn delay(retrier: &Retrier, used: u64) -> i64 {
    const LONGEST: f64 = 31_622_400.0;
    let exponent = i32::try_from(used).unwrap_or(i32::MAX);
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
    let mut seconds = retrier.interval_seconds as f64 * retrier.backoff_rate.powi(exponent);
    #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
    if let Some(most) = retrier.max_delay_seconds {
        seconds = seconds.min(most as f64);
    }
    seconds = seconds.min(LONGEST);
    if retrier.full_jitter {
        let bits = u32::try_from(uuid::Uuid::new_v4().as_u128() >> 96).unwrap_or_default();
        seconds *= f64::from(bits) / f64::from(u32::MAX);
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let milliseconds = (seconds * 1_000.0) as i64;
    milliseconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(error: &str, alias: Option<&'static str>) -> Failure {
        Failure { error: Some(error.to_owned()), cause: None, alias }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn wildcards() {
        assert!(matches(&names(&["States.ALL"]), &failure("X", None)));
        assert!(matches(&names(&["States.TaskFailed"]), &failure("X", None)));
        assert!(!matches(&names(&["States.TaskFailed"]), &failure(TIMEOUT, None)));
        let missed = failure(TIMEOUT, Some("States.HeartbeatTimeout"));
        assert!(matches(&names(&["States.HeartbeatTimeout"]), &missed));
        assert!(matches(&names(&[TIMEOUT]), &missed));
        assert!(!matches(&names(&["States.HeartbeatTimeout"]), &failure(TIMEOUT, None)));
    }

    #[test]
    fn delays_grow_and_are_capped() {
        let mut retrier = Retrier {
            errors: Vec::new(),
            interval_seconds: 2,
            max_attempts: 9,
            backoff_rate: 3.0,
            max_delay_seconds: Some(10),
            full_jitter: false,
        };
        assert_eq!(
            [0, 1, 2, 400].map(|used| delay(&retrier, used)),
            [2_000, 6_000, 10_000, 10_000]
        );
        retrier.full_jitter = true;
        assert!((0..=2_000).contains(&delay(&retrier, 0)));
    }
}
