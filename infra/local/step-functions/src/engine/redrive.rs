//! Redriving: an execution that did not succeed goes on where it failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::inner::Inner;
use super::record::Record;
use super::run::{Run, Stage};
use super::status::StatusName;
use crate::error::ApiError;
use crate::execution::{Body, Event, MOST_EVENTS, ROOT};

/// For how long an execution that ended can be redriven: 14 days.
const PERIOD_MS: i64 = 14 * 24 * 60 * 60 * 1_000;

impl Run {
    /// Why the execution cannot be redriven, where it cannot.
    pub(crate) fn not_redrivable(&self, now: i64) -> Option<String> {
        let standing = self.standing();
        match (standing.status, standing.stopped) {
            _ if self.express => Some("Execution is of type EXPRESS".to_owned()),
            (StatusName::Running | StatusName::Succeeded, _) => {
                Some(format!("Execution is {} and cannot be redriven", standing.status.text()))
            }
            (_, Some(stopped)) if now - stopped > PERIOD_MS => {
                Some("Execution redrivable period exceeded".to_owned())
            }
            _ => None,
        }
    }
}

impl Inner {
    /// Redrives an execution. Answers when that was.
    pub(crate) async fn redrive(self: &Arc<Self>, run: &Arc<Run>) -> Result<i64, ApiError> {
        let refused = |reason: String| ApiError::new("ExecutionNotRedrivable", reason);
        if let Some(reason) = run.not_redrivable(self.now()) {
            return Err(refused(reason));
        }
        if !run.claim_redrive() {
            return Err(refused("Execution is RUNNING and cannot be redriven".to_owned()));
        }
        let result = self.redrive_claimed(run).await;
        run.release_redrive();
        result?.ok_or_else(|| refused("Execution history event limit exceeded".to_owned()))
    }

    async fn redrive_claimed(self: &Arc<Self>, run: &Arc<Run>) -> Result<Option<i64>, ApiError> {
        if let Some(reason) = run.not_redrivable(self.now()) {
            return Err(ApiError::new("ExecutionNotRedrivable", reason));
        }
        let mut events = self.events(run)?;
        let last = events.iter().map(|event| event.id).max().unwrap_or(0);
        if last + 1 >= MOST_EVENTS {
            return Ok(None);
        }
        let at = self.now();
        let event = Event {
            id: last + 1,
            previous: last,
            at,
            scope: ROOT,
            body: Body::ExecutionRedriven { count: run.standing().redrives + 1 },
        };
        events.push(event.clone());
        let mut execution = self.replay(run, &events);
        execution.resume(at);
        let written = std::slice::from_ref(&event);
        let position = self.write(&Record::events(run, written)).await?;
        run.record(position, written);
        self.running.fetch_add(1, Ordering::Relaxed);
        run.set_stage(Stage::Running);
        self.announce(run);
        self.spawn_driver(Arc::clone(run), execution);
        Ok(Some(at))
    }
}
