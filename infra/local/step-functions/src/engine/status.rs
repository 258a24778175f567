//! How executions stand, and what is told when that changes.

use serde::{Deserialize, Serialize};

use crate::execution::{Body, Event};

/// The status of an execution changed.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusChange {
    /// The execution.
    pub execution_arn: String,
    /// The execution's name.
    pub name: String,
    /// Its state machine.
    pub state_machine_arn: String,
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// When it started, in milliseconds since 1970.
    pub start_date: i64,
    /// When it ended, in milliseconds since 1970.
    pub stop_date: Option<i64>,
    /// Its input, as JSON text.
    pub input: String,
    /// Its output, as JSON text, when it succeeded.
    pub output: Option<String>,
    /// The error's name, when it failed or was stopped with one.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
}

/// The name of an execution's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StatusName {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
}

impl StatusName {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// An execution ended or was redriven.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) status: StatusName,
    pub(crate) at: i64,
    pub(crate) redrives: u64,
    pub(crate) redriven: Option<i64>,
    /// The error's name; the rest is in the last record.
    pub(crate) error: Option<String>,
}

impl Change {
    /// The change of status that `events` make to an execution that stands as `before` says.
    pub(crate) fn of(events: &[Event], before: Option<&Self>) -> Option<Self> {
        let mut change: Option<Self> = None;
        for event in events {
            let (status, error) = match &event.body {
                Body::ExecutionSucceeded { .. } => (StatusName::Succeeded, None),
                Body::ExecutionFailed { error, .. } => (StatusName::Failed, error.clone()),
                Body::ExecutionAborted { error, .. } => (StatusName::Aborted, error.clone()),
                Body::ExecutionTimedOut => (StatusName::TimedOut, None),
                Body::ExecutionRedriven { .. } => (StatusName::Running, None),
                _ => continue,
            };
            let last = change.as_ref().or(before);
            let mut redrives = last.map_or(0, |last| last.redrives);
            let mut redriven = last.and_then(|last| last.redriven);
            if let Body::ExecutionRedriven { count } = &event.body {
                redrives = *count;
                redriven = Some(event.at);
            }
            change = Some(Self { status, at: event.at, redrives, redriven, error });
        }
        change
    }
}
