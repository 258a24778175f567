//! The work of each type of state.

use std::sync::Arc;

use serde_json::Value;

use super::environment::Extra;
use super::event::{Body, Json, ScopeId};
use super::interpreter::{Execution, Failure, LARGEST_DATA, Phase, milliseconds};
use crate::definition::{Kind, Rule, State, Template, TemplateFault, Wait};
use crate::instant;

/// What stopped a state: an expression, or an error of its own.
pub(super) enum Stop {
    Evaluation {
        location: String,
        sentence: String,
    },
    /// An evaluation that is not tied to an expression.
    Unlocated(String),
    Failure(Failure),
    /// Nobody waits for the state any longer: it stays as it is.
    Interrupted,
}

impl From<TemplateFault> for Stop {
    fn from(fault: TemplateFault) -> Self {
        match fault {
            TemplateFault::At { location, sentence } => Self::Evaluation { location, sentence },
            TemplateFault::Interrupted => Self::Interrupted,
        }
    }
}

/// What leaving a state gives.
struct Exit {
    output: Arc<Value>,
    assigned: Option<serde_json::Map<String, Value>>,
    next: Option<String>,
}

impl Execution {
    /// The state that a scope is in, and its input.
    pub(super) fn current(&self, id: ScopeId) -> Option<(Arc<State>, Arc<Value>)> {
        match &self.scopes.get(&id)?.phase {
            Phase::In(active) => Some((Arc::clone(&active.state), Arc::clone(&active.input))),
            _ => None,
        }
    }

    /// Begins the work of a state that was just entered or is to be tried again.
    pub(super) fn begin(&mut self, now: i64, id: ScopeId) {
        let Some((state, input)) = self.current(id) else {
            return;
        };
        let outcome = match &state.kind {
            Kind::Pass { .. } | Kind::Succeed => {
                self.finish(now, id, None);
                Ok(())
            }
            Kind::Fail { error, cause } => self.fail(now, id, error.as_ref(), cause.as_ref()),
            Kind::Choice { rules, default } => {
                self.choose(now, id, &state, rules, default.as_ref())
            }
            Kind::Wait(wait) => self.begin_wait(now, id, wait),
            Kind::Task(_) => self.schedule(now, id, &state, &input),
            Kind::Parallel { .. } | Kind::Map(_) => self.start_fan(now, id, &state, &input),
        };
        if let Err(stop) = outcome {
            // A Wait state has been entered for good when it looks at its time.
            let previous = match &state.kind {
                Kind::Wait(_) => self.scopes.get(&id).map_or(0, |scope| scope.last),
                _ => self.decision(id),
            };
            self.stopped(now, id, stop, previous);
        }
    }

