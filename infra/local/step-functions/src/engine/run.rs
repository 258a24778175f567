//! What is known of an execution outside its driver: only what is on disk.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot, watch};

use super::machine::Revision;
use super::status::{Change, StatusName};
use crate::execution::{Body, Completion, Event, ScopeId};
use crate::journal::Position;
use crate::sync::lock;

/// Texts up to this length are kept in memory; longer ones are read from the journal.
const SHORT: usize = 256;

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
    /// The input, when it is short; otherwise the first record has it.
    pub(crate) input: Option<Box<str>>,
    /// Its place among all executions.
    pub(crate) order: u64,
    /// The task of another execution that started it.
    pub(crate) by: Option<String>,
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
    change: Option<Change>,
    end: Option<End>,
    positions: Vec<Position>,
    commands: Option<mpsc::Sender<Command>>,
    /// Whether somebody is about to redrive it.
    redriving: bool,
}

/// What an execution ended with, where it is short; otherwise the last record has it.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) output: Option<Box<str>>,
    pub(crate) cause: Option<Box<str>>,
}

impl End {
    /// What the event that ends an execution says.
    pub(crate) fn of(event: &Event) -> Self {
        match &event.body {
            Body::ExecutionSucceeded { output } => {
                Self { output: Some(output.0.to_string().into()), cause: None }
            }
            Body::ExecutionFailed { cause, .. } | Body::ExecutionAborted { cause, .. } => {
                Self { output: None, cause: cause.as_deref().map(Box::from) }
            }
            _ => Self { output: None, cause: None },
        }
    }

    fn is_short(&self) -> bool {
        [&self.output, &self.cause].into_iter().flatten().all(|text| text.len() <= SHORT)
    }
}

/// How an execution stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) status: StatusName,
    pub(crate) stopped: Option<i64>,
    pub(crate) error: Option<String>,
    pub(crate) redrives: u64,
    pub(crate) redriven: Option<i64>,
}

/// What an execution is called and how it began.
pub(crate) struct Birth {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) revision: Arc<Revision>,
    pub(crate) express: bool,
    pub(crate) started: i64,
    pub(crate) order: u64,
    pub(crate) by: Option<String>,
}

impl Run {
    pub(crate) fn new(birth: Birth, input: Option<&str>, stage: Stage) -> Self {
        Self {
            arn: birth.arn,
            name: birth.name,
            machine_arn: birth.machine_arn,
            revision: birth.revision,
            express: birth.express,
            started: birth.started,
            input: input.filter(|text| text.len() <= SHORT).map(Box::from),
            order: birth.order,
            by: birth.by,
            progress: Mutex::new(Progress {
                change: None,
                end: None,
                positions: Vec::new(),
                commands: None,
                redriving: false,
            }),
            stage: watch::Sender::new(stage),
        }
    }

    pub(crate) fn status(&self) -> StatusName {
        lock(&self.progress).change.as_ref().map_or(StatusName::Running, |change| change.status)
    }

    pub(crate) fn standing(&self) -> Standing {
        let progress = lock(&self.progress);
        match &progress.change {
            None => Standing {
                status: StatusName::Running,
                stopped: None,
                error: None,
                redrives: 0,
                redriven: None,
            },
            Some(change) => Standing {
                status: change.status,
                stopped: (change.status != StatusName::Running).then_some(change.at),
                error: change.error.clone(),
                redrives: change.redrives,
                redriven: change.redriven,
            },
        }
    }

    /// What the execution ended with, where it is in memory.
    pub(crate) fn end(&self) -> Option<End> {
        lock(&self.progress).end.clone()
    }

    pub(crate) fn positions(&self) -> Vec<Position> {
        lock(&self.progress).positions.clone()
    }

    /// Where the first and the last record are.
    pub(crate) fn bounds(&self) -> Option<(Position, Position)> {
        let progress = lock(&self.progress);
        Some((*progress.positions.first()?, *progress.positions.last()?))
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

    /// Claims an ended execution for a redrive; only one may have it.
    pub(crate) fn claim_redrive(&self) -> bool {
        let mut progress = lock(&self.progress);
        !std::mem::replace(&mut progress.redriving, true)
    }

    pub(crate) fn release_redrive(&self) {
        lock(&self.progress).redriving = false;
    }

    /// Notes what the summary of a journal file says.
    pub(crate) fn restore(&self, positions: &[Position], change: Option<&Change>) {
        let mut progress = lock(&self.progress);
        progress.positions.extend_from_slice(positions);
        if let Some(change) = change {
            progress.change = Some(change.clone());
            progress.end = None;
        }
        progress.positions.shrink_to_fit();
    }

    /// Notes events that are on disk at `position`.
    pub(crate) fn record(&self, position: Position, events: &[Event]) {
        let mut progress = lock(&self.progress);
        progress.positions.push(position);
        let Some(change) = Change::of(events, progress.change.as_ref()) else {
            return;
        };
        progress.end = None;
        if change.status != StatusName::Running {
            progress.end = events.last().map(End::of).filter(End::is_short);
            progress.commands = None;
            progress.positions.shrink_to_fit();
        }
        progress.change = Some(change);
    }
}
