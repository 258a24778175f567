//! What is known of an execution outside its driver: only what is on disk.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Revision, StatusChange, lock};
use crate::execution::{Body, Completion, Event, ScopeId};
use crate::journal::Position;

/// The name of an execution's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A request to a running execution; the answer comes when its effect is on disk.
pub(crate) enum Command {
    Stop { error: Option<String>, cause: Option<String>, reply: oneshot::Sender<()> },
    Complete { scope: ScopeId, token: String, completion: Completion, reply: oneshot::Sender<bool> },
    Heartbeat { scope: ScopeId, token: String, reply: oneshot::Sender<bool> },
}

/// One execution.
pub(crate) struct Run {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) revision: Arc<Revision>,
    pub(crate) express: bool,
    pub(crate) started: i64,
    pub(crate) input: String,
    /// Its place among all executions.
    pub(crate) order: u64,
    progress: Mutex<Progress>,
    /// How far it is, for those who wait.
    stage: watch::Sender<Stage>,
}

/// How far an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its start is not on disk yet.
    Starting,
    Running,
    Ended,
    /// Its start could not be written.
    Lost,
}

struct Progress {
    status: StatusName,
    stopped: Option<i64>,
    output: Option<String>,
    error: Option<String>,
    cause: Option<String>,
    positions: Vec<Position>,
    commands: Option<mpsc::Sender<Command>>,
}

/// What an execution is called and how it began.
pub(crate) struct Birth {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) revision: Arc<Revision>,
    pub(crate) express: bool,
    pub(crate) started: i64,
    pub(crate) input: String,
    pub(crate) order: u64,
}

impl Run {
    pub(crate) fn new(birth: Birth, stage: Stage) -> Self {
        Self {
            arn: birth.arn,
            name: birth.name,
            machine_arn: birth.machine_arn,
            revision: birth.revision,
            express: birth.express,
            started: birth.started,
            input: birth.input,
            order: birth.order,
            progress: Mutex::new(Progress {
                status: StatusName::Running,
                stopped: None,
                output: None,
                error: None,
                cause: None,
                positions: Vec::new(),
                commands: None,
            }),
            stage: watch::Sender::new(stage),
        }
    }

    pub(crate) fn status(&self) -> StatusName {
        lock(&self.progress).status
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        lock(&self.progress).positions.clone()
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.send_replace(stage);
    }

    /// Waits until `reached` holds and answers the stage at which it does.
    pub(crate) async fn wait(&self, reached: impl Fn(Stage) -> bool) -> Stage {
        let mut stages = self.stage.subscribe();
        match stages.wait_for(|stage| reached(*stage)).await {
            Ok(stage) => *stage,
            Err(_) => Stage::Lost,
        }
    }

    pub(crate) fn attach(&self, commands: mpsc::Sender<Command>) {
        lock(&self.progress).commands = Some(commands);
    }

    pub(crate) fn detach(&self) {
        lock(&self.progress).commands = None;
    }

    /// Sends a command to the driver. False when the execution has ended.
    pub(crate) async fn send(&self, command: Command) -> bool {
        let commands = lock(&self.progress).commands.clone();
        match commands {
            Some(commands) => commands.send(command).await.is_ok(),
            None => false,
        }
    }

    /// Notes events that are on disk at `position`. Answers whether they end the execution.
    pub(crate) fn record(&self, position: Position, events: &[Event]) -> bool {
        let mut progress = lock(&self.progress);
        progress.positions.push(position);
        let Some(last) = events.last() else {
            return false;
        };
        match &last.body {
            Body::ExecutionSucceeded { output } => {
                progress.status = StatusName::Succeeded;
                progress.output = Some(output.0.to_string());
            }
            Body::ExecutionFailed { error, cause } => {
                progress.status = StatusName::Failed;
                progress.error.clone_from(error);
                progress.cause.clone_from(cause);
            }
            Body::ExecutionAborted { error, cause } => {
                progress.status = StatusName::Aborted;
                progress.error.clone_from(error);
                progress.cause.clone_from(cause);
            }
            Body::ExecutionTimedOut => progress.status = StatusName::TimedOut,
            _ => return false,
        }
        progress.stopped = Some(last.at);
        progress.commands = None;
        progress.positions.shrink_to_fit();
        true
    }

    /// How the execution stands.
    pub(crate) fn snapshot(&self) -> StatusChange {
        let progress = lock(&self.progress);
        StatusChange {
            execution_arn: self.arn.clone(),
            name: self.name.clone(),
            state_machine_arn: self.machine_arn.clone(),
            status: progress.status.text().to_owned(),
            start_date: self.started,
            stop_date: progress.stopped,
            input: self.input.clone(),
            output: progress.output.clone(),
            error: progress.error.clone(),
            cause: progress.cause.clone(),
        }
    }
}
