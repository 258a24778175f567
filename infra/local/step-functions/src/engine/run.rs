//! What is known of an execution outside its driver: only what is on disk.

use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot, watch};

use super::machine::Revision;
use super::status::{Change, StatusName};
use super::trail::{Kept, Trail};
use crate::error::ApiError;
use crate::evaluator::Interrupt;
use crate::execution::{Body, Completion, Event, ScopeId};
use crate::journal::Position;
use crate::sync::lock;

/// For how long an execution that has ended is kept: 90 days.
pub(crate) const RETENTION_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

/// Texts up to this length are kept in memory; longer ones are read from the journal.
const SHORT: usize = 256;

/// A request to a running execution; the answer comes when its effect is on disk.
pub(crate) enum Command {
    Stop { error: Option<String>, cause: Option<String>, reply: Reply<()> },
    Complete { scope: ScopeId, token: String, completion: Completion, reply: Reply<bool> },
    Heartbeat { scope: ScopeId, token: String, reply: Reply<bool> },
}

/// Where the answer to a command goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

impl Command {
    /// Answers that the command is not carried out.
    pub(super) fn refuse(self, error: &ApiError) {
        // The one who asked may have gone.
        match self {
            Self::Stop { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Complete { reply, .. } | Self::Heartbeat { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
        }
    }
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
    /// Ends what is evaluated for it.
    pub(crate) interrupt: Interrupt,
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
    trail: Trail,
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

    pub(super) fn is_short(&self) -> bool {
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
            interrupt: Interrupt::default(),
            progress: Mutex::new(Progress {
                change: None,
                end: None,
                trail: Trail::default(),
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
        lock(&self.progress).trail.positions()
    }

    /// How many records there are.
    pub(crate) fn records(&self) -> u32 {
        lock(&self.progress).trail.next()
    }

    /// Where the first and the last record are.
    pub(crate) fn bounds(&self) -> Option<(Position, Position)> {
        let progress = lock(&self.progress);
        let kept = progress.trail.kept();
        Some((kept.first()?.position, kept.last()?.position))
    }

    /// The journal file with the first record.
    pub(crate) fn first_segment(&self) -> Option<u32> {
        self.bounds().map(|(first, _)| first.segment)
    }

    /// Where all records are.
    pub(super) fn kept(&self) -> Vec<Kept> {
        lock(&self.progress).trail.kept().to_vec()
    }

    /// When the execution, which has ended, is forgotten.
    pub(crate) fn forgotten_at(&self) -> Option<i64> {
        Some(self.standing().stopped?.saturating_add(RETENTION_MS))
    }

    /// Whether the execution ended so long ago that it is forgotten.
    pub(crate) fn is_forgotten(&self, now: i64) -> bool {
        self.forgotten_at().is_some_and(|at| at <= now)
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

    /// Notes what the journal says.
    pub(crate) fn restore(&self, trail: Trail, change: Option<Change>, end: Option<End>) {
        let mut progress = lock(&self.progress);
        progress.trail = trail;
        progress.trail.shrink();
        progress.change = change;
        progress.end = end;
    }

    /// Notes events that are on disk at `position`.
    pub(crate) fn record(&self, position: Position, events: &[Event]) {
        let mut progress = lock(&self.progress);
        let number = progress.trail.next();
        progress.trail.push(position, Some(number), events);
        let Some(change) = Change::of(events, progress.change.as_ref()) else {
            return;
        };
        progress.end = None;
        if change.status != StatusName::Running {
            progress.end = events.last().map(End::of).filter(End::is_short);
            progress.commands = None;
            progress.trail.shrink();
        }
        progress.change = Some(change);
    }
}
