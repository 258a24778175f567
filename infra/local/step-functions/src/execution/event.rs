//! The events of an execution: what the journal keeps and the history shows.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::definition::StateType;

/// A shared JSON value, so that an event and the state it leads to hold one copy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Json(pub(crate) Arc<Value>);

impl Json {
    pub(crate) fn new(value: Value) -> Self {
        Self(Arc::new(value))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

/// A line of control within an execution: the machine itself, a branch or an iteration.
pub(crate) type ScopeId = u32;

/// The scope of the machine's own states.
pub(crate) const ROOT: ScopeId = 0;

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Event {
    /// The id in the history; 0 for what the history does not show.
    #[serde(rename = "i")]
    pub(crate) id: u64,
    #[serde(rename = "p")]
    pub(crate) previous: u64,
    /// When, in milliseconds since 1970.
    #[serde(rename = "t")]
    pub(crate) at: i64,
    #[serde(rename = "s")]
    pub(crate) scope: ScopeId,
    #[serde(rename = "b")]
    pub(crate) body: Body,
}

/// What happened.
///
/// Persisted: variants and fields may be added, never changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Body {
    ExecutionStarted {
        /// The input as it was given.
        input: String,
        role: String,
    },
    ExecutionSucceeded {
        output: Json,
    },
    ExecutionFailed {
        error: Option<String>,
        cause: Option<String>,
    },
    ExecutionAborted {
        error: Option<String>,
        cause: Option<String>,
    },
    ExecutionTimedOut,
    /// An execution that had not succeeded goes on where it failed.
    ExecutionRedriven {
        /// How often that has happened.
        count: u64,
    },
    StateEntered {
        state: String,
        kind: StateType,
        input: Json,
    },
    StateExited {
        state: String,
        kind: StateType,
        output: Json,
        assigned: Option<Map<String, Value>>,
        /// The state that follows, which the history does not say.
        next: Option<String>,
    },
    TaskScheduled {
        resource: String,
        parameters: Json,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
        /// The task token, for a task that waits for one.
        token: Option<String>,
        /// The role that the task acts as, where it is not the machine's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acts_as: Option<String>,
    },
    TaskStarted,
    TaskSubmitted {
        output: Json,
    },
    TaskSucceeded {
        output: Json,
    },
    TaskFailed {
        error: Option<String>,
        cause: Option<String>,
    },
    TaskTimedOut,
    EvaluationFailed {
        cause: String,
        location: Option<String>,
        state: String,
    },
    MapStarted {
        /// The items; none when they are the state's input.
        items: Option<Json>,
        length: u64,
        /// How many iterations may run at a time; 0 for no limit.
        concurrency: u64,
    },
    MapSucceeded,
    MapFailed,
    IterationStarted {
        index: u64,
        child: ScopeId,
        input: Json,
    },
    IterationSucceeded {
        index: u64,
        child: ScopeId,
    },
    IterationFailed {
        index: u64,
    },
    IterationAborted {
        index: u64,
    },
    ParallelStarted {
        input: Json,
        /// The scope of the first branch; the others follow.
        first: ScopeId,
    },
    /// A branch ended; the history does not show it.
    BranchEnded {
        child: ScopeId,
    },
    ParallelSucceeded,
    ParallelFailed,
    /// A Task, Wait, Map or Parallel state that was given up because a sibling failed.
    StateAborted {
        kind: StateType,
    },
    /// A Wait state began to wait.
    Waiting {
        due: i64,
    },
    /// A state failed and will be tried again. `last` is the event that the next try follows.
    Retrying {
        due: i64,
        retrier: usize,
        last: u64,
    },
    /// The holder of a task's token gave a sign of life.
    Heartbeat,
}

impl Body {
    /// Whether the history shows it.
    pub(crate) fn is_public(&self) -> bool {
        !matches!(
            self,
            Self::BranchEnded { .. }
                | Self::Waiting { .. }
                | Self::Retrying { .. }
                | Self::Heartbeat
        )
    }

    /// Whether it ends the execution.
    pub(crate) fn is_end(&self) -> bool {
        matches!(
            self,
            Self::ExecutionSucceeded { .. }
                | Self::ExecutionFailed { .. }
                | Self::ExecutionAborted { .. }
                | Self::ExecutionTimedOut
        )
    }

    /// Whether it gives up a line of control on the way to the execution's end.
    pub(crate) fn is_unwinding(&self) -> bool {
        self.is_end()
            || matches!(
                self,
                Self::ParallelFailed
                    | Self::MapFailed
                    | Self::IterationFailed { .. }
                    | Self::IterationAborted { .. }
                    | Self::StateAborted { .. }
                    | Self::EvaluationFailed { .. }
            )
    }
}
