//! Tasks: how they are handed out, and what becomes of their outcome.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::environment::Extra;
use super::event::{Body, Json, ScopeId};
use super::interpreter::{Completion, Effect, Execution, Failure, Phase, Work};
use super::state::{Stop, fits, too_large, whole};
use crate::definition::{Kind, State, Template};
use crate::integrations;

/// How many characters of the arguments a cause shows.
const SHOWN: usize = 1_000;

impl Execution {
    /// Hands a task to be performed, with a token where it waits for one.
    pub(super) fn schedule(
        &mut self,
        now: i64,
        id: ScopeId,
        state: &State,
        input: &Arc<Value>,
    ) -> Result<(), Stop> {
        let Kind::Task(task) = &state.kind else {
            return Ok(());
        };
        if task.resource.service == "activity" {
            // There are no workers here to poll for it.
            let cause = self.cause(id, "The activity ARN does not exist.");
            return Err(Stop::Failure(Failure::named("States.Runtime", cause)));
        }
        let token = task.resource.wait_for_token.then(new_token);
        let parameters = match &task.arguments {
            Some(template) => {
                let extra = Extra { token: token.as_deref(), ..Extra::default() };
                let value = self.value(id, template, "Arguments", extra)?;
                if !fits(&value) {
                    return Err(Stop::Failure(too_large(&state.name)));
                }
                Arc::new(value)
            }
            None => Arc::clone(input),
        };
        let missing = integrations::missing(&task.resource, parameters.as_object());
        if !missing.is_empty() {
            let given: String = parameters.to_string().chars().take(SHOWN).collect();
            let sentence = format!(
                "The Parameters '{given}' could not be used to start the Task: [{}]",
                missing.join(", ")
            );
            let cause = self.cause(id, &sentence);
            return Err(Stop::Failure(Failure::named("States.Runtime", cause)));
        }
        let seconds = |template: Option<&Template>, location: &str| {
            template
                .map(|template| {
                    self.value_as(id, template, location, "positive integer", |value| {
                        whole(value).filter(|seconds| *seconds > 0)
                    })
                })
                .transpose()
        };
        let timeout = seconds(task.timeout.as_ref(), "TimeoutSeconds")?;
        let heartbeat = seconds(task.heartbeat.as_ref(), "HeartbeatSeconds")?;
        let acts_as = match &task.credentials {
            Some(template) => {
                let credentials = self.value(id, template, "Credentials", Extra::default())?;
                credentials.get("RoleArn").and_then(Value::as_str).map(str::to_owned)
            }
            None => None,
        };
        let last = self.scopes.get(&id).map_or(0, |scope| scope.last);
        let body = Body::TaskScheduled {
            acts_as,
            resource: task.resource.arn.clone(),
            parameters: Json(Arc::clone(&parameters)),
            timeout,
            heartbeat,
            token: token.clone(),
        };
        let attempt = self.emit(now, id, last, body);
        self.emit(now, id, attempt, Body::TaskStarted);
        if !self.has_ended() {
            self.effects.push(Effect::Invoke {
                scope: id,
                attempt,
                resource: task.resource.plain_arn().to_owned(),
                state: state.name.clone(),
                arguments: parameters,
                timeout_seconds: timeout,
                token,
            });
        }
        Ok(())
    }

    /// Takes the outcome of the task of a scope.
    pub(super) fn complete(&mut self, now: i64, id: ScopeId, completion: Completion) {
        let Some((state, _)) = self.current(id) else {
            return;
        };
        let Some(scope) = self.scopes.get(&id) else {
            return;
        };
        let last = scope.last;
        if let Phase::In(active) = &scope.phase
            && let Work::Task(running) = &active.work
            && let Some(token) = running.token.clone()
        {
            self.effects.push(Effect::Forget { token });
        }
        let (error, cause) = match completion {
            Completion::Succeeded(value) if fits(&value) => {
                let result = Arc::new(value);
                let output = Json(Arc::clone(&result));
                self.emit(now, id, last, Body::TaskSucceeded { output });
                self.finish(now, id, Some(result));
                self.ready.push_back(id);
                return;
            }
            Completion::Succeeded(_) => {
                let name = match &state.kind {
                    Kind::Task(task) if task.resource.function => task.resource.arn.as_str(),
                    Kind::Task(task) => task.resource.service.as_str(),
                    _ => "",
                };
                let failure = too_large(name);
                (failure.error, failure.cause)
            }
            Completion::Failed { error, cause } => (error, cause),
        };
        let body = Body::TaskFailed { error: error.clone(), cause: cause.clone() };
        self.emit(now, id, last, body);
        let failure = Failure { error, cause, alias: None };
        self.state_failed(now, id, failure, None);
        self.ready.push_back(id);
    }
}

/// Tokens cannot be guessed: 244 random bits.
fn new_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