    /// Ends the work of a state and leaves it. `result` is the state's result, where it has one.
    pub(super) fn finish(&mut self, now: i64, id: ScopeId, result: Option<Arc<Value>>) {
        let Some((state, input)) = self.current(id) else {
            return;
        };
        let default = match (&result, &state.kind) {
            (Some(result), _) => Arc::clone(result),
            (None, Kind::Pass { result: Some(value) }) => Arc::new(value.clone()),
            (None, _) => input,
        };
        let extra = Extra { result: result.as_deref(), ..Extra::default() };
        let exit = self.exit(
            id,
            &state.assign,
            state.output.as_ref(),
            "",
            extra,
            default,
            state.next.clone(),
        );
        match exit {
            Ok(exit) => self.leave(now, id, &state, exit),
            Err(stop) => {
                let previous = self.decision(id);
                self.stopped(now, id, stop, previous);
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields that a state, a rule and a catcher share"
    )]
    fn exit(
        &self,
        id: ScopeId,
        assign: &[(String, Template)],
        output: Option<&Template>,
        prefix: &str,
        extra: Extra<'_>,
        default: Arc<Value>,
        next: Option<String>,
    ) -> Result<Exit, Stop> {
        let too_large = || {
            let name = self.current(id).map_or_else(String::new, |(state, _)| state.name.clone());
            Stop::Failure(too_large(&name))
        };
        let assigned = self.assigned(id, assign, &format!("{prefix}Assign"), extra)?;
        if assigned.as_ref().is_some_and(|variables| !fits(variables)) {
            return Err(too_large());
        }
        let output = match output {
            Some(template) => {
                let value = self.value(id, template, &format!("{prefix}Output"), extra)?;
                if !fits(&value) {
                    return Err(too_large());
                }
                Arc::new(value)
            }
            None => default,
        };
        Ok(Exit { output, assigned, next })
    }

    fn leave(&mut self, now: i64, id: ScopeId, state: &State, exit: Exit) {
        let last = self.scopes.get(&id).map_or(0, |scope| scope.last);
        let body = Body::StateExited {
            state: state.name.clone(),
            kind: state.state_type(),
            output: Json(exit.output),
            assigned: exit.assigned,
            next: exit.next,
        };
        self.emit(now, id, last, body);
    }

    /// Leaves a state through one of its catchers.
    pub(super) fn caught(
        &mut self,
        now: i64,
        id: ScopeId,
        state: &State,
        index: usize,
        failure: &Failure,
    ) -> Result<(), Stop> {
        let Some(catcher) = state.catch.get(index) else {
            return Ok(());
        };
        let error = failure.output();
        let extra = Extra { error: Some(&error), ..Extra::default() };
        let exit = self.exit(
            id,
            &catcher.assign,
            catcher.output.as_ref(),
            &format!("Catch[{index}]/"),
            extra,
            Arc::new(error.clone()),
            Some(catcher.next.clone()),
        )?;
        self.leave(now, id, state, exit);
        Ok(())
    }

    fn fail(
        &mut self,
        now: i64,
        id: ScopeId,
        error: Option<&Template>,
        cause: Option<&Template>,
    ) -> Result<(), Stop> {
        let text = |template: Option<&Template>, location: &str| {
            template
                .map(|template| {
                    self.value_as(id, template, location, "string", |value| {
                        value.as_str().map(str::to_owned)
                    })
                })
                .transpose()
        };
        let failure =
            Failure { error: text(error, "Error")?, cause: text(cause, "Cause")?, alias: None };
        self.scope_failed(now, id, failure);
        Ok(())
    }

    fn choose(
        &mut self,
        now: i64,
        id: ScopeId,
        state: &State,
        rules: &[Rule],
        default: Option<&String>,
    ) -> Result<(), Stop> {
        let input = self.current(id).map(|(_, input)| input).unwrap_or_default();
        let mut chosen = None;
        for (index, rule) in rules.iter().enumerate() {
            let location = format!("Choices[{index}]/Condition");
            if self.value_as(id, &rule.condition, &location, "boolean", Value::as_bool)? {
                chosen = Some((index, rule));
                break;
            }
        }
        let exit = match (chosen, default) {
            (Some((index, rule)), _) => self.exit(
                id,
                &rule.assign,
                rule.output.as_ref(),
                &format!("Choices[{index}]/"),
                Extra::default(),
                input,
                Some(rule.next.clone()),
            )?,
            (None, Some(default)) => self.exit(
                id,
                &state.assign,
                state.output.as_ref(),
                "",
                Extra::default(),
                input,
                Some(default.clone()),
            )?,
            (None, None) => {
                let sentence = "Failed to transition out of the state. The state does not point to a next state.";
                let cause = self.cause(id, sentence);
                return Err(Stop::Failure(Failure::named("States.NoChoiceMatched", cause)));
            }
        };
        self.leave(now, id, state, exit);
        Ok(())
    }

    fn begin_wait(&mut self, now: i64, id: ScopeId, wait: &Wait) -> Result<(), Stop> {
        let due = match wait {
            Wait::Seconds(template) => {
                let seconds = self.value_as(id, template, "Seconds", "integer", whole)?;
                now.saturating_add(milliseconds(seconds))
            }
            Wait::Timestamp(template) => {
                let text = self.value_as(id, template, "Timestamp", "string", |value| {
                    value.as_str().map(str::to_owned)
                })?;
                instant::parse_iso(&text).ok_or_else(|| Stop::Evaluation {
                    location: "Timestamp".to_owned(),
                    sentence: format!(
                        "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
                    ),
                })?
            }
        };
        self.emit(now, id, 0, Body::Waiting { due });
        Ok(())
    }

    /// A sentence with the state and the event by which it was entered before it.
    pub(super) fn cause(&self, id: ScopeId, sentence: &str) -> String {
        let (name, entered) = match self.scopes.get(&id).map(|scope| &scope.phase) {
            Some(Phase::In(active)) => (active.state.name.as_str(), active.entered),
            _ => ("", 0),
        };
        format!(
            "An error occurred while executing the state '{name}' (entered at the event id #{entered}). {sentence}"
        )
    }
}

pub(super) fn whole(value: &Value) -> Option<u64> {
    const MOST: u64 = 99_999_999;
    value
        .as_u64()
        .or_else(|| {
            let number = value.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            (number.fract() == 0.0 && (0.0..1e8).contains(&number)).then_some(number as u64)
        })
        .filter(|number| *number <= MOST)
}

pub(super) fn too_large(name: &str) -> Failure {
    Failure::named(
        "States.DataLimitExceeded",
        format!(
            "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
        ),
    )
}

/// Whether a value is within the limit on payloads.
pub(super) fn fits(value: &impl serde::Serialize) -> bool {
    struct Counter(usize);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            if self.0 > LARGEST_DATA {
                return Err(std::io::Error::other("too large"));
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Counter(0), value).is_ok()
}
