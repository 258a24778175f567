//! Parallel and Map: many lines of control under one state.

use std::sync::Arc;

use serde_json::Value;

use super::environment::Extra;
use super::event::{Body, Json, ScopeId};
use super::interpreter::{Execution, Failure, Phase, Work};
use super::state::{Stop, fits, whole};
use crate::definition::{Kind, State, StateType};

impl Execution {
    pub(super) fn start_fan(
        &mut self,
        now: i64,
        id: ScopeId,
        state: &State,
        input: &Arc<Value>,
    ) -> Result<(), Stop> {
        let last = self.scopes.get(&id).map_or(0, |scope| scope.last);
        match &state.kind {
            Kind::Parallel { branches, arguments } => {
                let input = match arguments {
                    Some(template) => {
                        let value = self.value(id, template, "Arguments", Extra::default())?;
                        if !fits(&value) {
                            return Err(Stop::Failure(super::state::too_large(&state.name)));
                        }
                        Arc::new(value)
                    }
                    None => Arc::clone(input),
                };
                let first = self.next_scope;
                let body = Body::ParallelStarted { input: Json(input), first };
                self.emit(now, id, last, body);
                self.ready.extend((first..).take(branches.len()));
            }
            Kind::Map(map) => {
                let items = match &map.items {
                    Some(template) => {
                        Some(self.value_as(id, template, "Items", "array", |value| {
                            value.is_array().then(|| value.clone())
                        })?)
                    }
                    None if input.is_array() => None,
                    None if !state.jsonata => {
                        let cause = self.cause(id, "Reference path \"$\" must point to array.");
                        return Err(Stop::Failure(Failure::named("States.Runtime", cause)));
                    }
                    None => {
                        let sentence = format!("Map state input must be an array but was: {input}");
                        return Err(Stop::Unlocated(sentence));
                    }
                };
                let concurrency = match &map.max_concurrency {
                    Some(template) => {
                        self.value_as(id, template, "MaxConcurrency", "integer", whole)?
                    }
                    None => 0,
                };
                for (name, template) in &map.tolerated {
                    let value = self.value_as(id, template, name, "number", Value::as_f64)?;
                    tolerable(name, value)?;
                }
                let list = items.as_ref().unwrap_or(input);
                let body = Body::MapStarted {
                    length: list.as_array().map_or(0, Vec::len) as u64,
                    items: items.map(Json::new),
                    concurrency,
                };
                self.emit(now, id, last, body);
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts what may start of a Map, and ends a Map or Parallel whose children have all ended.
    /// Answers whether the state's scope can go on.
    pub(super) fn continue_fan(&mut self, now: i64, id: ScopeId) -> bool {
        loop {
            let Some(scope) = self.scopes.get(&id) else {
                return false;
            };
            let Phase::In(active) = &scope.phase else {
                return false;
            };
            let Work::Fan(fan) = &active.work else {
                return false;
            };
            if fan.finished == fan.results.len() {
                let results = fan
                    .results
                    .iter()
                    .map(|result| result.as_deref().cloned().unwrap_or_default())
                    .collect();
                let last = fan.last;
                let is_map = active.state.state_type() == StateType::Map;
                let result = Value::Array(results);
                if !fits(&result) {
                    let failure = super::state::too_large(&active.state.name);
                    self.state_failed(now, id, failure, Some(last));
                    return true;
                }
                let body = if is_map { Body::MapSucceeded } else { Body::ParallelSucceeded };
                self.emit(now, id, last, body);
                self.finish(now, id, Some(Arc::new(result)));
                return true;
            }
            let running = fan.started - fan.finished;
            if fan.started == fan.results.len() || running >= fan.concurrency {
                return false;
            }
            let (index, follow) = (fan.started, fan.follow);
            if let Err(stop) = self.start_iteration(now, id, index, follow) {
                if matches!(stop, Stop::Interrupted) {
                    return false;
                }
                self.abandon(now, id, None, follow);
                self.stopped(now, id, stop, follow);
                return true;
            }
            if self.has_ended() {
                return false;
            }
        }
    }

    fn start_iteration(
        &mut self,
        now: i64,
        id: ScopeId,
        index: usize,
        follow: u64,
    ) -> Result<(), Stop> {
        let Some((state, _)) = self.current(id) else {
            return Ok(());
        };
        let Kind::Map(map) = &state.kind else {
            return Ok(());
        };
        let Some(item) = self.item(id, index) else {
            return Ok(());
        };
        let input = match &map.selector {
            Some(template) => {
                let extra = Extra { item: Some((index, &item)), ..Extra::default() };
                self.value(id, template, "ItemSelector", extra)?
            }
            None => item,
        };
        let child = self.next_scope;
        let body = Body::IterationStarted { index: index as u64, child, input: Json::new(input) };
        self.emit(now, id, follow, body);
        self.ready.push_back(child);
        Ok(())
    }

    fn item(&self, id: ScopeId, index: usize) -> Option<Value> {
        match &self.scopes.get(&id)?.phase {
            Phase::In(active) => match &active.work {
                Work::Fan(fan) => fan.items.as_ref()?.get(index).cloned(),
                _ => None,
            },
            _ => None,
        }
    }

    /// A child of `parent` failed for good.
    pub(super) fn child_failed(
        &mut self,
        now: i64,
        parent: ScopeId,
        child: ScopeId,
        index: usize,
        failure: Failure,
    ) {
        let last = self.scopes.get(&child).map_or(0, |scope| scope.last);
        let is_map =
            self.current(parent).is_some_and(|(state, _)| state.state_type() == StateType::Map);
        if is_map {
            let body = Body::IterationFailed { index: index as u64 };
            self.emit(now, parent, last, body);
        }
        self.abandon(now, parent, is_map.then_some(child), last);
        self.state_failed(now, parent, failure, Some(last));
        self.ready.push_back(parent);
    }

    /// Gives up the children of a scope, except for the events of the one that `failed`.
    fn abandon(&mut self, now: i64, parent: ScopeId, failed: Option<ScopeId>, last: u64) {
        let Some(Phase::In(active)) = self.scopes.get(&parent).map(|scope| &scope.phase) else {
            return;
        };
        let is_map = active.state.state_type() == StateType::Map;
        let Work::Fan(fan) = &active.work else {
            return;
        };
        for child in fan.children.clone() {
            if failed == Some(child) {
                self.abandon(now, child, None, last);
                continue;
            }
            self.abort_state(now, child, last);
            let index = self
                .scopes
                .get(&child)
                .and_then(|scope| scope.parent)
                .map(|(_, index)| index as u64);
            if is_map && let Some(index) = index {
                self.emit(now, parent, last, Body::IterationAborted { index });
            }
        }
    }

    /// Gives up the state that a scope is in.
    fn abort_state(&mut self, now: i64, id: ScopeId, last: u64) {
        self.abandon(now, id, None, last);
        self.cancel_task(id);
        let Some((state, _)) = self.current(id) else {
            return;
        };
        let kind = state.state_type();
        if matches!(kind, StateType::Task | StateType::Wait | StateType::Map | StateType::Parallel)
        {
            self.emit(now, id, last, Body::StateAborted { kind });
        }
    }
}

/// Checks a tolerance, which an inline Map does not use.
fn tolerable(name: &str, value: f64) -> Result<(), Stop> {
    let sentence = match name {
        "ToleratedFailureCount" if value < 0.0 => "ToleratedFailureCount cannot be negative.",
        "ToleratedFailurePercentage" if !(0.0..=100.0).contains(&value) => {
            "ToleratedFailurePercentage must be between 0 and 100."
        }
        _ => return Ok(()),
    };
    Err(Stop::Evaluation { location: name.to_owned(), sentence: sentence.to_owned() })
}
